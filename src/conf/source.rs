//! The texts a configuration is made of: the loader they come through, places in them, and includes.

use super::diagnostic::Diagnostic;
use super::glob;
use super::lexer::{self, Piece, Token, Word};
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
}

/// A place for people: both count from 1, the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    pub line: usize,
    pub column: usize,
}

/// All texts that were read.
#[derive(Clone, Debug, Default)]
pub struct Sources(Vec<Source>);

impl Sources {
    fn add(&mut self, path: &Path, text: String) -> SourceId {
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        self.0.push(Source { path: path.to_owned(), text, lines });
        SourceId(self.0.len() - 1)
    }

    pub fn get(&self, id: SourceId) -> Option<&Source> {
        self.0.get(id.0)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Source> {
        self.0.iter()
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
        let line = source.lines.partition_point(|start| *start <= span.start).max(1);
        let start = source.lines.get(line - 1).copied().unwrap_or(0);
        let before = source.text.get(start..).unwrap_or_default();
        before.bytes().take_while(|b| *b == b' ' || *b == b'\t').map(|b| if b == b'\t' { 8 } else { 1 }).sum()
    }
}

/// Files nest at most this deep; more is a loop through changing names.
const DEEPEST: usize = 32;
/// More files than any configuration has: includes that double at each level end here.
const MOST_FILES: usize = 1000;

/// Reads the main file and what it includes into one stream of pieces.
pub(super) struct Reader<'a> {
    loader: &'a dyn Loader,
    pub(super) sources: Sources,
    pub(super) pieces: Vec<Piece>,
    pub(super) diagnostics: Vec<Diagnostic>,
    /// The files being read, outermost first.
    open: Vec<PathBuf>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(loader: &'a dyn Loader) -> Self {
        let (sources, pieces, diagnostics, open) = Default::default();
        Self { loader, sources, pieces, diagnostics, open }
    }

    /// Reads `path`, named by the include at `from` or as the main file.
    pub(super) fn file(&mut self, path: &Path, from: Option<Span>) {
        let located = |d: Diagnostic| match from {
            Some(span) => d.at(span, "included here"),
            None => d,
        };
        let shown = path.display();
        let bytes = match self.loader.read(path) {
            Ok(bytes) => bytes,
            Err(error) => {
                self.diagnostics
                    .push(located(Diagnostic::error("cannot-read", format!("cannot read {shown}: {error}"))));
                return;
            }
        };
        let (text, damaged) = match String::from_utf8(bytes) {
            Ok(text) => (text, false),
            Err(error) => (String::from_utf8_lossy(error.as_bytes()).into_owned(), true),
        };
        let id = self.sources.add(path, text.clone());
        if damaged {
            let start = text.find('\u{fffd}').unwrap_or(0);
            let span = Span { source: id, start, end: start + '\u{fffd}'.len_utf8().min(text.len()) };
            self.diagnostics.push(
                Diagnostic::warning("not-utf8", format!("{shown} is not UTF-8"))
                    .at(span, "the first byte that is not")
                    .help("harmless in comments; elsewhere the name or password is not what you wrote"),
            );
        }
        self.open.push(path.to_owned());
        for piece in lexer::lex(id, &text, &mut self.diagnostics) {
            match include(&piece) {
                Some((level, pattern, span)) => self.include(level, &pattern, span),
                None => self.pieces.push(piece),
            }
        }
        self.open.pop();
    }

    fn include(&mut self, level: Level, pattern: &Word, statement: Span) {
        if pattern.text.is_empty() {
            let problem = Diagnostic::error("missing-argument", "include names no file").at(statement, "");
            self.diagnostics.push(problem);
            return;
        }
        let base = self.open.last().and_then(|p| p.parent()).unwrap_or(Path::new("")).to_owned();
        for alternative in glob::braces(&pattern.text) {
            let wild = glob::is_wild(&alternative);
            let found = glob::find(self.loader, &base, &alternative);
            if found.is_empty() {
                self.nothing_found(level, &alternative, wild, pattern.span);
            }
            for path in found {
                self.nested(&path, level, wild, pattern.span);
            }
        }
    }

    fn nothing_found(&mut self, level: Level, pattern: &str, wild: bool, span: Span) {
        let text = if wild { "no file matches" } else { "no such file" };
        let message = format!("{text}: {pattern}");
        let problem = match (wild, level) {
            (false, Level::Plain | Level::Readable) => Diagnostic::warning("include-missing", message),
            (true, Level::Plain | Level::Readable | Level::Literal) => Diagnostic::note("include-missing", message),
            _ => Diagnostic::error("include-missing", message),
        };
        self.diagnostics.push(problem.at(span, "relative names start at the directory of this file"));
    }

    fn nested(&mut self, path: &Path, level: Level, wild: bool, span: Span) {
        match self.loader.kind(path) {
            Some(EntryKind::File) => {}
            // keepalived passes over these without a word; a name written out deserves one.
            _ if wild && level == Level::Plain => return,
            other => {
                let why = match other {
                    Some(EntryKind::Executable) => "it has an execute bit, and keepalived does not include such files",
                    Some(EntryKind::Directory) => "it is a directory",
                    _ => "it is not a plain file",
                };
                let message = format!("{} is not included: {why}", path.display());
                self.diagnostics.push(Diagnostic::error("include-not-a-file", message).at(span, "included here"));
                return;
            }
        }
        if self.open.iter().any(|open| open == path) {
            let chain = self.open.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(" → ");
            let message = format!("{} includes itself", path.display());
            let problem = Diagnostic::error("include-cycle", message)
                .at(span, "here the circle closes")
                .help(format!("the chain is {chain} → {}", path.display()));
            self.diagnostics.push(problem);
        } else if self.open.len() >= DEEPEST || self.sources.0.len() >= MOST_FILES {
            if !self.diagnostics.iter().any(|d| d.id == "include-too-many") {
                let message = format!("more than {DEEPEST} levels or {MOST_FILES} files of includes");
                self.diagnostics.push(Diagnostic::error("include-too-many", message).at(span, "not read any further"));
            }
        } else {
            self.file(path, Some(span));
        }
    }
}

/// How strict an include is (keepalived.conf(5): include, includer, includem, includew, includeb, includea).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Plain,
    Readable,
    Literal,
    Everything,
}

/// The pattern of an include statement.
fn include(piece: &Piece) -> Option<(Level, Word, Span)> {
    let Token::Words(words) = &piece.token else { return None };
    let first = words.first()?;
    let level = match first.text.as_str() {
        "include" => Level::Plain,
        "includer" => Level::Readable,
        "includem" | "includeb" => Level::Literal,
        "includew" | "includea" => Level::Everything,
        _ => return None,
    };
    let pattern = words.get(1).cloned().unwrap_or(Word { text: String::new(), span: first.span, quoted: false });
    Some((level, pattern, first.span))
}
