//! `vipdeck config`: what runs on each node, with its diagnostics at their lines, and what differs.

use super::engines::{self, complain, until_closed};
use super::exit;
use super::text::{plain, wall};
use crate::cli;
use crate::cluster::configuration::{Comparison, compared};
use crate::cluster::difference::{Line, Row, rows};
use crate::control::{self, client};
use crate::settings::Settings;
use crate::status::{ConfigReport, ConfigText, Gravity, Problem};
use serde_json::json;
use std::io::{self, Write};

/// Equal lines shown around those that differ.
const AROUND: usize = 3;

/// Prints the configurations of every engine that is meant. One engine gives an object as JSON, several an array.
pub fn run(args: &cli::Config, settings: &Settings, out: &mut dyn Write) -> anyhow::Result<u8> {
    let targets = control::meant(&args.targets, settings)?;
    let runtime = engines::runtime()?;
    let asked = targets.iter().map(client::config);
    let mut reports = Vec::new();
    for answer in runtime.block_on(futures_util::future::join_all(asked)) {
        match answer {
            Ok(report) => reports.push(report),
            Err(failure) => complain(&failure),
        }
    }
    if reports.is_empty() {
        return Ok(exit::NOT_ASKED);
    }
    if args.compare {
        return between(&reports, args.json, out);
    }
    let written = match (args.json, reports.as_slice()) {
        (true, [one]) => writeln!(out, "{}", serde_json::to_string_pretty(one)?),
        (true, several) => writeln!(out, "{}", serde_json::to_string_pretty(several)?),
        (false, several) if args.disk => several.iter().try_for_each(|report| against_disk(report, out)),
        (false, several) => several.iter().try_for_each(|report| whole(report, out)),
    };
    until_closed(written)?;
    Ok(exit::DONE)
}

fn head(report: &ConfigReport, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}: {}, loaded {}", plain(&report.node), plain(&report.main), wall(report.loaded_us))?;
    match (&report.state, report.looked_us) {
        (Some(state), Some(at)) => writeln!(out, "  {} (looked at {})", plain(&state.to_string()), wall(at))?,
        _ => writeln!(out, "  the file on the disk has not been looked at yet")?,
    }
    let ConfigText { effective, texts, .. } = &report.running;
    writeln!(out, "  effective {effective}\n  texts     {texts}")?;
    if report.masked {
        writeln!(out, "  passwords are hidden: only those who may operate this engine see them")?;
    }
    report.note.iter().try_for_each(|note| writeln!(out, "  {}", plain(note)))
}

fn whole(report: &ConfigReport, out: &mut dyn Write) -> io::Result<()> {
    head(report, out)?;
    let text = &report.running;
    for problem in text.problems.iter().filter(|p| p.labels.is_empty()) {
        told(problem, out)?;
    }
    for file in &text.files {
        writeln!(out, "\n  {}", plain(&file.path))?;
        for (at, line) in file.text.lines().enumerate() {
            let here = |p: &&Problem| p.labels.first().is_some_and(|l| l.file == file.path && l.line == at + 1);
            let worst = text.problems.iter().filter(here).map(|p| p.severity).max();
            writeln!(out, "{} {:>5}  {}", mark(worst), at + 1, plain(&line.replace('\t', "    ")))?;
            text.problems.iter().filter(here).try_for_each(|problem| told(problem, out))?;
        }
    }
    if text.left_out > 0 {
        writeln!(out, "  {} more files are too long to be shown here", text.left_out)?;
    }
    writeln!(out)
}

const fn mark(worst: Option<Gravity>) -> char {
    match worst {
        Some(Gravity::Error) => 'E',
        Some(Gravity::Warning) => '!',
        Some(Gravity::Note) => 'i',
        None => ' ',
    }
}

fn told(problem: &Problem, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "         {}[{}]: {}", problem.severity, plain(&problem.id), plain(&problem.message))?;
    problem.help.iter().try_for_each(|help| writeln!(out, "           help: {}", plain(help)))
}

fn against_disk(report: &ConfigReport, out: &mut dyn Write) -> io::Result<()> {
    head(report, out)?;
    if let Some(disk) = &report.disk {
        let names = ["running", "on the disk"];
        differences(&report.running, disk, names, out)?;
        let shown = disk.problems.iter().filter(|p| p.severity > Gravity::Note);
        for problem in shown {
            let place = problem.labels.first().map_or(String::new(), |l| format!("{}:{}: ", plain(&l.file), l.line));
            writeln!(out, "  {place}{}[{}]: {}", problem.severity, plain(&problem.id), plain(&problem.message))?;
        }
    }
    writeln!(out)
}

/// Every node against the first. Exit status 1 if something differs that must not.
fn between(reports: &[ConfigReport], json: bool, out: &mut dyn Write) -> anyhow::Result<u8> {
    let all: Vec<&ConfigReport> = reports.iter().collect();
    let found = compared(&all);
    let is_bad = found.problems.iter().any(|f| f.problem.severity == Gravity::Error);
    let status = if is_bad { exit::REJECTED } else { exit::DONE };
    let written = if json { as_json(reports, &found, out) } else { as_text(reports, &found, out) };
    until_closed(written)?;
    Ok(status)
}

fn as_json(reports: &[ConfigReport], found: &Comparison, out: &mut dyn Write) -> io::Result<()> {
    let node = |n: &usize| reports.get(*n).map(|r| r.node.clone());
    let problems: Vec<_> = found
        .problems
        .iter()
        .map(|f| json!({ "problem": f.problem, "nodes": f.nodes.iter().map(node).collect::<Vec<_>>() }))
        .collect();
    let Some((first, rest)) = reports.split_first() else { return Ok(()) };
    let lines: Vec<_> = rest
        .iter()
        .map(|other| {
            let differing = rows(&first.running, &other.running).into_iter().filter(|row| !row.same);
            let side = |text: &ConfigText, line: Option<Line>| {
                let line = line?;
                let path = &text.files.get(line.file)?.path;
                Some(json!({ "file": path, "line": line.line, "text": line_text(text, line) }))
            };
            let pair =
                |row: Row| json!({ "left": side(&first.running, row.left), "right": side(&other.running, row.right) });
            json!({ "left": first.node, "right": other.node, "lines": differing.map(pair).collect::<Vec<_>>() })
        })
        .collect();
    let value = json!({ "problems": problems, "notes": found.notes, "lines": lines });
    writeln!(out, "{}", serde_json::to_string_pretty(&value)?)
}

fn as_text(reports: &[ConfigReport], found: &Comparison, out: &mut dyn Write) -> io::Result<()> {
    let must: Vec<_> = found.problems.iter().filter(|f| f.problem.severity > Gravity::Note).collect();
    match must.len() {
        0 => writeln!(out, "Nothing differs that must not.")?,
        1 => writeln!(out, "One difference that matters:")?,
        n => writeln!(out, "{n} differences that matter:")?,
    }
    for f in &found.problems {
        writeln!(out, "{}[{}]: {}", f.problem.severity, plain(&f.problem.id), plain(&f.problem.message))?;
        for (label, node) in f.problem.labels.iter().zip(&f.nodes) {
            let node = reports.get(*node).map_or("?", |r| r.node.as_str());
            writeln!(out, "  {} {}:{}", plain(node), plain(&label.file), label.line)?;
        }
        f.problem.help.iter().try_for_each(|help| writeln!(out, "  help: {}", plain(help)))?;
    }
    found.notes.iter().try_for_each(|note| writeln!(out, "{}", plain(note)))?;
    let Some((first, rest)) = reports.split_first() else { return Ok(()) };
    for other in rest {
        writeln!(out)?;
        differences(&first.running, &other.running, [first.node.as_str(), other.node.as_str()], out)?;
    }
    Ok(())
}

/// As `diff -u` writes it.
fn differences(left: &ConfigText, right: &ConfigText, names: [&str; 2], out: &mut dyn Write) -> io::Result<()> {
    let rows = rows(left, right);
    let differ = rows.iter().filter(|row| !row.same).count();
    if differ == 0 {
        return writeln!(out, "{} and {} have the same lines.", plain(names[0]), plain(names[1]));
    }
    writeln!(out, "--- {}\n+++ {}", plain(names[0]), plain(names[1]))?;
    let near = |at: usize| {
        let from = at.saturating_sub(AROUND);
        rows.iter().skip(from).take(at - from + AROUND + 1).any(|row| !row.same)
    };
    let mut skipped = 0;
    for (at, row) in rows.iter().enumerate() {
        if !near(at) {
            skipped += 1;
            continue;
        }
        if std::mem::take(&mut skipped) > 0 || at == 0 {
            let place = row.left.map_or_else(|| place(right, row.right), |line| place(left, Some(line)));
            writeln!(out, "@@ {} @@", plain(&place))?;
        }
        let old = row.left.and_then(|line| line_text(left, line));
        let new = row.right.and_then(|line| line_text(right, line));
        if row.same {
            writeln!(out, "  {}", plain(&old.unwrap_or_default()))?;
        } else {
            old.iter().try_for_each(|text| writeln!(out, "- {}", plain(text)))?;
            new.iter().try_for_each(|text| writeln!(out, "+ {}", plain(text)))?;
        }
    }
    Ok(())
}

fn place(text: &ConfigText, line: Option<Line>) -> String {
    let found = line.and_then(|line| Some((text.files.get(line.file)?, line.line)));
    found.map_or_else(String::new, |(file, line)| format!("{}:{line}", file.path))
}

fn line_text(text: &ConfigText, line: Line) -> Option<String> {
    let file = text.files.get(line.file)?;
    file.text.lines().nth(line.line - 1).map(|text| text.replace('\t', "    "))
}
