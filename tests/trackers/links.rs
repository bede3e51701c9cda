//! Interfaces: tracked, delayed, late.

use crate::{Bench, Role, instance, millis};

// parity: 55
#[test]
fn a_tracked_link_that_is_down_is_a_fault_or_takes_its_weight() {
    let Some(mut bench) = Bench::new() else { return };
    bench.pair.ip_a("link add eth1 type veth peer name eth2");
    bench.pair.ip_a("link set eth2 up");
    bench.pair.ip_a("link set eth1 up");
    let of = |entry: &str| format!("    track_interface {{\n        {entry}\n    }}\n");
    let instances = [
        instance(51, "eth0", 150, &of("eth1")),
        instance(52, "eth0", 150, &of("eth1 weight -60")),
        instance(53, "eth0", 150, &of("eth1 weight 60 reverse")),
    ];
    bench.write(&instances.concat());
    bench.start();
    let priorities = || [51, 52, 53].map(|vrid| bench.instance(vrid).effective_priority);
    bench.wait_for_master(51);
    bench.wait_for_master(52);
    assert_eq!(priorities(), [150, 150, 90]);
    bench.pair.ip_a("link set eth1 down");
    let fault = bench.wait_for_fault(51, 1);
    assert_eq!(fault.faults, ["interface eth1: down"]);
    assert_eq!(priorities(), [150, 90, 150]);
    assert!(crate::is_master(&bench.instance(52)), "nobody else is there");
    // The other end alone: no carrier.
    bench.pair.ip_a("link set eth1 up");
    bench.wait_for_master(51);
    bench.pair.ip_a("link set eth2 down");
    bench.wait_for_fault(51, 1);
    bench.pair.ip_a("link delete eth1");
    crate::wait_for("not there", 1, || bench.instance(51).faults == ["interface eth1: not there"]);
}

// parity: 41
#[test]
fn a_link_that_flaps_for_less_than_its_delay_is_not_seen_to_be_down() {
    let Some(mut bench) = Bench::new() else { return };
    // Ends with different numbers: the kernel tells of such a carrier at once, and of others once a second.
    bench.pair.ip_a("link add eth1 type veth peer name eth2");
    bench.pair.ip_a("address add 10.9.1.1/24 dev eth1");
    bench.pair.ip_a("link set eth2 up");
    bench.pair.ip_a("link set eth1 up");
    let slow = instance(51, "eth1", 150, "").replace("advert_int 0.1", "advert_int 0.4");
    bench.write(&format!("interface_up_down_delays {{\n    eth1 0.5 0.3\n}}\n{slow}"));
    bench.start();
    bench.wait_for_master(51);
    let before = bench.instance(51);
    for _ in 0..2 {
        bench.pair.ip_a("link set eth2 down");
        millis(250);
        bench.pair.ip_a("link set eth2 up");
        millis(400);
        let now = bench.instance(51);
        assert_eq!(
            (now.state, now.since, now.transitions_total),
            (Role::Master, before.since, before.transitions_total)
        );
    }
    assert!(bench.pair.ip_a("address show dev eth1").contains("10.9.0.51/24"));
    assert_eq!(bench.told("link", "eth1 is down: counts after 0.5 s"), 2);
    bench.pair.ip_a("link set eth2 down");
    millis(250);
    assert_eq!(bench.instance(51).state, Role::Master);
    let links = bench.snapshot().node.links;
    assert!(links.iter().any(|l| l.up == Some(false) && l.counts_at.is_some()), "what is, is shown: {links:?}");
    let fault = bench.wait_for_fault(51, 2);
    assert_eq!(fault.faults, ["eth1 is down"]);
    bench.pair.ip_a("link set eth2 up");
    bench.wait_for_master(51);
    let at = |role| bench.instance(51).transitions.iter().rev().find(|t| t.to == role).unwrap().at;
    assert!(at(Role::Backup).since(at(Role::Fault)) >= std::time::Duration::from_millis(300), "up counts late, too");
}

// parity: 40
#[test]
fn a_link_that_comes_late_is_used_and_one_that_is_deleted_is_a_fault() {
    let Some(mut bench) = Bench::new() else { return };
    bench.write(&format!("global_defs {{\n    dynamic_interfaces\n}}\n{}", instance(57, "eth7", 150, "")));
    bench.start();
    assert_eq!(bench.wait_for_fault(57, 2).faults, ["eth7 is not there"]);
    for kind in ["link add eth7 type veth peer name eth8", "link add eth7 link eth0 type macvlan mode bridge"] {
        bench.pair.ip_a(kind);
        bench.pair.ip_a("address add 10.9.0.77/24 dev eth7");
        if kind.contains("eth8") {
            bench.pair.ip_a("link set eth8 up");
        }
        bench.pair.ip_a("link set eth7 up");
        bench.wait_for_master(57);
        assert!(bench.pair.ip_a("address show dev eth7").contains("10.9.0.57/24"));
        assert!(bench.instance(57).adverts_sent > 0);
        bench.pair.ip_a("link delete eth7");
        assert_eq!(bench.wait_for_fault(57, 1).faults, ["eth7 is not there"]);
    }
}
