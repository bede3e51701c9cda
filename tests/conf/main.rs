//! The configuration language: files in, diagnostics and configurations out.
#![expect(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, clippy::explicit_write, reason = "test code")]

mod assets;
mod cases;
mod check;
mod cluster;
mod damage;
mod explain;
mod keepalived;
mod keywords;
mod language;
mod messages;
mod properties;
mod samples;
mod security;
mod speed;
mod strict;

use std::path::PathBuf;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Compares with a stored text, or stores it when UPDATE_CASES is set.
fn compare(path: &std::path::Path, text: &str) {
    if std::env::var_os("UPDATE_CASES").is_some_and(|value| value == "1") {
        std::fs::write(path, text).unwrap();
        return;
    }
    let stored = std::fs::read_to_string(path).unwrap_or_default();
    assert!(stored == text, "{} differs (UPDATE_CASES=1 rewrites it); now:\n{text}", path.display());
}
