//! Where the things of a configuration are written: blocks by name, and the keywords in them.

use super::source::{Sources, Span};
use super::tree::Statement;
use std::collections::BTreeMap;

/// Where the things of a configuration are written, in files.
#[derive(Clone, Debug, Default)]
pub struct Index {
    /// By keyword and name of the block; the name is empty for a block without one.
    blocks: BTreeMap<(String, String), Block>,
}

#[derive(Clone, Debug)]
struct Block {
    span: Span,
    /// Keywords, and for the lines of inner blocks `INNER FIRST`, such as `track_script chk_http`.
    keywords: BTreeMap<String, Keyword>,
}

#[derive(Clone, Debug)]
struct Keyword {
    span: Span,
    /// The words after it.
    value: String,
}

impl Index {
    pub(super) fn new(statements: &[Statement], sources: &Sources) -> Self {
        let mut blocks: BTreeMap<(String, String), Block> = BTreeMap::new();
        let mut name_of_line = String::new();
        for statement in statements {
            let Some((keyword, span)) = parts(statement) else { continue };
            let Some(body) = &statement.body else { continue };
            // Of blocks with one name the first counts, but global_defs may be written in pieces.
            let block = blocks.entry((keyword.to_owned(), value(statement)));
            let block = block.or_insert_with(|| Block { span: written(span, sources), keywords: BTreeMap::new() });
            for inner in &body.statements {
                let Some((first, _)) = parts(inner) else { continue };
                block.add(first, inner, sources);
                for line in inner.body.iter().flat_map(|body| &body.statements) {
                    let Some((word, _)) = parts(line) else { continue };
                    name_of_line.clear();
                    name_of_line.extend([first, " ", word]);
                    block.add(&name_of_line, line, sources);
                }
            }
        }
        Self { blocks }
    }

    /// Where a keyword of a block is written, or else the block; none if there is no such block.
    pub fn place(&self, block: &str, name: &str, keyword: &str) -> Option<Span> {
        let block = self.blocks.get(&(block.to_owned(), name.to_owned()))?;
        Some(block.keywords.get(keyword).map_or(block.span, |keyword| keyword.span))
    }

    /// The words after a keyword of a block, if it is written.
    pub(super) fn value(&self, block: &str, name: &str, keyword: &str) -> Option<&str> {
        let block = self.blocks.get(&(block.to_owned(), name.to_owned()))?;
        block.keywords.get(keyword).map(|keyword| keyword.value.as_str())
    }

    /// The places of all keywords that `wanted` takes, given block and keyword.
    pub(super) fn all(&self, wanted: impl Fn(&str, &str) -> bool) -> impl Iterator<Item = Span> {
        let in_block = move |((name, _), block): (&(String, String), &Block)| {
            let found = block.keywords.iter().filter(|(keyword, _)| wanted(name, keyword));
            found.map(|(_, keyword)| keyword.span).collect::<Vec<_>>()
        };
        self.blocks.iter().flat_map(in_block)
    }
}

fn written(span: Span, sources: &Sources) -> Span {
    sources.origin(span).map_or(span, |origin| origin.written)
}

/// The first word, and where all of them are.
fn parts(statement: &Statement) -> Option<(&str, Span)> {
    Some((statement.words.first()?.text.as_str(), statement.span()?))
}

/// The words after the first.
fn value(statement: &Statement) -> String {
    let rest = statement.words.get(1..).unwrap_or_default();
    rest.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ")
}

impl Block {
    /// The first of a name counts.
    fn add(&mut self, name: &str, statement: &Statement, sources: &Sources) {
        if self.keywords.contains_key(name) {
            return;
        }
        let Some(span) = statement.span() else { return };
        let keyword = Keyword { span: written(span, sources), value: value(statement) };
        self.keywords.insert(name.to_owned(), keyword);
    }
}
