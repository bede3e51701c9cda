//! Where what a configuration says of instances is written: small, for it stays in memory and goes to the next engine.

use super::index::Index;
use super::source::{Sources, Span};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The places of keywords in `vrrp_instance` blocks and in `global_defs`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origins {
    files: Vec<String>,
    keywords: Vec<String>,
    globals: Vec<Written>,
    instances: BTreeMap<String, Vec<Written>>,
}

/// One keyword and its line; both names by their places in the lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Written {
    keyword: u16,
    file: u16,
    line: u32,
}

impl Origins {
    pub(super) fn new(index: &Index, sources: &Sources) -> Self {
        let mut origins = Self::default();
        for (keyword, span) in index.keywords("global_defs", "") {
            let written = origins.written(keyword, span, sources);
            origins.globals.extend(written);
        }
        for name in index.names("vrrp_instance") {
            let all = index.keywords("vrrp_instance", name);
            let all: Vec<_> = all.filter_map(|(keyword, span)| origins.written(keyword, span, sources)).collect();
            origins.instances.insert(name.to_owned(), all);
        }
        origins
    }

    fn written(&mut self, keyword: &str, span: Span, sources: &Sources) -> Option<Written> {
        let file = sources.get(span.source)?.path.display().to_string();
        let line = sources.position(span.source, span.start).line;
        Some(Written {
            keyword: place_in(&mut self.keywords, keyword)?,
            file: place_in(&mut self.files, &file)?,
            line: u32::try_from(line).ok()?,
        })
    }

    /// `FILE:LINE` of the first of these keywords that an instance has.
    pub fn of_instance(&self, name: &str, keywords: &[&str]) -> Option<String> {
        self.find(self.instances.get(name)?, keywords)
    }

    /// The same of `global_defs`.
    pub fn of_globals(&self, keywords: &[&str]) -> Option<String> {
        self.find(&self.globals, keywords)
    }

    fn find(&self, all: &[Written], keywords: &[&str]) -> Option<String> {
        let has =
            |w: &&Written| self.keywords.get(usize::from(w.keyword)).is_some_and(|k| keywords.contains(&k.as_str()));
        let found = all.iter().find(has)?;
        Some(format!("{}:{}", self.files.get(usize::from(found.file))?, found.line))
    }
}

/// None: there are more than can be counted.
fn place_in(list: &mut Vec<String>, text: &str) -> Option<u16> {
    let place = list.iter().position(|known| known == text).unwrap_or_else(|| {
        list.push(text.to_owned());
        list.len() - 1
    });
    u16::try_from(place).ok()
}
