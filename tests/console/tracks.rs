//! What an instance tracks, in its details: values, their age, and how they are known.

use crate::fixture::{AT, Console, DARK, at, link, snapshot};
use std::time::Duration;
use vipdeck::status::{CheckResult, LinkState, Script, Snapshot, Track, TrackedFile, TrackedProcess};

fn tracked() -> Snapshot {
    let mut snapshot = snapshot(1);
    let track = |kind: &str, name: &str, weight| Track { kind: kind.into(), name: name.into(), weight, reverse: false };
    snapshot.instances[0].tracks = vec![
        track("script", "chk_web", -20),
        track("file", "limits", 2),
        track("process", "web", 0),
        track("interface", "eth0", 0),
        track("bfd", "peer", 0),
    ];
    snapshot.node.links = vec![LinkState {
        name: link(),
        up: Some(false),
        counts_at: Some(at(AT + 2_000_000)),
        reasons: std::sync::Arc::default(),
        mac: None,
        addresses: vec![],
    }];
    snapshot.scripts = vec![Script {
        name: "chk_web".into(),
        command: "/usr/bin/test".into(),
        good: Some(true),
        since: at(AT - 600_000_000),
        streak: 1,
        needed: 3,
        last: Some(CheckResult {
            at: at(AT - 5_000_000),
            good: false,
            detail: "exit status 1".into(),
            took: Duration::from_millis(3),
        }),
        next_at: Some(at(AT + 5_000_000)),
        running: false,
        reasons: std::sync::Arc::default(),
    }];
    snapshot.files = vec![TrackedFile {
        name: "limits".into(),
        path: "/run/limits".into(),
        value: Some(5),
        since: at(AT - 120_000_000),
        read_at: Some(at(AT - 7_000_000)),
        note: Some("`5x` is more than a number".into()),
        polled: None,
    }];
    snapshot.processes = vec![TrackedProcess {
        name: "web".into(),
        command: vec!["nginx".into()],
        count: Some(1),
        counted_at: Some(at(AT - 3_000_000)),
        quorum: 2,
        quorum_max: None,
        good: Some(true),
        since: at(AT - 240_000_000),
        changes_at: Some(at(AT + 4_000_000)),
        reasons: std::sync::Arc::default(),
        polled: Some("no such luck".into()),
    }];
    snapshot
}

#[test]
fn trackers_are_shown_with_their_age_and_source() {
    let mut console = Console::live(DARK.size(140, 60));
    console.show(tracked(), snapshot(2));
    console.keys("<Enter>");
    let screen = console.screen();
    for expected in [
        "script       chk_web (weight -20): passing for 10 m 00 s, last exit status 1 5 s ago, next in 5 s, 1 of 3 the",
        "file         limits (times 2): 5 (`5x` is more than a number) for 2 m 00 s, read 7 s ago from /run/limits",
        "read after each change",
        "process      web (no weight): 1 running, 2 wanted: enough for 4 m 00 s, the other way in 4 s; counted 3 s ago",
        "looked for every second: no such luck",
        "interface    eth0 (no weight): down, counts in 2 s",
        "bfd          peer (no weight): not reported",
    ] {
        assert!(screen.contains(expected), "{expected}\n{screen}");
    }
}
