//! What asks whether a station takes packets for an address, and how it answers: TCP (RFC 9293) and UDP without a
//! socket, echoes (RFC 792, RFC 4443), and packets in packets (RFC 2003, RFC 2473).

use super::checksum::checksum;
use super::{arp, ndisc};
use crate::net::Mac;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The protocol numbers of IP.
pub const TCP: u8 = 6;
pub const UDP: u8 = 17;
/// A packet in a packet.
pub const IPV4: u8 = 4;
pub const IPV6: u8 = 41;
const ICMP: u8 = 1;
const ICMPV6: u8 = 58;

const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;
/// As much as anybody sends.
const WINDOW: u16 = 1024;
const HOPS: u8 = 64;

/// Between whom, of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    V4(Ipv4Addr, Ipv4Addr),
    V6(Ipv6Addr, Ipv6Addr),
}

impl Ends {
    /// From `source` to `destination`; none if they are of two families.
    pub const fn new(source: IpAddr, destination: IpAddr) -> Option<Self> {
        match (source, destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => Some(Self::V4(source, destination)),
            (IpAddr::V6(source), IpAddr::V6(destination)) => Some(Self::V6(source, destination)),
            _ => None,
        }
    }

    const fn ethertype(self) -> u16 {
        match self {
            Self::V4(..) => 0x0800,
            Self::V6(..) => ndisc::ETHERTYPE,
        }
    }

    /// What the checksums of TCP, UDP and ICMPv6 cover besides.
    fn pseudo(self, protocol: u8, length: u16) -> Vec<u8> {
        let tail = |length: u16| [[0, 0], length.to_be_bytes(), [0, 0], [0, protocol]].concat();
        match self {
            Self::V4(from, to) => [&from.octets()[..], &to.octets(), &[0, protocol], &length.to_be_bytes()].concat(),
            Self::V6(from, to) => [&from.octets()[..], &to.octets(), &tail(length)].concat(),
        }
    }
}

/// A TCP segment that asks for a connection.
pub fn syn(ends: Ends, ports: (u16, u16), sequence: u32) -> Vec<u8> {
    segment(ends, ports, (sequence, 0), SYN)
}

/// A TCP segment that ends one.
pub fn reset(ends: Ends, ports: (u16, u16), sequence: u32) -> Vec<u8> {
    segment(ends, ports, (sequence, 0), RST)
}

fn segment(ends: Ends, ports: (u16, u16), (sequence, acknowledged): (u32, u32), flags: u8) -> Vec<u8> {
    let mut segment = [ports.0.to_be_bytes(), ports.1.to_be_bytes()].concat();
    segment.extend(sequence.to_be_bytes());
    segment.extend(acknowledged.to_be_bytes());
    // Five words of header.
    segment.extend([0x50, flags]);
    segment.extend(WINDOW.to_be_bytes());
    segment.extend([0; 4]);
    packet(ends, TCP, sealed(segment, 16, &ends.pseudo(TCP, 20)))
}

/// An empty UDP datagram.
pub fn datagram(ends: Ends, ports: (u16, u16)) -> Vec<u8> {
    let head = [ports.0.to_be_bytes(), ports.1.to_be_bytes(), [0, 8], [0, 0]].concat();
    packet(ends, UDP, sealed(head, 6, &ends.pseudo(UDP, 8)))
}

/// An echo request.
pub fn echo(ends: Ends, identifier: u16, sequence: u16) -> Vec<u8> {
    let (kind, protocol) = match ends {
        Ends::V4(..) => (8, ICMP),
        Ends::V6(..) => (128, ICMPV6),
    };
    let mut message = vec![kind, 0, 0, 0];
    message.extend(identifier.to_be_bytes());
    message.extend(sequence.to_be_bytes());
    message.extend(*b"vipdeck verify: does the VIP answer?");
    let pseudo = match ends {
        Ends::V4(..) => Vec::new(),
        Ends::V6(..) => ends.pseudo(ICMPV6, message.len() as u16),
    };
    packet(ends, protocol, sealed(message, 2, &pseudo))
}

/// The packet in one between `ends`.
pub fn wrapped(ends: Ends, packet_inside: &[u8]) -> Vec<u8> {
    let protocol = if packet_inside.first().is_some_and(|byte| byte >> 4 == 6) { IPV6 } else { IPV4 };
    packet(ends, protocol, packet_inside.to_vec())
}

/// The Ethernet frame of a packet.
pub fn frame(from: Mac, to: Mac, packet: &[u8]) -> Vec<u8> {
    let ethertype = if packet.first().is_some_and(|byte| byte >> 4 == 6) { ndisc::ETHERTYPE } else { 0x0800 };
    [&to.0[..], &from.0, &ethertype.to_be_bytes(), packet].concat()
}

/// "Who has `address`?", asked by `source`, to whom the answer goes (RFC 826).
pub fn question(mac: Mac, source: Ipv4Addr, address: Ipv4Addr) -> Vec<u8> {
    let mut frame = arp::probe(mac, address).to_vec();
    if let Some(sender) = frame.get_mut(28..32) {
        sender.copy_from_slice(&source.octets());
    }
    frame
}

/// "`address` is at `mac`", to one who asked (RFC 826).
pub fn reply(mac: Mac, address: Ipv4Addr, (to_mac, to): (Mac, Ipv4Addr)) -> Vec<u8> {
    let kind = [0, 1, 8, 0, 6, 4, 0, 2];
    let ethertype = arp::ETHERTYPE.to_be_bytes();
    let parts: [&[u8]; 8] = [&to_mac.0, &mac.0, &ethertype, &kind, &mac.0, &address.octets(), &to_mac.0, &to.octets()];
    parts.concat()
}

/// Fills in the checksum at `at`, over the message and `pseudo`.
fn sealed(mut message: Vec<u8>, at: usize, pseudo: &[u8]) -> Vec<u8> {
    let sum = match checksum(&[pseudo, &message].concat()) {
        // For UDP zero means none.
        0 => 0xffff,
        sum => sum,
    };
    if let Some(field) = message.get_mut(at..at + 2) {
        field.copy_from_slice(&sum.to_be_bytes());
    }
    message
}

fn packet(ends: Ends, protocol: u8, payload: Vec<u8>) -> Vec<u8> {
    let length = payload.len() as u16;
    let mut packet = match ends {
        Ends::V4(from, to) => {
            let mut head = vec![0x45, 0];
            head.extend((length + 20).to_be_bytes());
            // Not in pieces.
            head.extend([0, 0, 0x40, 0, HOPS, protocol, 0, 0]);
            head.extend(from.octets());
            head.extend(to.octets());
            let sum = checksum(&head).to_be_bytes();
            if let Some(field) = head.get_mut(10..12) {
                field.copy_from_slice(&sum);
            }
            head
        }
        Ends::V6(from, to) => {
            let mut head = vec![0x60, 0, 0, 0];
            head.extend(length.to_be_bytes());
            head.extend([protocol, HOPS]);
            head.extend(from.octets());
            head.extend(to.octets());
            head
        }
    };
    packet.extend(payload);
    packet
}

/// A packet as somebody sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// The station that put it on the link.
    pub mac: Mac,
    pub from: IpAddr,
    pub to: IpAddr,
    pub what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A TCP segment with both flags: the port is open.
    Accepted { ports: (u16, u16), acknowledged: u32 },
    /// A TCP segment that refuses.
    Refused { ports: (u16, u16) },
    /// One that asks: ours, forwarded.
    Asked { ports: (u16, u16) },
    /// A datagram.
    Datagram { ports: (u16, u16) },
    /// An answer to an echo request.
    Echoed { identifier: u16, sequence: u16 },
    /// The request itself: ours, forwarded.
    EchoAsked { identifier: u16, sequence: u16 },
    /// ICMP says that a packet was not taken.
    Undeliverable { reason: Undeliverable, of: Quoted },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undeliverable {
    Port,
    /// No such protocol, or no such next header.
    Protocol,
    /// By a rule.
    Prohibited,
    Other,
}

/// The packet that was not taken, as ICMP quotes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quoted {
    pub to: IpAddr,
    pub protocol: u8,
    /// The first four bytes behind its header: for TCP and UDP, the ports.
    pub ports: (u16, u16),
}

/// What a frame says, if it is an answer that counts here.
pub fn heard(frame: &[u8]) -> Option<Heard> {
    let (ethernet, bytes) = frame.split_first_chunk::<14>()?;
    let [_, _, _, _, _, _, mac @ .., kind1, kind0] = *ethernet;
    let (ends, protocol, payload) = opened(bytes, u16::from_be_bytes([kind1, kind0]))?;
    let (from, to): (IpAddr, IpAddr) = match ends {
        Ends::V4(from, to) => (from.into(), to.into()),
        Ends::V6(from, to) => (from.into(), to.into()),
    };
    let what = match protocol {
        TCP => tcp(payload)?,
        UDP => What::Datagram { ports: ports(payload)? },
        ICMP | ICMPV6 => icmp(payload, ends)?,
        _ => return None,
    };
    Some(Heard { mac: Mac(mac), from, to, what })
}

/// Of the packet in a frame of that type: between whom, the protocol, and what it carries.
fn opened(bytes: &[u8], ethertype: u16) -> Option<(Ends, u8, &[u8])> {
    match ethertype {
        0x0800 => {
            let (head, _) = bytes.split_first_chunk::<20>()?;
            let [version, _, _, _, _, _, _, _, _, protocol, _, _, a, b, c, d, e, f, g, h] = *head;
            let length = usize::from(version & 0x0f) * 4;
            let payload = bytes.get(length.max(20)..)?;
            let ends = Ends::V4(Ipv4Addr::new(a, b, c, d), Ipv4Addr::new(e, f, g, h));
            (version >> 4 == 4).then_some((ends, protocol, payload))
        }
        ndisc::ETHERTYPE => {
            let (head, payload) = bytes.split_first_chunk::<40>()?;
            let from: [u8; 16] = *head.get(8..24)?.first_chunk()?;
            let to: [u8; 16] = *head.get(24..40)?.first_chunk()?;
            let version = head.first()? >> 4;
            (version == 6).then_some((Ends::V6(from.into(), to.into()), *head.get(6)?, payload))
        }
        _ => None,
    }
}

fn ports(payload: &[u8]) -> Option<(u16, u16)> {
    let [a, b, c, d] = *payload.first_chunk()?;
    Some((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])))
}

fn tcp(payload: &[u8]) -> Option<What> {
    let ports = ports(payload)?;
    let [_, _, _, _, _, _, _, _, a, b, c, d, _, flags] = *payload.first_chunk()?;
    match flags & (SYN | RST | ACK) {
        SYN => Some(What::Asked { ports }),
        flags if flags & RST != 0 => Some(What::Refused { ports }),
        flags if flags == SYN | ACK => Some(What::Accepted { ports, acknowledged: u32::from_be_bytes([a, b, c, d]) }),
        _ => None,
    }
}

fn icmp(payload: &[u8], ends: Ends) -> Option<What> {
    let ([kind, code, _, _, a, b, c, d], rest) = payload.split_first_chunk::<8>()?;
    let (identifier, sequence) = (u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d]));
    let reason = match (ends, kind, code) {
        (Ends::V4(..), 0, 0) | (Ends::V6(..), 129, 0) => return Some(What::Echoed { identifier, sequence }),
        (Ends::V4(..), 8, 0) | (Ends::V6(..), 128, 0) => return Some(What::EchoAsked { identifier, sequence }),
        (Ends::V4(..), 3, 3) | (Ends::V6(..), 1, 4) => Undeliverable::Port,
        (Ends::V4(..), 3, 2) | (Ends::V6(..), 4, 1) => Undeliverable::Protocol,
        (Ends::V4(..), 3, 9 | 10 | 13) | (Ends::V6(..), 1, 1) => Undeliverable::Prohibited,
        (Ends::V4(..), 3, _) | (Ends::V6(..), 1, _) => Undeliverable::Other,
        _ => return None,
    };
    let (quoted, protocol, carried) = opened(rest, ends.ethertype())?;
    let to = match quoted {
        Ends::V4(_, to) => to.into(),
        Ends::V6(_, to) => to.into(),
    };
    Some(What::Undeliverable { reason, of: Quoted { to, protocol, ports: ports(carried)? } })
}

/// Who asks for what by ARP, if `frame` is a question with a sender address.
pub fn asks(frame: &[u8]) -> Option<(Mac, Ipv4Addr, Ipv4Addr)> {
    let claim = arp::claimed(frame)?;
    let [a, b, c, d] = *frame.get(38..)?.first_chunk()?;
    (frame.get(20..22)? == [0, 1]).then_some((claim.mac, claim.address, Ipv4Addr::new(a, b, c, d)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use etherparse::{NetSlice, SlicedPacket, TransportSlice};

    const A: Mac = Mac([2, 0, 0, 0, 0, 1]);
    const B: Mac = Mac([2, 0, 0, 0, 0, 2]);

    fn both() -> [Ends; 2] {
        let new = |a: &str, b: &str| Ends::new(a.parse().unwrap(), b.parse().unwrap()).unwrap();
        [new("192.0.2.1", "192.0.2.20"), new("2001:db8::1", "2001:db8::20")]
    }

    /// The sum over what a checksum covers, with it in place.
    fn sum(ends: Ends, protocol: u8, payload: &[u8]) -> u16 {
        checksum(&[ends.pseudo(protocol, payload.len() as u16), payload.to_vec()].concat())
    }

    #[test]
    fn etherparse_reads_what_is_sent_with_good_checksums() {
        for ends in both() {
            let bytes = frame(A, B, &syn(ends, (40000, 80), 7));
            let packet = SlicedPacket::from_ethernet(&bytes).unwrap();
            let Some(TransportSlice::Tcp(tcp)) = &packet.transport else { panic!("{packet:?}") };
            assert!(tcp.syn() && !tcp.ack() && tcp.sequence_number() == 7 && tcp.destination_port() == 80);
            assert_eq!(sum(ends, TCP, tcp.slice()), 0);
            if let Some(NetSlice::Ipv4(ip)) = &packet.net {
                assert_eq!(ip.header().header_checksum(), ip.header().to_header().calc_header_checksum());
            }
            let bytes = frame(A, B, &datagram(ends, (40000, 53)));
            let packet = SlicedPacket::from_ethernet(&bytes).unwrap();
            let Some(TransportSlice::Udp(udp)) = &packet.transport else { panic!("{packet:?}") };
            assert_eq!((udp.destination_port(), sum(ends, UDP, udp.slice())), (53, 0));
            let bytes = frame(A, B, &echo(ends, 9, 4));
            let packet = SlicedPacket::from_ethernet(&bytes).unwrap();
            match (&packet.net, &packet.transport) {
                (_, Some(TransportSlice::Icmpv4(icmp))) => assert_eq!(checksum(icmp.slice()), 0),
                (Some(NetSlice::Ipv6(ip)), Some(TransportSlice::Icmpv6(icmp))) => {
                    assert!(icmp.is_checksum_valid(ip.header().source(), ip.header().destination()));
                }
                _ => panic!("{packet:?}"),
            }
        }
    }

    #[test]
    fn what_is_sent_is_heard_as_a_question() {
        for ends in both() {
            let what = |packet: &[u8]| heard(&frame(A, B, packet)).unwrap();
            let asked = what(&syn(ends, (40000, 80), 7));
            assert_eq!((asked.mac, asked.what), (A, What::Asked { ports: (40000, 80) }));
            assert_eq!(what(&reset(ends, (1, 2), 3)).what, What::Refused { ports: (1, 2) });
            assert_eq!(what(&echo(ends, 9, 4)).what, What::EchoAsked { identifier: 9, sequence: 4 });
            assert_eq!(what(&datagram(ends, (1, 2))).what, What::Datagram { ports: (1, 2) });
            // A packet in a packet is nobody's answer.
            let inside = wrapped(ends, &syn(ends, (1, 2), 3));
            assert_eq!(heard(&frame(A, B, &inside)), None);
            let (_, protocol, payload) = opened(&inside, ends.ethertype()).unwrap();
            assert!([IPV4, IPV6].contains(&protocol) && payload == syn(ends, (1, 2), 3));
        }
    }

    #[test]
    fn icmp_quotes_what_was_not_taken() {
        let quoted = wrapped(both()[0], &syn(both()[0], (1, 2), 3));
        let mut message = vec![3, 2, 0, 0, 0, 0, 0, 0];
        message.extend(&quoted[..28]);
        let answer = heard(&frame(A, B, &packet(both()[0], ICMP, message))).unwrap();
        let What::Undeliverable { reason, of } = answer.what else { panic!("{answer:?}") };
        assert_eq!((reason, of.protocol, of.to), (Undeliverable::Protocol, IPV4, "192.0.2.20".parse().unwrap()));
    }

    #[test]
    fn a_question_by_arp_names_its_asker_and_an_answer_asks_nothing() {
        let (one, two) = (Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2));
        let asked = question(A, one, two);
        assert_eq!(asks(&asked), Some((A, one, two)));
        let answer = reply(B, two, (A, one));
        assert_eq!((asks(&answer), arp::claimed(&answer).map(|c| (c.mac, c.address))), (None, Some((B, two))));
        assert_eq!(asks(&arp::probe(A, two)), None, "a probe has no sender");
    }

    proptest::proptest! {
        #[test]
        fn reading_never_panics(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..150)) {
            let _ = (heard(&bytes), asks(&bytes));
        }
    }
}
