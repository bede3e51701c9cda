//! The exit status of `keepalived --config-test` for what was found (keepalived 2.2.7).

use crate::conf::{Diagnostic, Severity};

/// What keepalived does not look at, or does not count: vipdeck says it, and the status stays that of keepalived.
const ITS_SILENCE: &[&str] = &[
    "delay-without-effect",
    "extra-words",
    "include-missing",
    "include-not-a-file",
    "no-authentication",
    "no-effect",
    "quoted-include",
    "reserved-name",
    "script-not-executable",
    "weight-without-effect",
    "written-twice",
];

/// 0 nothing is wrong, 5 something is, 4 a file cannot be read, 6 scripts without script security or a checked include
/// that is not there, 2 a word is missing, at which keepalived stops reading. The largest but 2 counts. A main file that is not there
/// is 4; keepalived says 0.
pub fn status(diagnostics: &[Diagnostic]) -> u8 {
    let one = |d: &Diagnostic| match (d.id, d.severity) {
        ("interface-missing" | "script-missing", _) => 5,
        (_, Severity::Note) => 0,
        (id, Severity::Warning) if ITS_SILENCE.contains(&id) => 0,
        ("missing-argument", Severity::Error) => 2,
        ("no-script-security" | "key-not-private", _) | ("include-missing" | "include-not-a-file", Severity::Error) => {
            6
        }
        ("cannot-read", _) => 4,
        _ => 5,
    };
    let found: Vec<u8> = diagnostics.iter().map(one).collect();
    if found.contains(&2) { 2 } else { found.into_iter().max().unwrap_or(0) }
}
