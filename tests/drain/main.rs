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

#[path = "../common/guest.rs"]
mod guest;
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

// console-design 1.2 11
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
    if guest::is_inside() {
        return;
    }
    let proof = "checked: a drain holds through failover";
    match guest::run("a_drain_under_load_on_this_kernel", ("512M", 240), proof) {
        Ok(text) => {
            for line in text.lines().filter(|l| l.starts_with("checked: ")) {
                say(&format!("with ip_vs: {}", line.trim_start_matches("checked: ")));
            }
        }
        Err(reason) => skipped(&reason),
    }
}

/// What was shown, where the harness does not swallow it.
fn say(what: &str) {
    writeln!(std::io::stderr(), "checked: {what}").unwrap();
}
