//! The texts a configuration is made of: the loader they come through, and places in them.

use super::text::{Origin, Text};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The number of a source, in the order of reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(pub usize);

/// A range of bytes in one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    pub source: SourceId,
    pub start: usize,
    pub end: usize,
}

impl Span {
    /// From the start of this span to the end of `other`, if both are in one source.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        if self.source == other.source { Self { end: other.end.max(self.end), ..self } } else { self }
    }
}

/// A value and where it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spanned<T> {
    pub value: T,
    pub span: Span,
}

/// One entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    pub name: String,
    pub kind: EntryKind,
}

/// What an include may meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EntryKind {
    File,
    /// Has an execute bit; keepalived does not include those.
    Executable,
    Directory,
    Other,
}

/// What is known of a program that a configuration names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Program {
    Runs,
    Missing,
    NotExecutable,
    /// Someone other than root may change it: this component of its path is writable for them.
    Insecure(PathBuf),
}

/// Where files come from. The parser touches no file in any other way.
pub trait Loader {
    fn read(&self, path: &Path) -> std::io::Result<Vec<u8>>;
    /// The entries of a directory, sorted by name.
    fn list(&self, directory: &Path) -> std::io::Result<Vec<Entry>>;
    fn kind(&self, path: &Path) -> Option<EntryKind>;
    /// Whether the machine has an interface; none: not known, and nothing is said about it.
    fn has_link(&self, _name: &str) -> Option<bool> {
        None
    }
    /// Whether nobody but its owner may read or write a file; none: not known, and nothing is said about it.
    fn is_private(&self, _path: &Path) -> Option<bool> {
        None
    }
    /// What is known of a program; none: nothing, and nothing is said about it.
    fn program(&self, _name: &str) -> Option<Program> {
        None
    }
}

/// Files held in memory.
#[derive(Clone, Debug, Default)]
pub struct Memory(pub BTreeMap<PathBuf, Vec<u8>>);

impl Memory {
    pub fn one(path: impl Into<PathBuf>, text: &str) -> Self {
        Self(BTreeMap::from([(path.into(), text.as_bytes().to_vec())]))
    }
}

impl Loader for Memory {
    fn read(&self, path: &Path) -> std::io::Result<Vec<u8>> {
        self.0.get(path).cloned().ok_or_else(|| std::io::ErrorKind::NotFound.into())
    }

    fn list(&self, directory: &Path) -> std::io::Result<Vec<Entry>> {
        let name = |path: &PathBuf| path.file_name().map(|n| n.to_string_lossy().into_owned());
        let here = self.0.keys().filter(|path| path.parent() == Some(directory));
        Ok(here.filter_map(name).map(|name| Entry { name, kind: EntryKind::File }).collect())
    }

    fn kind(&self, path: &Path) -> Option<EntryKind> {
        self.0.contains_key(path).then_some(EntryKind::File)
    }
}

/// One text.
#[derive(Clone, Debug)]
pub struct Source {
    pub path: PathBuf,
    pub text: String,
    /// The offset of the start of each line.
    lines: Vec<usize>,
    /// A line as it reads once definitions are put in, and where its parts are written; none: a file.
    expanded: Option<Text>,
}

/// A place for people: both count from 1, the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    pub line: usize,
    pub column: usize,
}

/// All texts that were read: files, and lines of them with definitions put in.
#[derive(Clone, Debug, Default)]
pub struct Sources(Vec<Source>);

impl Sources {
    pub(super) fn add(&mut self, path: &Path, text: String) -> SourceId {
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        self.0.push(Source { path: path.to_owned(), text, lines, expanded: None });
        SourceId(self.0.len() - 1)
    }

    /// A line with definitions put in, as a source of its own; [`Self::origin`] leads back to the file.
    pub(super) fn add_expanded(&mut self, line: Text) -> SourceId {
        let text = line.as_str().to_owned();
        self.0.push(Source { path: PathBuf::new(), text, lines: vec![0], expanded: Some(line) });
        SourceId(self.0.len() - 1)
    }

    /// The place behind the last character of a source.
    pub(super) fn end_of(&self, source: SourceId) -> Span {
        let end = self.get(source).map_or(0, |s| s.text.len());
        Span { source, start: end, end }
    }

    /// Where a span is written, if it lies in an expanded line; none: in a file, where it says.
    pub(super) fn origin(&self, span: Span) -> Option<Origin> {
        let expanded = self.get(span.source)?.expanded.as_ref()?;
        // A line without any text of its own stands at its start.
        expanded.origin(span.start, span.end).or_else(|| expanded.origin(0, 0))
    }

    pub fn get(&self, id: SourceId) -> Option<&Source> {
        self.0.get(id.0)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Source> {
        self.0.iter()
    }

    /// The files among them, as they were read.
    pub fn files(&self) -> impl Iterator<Item = &Source> {
        self.0.iter().filter(|source| source.expanded.is_none())
    }

    /// The text a span covers.
    pub fn text(&self, span: Span) -> &str {
        self.get(span.source).and_then(|s| s.text.get(span.start..span.end)).unwrap_or_default()
    }

    /// Where an offset is, for people.
    pub fn position(&self, source: SourceId, offset: usize) -> Position {
        let Some(source) = self.get(source) else { return Position { line: 1, column: 1 } };
        let line = source.lines.partition_point(|start| *start <= offset).max(1);
        let start = source.lines.get(line - 1).copied().unwrap_or(0);
        let before = source.text.get(start..offset).unwrap_or_default();
        Position { line, column: before.chars().count() + 1 }
    }

    /// The blanks at the start of the line that holds `span`.
    pub fn indentation(&self, span: Span) -> usize {
        let Some(source) = self.get(span.source) else { return 0 };
        let start = source.text.get(..span.start).and_then(|text| text.rfind('\n')).map_or(0, |at| at + 1);
        let before = source.text.get(start..).unwrap_or_default();
        before.bytes().take_while(|b| *b == b' ' || *b == b'\t').map(|b| if b == b'\t' { 8 } else { 1 }).sum()
    }
}
