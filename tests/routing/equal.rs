//! One file, run by keepalived and by vipdeck: the kernel shows the same.

use crate::bench::Bench;
use crate::capture::Capture;
use crate::namespaces::wait_for;
use std::net::{IpAddr, Ipv4Addr};
use vipdeck::status::{KeptKind, Presence, Role};

const FILE: &str = include_str!("both.conf");
/// Who takes over, on the other host.
const RIVAL: &str = "vrrp_instance A {\n    interface eth0\n    virtual_router_id 9\n    version 3\n    priority 250\n    \
                     advert_int 0.1\n    virtual_ipaddress {\n        10.9.0.50\n    }\n}\n";
/// The last of what is set on becoming MASTER.
const LAST: &str = "from 2001:db8:3::1 lookup 1000";

// parity: 42 43 44
#[test]
fn the_same_file_gives_the_same_addresses_routes_and_rules() {
    let Some(bench) = Bench::new() else { return };
    let before = bench.listed();
    let settled = |what: &str| {
        wait_for(what, 20, || bench.ip("-6 rule show").contains(LAST));
        // Detection of duplicates where the file asks for it.
        wait_for(what, 20, || !bench.ip("-6 address show").contains("tentative"));
        bench.listed()
    };

    let keepalived = bench.keepalived(&bench.pair.a, FILE);
    let theirs = settled("keepalived is master");
    keepalived.stop();
    // keepalived 2.2.7 leaves an address with a peer behind.
    wait_for("keepalived has ended", 10, || bench.listed().len() == before.len() + 1);
    bench.ip("address delete 10.9.6.50 peer 10.9.6.51/32 dev eth0");
    wait_for("keepalived has removed all", 10, || bench.listed() == before);

    let capture = Capture::start(&bench.pair.b, "eth0", bench.directory.path(), "adverts");
    let vipdeck = bench.vipdeck(FILE);
    let ours = settled("vipdeck is master");
    let only = |these: &[String], those: &[String]| {
        these.iter().filter(|line| !those.contains(line)).cloned().collect::<Vec<_>>().join("\n")
    };
    assert_eq!(ours, theirs, "\nonly vipdeck:\n{}\nonly keepalived:\n{}", only(&ours, &theirs), only(&theirs, &ours));
    assert!(theirs.len() > before.len() + 80, "{theirs:#?}");
    let instance = bench.instance("A");
    assert_eq!((instance.state, instance.vips.len()), (Role::Master, 10));
    let count = |kind| instance.moves.iter().filter(|kept| kept.kind == kind).count();
    assert_eq!((count(KeptKind::Address), count(KeptKind::Route), count(KeptKind::Rule)), (9, 36, 23));
    let absent: Vec<_> = instance.moves.iter().filter(|kept| kept.present != Presence::Yes || !kept.wanted).collect();
    assert!(absent.is_empty(), "{absent:#?}");

    // What is excluded is there, and in no advert.
    let source = Ipv4Addr::new(10, 9, 0, 1);
    wait_for("an advert", 10, || !capture.adverts_of(source).is_empty());
    let advert = capture.frames().into_iter().find_map(|f| f.advert().filter(|(from, _)| *from == source)).unwrap().1;
    let announced: Vec<IpAddr> = instance.vips.iter().map(|vip| vip.net.addr()).collect();
    assert_eq!(advert.addresses, announced);
    drop(capture);

    // As BACKUP only what is static is left.
    let rival = bench.keepalived(&bench.pair.b, RIVAL);
    let statics = |line: &&String| ["10.3.", "10.40.", "10.41.", "10.42."].iter().any(|part| line.contains(part));
    let mut fixed: Vec<String> = ours.iter().filter(statics).cloned().collect();
    fixed.retain(|line| !line.contains("not from"));
    wait_for("vipdeck is backup, and what moves is gone", 20, || {
        bench.instance("A").state == Role::Backup
            && bench.listed().into_iter().filter(|line| !before.contains(line)).collect::<Vec<_>>() == fixed
    });
    rival.stop();
    bench.stop(vipdeck);
    assert_eq!(bench.listed(), before);
}
