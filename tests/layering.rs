//! Who may know whom: every module's dependencies are listed here, and nothing else is allowed.
//!
//! A dependency that is missing from the table is a design question; the table's diff is where it is asked.

#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "test code")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Module, what it may use, and whether it is pure: no clock, file, process or socket.
const TABLE: &[(&str, &str, bool)] = &[
    ("time", "", true),
    ("net", "", true),
    ("wire", "net", true),
    ("bfd", "time wire", true),
    ("kernel", "net", true),
    ("vrrp", "time net kernel", true),
    ("health", "time net", true),
    ("lvs", "time kernel health vrrp", true),
    ("conf", "time net bfd vrrp health lvs kernel", true),
    ("status", "time net kernel health", true),
    // The machines of `vrrp` on a clock of their own.
    ("forecast", "time net kernel vrrp lvs status", true),
    ("why", "time kernel status", true),
    ("cluster", "time net kernel conf vrrp status", true),
    ("metrics", "time status", true),
    ("recording", "status", true),
    ("privacy", "", true),
    ("engine", "time net wire bfd vrrp health kernel lvs conf status cluster", true),
    ("sim", "time net kernel health lvs conf status engine", true),
    // Arguments as values; the only words it shares are the names of services.
    ("cli", "time kernel", true),
    // `conf` for the loader alone: files of this machine as the language asks for them.
    ("sys", "time net wire kernel health conf", false),
    ("settings", "kernel cli sys", false),
    ("balancer", "time kernel lvs sys", false),
    ("control", "time status cluster why recording metrics settings cli sys", false),
    (
        "report",
        "time net kernel vrrp lvs status forecast why privacy recording conf cluster control settings cli sys",
        false,
    ),
    ("real_server", "net wire kernel lvs conf settings cli sys", false),
    (
        "runtime",
        "time net wire bfd vrrp kernel health conf engine status cluster balancer control report settings cli sys",
        false,
    ),
    ("console", "time net kernel status privacy recording cluster forecast why settings control", false),
    ("lab", "time net status console control settings cli sys", false),
    ("manual", "time conf console control settings status cli", false),
    ("launch", "conf cluster status recording sim console control runtime report settings cli sys", false),
];

/// What no pure module may name.
const IMPURE: &[&str] = &[
    "std::fs",
    "std::process",
    "std::thread",
    "SystemTime",
    "std::time::Instant",
    "tokio",
    "socket2",
    "nix::",
    "libc",
];

#[test]
fn every_dependency_is_in_the_table() {
    let used = dependencies();
    let listed: BTreeSet<_> = TABLE.iter().map(|(module, ..)| (*module).to_owned()).collect();
    let found: BTreeSet<_> = used.keys().cloned().collect();
    assert_eq!(found, listed, "modules below src/ and modules in the table");
    for (module, allowed, _) in TABLE {
        let allowed: BTreeSet<_> = allowed.split_whitespace().map(str::to_owned).collect();
        let extra: Vec<_> = used[*module].difference(&allowed).collect();
        assert!(extra.is_empty(), "{module} uses {extra:?}, which the table does not allow");
        let unused: Vec<_> = allowed.difference(&used[*module]).collect();
        assert!(unused.is_empty(), "the table allows {module} to use {unused:?}, which it does not");
    }
}

#[test]
fn the_table_has_no_cycle() {
    let mut left: BTreeMap<_, BTreeSet<_>> =
        TABLE.iter().map(|(module, allowed, _)| (*module, allowed.split_whitespace().collect())).collect();
    while !left.is_empty() {
        let free: Vec<_> = left.iter().filter(|(_, needs)| needs.is_empty()).map(|(module, _)| *module).collect();
        assert!(!free.is_empty(), "a cycle among {:?}", left.keys());
        left.retain(|module, _| !free.contains(module));
        for needs in left.values_mut() {
            needs.retain(|n| !free.contains(n));
        }
    }
}

#[test]
fn pure_modules_touch_nothing_outside() {
    let pure: Vec<_> = TABLE.iter().filter(|(.., pure)| *pure).map(|(module, ..)| *module).collect();
    for (module, path) in sources() {
        if !pure.contains(&module.as_str()) {
            continue;
        }
        let text = code(&path);
        for word in IMPURE {
            assert!(!text.contains(word), "{} is pure and names {word}", path.display());
        }
    }
}

fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let mut used: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (module, path) in sources() {
        let entry = used.entry(module.clone()).or_default();
        let text = code(&path);
        for rest in text.split("crate::").skip(1) {
            // `crate::{a, b}` or `crate::a`.
            let names = if let Some(group) = rest.strip_prefix('{') {
                group.split(['}', ';']).next().unwrap_or_default().split(',').map(first_word).collect()
            } else {
                vec![first_word(rest)]
            };
            entry.extend(names.into_iter().filter(|n| TABLE.iter().any(|(m, ..)| m == n) && *n != module));
        }
    }
    used
}

fn first_word(text: &str) -> String {
    text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// A file's code without its comments and its tests at the end.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// Every source file with the top-level module it belongs to.
fn sources() -> Vec<(String, PathBuf)> {
    let mut found = Vec::new();
    let mut directories = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
                continue;
            }
            let inside = path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap();
            let first = inside.components().next().unwrap().as_os_str().to_str().unwrap();
            let module = first.trim_end_matches(".rs").to_owned();
            let is_test = path.file_stem().is_some_and(|stem| stem.to_str().is_some_and(|s| s.ends_with("tests")));
            if module != "lib" && module != "main" && !is_test {
                found.push((module, path));
            }
        }
    }
    found
}
