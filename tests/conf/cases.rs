//! One folder for each case: `keepalived.conf` in, `diagnostics.txt` and `config.txt` out.

use crate::{compare, root};
use std::path::{Path, PathBuf};
use vipdeck::conf::{self, Memory};
use vipdeck::report::check::{Look, text};

#[test]
fn every_case_gives_what_is_stored() {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(root().join("tests/conf/cases")).unwrap() {
        names.push(entry.unwrap().path());
    }
    names.sort();
    assert!(names.len() > 10, "the cases are missing");
    for case in names {
        let (config, diagnostics, sources) = conf::parse(Path::new("keepalived.conf"), &files(&case));
        let shown = diagnostics.iter().map(|d| text(d, &sources, Path::new("keepalived.conf"), Look::Plain));
        compare(&case.join("diagnostics.txt"), &shown.collect::<String>());
        compare(&case.join("config.txt"), &format!("{config:#?}\n"));
    }
}

/// The files of a case, without its results.
fn files(case: &Path) -> Memory {
    let mut memory = Memory::default();
    for entry in std::fs::read_dir(case).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "conf") {
            memory.0.insert(PathBuf::from(path.file_name().unwrap()), std::fs::read(&path).unwrap());
        }
    }
    memory
}
