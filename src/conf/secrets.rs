//! Texts of a configuration without what must not be shown: passwords and keys.
//!
//! By the letters alone, so that it holds for lines in comments, for lines of other nodes (`@other …`) and for files
//! that do not parse: what follows a secret's keyword on its line goes, and so do definitions that are used there.

use super::definitions::{definition, next_use};
use std::collections::BTreeSet;

/// What stands in the place of a secret; its length says nothing.
pub const MASK: &str = "********";

/// The keywords whose value is a secret.
const KEYWORDS: &[&str] = &["auth_pass", "password"];

/// Texts with secrets masked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Masked {
    pub texts: Vec<String>,
    /// What was masked, for messages that quote it.
    pub secrets: BTreeSet<String>,
}

impl Masked {
    /// A message without the secrets that it may quote.
    pub fn message(&self, text: &str) -> String {
        // The longest first: one may be a part of another.
        let mut secrets: Vec<&String> = self.secrets.iter().filter(|s| text.contains(s.as_str())).collect();
        secrets.sort_by_key(|s| std::cmp::Reverse(s.len()));
        secrets.into_iter().fold(text.to_owned(), |text, secret| text.replace(secret, MASK))
    }
}

/// Masks the files of one node; definitions of one count in all.
pub fn masked(texts: &[&str]) -> Masked {
    let mut found = Names::default();
    // A definition may be used in another one: until nothing is new.
    loop {
        let before = (found.values.len(), found.keywords.len());
        for text in texts {
            found.gather(text);
        }
        if before == (found.values.len(), found.keywords.len()) {
            break;
        }
    }
    let mut secrets = BTreeSet::new();
    let texts = texts.iter().map(|text| found.mask(text, &mut secrets)).collect();
    Masked { texts, secrets }
}

/// The definitions that hold secrets, or the keyword of one.
#[derive(Default)]
struct Names {
    values: BTreeSet<String>,
    keywords: BTreeSet<String>,
}

/// A line cut at its secret.
struct Cut<'l> {
    before: &'l str,
    secret: &'l str,
    after: &'l str,
}

impl Names {
    fn gather(&mut self, text: &str) {
        let mut goes_on = Goes::default();
        for line in text.lines() {
            let Some(cut) = self.cut(line, &mut goes_on) else {
                // The keyword itself is what is defined.
                if let Some((name, from)) = definition(line.trim_start())
                    && let Some(value) = line.trim_start().get(from..)
                    && KEYWORDS.contains(&value.trim())
                {
                    self.keywords.insert(name.to_owned());
                }
                continue;
            };
            let mut from = 0;
            while let Some(used) = next_use(cut.secret, from) {
                from = used.end;
                self.values.insert(used.name);
            }
        }
    }

    fn mask(&self, text: &str, secrets: &mut BTreeSet<String>) -> String {
        let mut out = String::with_capacity(text.len());
        let mut goes_on = Goes::default();
        for whole in text.split_inclusive('\n') {
            let line = whole.trim_end_matches(['\n', '\r']);
            let end = whole.get(line.len()..).unwrap_or_default();
            match self.cut(line, &mut goes_on).filter(|cut| !is_reference(cut.secret)) {
                Some(cut) => {
                    let words = cut.secret.split_whitespace().map(|w| w.trim_matches('"'));
                    secrets.extend(words.filter(|w| !w.is_empty()).map(str::to_owned));
                    out.extend([cut.before, MASK, cut.after]);
                }
                None => out.push_str(line),
            }
            out.push_str(end);
        }
        out
    }

    /// Where a line has a secret, if it has one.
    fn cut<'l>(&self, line: &'l str, goes_on: &mut Goes) -> Option<Cut<'l>> {
        let was_on = std::mem::take(goes_on);
        let continues = line.trim_end().ends_with('\\');
        let trimmed = line.trim_start();
        let defines = definition(trimmed).map(|(name, from)| (name, line.len() - trimmed.len() + from));
        let start = if was_on.secret {
            Some(0)
        } else if let Some((_, from)) = defines.filter(|(name, _)| self.values.contains(*name)) {
            Some(from)
        } else {
            // What is defined is no use of it.
            self.behind_keyword(line, defines.map_or(0, |(_, from)| from))
        };
        goes_on.secret = continues && start.is_some();
        cut_at(line, start?)
    }

    /// The place behind the first keyword of a secret, at `from` or behind it.
    fn behind_keyword(&self, line: &str, mut from: usize) -> Option<usize> {
        let is_edge = |c: char| c.is_whitespace() || matches!(c, '{' | '}' | '"' | '#' | '!' | '=' | '@' | '\\');
        let mut before = "";
        for word in line.get(from..)?.split_inclusive(is_edge) {
            let bare = word.trim_end_matches(is_edge);
            let end = from + bare.len();
            let named = bare.strip_prefix('$').is_some_and(|name| self.keywords.contains(name));
            // `key 1 SECRET` of `auth_hmac`; the key of a certificate is a file.
            let is_key = before == "key" && bare.parse::<u8>().is_ok();
            if KEYWORDS.contains(&bare) || named || is_key {
                return Some(end);
            }
            from += word.len();
            if !bare.is_empty() {
                before = bare;
            }
        }
        self.braced_keyword(line)
    }

    fn braced_keyword(&self, line: &str) -> Option<usize> {
        let mut from = 0;
        while let Some(used) = next_use(line, from) {
            if used.braced && self.keywords.contains(&used.name) {
                return Some(used.end);
            }
            from = used.end;
        }
        None
    }
}

/// Whether the line before goes on here.
#[derive(Default)]
struct Goes {
    secret: bool,
}

/// All from `start` on but the blanks and the braces around it; none: nothing is there.
fn cut_at(line: &str, start: usize) -> Option<Cut<'_>> {
    let rest = line.get(start..)?;
    let from = start + rest.len() - rest.trim_start().len();
    let value = line.get(from..)?;
    let kept = |c: char| c.is_whitespace() || matches!(c, '}' | '\\');
    let end = from
        + if is_reference(value.trim_end_matches('\\').trim()) {
            value.len()
        } else {
            value.trim_end_matches(kept).len()
        };
    let secret = line.get(from..end)?;
    let cut = Cut { before: line.get(..from)?, secret, after: line.get(end..)? };
    (!secret.is_empty()).then_some(cut)
}

/// A file, or nothing but uses of definitions: what they stand for is masked where it is written.
fn is_reference(value: &str) -> bool {
    let is_use = |word: &str| {
        next_use(word, 0).is_some_and(|used| used.start == 0 && used.end == word.trim_end_matches('\\').len())
    };
    let mut words = value.split_whitespace().peekable();
    words.peek().is_some() && words.all(|word| word.starts_with("file:/") || is_use(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> String {
        masked(&[text]).texts.remove(0)
    }

    #[test]
    fn what_follows_the_keyword_goes() {
        assert_eq!(one("  auth_pass s3cret\n"), "  auth_pass ********\n");
        assert_eq!(one("auth_pass \"a b } c\" # old: x\r\nx"), "auth_pass ********\r\nx");
        assert_eq!(one("authentication { auth_pass s3cret }"), "authentication { auth_pass ******** }");
        assert_eq!(one("# auth_pass s3cret"), "# auth_pass ********");
        assert_eq!(one("#auth_pass s3cret"), "#auth_pass ********");
        assert_eq!(one("@other auth_pass s3cret"), "@other auth_pass ********");
        assert_eq!(one("key 7 hex:00ff"), "key 7 ********");
        assert_eq!(one("key 7 file:/etc/k"), "key 7 file:/etc/k");
        assert_eq!(one("key /etc/ssl/key.pem\npassword x"), "key /etc/ssl/key.pem\npassword ********");
        assert_eq!(one("auth_pass\nauth_type PASS"), "auth_pass\nauth_type PASS");
    }

    #[test]
    fn definitions_that_are_used_there_go_in_all_files() {
        let all = masked(&["$P=s3cret\n$Q=${P}\n$X=1\n", "auth_pass ${Q}\npriority $X"]);
        assert_eq!(all.texts, ["$P=********\n$Q=${P}\n$X=1\n", "auth_pass ${Q}\npriority $X"]);
        assert_eq!(one("$K=auth_pass\n$K s3cret\n${K} t0p"), "$K=auth_pass\n$K ********\n${K} ********");
        assert_eq!(one("$A=auth_pass \\\n  s3cret \\\n  more\nnot"), "$A=auth_pass \\\n  ******** \\\n  ********\nnot");
    }

    #[test]
    fn messages_lose_what_they_quote() {
        let masked = masked(&["auth_pass longsecret"]);
        assert_eq!(masked.message("only `longsecre` of `longsecret` count"), "only `longsecre` of `********` count");
    }

    proptest::proptest! {
        #[test]
        fn a_secret_never_shows_wherever_it_stands(
            lead in "[ a-z{}#!@]{0,12}",
            keyword in proptest::sample::select(vec!["auth_pass", "password", "key 3"]),
            blanks in "[ \t]{1,3}",
            tail in "[ }\r]{0,3}",
        ) {
            let text = format!("{lead} {keyword}{blanks}QQsecretQQ{tail}\nnext line\n");
            let out = one(&text);
            proptest::prop_assert!(!out.contains("secretQ"), "{out}");
            proptest::prop_assert!(out.ends_with("\nnext line\n"), "{out}");
        }

        #[test]
        fn no_text_makes_it_panic(text: String) {
            let _ = masked(&[&text]);
        }
    }
}
