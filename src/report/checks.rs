//! `vipdeck status --checks`: every health check with its last runs.

use super::engines::{self, complain, until_closed};
use super::exit;
use super::table::Table;
use super::text::{UNKNOWN, known, plain, span};
use crate::control::{Target, client};
use crate::privacy::Privacy;
use crate::status::{CheckList, CheckStatus, Record, Verdict};
use crate::time::{Duration, Instant};
use std::io::{self, Write};

/// So many runs of each check are printed; JSON has all that are kept.
const PRINTED: usize = 3;

/// Prints the checks of every engine that is meant. One engine gives an object as JSON, several an array.
pub(super) fn print(targets: &[Target], json: bool, privacy: bool, out: &mut dyn Write) -> anyhow::Result<u8> {
    let mut lists = Vec::new();
    let runtime = engines::runtime()?;
    for target in targets {
        match runtime.block_on(client::checks(target)) {
            Ok(list) => lists.push(list),
            Err(failure) => complain(&failure),
        }
    }
    if lists.is_empty() {
        return Ok(exit::NOT_ASKED);
    }
    if privacy {
        let mut stand_ins = Privacy::default();
        for list in &mut lists {
            *list = stand_ins.of(list)?;
        }
    }
    let written = match (json, lists.as_slice()) {
        (true, [one]) => writeln!(out, "{}", serde_json::to_string_pretty(one)?),
        (true, several) => writeln!(out, "{}", serde_json::to_string_pretty(several)?),
        (false, several) => several.iter().try_for_each(|list| tables(list, out)),
    };
    until_closed(written)?;
    Ok(exit::DONE)
}

fn tables(list: &CheckList, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", plain(&list.node))?;
    let heading = ["SERVICE", "REAL SERVER", "CHECK", "OF", "VERDICT", "SINCE", "TRY", "NEXT", "LAST RUNS"];
    let mut table = Table::new(&heading);
    for real in &list.reals {
        for check in &real.checks {
            let status = &check.status;
            let mut newest = check.runs.iter().rev().take(PRINTED).map(|run| told(list.at, run));
            table.row(vec![
                real.service.to_string(),
                real.real.to_string(),
                status.method.clone(),
                status.target.clone(),
                verdict(status).to_owned(),
                span(list.at.since(status.since)),
                format!("{} of {}", status.failing + 1, status.retry + 1),
                next(list.at, status),
                newest.next().unwrap_or_else(|| UNKNOWN.into()),
            ]);
            for run in newest {
                let mut row = vec![String::new(); heading.len() - 1];
                row.push(run);
                table.row(row);
            }
        }
    }
    table.write(out)
}

fn verdict(status: &CheckStatus) -> &'static str {
    match status.verdict {
        Verdict::Up => "UP",
        Verdict::Down if status.alpha && status.last.is_none() => "DOWN (alpha)",
        Verdict::Down => "DOWN",
        Verdict::Unchecked | Verdict::NoCheck => "unchecked",
        Verdict::Newer(word) => word.as_str(),
    }
}

fn next(now: Instant, status: &CheckStatus) -> String {
    match status.next_at {
        _ if status.running => "running".into(),
        _ if status.suspended => "waits for its address".into(),
        Some(at) => format!("in {}", span(at.since(now))),
        None => known(None::<u8>),
    }
}

fn told(now: Instant, run: &Record) -> String {
    let word = if run.found.good { "ok" } else { "FAILED" };
    let took = if run.found.good { Duration::ZERO } else { run.found.took };
    let took = if took.is_zero() { String::new() } else { format!(" after {:.1} ms", took.as_secs_f64() * 1e3) };
    let errno = run.found.errno.map(|errno| format!(" (errno {errno})")).unwrap_or_default();
    format!("{word}, {} ago: {}{took}{errno}", span(now.since(run.at)), run.found.text())
}
