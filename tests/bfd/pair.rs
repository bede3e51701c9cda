//! Two engines with a session between them: what it moves, and what does not touch it.

use crate::engine::is_master;
use crate::namespaces::wait_for;
use crate::{Bench, session};
use std::time::Duration;
use vipdeck::status::BfdState;

const LINES: &str = "min_rx 50; min_tx 50; multiplier 6";

fn instance(priority: u8, more: &str) -> String {
    format!(
        "vrrp_instance V {{\n    interface eth0\n    virtual_router_id 51\n    priority {priority}\n    advert_int 0.2\n    \
         version 3\n    virtual_ipaddress {{\n        10.9.0.20/24\n    }}\n{more}}}\n"
    )
}

// parity: 61
#[test]
fn a_session_that_ends_moves_the_addresses_by_its_weight_and_back_and_a_reload_leaves_it_alone() {
    let Some(mut bench) = Bench::new() else { return };
    let weighted = "    track_bfd {\n        x weight -60\n    }\n";
    let first = [session("x", "10.9.0.2", LINES), instance(150, weighted)].concat();
    let (with, without) = ([session("x", "10.9.0.1", LINES), instance(100, "")].concat(), instance(100, ""));
    bench.start(0, &first);
    bench.start(1, &with);
    bench.wait_up(0, "x");
    bench.wait_up(1, "x");
    let master = |bench: &Bench, server: usize| is_master(&bench.snapshot(server).instances[0]);
    wait_for("the preferred node has the address", 10, || master(&bench, 0) && !master(&bench, 1));
    assert_eq!(bench.session(0, "x").tracked_by, ["V"]);

    bench.reload(1, &without);
    wait_for("150 − 60 is less than 100", 5, || master(&bench, 1) && !master(&bench, 0));
    let state = bench.snapshot(0).instances[0].clone();
    assert_eq!(state.effective_priority, 90, "{:?}", state.terms);
    let down = bench.changes(0, "x").pop().unwrap();
    assert_eq!(
        (down.text.as_str(), down.cause.as_deref()),
        ("Up → Down", Some("the neighbour is administratively down"))
    );
    let term = state.terms.iter().find(|t| t.label == "BFD x").unwrap();
    assert_eq!(term.note.as_deref(), Some("down: the neighbour is administratively down"));

    bench.reload(1, &with);
    wait_for("and back", 8, || master(&bench, 0) && !master(&bench, 1));
    bench.wait_up(1, "x");

    // Other intervals, another priority, another name: the session goes on.
    let ups = bench.session(0, "x").ups;
    let other =
        [session("y", "10.9.0.2", "min_rx 80; min_tx 100; multiplier 4"), instance(149, &weighted.replace('x', "y"))];
    bench.reload(0, &other.concat());
    wait_for("the new interval is agreed on", 5, || {
        let (ours, theirs) = (bench.snapshot(0), bench.session(1, "x"));
        let ours = ours.bfd.sessions.iter().find(|s| s.name == "y").map(|s| s.tx_interval);
        ours == Some(Duration::from_millis(100)) && theirs.detection == Some(Duration::from_millis(400))
    });
    let (ours, theirs) = (bench.session(0, "y"), bench.session(1, "x"));
    assert_eq!((ours.state, ours.ups, ours.downs), (BfdState::Up, ups, ups - 1));
    assert_eq!((theirs.state, theirs.downs), (BfdState::Up, 0));
    assert!(master(&bench, 0));
}
