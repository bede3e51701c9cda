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
    let mut blocks = None;
    for diagnostic in diagnostics.iter_mut().filter(|d| LACKING.contains(&d.id)) {
        let Some(span) = diagnostic.span() else { continue };
        let blocks = blocks.get_or_insert_with(|| Blocks::new(statements, sources));
        let Some(end) = blocks.end_around(sources.origin(span).map_or(span, |origin| origin.written)) else { continue };
        diagnostic.labels.push(Label { span: end, text: "the block ends here".into() });
    }
}

/// Every block by where it begins, so that a thousand places among thousands of blocks are found at once.
struct Blocks(Vec<Block>);

struct Block {
    /// Its header and all between its braces, as written.
    whole: Span,
    close: Span,
    /// The place in the list of the block around it.
    around: Option<usize>,
}

impl Blocks {
    fn new(statements: &[Statement], sources: &Sources) -> Self {
        let mut blocks = Vec::new();
        gather(statements, sources, &mut blocks);
        // Outer blocks before inner ones, which a repetition may write at one place.
        blocks.sort_by_key(|block| (block.whole.source, block.whole.start, std::cmp::Reverse(block.whole.end)));
        let mut open: Vec<usize> = Vec::new();
        for place in 0..blocks.len() {
            let Some(whole) = blocks.get(place).map(|block| block.whole) else { continue };
            let contains = |outer: &usize| {
                let outer = blocks.get(*outer).map(|block| block.whole);
                outer.is_some_and(|outer| outer.source == whole.source && whole.end <= outer.end)
            };
            while open.last().is_some_and(|outer| !contains(outer)) {
                open.pop();
            }
            if let Some(block) = blocks.get_mut(place) {
                block.around = open.last().copied();
            }
            open.push(place);
        }
        Self(blocks)
    }

    /// The `}` of the innermost block that has `wanted` in its header or between its braces.
    fn end_around(&self, wanted: Span) -> Option<Span> {
        let before = |block: &Block| (block.whole.source, block.whole.start) <= (wanted.source, wanted.start);
        let mut at = self.0.partition_point(before).checked_sub(1);
        while let Some(block) = at.and_then(|at| self.0.get(at)) {
            if block.whole.source == wanted.source && wanted.end <= block.whole.end {
                return Some(block.close);
            }
            at = block.around;
        }
        None
    }
}

fn gather(statements: &[Statement], sources: &Sources, blocks: &mut Vec<Block>) {
    let written = |span: Span| sources.origin(span).map_or(span, |origin| origin.written);
    for statement in statements {
        let (Some(header), Some(body)) = (statement.span().map(written), &statement.body) else { continue };
        let close = written(body.close);
        if header.source == close.source {
            let whole = Span { end: close.end, ..header };
            blocks.push(Block { whole, close: body.close, around: None });
        }
        gather(&body.statements, sources, blocks);
    }
}
