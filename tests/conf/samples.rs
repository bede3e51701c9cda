//! Samples: those of `tests/conf/samples`, and those that come with keepalived, where it is installed.

use crate::keepalived::Namespace;
use crate::root;
use std::io::Write;
use std::path::{Path, PathBuf};
use vipdeck::conf::{self, Environment, Memory, Severity};

pub(crate) fn environment() -> Environment {
    Environment { config_id: "lvs1".into(), directory: PathBuf::from("/etc/keepalived"), ..Environment::default() }
}

/// Those that vipdeck supports in full today.
pub(crate) const SUPPORTED: &[&str] = &["plain", "defined"];

pub(crate) fn sample(name: &str) -> PathBuf {
    root().join("tests/conf/samples").join(format!("{name}.conf"))
}

#[test]
fn samples_are_clean_for_both() {
    for name in SUPPORTED {
        let text = std::fs::read_to_string(sample(name)).unwrap();
        let (_, diagnostics, _) = conf::parse_in(Path::new("x"), &Memory::one("x", &text), &environment());
        assert!(diagnostics.is_empty(), "{name}: {diagnostics:?}");
    }
    let Some(namespace) = Namespace::new("samples") else { return };
    for name in ["plain", "defined", "whole"] {
        let (status, said) = namespace.test(&sample(name), &["-i", "lvs1"]);
        assert_eq!(status, Some(0), "{name}: {said}");
    }
}

/// No error about keepalived's own samples but that something is not supported yet, and what that entails.
#[test]
fn keepalived_s_own_samples_are_read() {
    let directory = Path::new("/usr/share/doc/keepalived/samples");
    let Ok(entries) = std::fs::read_dir(directory) else {
        assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "CI must not skip this");
        writeln!(std::io::stderr(), "skipped: no samples of keepalived in {}", directory.display()).unwrap();
        return;
    };
    let mut wrong = Vec::new();
    let mut read = 0;
    for entry in entries {
        let path = entry.unwrap().path();
        if !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("keepalived.conf")) {
            continue;
        }
        read += 1;
        let text = std::fs::read_to_string(&path).unwrap();
        // One of them is for the ids `high` and `low`.
        let environment = Environment { config_id: "high".into(), ..environment() };
        let (_, diagnostics, sources) = conf::parse_in(Path::new("x"), &Memory::one("x", &text), &environment);
        let written = |d: &conf::Diagnostic| d.span().is_some_and(|span| sources.text(span).ends_with("./24"));
        // keepalived refuses these addresses of its own sample, too.
        let told = diagnostics.iter().filter(|d| d.id != "bad-address" || !written(d));
        for d in told.filter(|d| d.severity == Severity::Error && !ENTAILED.contains(&d.id)) {
            let line = d.span().map(|span| sources.position(span.source, span.start).line);
            wrong.push(format!("{}:{line:?}: {} {}", path.display(), d.id, d.message));
        }
    }
    assert!(read > 20, "{read} samples");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What follows from a keyword that is not read yet.
const ENTAILED: &[&str] = &["vrrp-version"];
