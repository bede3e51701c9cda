//! The wall clock jumps: under a kernel of our own, for nobody may set this machine's.

use crate::engine::{events, is_master, status};
use crate::namespaces::{skipped, wait_for};
use crate::{Bench, INSTANCE};
use nix::time::{ClockId, clock_gettime, clock_settime};
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use vipdeck::status::Role;

/// Set by `tests/uml/run`.
const IN_GUEST: &str = "VIPDECK_IN_UML";
const NAME: &str = "clock::an_hour_more_or_less_on_the_wall_changes_nothing";

// parity: 93
#[test]
fn an_hour_more_or_less_on_the_wall_changes_nothing() {
    if std::env::var(IN_GUEST).is_ok() {
        jump();
        eprintln!("checked: the clock jumped");
        return;
    }
    if !nix::unistd::geteuid().is_root() {
        return skipped("the guest kernel works on files as root");
    }
    let runner = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/uml/run");
    let program = std::env::current_exe().unwrap();
    let output =
        Command::new(runner).args(["-t", "180"]).arg(program).args(["--exact", NAME, "--nocapture"]).output().unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    match output.status.code() {
        Some(0) if text.contains("checked: the clock jumped") => {}
        Some(0) if text.contains("skipped:") => skipped(&text),
        Some(125) => skipped(&format!("no guest kernel could be started: {text}")),
        code => panic!("under the guest kernel, exit status {code:?}:\n{text}"),
    }
}

fn jump() {
    let Some(mut master) = Bench::new("") else { return };
    master.start(&[]);
    let socket = master.path("sock");
    wait_for("MASTER", 20, || status(&socket).is_some_and(|s| is_master(&s.instances[0])));
    // And one that hears it.
    let backup =
        crate::Bench { engine: None, unguarded: false, pair: master.pair, directory: tempfile::tempdir().unwrap() };
    std::fs::write(backup.path("vrrp.conf"), INSTANCE.replace("150", "100")).unwrap();
    let other = backup.path("sock");
    let (file, at) = (backup.path("vrrp.conf").display().to_string(), other.display().to_string());
    let argv = [crate::PROGRAM, "run", "--headless", "-f", &file, "--control", &at];
    let running = crate::programs::Running::start(&backup.pair.b, backup.directory.path(), "backup", &argv);
    wait_for("BACKUP", 20, || status(&other).is_some_and(|s| s.instances[0].state == Role::Backup));
    std::thread::sleep(Duration::from_secs(2));
    let seen = || {
        let both = [&socket, &other].map(|s| status(s).unwrap());
        both.map(|s| (s.instances[0].state, s.instances[0].transitions_total, s.counters.late_wakeups))
    };
    let before = seen();
    for hours in [1, -2, 1] {
        let now = clock_gettime(ClockId::CLOCK_REALTIME).unwrap();
        let then = nix::sys::time::TimeSpec::new(now.tv_sec() + hours * 3600, now.tv_nsec());
        clock_settime(ClockId::CLOCK_REALTIME, then).unwrap();
        let sent = status(&socket).unwrap().instances[0].adverts_sent;
        std::thread::sleep(Duration::from_secs(5));
        assert_eq!(seen(), before, "{hours} h");
        let sent = status(&socket).unwrap().instances[0].adverts_sent - sent;
        assert!((4..=6).contains(&sent), "{hours} h: {sent} adverts in 5 s");
    }
    // What people are shown follows the wall.
    assert!(!events(&socket).is_empty());
    assert!(running.stop().success());
    assert!(master.engine.take().unwrap().stop().success());
}
