//! Asking a running engine, with the program's own commands.

use std::path::Path;
use std::process::Command;
use vipdeck::status::{Event, Instance, Role, Snapshot};

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_vipdeck");

/// `vipdeck status --json`; none if nobody answers.
pub(crate) fn status(socket: &Path) -> Option<Snapshot> {
    let output = Command::new(PROGRAM).args(["status", "--json", "--at"]).arg(socket).output().unwrap();
    output.status.success().then(|| serde_json::from_slice(&output.stdout).unwrap())
}

/// `vipdeck events --json`.
pub(crate) fn events(socket: &Path) -> Vec<Event> {
    let output = Command::new(PROGRAM).args(["events", "--json", "--at"]).arg(socket).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout.split(|b| *b == b'\n').filter(|l| !l.is_empty()).map(|l| serde_json::from_slice(l).unwrap()).collect()
}

/// MASTER, and the kernel has every address.
pub(crate) fn is_master(instance: &Instance) -> bool {
    instance.state == Role::Master && instance.holds_all()
}
