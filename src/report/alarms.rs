//! `vipdeck alarms`: what is wrong, across the nodes that are asked.

use super::engines::{self, until_closed};
use super::exit;
use super::text::{plain, wall};
use crate::cli;
use crate::cluster::{self, Seen, Trust};
use crate::control::client::{self, Failure};
use crate::control::{self, Target};
use crate::settings::Settings;
use crate::status::{Alarm, Snapshot};
use std::io::{self, Write};
use tokio::time::Instant;

/// Exit status 0: nothing is wrong; 1: something is; 2: no engine answered.
pub fn run(args: &cli::Alarms, settings: &Settings, out: &mut dyn Write) -> anyhow::Result<u8> {
    let targets = control::resolve(&args.at.targets, &settings.control.directory)?;
    let answers = engines::runtime()?.block_on(asked(&targets));
    if answers.iter().all(|(_, answer)| answer.is_err()) {
        answers.iter().filter_map(|(_, a)| a.as_ref().err()).for_each(|failure| engines::complain(failure));
        return Ok(exit::NOT_ASKED);
    }
    let alarms = judged(&targets, &answers);
    let written =
        if args.json { writeln!(out, "{}", serde_json::to_string_pretty(&alarms)?) } else { write(&alarms, out) };
    until_closed(written)?;
    Ok(u8::from(!alarms.is_empty()))
}

/// What each engine reports, and when that came.
async fn asked(targets: &[Target]) -> Vec<(u64, Result<Snapshot, Failure>)> {
    let began = Instant::now();
    let each = targets.iter().map(|target| async move {
        let answer = client::status(target).await;
        (u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX), answer)
    });
    futures_util::future::join_all(each).await
}

fn judged(targets: &[Target], answers: &[(u64, Result<Snapshot, Failure>)]) -> Vec<Alarm> {
    // Later than any uptime: moments before the first question are none below zero.
    const HERE: u64 = u64::MAX / 2;
    let whys: Vec<String> = answers.iter().map(|(_, a)| a.as_ref().err().map_or(String::new(), Failure::why)).collect();
    let seen = targets.iter().zip(answers).zip(&whys).map(|((target, (at, answer)), why)| Seen {
        name: answer.as_ref().map_or(&target.label, |s| &s.node.name),
        snapshot: answer.as_ref().ok(),
        received: HERE + at,
        trust: if answer.is_ok() { Trust::Fresh } else { Trust::Never(Some(why)) },
    });
    cluster::alarms(&seen.collect::<Vec<_>>())
}

fn write(alarms: &[Alarm], out: &mut dyn Write) -> io::Result<()> {
    if alarms.is_empty() {
        return writeln!(out, "nothing is wrong");
    }
    for alarm in alarms {
        let since = alarm.since_us.map_or_else(|| "since when is not known".into(), |at| format!("since {}", wall(at)));
        writeln!(out, "{}: {}, {since}", alarm.kind.word(), plain(&alarm.text))?;
        for (label, text) in [("means", &alarm.meaning), ("to do", &alarm.advice)] {
            if !text.is_empty() {
                writeln!(out, "  {label}: {}", plain(text))?;
            }
        }
        if let Some(seen) = &alarm.acknowledged {
            let why = seen.reason.as_ref().map_or(String::new(), |r| format!(": {}", plain(r)));
            writeln!(out, "  seen: {} at {}{why}", plain(&seen.by.to_string()), wall(seen.at_us))?;
        }
        writeln!(out, "  name: {}", plain(&alarm.id))?;
    }
    Ok(())
}
