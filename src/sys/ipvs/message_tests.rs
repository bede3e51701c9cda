//! Golden bytes (little endian, as ipvsadm 1.31 and Linux 6.1 exchange them) and properties.

use super::*;
use crate::kernel::Scheduler;
use proptest::prelude::*;

fn key(text: &str) -> ServiceKey {
    text.parse().unwrap()
}

fn service(scheduler: Scheduler, persistence: Option<u32>) -> Service {
    let persistence = persistence.map(|timeout| Persistence { timeout, granularity: 32, engine: None });
    Service { scheduler, persistence, ..Service::default() }
}

/// Words of four bytes.
fn hex(bytes: &[u8]) -> String {
    let words = bytes.chunks(4).map(|word| u32::from_be_bytes(word.try_into().unwrap()));
    words.map(|word| format!("{word:08x}")).collect::<Vec<_>>().join(" ")
}

fn sent(change: &Change) -> (Command, String) {
    let (command, attributes) = request(change).unwrap();
    (command, hex(attributes.as_bytes()))
}

#[test]
#[cfg(target_endian = "little")]
fn a_new_service_is_these_bytes() {
    let change = Change::AddService(key("tcp/192.0.2.10:80"), service(Scheduler::Wlc, Some(300)));
    let (command, bytes) = sent(&change);
    assert_eq!(command, Command::NewService);
    let expected = "54000180 06000100 02000000 06000200 06000000 14000300 c000020a 00000000 00000000 00000000 \
                    06000400 00500000 08000600 776c6300 0c000700 01000000 3d000000 08000800 2c010000 08000900 ffffffff";
    assert_eq!(bytes, expected);
}

#[test]
#[cfg(target_endian = "little")]
fn an_ipv6_service_has_a_prefix_length_for_a_mask() {
    let change = Change::EditService(key("udp/[2001:db8::1]:53"), service(Scheduler::Rr, None));
    let (command, bytes) = sent(&change);
    assert_eq!(command, Command::SetService);
    let expected = "54000180 06000100 0a000000 06000200 11000000 14000300 20010db8 00000000 00000000 00000001 \
                    06000400 00350000 07000600 72720000 0c000700 00000000 3d000000 08000800 00000000 08000900 80000000";
    assert_eq!(bytes, expected);
}

#[test]
#[cfg(target_endian = "little")]
fn a_new_destination_is_these_bytes() {
    let to = "10.0.0.11:8080".parse().unwrap();
    let how = Destination::new(Forwarding::Dr, 3);
    let (command, bytes) = sent(&Change::AddDestination(key("tcp/192.0.2.10:80"), to, how));
    assert_eq!(command, Command::NewDestination);
    let expected = "30000180 06000100 02000000 06000200 06000000 14000300 c000020a 00000000 00000000 00000000 \
                    06000400 00500000 \
                    48000280 14000100 0a00000b 00000000 00000000 00000000 06000200 1f900000 06000b00 02000000 \
                    08000300 03000000 08000400 03000000 08000500 00000000 08000600 00000000";
    assert_eq!(bytes, expected);
    let (command, bytes) = sent(&Change::RemoveDestination(key("tcp/192.0.2.10:80"), to));
    assert_eq!(command, Command::DelDestination);
    assert!(
        bytes.ends_with("28000280 14000100 0a00000b 00000000 00000000 00000000 06000200 1f900000 06000b00 02000000")
    );
}

#[test]
fn a_change_of_addresses_is_not_of_the_table() {
    let link = crate::net::LinkName::new("eth0").unwrap();
    let address = crate::kernel::Address::new(link, "10.0.0.9/24".parse().unwrap());
    assert!(request(&Change::AddAddress(address)).is_none());
}

/// What the kernel reports for a service that was written with these attributes, plus its own.
fn reported_service(key: &ServiceKey, how: &Service, stats: &Attributes, kind: u16) -> Attributes {
    let mut entry = described(key, how);
    entry.put_nested(kind, stats);
    let mut top = Attributes::default();
    top.put_nested(top::SERVICE, &entry);
    top
}

fn stats64(values: [u64; 5]) -> Attributes {
    let mut stats = Attributes::default();
    for (kind, value) in (1..).zip(values) {
        stats.put(kind, &value.to_ne_bytes());
    }
    stats
}

fn stats32(connections: u32) -> Attributes {
    let mut stats = Attributes::default();
    stats.put_u32(1, connections).put_u32(2, 2).put_u32(3, 3);
    stats.put(4, &4u64.to_ne_bytes()).put(5, &5u64.to_ne_bytes());
    stats
}

#[test]
fn a_service_is_read_back_with_its_counters() {
    let key = key("tcp/192.0.2.10:80");
    let how = service(Scheduler::Sh, Some(50));
    let many = u64::from(u32::MAX) + 7;
    let answer = reported_service(&key, &how, &stats64([many, 2, 3, 4, 5]), service::STATS64);
    let (seen, observed) = read_service(answer.as_bytes()).unwrap().unwrap();
    assert_eq!((seen, observed.scheduler.as_str()), (key, "sh"));
    assert_eq!(observed.persistence, how.persistence);
    assert_eq!(observed.counters.connections, many);
    let older = reported_service(&key, &how, &stats32(9), service::STATS);
    let (_, observed) = read_service(older.as_bytes()).unwrap().unwrap();
    assert_eq!((observed.counters.connections, observed.counters.bytes_out), (9, 5));
}

#[test]
fn a_service_by_firewall_mark_has_no_address() {
    let (command, bytes) = sent(&Change::RemoveService(key("fwmark6/7")));
    assert_eq!(command, Command::DelService);
    assert_eq!(bytes, "14000180 06000100 0a000000 08000500 07000000");
}

#[test]
fn a_service_of_another_protocol_is_left_out() {
    let mut entry = Attributes::default();
    entry.put_u16(service::FAMILY, 2).put_u16(service::PROTOCOL, 50);
    let mut top = Attributes::default();
    top.put_nested(top::SERVICE, &entry);
    assert_eq!(read_service(top.as_bytes()), Ok(None));
}

#[test]
fn a_mask_is_that_many_ones() {
    assert_eq!([mask(0), mask(1), mask(24), mask(32)], [[0; 4], [128, 0, 0, 0], [255, 255, 255, 0], [255; 4]]);
}

fn reported_destination(to: &DestinationKey, forwarding: u32, weight: u32) -> Attributes {
    let mut entry = destination_entry(to, None);
    entry
        .put_u32(destination::FORWARDING, forwarding)
        .put_u32(destination::WEIGHT, weight)
        .put_u32(destination::ACTIVE, 4)
        .put_u32(destination::INACTIVE, 5)
        .put_u32(destination::PERSISTENT, 6)
        .put_nested(destination::STATS64, &stats64([1, 2, 3, 4, 5]));
    let mut top = Attributes::default();
    top.put_nested(top::DESTINATION, &entry);
    top
}

#[test]
fn a_destination_is_read_back_and_a_foreign_method_is_none() {
    let to: DestinationKey = "10.0.0.11:80".parse().unwrap();
    let of = Family::V4;
    let (seen, observed) = read_destination(reported_destination(&to, 3, 7).as_bytes(), of).unwrap();
    assert_eq!((seen, observed.forwarding, observed.weight), (to, Some(Forwarding::Dr), 7));
    assert_eq!((observed.active, observed.inactive, observed.persistent), (4, 5, 6));
    assert_eq!(observed.counters.bytes_out, 5);
    let (_, old_tunnel) = read_destination(reported_destination(&to, 2, 1).as_bytes(), of).unwrap();
    assert_eq!(old_tunnel.forwarding, Some(Forwarding::Tun(Tunnel::Ipip)));
    let (_, bypass) = read_destination(reported_destination(&to, 4, 1).as_bytes(), of).unwrap();
    assert_eq!(bypass.forwarding, None);
    let (_, negative) = read_destination(reported_destination(&to, 0, u32::MAX).as_bytes(), of).unwrap();
    assert_eq!((negative.forwarding, negative.weight), (Some(Forwarding::Nat), 0));
}

proptest! {
    #[test]
    fn reading_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = read_service(&bytes);
        let _ = read_destination(&bytes, Family::V4);
    }

    #[test]
    fn a_mangled_answer_never_panics(at: prop::sample::Index, value: u8, keep: prop::sample::Index) {
        let how = service(Scheduler::Sh, Some(50));
        let answer = reported_service(&key("tcp/192.0.2.10:80"), &how, &stats32(9), service::STATS);
        let other = reported_destination(&"10.0.0.11:80".parse().unwrap(), 3, 7);
        for answer in [answer, other] {
            let mut bytes = answer.as_bytes().to_vec();
            let at = at.index(bytes.len());
            bytes[at] = value;
            bytes.truncate(keep.index(bytes.len() + 1));
            let _ = read_service(&bytes);
            let _ = read_destination(&bytes, Family::V4);
        }
    }

    #[test]
    fn a_service_that_was_written_is_read_back(key in key_strategy(), how in service_strategy()) {
        let how = Service { persistence: how.persistence.map(|p| Persistence {
            granularity: p.granularity.min(key.family().bits()), ..p
        }), ..how };
        let answer = reported_service(&key, &how, &stats64([1, 2, 3, 4, 5]), service::STATS64);
        let (seen, observed) = read_service(answer.as_bytes()).unwrap().unwrap();
        prop_assert_eq!(seen, key);
        prop_assert_eq!(
            (observed.scheduler.as_str(), observed.flags, observed.one_packet, observed.persistence),
            (how.scheduler.name(), how.flags, how.one_packet, how.persistence)
        );
    }

    #[test]
    fn a_destination_that_was_written_is_read_back(ip: IpAddr, port: u16, how in destination_strategy()) {
        let to = SocketAddr::new(ip, port);
        let mut entry = destination_entry(&to, Some(&how));
        entry.put_u32(destination::ACTIVE, 4).put_u32(destination::INACTIVE, 5).put_u32(destination::PERSISTENT, 6);
        entry.put_nested(destination::STATS64, &stats64([1, 2, 3, 4, 5]));
        let mut top = Attributes::default();
        top.put_nested(top::DESTINATION, &entry);
        let (seen, observed) = read_destination(top.as_bytes(), Family::V4).unwrap();
        prop_assert_eq!(seen, to);
        let ObservedDestination { forwarding, weight, upper, lower, persistent, .. } = observed;
        prop_assert_eq!(forwarding, Some(how.forwarding));
        prop_assert_eq!((weight, upper, lower, persistent), (how.weight, how.upper, how.lower, 6));
    }
}

fn key_strategy() -> impl Strategy<Value = ServiceKey> {
    let protocol = prop_oneof![Just(Protocol::Tcp), Just(Protocol::Udp), Just(Protocol::Sctp)];
    prop_oneof![
        (protocol, any::<IpAddr>(), any::<u16>())
            .prop_map(|(protocol, ip, port)| ServiceKey::new(protocol, SocketAddr::new(ip, port))),
        (1..u32::MAX, any::<bool>())
            .prop_map(|(mark, six)| ServiceKey::mark(mark, if six { Family::V6 } else { Family::V4 })),
    ]
}

fn service_strategy() -> impl Strategy<Value = Service> {
    let scheduler = prop::sample::select(Scheduler::ALL.to_vec());
    let engine = prop::option::of(Just("sip".to_owned()));
    let persistence = (any::<u32>(), 1..=128_u8, engine).prop_map(|(timeout, granularity, engine)| Persistence {
        timeout,
        granularity,
        engine,
    });
    let flags = any::<(bool, bool, bool)>().prop_map(|(first, second, third)| SchedulerFlags { first, second, third });
    (scheduler, flags, any::<bool>(), prop::option::of(persistence)).prop_map(
        |(scheduler, flags, one_packet, persistence)| Service {
            scheduler,
            flags,
            one_packet,
            persistence,
            destinations: BTreeMap::new(),
        },
    )
}

fn destination_strategy() -> impl Strategy<Value = Destination> {
    let checksum = prop::sample::select(vec![Checksum::No, Checksum::Yes, Checksum::Remote]);
    let tunnel = (any::<u16>(), checksum.clone()).prop_map(|(port, checksum)| Tunnel::Gue { port, checksum });
    let forwarding = prop_oneof![
        Just(Forwarding::Nat),
        Just(Forwarding::Dr),
        Just(Forwarding::Tun(Tunnel::Ipip)),
        tunnel.prop_map(Forwarding::Tun),
        checksum.prop_map(|checksum| Forwarding::Tun(Tunnel::Gre { checksum })),
    ];
    (forwarding, 0..i32::MAX.cast_unsigned(), any::<u32>(), any::<u32>())
        .prop_map(|(forwarding, weight, upper, lower)| Destination { forwarding, weight, upper, lower })
}
