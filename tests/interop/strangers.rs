//! Routers that are none of ours, beside ours: FRR as the MASTER of our virtual router, keepalived with a VRID of its own
//! and with ours in another version. Each appears with what it says; a flood of others is counted to the last one.

use crate::able;
use crate::engine::status;
use crate::frr::{Bench, V3, VRRPD, ZEBRA};
use crate::namespaces::{inside_async, wait_for};
use crate::node::{Node, packet_v2};
use crate::programs::has;
use crate::stage::{ADDRESSES, Program};
use std::net::Ipv4Addr;
use std::time::Duration;
use vipdeck::net::LinkName;
use vipdeck::status::{AuthSeen, Neighbour, Role, Snapshot, Standing};
use vipdeck::sys::advert_socket::AdvertSocket;

/// FRR is preferred; keepalived is on its host.
const THEIRS: usize = 0;
const OURS: usize = 1;
/// VRRP's group.
const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);

const KEEPALIVED: &str = "vrrp_instance OWN {\ninterface eth0\nvirtual_router_id 2\npriority 90\nadvert_int 1\n\
    authentication {\nauth_type PASS\nauth_pass secret12\n}\nvirtual_ipaddress {\n192.168.10.77\n}\n}\n";

#[test]
fn frr_and_keepalived_appear_as_they_are_and_a_flood_is_counted_to_the_last_advert() {
    if !able() || !has(&[VRRPD, ZEBRA]) {
        return;
    }
    let Some(mut bench) = Bench::new(V3, OURS) else { return };
    bench.start(THEIRS);
    bench.start(OURS);
    let (namespace, directory) = (bench.stage.namespace(THEIRS).to_owned(), bench.stage.directory().to_owned());
    let keepalived = Node::start(Program::Keepalived, &namespace, &directory, "stranger", KEEPALIVED);
    let socket = bench.socket();
    let snapshot = || status(&socket).expect("the engine answers");
    wait_for("both are heard", 20, || {
        let snapshot = snapshot();
        heard(&snapshot, 2).is_some() && heard(&snapshot, 51).is_some_and(|n| n.adverts > 5)
    });

    let before = snapshot();
    let frr = heard(&before, 51).unwrap();
    assert_eq!((frr.address, frr.version, frr.priority), (ADDRESSES[THEIRS].into(), 3, 150));
    assert_eq!((frr.interval, frr.auth, frr.multicast), (Duration::from_millis(200), AuthSeen::None, true));
    assert_eq!(frr.addresses, [std::net::IpAddr::from(Ipv4Addr::new(192, 168, 10, 20))]);
    assert_eq!((frr.standing(before.age(frr.at)), frr.instance.as_deref()), (Standing::Fits, Some("VI_1")));
    let other = heard(&before, 2).unwrap();
    assert_eq!((other.version, other.priority, other.auth), (2, 90, AuthSeen::Pass), "{other:#?}");
    assert_eq!((other.standing(before.age(other.at)), &other.instance), (Standing::Heard, &None));
    assert_eq!(before.wire.links[0].free_vrid, Some(1));
    let transitions = before.instances[0].transitions_total;

    // Ten a millisecond of two thousand senders, and one who takes our VRID in another version.
    let mut flood: Vec<Vec<u8>> = (0..2000_u32)
        .map(|n| {
            let source = Ipv4Addr::from_bits(0x0a42_0000 + n);
            packet_v2((source, GROUP), ((100 + n % 50) as u8, 100), Ipv4Addr::new(10, 66, 9, 9))
        })
        .collect();
    let collides = packet_v2((Ipv4Addr::new(192, 168, 10, 99), GROUP), (51, 10), Ipv4Addr::new(192, 168, 10, 20));
    flood.push(collides);
    send(&namespace, &flood, 20_010);
    std::thread::sleep(Duration::from_millis(500));
    let after = snapshot();
    let strangers: u64 = after.wire.neighbours.iter().filter(|n| n.instance.is_none()).map(|n| n.adverts).sum();
    let unknown = after.counters.unknown_vrid;
    assert_eq!(strangers + after.wire.untold, unknown, "each is listed or counted");
    assert!(unknown - before.counters.unknown_vrid >= 20_000, "{unknown} of 20 000 arrived");
    assert!(after.wire.neighbours.len() <= 256 + 3, "{}", after.wire.neighbours.len());
    let intruder = after.wire.neighbours.iter().find(|n| n.address == Ipv4Addr::new(192, 168, 10, 99)).unwrap();
    assert_eq!(intruder.conflict.as_deref(), Some("it speaks VRRPv2, ours is VRRPv3; both may become MASTER"));
    // What counts was heard all the while.
    assert_eq!((after.instances[0].state, after.instances[0].transitions_total), (Role::Backup, transitions));
    let frr = heard(&after, 51).unwrap();
    assert!(frr.adverts > 10 && frr.lost <= 1, "{frr:#?}");
    eprintln!(
        "measured: {unknown} strangers' adverts, {} of them beyond the list; FRR: {} heard, {} lost",
        after.wire.untold, frr.adverts, frr.lost
    );
    keepalived.stop();
}

/// FRR's adverts for our VRID, or keepalived's for its own.
fn heard(snapshot: &Snapshot, vrid: u8) -> Option<&Neighbour> {
    snapshot.wire.neighbours.iter().find(|n| n.vrid == vrid && n.address == ADDRESSES[THEIRS])
}

/// So many packets, ten each millisecond.
fn send(namespace: &str, packets: &[Vec<u8>], count: usize) {
    inside_async(namespace, || async move {
        let index = nix::net::if_::if_nametoindex("eth0").unwrap();
        let socket = AdvertSocket::open(&LinkName::new("eth0").unwrap(), index, &[]).unwrap();
        for (number, packet) in packets.iter().cycle().take(count).enumerate() {
            socket.send(packet).unwrap();
            if number % 10 == 9 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    });
}
