//! What the console claims and which test shows it: `ambition.md` beside this file.
//!
//! A test says which claim it shows in a comment above its attributes: `// console-design 1.2 3`. The table is made from
//! these comments and from `ambition.txt`; `UPDATE_CASES=1 cargo test --test parity` writes it anew.

use crate::{place, sources};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// Claims that no test shows, each with the reason. A claim leaves this list when a test names it.
const OPEN: &[(u32, &str)] = &[(17, "drills do not exist yet"), (18, "the classroom does not exist yet")];

#[test]
fn every_claim_has_a_test_or_says_why_not() {
    let claims = claims();
    let shown = shown();
    for (number, tests) in &shown {
        assert!(claims.contains_key(number), "{tests:?} name claim {number}, which ambition.txt does not have");
        assert!(OPEN.iter().all(|(open, _)| open != number), "claim {number} is shown by {tests:?} and listed as open");
    }
    let is_open = |number: &u32| OPEN.iter().any(|(open, _)| open == number);
    let missing: Vec<_> = claims.keys().filter(|n| !shown.contains_key(n) && !is_open(n)).collect();
    assert!(missing.is_empty(), "no test shows the claims {missing:?}, and no reason is given");
}

#[test]
fn the_table_of_claims_is_up_to_date() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity/ambition.md");
    let table = table();
    if std::env::var_os("UPDATE_CASES").is_some() {
        fs::write(&file, &table).unwrap();
    }
    assert_eq!(fs::read_to_string(&file).unwrap_or_default(), table, "UPDATE_CASES=1 cargo test --test parity");
}

fn claims() -> BTreeMap<u32, (&'static str, &'static str)> {
    let line = |line: &'static str| {
        let mut cells = line.splitn(3, " | ");
        let number = cells.next()?.parse().ok()?;
        Some((number, (cells.next()?, cells.next()?)))
    };
    include_str!("ambition.txt").lines().filter_map(line).collect()
}

fn table() -> String {
    let mut text = String::from(
        "# What the console claims, and the test of each claim\n\nMade from `ambition.txt` and the comments above the \
         tests; see `ambition.rs`.\n\n| # | Claim | What shows it | Test |\n|---|---|---|---|\n",
    );
    let shown = shown();
    for (number, (claim, test)) in claims() {
        let by = match (shown.get(&number), OPEN.iter().find(|(open, _)| *open == number)) {
            (Some(tests), _) => tests.join("<br>"),
            (None, Some((_, why))) => format!("open: {why}"),
            (None, None) => "nothing".to_owned(),
        };
        writeln!(text, "| {number} | {claim} | {test} | {by} |").unwrap();
    }
    text
}

/// Claim to the tests that name it.
fn shown() -> BTreeMap<u32, Vec<String>> {
    let mut shown: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    for path in sources() {
        let text = fs::read_to_string(&path).unwrap();
        let mut named: Vec<u32> = Vec::new();
        for line in text.lines().map(str::trim_start) {
            if let Some(numbers) = line.strip_prefix("// console-design 1.2 ") {
                named.extend(numbers.split_whitespace().map(|n| n.parse::<u32>().unwrap()));
            } else if let Some(name) = line.strip_prefix("fn ").or_else(|| line.strip_prefix("async fn ")) {
                let name = name.split('(').next().unwrap_or_default();
                for number in named.drain(..) {
                    shown.entry(number).or_default().push(format!("`{}::{name}`", place(&path)));
                }
            }
        }
        assert!(named.is_empty(), "{}: `// console-design 1.2 {named:?}` stands above no test", path.display());
    }
    for tests in shown.values_mut() {
        tests.sort();
    }
    shown
}
