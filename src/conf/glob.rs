//! File name patterns of includes: glob(7) with brace expansion, over a [`Loader`].

use super::source::{EntryKind, Loader};
use std::path::{Path, PathBuf};

/// More alternatives than anyone writes; `{a,b}{a,b}…` doubles with every group.
const MOST_ALTERNATIVES: usize = 256;

/// Whether a pattern has wildcards.
pub(super) fn is_wild(pattern: &str) -> bool {
    pattern.contains(['*', '?', '['])
}

/// `a{b,c}d` as `abd`, `acd`.
pub(super) fn braces(pattern: &str) -> Vec<String> {
    let mut done = Vec::new();
    let mut todo = vec![pattern.to_owned()];
    while let Some(next) = todo.pop() {
        match group(&next) {
            Some((before, inside, after)) if done.len() + todo.len() < MOST_ALTERNATIVES => {
                todo.extend(inside.rsplit(',').map(|choice| format!("{before}{choice}{after}")));
            }
            _ => done.push(next),
        }
    }
    done
}

/// The first innermost group with a comma.
fn group(pattern: &str) -> Option<(&str, &str, &str)> {
    let mut from = 0;
    loop {
        let close = from + pattern.get(from..)?.find('}')?;
        let open = pattern.get(..close)?.rfind('{')?;
        let inside = pattern.get(open + 1..close)?;
        if inside.contains(',') {
            return Some((pattern.get(..open)?, inside, pattern.get(close + 1..)?));
        }
        from = close + 1;
    }
}

/// The files a pattern names, sorted; relative patterns start at `base`.
pub(super) fn find(loader: &dyn Loader, base: &Path, pattern: &str) -> Vec<PathBuf> {
    let (start, relative) = match pattern.strip_prefix('/') {
        Some(rest) => (PathBuf::from("/"), rest),
        None => (base.to_owned(), pattern),
    };
    let parts: Vec<&str> = relative.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    let mut found = vec![start];
    for (index, part) in parts.iter().enumerate() {
        let last = index + 1 == parts.len();
        found = found.iter().flat_map(|directory| step(loader, directory, part, last)).collect();
    }
    if parts.is_empty() { Vec::new() } else { found }
}

fn step(loader: &dyn Loader, directory: &Path, part: &str, last: bool) -> Vec<PathBuf> {
    if !is_wild(part) {
        let path = directory.join(part);
        return if !last || loader.kind(&path).is_some() { vec![path] } else { Vec::new() };
    }
    let Ok(entries) = loader.list(directory) else { return Vec::new() };
    let wanted = |name: &str| matches(part, name) && (part.starts_with('.') || !name.starts_with('.'));
    let fits = |kind: EntryKind| last || kind == EntryKind::Directory;
    entries.iter().filter(|e| fits(e.kind) && wanted(&e.name)).map(|e| directory.join(&e.name)).collect()
}

/// Whether `name` matches `pattern` with `*`, `?` and `[…]`.
fn matches(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    let (mut p, mut n) = (0, 0);
    // Where to resume when the text after a star turns out not to fit: only the last star needs remembering.
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        if pattern.get(p) == Some(&'*') {
            star = Some((p + 1, n));
            p += 1;
        } else if let Some(next) = one(&pattern, p, name.get(n).copied()) {
            p = next;
            n += 1;
        } else if let Some((after, from)) = star {
            star = Some((after, from + 1));
            p = after;
            n = from + 1;
        } else {
            return false;
        }
    }
    pattern.iter().skip(p).all(|c| *c == '*')
}

/// Matches one character; the place in the pattern after it.
fn one(pattern: &[char], at: usize, c: Option<char>) -> Option<usize> {
    let c = c?;
    match *pattern.get(at)? {
        '?' => Some(at + 1),
        '[' => class(pattern, at, c),
        literal => (literal == c).then_some(at + 1),
    }
}

fn class(pattern: &[char], open: usize, c: char) -> Option<usize> {
    let negated = matches!(pattern.get(open + 1), Some('!' | '^'));
    let first = open + 1 + usize::from(negated);
    let close = first + 1 + pattern.get(first + 1..)?.iter().position(|c| *c == ']')?;
    let members = pattern.get(first..close)?;
    let mut inside = false;
    let mut at = 0;
    while let Some(low) = members.get(at) {
        if let (Some('-'), Some(high)) = (members.get(at + 1), members.get(at + 2)) {
            inside |= (*low..=*high).contains(&c);
            at += 3;
        } else {
            inside |= *low == c;
            at += 1;
        }
    }
    (inside != negated).then_some(close + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_match_as_in_a_shell() {
        for (pattern, name) in
            [("*.conf", "a.conf"), ("a?c", "abc"), ("[a-c]x", "bx"), ("[!a]x", "bx"), ("*a*b", "xaab")]
        {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("*.conf", "a.con"), ("a?c", "ac"), ("[a-c]x", "dx"), ("[!a]x", "ax"), ("[", "[")] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn braces_give_every_alternative_in_order() {
        assert_eq!(braces("a{b,c}d"), ["abd", "acd"]);
        assert_eq!(braces("{a,b{c,d}}"), ["a", "bc", "a", "bd"].map(String::from));
        assert_eq!(braces("a{b}c"), ["a{b}c"]);
    }
}
