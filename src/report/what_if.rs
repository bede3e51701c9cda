//! `vipdeck what-if`: who would serve what, from the reports of all engines that are meant.

use super::engines::{self, complain, until_closed};
use super::exit;
use super::text::plain;
use crate::cli;
use crate::control;
use crate::forecast::{self, Forecast, Hypothesis, Known, Standing};
use crate::settings::Settings;
use crate::status::{Role, Snapshot};
use crate::time::Duration;
use anyhow::{anyhow, bail};
use std::io::{self, Write};
use std::time::Instant;

/// Asks every engine that is meant where it stands, and runs the election on from there.
pub fn run(args: &cli::WhatIf, settings: &Settings, out: &mut dyn Write) -> anyhow::Result<u8> {
    let targets = control::resolve(&args.at.targets, &settings.control.directory)?;
    let asked_at = Instant::now();
    let mut snapshots = Vec::new();
    let mut silent = Vec::new();
    for (target, answer) in engines::runtime()?.block_on(engines::statuses(&targets)) {
        match answer {
            Ok(snapshot) => snapshots.push(snapshot),
            Err(failure) => {
                complain(&failure);
                silent.push(target.label);
            }
        }
    }
    if snapshots.is_empty() {
        return Ok(exit::NOT_ASKED);
    }
    let hypothesis = match hypothesis(args, &snapshots) {
        Ok(hypothesis) => hypothesis,
        Err(why) => return refuse(&why.to_string()),
    };
    // Each was made on its way here: at most as long ago as the asking took.
    let age = asked_at.elapsed().min(Duration::from_secs(1)) / 2;
    let answered = snapshots.iter().map(|snapshot| Known {
        name: &snapshot.node.name,
        snapshot: Some(snapshot),
        age,
        standing: Standing::Fresh,
    });
    let nodes: Vec<Known> = answered.collect();
    let mut forecast = match forecast::of(&nodes, &hypothesis, None) {
        Ok(forecast) => forecast,
        Err(why) => return refuse(&why),
    };
    forecast
        .uncertain
        .extend(silent.iter().map(|name| format!("{name} does not answer: what it would do is not known")));
    let written =
        if args.json { writeln!(out, "{}", serde_json::to_string_pretty(&forecast)?) } else { write(&forecast, out) };
    until_closed(written)?;
    let left_without = forecast.instances.iter().any(|o| o.after.len() != 1 && !o.before.is_empty());
    let below = forecast.services.iter().any(|s| !s.quorum || s.takes == 0);
    Ok(if left_without || below { exit::DIFFERENT } else { exit::DONE })
}

fn refuse(why: &str) -> anyhow::Result<u8> {
    complain(&plain(why));
    Ok(exit::REJECTED)
}

fn hypothesis(args: &cli::WhatIf, snapshots: &[Snapshot]) -> anyhow::Result<Hypothesis> {
    let subject = &args.subject;
    Ok(match args.what.as_str() {
        "crash" => Hypothesis::Crash { node: subject.clone() },
        "cut" => Hypothesis::Cut { node: subject.clone() },
        "drain" => Hypothesis::Drain { real: subject.parse().map_err(|e| anyhow!("{subject}: {e}"))? },
        "down" => Hypothesis::Down { real: subject.parse().map_err(|e| anyhow!("{subject}: {e}"))? },
        "demote" => {
            let is_master = |s: &&Snapshot| s.instance(subject).is_some_and(|i| i.state == Role::Master);
            let master = snapshots.iter().find(is_master).map(|s| s.node.name.clone());
            let Some(node) = args.on.clone().or(master) else {
                bail!("{subject} has no MASTER among these nodes: say which one with --on NODE")
            };
            Hypothesis::Demote { node, instance: subject.clone(), fence: args.fence }
        }
        _ => {
            let (node, kind) = tracker(args, snapshots)?;
            Hypothesis::Fail { node, kind, name: subject.clone(), number: args.number }
        }
    })
}

/// The node that is meant, and the kind of its tracker.
fn tracker(args: &cli::WhatIf, snapshots: &[Snapshot]) -> anyhow::Result<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    for snapshot in snapshots.iter().filter(|s| args.on.as_ref().is_none_or(|on| s.node.name == *on)) {
        for i in &snapshot.instances {
            let tracked = i.tracks.iter().filter(|t| t.name == args.subject).map(|t| t.kind.clone());
            let own = (i.interface.as_str() == args.subject).then(|| "interface".to_owned());
            found.extend(tracked.chain(own).map(|kind| (snapshot.node.name.clone(), kind)));
        }
    }
    found.sort();
    found.dedup();
    match found.as_slice() {
        [one] => Ok(one.clone()),
        [] => bail!("no instance tracks {}", args.subject),
        several => {
            let names: Vec<_> = several.iter().map(|(node, kind)| format!("{kind} on {node}")).collect();
            bail!("{} is tracked as {}: say which one with --on NODE", args.subject, names.join(", "))
        }
    }
}

fn write(forecast: &Forecast, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "If {}:", plain(&forecast.question))?;
    for outcome in &forecast.instances {
        writeln!(out, "  {}", plain(&outcome.to_string()))?;
    }
    for service in &forecast.services {
        writeln!(out, "  {}", plain(&service.to_string()))?;
    }
    for text in &forecast.uncertain {
        writeln!(out, "  uncertain: {}", plain(text))?;
    }
    Ok(())
}
