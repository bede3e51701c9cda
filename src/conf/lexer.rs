//! Text to words and braces: one statement a line, comments from `#` or `!`, strings in `"`, braces anywhere.

use super::definitions;
use super::source::{SourceId, Span};

/// One word; the quotes around a quoted one are not part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub text: String,
    pub span: Span,
    pub quoted: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// The words of a statement; at least one.
    Words(Vec<Word>),
    Open(Span),
    Close(Span),
}

/// A token and the line it is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub token: Token,
    pub source: SourceId,
    /// Counts from 0.
    pub line: usize,
    /// The line above carries a comment, so this may be the rest of it, wrapped.
    pub below_comment: bool,
    /// Where a `"` opens that nothing closes.
    pub unterminated: Option<Span>,
}

/// Where a text to cut stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub source: SourceId,
    /// The offset of its first byte.
    pub start: usize,
    /// The number of its line, from 0.
    pub line: usize,
    pub below_comment: bool,
}

/// Cuts a line, or a part of one, into words and braces. `#` and `!` begin a comment only in text as it is written.
pub(super) fn cut(text: &str, place: Place, comments: bool, pieces: &mut Vec<Piece>) {
    let first = pieces.len();
    let mut cutter = Cutter { place, line: text, at: 0, comments, words: Vec::new(), pieces };
    cutter.run();
    let Some(pieces) = pieces.get_mut(first..) else { return };
    if let Some(open) = unterminated(pieces) {
        for piece in pieces {
            piece.unterminated = Some(open);
        }
    }
}

/// The places after braces outside strings, where keepalived begins another line.
pub(super) fn ends_of_braces(text: &str) -> Vec<usize> {
    let bytes = text.as_bytes();
    let (mut at, mut quoted, mut found) = (0, false, Vec::new());
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => quoted = !quoted,
            b'$' if !quoted => at = end_of_use(text, at).map_or(at, |end| end - 1),
            b'{' | b'}' if !quoted => found.push(at + 1),
            _ => {}
        }
        at += 1;
    }
    found
}

/// The end of a `${NAME}` at `at`.
fn end_of_use(text: &str, at: usize) -> Option<usize> {
    definitions::use_at(text, at).filter(|found| found.braced).map(|found| found.end)
}

struct Cutter<'a> {
    place: Place,
    line: &'a str,
    at: usize,
    comments: bool,
    words: Vec<Word>,
    pieces: &'a mut Vec<Piece>,
}

impl Cutter<'_> {
    fn run(&mut self) {
        let bytes = self.line.as_bytes();
        while let Some(byte) = bytes.get(self.at) {
            match byte {
                b' ' | b'\t' | b'\r' => self.at += 1,
                b'#' | b'!' if self.comments => break,
                b'{' | b'}' => {
                    self.flush();
                    let span = self.span(self.at, self.at + 1);
                    self.push(if *byte == b'{' { Token::Open(span) } else { Token::Close(span) });
                    self.at += 1;
                }
                b'"' => self.quoted(),
                _ => self.plain(bytes),
            }
        }
        self.flush();
    }

    fn flush(&mut self) {
        if !self.words.is_empty() {
            let words = std::mem::take(&mut self.words);
            self.push(Token::Words(words));
        }
    }

    fn push(&mut self, token: Token) {
        let Place { source, line, below_comment, .. } = self.place;
        self.pieces.push(Piece { token, source, line, below_comment, unterminated: None });
    }

    fn word(&mut self, text: String, span: Span, quoted: bool) {
        if self.words.is_empty() {
            // Most statements have so many words; a list grows by more.
            self.words.reserve_exact(3);
        }
        self.words.push(Word { text, span, quoted });
    }

    fn span(&self, start: usize, end: usize) -> Span {
        let Place { source, start: base, .. } = self.place;
        Span { source, start: base + start, end: base + end }
    }

    fn quoted(&mut self) {
        let start = self.at;
        let rest = self.line.get(start + 1..).unwrap_or_default();
        let (inside, end) = match rest.find('"') {
            Some(length) => (rest.get(..length).unwrap_or_default(), start + length + 2),
            None => (rest, self.line.len()),
        };
        self.word(inside.to_owned(), self.span(start, end), true);
        self.at = end;
    }

    fn plain(&mut self, bytes: &[u8]) {
        let start = self.at;
        // Most words are what is written, byte for byte.
        let same = bytes
            .iter()
            .skip(start)
            .position(|byte| matches!(byte, b'\\' | b'$' | b'#' | b'!' | b' ' | b'\t' | b'\r' | b'{' | b'}' | b'"'));
        let end = same.map_or(bytes.len(), |length| start + length);
        let is_whole = !matches!(bytes.get(end), Some(b'\\' | b'$')) && (self.comments || !is_comment(bytes.get(end)));
        if is_whole {
            self.at = end;
            let text = self.line.get(start..end).unwrap_or_default().to_owned();
            return self.word(text, self.span(start, end), false);
        }
        let mut text = Vec::new();
        while let Some(&byte) = bytes.get(self.at) {
            match byte {
                b'\\' if self.comments && is_comment(bytes.get(self.at + 1)) => {
                    text.extend(bytes.get(self.at + 1));
                    self.at += 2;
                }
                // A use of a definition: its braces are not blocks.
                b'$' if end_of_use(self.line, self.at).is_some() => {
                    let end = end_of_use(self.line, self.at).unwrap_or(self.at + 1);
                    text.extend(bytes.get(self.at..end).unwrap_or_default());
                    self.at = end;
                }
                b'#' | b'!' if self.comments => break,
                b' ' | b'\t' | b'\r' | b'{' | b'}' | b'"' => break,
                _ => {
                    text.push(byte);
                    self.at += 1;
                }
            }
        }
        let span = self.span(start, self.at);
        self.word(String::from_utf8_lossy(&text).into_owned(), span, false);
    }
}

const fn is_comment(byte: Option<&u8>) -> bool {
    matches!(byte, Some(b'#' | b'!'))
}

/// Where a `"` opens that nothing on the line closes.
fn unterminated(pieces: &[Piece]) -> Option<Span> {
    let last = pieces.iter().rev().find_map(|piece| match &piece.token {
        Token::Words(words) => words.last(),
        Token::Open(_) | Token::Close(_) => None,
    })?;
    // A closed string is as long as its text and two quotes.
    let open = last.quoted && last.span.end - last.span.start != last.text.len() + 2;
    open.then_some(Span { end: last.span.start + 1, ..last.span })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_quotes_and_braces_cut_words() {
        assert_eq!(shape("interface eth0#x"), ["interface eth0"]);
        assert_eq!(shape("a \"b # c\" d!e"), ["a b # c d"]);
        assert_eq!(shape("vrrp_instance A{state MASTER}"), ["vrrp_instance A", "{", "state MASTER", "}"]);
        assert_eq!(shape("auth_pass a#b }"), ["auth_pass a"]);
        assert_eq!(shape("auth_pass a\\#b }"), ["auth_pass a#b", "}"]);
        assert_eq!(shape("interface ${IF} x"), ["interface ${IF} x"]);
        assert_eq!(shape("a\rb"), ["a b"]);
    }

    #[test]
    fn a_quote_that_stays_open_is_found() {
        let open = |text| pieces(text).iter().map(|p| p.unterminated.map(|s| s.start)).collect::<Vec<_>>();
        assert_eq!(open("script \"/bin/x"), [Some(7)]);
        assert_eq!(open("script \"/bin/x\""), [None]);
    }

    fn shape(text: &str) -> Vec<String> {
        let show = |piece: Piece| match piece.token {
            Token::Words(words) => words.iter().map(|w| w.text.as_str()).collect::<Vec<_>>().join(" "),
            Token::Open(_) => "{".into(),
            Token::Close(_) => "}".into(),
        };
        pieces(text).into_iter().map(show).collect()
    }

    fn pieces(text: &str) -> Vec<Piece> {
        let mut pieces = Vec::new();
        cut(text, Place { source: SourceId(0), start: 0, line: 0, below_comment: false }, true, &mut pieces);
        pieces
    }

    #[test]
    fn lines_end_after_braces_outside_strings_and_uses() {
        assert_eq!(ends_of_braces("a { b }"), [3, 7]);
        assert_eq!(ends_of_braces("a \"{\" ${B} {"), [12]);
    }
}
