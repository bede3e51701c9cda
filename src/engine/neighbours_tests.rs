//! Everyone is heard, within bounds.

use crate::conf::Config;
use crate::engine::{Carrier, Engine, Input, Packet, Setup};
use crate::kernel::{Address, Link};
use crate::net::{LinkName, Mac};
use crate::status::{AuthSeen, Dataplane, DataplaneKind, Neighbour};
use crate::time::{Duration, Instant};
use crate::vrrp::{GROUP_V4, Spec, Vrid};
use crate::wire::vrrp::{Advert, Auth, Body, Ends, encode};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

const SECOND: u64 = 1_000_000;
const V2: Body = Body::V2 { interval: 1, auth: Auth::None };

struct Bench {
    engine: Engine,
    now: Instant,
}

fn eth0() -> LinkName {
    LinkName::new("eth0").unwrap()
}

fn advert(vrid: u8, priority: u8, body: Body) -> Advert {
    Advert { vrid, priority, body, addresses: vec![IpAddr::from([10, 0, 1, 1])] }
}

fn packet(source: Ipv4Addr, advert: &Advert) -> Packet {
    let ends = Ends::new(source.into(), GROUP_V4);
    Packet {
        link: eth0(),
        source: source.into(),
        destination: GROUP_V4,
        hop_limit: 255,
        carrier: Carrier::Vrrp,
        payload: encode(advert, ends),
    }
}

fn peer(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, last)
}

impl Bench {
    /// A BACKUP with VRID 51 and one address on eth0, VRRPv2.
    fn new() -> Self {
        let mut spec = Spec::new("VI_1", eth0(), Vrid::new(51).unwrap());
        spec.addresses = vec![Address::new(eth0(), "10.0.1.1/32".parse().unwrap())];
        let mut engine = Engine::new(Setup {
            config: Config { instances: vec![spec], ..Config::default() },
            host: "node".into(),
            config_path: "test.conf".into(),
            pid: 1,
            guard: None,
            seed: 7,
            wall_zero_us: 0,
            dataplane: Dataplane { kind: DataplaneKind::None, note: None },
            uptime: Duration::ZERO,
            lease: Some(0),
            legacy: None,
            probe_addresses: false,
        });
        let link = Link {
            name: eth0(),
            index: 2,
            up: true,
            mac: Some(Mac([2, 0, 0, 0, 0, 1])),
            mtu: 1500,
            addresses: BTreeMap::from([("10.0.0.1/24".parse().unwrap(), 0)]),
        };
        drop(engine.handle(Instant::ZERO, Input::Link(link)));
        Self { engine, now: Instant::ZERO }
    }

    fn hear(&mut self, after_us: u64, packet: Packet) {
        self.now = self.now + Duration::from_micros(after_us);
        drop(self.engine.handle(self.now, Input::Packet(packet)));
    }

    fn neighbours(&mut self) -> Vec<Neighbour> {
        self.engine.snapshot(self.now).wire.neighbours
    }
}

#[test]
fn a_stranger_is_heard_with_all_it_says_and_its_vrid_is_taken() {
    let mut bench = Bench::new();
    bench.hear(0, packet(peer(9), &advert(1, 120, Body::V3 { interval: 50 })));
    bench.hear(SECOND / 2, packet(peer(9), &advert(1, 120, Body::V3 { interval: 50 })));
    let pass = Body::V2 { interval: 3, auth: Auth::Simple(*b"secret12") };
    bench.hear(0, packet(peer(8), &advert(2, 0, pass)));
    let wire = bench.engine.snapshot(bench.now).wire;
    let [first, second] = wire.neighbours.as_slice() else { panic!("{wire:#?}") };
    assert_eq!((first.vrid, first.address, first.version), (1, peer(9).into(), 3));
    assert_eq!((first.priority, first.interval, first.auth), (120, Duration::from_millis(500), AuthSeen::None));
    assert_eq!((first.adverts, first.lost, first.at), (2, 0, bench.now));
    assert_eq!((&first.instance, &first.conflict, first.addresses.len()), (&None, &None, 1));
    assert_eq!((second.priority, second.interval, second.auth), (0, Duration::from_secs(3), AuthSeen::Pass));
    let [link] = wire.links.as_slice() else { panic!("{wire:#?}") };
    assert_eq!((link.free_vrid, link.groups.as_slice()), (Some(3), [GROUP_V4].as_slice()));
}

#[test]
fn who_shares_our_vrid_counts_or_collides_and_says_why() {
    let mut bench = Bench::new();
    bench.hear(0, packet(peer(2), &advert(51, 150, V2)));
    bench.hear(0, packet(peer(3), &advert(51, 150, Body::V3 { interval: 100 })));
    let mut other = advert(51, 90, V2);
    other.addresses = vec![IpAddr::from([10, 0, 1, 77])];
    bench.hear(0, packet(peer(4), &other));
    let mut broken = packet(peer(5), &advert(51, 90, V2));
    broken.payload[6] ^= 1;
    bench.hear(0, broken);
    let heard = bench.neighbours();
    let [fits, version, addresses, checksum] = heard.as_slice() else { panic!("{heard:#?}") };
    assert!(heard.iter().all(|n| n.instance.as_deref() == Some("VI_1")));
    assert!(fits.counts && fits.conflict.is_none(), "{fits:#?}");
    let collides = |n: &Neighbour, why: &str| n.conflict.as_ref().is_some_and(|text| text.contains(why));
    assert!(!version.counts && collides(version, "it speaks VRRPv3, ours is VRRPv2"), "{version:#?}");
    assert!(addresses.counts && collides(addresses, "10.0.1.77 where ours are 10.0.1.1"), "{addresses:#?}");
    assert!(!checksum.counts && collides(checksum, "wrong checksum"), "{checksum:#?}");
}

#[test]
fn adverts_that_did_not_come_are_counted_and_a_silence_or_a_late_look_is_none() {
    let mut bench = Bench::new();
    let say = |bench: &mut Bench, after: u64| bench.hear(after, packet(peer(9), &advert(7, 120, V2)));
    let lost = |bench: &mut Bench| bench.neighbours()[0].lost;
    say(&mut bench, 0);
    say(&mut bench, SECOND);
    say(&mut bench, 3 * SECOND);
    assert_eq!(lost(&mut bench), 2);
    say(&mut bench, 60 * SECOND);
    assert_eq!(lost(&mut bench), 2, "a minute is no loss");
    // Seen late, and the next one in time.
    say(&mut bench, SECOND * 17 / 10);
    say(&mut bench, SECOND * 3 / 10);
    assert_eq!(lost(&mut bench), 2);
    bench.hear(SECOND, packet(peer(9), &advert(7, 0, V2)));
    say(&mut bench, 2 * SECOND);
    assert_eq!(lost(&mut bench), 2, "it had resigned");
}

#[expect(clippy::disallowed_methods, reason = "measures the time a flood takes")]
#[test]
fn a_flood_fills_the_table_once_is_counted_and_crowds_nobody_of_ours_out() {
    let mut bench = Bench::new();
    let flood: Vec<Packet> = (0..4000_u32)
        .map(|n| packet(Ipv4Addr::from_bits(0x0a80_0000 + n), &advert((n % 50 + 1) as u8, 100, V2)))
        .collect();
    let began = std::time::Instant::now();
    for round in 0..10_u8 {
        for packet in &flood {
            bench.hear(25, packet.clone());
        }
        bench.hear(0, packet(peer(2), &advert(51, 150, V2)));
        assert_eq!(bench.engine.snapshot(bench.now).instances[0].adverts_heard, u64::from(round) + 1);
    }
    let each = began.elapsed() / 40_010;
    let wire = bench.engine.snapshot(bench.now).wire;
    let strangers = wire.neighbours.iter().filter(|n| n.instance.is_none()).count();
    assert_eq!(strangers, 256);
    assert_eq!(wire.untold, 10 * (4000 - 256));
    assert!(wire.neighbours.iter().any(|n| n.address == IpAddr::from(peer(2)) && n.counts && n.adverts == 10));
    assert_eq!(wire.links[0].free_vrid, Some(52), "all fifty were heard, with or without room");
    // About a microsecond; a machine that is busy with other things gets fifty.
    assert!(each < std::time::Duration::from_micros(50), "{each:?} for one advert");
    // Who is silent gives way.
    bench.hear(61 * SECOND, packet(peer(9), &advert(99, 100, V2)));
    let heard = bench.neighbours();
    assert!(heard.iter().any(|n| n.vrid == 99) && heard.iter().any(|n| n.vrid == 51), "{heard:#?}");
}
