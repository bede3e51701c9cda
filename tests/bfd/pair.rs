//! Two engines with a session between them: what it moves, and what does not touch it.

use crate::engine::{PROGRAM, is_master, status};
use crate::namespaces::wait_for;
use crate::{Bench, session};
use std::process::Command;
use std::time::Duration;
use vipdeck::status::BfdState;

const LINES: &str = "min_rx 50; min_tx 50; multiplier 6";

pub(crate) fn instance(priority: u8, more: &str) -> String {
    format!(
        "vrrp_instance V {{\n    interface eth0\n    virtual_router_id 51\n    priority {priority}\n    advert_int 0.2\n    \
         version 3\n    virtual_ipaddress {{\n        10.9.0.20/24\n    }}\n{more}}}\n"
    )
}

// parity: 61
#[test]
fn a_silence_moves_the_addresses_by_its_weight_and_back_and_neither_a_reload_nor_admin_down_does() {
    let Some(mut bench) = Bench::new() else { return };
    let weighted = "    track_bfd {\n        x weight -60\n    }\n";
    let first = [session("x", "10.9.0.2", &format!("{LINES}; ttl 200")), instance(150, weighted)].concat();
    let second = |ttl: u8| [session("x", "10.9.0.1", &format!("{LINES}; ttl {ttl}")), instance(100, "")].concat();
    bench.start(0, &first);
    bench.start(1, &second(200));
    bench.wait_up(0, "x");
    bench.wait_up(1, "x");
    let master = |bench: &Bench, server: usize| is_master(&bench.snapshot(server).instances[0]);
    wait_for("the preferred node has the address", 10, || master(&bench, 0) && !master(&bench, 1));
    assert_eq!(bench.session(0, "x").tracked_by, ["V"]);

    // From now on the second node wants 255, and so hears nothing any more.
    bench.reload(1, &second(255));
    wait_for("150 − 60 is less than 100", 5, || master(&bench, 1) && !master(&bench, 0));
    let silence = bench.changes(1, "x").into_iter().rfind(|e| e.text == "Up → Down").unwrap();
    assert!(silence.cause.as_ref().unwrap().starts_with("nothing heard for"), "{silence:?}");
    wait_for("packets are counted", 3, || bench.snapshot(1).bfd.refused.get("hop-limit").is_some_and(|n| *n > 3));
    let state = bench.snapshot(0).instances[0].clone();
    assert_eq!(state.effective_priority, 90, "{:?}", state.terms);
    let term = state.terms.iter().find(|t| t.label == "BFD x").unwrap();
    let why = "the neighbour says that the session is down: control detection time expired";
    let told = bench.changes(0, "x").into_iter().rfind(|e| e.text == "Up → Down").unwrap();
    assert_eq!(told.cause.as_deref(), Some(why));
    assert!(term.note.as_ref().is_some_and(|note| !note.starts_with("up")), "{term:?}");

    bench.reload(1, &second(200));
    wait_for("and back", 10, || master(&bench, 0) && !master(&bench, 1));
    bench.wait_up(1, "x");

    // Other intervals, another priority, another name: the session goes on.
    let (ups, downs) = (bench.session(0, "x").ups, bench.session(0, "x").downs);
    let other = [
        session("y", "10.9.0.2", "min_rx 80; min_tx 100; multiplier 4; ttl 200"),
        instance(149, &weighted.replace('x', "y")),
    ];
    bench.reload(0, &other.concat());
    wait_for("the new interval is agreed on", 5, || {
        let (ours, theirs) = (bench.snapshot(0), bench.session(1, "x"));
        let ours = ours.bfd.sessions.iter().find(|s| s.name == "y").map(|s| s.tx_interval);
        ours == Some(Duration::from_millis(100)) && theirs.detection == Some(Duration::from_millis(400))
    });
    let (ours, theirs) = (bench.session(0, "y"), bench.session(1, "x"));
    assert_eq!((ours.state, ours.ups, ours.downs), (BfdState::Up, ups, downs));
    assert_eq!((theirs.state, theirs.downs), (BfdState::Up, 1));
    assert!(master(&bench, 0));

    // The second node gives the session up: that is told, and moves nothing.
    bench.reload(1, &instance(100, ""));
    wait_for("the end is told", 5, || bench.session(0, "y").state == BfdState::Down);
    std::thread::sleep(Duration::from_millis(1500));
    let (session, state) = (bench.session(0, "y"), bench.snapshot(0).instances[0].clone());
    assert_eq!((session.good, session.cause.as_str()), (true, "the neighbour is administratively down"));
    assert_eq!((state.effective_priority, is_master(&state)), (149, true), "{:?}", state.terms);
}

#[test]
fn an_engine_that_is_started_again_keeps_its_role_although_its_sessions_begin_anew() {
    let Some(mut bench) = Bench::new() else { return };
    let tracked = "    track_bfd {\n        x\n    }\n";
    // The next engine may take its time on a busy machine.
    let slow = |priority| instance(priority, tracked).replace("advert_int 0.2", "advert_int 1");
    bench.start(0, &[session("x", "10.9.0.2", LINES), slow(150)].concat());
    bench.start(1, &[session("x", "10.9.0.1", LINES), slow(100)].concat());
    let master = |server: usize| is_master(&bench.snapshot(server).instances[0]);
    wait_for("the preferred node has the address", 10, || master(0) && !master(1));
    let before = bench.session(0, "x").discriminator;
    let changes = bench.snapshot(1).instances[0].transitions_total;
    let output = Command::new(PROGRAM).args(["restart", "--at"]).arg(bench.socket(0)).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    wait_for("another engine with another session", 10, || {
        let snapshot = status(&bench.socket(0));
        snapshot.is_some_and(|s| s.bfd.sessions[0].state == BfdState::Up && s.bfd.sessions[0].discriminator != before)
    });
    std::thread::sleep(Duration::from_millis(3500));
    assert!(master(0) && bench.session(0, "x").state == BfdState::Up);
    let other = bench.snapshot(1).instances[0].clone();
    assert_eq!(other.transitions_total, changes, "{:?}", other.transitions);
    assert!(!bench.events(0).iter().any(|e| e.text.contains("MASTER → ")), "{:?}", bench.events(0));
}
