//! Elections with keepalived that the priorities do not decide alone: equals, two owners, and intervals that differ. Either
//! program in either place, side by side.

use crate::able;
use crate::kinds::SECOND;
use crate::namespaces::{Pair, wait_for};
use crate::node::{Node, has, inject, packet_v2};
use crate::stage::Program::{self, Keepalived, Vipdeck};
use crate::stage::Stage;
use std::net::Ipv4Addr;
use std::process::Command;
use std::time::{Duration, Instant};
use vipdeck::status::Role;

const FIFTH: Duration = Duration::from_millis(200);
/// The server at the higher address stays.
const HIGHER: Option<[bool; 2]> = Some([false, true]);
const VIP: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 20);

// parity: 23 24 25
#[test]
fn equals_owners_and_other_intervals_elect_one_with_keepalived() {
    if !able() {
        return;
    }
    let equals = "priority 100";
    let owners = "priority 255\nstate MASTER";
    // keepalived 2.2.7 at the higher address drops to 254 as soon as it hears the other: who is heard first decides then.
    let meetings = [
        ([Vipdeck, Keepalived], equals, HIGHER),
        ([Keepalived, Vipdeck], equals, HIGHER),
        ([Vipdeck, Vipdeck], owners, HIGHER),
        ([Keepalived, Vipdeck], owners, HIGHER),
        ([Vipdeck, Keepalived], owners, None),
    ];
    std::thread::scope(|scope| {
        let mut threads: Vec<_> =
            meetings.map(|(programs, lines, stays)| scope.spawn(move || meet(programs, lines, stays))).into();
        threads.extend([Vipdeck, Keepalived].map(|master| scope.spawn(move || follow(master))));
        for thread in threads {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
    });
}

/// Both become master while they do not hear each other; then they do.
fn meet(programs: [Program; 2], lines: &str, stays: Option<[bool; 2]>) {
    let Some(stage) = Stage::new(programs) else { return };
    let port = |state: &str| {
        let set = ["-n", stage.switch(), "link", "set", "dev", "port1", "state", state];
        assert!(Command::new("bridge").args(set).status().unwrap().success(), "bridge {set:?}");
    };
    let vip = Ipv4Addr::new(192, 168, 10, 20);
    let holders = || [0, 1].map(|server| has(stage.namespace(server), vip));
    port("0");
    let text = format!(
        "vrrp_instance VI_1 {{\ninterface eth0\nvirtual_router_id 51\nversion 3\nadvert_int 0.2\n{lines}\n\
         virtual_ipaddress {{\n{vip}\n}}\n}}\n"
    );
    let from = Instant::now();
    let nodes = [0, 1].map(|server| {
        Node::start(programs[server], stage.namespace(server), stage.directory(), &format!("node{server}"), &text)
    });
    wait_for("each is master on its own", 8, || holders() == [true, true]);
    let alone = from.elapsed();
    port("3");
    let is_settled = |holders: [bool; 2]| holders[0] != holders[1] && stays.is_none_or(|stays| holders == stays);
    wait_for("one yields", 8, || is_settled(holders()));
    std::thread::sleep(FIFTH * 6);
    assert!(is_settled(holders()), "{programs:?}, {lines:?}: {:?}", holders());
    eprintln!("measured: {lines:?}, {programs:?}: both were master after {alone:?}");
    for node in nodes {
        node.stop();
    }
}

/// A standby counts in the interval of its master; version 2 knows one only.
fn follow(master: Program) {
    let Some(pair) = Pair::new() else { return };
    let directory = tempfile::tempdir().unwrap();
    let text = |priority, lines: &str| {
        format!(
            "vrrp_instance VI_1 {{\ninterface eth0\nvirtual_router_id 51\npriority {priority}\n{lines}\n\
             virtual_ipaddress {{\n{VIP}\n}}\n}}\n"
        )
    };
    let start = |program, namespace, name, priority, lines| {
        Node::start(program, namespace, directory.path(), name, &text(priority, lines))
    };
    let a = start(master, &pair.a, "a", 150, "version 3\nadvert_int 0.1");
    wait_for("the preferred one takes it", 10, || has(&pair.a, VIP));
    let b = start(master.other(), &pair.b, "b", 100, "version 3\nadvert_int 1");
    std::thread::sleep(SECOND * 2);
    assert!(has(&pair.a, VIP) && !has(&pair.b, VIP));
    let from = Instant::now();
    if master == Vipdeck {
        a.kill();
    } else {
        assert_eq!(b.instance().master_down, Duration::from_micros(360_937), "0.3 s and the skew");
        // keepalived says goodbye; silence is vipdeck's to wait for.
        a.stop();
    }
    wait_for("the other one takes it", 3, || has(&pair.b, VIP));
    assert!(from.elapsed() < SECOND * 2, "not in its own interval of a second: {:?}", from.elapsed());
    if master == Keepalived {
        b.reload(&text(100, "version 2\nadvert_int 1"));
        let two_seconds = |vrid| {
            let mut packet = packet_v2((Ipv4Addr::new(10, 9, 0, 1), Ipv4Addr::new(224, 0, 0, 18)), vrid, VIP);
            // The interval, and the checksum less that one.
            packet[25] += 1;
            packet[27] -= 1;
            packet
        };
        inject(&pair.a, &vec![two_seconds((51, 200)); 3], Duration::from_millis(10));
        wait_for("another interval is counted", 3, || b.instance().packets.interval == 3);
        let instance = b.instance();
        assert!(instance.heard.is_empty() && instance.state != Role::Fault, "{instance:#?}");
        assert_eq!(b.told("its advert_int is 2 s, ours 1 s"), 1);
    }
}
