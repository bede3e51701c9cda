//! From a file to a running engine.

use super::audit::{self, Audit};
use super::beside::Beside;
use super::bfd::Bfd;
use super::desk::{self, Desk};
use super::dumps::Dumps;
use super::keep::Keeper;
use super::links::Links;
use super::log::Log;
use super::reload::Reader;
use super::turn::{Ended, STOP_WITHIN, Turning};
use super::watches::Watches;
use super::{addresses, checkers, dataplane, hooks, intents, keep, plumbing, routing, workers};
use crate::cli;
use crate::cluster;
use crate::conf::{self, Config, Severity};
use crate::control::{Access, Board, NodeList, default_socket, journal, server};
use crate::engine::{Engine, Input, Keep, Setup};
use crate::report;
use crate::settings::{Settings, TableDrift};
use crate::status::{self, Actor, ConfigText, Dataplane, DataplaneKind};
use crate::sys::clock::{Clock, uptime, wall_us};
use crate::sys::files::{Files, environment};
use crate::sys::guarded::{FAILED, RESTART, release_signals};
use crate::sys::journal_files::JournalFiles;
use crate::sys::memory;
use crate::sys::netlink::Monitor;
use crate::sys::succession::Succession;
use crate::sys::timer::Timer;
use crate::time::{Duration, Instant};
use anyhow::Context;
use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

/// For the links of what an engine before this one held to be seen.
const ADOPT_WITHIN: Duration = Duration::from_secs(1);

/// After so long the start is over, and its code is given back.
const SETTLED: std::time::Duration = std::time::Duration::from_secs(5);

/// Runs the engine on this thread until SIGTERM or SIGINT. Exit status 0 if everything was released, 1 if not; see
/// [`guarded`](crate::sys::guarded) for those that a guard understands.
#[expect(clippy::too_many_lines, reason = "one line a part")]
pub fn run_headless(args: &cli::Run, settings: &Settings) -> anyhow::Result<u8> {
    let log = log_to_stderr()?;
    let succession = args.guarded.then(Succession::inherited).transpose().context("what a guard gives its engine")?;
    let succession = succession.map(Arc::new);
    let guard = succession.as_ref().map(|_| nix::unistd::getppid());
    let clock = succession.as_ref().and_then(|s| s.zero()).map_or_else(Clock::start, Clock::since);
    let left = succession.as_ref().filter(|s| s.zero().is_some()).map(|s| keep::legacy(s, &clock));
    let ((config, texts), legacy) = match left {
        Some((legacy, kept)) => (config_to_go_on_with(args, legacy.planned, kept)?, Some(legacy)),
        None => (with_texts(args)?, None),
    };
    let started = clock.now();
    let mut keeper = Keeper::new(succession);
    if legacy.as_ref().is_none_or(|legacy| legacy.planned) {
        keeper.keep_configuration(config.clone(), false);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (results_in, results) = mpsc::unbounded_channel();
    hooks::before_start(&config.globals, legacy.is_none(), &keeper, &runtime, &results_in)?;
    let _entered = runtime.enter();
    let socket_name = config.socket_name(&host()?);
    let goes_on = legacy.is_some();
    let board = Arc::new(Board::default());
    let effective = config.about.effective.clone();
    let mut engine = Engine::new(Setup {
        config,
        host: host()?,
        config_path: args.file.display().to_string(),
        pid: std::process::id(),
        guard: guard.and_then(|guard| guard.as_raw().try_into().ok()),
        seed: wall_us() ^ u64::from(std::process::id()),
        wall_zero_us: wall_us().saturating_sub(started.as_micros()),
        uptime: uptime(),
        lease: settings.engine.lease_seconds,
        probe_addresses: settings.engine.probe_addresses,
        legacy,
        dataplane: Dataplane { kind: DataplaneKind::None, note: None },
    });
    let file = std::path::absolute(&args.file).with_context(|| format!("find {}", args.file.display()))?;
    let state = args.state.as_deref().unwrap_or(&settings.engine.state_directory);
    let intents_file = intents::path(state, &socket_name, &file);
    let audit = audit::Place {
        node: engine.name().to_owned(),
        path: intents_file.with_extension("audit"),
        limits: settings.audit.limits(),
        // Engine after engine has failed, or somebody ends it.
        ender: if args.farewell { actor("guard", "this machine") } else { actor("SIGTERM", "signal") },
    };
    let audit = Audit::start(audit, board.clone(), results_in.clone()).context("start the thread for the audit log")?;
    let desk = desk::Place {
        node: engine.name().to_owned(),
        file: args.file.clone(),
        reading: args.reading.clone(),
        effective,
        running: texts,
        clock,
    };
    let desk =
        Desk::start(desk, board.clone(), results_in.clone()).context("start the thread for the configuration")?;
    if keeper.is_guarded() {
        engine.keep_configurations();
    }
    let intents = intents::start(&mut engine, started, intents_file, goes_on, &results_in)?;
    engine.adopt_drift(settings.engine.table_drift == TableDrift::Adopt);
    let table = if engine.has_services() {
        let (table, kind) = dataplane::start(results_in.clone(), engine.table_namespace(), &settings.balancer)?;
        engine.set_dataplane(clock.now(), kind);
        Some(table)
    } else {
        None
    };
    // What is handed over because engine after engine has failed is not kept.
    let keep = Keep { vrrp: args.dont_release_vrrp && !args.farewell, ipvs: args.dont_release_ipvs };
    engine.keep_at_stop(clock.now(), keep);
    let monitor = Monitor::on_thread().context("open rtnetlink")?;
    let links = Links::new(&engine).context("open the socket for ARP; it takes root (CAP_NET_RAW)")?;
    board.set_nodes(NodeList::from(settings));
    let files = settings.journal.on_disk.then(|| journal_files(args, settings, &socket_name)).flatten();
    journal::keep(&board, &settings.journal, files).context("start the thread for the journal")?;
    let (requests_in, requests) = mpsc::channel(64);
    let socket = args.control.clone().unwrap_or_else(|| default_socket(&settings.control.directory, &socket_name));
    let server = server::serve(board.clone(), requests_in, &socket, &Access::from(&settings.control))?;
    let scraped = settings.metrics.listen.and_then(|at| {
        let served = server::serve_metrics(board.clone(), at.into());
        // A port in use must not keep addresses without an owner: it is told, and the engine runs.
        let refused = |text| Input::Report { severity: status::Severity::Warning, kind: "metrics", text, cause: None };
        served.inspect_err(|error| drop(results_in.send(refused(format!("{error:#}; nobody can scrape"))))).ok()
    });
    tracing::info!("{} listens for consoles at {}", engine.name(), socket.display());
    let (stop, stop_in, hangups) = signals()?;
    if args.farewell {
        let _ = stop_in.try_send(());
    }
    let dumps = Dumps::start(results_in.clone())?;
    let bfd = Bfd::start(clock, results_in.clone(), engine.bfds());
    let sweep = engine.firewall().is_empty().then(|| engine.firewall().table.clone());
    let plumbing = plumbing::start(results_in.clone(), sweep)?;
    let (addresses, workers) = (addresses::start(results_in.clone())?, workers::start(results_in.clone())?);
    let checkers = checkers::start(results_in.clone())?;
    let watches = Watches::start(&engine, results_in.clone())?;
    let hears_routing = routing::start_if_needed(&engine, &results_in)?;
    memory::give_back_program_after(SETTLED).context("start a thread")?;
    // After every other thread: it gives this one what the file asks for, and what starts later inherits that.
    let beside = Beside::start(&engine, settings, &board, &results_in)?;
    keeper.begin(&clock, &engine).context("what the next engine goes on from")?;
    release_signals().context("take signals")?;
    let turning = Turning {
        clock,
        timer: Timer::new(clock).context("make a timer")?,
        engine,
        links,
        unannounced: VecDeque::new(),
        plumbing,
        addresses,
        intents,
        monitor,
        hears_routing,
        table,
        workers,
        checkers,
        results,
        requests,
        replies: BTreeMap::new(),
        bfd,
        audit,
        desk,
        beside,
        watches,
        reader: Reader {
            file,
            reading: args.reading.clone(),
            results: results_in,
            balancer: settings.balancer.clone(),
        },
        hangups,
        dumps,
        board,
        asked: 0,
        published_at: Instant::ZERO,
        snapshot_took: Duration::ZERO,
        changed: true,
        stop_at: None,
        keeper,
        guard,
        adopt_by: started + ADOPT_WITHIN,
        restart_at: None,
        ended: None,
    };
    memory::give_back_free();
    let ended = runtime.block_on(turning.run(stop));
    server.stop();
    drop(scraped);
    let status = match ended {
        Ended::Released => {
            let but = if keep == Keep::default() { "" } else { ", but for what was to stay" };
            tracing::info!("everything is released{but}");
            0
        }
        Ended::LeftBehind => {
            tracing::error!("not everything was released within {STOP_WITHIN:?}: see `ip address` and `ipvsadm -Ln`");
            1
        }
        Ended::Restart => {
            tracing::info!("the next engine goes on");
            RESTART
        }
        Ended::Failed => {
            tracing::error!("a part of this engine has failed: another has to go on");
            FAILED
        }
    };
    log.flush();
    Ok(status)
}

/// A directory that cannot be made keeps nobody from starting: the journal is in memory as well.
fn journal_files(args: &cli::Run, settings: &Settings, name: &str) -> Option<JournalFiles> {
    let state = args.state.as_deref().unwrap_or(&settings.engine.state_directory);
    let directory = state.join(format!("journal-{}", name.replace('/', "_")));
    let made = JournalFiles::new(directory.clone());
    made.inspect_err(|e| tracing::error!("the journal is in memory alone: {}: {e}", directory.display())).ok()
}

/// After a crash, the configuration that was run: what lies in the file meanwhile was not asked for. On an operator's
/// word, the file. Its texts are known if it comes from the file.
fn config_to_go_on_with(
    args: &cli::Run,
    planned: bool,
    kept: Option<Config>,
) -> anyhow::Result<(Config, Option<ConfigText>)> {
    match kept {
        Some(kept) if !planned => Ok((kept, None)),
        Some(kept) => Ok(with_texts(args).unwrap_or_else(|error| {
            tracing::error!("going on with the configuration of before: {error:#}");
            (kept, None)
        })),
        None => with_texts(args),
    }
}

fn with_texts(args: &cli::Run) -> anyhow::Result<(Config, Option<ConfigText>)> {
    let read = read(&args.file, &args.reading)?;
    let texts = cluster::configuration::text(&read, &args.file);
    Ok((read.config, Some(texts)))
}

/// Reads a configuration that is to be run, and this machine's name. Errors in it are the error, with their places;
/// warnings and notes go to `vipdeck check`.
pub fn configuration(file: &Path, reading: &cli::Reading) -> anyhow::Result<(Config, String)> {
    Ok((read(file, reading)?.config, host()?))
}

/// The same with all that was read.
pub(super) fn read(file: &Path, reading: &cli::Reading) -> anyhow::Result<conf::Read> {
    let environment = environment(reading.config_id.as_deref(), reading.all_config);
    let read = conf::read(file, &Files, &environment, conf::Sources::default());
    let errors: Vec<_> = read
        .diagnostics
        .iter()
        .filter(|d| d.severity == Severity::Error)
        .map(|d| report::check::text(d, &read.sources, file, report::check::Look::Plain))
        .collect();
    anyhow::ensure!(errors.is_empty(), "{} cannot be run as it is\n{}", file.display(), errors.concat().trim_end());
    Ok(read.with_about())
}

fn actor(user: &str, from: &str) -> Actor {
    Actor { user: user.into(), from: from.into() }
}

fn host() -> anyhow::Result<String> {
    let host = nix::unistd::gethostname().context("this machine's name")?;
    Ok(host.to_string_lossy().into_owned())
}

/// SIGTERM and SIGINT ask to stop, SIGHUP to read the configuration anew; several at once are one.
fn signals() -> anyhow::Result<(mpsc::Receiver<()>, mpsc::Sender<()>, mpsc::Receiver<()>)> {
    let (stop, asked) = mpsc::channel(1);
    let told = stop.clone();
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
    Ok((asked, told, hung_up))
}

fn log_to_stderr() -> anyhow::Result<Log> {
    let filter = tracing_subscriber::EnvFilter::try_from_env("VIPDECK_LOG")
        .unwrap_or_else(|_unset| tracing_subscriber::EnvFilter::new("info"));
    let log = Log::start().context("start the log")?;
    let writer = log.clone();
    let to = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false);
    let _ = to.with_target(false).with_writer(move || writer.clone()).try_init();
    Ok(log)
}
