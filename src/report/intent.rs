//! `intent`: what operators asked for and nobody has lifted, on every engine asked, and lifting it.

use super::engines::{self, complain, until_closed};
use super::exit;
use super::table::Table;
use super::text::{plain, span};
use crate::cli::{self, IntentAction};
use crate::control::client::{self, Failure};
use crate::control::{self, Target};
use crate::settings::Settings;
use crate::status::{Ask, Asked, Command, IntentView, Reply, Snapshot};
use crate::time::Duration;
use anyhow::ensure;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

/// Lists the orders of the engines, or lifts some.
pub fn run(args: &cli::Intent, settings: &Settings, out: &mut dyn Write) -> anyhow::Result<u8> {
    let targets = control::meant(&args.targets, settings)?;
    engines::runtime()?.block_on(async {
        let answers = engines::statuses(&targets).await;
        match &args.action {
            None | Some(IntentAction::List) => list(&answers, args.json, out),
            Some(IntentAction::Clear { subjects, reason, .. }) => clear(&answers, subjects, reason.as_ref(), out).await,
        }
    })
}

type Answers = [(Target, Result<Snapshot, Failure>)];

/// What one engine has, with `--json`.
#[derive(Serialize)]
struct Told<'a> {
    engine: &'a str,
    node: &'a str,
    #[serde(flatten)]
    intents: &'a crate::status::Intents,
}

fn list(answers: &Answers, json: bool, out: &mut dyn Write) -> anyhow::Result<u8> {
    let mut told = Vec::new();
    for (target, answer) in answers {
        match answer {
            Ok(s) => told.push((target, s)),
            Err(failure) => complain(failure),
        }
    }
    ensure!(!told.is_empty(), "no engine answers");
    let differing = differing(&told.iter().map(|(t, s)| (t.label.as_str(), *s)).collect::<Vec<_>>());
    if json {
        let all: Vec<_> =
            told.iter().map(|(t, s)| Told { engine: &t.label, node: &s.node.name, intents: &s.intents }).collect();
        serde_json::to_writer_pretty(&mut *out, &all)?;
        until_closed(writeln!(out))?;
    } else {
        until_closed(write_all(&told, &differing, out))?;
    }
    let is_complete = differing.is_empty() && told.len() == answers.len();
    Ok(if is_complete { exit::DONE } else { exit::REJECTED })
}

fn write_all(told: &[(&Target, &Snapshot)], differing: &[String], out: &mut dyn Write) -> io::Result<()> {
    for (target, s) in told {
        let journal = match &s.intents.journal {
            Some(path) => format!("journal {}", plain(path)),
            None => "no journal".into(),
        };
        writeln!(out, "{} ({}), {journal}", plain(&target.label), plain(&s.node.name))?;
        if let Some(problem) = &s.intents.problem {
            writeln!(out, "  ALARM {}", plain(problem))?;
        }
        if s.intents.orders.is_empty() && s.intents.paused.is_none() {
            writeln!(out, "  nothing is asked for: everything is as in the file")?;
            continue;
        }
        let mut table = Table::new(&["ORDER", "BY", "SINCE", "WHY", "STATE", "ENDS"]);
        for view in s.intents.orders.iter().chain(&s.intents.paused) {
            table.row(row(s, view));
        }
        table.write(out)?;
    }
    for line in differing {
        writeln!(out, "DIFFERENT {}", plain(line))?;
    }
    Ok(())
}

fn row(s: &Snapshot, view: &IntentView) -> Vec<String> {
    let order = &view.order;
    let ago = |us: u64| span(Duration::from_micros(s.wall_us.saturating_sub(us)));
    let state = match &order.asked {
        _ if !view.in_force => "waits: not in the configuration".to_owned(),
        Asked::Drain { drained_us: Some(at), .. } => format!("DRAINED {} ago", ago(*at)),
        Asked::Drain { overdue: true, then, .. } => format!("overdue: {then}"),
        Asked::Drain { deadline_us: Some(at), then, .. } => {
            format!("{then} in {}", span(Duration::from_micros(at.saturating_sub(s.wall_us))))
        }
        _ => "in force".to_owned(),
    };
    let end = match order.expires_us {
        _ if order.expired => "over, still held".to_owned(),
        Some(at) => format!("{} in {}", order.at_expiry, span(Duration::from_micros(at.saturating_sub(s.wall_us)))),
        None => "never".to_owned(),
    };
    vec![
        plain(&order.asked.to_string()),
        plain(&order.by.user),
        format!("{} ago", ago(order.since_us)),
        order.reason.as_deref().map_or_else(|| "-".into(), plain),
        state,
        end,
    ]
}

/// Orders for real servers that one engine has and another, which has the server, has not: they would end with a
/// failover.
fn differing(told: &[(&str, &Snapshot)]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut orders: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    let mut places = BTreeMap::new();
    for (label, s) in told {
        for view in &s.intents.orders {
            if let Some(place) = view.order.asked.real() {
                let text = view.order.asked.to_string();
                orders.entry(text.clone()).or_default().insert(label);
                places.insert(text, place);
            }
        }
    }
    for (text, have) in orders {
        let Some((key, to)) = places.get(&text) else { continue };
        let could = told.iter().filter(|(_, s)| s.service(key).is_some_and(|v| v.reals.iter().any(|r| r.id == *to)));
        let missing: Vec<_> = could.filter(|(label, _)| !have.contains(label)).map(|(label, _)| *label).collect();
        if !missing.is_empty() {
            lines.push(format!("{text}: not on {}, and it ends if that becomes MASTER", missing.join(", ")));
        }
    }
    lines
}

/// Lifts the orders about these subjects wherever they are; none: all.
async fn clear(
    answers: &Answers,
    subjects: &[String],
    reason: Option<&String>,
    out: &mut dyn Write,
) -> anyhow::Result<u8> {
    let mut worst = exit::DONE;
    let mut found = false;
    for (target, answer) in answers {
        let snapshot = match answer {
            Ok(snapshot) => snapshot,
            Err(failure) => {
                complain(failure);
                worst = exit::NOT_ASKED;
                continue;
            }
        };
        for command in lifting(snapshot, subjects) {
            found = true;
            let text = command.to_string();
            let ask = Ask { reason: reason.cloned(), ..Ask::new(command) };
            let (word, said) = match client::command(target, &ask).await {
                Ok(Reply::Accepted { text, .. }) => ("accepted", text),
                Ok(Reply::Rejected { reason }) => {
                    worst = worst.max(exit::REJECTED);
                    ("rejected", reason)
                }
                Err(failure) => {
                    worst = exit::NOT_ASKED;
                    complain(&failure);
                    continue;
                }
            };
            if !until_closed(writeln!(out, "{}: {text}: {word}: {}", plain(&target.label), plain(&said)))? {
                return Ok(worst);
            }
        }
    }
    ensure!(
        found || worst != exit::DONE,
        "nothing is asked of {}",
        if subjects.is_empty() { "anything".into() } else { subjects.join(", ") }
    );
    Ok(worst)
}

/// The commands that lift the orders about these subjects, each once.
fn lifting(s: &Snapshot, subjects: &[String]) -> Vec<Command> {
    let mut commands = Vec::new();
    for asked in s.intents.orders.iter().chain(&s.intents.paused).map(|v| &v.order.asked) {
        let (name, command) = match (asked.real(), asked.instance()) {
            (Some((key, to)), _) => {
                (to.to_string(), Command::Return { real: to, service: Some(key), slow_start_seconds: None })
            }
            (None, Some(name)) => (name.to_owned(), Command::Restore { instance: name.to_owned() }),
            (None, None) if matches!(asked, Asked::Pause {}) => ("pause".to_owned(), Command::Resume {}),
            (None, None) => continue,
        };
        if (subjects.is_empty() || subjects.contains(&name)) && !commands.contains(&command) {
            commands.push(command);
        }
    }
    commands
}
