//! Packets made by hand and captured: what is refused and how often that is said, TTLs, checksums in every form,
//! neighbour advertisements, and three nodes that speak to each other alone.

use crate::able;
use crate::capture::Capture;
use crate::namespaces::{Pair, run, wait_for};
use crate::node::{Node, has, inject, packet, packet_v2, payload};
use crate::stage::{Program, Stage};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;
use vipdeck::status::Role;

const A: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
const B: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 2);
const VIP: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 20);
const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
const NOW: Duration = Duration::ZERO;

/// An instance of version 3, 0.2 s, with these lines and addresses.
fn text(priority: u8, lines: &str, vips: &str) -> String {
    format!(
        "global_defs {{\nlog_unknown_vrids\n}}\nvrrp_instance VI_1 {{\ninterface eth0\nvirtual_router_id 51\npriority \
         {priority}\nversion 3\nadvert_int 0.2\n{lines}\nvirtual_ipaddress {{\n{vips}\n}}\n}}\n"
    )
}

fn to_peer(own: Ipv4Addr, peer: &str, more: &str) -> String {
    format!("unicast_src_ip {own}\nunicast_peer {{\n{peer}\n}}\n{more}")
}

/// Each on a cable of its own, side by side: most of it is waiting.
// parity: 27 32 38 39
#[test]
fn what_comes_is_dropped_told_and_answered_as_it_should() {
    if !able() {
        return;
    }
    let journeys = [
        adverts_with_another_ttl_than_a_peer_may_have_are_dropped,
        each_cause_is_told_once_until_the_state_changes,
        nodes_with_other_addresses_elect_all_the_same,
        a_peer_that_sums_as_of_old_is_understood_and_answered_so,
    ];
    std::thread::scope(|scope| {
        for thread in journeys.map(|journey: fn()| scope.spawn(journey)) {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
    });
}

fn adverts_with_another_ttl_than_a_peer_may_have_are_dropped() {
    let Some(pair) = Pair::new() else { return };
    let directory = tempfile::tempdir().unwrap();
    let lines = to_peer(B, "10.9.0.1 min_ttl 250 max_ttl 254", "unicast_ttl 200");
    let text = text(100, &lines, "10.9.0.20");
    let node = Node::start(Program::Vipdeck, &pair.b, directory.path(), "b", &text);
    let capture = Capture::start(&pair.a, "eth0", directory.path(), "ttl");
    let advert = |ttl| packet((A, B), ttl, (51, 200), VIP);
    inject(&pair.a, &[advert(249), advert(255), advert(249), advert(252)], Duration::from_millis(20));
    wait_for("the good one is heard", 3, || node.instance().adverts_heard == 1);
    let instance = node.instance();
    assert_eq!((instance.packets.ttl, instance.adverts_refused), (3, 3), "{instance:#?}");
    assert_eq!(node.told("TTL 249, expected 250 to 254"), 1, "said once");
    wait_for("nobody else speaks", 5, || has(&pair.b, VIP));
    wait_for("adverts of its own", 3, || capture.adverts_of(B).len() > 2);
    for frame in capture.frames() {
        if let Some((header, _)) = payload(&frame.bytes).filter(|(header, _)| header.source == B) {
            assert_eq!((header.ttl, header.destination), (200, A));
        }
    }
}

fn each_cause_is_told_once_until_the_state_changes() {
    let Some(pair) = Pair::new() else { return };
    let directory = tempfile::tempdir().unwrap();
    let node = Node::start(Program::Vipdeck, &pair.b, directory.path(), "b", &text(100, "", "10.9.0.20"));
    let to_group = (A, GROUP);
    let repeated = |packet: Vec<u8>| inject(&pair.a, &vec![packet; 5], NOW);
    let keep = || inject(&pair.a, &[packet(to_group, 255, (51, 200), VIP)], NOW);
    keep();
    for vrid in [77, 78] {
        repeated(packet(to_group, 255, (vrid, 100), VIP));
    }
    wait_for("ten adverts of others", 3, || node.snapshot().counters.unknown_vrid == 10);
    assert_eq!((node.told("virtual_router_id 77"), node.told("virtual_router_id 78")), (1, 1));
    repeated(packet_v2(to_group, (51, 100), VIP));
    let mut wrong = packet(to_group, 255, (51, 100), VIP);
    wrong[26] ^= 1;
    repeated(wrong);
    repeated(packet(to_group, 254, (51, 100), VIP));
    wait_for("all are counted", 3, || node.instance().adverts_refused == 15);
    let packets = node.instance().packets;
    assert_eq!((packets.version, packets.checksum, packets.ttl), (5, 5, 5), "{packets:?}");
    let told = || (node.told("it speaks VRRPv2"), node.told("wrong checksum"), node.told("TTL 254"));
    wait_for("one line each", 2, || told() == (1, 1, 1));
    wait_for("nobody else speaks", 5, || node.instance().state == Role::Master);
    repeated(packet_v2(to_group, (51, 100), VIP));
    wait_for("as MASTER it is counted", 3, || node.instance().packets.version == 10);
    wait_for("told once more in another state", 2, || told() == (2, 1, 1));
}

fn nodes_with_other_addresses_elect_all_the_same() {
    let Some(pair) = Pair::new() else { return };
    let directory = tempfile::tempdir().unwrap();
    let start = |namespace, name, priority, vip| {
        Node::start(Program::Vipdeck, namespace, directory.path(), name, &text(priority, "", vip))
    };
    let a = start(&pair.a, "a", 150, "10.9.0.61");
    let b = start(&pair.b, "b", 100, "10.9.0.62");
    wait_for("the preferred one takes its address", 5, || has(&pair.a, [10, 9, 0, 61]));
    wait_for("the other one hears it", 5, || b.instance().adverts_heard > 5);
    let instance = b.instance();
    assert_eq!((instance.state, has(&pair.b, [10, 9, 0, 62])), (Role::Backup, false));
    assert_eq!(a.instance().state, Role::Master);
    assert_eq!(instance.adverts_refused, 0);
    let since = instance.transitions.last().unwrap().at;
    let told = |e: &&vipdeck::status::Event| e.text.contains("advertises other addresses") && e.at >= since;
    assert_eq!(b.events().iter().filter(told).count(), 1, "{:#?}", b.events());
    assert!(instance.packets.address_list >= 1, "{:?}", instance.packets);
    a.kill();
    wait_for("the other one takes its own", 3, || has(&pair.b, [10, 9, 0, 62]));
}

// parity: 39
#[test]
fn checksums_are_those_of_keepalived_in_each_setting() {
    if !able() {
        return;
    }
    let settings = ["", "old_unicast_checksum", "old_unicast_checksum never"];
    std::thread::scope(|scope| {
        let compared = settings.map(|setting| {
            scope.spawn(move || {
                let [ours, theirs] = [Program::Vipdeck, Program::Keepalived].map(|program| first(program, setting));
                assert_eq!(ours, theirs, "`{setting}`");
                let (header, message) = ours?;
                let destination = if setting == "old_unicast_checksum" { GROUP } else { header.destination };
                assert_eq!(sum(&message, Some((header.source, destination))), 0xffff, "`{setting}`");
                Some(())
            })
        });
        for compared in compared {
            compared.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
    });
    // Debian's keepalived does not know this one yet.
    if let Some((_, message)) = first(Program::Vipdeck, "v3_checksum_as_v2") {
        assert_eq!(sum(&message, None), 0xffff);
    }
}

/// The first advert a program sends to its only peer, with this line in its instance.
fn first(program: Program, setting: &str) -> Option<(vipdeck::wire::ipv4::Header, Vec<u8>)> {
    let pair = Pair::new()?;
    let directory = tempfile::tempdir().unwrap();
    let capture = Capture::start(&pair.b, "eth0", directory.path(), "peer");
    let text = text(100, &to_peer(A, "10.9.0.2", setting), "10.9.0.20").replace("log_unknown_vrids\n", "");
    let node = Node::start(program, &pair.a, directory.path(), "a", &text);
    let adverts = || capture.frames().iter().filter_map(|f| payload(&f.bytes)).collect::<Vec<_>>();
    wait_for("an advert", 10, || !adverts().is_empty());
    node.stop();
    let (header, message) = adverts().swap_remove(0);
    Some((vipdeck::wire::ipv4::Header { identification: 0, ..header }, message))
}

/// The one's complement sum of a message, with the pseudo-header between two ends (RFC 5798, 5.2.8): all ones.
fn sum(message: &[u8], ends: Option<(Ipv4Addr, Ipv4Addr)>) -> u32 {
    let mut covered = message.to_vec();
    if let Some((source, destination)) = ends {
        covered.extend([&source.octets()[..], &destination.octets(), &[0, 112]].concat());
        covered.extend((message.len() as u16).to_be_bytes());
    }
    let sum: u32 = covered.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
    (sum & 0xffff) + (sum >> 16)
}

fn a_peer_that_sums_as_of_old_is_understood_and_answered_so() {
    let Some(pair) = Pair::new() else { return };
    let directory = tempfile::tempdir().unwrap();
    let old =
        text(150, &to_peer(A, "10.9.0.2", "old_unicast_checksum"), "10.9.0.20").replace("log_unknown_vrids\n", "");
    let theirs = Node::start(Program::Keepalived, &pair.a, directory.path(), "a", &old);
    let ours = text(100, &to_peer(B, "10.9.0.1", ""), "10.9.0.20");
    let ours = Node::start(Program::Vipdeck, &pair.b, directory.path(), "b", &ours);
    let capture = Capture::start(&pair.a, "eth0", directory.path(), "old");
    wait_for("keepalived is MASTER and heard", 10, || has(&pair.a, VIP) && ours.instance().adverts_heard > 3);
    let instance = ours.instance();
    assert_eq!((instance.state, instance.adverts_refused), (Role::Backup, 0), "{instance:#?}");
    theirs.stop();
    let sent = |capture: &Capture| {
        capture.frames().iter().filter_map(|f| payload(&f.bytes)).filter(|(header, _)| header.source == B).count()
    };
    wait_for("it is handed over", 5, || has(&pair.b, VIP) && sent(&capture) > 1);
    for (header, message) in capture.frames().iter().filter_map(|f| payload(&f.bytes)) {
        assert_eq!(sum(&message, Some((header.source, GROUP))), 0xffff, "{header:?}");
    }
}

// parity: 49
#[test]
fn neighbour_advertisements_are_those_of_keepalived() {
    if !able() {
        return;
    }
    let [ours, theirs] = std::thread::scope(|scope| {
        let programs = [Program::Vipdeck, Program::Keepalived].map(|program| scope.spawn(move || advertised(program)));
        programs.map(|program| program.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    let Some(ours) = ours else { return };
    assert_eq!(Some(&ours), theirs.as_ref());
    eprintln!("the same from both: {ours:02x?}");
}

/// What a program tells the neighbours when it takes an IPv6 address over; each packet once, without what is the link's.
fn advertised(program: Program) -> Option<Vec<u8>> {
    let vip: IpAddr = "2001:db8::20".parse().unwrap();
    let pair = Pair::new()?;
    let shown = || run(&["-n", &pair.a, "-6", "-o", "address", "show", "dev", "eth0"]);
    wait_for("the link-local address", 5, || shown().contains("fe80") && !shown().contains("tentative"));
    let directory = tempfile::tempdir().unwrap();
    // Neighbour advertisements of the address.
    let filter = "icmp6 and ip6[40] = 136 and ip6[48:4] = 0x20010db8";
    let capture = Capture::of(&pair.b, "eth0", directory.path(), "neighbours", filter);
    let text = text(100, "", "2001:db8::20").replace("log_unknown_vrids\n", "");
    let node = Node::start(program, &pair.a, directory.path(), "a", &text);
    wait_for("it takes the address", 10, || has(&pair.a, vip));
    wait_for("five announcements", 5, || capture.frames().len() >= 5);
    node.stop();
    let mut packets: Vec<_> = capture.frames().into_iter().map(|f| f.bytes).collect();
    packets.truncate(5);
    packets.dedup();
    assert_eq!(packets.len(), 1, "all alike: {packets:02x?}");
    let packet = packets.remove(0);
    assert_eq!(packet[38..54], "ff02::1".parse::<std::net::Ipv6Addr>().unwrap().octets(), "to all nodes");
    assert_eq!((packet[21], packet[54], packet[58] & 0x20), (255, 136, 0x20), "hop limit, kind, override");
    assert_eq!(packet[62..78], "2001:db8::20".parse::<std::net::Ipv6Addr>().unwrap().octets(), "the target");
    // Without hardware addresses, the flow label and the checksum, which follow from the link.
    let kept = [&packet[18..22], &packet[38..56], &packet[58..80]].concat();
    Some(kept)
}

// parity: 31
#[test]
fn three_nodes_speak_to_each_other_alone() {
    if !able() {
        return;
    }
    let Some(stage) = Stage::new([Program::Vipdeck, Program::Vipdeck]) else { return };
    let node_at = |number: u8| Ipv4Addr::new(192, 168, 10, number);
    // The third node and a stranger are the switch itself.
    for number in [13, 14] {
        run(&["-n", stage.switch(), "address", "add", &format!("{}/24", node_at(number)), "dev", "br0"]);
    }
    let capture = Capture::of(stage.switch(), "br0", stage.directory(), "three", "ip proto 112 or ip proto 2");
    let seats = [
        (Program::Vipdeck, stage.namespace(0), "eth0", 11, 150),
        (Program::Vipdeck, stage.namespace(1), "eth0", 12, 100),
        (Program::Keepalived, stage.switch(), "br0", 13, 120),
    ];
    let start = |(program, namespace, link, own, priority): (Program, &str, &str, u8, u8)| {
        let peers: Vec<_> = [11, 12, 13].into_iter().filter(|n| *n != own).map(|n| node_at(n).to_string()).collect();
        let lines = to_peer(node_at(own), &peers.join("\n"), "check_unicast_src");
        let text = text(priority, &lines, "192.168.10.20").replace("interface eth0", &format!("interface {link}"));
        let text = text.replace("log_unknown_vrids\n", "");
        Node::start(program, namespace, stage.directory(), &format!("node{own}"), &text)
    };
    let holders = || {
        seats.map(|(_, namespace, link, ..)| {
            run(&["-n", namespace, "-o", "address", "show", "dev", link]).contains(" 192.168.10.20/")
        })
    };
    let [first, second, third] = seats.map(start);
    wait_for("the first is MASTER", 10, || holders() == [true, false, false]);
    // A stranger of a higher priority changes nothing.
    let stranger = packet((node_at(14), node_at(11)), 255, (51, 250), node_at(20));
    crate::node::inject_on("br0", stage.switch(), &vec![stranger; 3], NOW);
    wait_for("the stranger is refused", 3, || first.instance().packets.peer == 3);
    assert_eq!((first.told("check_unicast_src"), first.instance().state), (1, Role::Master));
    first.stop();
    wait_for("the next is keepalived", 5, || holders() == [false, false, true]);
    third.stop();
    wait_for("the last is vipdeck", 5, || holders() == [false, true, false]);
    second.stop();
    let headers: Vec<_> = capture.frames().iter().filter_map(|f| payload(&f.bytes)).map(|(header, _)| header).collect();
    assert!(headers.len() > 10, "{} adverts", headers.len());
    assert!(headers.iter().all(|h| !h.destination.is_multicast()), "no multicast: {headers:?}");
    let sources: std::collections::BTreeSet<_> = headers.iter().map(|h| h.source).collect();
    assert_eq!(sources.len(), 4, "three nodes and the stranger: {sources:?}");
}
