//! Real servers by tunnel, on a real kernel with ip_vs and its tunnels: `check` says what is looked at.
//!
//! On a kernel without them the one test runs itself again under `tests/uml/run`.

#![expect(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "test code")]
#![expect(clippy::explicit_write, reason = "the test harness keeps what eprintln! says to itself")]

mod check;

use std::io::Write;
use std::path::Path;
use std::process::Command;

/// Set by `tests/uml/run`, whose kernel loads the modules.
const IN_GUEST: &str = "VIPDECK_IN_UML";
const DONE: &str = "checked: clients are served through tunnels (IPv4, IPv6)";

#[test]
fn a_real_server_that_was_prepared_serves_through_a_tunnel() {
    if std::env::var(IN_GUEST).is_err() {
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
    if !nix::unistd::geteuid().is_root() {
        return skipped("the guest kernel works on files as root");
    }
    if Command::new("ipvsadm").arg("--version").output().is_err() {
        return skipped("ipvsadm is not installed");
    }
    let output = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/uml/run"))
        .args(["-t", "180"])
        .arg(std::env::current_exe().unwrap())
        .arg("--nocapture")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    match output.status.code() {
        // Only what was checked there counts, not that a binary ended well.
        Some(0) if text.contains(DONE) => writeln!(std::io::stderr(), "{DONE}").unwrap(),
        Some(125) => skipped(&format!("no kernel with ip_vs and tunnels could be started: {text}")),
        code => panic!("under the guest kernel, exit status {code:?}:\n{text}"),
    }
}

fn skipped(reason: &str) {
    writeln!(std::io::stderr(), "skipped: {reason}").unwrap();
    assert!(std::env::var("CI").as_deref() != Ok("true"), "skipped: {reason}");
}
