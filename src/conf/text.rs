//! A line of text that remembers where each part of it is written, through any number of substitutions.

use super::source::{SourceId, Span};

/// A text made of parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Text {
    string: String,
    /// In order, without gaps; together they cover the string.
    parts: Vec<Part>,
}

/// One part and its origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// The byte of the string after its last.
    end: usize,
    /// What the operator wrote on this line: the text itself, or the `${NAME}` it stands for.
    written: Span,
    /// The text of a definition that was put in.
    defined: Option<Span>,
    /// The bytes are those of the place that says them (`defined`, else `written`), one for one.
    exact: bool,
}

impl Part {
    /// The part of it between two offsets of the string, `start` being its own start.
    fn cut(self, start: usize, from: usize, to: usize) -> Self {
        let narrow = |span: Span| Span { start: span.start + (from - start), end: span.start + (to - start), ..span };
        match (self.exact, self.defined) {
            (true, Some(defined)) => Self { defined: Some(narrow(defined)), ..self },
            (true, None) => Self { written: narrow(self.written), ..self },
            (false, _) => self,
        }
    }
}

/// Where a range of a text comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    pub written: Span,
    pub defined: Option<Span>,
}

impl Text {
    /// A text as it stands at `start` of a source.
    pub(super) fn plain(source: SourceId, start: usize, text: &str) -> Self {
        let mut new = Self::default();
        new.push_plain(text, Span { source, start, end: start + text.len() });
        new
    }

    fn push_plain(&mut self, text: &str, written: Span) {
        self.push(text, Part { end: 0, written, defined: None, exact: true });
    }

    fn push(&mut self, text: &str, part: Part) {
        if !text.is_empty() {
            self.string.push_str(text);
            self.parts.push(Part { end: self.string.len(), ..part });
        }
    }

    /// A text that stands for another one: what it says is written nowhere.
    pub(super) fn value(text: &str, written: Span) -> Self {
        let mut new = Self::default();
        new.push(text, Part { end: 0, written, defined: None, exact: false });
        new
    }

    pub(super) fn as_str(&self) -> &str {
        &self.string
    }

    pub(super) fn get(&self, from: usize, to: usize) -> &str {
        self.string.get(from..to).unwrap_or_default()
    }

    /// Appends a range of another text, origins included.
    pub(super) fn append(&mut self, other: &Self, from: usize, to: usize) {
        let mut start = 0;
        for part in &other.parts {
            let (low, high) = (start.max(from), part.end.min(to));
            if low < high {
                self.push(other.get(low, high), part.cut(start, low, high));
            }
            start = part.end;
        }
    }

    pub(super) fn slice(&self, from: usize, to: usize) -> Self {
        let mut new = Self::default();
        new.append(self, from, to);
        new
    }

    pub(super) fn after(&self, from: usize) -> Self {
        self.slice(from, self.string.len())
    }

    /// Appends the value of a definition, used at `written`.
    pub(super) fn append_defined(&mut self, value: &Self, written: Span) {
        let mut start = 0;
        for part in &value.parts {
            let defined = Some(part.defined.unwrap_or(part.written));
            self.push(value.get(start, part.end), Part { written, defined, ..*part });
            start = part.end;
        }
    }

    /// Where a range comes from; none for a text without any.
    pub(super) fn origin(&self, from: usize, to: usize) -> Option<Origin> {
        let mut found: Option<Origin> = None;
        let mut start = 0;
        for part in &self.parts {
            // An empty range belongs to the part it touches.
            let inside = if from < to { start < to && from < part.end } else { start <= from && from <= part.end };
            if inside {
                let cut = part.cut(start, start.max(from), part.end.min(to).max(start.max(from)));
                found = Some(match found {
                    None => Origin { written: cut.written, defined: cut.defined },
                    Some(before) => {
                        Origin { written: before.written.to(cut.written), defined: before.defined.or(cut.defined) }
                    }
                });
            }
            start = part.end;
        }
        found
    }

    /// The place of the whole text, if it is one run of bytes of a source.
    pub(super) fn as_written(&self) -> Option<Span> {
        let mut whole: Option<Span> = None;
        for part in &self.parts {
            if !part.exact || part.defined.is_some() {
                return None;
            }
            whole = match whole {
                None => Some(part.written),
                Some(before) if before.source == part.written.source && before.end == part.written.start => {
                    Some(before.to(part.written))
                }
                Some(_) => return None,
            };
        }
        whole
    }

    /// `\#` and `\!` as the characters they stand for, and no comment; also whether there was one.
    pub(super) fn without_comment(&self) -> (Self, bool) {
        let mut new = Self::default();
        let bytes = self.string.as_bytes();
        let (mut at, mut from, mut quoted) = (0, 0, false);
        while let Some(byte) = bytes.get(at) {
            match byte {
                b'"' => quoted = !quoted,
                b'\\' if !quoted && matches!(bytes.get(at + 1), Some(b'#' | b'!')) => {
                    new.append(self, from, at);
                    if let Some(origin) = self.origin(at, at + 2) {
                        let part = Part { end: 0, written: origin.written, defined: origin.defined, exact: false };
                        new.push(self.get(at + 1, at + 2), part);
                    }
                    from = at + 2;
                    at += 1;
                }
                b'#' | b'!' if !quoted => {
                    new.append(self, from, at);
                    return (new, true);
                }
                _ => {}
            }
            at += 1;
        }
        new.append(self, from, self.string.len());
        (new, false)
    }
}

/// Whether a line has a comment: [`Text::without_comment`] of most lines, which have none, without making a text.
pub(super) fn has_comment(line: &str) -> bool {
    let bytes = line.as_bytes();
    if !bytes.iter().any(|byte| matches!(byte, b'#' | b'!')) {
        return false;
    }
    let (mut at, mut quoted) = (0, false);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => quoted = !quoted,
            b'\\' if !quoted && matches!(bytes.get(at + 1), Some(b'#' | b'!')) => at += 1,
            b'#' | b'!' if !quoted => return true,
            _ => {}
        }
        at += 1;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: SourceId = SourceId(0);

    fn span(start: usize, end: usize) -> Span {
        Span { source: FILE, start, end }
    }

    #[test]
    fn a_value_is_found_at_its_use_and_in_its_definition() {
        // `x ${IF} y` at 100, the definition's value `eth0` at 4.
        let line = Text::plain(FILE, 100, "x ${IF} y");
        let mut text = line.slice(0, 2);
        text.append_defined(&Text::plain(FILE, 4, "eth0"), span(102, 107));
        text.append(&line, 7, 9);
        assert_eq!(text.as_str(), "x eth0 y");
        assert_eq!(text.origin(2, 6), Some(Origin { written: span(102, 107), defined: Some(span(4, 8)) }));
        assert_eq!(text.origin(3, 5), Some(Origin { written: span(102, 107), defined: Some(span(5, 7)) }));
        assert_eq!(text.origin(7, 8).map(|o| o.written), Some(span(108, 109)));
        assert_eq!(text.origin(0, 8).map(|o| o.written), Some(span(100, 109)));
        assert_eq!(text.as_written(), None);
        assert_eq!(line.slice(2, 9).as_written(), Some(span(102, 109)));
    }

    #[test]
    fn comments_end_a_text_and_escapes_do_not() {
        let (text, comment) = Text::plain(FILE, 0, r#"a "b # c" \#d # e"#).without_comment();
        assert_eq!((text.as_str(), comment), (r#"a "b # c" #d "#, true));
        assert_eq!(text.origin(10, 11).map(|o| o.written), Some(span(10, 12)));
    }

    proptest::proptest! {
        #[test]
        fn a_comment_is_the_same_with_and_without_a_text(line in r##"[ab"#!\\ ]{0,12}"##) {
            proptest::prop_assert_eq!(has_comment(&line), Text::plain(FILE, 0, &line).without_comment().1);
        }
    }
}
