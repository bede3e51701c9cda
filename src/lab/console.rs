//! A lab with the console on it.

use super::crew::Crew;
use super::report::Report;
use super::scenario::Scenario;
use crate::control::{self, Feed, StageFeed, StageRequest};
use crate::settings::{Settings, look};
use crate::status::{Mode, Stage};
use crate::{cli, console};
use anyhow::{Context, bail};
use std::path::{Path, PathBuf};
use std::sync::mpsc as channel;
use tokio::runtime::{Builder, Handle};
use tokio::sync::{mpsc, oneshot, watch};

/// Until the console is left; then everything is removed.
pub(super) fn run(scenario: &'static Scenario, args: &cli::Lab, settings: &Settings) -> anyhow::Result<u8> {
    let (up, is_up) = channel::channel();
    let (stop, stopped) = oneshot::channel();
    let (base, interval) = (settings.control.directory.clone(), args.interval);
    // Programs die with the thread that started them: this one lives until the end.
    let thread = std::thread::Builder::new().name("lab".into()).spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(perform(scenario, &base, interval, &up, stopped))
    })?;
    let shown = match is_up.recv() {
        Ok(stage) => open(scenario, stage, &args.look, settings),
        // The thread ended first, and says why below.
        Err(channel::RecvError) => Ok(()),
    };
    drop(stop);
    let ended = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    shown.and(ended)?;
    Ok(0)
}

/// A stage that stands, as the console's thread gets it.
struct Standing {
    sockets: Vec<PathBuf>,
    stage: watch::Receiver<Stage>,
    requests: mpsc::Sender<StageRequest>,
    runtime: Handle,
}

/// The lab's thread.
async fn perform(
    scenario: &'static Scenario,
    base: &Path,
    interval: u64,
    up: &channel::Sender<Standing>,
    stopped: oneshot::Receiver<()>,
) -> anyhow::Result<()> {
    let mut crew = Crew::raise(scenario, base, interval).await?;
    let ready = crew.ready();
    if ready.nodes.iter().all(|node| node.dataplane.is_none()) {
        let why = ready.nodes.iter().filter_map(|n| Some(format!("{}: {}", n.machine.name, n.problem.as_ref()?)));
        bail!("no engine came up; {}", why.collect::<Vec<_>>().join("; "));
    }
    let (requests, mut asked) = mpsc::channel(16);
    let stage = stage_only(crew.watch());
    let standing = Standing {
        sockets: ready.nodes.into_iter().map(|n| n.socket).collect(),
        stage,
        requests,
        runtime: Handle::current(),
    };
    up.send(standing).ok().context("the console is gone")?;
    tokio::select! {
        () = crew.play(&mut asked) => {}
        _ = stopped => {}
    }
    crew.strike()
}

fn stage_only(mut seen: watch::Receiver<(Stage, Report)>) -> watch::Receiver<Stage> {
    let (send, stage) = watch::channel(seen.borrow_and_update().0.clone());
    tokio::spawn(async move {
        while seen.changed().await.is_ok() {
            let now = seen.borrow_and_update().0.clone();
            if send.send(now).is_err() {
                return;
            }
        }
    });
    stage
}

fn open(scenario: &'static Scenario, standing: Standing, flags: &cli::Look, settings: &Settings) -> anyhow::Result<()> {
    let Standing { sockets, stage, requests, runtime } = standing;
    let feeds = sockets.iter().map(|socket| feed(socket, &settings.control.directory, &runtime));
    let feeds = feeds.collect::<anyhow::Result<Vec<_>>>()?;
    console::run(console::Start {
        title: format!("lab {}", scenario.name),
        mode: Mode::Live,
        feeds,
        stage: Some(StageFeed { stage, requests }),
        look: look(&settings.console, flags),
        owns_engine: false,
    })?;
    Ok(())
}

/// The link to one engine, kept by tasks on the lab's own runtime.
fn feed(socket: &Path, directory: &Path, runtime: &Handle) -> anyhow::Result<Feed> {
    let word = socket.to_str().with_context(|| format!("{} is not UTF-8", socket.display()))?;
    let mut targets = control::resolve(&[word.to_owned()], directory)?;
    let target = targets.pop().with_context(|| format!("{word} names no engine"))?;
    // The short name that `--at` takes, where there is one.
    let short = socket.strip_prefix(directory).ok().and_then(Path::to_str).and_then(|p| p.strip_suffix(".sock"));
    let label = short.map_or_else(|| target.label.clone(), str::to_owned);
    Ok(control::client::connect(control::Target { label, ..target }, runtime))
}
