//! `vipdeck record`: one file of what several engines' journals hold, or of what they say from now on.

use super::attach::background;
use crate::cli;
use crate::console::{self, tape};
use crate::control::{self, Target, client};
use crate::recording::Recording;
use crate::report::exit;
use crate::settings::Settings;
use crate::sys::clock::wall_us;
use anyhow::{Context, bail, ensure};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

pub fn run(args: &cli::Record, settings: &Settings, out: &mut dyn Write) -> anyhow::Result<u8> {
    let file = &args.output;
    // Said before a minute is spent on it.
    ensure!(!file.exists(), "{}: there is such a file, and it stays as it is", file.display());
    let targets = control::resolve(&args.at.targets, &settings.control.directory)?;
    let runtime = background()?;
    let title = title(&targets);
    let (pieces, missing) = match args.span {
        None => {
            let (recording, missing) = runtime.block_on(journals(&targets, args.last))?;
            (recording, missing)
        }
        Some(seconds) => {
            let feeds = targets.into_iter().map(|target| client::connect(target, runtime.handle())).collect();
            (runtime.block_on(console::record(&title, feeds, end(seconds)))?, 0)
        }
    };
    runtime.shutdown_background();
    let recording = Recording::read(pieces.concat()).context("what was recorded")?;
    let pieces = if args.privacy.privacy { tape::private(&recording)? } else { pieces };
    tape::create(file, &pieces).with_context(|| format!("write {}", file.display()))?;
    let bytes: usize = pieces.iter().map(|p| p.len()).sum();
    writeln!(out, "{}, {} kB: vipdeck replay {}", spans(&recording), bytes.div_ceil(1000), file.display())?;
    Ok(if missing == 0 { exit::DONE } else { exit::NOT_ASKED })
}

pub(super) fn title(targets: &[Target]) -> String {
    match targets {
        [one] => one.label.clone(),
        several => format!("{} nodes", several.len()),
    }
}

fn spans(recording: &Recording) -> String {
    let (from, until) = recording.span();
    let seconds = until.at.saturating_sub(from.at) / 1_000_000;
    let nodes = recording.header.nodes.len();
    let events = recording.events.len();
    format!("{} min {:02} s of {nodes} node(s), {events} events", seconds / 60, seconds % 60)
}

/// The journals of all that answer, as one recording; and how many do not.
pub(super) async fn journals(targets: &[Target], seconds: u32) -> anyhow::Result<(Vec<Arc<[u8]>>, usize)> {
    let since = wall_us().saturating_sub(u64::from(seconds) * 1_000_000);
    let asked = targets.iter().map(|target| client::journal(target, since));
    let mut journals = Vec::new();
    for (target, answer) in targets.iter().zip(futures_util::future::join_all(asked).await) {
        let read = match answer {
            Ok(bytes) => Recording::read(bytes).map_err(|e| format!("{}: its journal: {e}", target.label)),
            Err(failure) => Err(failure.to_string()),
        };
        match read {
            Ok(mut journal) => {
                journal.header.nodes = vec![target.label.clone()];
                journals.push(journal);
            }
            Err(why) => writeln!(std::io::stderr(), "vipdeck: {why}").context("standard error")?,
        }
    }
    if journals.is_empty() {
        bail!("no engine has given its journal");
    }
    let missing = targets.len() - journals.len();
    Ok((tape::merged(&title(targets), &journals)?, missing))
}

/// After so long, or when this process is told to end.
async fn end(seconds: u32) {
    let told = async {
        let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
        else {
            return std::future::pending().await;
        };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    tokio::select! {
        () = told => {}
        () = tokio::time::sleep(Duration::from_secs(seconds.into())) => {}
    }
}

/// A recording from a file; an engine's own journal, as `GET /v1/journal` gives it, is one of one node.
pub(super) fn open(file: &Path) -> anyhow::Result<Recording> {
    let bytes = std::fs::read(file).with_context(|| format!("read {}", file.display()))?;
    let named = || file.display().to_string();
    let recording = Recording::read(bytes).with_context(named)?;
    let (has_picture, damage) = match recording.parts.first().map(|part| recording.play(part)) {
        Some(Ok(played)) => (played.opened.picture.is_object(), recording.damage.clone()),
        Some(Err(damage)) => bail!("{}: {damage}", file.display()),
        None => (true, None),
    };
    if has_picture {
        return Ok(recording);
    }
    let title = recording.header.title.clone();
    let mut merged = Recording::read(tape::merged(&title, &[recording])?.concat()).with_context(named)?;
    merged.damage = damage;
    Ok(merged)
}
