//! A story as Markdown, in this machine's time zone.

use super::story::{Instance, Line, Story};
use super::text::{plain, span as length, wall};
use crate::time::Duration;
use std::io::{self, Write};

impl Story {
    pub fn markdown(&self, out: &mut dyn Write) -> io::Result<()> {
        let (from, until) = (wall(self.span.from_us), wall(self.span.until_us));
        writeln!(out, "# {}\n", cell(&self.title))?;
        writeln!(out, "{from} to {until} ({}), {}.", us(self.span.length()), self.mode)?;
        writeln!(out, "Times are each node's own wall clock.\n")?;
        if let Some(damage) = &self.damage {
            writeln!(out, "**The recording is not whole**: {}\n", cell(damage))?;
        }
        writeln!(out, "{}\n", self.verdict())?;
        writeln!(out, "| node | version | snapshots | longest silence | link lost |\n|---|---|--:|--:|--:|")?;
        for node in &self.nodes {
            let silence = us(node.longest_silence_us);
            let (name, version) = (cell(&node.name), cell(&node.version));
            writeln!(out, "| {name} | {version} | {} | {silence} | {} |", node.snapshots, node.lost)?;
        }
        for instance in &self.instances {
            instance.markdown(out)?;
        }
        table(out, "Commands", &self.commands)?;
        table(out, "Drains", &self.drains)?;
        table(out, "Checks", &self.checks)?;
        table(out, "Other warnings and alarms", &self.alarms)?;
        table(out, "Notes and marks", &self.notes)
    }

    /// The whole in a sentence.
    fn verdict(&self) -> String {
        let outage: u64 = self.instances.iter().map(|i| i.outage_us).sum();
        let twice: u64 = self.instances.iter().map(|i| i.duplicate_us).sum();
        let moves: usize = self.instances.iter().map(|i| i.owners.len().saturating_sub(1)).sum();
        match (outage, twice) {
            (0, 0) => format!("Every instance had exactly one owner all the time; {moves} change(s) of owner."),
            _ => format!(
                "{moves} change(s) of owner; without an owner {} in all, with two of them {}.",
                us(outage),
                us(twice)
            ),
        }
    }
}

impl Instance {
    fn markdown(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "\n## {} (VRID {})\n", cell(&self.name), self.vrid)?;
        writeln!(out, "| owner | from | until | for |\n|---|---|---|--:|")?;
        for owner in &self.owners {
            let until = wall(owner.span.until_us);
            let silent = if owner.fell_silent { " (its last word)" } else { "" };
            let (node, from) = (cell(&owner.node), wall(owner.span.from_us));
            writeln!(out, "| {node} | {from} | {until}{silent} | {} |", us(owner.span.length()))?;
        }
        for outage in &self.outages {
            let at_most = if outage.at_most { "at most " } else { "" };
            let name = |node: &Option<String>| node.as_deref().map_or_else(|| "nobody".to_owned(), cell);
            let (from, length) = (wall(outage.span.from_us), us(outage.span.length()));
            let (before, after) = (name(&outage.before), name(&outage.after));
            writeln!(out, "\nNo owner from {from} for {at_most}{length}: {before} before, {after} after.")?;
        }
        for twice in &self.duplicates {
            let [one, other] = twice.nodes.each_ref().map(|n| cell(n));
            let (from, length) = (wall(twice.span.from_us), us(twice.span.length()));
            let what = if twice.handover { "A hand-over" } else { "**Two owners**" };
            writeln!(out, "\n{what} from {from} for {length}: {one} and {other}.")?;
        }
        table(out, "", &self.transitions)
    }
}

fn table(out: &mut dyn Write, title: &str, lines: &[Line]) -> io::Result<()> {
    match title {
        "" if lines.is_empty() => return Ok(()),
        "" => writeln!(out)?,
        title if lines.is_empty() => return writeln!(out, "\n## {title}\n\nNone."),
        title => writeln!(out, "\n## {title}\n")?,
    }
    writeln!(out, "| when | node | what | | why |\n|---|---|---|---|---|")?;
    for line in lines {
        let (node, subject, text) = (cell(&line.node), cell(&line.subject), cell(&line.text));
        let cause = line.cause.as_deref().map(cell).unwrap_or_default();
        writeln!(out, "| {} | {node} | {subject} | {text} | {cause} |", wall(line.wall_us))?;
    }
    Ok(())
}

fn us(micros: u64) -> String {
    length(Duration::from_micros(micros))
}

/// Text from elsewhere, which must not end its cell or begin something.
fn cell(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in plain(text).chars() {
        if matches!(c, '|' | '\\' | '`' | '<' | '*' | '[') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}
