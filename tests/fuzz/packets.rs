//! What comes from the network and from the kernel.

use crate::fuzzer::fuzz;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;
use vipdeck::bfd::{self, Arrival, News, Sessions};
use vipdeck::conf::{self, Memory};
use vipdeck::engine::{Carrier, Engine, Input, Packet, Setup};
use vipdeck::kernel::Link;
use vipdeck::net::{Family, LinkName, Mac};
use vipdeck::status::{Dataplane, DataplaneKind};
use vipdeck::sys::ipvs::{destinations_in, services_in};
use vipdeck::time::Instant;
use vipdeck::vrrp::GROUP_V4;
use vipdeck::wire::ah::{self, TimeToLive};
use vipdeck::wire::bfd as wire_bfd;
use vipdeck::wire::checksum::checksum;
use vipdeck::wire::ipv4;
use vipdeck::wire::signed::{self, Stamp};
use vipdeck::wire::vrrp::{Advert, Auth, Body, Ends, append, decode, encode};

/// Both ways in which adverts are authenticated.
const AUTHENTICATED: &str = "vrrp_instance A {\ninterface eth0\nvirtual_router_id 51\nauthentication {\nauth_type \
                             AH\nauth_pass secret12\n}\nvirtual_ipaddress {\n192.168.10.20\n}\n}\nvrrp_instance B \
                             {\ninterface eth0\nvirtual_router_id 52\nversion 3\nauth_hmac {\nkey 1 \
                             0123456789abcdef0123456789abcdef\nanti_replay monotonic\n}\nvirtual_ipaddress \
                             {\n192.168.10.21\n}\n}\n";
const CONFIGURATION: &str = include_str!("../../assets/dual-master-dr/lvs1.conf");

const SENDER: Ipv4Addr = Ipv4Addr::new(192, 168, 10, 12);

fn adverts() -> Vec<Vec<u8>> {
    let advert = |vrid, priority, auth, addresses: &[[u8; 4]]| {
        let addresses = addresses.iter().map(|a| Ipv4Addr::from(*a).into()).collect();
        encode(&Advert { vrid, priority, body: Body::V2 { interval: 1, auth }, addresses }, ends())
    };
    let v3 = Advert { vrid: 51, priority: 100, body: Body::V3 { interval: 100 }, addresses: vec![GROUP_V4] };
    vec![
        encode(&v3, ends()),
        advert(51, 100, Auth::None, &[[192, 168, 10, 20]]),
        advert(51, 0, Auth::Simple(*b"1111\0\0\0\0"), &[[192, 168, 10, 20]]),
        advert(52, 255, Auth::Header, &[]),
        advert(53, 255, Auth::Other(3), &[]),
        advert(51, 150, Auth::Simple([0xff; 8]), &[[10, 0, 0, 1]; 255]),
        Vec::new(),
        vec![0x21],
        vec![0xff; 20],
        vec![0x21, 51, 100, 255, 0, 1, 0, 0],
    ]
}

fn ends() -> Ends {
    Ends::new(Ipv4Addr::new(192, 168, 10, 12).into(), GROUP_V4)
}

fn engine(configuration: &str) -> Engine {
    let (config, _, _) = conf::parse(Path::new("x"), &Memory::one("x", configuration));
    let dataplane = Dataplane { kind: DataplaneKind::None, note: None };
    let (host, config_path) = ("fuzz".to_owned(), "x".to_owned());
    let mut engine = Engine::new(Setup {
        config,
        host,
        config_path,
        pid: 1,
        guard: None,
        seed: 1,
        wall_zero_us: 0,
        dataplane,
        uptime: Duration::ZERO,
        lease: None,
        probe_addresses: true,
        legacy: None,
    });
    let addresses = BTreeMap::from([("192.168.10.11/24".parse().unwrap(), 0)]);
    let name = LinkName::new("eth0").unwrap();
    let link = Link { name, index: 2, up: true, mac: Some(Mac([2, 0, 0, 0, 0, 1])), mtu: 1500, addresses };
    let _ = engine.handle(Instant::ZERO, Input::Link(link));
    engine
}

/// So that more than the checksum is tried.
fn with_right_checksum(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let length = bytes.get(3).map_or(0, |count| 16 + 4 * usize::from(*count)).min(bytes.len());
    if length >= 8 {
        bytes[6..8].fill(0);
        let sum = checksum(&bytes[..length]).to_be_bytes();
        bytes[6..8].copy_from_slice(&sum);
    }
    bytes
}

#[test]
fn vrrp_packets_reach_the_engine() {
    let engine = engine(CONFIGURATION);
    fuzz("vrrp", &adverts(), |bytes| {
        for payload in [bytes.to_vec(), with_right_checksum(bytes)] {
            if let Ok(advert) = decode(&payload, ends()) {
                assert_eq!(decode(&encode(&advert, ends()), ends()).map(|a| a.addresses), Ok(advert.addresses));
            }
            let mut engine = engine.clone();
            let packet = |link: &str, ttl| {
                let (link, source) = (LinkName::new(link).unwrap(), Ipv4Addr::new(192, 168, 10, 12));
                Input::Packet(Packet {
                    link,
                    source: source.into(),
                    destination: GROUP_V4,
                    hop_limit: ttl,
                    carrier: Carrier::Vrrp,
                    payload: payload.clone(),
                })
            };
            let mut now = Instant::from_micros(1_000_000);
            for input in [packet("eth0", 255), packet("eth0", 1), packet("eth9", 255), Input::Deadline] {
                let _ = engine.handle(now, input);
                now = now + Duration::from_millis(700);
            }
            engine.take_events();
            engine.snapshot(now);
        }
    });
}

fn sessions() -> Sessions {
    let mut sessions = Sessions::new(1);
    let multihop = bfd::Spec { multihop: true, ..bfd::Spec::new("far", Ipv4Addr::new(192, 168, 10, 12).into()) };
    let near = bfd::Spec::new("near", Ipv4Addr::new(192, 168, 10, 12).into());
    let _ = sessions.need(Instant::ZERO, &[near, multihop]);
    sessions
}

#[test]
fn bfd_packets_reach_their_sessions() {
    let begun = sessions();
    let ours = match begun.status(Instant::ZERO) {
        News::Status { sessions, .. } => sessions[0].discriminator.to_be_bytes(),
        other => panic!("{other:?}"),
    };
    // Down, Init and Up with a poll; 50 ms, and the largest and smallest numbers.
    let packet = |flags: u8, yours: [u8; 4], us: [u8; 4]| {
        [&[0x20, flags, 3, 24, 0, 0, 0, 9][..], &yours, &us, &us, &[0; 4]].concat()
    };
    let corpus = vec![
        packet(0x40, [0; 4], [0, 0, 0xc3, 0x50]),
        packet(0x80, ours, [0, 0, 0, 1]),
        packet(0xe0, ours, [0xff; 4]),
        packet(0xd0, ours, [0; 4]),
        packet(0xc4, ours, [0; 4]),
        vec![0x20; 24],
        vec![0xff; 30],
        Vec::new(),
    ];
    fuzz("bfd", &corpus, |bytes| {
        if let Ok(control) = wire_bfd::decode(bytes) {
            assert_eq!(wire_bfd::decode(&wire_bfd::encode(&control)), Ok(control));
        }
        let mut sessions = begun.clone();
        let mut now = Instant::from_micros(1_000_000);
        for (hop_limit, multihop) in [(255, false), (255, false), (1, false), (255, true), (255, false)] {
            let (source, destination) =
                (Ipv4Addr::new(192, 168, 10, 12).into(), Ipv4Addr::new(192, 168, 10, 11).into());
            let arrival = Arrival { source, destination, hop_limit, multihop, payload: bytes };
            let _ = sessions.receive(now, &arrival);
            now = now + Duration::from_millis(40);
            let _ = sessions.expire(now);
            assert!(sessions.deadline().is_none_or(|next| next > now), "due again at once");
        }
    });
}

#[test]
fn ipv4_headers() {
    let header = ipv4::Header::advert(Ipv4Addr::new(10, 0, 0, 1), ipv4::VRRP_GROUP, 255);
    let mut corpus: Vec<_> = adverts().iter().map(|payload| ipv4::encode(&header, payload).unwrap()).collect();
    corpus.extend([vec![0x45; 20], vec![0x4f; 60], vec![0x45]]);
    fuzz("ipv4", &corpus, |bytes| {
        let right = with_right_header(bytes);
        for packet in [bytes, &right] {
            if let Ok((_, payload)) = ipv4::decode(packet) {
                assert!(payload.len() + 20 <= packet.len());
            }
        }
    });
}

/// Whole packets with authentication headers, and adverts with signatures; valid ones first.
fn authenticated() -> Vec<Vec<u8>> {
    let header = ipv4::Header { identification: 7, ..ipv4::Header::advert(SENDER, ipv4::VRRP_GROUP, 255) };
    let body = Body::V2 { interval: 1, auth: Auth::Header };
    let sealed = Advert { vrid: 51, priority: 200, body, addresses: vec![Ipv4Addr::new(192, 168, 10, 20).into()] };
    let sealed = encode(&sealed, ends());
    let sealed = |key| ah::encode(&header, 5, &sealed, key, TimeToLive::Covered).unwrap();
    let advert = Advert { vrid: 52, priority: 200, body: Body::V3 { interval: 100 }, addresses: vec![GROUP_V4] };
    let message = encode(&advert, ends());
    let signed = |key: &[u8]| {
        let mut message = message.clone();
        let trailer = signed::sign(&message, SENDER.into(), (1, key), Stamp(9));
        append(&mut message, &trailer, ends());
        message
    };
    let key = b"0123456789abcdef0123456789abcdef";
    vec![sealed(b"secret12"), sealed(b"secret13"), signed(key), signed(&[7; 32]), message, Vec::new(), vec![0x45; 64]]
}

#[test]
fn authenticated_packets_reach_the_engine() {
    let engine = engine(AUTHENTICATED);
    let heard = |carrier, payload: Vec<u8>| {
        let mut engine = engine.clone();
        let link = LinkName::new("eth0").unwrap();
        let packet = Packet { link, source: SENDER.into(), destination: GROUP_V4, hop_limit: 255, carrier, payload };
        let _ = engine.handle(Instant::from_micros(1_000_000), Input::Packet(packet));
        engine.snapshot(Instant::from_micros(1_000_000)).instances.iter().map(|i| i.adverts_heard).collect::<Vec<_>>()
    };
    let corpus = authenticated();
    assert_eq!(heard(Carrier::Ah, corpus[0].clone()), [1, 0], "the first example is valid");
    assert_eq!(heard(Carrier::Ah, corpus[1].clone()), [0, 0], "another key's is not");
    assert_eq!(heard(Carrier::Vrrp, corpus[2].clone()), [0, 1], "the signed one is valid");
    assert_eq!(heard(Carrier::Vrrp, corpus[3].clone()), [0, 0], "another key's is not");
    fuzz("authenticated", &corpus, |bytes| {
        for payload in [bytes.to_vec(), with_right_header(bytes), with_right_checksum(bytes)] {
            let is_kept = corpus.contains(&payload);
            for carrier in [Carrier::Ah, Carrier::Vrrp] {
                let accepted = heard(carrier, payload.clone());
                // A mutation has the right authentication if nothing that it covers has changed.
                assert!(is_kept || accepted == [0, 0] || is_covered_alike(&payload, &corpus), "{payload:02x?}");
            }
        }
    });
}

/// Whether a mutation differs from a valid packet in nothing that is authenticated.
fn is_covered_alike(payload: &[u8], corpus: &[Vec<u8>]) -> bool {
    let sealed = |packet: &[u8]| {
        let mut packet = packet.to_vec();
        packet.truncate(64);
        for at in [1, 6, 7, 10, 11].into_iter().filter(|at| *at < 64) {
            packet.get_mut(at).map(|byte| *byte = 0).unwrap_or_default();
        }
        packet
    };
    sealed(payload) == sealed(&corpus[0]) || payload.get(..40) == Some(&corpus[2][..])
}

/// The checksum of an IPv4 header made right.
fn with_right_header(bytes: &[u8]) -> Vec<u8> {
    let mut right = bytes.to_vec();
    let length = bytes.first().map_or(0, |b| usize::from(b & 15) * 4);
    if (20..=bytes.len()).contains(&length) {
        right[10..12].fill(0);
        let sum = checksum(&right[..length]).to_be_bytes();
        right[10..12].copy_from_slice(&sum);
    }
    right
}

/// One netlink attribute.
fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = [(4 + value.len() as u16).to_ne_bytes(), kind.to_ne_bytes()].concat();
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// One netlink message to request 5.
fn message(kind: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (16 + payload.len() as u32).to_ne_bytes().to_vec();
    bytes.extend([kind.to_ne_bytes(), 2_u16.to_ne_bytes()].concat());
    bytes.extend([5_u32.to_ne_bytes(), [0; 4]].concat());
    bytes.extend(payload);
    bytes
}

fn answers() -> Vec<Vec<u8>> {
    let number = |kind, n: u32| attribute(kind, &n.to_ne_bytes());
    let short = |kind, n: u16| attribute(kind, &n.to_ne_bytes());
    let counts: Vec<u8> = (1..=10).flat_map(|kind| attribute(kind, &9_u64.to_ne_bytes())).collect();
    let old: Vec<u8> =
        [number(1, 1), number(2, 2), number(3, 3), attribute(4, &[1; 8]), attribute(5, &[1; 8])].concat();
    let address = [&[192, 168, 10, 20][..], &[0; 12]].concat();
    let port = 80_u16.to_be_bytes();
    let service = |persistent: u32, stats: Vec<u8>| {
        let flags = [persistent.to_ne_bytes(), [0xff; 4]].concat();
        let names = [short(1, 2), short(2, 6), attribute(3, &address), attribute(4, &port)].concat();
        let how = [attribute(6, b"wlc\0"), attribute(7, &flags), number(8, 300), number(9, u32::MAX), stats].concat();
        attribute(0x8001, &[names, how].concat())
    };
    let real = |family: Vec<u8>| {
        let names = [attribute(1, &address), attribute(2, &port), number(3, 3), number(4, 1)].concat();
        let how = [number(7, 12), number(8, 31), family, attribute(0x800c, &counts)].concat();
        attribute(0x8002, &[names, how].concat())
    };
    let answer = |attributes: Vec<u8>| message(30, &[vec![8, 1, 0, 0], attributes].concat());
    let done = message(3, &[0; 4]);
    vec![
        [answer(service(0, attribute(0x800c, &counts))), answer(service(1, attribute(10, &old))), done.clone()]
            .concat(),
        [answer(real(short(11, 2))), answer(real(Vec::new())), done].concat(),
        answer(attribute(0x8001, &number(5, 7))),
        message(2, &(-3_i32).to_ne_bytes()),
        message(2, &i32::MIN.to_ne_bytes()),
        message(4, &[]),
        message(30, &[]),
        vec![0; 16],
        vec![0xff; 40],
        Vec::new(),
    ]
}

#[test]
fn ipvs_answers() {
    let corpus = answers();
    assert_eq!(services_in(&corpus[0], 5, 30).unwrap().len(), 2, "the first example is valid");
    assert_eq!(destinations_in(&corpus[1], 5, 30, Family::V4).unwrap().len(), 2, "and the second");
    fuzz("ipvs", &corpus, |bytes| {
        let _ = services_in(bytes, 5, 30);
        for of in [Family::V4, Family::V6] {
            let _ = destinations_in(bytes, 5, 30, of);
        }
    });
}
