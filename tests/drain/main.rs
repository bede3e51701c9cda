//! A drain under load, on real engines: nothing is cut, nothing new arrives, its end is told, and it holds through
//! failover, kill, reload, restart and a damaged journal. On this kernel with the embedded balancer, and on one with
//! ip_vs. Needs root.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::explicit_write,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "test code"
)]

mod load;
#[path = "../kernel/namespaces.rs"]
#[expect(dead_code, reason = "shared with other tests")]
mod namespaces;
#[path = "../common/programs.rs"]
#[expect(dead_code, reason = "shared with other tests")]
mod programs;
mod stage;
mod story;

use crate::namespaces::skipped;
use std::io::Write;
use std::path::Path;
use std::process::Command;

/// Set by `tests/uml/run`.
const IN_GUEST: &str = "VIPDECK_IN_UML";

fn in_guest() -> bool {
    std::env::var(IN_GUEST).is_ok()
}

#[test]
fn a_drain_under_load_on_this_kernel() {
    if !nix::unistd::geteuid().is_root() {
        return skipped("network namespaces need root");
    }
    story::tell();
}

#[test]
fn a_drain_under_load_on_a_kernel_with_ipvs() {
    // In the guest the test above does it all.
    if in_guest() {
        return;
    }
    if !nix::unistd::geteuid().is_root() {
        return skipped("the guest kernel works on files as root");
    }
    let runner = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/uml/run");
    let output = Command::new(runner)
        .args(["-t", "240"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "a_drain_under_load_on_this_kernel", "--nocapture"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    match output.status.code() {
        Some(0) if text.contains("checked: a drain holds through failover") => {
            for line in text.lines().filter(|l| l.starts_with("checked: ")) {
                say(&format!("with ip_vs: {}", line.trim_start_matches("checked: ")));
            }
        }
        Some(0) if text.contains("skipped:") => skipped(&text),
        Some(125) => skipped(&format!("this kernel has no ip_vs, and none with it could be started: {text}")),
        code => panic!("under the guest kernel, exit status {code:?}:\n{text}"),
    }
}

/// What was shown, where the harness does not swallow it.
fn say(what: &str) {
    writeln!(std::io::stderr(), "checked: {what}").unwrap();
}
