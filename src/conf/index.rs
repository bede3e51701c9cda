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
    keywords: BTreeMap<String, Span>,
}

impl Index {
    pub(super) fn new(statements: &[Statement], sources: &Sources) -> Self {
        let mut blocks = BTreeMap::new();
        for statement in statements {
            let (Some(keyword), Some(span), Some(body)) = (statement.words.first(), statement.span(), &statement.body)
            else {
                continue;
            };
            let name = statement.words.get(1..).unwrap_or_default();
            let name = name.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ");
            let mut keywords = BTreeMap::new();
            for inner in &body.statements {
                let (Some(first), Some(span)) = (inner.words.first(), inner.span()) else { continue };
                keywords.insert(first.text.clone(), written(span, sources));
                for line in inner.body.iter().flat_map(|body| &body.statements) {
                    if let (Some(word), Some(span)) = (line.words.first(), line.span()) {
                        keywords.insert(format!("{} {}", first.text, word.text), written(span, sources));
                    }
                }
            }
            let block = Block { span: written(span, sources), keywords };
            // Of blocks with one name the first counts.
            blocks.entry((keyword.text.clone(), name)).or_insert(block);
        }
        Self { blocks }
    }

    /// Where a keyword of a block is written, or else the block; none if there is no such block.
    pub fn place(&self, block: &str, name: &str, keyword: &str) -> Option<Span> {
        let block = self.blocks.get(&(block.to_owned(), name.to_owned()))?;
        Some(block.keywords.get(keyword).copied().unwrap_or(block.span))
    }
}

fn written(span: Span, sources: &Sources) -> Span {
    sources.origin(span).map_or(span, |origin| origin.written)
}
