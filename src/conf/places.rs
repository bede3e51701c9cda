//! Diagnostics about lines with definitions put in, led back to what the operator wrote.

use super::diagnostic::{Diagnostic, Label};
use super::source::{Sources, Span};
use super::tree::Statement;
use std::collections::{BTreeMap, BTreeSet};

/// So many problems of one kind are told of one place; a repetition may have thousands.
const MOST_ALIKE: usize = 10;

/// Gives every label its place in a file: that of the use, and of the definition beside it. What a repetition repeats is
/// told once, and of what is alike only the first.
pub(super) fn settle(diagnostics: Vec<Diagnostic>, sources: &Sources) -> Vec<Diagnostic> {
    let mut told: BTreeSet<(Span, &'static str, String)> = BTreeSet::new();
    // How many of a kind a place has, and where the first of them stands in `settled`.
    let mut alike: BTreeMap<(Span, &'static str), (usize, usize)> = BTreeMap::new();
    let mut settled: Vec<Diagnostic> = Vec::new();
    for mut diagnostic in diagnostics {
        let is_expanded = diagnostic.labels.iter().any(|label| sources.origin(label.span).is_some());
        if is_expanded {
            settle_one(&mut diagnostic, sources);
        }
        if let Some(span) = diagnostic.span() {
            if !told.insert((span, diagnostic.id, diagnostic.message.clone())) {
                continue;
            }
            if is_expanded {
                let (count, _) = alike.entry((span, diagnostic.id)).or_insert((0, settled.len()));
                *count += 1;
                if *count > MOST_ALIKE {
                    continue;
                }
            }
        }
        settled.push(diagnostic);
    }
    for (count, first) in alike.into_values().filter(|(count, _)| *count > MOST_ALIKE) {
        if let Some(first) = settled.get_mut(first) {
            let more = count - MOST_ALIKE;
            first.help.push(format!("{count} of this kind come from here, of which {more} are not shown"));
        }
    }
    settled
}

fn settle_one(diagnostic: &mut Diagnostic, sources: &Sources) {
    let mut labels: Vec<Label> = Vec::new();
    let mut definitions: Vec<Label> = Vec::new();
    for (index, label) in std::mem::take(&mut diagnostic.labels).into_iter().enumerate() {
        let Some(origin) = sources.origin(label.span) else {
            labels.push(label);
            continue;
        };
        let settled = Label { span: origin.written, text: label.text };
        if labels.contains(&settled) {
            continue;
        }
        labels.push(settled);
        if index > 0 {
            continue;
        }
        if let Some(defined) = origin.defined.filter(|defined| *defined != origin.written) {
            definitions.push(Label { span: defined, text: "defined here".into() });
        }
        if let Some(line) = sources.get(label.span.source) {
            let help = format!("with its definitions the line reads `{}`", line.text.trim());
            diagnostic.help.push(help);
        }
    }
    labels.append(&mut definitions);
    diagnostic.labels = labels;
}

/// Says in which blocks each problem is.
pub(super) fn name_blocks(diagnostics: &mut [Diagnostic], statements: &[Statement], sources: &Sources) {
    for diagnostic in diagnostics {
        let Some(span) = diagnostic.span() else { continue };
        diagnostic.blocks.clear();
        around(statements, written(span, sources), sources, &mut diagnostic.blocks);
    }
}

fn around(statements: &[Statement], wanted: Span, sources: &Sources, blocks: &mut Vec<String>) {
    let surrounds = |statement: &&Statement| extent(statement, sources).is_some_and(|all| holds(all, wanted));
    let includes = |statement: &&Statement| statement.body.iter().any(|body| has(&body.statements, wanted, sources));
    let Some(statement) = statements.iter().find(surrounds).or_else(|| statements.iter().find(includes)) else {
        return;
    };
    blocks.push(statement.words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" "));
    if let Some(body) = &statement.body {
        around(&body.statements, wanted, sources, blocks);
    }
}

/// Whether a place is in one of these, also where it was included from another file.
fn has(statements: &[Statement], wanted: Span, sources: &Sources) -> bool {
    statements.iter().any(|statement| {
        statement.span().is_some_and(|span| holds(written(span, sources), wanted))
            || statement.body.iter().any(|body| has(&body.statements, wanted, sources))
    })
}

/// From the first word of a block to its `}`.
fn extent(statement: &Statement, sources: &Sources) -> Option<Span> {
    let (header, body) = (written(statement.span()?, sources), statement.body.as_ref()?);
    let close = written(body.close, sources);
    (header.source == close.source).then_some(Span { end: close.end, ..header })
}

fn holds(all: Span, part: Span) -> bool {
    all.source == part.source && all.start <= part.start && part.end <= all.end
}

fn written(span: Span, sources: &Sources) -> Span {
    sources.origin(span).map_or(span, |origin| origin.written)
}

/// What is told of a block although something is not in it.
const LACKING: &[&str] = &[
    "authentication-ignored",
    "default-used",
    "empty-group",
    "implied-owner",
    "missing-keyword",
    "no-addresses",
    "no-authentication",
    "no-check",
    "no-real-server",
];

/// Shows where the block ends that lacks something: the line belongs before that.
pub(super) fn show_ends(diagnostics: &mut [Diagnostic], statements: &[Statement], sources: &Sources) {
    for diagnostic in diagnostics.iter_mut().filter(|d| LACKING.contains(&d.id)) {
        let Some(end) = diagnostic.span().and_then(|span| end_around(statements, span, sources)) else { continue };
        diagnostic.labels.push(Label { span: end, text: "the block ends here".into() });
    }
}

/// The `}` of the innermost block that has `span` in its header or between its braces.
fn end_around(statements: &[Statement], span: Span, sources: &Sources) -> Option<Span> {
    let wanted = written(span, sources);
    let surrounds = |statement: &&Statement| extent(statement, sources).is_some_and(|all| holds(all, wanted));
    let body = statements.iter().find(surrounds)?.body.as_ref()?;
    end_around(&body.statements, span, sources).or(Some(body.close))
}
