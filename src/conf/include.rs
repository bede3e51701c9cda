//! Includes, in all their forms (keepalived.conf(5), "CONFIGURATION FILE").

use super::diagnostic::Diagnostic;
use super::glob;
use super::reader::Reader;
use super::source::{EntryKind, Span};
use super::text::Text;
use std::path::Path;

/// Files nest at most this deep; more is a loop through changing names.
const DEEPEST: usize = 32;
/// More files than any configuration has: includes that double at each level end here.
const MOST_FILES: usize = 1000;

/// What makes an include an error (keepalived.conf(5), include_check).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Checks {
    /// A matched file that cannot be read or is none.
    read: bool,
    /// A name without wildcards that does not exist.
    matched: bool,
    /// A pattern that matches nothing.
    wildcard: bool,
    /// A member of `{a,b}` that does not exist.
    brace: bool,
}

impl Checks {
    pub(super) const NONE: Self = Self { read: false, matched: false, wildcard: false, brace: false };
    pub(super) const ALL: Self = Self { read: true, matched: true, wildcard: true, brace: true };
    const READ: Self = Self { read: true, ..Self::NONE };
    const MATCH: Self = Self { matched: true, ..Self::READ };
    const WILDCARD: Self = Self { wildcard: true, ..Self::MATCH };
    const BRACE: Self = Self { brace: true, ..Self::READ };

    fn and(self, other: Self) -> Self {
        Self {
            read: self.read || other.read,
            matched: self.matched || other.matched,
            wildcard: self.wildcard || other.wildcard,
            brace: self.brace || other.brace,
        }
    }

    /// What the words of `include_check` make of it; words it does not know are another one's to report.
    pub(super) fn changed<'w>(self, words: impl Iterator<Item = &'w str>) -> Self {
        let mut words = words.take_while(|word| !word.starts_with(['}', '{'])).peekable();
        let Some(first) = words.peek() else { return Self::ALL };
        let mut checks = if first.starts_with(['+', '-']) { self } else { Self::NONE };
        for word in words {
            let (name, on) = match word.strip_prefix('-') {
                Some(name) => (name, false),
                None => (word.strip_prefix('+').unwrap_or(word), true),
            };
            match name {
                "read" | "readable" => checks.read = on,
                "match" => checks.matched = on,
                "wildcard_match" => checks.wildcard = on,
                "brace_match" => checks.brace = on,
                _ => {}
            }
        }
        let any = checks.matched || checks.wildcard || checks.brace;
        Self { read: checks.read || any, ..checks }
    }

    /// Those of an include statement.
    fn of(keyword: &str) -> Option<Self> {
        Some(match keyword {
            "include" => Self::NONE,
            "includer" => Self::READ,
            "includem" => Self::MATCH,
            "includew" => Self::WILDCARD,
            "includeb" => Self::BRACE,
            "includea" => Self::ALL,
            _ => return None,
        })
    }
}

impl Reader<'_> {
    /// Reads what an include statement names; false if the line is none. Its name is the rest of the line.
    pub(super) fn include(&mut self, text: &Text, start: usize) -> bool {
        let line = text.as_str().get(start..).unwrap_or_default().trim_end();
        let keyword = line.split([' ', '\t']).next().unwrap_or_default();
        let Some(checks) = Checks::of(keyword) else { return false };
        let checks = self.checks.and(checks);
        let place = |from: usize, to: usize| text.origin(from, to).map(|origin| origin.written);
        let Some(statement) = place(start, start + keyword.len()) else { return true };
        let pattern = line.get(keyword.len()..).unwrap_or_default().trim_start();
        let at = start + line.len() - pattern.len();
        let Some(span) = place(at, start + line.len()).filter(|_| !pattern.is_empty()) else {
            let problem = Diagnostic::error("missing-argument", format!("{keyword} names no file"));
            self.diagnostics.push(problem.at(statement, ""));
            return true;
        };
        let unquoted = pattern.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        if unquoted.is_some() {
            let problem =
                Diagnostic::warning("quoted-include", "keepalived takes the quotes as part of the file's name")
                    .at(span, "and would find no such file");
            self.diagnostics.push(problem.help("write the name without quotes"));
        }
        self.matching(unquoted.unwrap_or(pattern), checks, span);
        true
    }

    fn matching(&mut self, pattern: &str, checks: Checks, span: Span) {
        let base = self.open.last().and_then(|p| p.parent()).unwrap_or(Path::new("")).to_owned();
        let members = glob::braces(pattern);
        let several = members.len() > 1;
        let found: Vec<_> = members.iter().map(|member| glob::find(self.loader, &base, member)).collect();
        let nothing = found.iter().all(Vec::is_empty);
        for (member, files) in members.iter().zip(&found) {
            let wild = glob::is_wild(member);
            if files.is_empty() {
                let fails = match (nothing, wild) {
                    (true, true) => checks.wildcard || (several && checks.brace),
                    (true, false) => checks.matched || (several && checks.brace),
                    (false, _) => checks.brace,
                };
                self.nothing_found(fails, member, wild, span);
            }
            for path in files {
                self.nested(path, checks, wild, span);
            }
        }
    }

    fn nothing_found(&mut self, fails: bool, pattern: &str, wild: bool, span: Span) {
        let text = if wild { "no file matches" } else { "no such file" };
        let message = format!("{text}: {pattern}");
        let problem = match (fails, wild) {
            (true, _) => Diagnostic::error("include-missing", message),
            (false, false) => Diagnostic::warning("include-missing", message),
            (false, true) => Diagnostic::note("include-missing", message),
        };
        self.diagnostics.push(problem.at(span, "relative names start at the directory of this file"));
    }

    fn nested(&mut self, path: &Path, checks: Checks, wild: bool, span: Span) {
        let kind = self.loader.kind(path);
        if kind != Some(EntryKind::File) {
            // keepalived passes over these without an error; a name written out deserves a word.
            if !wild || checks.read {
                let why = match kind {
                    Some(EntryKind::Executable) => "it has an execute bit, and keepalived does not include such files",
                    Some(EntryKind::Directory) => "it is a directory",
                    _ => "it is not a plain file",
                };
                let message = format!("{} is not included: {why}", path.display());
                let problem = if checks.read {
                    Diagnostic::error("include-not-a-file", message)
                } else {
                    Diagnostic::warning("include-not-a-file", message)
                };
                self.diagnostics.push(problem.at(span, "included here"));
            }
            return;
        }
        if self.open.iter().any(|open| open == path) {
            let chain = self.open.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(" → ");
            let message = format!("{} includes itself", path.display());
            let problem = Diagnostic::error("include-cycle", message)
                .at(span, "here the circle closes")
                .help(format!("the chain is {chain} → {}", path.display()));
            self.diagnostics.push(problem);
        } else if self.open.len() >= DEEPEST || self.files >= MOST_FILES {
            if !self.diagnostics.iter().any(|d| d.id == "include-too-many") {
                let message = format!("more than {DEEPEST} levels or {MOST_FILES} files of includes");
                self.diagnostics.push(Diagnostic::error("include-too-many", message).at(span, "not read any further"));
            }
        } else {
            // What a file sets holds in it and in what it includes.
            let before = self.checks;
            self.file(path, Some(span));
            self.checks = before;
        }
    }

    /// Reads the main file, which may be a pattern.
    pub(super) fn main(&mut self, path: &Path) {
        let pattern = path.to_string_lossy();
        let literal = !glob::is_wild(&pattern) && !pattern.contains('{');
        if literal || self.loader.kind(path).is_some() {
            self.file(path, None);
            return;
        }
        let files: Vec<_> =
            glob::braces(&pattern).iter().flat_map(|member| glob::find(self.loader, Path::new(""), member)).collect();
        let plain: Vec<_> = files.into_iter().filter(|path| self.loader.kind(path) == Some(EntryKind::File)).collect();
        if plain.is_empty() {
            self.diagnostics.push(Diagnostic::error("cannot-read", format!("no file matches {pattern}")));
        }
        for path in plain {
            self.file(&path, None);
        }
    }
}
