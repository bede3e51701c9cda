//! `vipdeck report`: a span of time told from a recording or from the engines' journals.

use super::attach::background;
use super::record::{journals, open};
use crate::cli;
use crate::console::tape;
use crate::control;
use crate::recording::Recording;
use crate::report::exit;
use crate::report::story::Story;
use crate::settings::Settings;
use anyhow::Context;
use std::io::Write;

pub fn run(args: &cli::Report, settings: &Settings, out: &mut dyn Write) -> anyhow::Result<u8> {
    let bounds = (args.from.as_deref().map(moment).transpose()?, args.to.as_deref().map(moment).transpose()?);
    let (mut recording, missing) = if let Some(file) = &args.file {
        (open(file)?, 0)
    } else {
        let targets = control::resolve(&args.at.targets, &settings.control.directory)?;
        let runtime = background()?;
        let (pieces, missing) = runtime.block_on(journals(&targets, args.last))?;
        runtime.shutdown_background();
        (Recording::read(pieces.concat()).context("the journals")?, missing)
    };
    if args.privacy.privacy {
        let damage = recording.damage.take();
        recording = Recording::read(tape::private(&recording)?.concat()).context("the stand-ins")?;
        recording.damage = damage;
    }
    let story = Story::of(&recording, bounds);
    let mut text = Vec::new();
    if args.json {
        serde_json::to_writer_pretty(&mut text, &story)?;
        text.push(b'\n');
    } else {
        story.markdown(&mut text)?;
    }
    match out.write_all(&text) {
        // A reader that has gone away (`| head`) is the end, not a failure.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {}
        written => written.context("standard output")?,
    }
    Ok(if missing == 0 { exit::DONE } else { exit::NOT_ASKED })
}

/// `2026-11-22 12:04:31` here, or with an offset of its own.
fn moment(text: &str) -> anyhow::Result<u64> {
    let own = text.parse::<jiff::Timestamp>();
    let here = || {
        let zone = jiff::tz::TimeZone::system();
        Ok::<_, jiff::Error>(text.parse::<jiff::civil::DateTime>()?.to_zoned(zone)?.timestamp())
    };
    let stamp = own.or_else(|_offset| here()).with_context(|| format!("`{text}` is no time: 2026-11-22 12:04:31"))?;
    u64::try_from(stamp.as_microsecond()).with_context(|| format!("`{text}` is before 1970"))
}
