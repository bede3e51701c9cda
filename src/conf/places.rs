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
        if diagnostic.labels.iter().any(|label| sources.origin(label.span).is_some()) {
            settle_one(&mut diagnostic, sources);
            if let Some(span) = diagnostic.span() {
                if !told.insert((span, diagnostic.id, diagnostic.message.clone())) {
                    continue;
                }
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
    let written = |span: Span| sources.origin(span).map_or(span, |origin| origin.written);
    let wanted = written(span);
    for statement in statements {
        let (Some(header), Some(body)) = (statement.span().map(written), &statement.body) else { continue };
        let close = written(body.close);
        let same = header.source == wanted.source && close.source == wanted.source;
        if same && header.start <= wanted.start && wanted.end <= close.end {
            return end_around(&body.statements, span, sources).or(Some(body.close));
        }
    }
    None
}
