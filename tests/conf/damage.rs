//! Files with small damage: never a panic, every diagnostic at the damage or after it, and never clean where
//! `keepalived -t` is not. `DAMAGED=N` makes N files, `DAMAGE_SEED=S` others than those of seed 1.

use crate::keepalived::Namespace;
use crate::root;
use crate::samples::{SUPPORTED, environment, sample};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use vipdeck::conf::{self, Diagnostic, Memory, Severity, Sources};
use vipdeck::report::check::{Look, text as drawn};

/// A small generator: the same seed gives the same files.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % below.max(1) as u64) as usize
    }
}

struct Damaged {
    from: usize,
    text: String,
    /// The offset of the first byte that differs from the original.
    at: usize,
    what: String,
}

impl Damaged {
    fn line(&self) -> usize {
        self.text.bytes().take(self.at).filter(|byte| *byte == b'\n').count() + 1
    }
}

/// The ranges of all parts of one kind.
fn parts(text: &str, kind: usize) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    match kind {
        0 => found.extend(text.char_indices().map(|(at, c)| (at, at + c.len_utf8()))),
        1 => {
            for word in text.split_ascii_whitespace() {
                let at = word.as_ptr() as usize - text.as_ptr() as usize;
                found.push((at, at + word.len()));
            }
        }
        2 => {
            let mut at = 0;
            for line in text.split_inclusive('\n') {
                found.push((at, at + line.len()));
                at += line.len();
            }
        }
        _ => found.extend(text.char_indices().filter(|(_, c)| "{}".contains(*c)).map(|(at, _)| (at, at + 1))),
    }
    found
}

fn damage(original: &str, from: usize, dice: &mut Dice) -> Damaged {
    let kind = dice.roll(4);
    let parts = parts(original, kind);
    let index = dice.roll(parts.len());
    let (start, end) = parts[index];
    let text = |from: usize, to: usize| original.get(from..to).unwrap();
    let part = text(start, end);
    let (before, after) = (text(0, start), text(end, original.len()));
    let how = dice.roll(4);
    let damaged = match how {
        0 => format!("{before}{after}"),
        1 if kind == 1 => format!("{before}{part} {part}{after}"),
        1 => format!("{before}{part}{part}{after}"),
        2 => {
            let (next_start, next_end) = parts[(index + 1) % parts.len()];
            if next_start < end {
                format!("{before}{after}")
            } else {
                let (between, next) = (text(end, next_start), text(next_start, next_end));
                format!("{before}{next}{between}{part}{}", text(next_end, original.len()))
            }
        }
        _ => {
            const LETTERS: &[u8] = b"0123456789abcxyzABC-./:{}\"#!$@~ \n";
            let mut letters: Vec<char> = part.chars().collect();
            let at = dice.roll(letters.len());
            letters[at] = char::from(LETTERS[dice.roll(LETTERS.len())]);
            format!("{before}{}{after}", letters.into_iter().collect::<String>())
        }
    };
    let common = original.bytes().zip(damaged.bytes()).take_while(|(a, b)| a == b).count();
    let names = [["char", "word", "line", "brace"][kind], ["deleted", "doubled", "swapped", "altered"][how]];
    Damaged { from, text: damaged, at: common.min(start), what: format!("{} {:?}", names.join(" "), part) }
}

fn originals() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for name in SUPPORTED.iter().chain(&["whole"]) {
        found.push(((*name).to_owned(), std::fs::read_to_string(sample(name)).unwrap()));
    }
    for name in ["vip-pair/server1", "vip-pair/server2", "dual-master-dr/lvs1", "dual-master-dr/lvs2"] {
        let path = root().join("assets").join(format!("{name}.conf"));
        found.push((name.to_owned(), std::fs::read_to_string(path).unwrap()));
    }
    found
}

fn read(text: &str) -> (Vec<Diagnostic>, Sources) {
    let (_, diagnostics, sources) = conf::parse_in(Path::new("x"), &Memory::one("x", text), &environment());
    (diagnostics, sources)
}

/// What makes two diagnostics the same, whatever their lines.
fn key(diagnostic: &Diagnostic) -> (&'static str, String) {
    (diagnostic.id, diagnostic.message.clone())
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

fn files() -> (u64, Vec<(String, String)>, Vec<Damaged>) {
    let (seed, count) = (number("DAMAGE_SEED", 1), number("DAMAGED", 1000));
    let originals = originals();
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let damaged = (0..count)
        .map(|_| {
            let from = dice.roll(originals.len());
            damage(&originals[from].1, from, &mut dice)
        })
        .collect();
    (seed, originals, damaged)
}

#[test]
fn every_diagnostic_is_at_the_damage_or_after_it() {
    let (seed, originals, damaged) = files();
    let before: Vec<BTreeSet<_>> = originals.iter().map(|(_, text)| read(text).0.iter().map(key).collect()).collect();
    let mut wrong = String::new();
    let mut count = 0;
    for (index, file) in damaged.iter().enumerate() {
        let (diagnostics, sources) = read(&file.text);
        let line = file.line();
        for diagnostic in diagnostics.iter().filter(|d| !before[file.from].contains(&key(d))) {
            drawn(diagnostic, &sources, Path::new("x"), Look::Plain);
            let reaches = |span: conf::Span| {
                sources.position(span.source, span.start.max(span.end.saturating_sub(1))).line >= line
            };
            // What a block lacks is told at its name, and shown where the block ends.
            let points = diagnostic.labels.is_empty() || diagnostic.labels.iter().any(|label| reaches(label.span));
            if points || ELSEWHERE.contains(&diagnostic.id) {
                continue;
            }
            count += 1;
            let place = diagnostic.span().map(|span| sources.position(span.source, span.start).line);
            let (name, _) = &originals[file.from];
            writeln!(wrong, "#{index} {name}, line {line}, {}: told at {place:?}: {:?}", file.what, key(diagnostic))
                .unwrap();
        }
    }
    assert!(wrong.is_empty(), "seed {seed}: {count} diagnostics before the damage\n{wrong}");
}

/// Told where something stands that nothing refers to any more, or that refers to nothing any more: the damage took the
/// other end, further down. And of an interface that the damage, in a later block, has made an instance's own.
const ELSEWHERE: &[&str] =
    &["unused-script", "unused-file", "unused-process", "undefined-instance", "one-member", "own-interface"];

#[test]
fn nothing_is_clean_that_keepalived_refuses() {
    let Some(namespace) = Namespace::new("damage") else { return };
    let (seed, originals, damaged) = files();
    let reasons = reasons();
    let directory = tempfile::tempdir().unwrap();
    let mut clean = 0;
    for (index, file) in damaged.iter().enumerate() {
        let (diagnostics, _) = read(&file.text);
        if diagnostics.iter().all(|d| d.severity < Severity::Warning) {
            clean += 1;
            std::fs::write(directory.path().join(format!("{index}.conf")), &file.text).unwrap();
        }
    }
    assert!(clean > 0 || damaged.is_empty(), "nothing to compare");
    let mut wrong = String::new();
    let (mut refused, mut listed) = (0, 0);
    for (name, status) in namespace.test_all(directory.path()) {
        if status == 0 {
            continue;
        }
        refused += 1;
        let said = std::fs::read(directory.path().join(format!("{name}.said"))).unwrap();
        let said = String::from_utf8_lossy(&said).into_owned();
        let lines: BTreeSet<&str> = said.lines().collect();
        let known = |line: &&str| reasons.iter().any(|(words, _)| line.contains(words.as_str()));
        if lines.iter().any(known) && status != 2 {
            listed += 1;
            continue;
        }
        let index: usize = name.trim_end_matches(".conf").parse().unwrap();
        let file = &damaged[index];
        let line = file.line();
        let (original, _) = &originals[file.from];
        writeln!(wrong, "#{index} {original}, line {line}, {}: {status} {lines:?}", file.what).unwrap();
    }
    let total = damaged.len();
    let summary = format!(
        "seed {seed}: {total} files, {clean} clean, keepalived refuses {refused} of these, {listed} for listed reasons"
    );
    writeln!(std::io::stderr(), "{summary}").unwrap();
    assert!(wrong.is_empty(), "{summary}\n{wrong}");
}

/// `tests/conf/damage.txt`: words of keepalived's message, a tab, and why vipdeck is silent.
fn reasons() -> Vec<(String, String)> {
    let text = std::fs::read_to_string(root().join("tests/conf/damage.txt")).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.map(|line| line.split_once('\t').unwrap()).map(|(a, b)| (a.into(), b.into())).collect()
}

/// The status under the name of keepalived: nearly always the same. Where it differs vipdeck is the stricter one, but for
/// the listed reasons; and keepalived 2.2.7 dies of some files.
#[test]
fn the_status_is_nearly_always_keepalived_s() {
    let Some(namespace) = Namespace::new("status-of") else { return };
    let (seed, originals, damaged) = files();
    let directory = tempfile::tempdir().unwrap();
    // The others hold keywords that are errors as long as they are not supported.
    let supported = |file: &&Damaged| originals[file.from].0 != "whole";
    for (index, file) in damaged.iter().filter(supported).enumerate() {
        std::fs::write(directory.path().join(format!("{index}.conf")), &file.text).unwrap();
    }
    let files: Vec<&Damaged> = damaged.iter().filter(supported).collect();
    let (mut same, mut died, mut all) = (0, 0, 0);
    for (name, status) in namespace.test_all(directory.path()) {
        let index: usize = name.trim_end_matches(".conf").parse().unwrap();
        let ours = i32::from(vipdeck::report::keepalived::status(&read(&files[index].text).0));
        died += usize::from(status >= 128);
        same += usize::from(ours == status);
        all += 1;
    }
    let summary = format!("seed {seed}: {same} of {all} statuses are keepalived's, which died of {died} files");
    writeln!(std::io::stderr(), "{summary}").unwrap();
    assert!(all > 0 && same * 100 >= all * 93, "{summary}");
}
