//! Finding the engines a command line means, and waiting for their answers.

use crate::cli::{At, Ats};
use crate::control::client::{self, Failure};
use crate::control::{self, Target};
use crate::settings::Settings;
use crate::status::Snapshot;
use anyhow::{Context, bail};
use std::io::Write;
use tokio::runtime::{Builder, Runtime};

pub(super) fn runtime() -> anyhow::Result<Runtime> {
    Builder::new_current_thread().enable_all().build().context("start the runtime")
}

/// Every engine meant: the named one, or all of this machine.
pub(super) fn targets(at: &At, settings: &Settings) -> anyhow::Result<Vec<Target>> {
    let words: Vec<String> = at.target.iter().cloned().collect();
    control::meant(&words, settings)
}

/// What each engine reports, in the order of the targets.
pub(super) async fn statuses(targets: &[Target]) -> Vec<(Target, Result<Snapshot, Failure>)> {
    let asked = targets.iter().map(|target| async move { (target.clone(), client::status(target).await) });
    futures_util::future::join_all(asked).await
}

/// The engines that a verb is for: those named, or the only one that runs here.
pub(super) async fn meant(at: &Ats, settings: &Settings) -> anyhow::Result<Vec<Target>> {
    let targets = control::meant(&at.targets, settings)?;
    if targets.len() == 1 || !at.targets.is_empty() {
        return Ok(targets);
    }
    let mut alive: Vec<_> = statuses(&targets).await.into_iter().filter(|(_, answer)| answer.is_ok()).collect();
    if alive.len() > 1 {
        let names: Vec<_> = alive.iter().map(|(target, _)| target.label.as_str()).collect();
        bail!("several engines run here: {}; say which one with --at NAME", names.join(", "));
    }
    if let Some((target, _)) = alive.pop() {
        return Ok(vec![target]);
    }
    let names: Vec<_> = targets.iter().map(|target| target.label.as_str()).collect();
    bail!("no engine answers; there are sockets of {}", names.join(", "))
}

/// Says on standard error what went wrong with one of several engines.
pub(super) fn complain(failure: &dyn std::fmt::Display) {
    let _ = writeln!(std::io::stderr(), "vipdeck: {failure}");
}

/// A reader that has gone away (`| head`) is the end, not a failure.
pub(super) fn until_closed(written: std::io::Result<()>) -> anyhow::Result<bool> {
    match written {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error).context("standard output"),
    }
}
