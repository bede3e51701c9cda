//! `vipdeck attach`: the console on running engines, which it never stops.

use crate::cli;
use crate::console::{self, Start};
use crate::control::{self, Target, client};
use crate::report::{status, watch};
use crate::settings::{Settings, look};
use crate::status::Mode;
use anyhow::Context;
use std::io::{IsTerminal, Write};
use tokio::runtime::{Builder, Runtime};

/// Opens the console; where there is no screen to open it on, prints the status once.
pub fn run(args: &cli::Attach, settings: &Settings, out: &mut dyn Write) -> anyhow::Result<u8> {
    if args.list {
        return list(args, settings, out);
    }
    let words = chosen(args, settings, out)?;
    let targets = control::meant(&words, settings)?;
    let is_private = args.look.privacy.privacy || settings.console.privacy;
    anyhow::ensure!(!args.plain || !is_private, "--plain tells names as they are: it does not go with --privacy");
    if !args.plain && !has_screen() {
        return status::print(&targets, false, is_private, out);
    }
    let runtime = background()?;
    let mut title = match (words.as_slice(), targets.as_slice()) {
        ([name], _) if settings.cluster.contains_key(name) => name.clone(),
        (_, [one]) => one.label.clone(),
        (_, several) => format!("{} nodes", several.len()),
    };
    // Asked only where it is wanted: a host that does not answer would hold the first picture up.
    let targets = if args.all { with_others(targets, settings, &runtime, &mut title)? } else { targets };
    let feeds = targets.into_iter().map(|target| client::connect(target, runtime.handle())).collect();
    let left = if args.plain {
        watch::sentences(feeds, out)
    } else {
        let look = look(&settings.console, &args.look);
        console::run(Start { title, mode: Mode::Live, feeds, stage: None, look, owns_engine: false }).map(|_| 0)
    };
    // A link through ssh may take long to end; nothing is lost with it.
    runtime.shutdown_background();
    left
}

/// The words of the command line; where nothing runs here and several clusters are known, the operator is asked.
fn chosen(args: &cli::Attach, settings: &Settings, out: &mut dyn Write) -> anyhow::Result<Vec<String>> {
    let is_open = args.targets.is_empty() && settings.cluster.len() > 1 && has_screen();
    if !is_open || !control::engines(&settings.control.directory)?.is_empty() {
        return Ok(args.targets.clone());
    }
    writeln!(out, "No engine is running here. Clusters:\n{}", control::list(settings))?;
    write!(out, "Attach to which (name)? ")?;
    out.flush()?;
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).context("read the answer")?;
    let word = line.trim();
    anyhow::ensure!(settings.cluster.contains_key(word), "there is no cluster `{}`", word.escape_debug());
    Ok(vec![word.to_owned()])
}

/// The nodes that these know of, too. One that cannot be asked is told of by its own link.
fn with_others(
    mut targets: Vec<Target>,
    settings: &Settings,
    runtime: &Runtime,
    title: &mut String,
) -> anyhow::Result<Vec<Target>> {
    let own = host();
    let answers = runtime.block_on(futures_util::future::join_all(targets.iter().map(client::nodes)));
    let mut words = Vec::new();
    for (target, answer) in targets.iter().zip(answers) {
        let Ok(list) = answer else { continue };
        if let Some(cluster) = &list.cluster {
            title.clone_from(cluster);
        }
        words.extend(list.others(target, &own));
    }
    if !words.is_empty() {
        let more = control::meant(&words, settings)?;
        let known: Vec<_> = targets.iter().map(|t| t.place.clone()).collect();
        targets.extend(more.into_iter().filter(|t| !known.contains(&t.place)));
    }
    Ok(targets)
}

fn list(args: &cli::Attach, settings: &Settings, out: &mut dyn Write) -> anyhow::Result<u8> {
    for target in control::engines(&settings.control.directory)? {
        writeln!(out, "here: {target}")?;
    }
    if !settings.cluster.is_empty() {
        writeln!(out, "{}", control::list(settings))?;
    }
    if args.targets.is_empty() {
        return Ok(0);
    }
    let (targets, runtime) = (control::meant(&args.targets, settings)?, background()?);
    let mut has_answer = false;
    for target in &targets {
        match runtime.block_on(client::nodes(target)) {
            Ok(list) => {
                has_answer = true;
                let cluster = list.cluster.as_deref().unwrap_or("no cluster");
                writeln!(out, "{target} knows {cluster}: {}", list.nodes.join(", "))?;
            }
            Err(failure) => writeln!(std::io::stderr(), "vipdeck: {failure}")?,
        }
    }
    runtime.shutdown_background();
    Ok(if has_answer { 0 } else { 2 })
}

fn host() -> String {
    nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok()).unwrap_or_default()
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
