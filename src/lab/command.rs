//! `vipdeck lab [SCENARIO|clean]`.

use super::{console, headless, scenario, site};
use crate::cli;
use crate::settings::Settings;
use anyhow::ensure;
use std::io::Write;

pub fn run(args: &cli::Lab, settings: &Settings, out: &mut dyn Write) -> anyhow::Result<u8> {
    let base = &settings.control.directory;
    ensure!(
        nix::unistd::geteuid().is_root(),
        "the lab makes network namespaces: run it as root, or see `vipdeck demo`, which needs no privileges"
    );
    if args.scenario == "clean" {
        return clean(base, out);
    }
    let scenario = scenario::find(&args.scenario)?;
    if args.headless {
        headless::run(scenario, base, args.interval, out)
    } else {
        console::run(scenario, args, settings)
    }
}

fn clean(base: &std::path::Path, out: &mut dyn Write) -> anyhow::Result<u8> {
    let cleaned = site::clean(base)?;
    for id in &cleaned.removed {
        writeln!(out, "removed what lab {id} left behind")?;
    }
    for id in &cleaned.running {
        writeln!(out, "lab {id} is running: left alone")?;
    }
    if cleaned == site::Cleaned::default() {
        writeln!(out, "nothing to remove")?;
    }
    Ok(0)
}
