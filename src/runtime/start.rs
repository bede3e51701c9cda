//! From a file to a running engine.

use super::beside::Beside;
use super::links::Links;
use super::log::Log;
use super::reload::Reader;
use super::turn::{STOP_WITHIN, Turning};
use super::{addresses, dataplane, hooks, workers};
use crate::cli;
use crate::conf::{self, Config, Severity};
use crate::control::{Access, Board, default_socket, server};
use crate::engine::{Engine, Setup};
use crate::report;
use crate::settings::Settings;
use crate::status::{Dataplane, DataplaneKind};
use crate::sys::clock::{Clock, uptime, wall_us};
use crate::sys::files::{Files, environment};
use crate::sys::netlink::Netlink;
use crate::time::Instant;
use anyhow::Context;
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::Path;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

/// Runs the engine on this thread until SIGTERM or SIGINT. Exit status 0 if everything was released, 1 if not.
pub fn run_headless(args: &cli::Run, settings: &Settings) -> anyhow::Result<u8> {
    let log = log_to_stderr()?;
    let (config, host) = configuration(&args.file, &args.reading)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (results_in, results) = mpsc::unbounded_channel();
    hooks::before_start(&config.globals, &runtime, &results_in)?;
    let _entered = runtime.enter();
    let socket_name = config.socket_name(&host);
    let clock = Clock::start();
    let has_services = !config.services.is_empty();
    let mut engine = Engine::new(Setup {
        config,
        host,
        config_path: args.file.display().to_string(),
        pid: std::process::id(),
        seed: wall_us() ^ u64::from(std::process::id()),
        wall_zero_us: wall_us(),
        uptime: uptime(),
        lease: settings.engine.lease_seconds,
        dataplane: Dataplane { kind: DataplaneKind::None, note: None },
    });
    let table = if has_services {
        let (table, kind) = dataplane::start(results_in.clone())?;
        engine.set_dataplane(clock.now(), kind);
        Some(table)
    } else {
        None
    };
    let (_requests, monitor) = Netlink::open().context("open rtnetlink")?;
    let links = Links::new(&engine).context("open the socket for ARP; it takes root (CAP_NET_RAW)")?;
    let board = Arc::new(Board::default());
    let (requests_in, requests) = mpsc::channel(64);
    let socket = args.control.clone().unwrap_or_else(|| default_socket(&settings.control.directory, &socket_name));
    let server = server::serve(board.clone(), requests_in, &socket, &Access::from(&settings.control))?;
    tracing::info!("{} listens for consoles at {}", engine.name(), socket.display());
    let (stop, hangups) = signals()?;
    let file = std::path::absolute(&args.file).with_context(|| format!("find {}", args.file.display()))?;
    let (addresses, workers) = (addresses::start(results_in.clone())?, workers::start(results_in.clone())?);
    let beside = Beside::start(&engine, settings, &board, &results_in)?;
    let turning = Turning {
        clock,
        engine,
        links,
        addresses,
        monitor,
        table,
        workers,
        results,
        requests,
        replies: BTreeMap::new(),
        beside,
        reader: Reader { file, reading: args.reading.clone(), results: results_in },
        hangups,
        board,
        asked: 0,
        published_at: Instant::ZERO,
        changed: true,
        stop_at: None,
        ended: false,
    };
    // Without a service manager there is nobody to tell.
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    let released = runtime.block_on(turning.run(stop));
    server.stop();
    if released {
        tracing::info!("everything is released");
    } else {
        tracing::error!("not everything was released within {STOP_WITHIN:?}: look with `ip address` and `ipvsadm -Ln`");
    }
    log.flush();
    Ok(u8::from(!released))
}

/// Reads a configuration that is to be run, and this machine's name. Errors in it are the error, with their places;
/// warnings and notes go to `vipdeck check`.
pub fn configuration(file: &Path, reading: &cli::Reading) -> anyhow::Result<(Config, String)> {
    let environment = environment(reading.config_id.as_deref(), reading.all_config);
    let (config, diagnostics, sources) = conf::parse_in(file, &Files, &environment);
    let errors: Vec<_> = diagnostics
        .iter()
        .filter(|d| d.severity == Severity::Error)
        .map(|d| report::check::text(d, &sources, file, report::check::Look::Plain))
        .collect();
    anyhow::ensure!(errors.is_empty(), "{} cannot be run as it is\n{}", file.display(), errors.concat().trim_end());
    let host = nix::unistd::gethostname().context("this machine's name")?;
    Ok((config, host.to_string_lossy().into_owned()))
}

/// SIGTERM and SIGINT ask to stop, SIGHUP to read the configuration anew; several at once are one.
fn signals() -> anyhow::Result<(mpsc::Receiver<()>, mpsc::Receiver<()>)> {
    let (stop, asked) = mpsc::channel(1);
    for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
        let mut signals = signal(kind).context("listen for signals")?;
        let stop = stop.clone();
        tokio::spawn(async move {
            while signals.recv().await.is_some() {
                let _ = stop.try_send(());
            }
        });
    }
    let (hang_up, hung_up) = mpsc::channel(1);
    let mut hangups = signal(SignalKind::hangup()).context("listen for signals")?;
    tokio::spawn(async move {
        while hangups.recv().await.is_some() {
            let _ = hang_up.try_send(());
        }
    });
    Ok((asked, hung_up))
}

fn log_to_stderr() -> anyhow::Result<Log> {
    let filter = tracing_subscriber::EnvFilter::try_from_env("VIPDECK_LOG")
        .unwrap_or_else(|_unset| tracing_subscriber::EnvFilter::new("info"));
    let log = Log::start().context("start the log")?;
    let writer = log.clone();
    let to = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(std::io::stderr().is_terminal());
    let _ = to.with_target(false).with_writer(move || writer.clone()).try_init();
    Ok(log)
}
