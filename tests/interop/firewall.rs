//! Who answers on a virtual address: `no_accept`, strict mode, owners. Real packets from the other end of a cable.

use crate::able;
use crate::engine::is_master;
use crate::namespaces::wait_for;
use crate::solo::Solo;
use vipdeck::status::Role;

/// An instance that is master at once, or nearly.
fn instance(id: u8, priority: u8, lines: &str, vips: &str) -> String {
    format!(
        "vrrp_instance V{id} {{\ninterface eth0\nversion 3\nadvert_int 0.1\nvirtual_router_id {id}\npriority {priority}\n\
         {lines}\nvirtual_ipaddress {{\n{vips}\n}}\n}}\n"
    )
}

// parity: 33 34
#[test]
fn a_master_that_does_not_own_its_addresses_answers_only_if_it_accepts() {
    if !able() {
        return;
    }
    let Some(mut solo) = Solo::new() else { return };
    solo.nft("add table ip keepalived");
    solo.start(
        &[
            instance(1, 150, "no_accept", "10.9.0.21/24"),
            instance(2, 150, "strict_mode", "10.9.0.22/24"),
            instance(3, 150, "strict_mode\naccept", "10.9.0.23/24"),
            instance(4, 255, "state MASTER\nno_accept", "10.9.0.24/24"),
            instance(5, 150, "", "10.9.0.25/24"),
            instance(6, 150, "no_accept", "fe80::26/64\n2001:db8::26/64"),
            instance(7, 150, "strict_mode\naccept", "fe80::27/64\n2001:db8::27/64"),
        ]
        .concat(),
    );
    solo.until("MASTER of all", is_master);
    for (address, answers) in [
        ("10.9.0.1", true),
        ("10.9.0.21", false),
        ("10.9.0.22", false),
        ("10.9.0.23", true),
        ("10.9.0.24", true),
        ("10.9.0.25", true),
        ("2001:db8::1", true),
        ("2001:db8::26", false),
        ("2001:db8::27", true),
    ] {
        assert_eq!(solo.pings(address), answers, "{address}");
    }
    // Routers of the link are found all the same.
    let neighbours = solo.pair.ip_b("neighbour show dev eth0");
    for address in ["10.9.0.21", "2001:db8::26"] {
        let line = neighbours.lines().find(|l| l.starts_with(&format!("{address} "))).unwrap_or_default();
        assert!(line.contains("lladdr"), "{address}: {neighbours}");
    }
    let of = |id: u8| solo.snapshot().instance(&format!("V{id}")).unwrap().firewall.clone();
    assert!(of(1).is_some_and(|f| f.in_force && f.table == "keepalived" && f.error.is_none()), "{:?}", of(1));
    assert_eq!((of(4), of(5)), (None, None));
    solo.stop();
    assert_eq!(solo.nft("list tables").trim(), "table ip keepalived", "ours is gone, keepalived's is not");
}

/// The table stands before the state that needs it, survives SIGKILL, and leaves when nothing needs it.
#[test]
fn the_table_is_there_before_the_address_and_goes_with_the_configuration() {
    if !able() {
        return;
    }
    let Some(mut solo) = Solo::new() else { return };
    let slow = instance(1, 100, "no_accept", "10.9.0.21/24").replace("advert_int 0.1", "advert_int 1");
    solo.start(&slow);
    wait_for("the table", 3, || solo.nft("list table inet keepalived").contains("10.9.0.21"));
    assert_eq!(solo.snapshot().instances[0].state, Role::Backup);
    assert!(!solo.pair.ip_a("address show dev eth0").contains("10.9.0.21"));
    solo.until("MASTER", is_master);
    solo.kill();
    let left = solo.nft("list table inet keepalived");
    assert!(left.contains("10.9.0.21"), "what stays keeps packets from an address that is about to leave: {left}");
    solo.start(&instance(1, 255, "state MASTER\nno_accept", "10.9.0.21/24"));
    solo.until("MASTER", is_master);
    wait_for("the former table is gone", 3, || solo.nft("list tables").is_empty());
    assert!(solo.pings("10.9.0.21"));
}

/// Nobody is left without an address for the sake of a rule.
#[test]
fn without_the_table_the_address_comes_and_an_alarm_with_it() {
    if !able() {
        return;
    }
    let Some(mut solo) = Solo::new() else { return };
    solo.nft("add table inet keepalived");
    solo.start(&instance(1, 150, "no_accept", "10.9.0.21/24"));
    solo.until("MASTER", is_master);
    let snapshot = solo.snapshot();
    let firewall = snapshot.instances[0].firewall.clone().unwrap();
    assert!(!firewall.in_force && firewall.error.unwrap().contains("somebody else's"));
    assert!(snapshot.findings.iter().any(|f| f.kind == "firewall"), "{:?}", snapshot.findings);
    solo.nft("delete table inet keepalived");
    solo.until("it is set after all", |i| i.firewall.as_ref().is_some_and(|f| f.in_force));
    assert!(!solo.pings("10.9.0.21"));
}
