//! Diagnostics about lines with definitions put in, led back to what the operator wrote.

use super::diagnostic::{Diagnostic, Label};
use super::source::{Sources, Span};
use std::collections::BTreeSet;

/// Gives every label its place in a file: that of the use, and of the definition beside it. A problem that a repetition
/// repeats is told once.
pub(super) fn settle(diagnostics: Vec<Diagnostic>, sources: &Sources) -> Vec<Diagnostic> {
    let mut told: BTreeSet<(Span, &'static str, String)> = BTreeSet::new();
    let mut settled = Vec::new();
    for mut diagnostic in diagnostics {
        if diagnostic.labels.iter().any(|label| sources.origin(label.span).is_some()) {
            settle_one(&mut diagnostic, sources);
            if let Some(span) = diagnostic.span()
                && !told.insert((span, diagnostic.id, diagnostic.message.clone()))
            {
                continue;
            }
        }
        settled.push(diagnostic);
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
