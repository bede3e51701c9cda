//! `regex` of `HTTP_GET`: a PCRE2 pattern, with bounds on what it may take.

use super::http::Regex;
use std::fmt;

/// A pattern that has cost so many steps is given up, so that none holds a thread for long.
const STEPS: u32 = 1_000_000;
/// Memory of one search, kibibytes.
const HEAP: u32 = 4096;

/// A compiled pattern.
#[derive(Clone, Debug)]
pub struct Pattern {
    regex: pcre2::bytes::Regex,
    min_offset: usize,
    max_offset: Option<usize>,
    first_line: bool,
}

/// Why a pattern is of no use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadPattern(String);

impl fmt::Display for BadPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Regex {
    /// What cannot be said to the library goes in front of the pattern (pcre2pattern(3), special start-of-pattern
    /// items); `auto_callout`, `use_offset_limit` and the `never_` options do not change what matches.
    pub fn compile(&self) -> Result<Pattern, BadPattern> {
        let has = |option: &str| self.options.iter().any(|o| o == option);
        let mut text = format!("(*LIMIT_MATCH={STEPS})(*LIMIT_HEAP={HEAP})");
        for (option, verb) in [
            ("no_auto_possess", "(*NO_AUTO_POSSESS)"),
            ("no_dotstar_anchor", "(*NO_DOTSTAR_ANCHOR)"),
            ("no_start_optimize", "(*NO_START_OPT)"),
            ("utf", "(*UTF)"),
            ("ucp", "(*UCP)"),
        ] {
            if has(option) {
                text.push_str(verb);
            }
        }
        for (option, letter) in [("dupnames", "(?J)"), ("no_auto_capture", "(?n)"), ("ungreedy", "(?U)")] {
            if has(option) {
                text.push_str(letter);
            }
        }
        text.push_str(&self.pattern);
        let mut builder = pcre2::bytes::RegexBuilder::new();
        builder.caseless(has("caseless")).dotall(has("dotall")).extended(has("extended")).multi_line(has("multiline"));
        let regex = builder.jit_if_available(true).build(&text).map_err(|error| BadPattern(error.to_string()))?;
        let first_line = has("firstline");
        Ok(Pattern { regex, min_offset: self.min_offset, max_offset: self.max_offset, first_line })
    }
}

impl Pattern {
    /// Whether it is in `body`; the first match decides.
    pub fn is_in(&self, body: &[u8]) -> Result<bool, BadPattern> {
        if self.min_offset > body.len() {
            return Ok(false);
        }
        let found = self.regex.find_at(body, self.min_offset).map_err(|error| BadPattern(error.to_string()))?;
        let Some(start) = found.map(|m| m.start()) else { return Ok(false) };
        let line_end = body.iter().position(|b| *b == b'\n').unwrap_or(body.len());
        let late = self.max_offset.is_some_and(|max| start > max) || (self.first_line && start > line_end);
        Ok(!late)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str, options: &[&str]) -> Regex {
        let options = options.iter().map(|o| (*o).to_owned()).collect();
        Regex { pattern: text.into(), options, no_match: false, min_offset: 0, max_offset: None }
    }

    fn finds(regex: &Regex, body: &str) -> bool {
        regex.compile().unwrap().is_in(body.as_bytes()).unwrap()
    }

    #[test]
    fn options_mean_what_pcre2_means_by_them() {
        assert!(!finds(&pattern("status: ok", &[]), "Status: OK"));
        assert!(finds(&pattern("status: ok", &["caseless"]), "Status: OK"));
        assert!(!finds(&pattern("^ok", &[]), "first\nok"));
        assert!(finds(&pattern("^ok", &["multiline"]), "first\nok"));
        assert!(finds(&pattern("a.b", &["dotall"]), "a\nb") && !finds(&pattern("a.b", &[]), "a\nb"));
        assert!(finds(&pattern("o k # both", &["extended"]), "ok"));
        assert!(finds(&pattern("^.$", &["utf"]), "é") && !finds(&pattern("^.$", &[]), "é"));
        assert!(finds(&pattern("(?<n>a)|(?<n>b)", &["dupnames"]), "b"));
        assert!(pattern("(?<n>a)|(?<n>b)", &[]).compile().is_err());
        assert!(finds(&pattern("ok", &["firstline"]), "ok\n") && !finds(&pattern("ok", &["firstline"]), "no\nok"));
    }

    #[test]
    fn a_match_begins_between_the_offsets() {
        let bounded = |min, max| Regex { min_offset: min, max_offset: max, ..pattern("ok", &[]) };
        assert!(finds(&bounded(2, Some(2)), "..ok"));
        assert!(!finds(&bounded(0, Some(1)), "..ok"));
        assert!(!finds(&bounded(3, None), "..ok"));
        assert!(!finds(&bounded(100, None), "..ok"));
    }

    #[test]
    fn a_pattern_that_explodes_is_given_up() {
        let body = "a".repeat(60);
        let result = pattern("^(a+)+$(?<!a)b", &["no_start_optimize", "no_auto_possess"]).compile().unwrap();
        let begin = result.is_in(format!("{body}c").as_bytes());
        assert!(matches!(begin, Ok(false) | Err(_)));
    }

    #[test]
    fn a_wrong_pattern_says_why() {
        assert!(pattern("(", &[]).compile().unwrap_err().to_string().contains("parenthes"));
    }
}
