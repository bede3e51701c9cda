//! Diagnostics about lines with definitions put in, led back to what the operator wrote.

use super::diagnostic::{Diagnostic, Label};
use super::source::{SourceId, Sources, Span};
use super::tree::Statement;
use std::collections::{BTreeMap, BTreeSet};

/// So many problems of one kind are told of one place; a repetition may have thousands.
const MOST_ALIKE: usize = 10;

/// Gives every label its place in a file: that of the use, and of the definition beside it. What a repetition repeats is
/// told once, and of what is alike only the first.
pub(super) fn settle(diagnostics: Vec<Diagnostic>, statements: &[Statement], sources: &Sources) -> Vec<Diagnostic> {
    let mut told: BTreeSet<(Span, &'static str, String)> = BTreeSet::new();
    // How many of a kind a place has, and where the first of them stands in `settled`.
    let mut alike: BTreeMap<(Span, &'static str), (usize, usize)> = BTreeMap::new();
    let mut settled: Vec<Diagnostic> = Vec::new();
    for mut diagnostic in diagnostics {
        let is_expanded = diagnostic.labels.iter().any(|label| sources.origin(label.span).is_some());
        let expanded = diagnostic.span().filter(|_| is_expanded);
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
        // What is repeated at one place is told apart only as it was put in.
        diagnostic.blocks = expanded.and_then(|span| path_to(statements, span)).unwrap_or_default();
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

/// The blocks on the way to the statement that has a place in it.
fn path_to(statements: &[Statement], wanted: Span) -> Option<Vec<String>> {
    let has = |span: Span| span.source == wanted.source && span.start <= wanted.start && wanted.end <= span.end;
    statements.iter().find_map(|statement| {
        let here = statement.span().is_some_and(has);
        let Some(body) = &statement.body else { return here.then(Vec::new) };
        let inside = if here || has(body.open) || has(body.close) { Some(Vec::new()) } else { None };
        let mut path = inside.or_else(|| path_to(&body.statements, wanted))?;
        path.insert(0, name_of(statement));
        Some(path)
    })
}

fn name_of(statement: &Statement) -> String {
    statement.words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ")
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
    if diagnostics.is_empty() {
        return;
    }
    let blocks = Blocks::new(statements, sources);
    for diagnostic in diagnostics.iter_mut().filter(|d| d.blocks.is_empty()) {
        let Some(span) = diagnostic.span() else { continue };
        diagnostic.blocks = blocks.names_around(written(span, sources));
    }
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
    let mut blocks = None;
    for diagnostic in diagnostics.iter_mut().filter(|d| LACKING.contains(&d.id)) {
        let Some(span) = diagnostic.span() else { continue };
        let blocks = blocks.get_or_insert_with(|| Blocks::new(statements, sources));
        let Some(end) = blocks.end_around(written(span, sources)) else { continue };
        diagnostic.labels.push(Label { span: end, text: "the block ends here".into() });
    }
}

/// Every block by where it begins, so that a thousand places among thousands of blocks are found at once.
struct Blocks<'s> {
    all: Vec<Block<'s>>,
    /// Where what a file holds was included, if that was in a block.
    included: BTreeMap<SourceId, Span>,
}

struct Block<'s> {
    header: &'s Statement,
    /// Its header and all between its braces, as written.
    whole: Span,
    close: Span,
    /// The place in the list of the block around it.
    around: Option<usize>,
}

impl<'s> Blocks<'s> {
    fn new(statements: &'s [Statement], sources: &Sources) -> Self {
        let mut gathered = Self { all: Vec::new(), included: BTreeMap::new() };
        gather(statements, sources, &mut gathered);
        let Self { all: mut blocks, included } = gathered;
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
        Self { all: blocks, included }
    }

    /// The `}` of the innermost block that has `wanted` in its header or between its braces.
    fn end_around(&self, wanted: Span) -> Option<Span> {
        self.around(wanted).map(|block| block.close)
    }

    fn around(&self, wanted: Span) -> Option<&Block<'s>> {
        let before = |block: &Block| (block.whole.source, block.whole.start) <= (wanted.source, wanted.start);
        let mut at = self.all.partition_point(before).checked_sub(1);
        while let Some(block) = at.and_then(|at| self.all.get(at)) {
            if block.whole.source == wanted.source && wanted.end <= block.whole.end {
                return Some(block);
            }
            at = block.around;
        }
        None
    }

    /// What the blocks around a place begin with, the outermost first, also where its file was included in one.
    fn names_around(&self, wanted: Span) -> Vec<String> {
        let mut names = Vec::new();
        let mut place = Some(wanted);
        // Includes nest, and no deeper than blocks.
        for _ in 0..DEEPEST {
            let Some(wanted) = place else { break };
            let mut at = self.around(wanted);
            while let Some(block) = at {
                names.push(name_of(block.header));
                at = block.around.and_then(|around| self.all.get(around));
            }
            place = self.included.get(&wanted.source).copied();
        }
        names.reverse();
        names
    }
}

/// Includes in includes are followed so far.
const DEEPEST: usize = 16;

fn gather<'s>(statements: &'s [Statement], sources: &Sources, blocks: &mut Blocks<'s>) {
    for statement in statements {
        let (Some(header), Some(body)) = (statement.span(), &statement.body) else { continue };
        let (header, close) = (written(header, sources), written(body.close, sources));
        if header.source == close.source {
            let whole = Span { end: close.end, ..header };
            blocks.all.push(Block { header: statement, whole, close: body.close, around: None });
        }
        for inner in body.statements.iter().filter_map(|inner| Some(written(inner.span()?, sources))) {
            if inner.source != header.source {
                blocks.included.entry(inner.source).or_insert(header);
            }
        }
        gather(&body.statements, sources, blocks);
    }
}
