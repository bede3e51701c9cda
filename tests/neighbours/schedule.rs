//! When and how often addresses are announced.

use crate::Node;
use crate::capture::{Frame, wall};
use crate::ear::Ear;
use crate::namespaces::{Pair, inside, run};
use socket2::{Domain, Protocol, Socket, Type};
use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV4};
use std::thread::sleep;
use std::time::Duration;
use vipdeck::wire::vrrp::{Advert, Auth, Body, Ends};
use vipdeck::wire::{arp, ipv4, ndisc, vrrp};

/// What a schedule's times may be off by on a busy machine.
const SLACK: Duration = Duration::from_millis(400);

fn announcement(frame: &Frame) -> Option<IpAddr> {
    let told = arp::claimed(&frame.bytes).filter(|c| c.is_announcement).map(|c| c.address.into());
    told.or_else(|| ndisc::claimed(&frame.bytes).filter(|c| c.is_announcement).map(|c| c.address.into()))
}

fn v4(last: u8) -> IpAddr {
    Ipv4Addr::new(10, 9, 0, last).into()
}

fn v6(last: u16) -> IpAddr {
    Ipv6Addr::new(0xfd00, 9, 0, 0, 0, 0, 0, last).into()
}

/// The announcements so far, each with its second after the first of all.
fn told(ear: &Ear) -> Vec<(Duration, IpAddr)> {
    let heard = ear.heard(announcement);
    let first = heard.first().expect("an announcement").0;
    heard.into_iter().map(|(at, address)| (at - first, address)).collect()
}

/// How many of an address there are in each set; a set ends with a pause of half a second.
fn sets(told: &[(Duration, IpAddr)], address: IpAddr) -> Vec<(Duration, usize)> {
    let mut sets: Vec<(Duration, Duration, usize)> = Vec::new();
    for (at, _) in told.iter().filter(|(_, of)| *of == address) {
        match sets.last_mut() {
            Some((_, last, count)) if *at - *last < Duration::from_millis(500) => (*last, *count) = (*at, *count + 1),
            _ => sets.push((*at, *at, 1)),
        }
    }
    sets.into_iter().map(|(begin, _, count)| (begin, count)).collect()
}

fn is_like(sets: &[(Duration, usize)], expected: &[(u64, usize)]) {
    let fits = |((at, count), (second, wanted)): (&(Duration, usize), &(u64, usize))| {
        let due = Duration::from_secs(*second);
        count == wanted && *at + SLACK / 4 >= due && *at <= due + SLACK
    };
    assert!(sets.len() >= expected.len() && sets.iter().zip(expected).all(fits), "{sets:?}, expected {expected:?}");
}

// parity: 48 49
#[test]
fn each_address_is_announced_in_sets_as_the_file_says() {
    let Some(pair) = Pair::new() else { return };
    let directory = tempfile::tempdir().unwrap();
    let ear = Ear::start(&pair.b);
    let instance = |id: u8, more: &str| {
        format!(
            "vrrp_instance VI_{id} {{\nstate MASTER\ninterface eth0\nvirtual_router_id {id}\npriority 255\n{more}\n}}\n"
        )
    };
    let text = instance(
        1,
        "virtual_ipaddress {\n10.9.0.21\n10.9.0.22\n}\nvirtual_ipaddress_excluded {\n10.9.0.23\nfd00:9::23\n}",
    ) + &instance(
        2,
        "garp_master_repeat 2\ngarp_master_delay 1\ngarp_master_refresh 2\ngarp_master_refresh_repeat 3\n\
         virtual_ipaddress {\n10.9.0.31\n}",
    ) + &instance(3, "garp_master_repeat 1\ngarp_master_delay 0\nvirtual_ipaddress {\n10.9.0.41\n}")
        + &instance(4, "virtual_ipaddress {\nfd00:9::51\n}");
    let _node = Node::start(&pair.a, directory.path(), "schedule", &text, &["VIPDECK_ENGINE__PROBE_ADDRESSES=false"]);
    sleep(Duration::from_millis(6500));
    let told = told(&ear);
    for address in [v4(21), v4(22), v4(23), v6(0x23), v6(0x51)] {
        is_like(&sets(&told, address), &[(0, 5), (5, 5)]);
    }
    is_like(&sets(&told, v4(31)), &[(0, 2), (1, 2), (3, 3), (5, 3)]);
    let once = sets(&told, v4(41));
    assert_eq!(once.iter().map(|(_, count)| *count).collect::<Vec<_>>(), [1], "no second set");
    // The second set finds all addresses there: round by round, in the order of the file, excluded ones last.
    let second = told.iter().filter(|(at, of)| *at > Duration::from_secs(4) && [v4(21), v4(22), v4(23)].contains(of));
    let order: Vec<_> = second.map(|(_, of)| *of).collect();
    assert_eq!(order, [v4(21), v4(22), v4(23)].repeat(5));
    let adverts = ear.heard(|f| f.advert().filter(|(_, a)| a.vrid == 1).map(|_| ()));
    let first = ear.heard(announcement)[0].0;
    assert!(adverts[0].0 <= first, "whoever is master says so before it tells the neighbours");
    let probes = ear.heard(|f| (f.bytes[12..14] == [8, 6] && f.bytes[28..32] == [0; 4]).then_some(()));
    assert_eq!(probes.len(), 0, "the setting turns probes off");
    eprintln!("measured: announcements of {} frames: sets of 5 now and 5 after 5 s, refresh as written", told.len());
}

// parity: 51
#[test]
fn a_limit_spaces_announcements_of_a_link_or_of_several_and_delays_no_advert() {
    let Some(pair) = Pair::new() else { return };
    for (link, number) in [("eth1", 1), ("eth2", 2)] {
        run(&["link", "add", link, "netns", &pair.a, "type", "veth", "peer", "name", link, "netns", &pair.b]);
        run(&["-n", &pair.a, "address", "add", &format!("10.8.{number}.1/24"), "dev", link]);
        for namespace in [&pair.a, &pair.b] {
            run(&["-n", namespace, "link", "set", link, "up"]);
        }
    }
    sleep(Duration::from_millis(300));
    let directory = tempfile::tempdir().unwrap();
    let ear = Ear::start(&pair.b);
    let mut text = String::from(
        "global_defs {\nvrrp_garp_interval 0.02\nvrrp_gna_interval 0.03\n}\n\
         garp_group {\ngarp_interval 0.05\ninterfaces {\neth0\neth1\n}\n}\n",
    );
    for (id, link, addresses) in [
        (1, "eth0", "10.9.0.21\n10.9.0.22"),
        (2, "eth1", "10.8.1.21"),
        (3, "eth2", "10.8.2.21\n10.8.2.22\n10.8.2.23"),
        (4, "eth2", "fd00:9::21\nfd00:9::22"),
    ] {
        write!(
            text,
            "vrrp_instance VI_{id} {{\nstate MASTER\ninterface {link}\nvirtual_router_id {id}\npriority 255\n\
             garp_master_delay 0\nvirtual_ipaddress {{\n{addresses}\n}}\n}}\n"
        )
        .unwrap();
    }
    let _node = Node::start(&pair.a, directory.path(), "paced", &text, &[]);
    sleep(Duration::from_millis(3200));
    let heard = ear.heard(announcement);
    let of = |prefix: &str| -> Vec<(Duration, IpAddr)> {
        heard.iter().filter(|(_, address)| address.to_string().starts_with(prefix)).copied().collect()
    };
    let grouped: Vec<_> =
        heard.iter().filter(|(_, a)| a.is_ipv4() && !a.to_string().starts_with("10.8.2.")).copied().collect();
    for (name, sent, interval, count) in [
        ("garp_group over eth0 and eth1", grouped, 50, 15),
        ("vrrp_garp_interval on eth2", of("10.8.2."), 20, 15),
        ("vrrp_gna_interval on eth2", of("fd00:"), 30, 10),
    ] {
        assert_eq!(sent.len(), count, "{name}: nothing is lost: {sent:?}");
        let gaps: Vec<_> = sent.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
        let (least, most) = (*gaps.iter().min().unwrap(), *gaps.iter().max().unwrap());
        // A busy machine may hold a send back after its moment, and then the next seems to come early.
        let early = gaps.iter().filter(|gap| **gap < Duration::from_millis(interval * 9 / 10)).count();
        let span = gaps.iter().sum::<Duration>();
        assert!(early <= count / 5, "{name}: {gaps:?}");
        assert!(span >= Duration::from_millis(interval * (count as u64 - 1) * 9 / 10), "{name}: {gaps:?}");
        eprintln!("measured: {name}: {count} announcements, {least:?} to {most:?} apart, limit {interval} ms");
        let mut addresses: Vec<_> = sent.iter().map(|(_, a)| *a).collect();
        addresses.truncate(count / 5);
        addresses.sort_unstable();
        addresses.dedup();
        assert_eq!(addresses.len(), count / 5, "{name}: each address once before any is told again");
    }
    for id in 1..=3 {
        let adverts = ear.heard(|f| f.advert().filter(|(_, a)| a.vrid == id).map(|_| ()));
        let worst = adverts.windows(2).map(|pair| pair[1].0 - pair[0].0).max().expect("adverts");
        assert!(worst < Duration::from_millis(1200), "VRID {id}: an advert came {worst:?} after the one before");
    }
}

/// An advert of a lower priority from the peer.
fn rival(namespace: &str, vrid: u8) -> Duration {
    inside(namespace, || {
        let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(255))).unwrap();
        socket.bind_device(Some(b"eth0")).unwrap();
        let source = Ipv4Addr::new(10, 9, 0, 2);
        let body = Body::V2 { interval: 1, auth: Auth::None };
        let advert = Advert { vrid, priority: 50, body, addresses: vec![v4(20 + vrid)] };
        let (source_ip, destination) = (IpAddr::from(source), IpAddr::from(ipv4::VRRP_GROUP));
        let payload = vrrp::encode(&advert, Ends::new(source_ip, destination));
        let packet = ipv4::encode(&ipv4::Header::advert(source, ipv4::VRRP_GROUP, 255), &payload).unwrap();
        let at = wall();
        socket.send_to(&packet, &SocketAddrV4::new(ipv4::VRRP_GROUP, 0).into()).unwrap();
        at
    })
}

// parity: 50
#[test]
fn after_a_rival_was_heard_and_mastership_kept_the_neighbours_are_told_again() {
    let Some(pair) = Pair::new() else { return };
    let directory = tempfile::tempdir().unwrap();
    let instance = |id: u8, more: &str| {
        format!(
            "vrrp_instance VI_{id} {{\nstate MASTER\ninterface eth0\nvirtual_router_id {id}\npriority 255\n\
             garp_master_delay 0\ngarp_lower_prio_delay 1\n{more}\nvirtual_ipaddress {{\n10.9.0.{}\n}}\n}}\n",
            20 + id
        )
    };
    let text = instance(1, "garp_lower_prio_repeat 3") + &instance(2, "lower_prio_no_advert");
    let _node = Node::start(&pair.a, directory.path(), "rival", &text, &[]);
    sleep(Duration::from_millis(1200));
    let ear = Ear::start(&pair.b);
    sleep(Duration::from_millis(100));
    let from = [1, 2].map(|vrid| rival(&pair.b, vrid));
    sleep(Duration::from_millis(1800));
    for (vrid, repeat) in [(1, 3), (2, 5)] {
        let since = from[usize::from(vrid) - 1];
        let mine = |f: &Frame| announcement(f).filter(|a| *a == v4(20 + vrid));
        let told: Vec<_> = ear.heard(mine).into_iter().map(|(at, a)| (at - since, a)).collect();
        let sets = sets(&told, v4(20 + vrid));
        assert_eq!(sets.iter().map(|(_, count)| *count).collect::<Vec<_>>(), [repeat, repeat], "{sets:?}");
        assert!(sets[0].0 < Duration::from_millis(50), "{sets:?}");
        is_like(&sets, &[(0, repeat), (1, repeat)]);
        let ours = |f: &Frame| f.advert().filter(|(from, a)| a.vrid == vrid && *from == Ipv4Addr::new(10, 9, 0, 1));
        let answer = ear.heard(ours).into_iter().map(|(at, _)| at).find(|at| *at >= since).map(|at| at - since);
        eprintln!("measured: a rival of VRID {vrid}: told again after {:?}, advert after {answer:?}", sets[0].0);
        if vrid == 1 {
            assert!(answer.is_some_and(|after| after < Duration::from_millis(50)), "{answer:?}");
        }
    }
    // Without an answer the next advert keeps its time: none within 50 ms unless it was due.
    let ours = ear.heard(|f| f.advert().filter(|(_, a)| a.vrid == 2 && a.priority == 255).map(|_| ()));
    let gaps: Vec<_> = ours.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    assert!(gaps.iter().all(|gap| *gap > Duration::from_millis(700)), "no advert besides its own: {gaps:?}");
}
