//! The other tool's view of the table.

use std::process::Command;
use vipdeck::kernel::{Forwarding, ObservedTable, Protocol};

pub(crate) fn ipvsadm(arguments: &str) -> String {
    let output = Command::new("ipvsadm").args(arguments.split(' ')).output().unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "ipvsadm {arguments}: {text}");
    text
}

/// `ipvsadm -Sn`, sorted.
pub(crate) fn saved() -> Vec<String> {
    let mut lines: Vec<_> = ipvsadm("-Sn").lines().map(|line| line.trim().to_owned()).collect();
    lines.sort();
    lines
}

/// The table as `ipvsadm -Sn` would print it, sorted.
pub(crate) fn as_saved(table: &ObservedTable) -> Vec<String> {
    let mut lines = Vec::new();
    for (key, service) in &table.services {
        let flag = if key.protocol == Protocol::Tcp { "-t" } else { "-u" };
        let of = format!("{flag} {}", key.address);
        let persistence = service.persistence.map(|seconds| format!(" -p {seconds}")).unwrap_or_default();
        lines.push(format!("-A {of} -s {}{persistence}", service.scheduler));
        for (to, destination) in &service.destinations {
            let method = match destination.forwarding {
                Some(Forwarding::Nat) => "-m",
                Some(Forwarding::Dr) => "-g",
                None => "-i",
            };
            lines.push(format!("-a {of} -r {to} {method} -w {}", destination.weight));
        }
    }
    lines.sort();
    lines
}
