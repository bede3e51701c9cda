//! Words and braces to a tree of statements. Whatever the input, it ends, never panics, and explains what does not fit.

use super::diagnostic::Diagnostic;
use super::keywords;
use super::lexer::{Piece, Token, Word};
use super::source::{SourceId, Sources, Span};
use super::suggest;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// One statement: words, and a body if it is a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Statement {
    /// At least one.
    pub words: Vec<Word>,
    pub body: Option<Body>,
    /// The line above carries a comment: if this cannot be understood it is probably the rest of that.
    pub below_comment: bool,
    /// Certainly the rest of a comment: only so do the file's braces agree.
    pub wrapped: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Body {
    pub open: Span,
    /// Its `}`, or where it shows that there is none.
    pub close: Span,
    pub statements: Vec<Statement>,
}

impl Statement {
    /// All its words.
    pub(super) fn span(&self) -> Option<Span> {
        Some(self.words.first()?.span.to(self.words.last()?.span))
    }
}

/// Blocks nest four deep in this language; deeper is damage, and a bound keeps recursion safe.
const DEEPEST: usize = 16;

/// Builds the tree.
pub(super) fn build(mut pieces: Vec<Piece>, sources: &Sources, diagnostics: &mut Vec<Diagnostic>) -> Vec<Statement> {
    carry_comments_on(&mut pieces);
    let suspects = suspects(&pieces);
    let total: i64 = pieces.iter().map(weight).sum();
    let suspect: i64 = pieces.iter().filter(|p| suspects.contains(&(p.source, p.line))).map(weight).sum();
    // The braces of a wrapped comment count only where the file agrees with them.
    let set_aside = total == suspect;
    let mut builder = Builder {
        sources,
        diagnostics,
        statements: Vec::new(),
        frames: Vec::new(),
        header: None,
        // With a `}` too few, a keyword that can only stand at the top level shows where it is missing.
        may_recover: total > 0 && !set_aside,
        recovered: 0,
        too_deep: 0,
        odd: None,
    };
    let none = BTreeSet::new();
    let mut previous = None;
    for piece in &mut pieces {
        let place = (piece.source, piece.line);
        let first_on_line = previous != Some(place);
        previous = Some(place);
        let wrapped = set_aside && suspects.contains(&place);
        // The words of suspects are looked at again at the end.
        let keep = suspects.contains(&place);
        builder.piece(piece, wrapped, first_on_line, keep);
    }
    builder.end(if set_aside { &none } else { &suspects }, &pieces);
    builder.statements
}

fn weight(piece: &Piece) -> i64 {
    match piece.token {
        Token::Words(_) => 0,
        Token::Open(_) => 1,
        Token::Close(_) => -1,
    }
}

/// A comment may wrap onto more than one line: what follows a line of prose is prose.
fn carry_comments_on(pieces: &mut [Piece]) {
    let mut prose: Option<(SourceId, usize)> = None;
    for piece in pieces.iter_mut() {
        if prose == Some((piece.source, piece.line.saturating_sub(1))) && piece.line > 0 {
            piece.below_comment = true;
        }
        if piece.below_comment && is_prose(piece) {
            prose = Some((piece.source, piece.line));
        }
    }
}

/// Words of which the first is neither a keyword, nor nearly one, nor an address.
fn is_prose(piece: &Piece) -> bool {
    let Token::Words(words) = &piece.token else { return false };
    let Some(first) = words.first() else { return false };
    let name_only = words.len() == 1 && first.text.is_ascii();
    !is_address(first) && !name_only && !keywords::is_known(&first.text) && suggest::near_any(&first.text).is_none()
}

/// Whether a word is an address, with or without a prefix length.
pub(super) fn is_address(word: &Word) -> bool {
    word.text.split('/').next().is_some_and(|text| text.parse::<IpAddr>().is_ok())
}

/// Lines with braces that look like the rest of a comment.
fn suspects(pieces: &[Piece]) -> BTreeSet<(SourceId, usize)> {
    let mut found = BTreeSet::new();
    for line in pieces.chunk_by(|a, b| (a.source, a.line) == (b.source, b.line)) {
        let Some(first) = line.first() else { continue };
        let has_brace = line.iter().any(|p| !matches!(p.token, Token::Words(_)));
        let starts = line.iter().filter_map(|piece| match &piece.token {
            Token::Words(words) => words.first(),
            Token::Open(_) | Token::Close(_) => None,
        });
        let strange = |word: &Word| {
            !is_address(word) && !keywords::is_known(&word.text) && suggest::near_any(&word.text).is_none()
        };
        // One plain word with a brace may as well be a name: `chk_nginx }`.
        let count: usize =
            line.iter().map(|piece| if let Token::Words(words) = &piece.token { words.len() } else { 0 }).sum();
        let prose = count > 1 || starts.clone().any(|word| !word.text.is_ascii());
        if has_brace && first.below_comment && prose && starts.clone().all(strange) {
            found.insert((first.source, first.line));
        }
    }
    found
}

struct Frame {
    header: Statement,
    open: Span,
    /// Where its own among the statements of all open blocks begin.
    first: usize,
}

struct Builder<'a> {
    sources: &'a Sources,
    diagnostics: &'a mut Vec<Diagnostic>,
    /// Those of the top level and of all open blocks, outermost first.
    statements: Vec<Statement>,
    frames: Vec<Frame>,
    /// The last statement, which a `{` turns into a block.
    header: Option<Statement>,
    may_recover: bool,
    /// Blocks closed for the writer, whose own `}` may still come.
    recovered: usize,
    too_deep: usize,
    /// The first `}` whose indentation is not that of its block: where a brace probably went missing.
    odd: Option<(Span, Span)>,
}

impl Builder<'_> {
    fn piece(&mut self, piece: &mut Piece, wrapped: bool, first_on_line: bool, keep: bool) {
        let prose = piece.below_comment && is_prose(piece);
        match &mut piece.token {
            Token::Words(words) => {
                self.flush();
                let quote = piece.unterminated.filter(|open| words.iter().any(|w| w.span.start == open.start));
                if let Some(open) = quote.filter(|_| !prose) {
                    self.diagnostics.push(
                        Diagnostic::error("unterminated-quote", "a `\"` that nothing closes on this line")
                            .at(open, "opened here")
                            .help("close the string on the same line"),
                    );
                }
                let below_comment = piece.below_comment;
                let words = if keep { words.clone() } else { std::mem::take(words) };
                self.header = Some(Statement { words, body: None, below_comment, wrapped });
            }
            Token::Open(_) | Token::Close(_) if wrapped => {}
            Token::Open(span) => self.open(*span),
            Token::Close(span) => self.close(*span, first_on_line),
        }
    }

    fn flush(&mut self) {
        self.statements.extend(self.header.take());
    }

    fn open(&mut self, span: Span) {
        if self.frames.len() >= DEEPEST {
            if self.too_deep == 0 {
                let message = format!("blocks nested more than {DEEPEST} deep");
                self.diagnostics.push(Diagnostic::error("too-deep", message).at(span, "not read any deeper"));
            }
            self.too_deep += 1;
            return;
        }
        let header = self.header.take().filter(|header| !header.wrapped).unwrap_or_else(|| {
            self.diagnostics.push(
                Diagnostic::error("unexpected-brace", "a `{` without a keyword before it")
                    .at(span, "opens a block that has no name")
                    .help("write the keyword before it, or remove the `{` and its `}`"),
            );
            Statement { words: Vec::new(), body: None, below_comment: false, wrapped: false }
        });
        let root_only = || header.words.first().is_some_and(|word| keywords::is_root_block(&word.text));
        if self.may_recover && !self.frames.is_empty() && root_only() {
            self.close_all_before(&header);
        }
        self.frames.push(Frame { header, open: span, first: self.statements.len() });
    }

    /// The next top-level block begins while others are open: their `}` is missing here.
    fn close_all_before(&mut self, header: &Statement) {
        let word = header.words.first();
        let name = word.map_or("", |w| w.text.as_str());
        let message = format!("a `}}` is missing before `{name}`");
        let mut problem = Diagnostic::error("missing-brace", message);
        if let Some(word) = word {
            problem = problem.at(word.span, "stands at the top level only, yet blocks are open here");
        }
        for frame in self.frames.iter().rev() {
            problem = problem.at(frame.open, "opened here and not closed");
        }
        self.diagnostics.push(problem.help(format!("close the block before `{name}`")));
        self.recovered += self.frames.len();
        self.fold_all(word.map(|word| word.span));
    }

    fn fold_all(&mut self, end: Option<Span>) {
        self.flush();
        while let Some(frame) = self.frames.pop() {
            let close = end.unwrap_or(frame.open);
            self.fold(frame, close);
        }
    }

    fn fold(&mut self, frame: Frame, close: Span) {
        let statements = self.statements.drain(frame.first.min(self.statements.len())..).collect();
        let body = Some(Body { open: frame.open, close, statements });
        self.statements.push(Statement { body, ..frame.header });
    }

    fn close(&mut self, span: Span, first_on_line: bool) {
        self.flush();
        if self.too_deep > 0 {
            self.too_deep -= 1;
            return;
        }
        let Some(frame) = self.frames.pop() else {
            if self.recovered > 0 {
                self.recovered -= 1;
            } else {
                let mut problem = Diagnostic::error("extra-brace", "a `}` that closes nothing")
                    .at(span, "every block is closed already");
                if let Some((open, close)) = self.odd.take() {
                    problem = problem.at(close, "this closes a block that begins at another indentation");
                    problem = problem.at(open, "namely this");
                }
                self.diagnostics.push(problem.help("remove it, or look for a `{` that a comment swallowed above"));
            }
            return;
        };
        let asks = first_on_line && self.odd.is_none() && frame.open.source == span.source;
        if asks && self.sources.indentation(frame.open) != self.sources.indentation(span) {
            self.odd = Some((frame.open, span));
        }
        self.fold(frame, span);
    }

    fn braces_count(&mut self, line: &[Piece]) {
        let brace = line.iter().find_map(|piece| match piece.token {
            Token::Open(span) | Token::Close(span) => Some(span),
            Token::Words(_) => None,
        });
        let Some(span) = brace else { return };
        self.diagnostics.push(
            Diagnostic::warning(
                "wrapped-brace",
                "this line is probably the rest of the comment above, and its braces count",
            )
            .at(span, "the blocks of the file agree only with this brace")
            .help("put a `#` in front of the line, then look whether a brace is missing or left over"),
        );
    }

    fn end(&mut self, suspects: &BTreeSet<(SourceId, usize)>, pieces: &[Piece]) {
        self.flush();
        let end = pieces.last().map(|piece| self.sources.end_of(piece.source));
        if let Some(innermost) = self.frames.last() {
            let count = self.frames.len();
            let message = match count {
                1 => "a `}` is missing".to_owned(),
                _ => format!("{count} `}}` are missing"),
            };
            let mut problem = Diagnostic::error("missing-brace", message);
            // Where it shows: nothing before it is wrong as it stands.
            if let Some(end) = end {
                problem = problem.at(end, "here the file ends");
            }
            problem = problem.at(innermost.open, "not closed");
            for frame in self.frames.iter().rev().skip(1) {
                problem = problem.at(frame.open, "nor is this block");
            }
            if let Some((open, close)) = self.odd {
                problem =
                    problem.at(close, "this closes a block that begins at another indentation").at(open, "namely this");
            }
            self.diagnostics.push(problem.help("a `}` behind `#` or `!` is part of the comment"));
        }
        let unbalanced = !self.frames.is_empty() || self.diagnostics.iter().any(|d| d.id == "extra-brace");
        let lines = pieces.chunk_by(|a, b| (a.source, a.line) == (b.source, b.line));
        for line in lines.filter(|_| !suspects.is_empty()) {
            let suspect = line.first().is_some_and(|first| suspects.contains(&(first.source, first.line)));
            let closes = line.iter().any(|p| matches!(p.token, Token::Close(_)));
            // An unknown block is told as that; a `}` in prose has closed something that its writer left open.
            if suspect && (unbalanced || (closes && line.iter().any(is_prose))) {
                self.braces_count(line);
            }
        }
        self.fold_all(end);
    }
}
