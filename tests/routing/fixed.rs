//! Static objects: they stand while the engine runs, and instances may depend on them.

use crate::bench::Bench;
use crate::namespaces::wait_for;
use std::time::{Duration, Instant};
use vipdeck::status::Role;

const FILE: &str = "track_group G {
    group {
        A
    }
}
static_ipaddress {
    10.3.0.1/24 dev eth1 track_group G
    10.3.1.1/24 dev eth0
}
static_routes {
    10.40.0.0/16 via 10.3.0.3 dev eth1 track_group G
    10.41.0.0/16 dev eth0
}
static_rules {
    from 10.42.0.0/16 table 41 preference 1042
}
vrrp_instance A {
    interface eth0
    virtual_router_id 9
    version 3
    advert_int 0.1
    priority 200
    virtual_ipaddress {
        10.9.0.50/24
    }
}
";

const REMOVALS: [(&str, &str, &str); 5] = [
    ("address delete 10.3.0.1/24 dev eth1", "address show dev eth1", "10.3.0.1/24"),
    ("address delete 10.3.1.1/24 dev eth0", "address show dev eth0", "10.3.1.1/24"),
    ("route delete 10.40.0.0/16", "route show", "10.40.0.0/16 via 10.3.0.3 dev eth1"),
    ("route delete 10.41.0.0/16", "route show", "10.41.0.0/16 dev eth0"),
    ("rule delete preference 1042", "rule show", "from 10.42.0.0/16 lookup 41"),
];

fn put_back(bench: &Bench, removals: &[(&str, &str, &str)]) {
    for (delete, show, what) in removals {
        wait_for(what, 10, || bench.ip(show).contains(what));
        bench.ip(delete);
        let since = Instant::now();
        wait_for(what, 10, || bench.ip(show).contains(what));
        let took = since.elapsed();
        assert!(took < Duration::from_secs(1), "{what} came back after {took:?}");
    }
}

// parity: 45
#[test]
fn static_objects_are_put_back_and_their_track_group_is_in_fault_without_them() {
    let Some(bench) = Bench::new() else { return };
    let before = bench.listed();
    // With its last address a link loses its routes without a word: keepalived does not notice.
    bench.ip("address add 10.3.9.1/24 dev eth1");
    let keepalived = bench.keepalived(&bench.pair.a, FILE);
    // It does not notice that a rule is gone, unless the rule names an interface.
    put_back(&bench, &REMOVALS[..4]);
    keepalived.stop();
    bench.ip("address delete 10.3.9.1/24 dev eth1");
    wait_for("keepalived has removed all", 10, || bench.listed() == before);

    let vipdeck = bench.vipdeck(FILE);
    let is = |state: Role| wait_for(&format!("{state}"), 10, || bench.instance("A").state == state);
    is(Role::Master);
    put_back(&bench, &REMOVALS);
    assert_eq!(bench.instance("A").state, Role::Master, "what is back at once is no fault");
    let first = bench.instance("A").transitions.iter().all(|t| t.to != Role::Fault);
    assert!(first, "{:?}", bench.instance("A").transitions);

    // The link of one of them is down.
    bench.ip("link set eth1 down");
    is(Role::Fault);
    let faults = bench.instance("A").faults.join("; ");
    assert!(faults.contains("(track_group G): eth1 is down"), "{faults}");
    // Nobody takes over: the addresses are kept for as long as somebody might.
    wait_for("the address is released", 10, || !bench.ip("address show dev eth0").contains("10.9.0.50"));
    bench.ip("link set eth1 up");
    is(Role::Master);

    // One cannot be put back: its place is taken by another that the kernel takes for the same.
    bench.ip("rule add blackhole preference 1");
    bench.ip("route delete 10.40.0.0/16");
    is(Role::Fault);
    let faults = bench.instance("A").faults.join("; ");
    assert!(faults.contains("static route 10.40.0.0/16 via 10.3.0.3 dev eth1 (track_group G): "), "{faults}");
    bench.ip("rule delete preference 1");
    is(Role::Master);
    bench.stop(vipdeck);
    // A link that came up just now still looks for another owner of its own address (RFC 4862, 5.4).
    wait_for("all is as it was", 10, || bench.listed() == before);
}

#[test]
fn a_link_that_routes_and_rules_need_is_tracked() {
    let Some(bench) = Bench::new() else { return };
    let file = "vrrp_instance A {
    interface eth0
    virtual_router_id 9
    priority 255
    state MASTER
    promote_secondaries
    virtual_ipaddress {
        10.9.0.50/24
    }
    virtual_routes {
        10.5.0.0/16 dev eth1
    }
}
";
    let sysctl = || std::fs::read_to_string("/proc/sys/net/ipv4/conf/eth0/promote_secondaries").unwrap();
    let promotes = || crate::namespaces::inside(&bench.pair.a, sysctl).trim().to_owned();
    assert_eq!(promotes(), "0");
    let vipdeck = bench.vipdeck(file);
    let is = |state: Role| wait_for(&format!("{state}"), 10, || bench.instance("A").state == state);
    is(Role::Master);
    wait_for("the route", 10, || bench.ip("route show").contains("10.5.0.0/16 dev eth1"));
    assert_eq!(promotes(), "1");
    bench.ip("link set eth1 down");
    is(Role::Fault);
    let faults = bench.instance("A").faults.join("; ");
    assert_eq!(faults, "eth1 is down; route 10.5.0.0/16 dev eth1 needs it");
    bench.ip("link set eth1 up");
    is(Role::Master);
    wait_for("the route", 10, || bench.ip("route show").contains("10.5.0.0/16 dev eth1"));
    bench.stop(vipdeck);
    assert_eq!(promotes(), "0");
}
