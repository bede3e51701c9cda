//! Completions: the shell asks the program itself, so the names of instances and servers are there.

use crate::cli::{Cli, Completions};
use crate::control::{self, client};
use crate::settings;
use crate::status::Snapshot;
use crate::time::Duration;
use anyhow::Context;
use clap::{Arg, Command, CommandFactory};
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use clap_complete::env::{CompleteEnv, Shells};
use std::io::Write;

/// What shells set when they ask for completions.
const VARIABLE: &str = "COMPLETE";
/// A person waits for the answer.
const PATIENCE: Duration = Duration::from_millis(400);

/// Answers a shell that asks what may come next; true if one did.
pub fn complete() -> anyhow::Result<bool> {
    let here = std::env::current_dir().ok();
    let asked = CompleteEnv::with_factory(command).try_complete(std::env::args_os(), here.as_deref());
    asked.context("completions")
}

/// Prints what a shell reads once, at its start.
pub fn register(args: &Completions, out: &mut dyn Write) -> anyhow::Result<u8> {
    let shell = args.shell.name();
    let shells = Shells::builtins();
    let completer = shells.completer(shell).with_context(|| format!("completions of {shell}"))?;
    completer.write_registration(VARIABLE, "vipdeck", "vipdeck", "vipdeck", out)?;
    Ok(0)
}

/// The command line with what only a running engine knows.
fn command() -> Command {
    let with =
        |command: Command, verbs: &[&str], argument: &'static str, candidates: fn() -> Vec<CompletionCandidate>| {
            verbs.iter().fold(command, |command, verb| {
                command.mut_subcommand(verb, |verb| with_candidates(verb, argument, candidates))
            })
        };
    let mut command = Cli::command();
    let verbs: Vec<String> = command.get_subcommands().map(|c| c.get_name().to_owned()).collect();
    let verbs: Vec<&str> = verbs.iter().map(String::as_str).collect();
    command = with(command, &verbs, "instance", instances);
    command = with(command, &verbs, "real", servers);
    command = with(command, &verbs, "target", engines);
    command = with(command, &verbs, "keywords", keywords);
    with(command, &verbs, "targets", engines)
}

fn with_candidates(verb: Command, argument: &str, candidates: fn() -> Vec<CompletionCandidate>) -> Command {
    if !verb.get_arguments().any(|a| a.get_id() == argument) {
        return verb;
    }
    // Whoever is changed goes to the end of the line otherwise.
    let order: Vec<_> = verb.get_positionals().map(|a| a.get_id().clone()).collect();
    let placed = |arg: Arg, place| if arg.get_index().is_none() { arg.index(place) } else { arg };
    let verb = (1..).zip(order).fold(verb, |verb, (place, id)| verb.mut_arg(id, |a| placed(a, place)));
    verb.mut_arg(argument, |a| a.add(ArgValueCandidates::new(candidates)))
}

fn snapshots() -> Vec<Snapshot> {
    let Ok(settings) = settings::load(None) else { return Vec::new() };
    let Ok(targets) = control::engines(&settings.control.directory) else { return Vec::new() };
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return Vec::new() };
    runtime.block_on(async {
        let asked = targets.iter().map(|target| tokio::time::timeout(PATIENCE, client::status(target)));
        futures_util::future::join_all(asked).await.into_iter().flatten().flatten().collect()
    })
}

fn candidates(words: impl Iterator<Item = String>) -> Vec<CompletionCandidate> {
    let words: std::collections::BTreeSet<_> = words.collect();
    words.into_iter().map(CompletionCandidate::new).collect()
}

fn instances() -> Vec<CompletionCandidate> {
    candidates(snapshots().iter().flat_map(|s| s.instances.iter().map(|i| i.name.clone())))
}

fn servers() -> Vec<CompletionCandidate> {
    let reals =
        |s: &Snapshot| s.services.iter().flat_map(|v| v.reals.iter().map(|r| r.id.to_string())).collect::<Vec<_>>();
    candidates(snapshots().iter().flat_map(reals))
}

fn engines() -> Vec<CompletionCandidate> {
    let Ok(settings) = settings::load(None) else { return Vec::new() };
    let engines = control::engines(&settings.control.directory).unwrap_or_default();
    candidates(engines.into_iter().map(|t| t.label).chain(settings.cluster.into_keys()))
}

fn keywords() -> Vec<CompletionCandidate> {
    candidates(crate::conf::keywords().iter().map(|k| k.name.to_owned()))
}
