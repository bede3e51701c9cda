//! What keepalived does and which test proves that vipdeck does it, row by row: `table.md` beside this file.
//!
//! A test says what it proves in a comment above its attributes: `// parity: 18 19`. What is less than the row asks for is
//! said: `// parity-virtual: 18` if it runs on the virtual network and its clock, `// parity-alone: 30` if vipdeck is on both
//! sides where the row wants another program. The table is made from these comments and from `rows.txt`;
//! `UPDATE_CASES=1 cargo test --test parity` writes it anew.

#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "test code")]

mod ambition;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// Rows that no test proves, each with the reason. A row leaves this list when a test names it.
const OPEN: &[(&str, &str)] = &[
    ("69", "no SNMP agent: state and events are on the control socket, as JSON"),
    ("70", "no D-Bus service: state and events are on the control socket, as JSON"),
    ("94", "5 s in the ordinary run (tests/scale/hour.rs); the hour, by `VIPDECK_LONG=1`, has not been run"),
];

struct Row {
    number: String,
    tier: String,
    capability: String,
    observable: String,
}

#[test]
fn every_row_is_proved_or_said_to_be_open() {
    let proofs = proofs();
    let rows = rows();
    let known: BTreeSet<_> = rows.iter().map(|r| r.number.as_str()).collect();
    let open: BTreeSet<_> = OPEN.iter().map(|(number, _)| *number).collect();
    for (number, tests) in &proofs {
        assert!(known.contains(number.as_str()), "{tests:?} name row {number}, which rows.txt does not have");
        assert!(!open.contains(number.as_str()), "row {number} is proved by {tests:?} and listed as open");
    }
    let missing: Vec<_> = known.iter().filter(|n| !proofs.contains_key(**n) && !open.contains(*n)).collect();
    assert!(missing.is_empty(), "no test proves the rows {missing:?}, and no reason is given");
}

#[test]
fn the_table_is_up_to_date() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity/table.md");
    let table = table(&rows(), &proofs());
    if std::env::var_os("UPDATE_CASES").is_some() {
        fs::write(&file, &table).unwrap();
    }
    assert_eq!(fs::read_to_string(&file).unwrap_or_default(), table, "UPDATE_CASES=1 cargo test --test parity");
}

fn rows() -> Vec<Row> {
    let text = include_str!("rows.txt");
    let cells = |line: &str| line.splitn(4, " | ").map(str::to_owned).collect::<Vec<_>>();
    text.lines()
        .map(|line| match <[String; 4]>::try_from(cells(line)).unwrap() {
            [number, tier, capability, observable] => Row { number, tier, capability, observable },
        })
        .collect()
}

fn table(rows: &[Row], proofs: &BTreeMap<String, Vec<String>>) -> String {
    let mut text = String::from(
        "# Parity with keepalived, row by row\n\nMade from `rows.txt` and the comments above the tests; see `main.rs`.\n\n\
         | # | Capability | Tier | What proves it | Proved by |\n|---|---|---|---|---|\n",
    );
    for row in rows {
        let by = match (proofs.get(&row.number), OPEN.iter().find(|(number, _)| *number == row.number)) {
            (Some(tests), _) => tests.join("<br>"),
            (None, Some((_, why))) => format!("open: {why}"),
            (None, None) => "nothing".to_owned(),
        };
        let Row { number, tier, capability, observable } = row;
        writeln!(text, "| {number} | {capability} | {tier} | {observable} | {by} |").unwrap();
    }
    text
}

/// Row number to the tests that name it.
fn proofs() -> BTreeMap<String, Vec<String>> {
    let mut proofs: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for path in sources() {
        let text = fs::read_to_string(&path).unwrap();
        let mut named: Vec<(String, &str)> = Vec::new();
        for line in text.lines() {
            let line = line.trim_start();
            if let Some(numbers) = line.strip_prefix("// parity:") {
                named.extend(numbers.split_whitespace().map(|number| (number.to_owned(), "")));
            } else if let Some(numbers) = line.strip_prefix("// parity-virtual:") {
                let note = " (virtual network and clock)";
                named.extend(numbers.split_whitespace().map(|number| (number.to_owned(), note)));
            } else if let Some(numbers) = line.strip_prefix("// parity-alone:") {
                let note = " (vipdeck on both sides)";
                named.extend(numbers.split_whitespace().map(|number| (number.to_owned(), note)));
            } else if let Some(name) = line.strip_prefix("fn ").or_else(|| line.strip_prefix("async fn ")) {
                let name = name.split('(').next().unwrap_or_default();
                for (number, note) in std::mem::take(&mut named) {
                    proofs.entry(number).or_default().push(format!("`{}::{name}`{note}", place(&path)));
                }
            }
        }
        assert!(named.is_empty(), "{}: `// parity: {named:?}` stands above no test", path.display());
    }
    for tests in proofs.values_mut() {
        tests.sort();
    }
    proofs
}

fn place(path: &Path) -> String {
    let inside = path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap();
    inside.with_extension("").display().to_string().replace("/mod", "").replace('/', "::")
}

fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut directories = ["src", "tests"].map(|d| Path::new(env!("CARGO_MANIFEST_DIR")).join(d)).to_vec();
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("tests/parity") {
                directories.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}
