//! `changes`: what operators did on each engine asked, what of it can be undone, and what has happened since.

use super::engines::{self, complain, until_closed};
use super::exit;
use super::table::Table;
use super::text::{plain, span};
use crate::cli;
use crate::control;
use crate::settings::Settings;
use crate::status::{Action, Snapshot};
use crate::time::Duration;
use anyhow::ensure;
use serde::Serialize;
use std::io::{self, Write};

/// What one engine has, with `--json`.
#[derive(Serialize)]
struct Told<'a> {
    engine: &'a str,
    node: &'a str,
    actions: &'a [Action],
    locks: &'a [crate::status::Lock],
}

pub fn run(args: &cli::Changes, settings: &Settings, out: &mut dyn Write) -> anyhow::Result<u8> {
    let targets = control::meant(&args.at.targets, settings)?;
    let answers = engines::runtime()?.block_on(engines::statuses(&targets));
    let mut told = Vec::new();
    for (target, answer) in &answers {
        match answer {
            Ok(s) => told.push((target.label.as_str(), s)),
            Err(failure) => complain(failure),
        }
    }
    ensure!(!told.is_empty(), "no engine answers");
    if args.json {
        let all: Vec<_> = told
            .iter()
            .map(|(engine, s)| Told { engine, node: &s.node.name, actions: &s.actions, locks: &s.locks })
            .collect();
        serde_json::to_writer_pretty(&mut *out, &all)?;
        until_closed(writeln!(out))?;
    } else {
        until_closed(write_all(&told, out))?;
    }
    Ok(exit::DONE)
}

fn write_all(told: &[(&str, &Snapshot)], out: &mut dyn Write) -> io::Result<()> {
    for (engine, s) in told {
        writeln!(out, "{} ({})", plain(engine), plain(&s.node.name))?;
        for lock in &s.locks {
            let left = span(s.at.until(lock.expires_at));
            let session = lock.session.as_ref().map_or(String::new(), |s| format!(", {}", plain(s)));
            let plan = lock.plan.as_ref().map_or(String::new(), |plan| format!(", about to `{}`", plain(plan)));
            let (on, by) = (plain(&lock.on), plain(&lock.by.to_string()));
            writeln!(out, "  LOCKED {on} by {by}{session}{plan}; free in {left} at the latest")?;
        }
        if s.actions.is_empty() {
            writeln!(out, "  nobody has changed anything that is remembered")?;
            continue;
        }
        let mut table = Table::new(&["ID", "AGO", "BY", "ACTION", "STATE", "UNDO GIVES BACK"]);
        for action in s.actions.iter().rev() {
            table.row(row(s, action));
        }
        table.write(out)?;
        for action in s.actions.iter().rev().filter(|a| !a.since.is_empty()) {
            writeln!(out, "  since {}: {}", action.id, plain(&action.since.join("; ")))?;
        }
    }
    Ok(())
}

fn row(s: &Snapshot, action: &Action) -> Vec<String> {
    let time = |us: u64| span(Duration::from_micros(us));
    let state = match action.keep_until_us {
        Some(at) => format!("keep? {}", time(at.saturating_sub(s.wall_us))),
        None => action.state.to_string(),
    };
    let undo = match (&action.gives_back, &action.does_not) {
        (Some(gives), Some(not)) => format!("{gives}; it does not {not}"),
        (Some(gives), None) => gives.clone(),
        (None, why) => format!("- {}", why.as_deref().unwrap_or_default()),
    };
    vec![
        action.id.to_string(),
        time(s.wall_us.saturating_sub(action.at_us)),
        plain(&action.by.user),
        plain(&action.line),
        state,
        plain(&undo),
    ]
}
