//! `vipdeck replay`: the console on a recording.

use super::attach::has_screen;
use super::record::open;
use crate::cli;
use crate::console::{self, tape};
use crate::recording::Recording;
use crate::settings::{Settings, look};
use anyhow::{Context, ensure};
use std::io::Write;

pub fn run(args: &cli::Replay, settings: &Settings, _out: &mut dyn Write) -> anyhow::Result<u8> {
    let mut recording = open(&args.file)?;
    let look = look(&settings.console, &args.look);
    if look.privacy {
        let damage = recording.damage.take();
        recording = Recording::read(tape::private(&recording)?.concat()).context("the stand-ins")?;
        recording.damage = damage;
    }
    let file = args.file.display();
    ensure!(has_screen(), "there is no terminal to show it on: vipdeck report {file} tells what is in it");
    console::replay(recording, file.to_string(), look)?;
    Ok(0)
}
