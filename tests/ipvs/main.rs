//! The IPVS table of a real kernel, written and read by us, compared with what ipvsadm says.
//!
//! On a kernel without ip_vs the one test runs itself again under `tests/uml/run`, so that all checks cost one boot.

#![expect(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "test code")]
#![expect(clippy::explicit_write, reason = "the test harness keeps what eprintln! says to itself")]

mod checks;
#[expect(dead_code, reason = "there are no instances here")]
#[path = "../common/engine.rs"]
mod engine;
#[path = "../common/guest.rs"]
mod guest;
mod ipvsadm;
mod notify;
mod same;
mod schedulers;
mod sync;

use std::io::Write;
use std::process::Command;
use vipdeck::sys::ipvs::{Ipvs, IpvsError};

#[test]
fn against_a_kernel_with_ipvs() {
    with_ipvs("against_a_kernel_with_ipvs", "checked: all kinds of entries", check_all);
}

// parity: 74 75 76 77 83 84
#[test]
fn the_tables_are_those_of_keepalived_for_the_same_files() {
    let name = "the_tables_are_those_of_keepalived_for_the_same_files";
    with_ipvs(name, "checked: the same tables as keepalived", || {
        if ["ipvsadm", "keepalived"].iter().any(|tool| Command::new(tool).arg("--version").output().is_err()) {
            return skipped("ipvsadm and keepalived are not both installed");
        }
        same::same_tables_as_keepalived();
        sync::daemons_follow_the_instance();
        notify::scripts_and_fifos_are_told_the_same();
        writeln!(std::io::stderr(), "checked: the same tables as keepalived").unwrap();
    });
}

fn with_ipvs(name: &str, checked: &str, work: fn()) {
    match Ipvs::open() {
        Ok(_) if !nix::unistd::geteuid().is_root() => skipped("a namespace of one's own needs root"),
        Ok(_) => work(),
        Err(IpvsError::NoModule) if !guest::is_inside() => match guest::run(name, ("512M", 180), checked) {
            Ok(text) => writeln!(std::io::stderr(), "{text}").unwrap(),
            Err(reason) => skipped(&reason),
        },
        Err(error) => panic!("{error}"),
    }
}

/// Each check in a network namespace, and so with a table, of its own.
fn check_all() {
    let missing = Command::new("ipvsadm").arg("--version").output().is_err();
    if missing {
        return skipped("ipvsadm is not installed");
    }
    for (name, check) in checks::ALL {
        in_new_namespace(*check);
        writeln!(std::io::stderr(), "checked: {name}").unwrap();
    }
    if guest::is_inside() {
        // These take modules away, which only the guest can do without.
        checks::a_missing_scheduler_is_named();
        checks::a_missing_module_is_told();
        writeln!(std::io::stderr(), "checked: missing modules").unwrap();
    }
    writeln!(std::io::stderr(), "checked: all kinds of entries").unwrap();
}

fn in_new_namespace(work: impl FnOnce() + Send) {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
            // Without any local address the kernel takes every real server's for a broadcast, and refuses it.
            assert!(Command::new("ip").args(["link", "set", "lo", "up"]).status().unwrap().success());
            work();
        });
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
}

fn skipped(reason: &str) {
    writeln!(std::io::stderr(), "skipped: {reason}").unwrap();
    assert!(std::env::var("CI").as_deref() != Ok("true"), "skipped: {reason}");
}
