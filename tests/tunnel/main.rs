//! Real servers by tunnel, on a real kernel with ip_vs and its tunnels: `check` says what is looked at.
//!
//! On a kernel without them the one test runs itself again under `tests/uml/run`.

#![expect(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "test code")]
#![expect(clippy::explicit_write, reason = "the test harness keeps what eprintln! says to itself")]

mod check;
#[path = "../common/guest.rs"]
mod guest;

use std::io::Write;
use std::process::Command;

const DONE: &str = "checked: clients are served through tunnels (IPv4, IPv6)";

#[test]
fn a_real_server_that_was_prepared_serves_through_a_tunnel() {
    if !guest::is_inside() {
        return again_in_guest();
    }
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
            check::a_client_is_served_through_a_tunnel();
        });
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
    writeln!(std::io::stderr(), "{DONE}").unwrap();
}

fn again_in_guest() {
    if Command::new("ipvsadm").arg("--version").output().is_err() {
        return skipped("ipvsadm is not installed");
    }
    match guest::run("a_real_server_that_was_prepared_serves_through_a_tunnel", ("512M", 180), DONE) {
        Ok(_) => writeln!(std::io::stderr(), "{DONE}").unwrap(),
        Err(reason) => skipped(&reason),
    }
}

fn skipped(reason: &str) {
    writeln!(std::io::stderr(), "skipped: {reason}").unwrap();
    assert!(std::env::var("CI").as_deref() != Ok("true"), "skipped: {reason}");
}
