//! Files to one stream of pieces: lines, conditions, definitions, repetitions, includes, in the order of keepalived.

use super::definitions::{self, Definition, Definitions};
use super::diagnostic::Diagnostic;
use super::environment::Environment;
use super::expand;
use super::include::Checks;
use super::lexer::{self, Piece, Place};
use super::source::{Loader, SourceId, Sources, Span};
use super::text::{Text, has_comment};
use std::path::{Path, PathBuf};

/// keepalived reads lines into a buffer of this size and drops longer ones (`MAXBUF`).
const LONGEST: usize = 1024;
/// Lines with definitions put in, all together: repetitions that multiply each other end here.
const MOST_LINES: usize = 1_000_000;
/// Repetitions and definitions of several lines within each other.
const DEEPEST: usize = 16;

/// Reads the main file and what it includes.
pub(super) struct Reader<'a> {
    pub(super) loader: &'a dyn Loader,
    pub(super) environment: &'a Environment,
    pub(super) sources: Sources,
    pub(super) pieces: Vec<Piece>,
    pub(super) diagnostics: Vec<Diagnostic>,
    /// The files being read, outermost first.
    pub(super) open: Vec<PathBuf>,
    pub(super) files: usize,
    pub(super) checks: Checks,
    pub(super) definitions: Definitions<'a>,
    /// The definition whose lines are being read, after a `\`.
    unfinished: Option<(String, Definition)>,
    lines: usize,
    /// The first condition, if none has named the config-id so far.
    unmatched: Option<Span>,
    matched: bool,
}

/// Where a line of a file is.
#[derive(Clone, Copy)]
struct At {
    line: usize,
    below_comment: bool,
    depth: usize,
    /// A condition on it is settled.
    conditional: bool,
    /// The line itself: where it is written.
    span: Span,
}

impl<'a> Reader<'a> {
    pub(super) fn new(loader: &'a dyn Loader, environment: &'a Environment, sources: Sources) -> Self {
        Self {
            loader,
            environment,
            sources,
            pieces: Vec::new(),
            diagnostics: Vec::new(),
            open: Vec::new(),
            files: 0,
            checks: if environment.check_includes { Checks::ALL } else { Checks::NONE },
            definitions: Definitions::new(environment),
            unfinished: None,
            lines: 0,
            unmatched: None,
            matched: false,
        }
    }

    /// Says what only the end of all files shows.
    pub(super) fn finish(&mut self) {
        if let Some(span) = self.unmatched.filter(|_| !self.matched) {
            let id = &self.environment.config_id;
            let message = if id.is_empty() {
                "no config-id is set, so every line `@ID …` is left out".to_owned()
            } else {
                format!("no line asks for the config-id `{id}`")
            };
            self.diagnostics.push(
                Diagnostic::note("config-id", message)
                    .at(span, "asks for another")
                    .help("--config-id ID says which lines are read; without it the host's name does"),
            );
        }
    }

    /// Reads `path`, named by the include at `from` or as the main file.
    pub(super) fn file(&mut self, path: &Path, from: Option<Span>) {
        let shown = path.display();
        let bytes = match self.loader.read(path) {
            Ok(bytes) => bytes,
            Err(error) => {
                let problem = Diagnostic::error("cannot-read", format!("cannot read {shown}: {error}"));
                self.diagnostics.push(match from {
                    Some(span) => problem.at(span, "included here"),
                    None => problem,
                });
                return;
            }
        };
        let (text, damaged) = match String::from_utf8(bytes) {
            Ok(text) => (text, false),
            Err(error) => (String::from_utf8_lossy(error.as_bytes()).into_owned(), true),
        };
        let id = self.sources.add(path, text.clone());
        self.files += 1;
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
        self.text(id, &text);
        self.open.pop();
    }

    fn text(&mut self, source: SourceId, text: &str) {
        let mut offset = 0;
        let mut below_comment = false;
        for (number, line) in text.split('\n').enumerate() {
            let content = line.strip_suffix('\r').unwrap_or(line);
            // A byte order mark is no part of the first word.
            let skip = if offset == 0 && content.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
            let content = content.get(skip..).unwrap_or_default();
            let start = offset + skip;
            let span = Span { source, start, end: start + content.len() };
            let at = At { line: number, below_comment, depth: 0, conditional: false, span };
            if self.is_sound(content, span) {
                below_comment = has_comment(content);
                self.physical(content, at);
            }
            offset += line.len() + 1;
        }
        // A file ends its definitions.
        if let Some((name, definition)) = self.unfinished.take() {
            if let Some(span) = definition.span {
                let problem = Diagnostic::warning("unfinished-definition", format!("`${name}` goes on after a `\\`"))
                    .at(span, "and the file ends");
                self.diagnostics.push(problem.help("remove the last `\\`"));
            }
            self.definitions.define(&name, definition);
        }
    }

    fn is_sound(&mut self, content: &str, span: Span) -> bool {
        if let Some(at) = content.find('\0') {
            let place = Span { start: span.start + at, end: span.start + at + 1, ..span };
            let problem = Diagnostic::error("nul-byte", "a line with a NUL byte").at(place, "the line is ignored");
            self.diagnostics.push(problem.help("the file is damaged: write the line anew"));
            return false;
        }
        if content.len() >= LONGEST {
            let message = format!("a line of {} bytes; keepalived ignores lines longer than {LONGEST}", content.len());
            self.diagnostics.push(Diagnostic::warning("line-too-long", message).at(span, "vipdeck reads it"));
        }
        true
    }

    /// A line of a file, as it is written.
    fn physical(&mut self, content: &str, at: At) {
        let bare = || Text::plain(at.span.source, at.span.start, content).without_comment().0;
        if let Some((name, mut definition)) = self.unfinished.take() {
            let more = go_on(&mut definition, &bare());
            if more {
                self.unfinished = Some((name, definition));
            } else {
                self.definitions.define(&name, definition);
            }
            return;
        }
        // Most lines: nothing in them is replaced.
        if !concerns_the_reader(content) {
            let Span { source, start, .. } = at.span;
            let place = Place { source, start, line: at.line, below_comment: at.below_comment };
            lexer::cut(content, place, true, &mut self.pieces);
            return;
        }
        if content.len() > expand::LONGEST {
            let message = format!("a line of {} bytes with definitions or an include", content.len());
            let problem = Diagnostic::error("line-too-long", message).at(at.span, "the line is ignored");
            self.diagnostics.push(problem.help("split it into lines of less than 1024 bytes"));
            return;
        }
        self.line(bare(), at);
    }

    /// A line of a file or of a definition, and what follows braces on it.
    fn line(&mut self, text: Text, at: At) {
        let mut next = Some((text, at));
        while let Some((text, at)) = next {
            next = self.step(text, at);
        }
    }

    /// One step; what is left of the line.
    fn step(&mut self, text: Text, at: At) -> Option<(Text, At)> {
        let start = text.as_str().find(|c| c != ' ' && c != '\t')?;
        let rest = text.as_str().get(start..).unwrap_or_default();
        if rest.starts_with('@') && !at.conditional {
            // One condition a line.
            self.condition(&text, start).map(|kept| (kept, At { conditional: true, ..at }))
        } else if let Some((name, value)) = definitions::definition(rest) {
            let name = name.to_owned();
            self.define(&name, &text, start, value);
            None
        } else if definitions::repetition(rest).is_some() {
            self.repeat(&text, start, at);
            None
        } else {
            self.statement(text, at)
        }
    }

    /// `@ID rest`, `@^ID rest`: the rest, if this node is meant.
    fn condition(&mut self, text: &Text, start: usize) -> Option<Text> {
        let line = text.as_str();
        let end = line.get(start..)?.find([' ', '\t']).map_or(line.len(), |length| start + length);
        let word = line.get(start + 1..end)?;
        let (id, inverted) = word.strip_prefix('^').map_or((word, false), |id| (id, true));
        let same = !self.environment.config_id.is_empty() && id == self.environment.config_id;
        self.matched |= same;
        if self.unmatched.is_none() {
            self.unmatched = text.origin(start, end).map(|origin| origin.written);
        }
        // Blanks instead of the condition: the indentation stays what it is.
        (same != inverted).then(|| text.after(end))
    }

    fn define(&mut self, name: &str, text: &Text, start: usize, value: usize) {
        let span = text.origin(start, start + value - 1).map(|origin| origin.written);
        let mut definition = Definition { lines: Vec::new(), span };
        if name.starts_with('_')
            && let Some(span) = span
        {
            let problem = Diagnostic::warning("reserved-name", format!("`${name}` is a name that keepalived reserves"))
                .at(span, "names with a leading _ are its own");
            self.diagnostics.push(problem);
        }
        if go_on(&mut definition, &text.after(start + value)) {
            self.unfinished = Some((name.to_owned(), definition));
        } else {
            self.definitions.define(name, definition);
        }
    }

    /// `~SEQ(…) rest`, `~LST(…) rest`.
    fn repeat(&mut self, text: &Text, start: usize, at: At) {
        let line = text.as_str().get(start..).unwrap_or_default();
        let Some((kind, open, close)) = definitions::repetition(line) else { return };
        let kind = kind.to_owned();
        let example = if kind == "LST" { "~LST(name, value, value)" } else { "~SEQ(name, start, step, end)" };
        let bad = |why: String| {
            let problem = Diagnostic::error("bad-repetition", format!("a repetition that cannot be read: {why}"));
            problem.help(format!("write `{example} TEXT`"))
        };
        let Some(close) = close.map(|close| start + close) else {
            let problem = bad("its `)` is missing".into());
            self.report_in(text, start, text.as_str().len(), problem, "this line is ignored");
            return;
        };
        // Definitions in the parentheses hold before the repetition begins.
        let inside = self.put_in(text.slice(start + open + 1, close)).0;
        let found = match definitions::turns(&kind, inside.as_str()) {
            Ok(found) => found,
            Err(why) => {
                self.report_in(text, start, close + 1, bad(why), "this line is ignored");
                return;
            }
        };
        if at.depth >= DEEPEST {
            let problem = bad(format!("more than {DEEPEST} within each other"));
            self.report_in(text, start, close + 1, problem, "this line is ignored");
            return;
        }
        let Some(written) = text.origin(start, close + 1).map(|origin| origin.written) else { return };
        for turn in found.turns {
            if !self.has_room(written) {
                return;
            }
            for (name, value) in found.names.iter().zip(&turn) {
                let lines = vec![Text::value(value, written)];
                self.definitions.define(name, Definition { lines, span: Some(written) });
            }
            self.line(text.after(close + 1), At { depth: at.depth + 1, ..at });
        }
    }

    /// Counts an expanded line; false when there are too many.
    fn has_room(&mut self, written: Span) -> bool {
        self.lines += 1;
        if self.lines == MOST_LINES {
            let message = format!("repetitions and definitions make more than {MOST_LINES} lines");
            self.diagnostics.push(Diagnostic::error("too-many-lines", message).at(written, "not read any further"));
        }
        self.lines < MOST_LINES
    }

    /// A line that is neither a condition, a definition nor a repetition; what is left of it.
    fn statement(&mut self, text: Text, at: At) -> Option<(Text, At)> {
        let (text, rest) = self.put_in(text);
        if !rest.is_empty() {
            if at.depth >= DEEPEST {
                let problem = Diagnostic::error("definition-loop", "definitions of several lines within each other");
                self.report_in(&text, 0, text.as_str().len(), problem, "not read any further");
                return None;
            }
            for line in std::iter::once(text).chain(rest) {
                if !self.has_room(at.span) {
                    return None;
                }
                self.line(line, At { depth: at.depth + 1, conditional: false, ..at });
            }
            return None;
        }
        let start = text.as_str().find(|c| c != ' ' && c != '\t').unwrap_or(0);
        let rest = text.as_str().get(start..).unwrap_or_default();
        // It became one with what was put in; the depth ends what never settles.
        let became = (rest.starts_with('@') && !at.conditional) || definitions::repetition(rest).is_some();
        if became && at.depth < DEEPEST {
            return Some((text, At { depth: at.depth + 1, ..at }));
        }
        if self.include(&text, start) {
            return None;
        }
        self.cut(&text, at)
    }

    /// Cuts a line into words and braces, up to a brace behind which something of this module stands: that is left.
    fn cut(&mut self, text: &Text, at: At) -> Option<(Text, At)> {
        let special = |rest: &str| {
            let rest = rest.trim_start_matches([' ', '\t']);
            rest.starts_with('@')
                || rest.starts_with("include")
                || definitions::repetition(rest).is_some()
                || definitions::definition(rest).is_some()
        };
        let ends = lexer::ends_of_braces(text.as_str());
        let split = ends.into_iter().find(|end| text.as_str().get(*end..).is_some_and(special));
        self.emit(&text.slice(0, split.unwrap_or(text.as_str().len())), at);
        split.map(|end| (text.after(end), At { conditional: false, ..at }))
    }

    fn emit(&mut self, text: &Text, at: At) {
        self.undefined(text);
        let mut words = text.as_str().split_ascii_whitespace();
        match (words.next(), words.next()) {
            (Some("random_seed"), Some(seed)) => {
                if let Ok(seed) = seed.parse() {
                    self.definitions.seed(seed);
                }
            }
            (Some("include_check"), first) => self.checks = self.checks.changed(first.into_iter().chain(words)),
            _ => {}
        }
        let (source, start, comments) = match text.as_written() {
            Some(span) => (span.source, span.start, true),
            None => (self.sources.add_expanded(text.clone()), 0, false),
        };
        let place = Place { source, start, line: at.line, below_comment: at.below_comment };
        lexer::cut(text.as_str(), place, comments, &mut self.pieces);
    }
}

/// Whether something in a line may be more than words and braces: a definition, a condition, a repetition, an include.
/// In one pass: it looks at every line.
fn concerns_the_reader(line: &str) -> bool {
    let bytes = line.as_bytes();
    let begins = |at: usize, word: &[u8]| bytes.get(at..).is_some_and(|rest| rest.starts_with(word));
    bytes.iter().enumerate().any(|(at, byte)| match byte {
        b'$' | b'@' | b'~' => true,
        b'i' => begins(at, b"include"),
        b'r' => begins(at, b"random_seed"),
        _ => false,
    })
}

/// Adds a line to a definition; true if a `\` at its end says that another one follows.
fn go_on(definition: &mut Definition, line: &Text) -> bool {
    let trimmed = line.as_str().trim_end_matches([' ', '\t']);
    let (end, more) = match trimmed.strip_suffix('\\') {
        Some(before) => (before.trim_end_matches([' ', '\t']).len(), true),
        None => (trimmed.len(), false),
    };
    // The first line may be empty: the value begins on the next.
    if !(definition.lines.is_empty() && more && trimmed.trim_start() == "\\") {
        definition.lines.push(line.slice(0, end));
    }
    more
}
