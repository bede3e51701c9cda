//! Scripts that are slower than the states, and what they say.

use crate::engine::{events, is_master, status};
use crate::namespaces::wait_for;
use crate::{Bench, ONE};

#[test]
fn of_many_states_the_last_is_told_and_what_was_skipped_is_said() {
    let Some(mut bench) = Bench::new(ONE) else { return };
    bench.start();
    wait_for("MASTER", 8, || status(&bench.path("sock")).is_some_and(|s| is_master(&s.instances[0])));
    // Two scripts of 0.3 s for each of 40 changes: they cannot keep up.
    for _ in 0..20 {
        bench.verb("demote");
        bench.verb("restore");
    }
    let skipped = || {
        let found = events(&bench.path("sock"));
        let mine = found.iter().find(|e| e.text.contains("notify scripts of earlier states were skipped")).cloned();
        mine.map(|e| (e.subject.to_string(), e.text))
    };
    wait_for("the event", 20, || skipped().is_some());
    assert_eq!(skipped().unwrap().0, "VI_1");
    wait_for("the last state", 25, || bench.calls().last().is_some_and(|c| c == "end any INSTANCE VI_1 MASTER 150"));
    let calls = bench.calls();
    assert!(calls.len() < 2 * 2 * 42, "{} calls", calls.len());
    // None overlaps another.
    for pair in calls.chunks(2) {
        let [begin, end] = pair else { panic!("{calls:?}") };
        assert_eq!(begin.strip_prefix("begin "), end.strip_prefix("end "));
    }
}

#[test]
fn what_a_script_says_and_its_status_are_on_the_timeline() {
    let Some(mut bench) = Bench::new(ONE) else { return };
    let script = "#!/bin/sh\necho \"first line of $1\"\necho second >&2\nhead -c 5000 /dev/zero | tr '\\0' x\nexit 7\n";
    std::fs::write(bench.path("tell"), script).unwrap();
    bench.start();
    let told = || events(&bench.path("sock")).into_iter().find(|e| e.text.starts_with("notify_backup: exit status 7"));
    wait_for("the event", 10, || told().is_some());
    let cause = told().unwrap().cause.unwrap();
    assert!(cause.contains("tell backup, which said: first line of backup / second / xxx"), "{cause}");
    assert!(cause.len() < 1200, "{} bytes", cause.len());
}
