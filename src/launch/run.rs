//! `vipdeck run`: the engine, and the console on it.

use super::attach::{background, has_screen};
use super::engine::Engine;
use super::guard;

use crate::cli;
use crate::console::{self, Left, Start};
use crate::control::{self, client};
use crate::settings::{Settings, look};
use crate::status::Mode;
use crate::sys::netns;
use anyhow::Context;
use clap::Parser;
use std::ffi::OsString;
use std::fs::DirBuilder;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::time::timeout;

/// By how much the parts of this process may notice a signal one after the other.
const LATE: Duration = Duration::from_millis(100);

/// With `--headless` the engine runs in a process that this one guards; else with its guard in the background, and the
/// console here.
pub fn run(args: &cli::Run, settings: &Settings, out: &mut dyn Write) -> anyhow::Result<u8> {
    match (args.headless, args.guarded || args.no_guard) {
        (true, true) => return crate::runtime::run_headless(args, settings),
        (true, false) => return guard::run(args, settings_file().as_deref()),
        (false, _) => {}
    }
    anyhow::ensure!(has_screen(), "there is no terminal for the console: use --headless");
    // Errors are shown here, before anything is started.
    let (config, host) = crate::runtime::configuration(&args.file, &args.reading)?;
    let socket_name = config.socket_name(&host);
    let name = config.router_id.unwrap_or(host);
    let socket =
        args.control.clone().unwrap_or_else(|| control::default_socket(&settings.control.directory, &socket_name));
    let socket = std::path::absolute(&socket).with_context(|| format!("control socket {}", socket.display()))?;
    let runtime = background()?;
    let targets = control::resolve(&[socket.display().to_string()], &settings.control.directory)?;
    let Some(target) = targets.into_iter().next() else { anyhow::bail!("control socket {}", socket.display()) };
    // Before its log is begun anew.
    if let Ok(snapshot) = runtime.block_on(client::status(&target)) {
        let (socket, pid) = (socket.display(), snapshot.node.pid);
        anyhow::bail!("an engine runs here already: pid {pid}; open the console on it with vipdeck attach {socket}");
    }
    let (telling, mut told) = watch::channel(false);
    let engine = {
        let _entered = runtime.enter();
        // Before the engine is there, so that no signal ends this process and leaves it behind unsaid.
        let ends = [SignalKind::terminate(), SignalKind::interrupt()].map(signal);
        let engine = Arc::new(start(args, &socket)?);
        for signals in ends {
            let signals = signals.context("listen for signals")?;
            runtime.spawn(pass_on(signals, engine.clone(), telling.clone()));
        }
        engine
    };
    runtime.block_on(engine.answers(&target))?;
    let feeds = vec![client::connect(target, runtime.handle())];
    let look = look(&settings.console, &args.look);
    let left = console::run(Start { title: name, mode: Mode::Live, feeds, stage: None, look, owns_engine: true });
    // The console may have seen the signal that ended it a moment before `pass_on` has.
    let was_told = runtime.block_on(async { timeout(LATE, told.wait_for(|told| *told)).await.is_ok() });
    let code = match left {
        Ok(Left::StopEngine) => runtime.block_on(stopped(&engine, out)),
        Ok(Left::Detached | Left::TerminalGone) | Err(_) if was_told => runtime.block_on(stopped(&engine, out)),
        Ok(Left::Detached) => detached(&engine, &socket, out),
        // Nobody is there to read anything.
        Ok(Left::TerminalGone) => Ok(0),
        Err(error) => detached(&engine, &socket, out).and(Err(error)),
    };
    runtime.shutdown_background();
    code
}

/// Starts the engine with the same words as this process was started with.
fn start(args: &cli::Run, socket: &Path) -> anyhow::Result<Engine> {
    let mut arguments = engine_arguments(args, settings_file().as_deref());
    if args.no_guard {
        arguments.push("--no-guard".into());
    }
    if args.control.is_none() {
        arguments.extend(["--control".into(), socket.into()]);
    }
    if let Some(directory) = socket.parent() {
        let made = DirBuilder::new().recursive(true).mode(0o755).create(directory);
        made.with_context(|| format!("control socket: create directory {}", directory.display()))?;
    }
    Engine::start(&arguments, socket.with_extension("log"))
}

/// What an engine has to be told of what this process was told.
pub(super) fn engine_arguments(args: &cli::Run, settings: Option<&Path>) -> Vec<OsString> {
    // The namespace is inherited; that it was asked for here counts more than what the file says.
    let mut arguments: Vec<OsString> =
        netns::entered().map(|name| ["--netns", name].map(OsString::from).into()).unwrap_or_default();
    arguments.extend(["run", "--headless", "--file"].map(OsString::from));
    arguments.push(args.file.clone().into());
    if let Some(socket) = &args.control {
        arguments.extend(["--control".into(), socket.into()]);
    }
    if let Some(directory) = &args.state {
        arguments.extend(["--state".into(), directory.into()]);
    }
    if let Some(id) = &args.reading.config_id {
        arguments.extend(["--config-id".into(), id.into()]);
    }
    if args.dont_release_vrrp {
        arguments.push("--dont-release-vrrp".into());
    }
    if args.dont_release_ipvs {
        arguments.push("--dont-release-ipvs".into());
    }
    if args.reading.all_config {
        arguments.push("--all-config".into());
    }
    if let Some(name) = cli::Cli::try_parse().ok().and_then(|cli| cli.netns) {
        arguments.extend(["--netns".into(), name.into()]);
    }
    if let Some(file) = settings {
        arguments.extend(["--settings".into(), file.into()]);
    }
    arguments
}

fn settings_file() -> Option<PathBuf> {
    cli::Cli::try_parse().ok().and_then(|cli| cli.settings)
}

/// SIGTERM (or an interrupt while there is no screen yet) is meant for the pair. The console ends by itself.
async fn pass_on(mut signals: Signal, engine: Arc<Engine>, telling: watch::Sender<bool>) {
    while signals.recv().await.is_some() {
        telling.send_replace(true);
        engine.terminate();
    }
}

async fn stopped(engine: &Engine, out: &mut dyn Write) -> anyhow::Result<u8> {
    let status = engine.stop().await?;
    let said = engine.said();
    if !said.is_empty() {
        writeln!(out, "{said}")?;
    }
    writeln!(out, "the engine has stopped ({status})")?;
    Ok(u8::from(!status.success()))
}

fn detached(engine: &Engine, socket: &Path, out: &mut dyn Write) -> anyhow::Result<u8> {
    if let Some(status) = engine.ended() {
        writeln!(out, "{}\nthe engine has ended ({status})", engine.said())?;
        return Ok(1);
    }
    let (socket, pid) = (socket.display(), engine.pid());
    writeln!(out, "the engine goes on: vipdeck attach {socket}; stop it with kill -TERM {pid}")?;
    Ok(0)
}
