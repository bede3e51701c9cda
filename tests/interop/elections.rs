//! Elections with keepalived that the priorities do not decide alone: equals, two owners, and intervals that differ. Either
//! program in either place, side by side.

use crate::alone;
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
const VIP: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 20);

fn side_by_side<T: Copy + Sync + Send>(cases: &[T], journey: impl Fn(T) + Sync) {
    let Some(_alone) = alone() else { return };
    std::thread::scope(|scope| {
        let journey = &journey;
        let threads: Vec<_> = cases.iter().map(|case| scope.spawn(move || journey(*case))).collect();
        for thread in threads {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
    });
}

// parity: 23
#[test]
fn of_two_equal_masters_the_higher_address_stays() {
    let cases = [[Vipdeck, Keepalived], [Keepalived, Vipdeck]];
    side_by_side(&cases, |programs| meet(programs, "priority 100", [false, true]));
}

// parity: 24
#[test]
fn of_two_owners_the_higher_address_stays() {
    // keepalived 2.2.7 at the higher address drops to 254 before it has said anything.
    let cases = [
        ([Vipdeck, Vipdeck], [false, true]),
        ([Keepalived, Vipdeck], [false, true]),
        ([Vipdeck, Keepalived], [true, false]),
    ];
    side_by_side(&cases, |(programs, stays)| meet(programs, "priority 255\nstate MASTER", stays));
}

/// Both become master while they do not hear each other; then they do.
fn meet(programs: [Program; 2], lines: &str, stays: [bool; 2]) {
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
    wait_for("one yields", 5, || holders() == stays);
    std::thread::sleep(FIFTH * 6);
    assert_eq!(holders(), stays, "{programs:?}");
    eprintln!("measured: {lines:?}, {programs:?}: both were master after {alone:?}");
    for node in nodes {
        node.stop();
    }
}

// parity: 25
#[test]
fn a_standby_counts_in_the_interval_of_its_master_and_version_2_knows_one_only() {
    side_by_side(&[Vipdeck, Keepalived], |master| {
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
    });
}
