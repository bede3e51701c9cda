//! `vipdeck attach`: the console on running engines, which it never stops.

use crate::cli;
use crate::console::{self, Start};
use crate::control::{self, client};
use crate::report::status;
use crate::settings::{Settings, look};
use crate::status::Mode;
use anyhow::Context;
use std::io::{IsTerminal, Write};
use tokio::runtime::{Builder, Runtime};

/// Opens the console; where there is no screen to open it on, prints the status once.
pub fn run(args: &cli::Attach, settings: &Settings, out: &mut dyn Write) -> anyhow::Result<u8> {
    let targets = control::resolve(&args.targets, &settings.control.directory)?;
    if !has_screen() {
        return status::print(&targets, false, args.look.privacy.privacy || settings.console.privacy, out);
    }
    let runtime = background()?;
    let title = match targets.as_slice() {
        [one] => one.label.clone(),
        several => format!("{} nodes", several.len()),
    };
    let feeds = targets.into_iter().map(|target| client::connect(target, runtime.handle())).collect();
    let look = look(&settings.console, &args.look);
    let start = Start { title, mode: Mode::Live, feeds, stage: None, look, owns_engine: false };
    let left = console::run(start);
    // A link through ssh may take long to end; nothing is lost with it.
    runtime.shutdown_background();
    left.map(|_| 0)
}

/// The runtime for everything that the console's own thread must not wait for.
pub(super) fn background() -> anyhow::Result<Runtime> {
    Builder::new_multi_thread().worker_threads(2).thread_name("link").enable_all().build().context("start the runtime")
}

/// Whether a console can be drawn: a terminal, and one that can move its cursor.
pub(super) fn has_screen() -> bool {
    let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    std::io::stdout().is_terminal() && std::io::stdin().is_terminal() && !is_dumb
}
