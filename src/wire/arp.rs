//! Gratuitous ARP and probes (RFC 5227, 2 and 3; RFC 826).

use crate::net::Mac;
use std::net::Ipv4Addr;

/// The length of an ARP announcement with its Ethernet header.
pub const ANNOUNCEMENT_LEN: usize = 42;
/// The Ethernet type of ARP.
pub const ETHERTYPE: u16 = 0x0806;

/// A request that nobody answers: "`address` is at `mac`", to all stations of the link. Sender and target address are
/// the same; the target hardware address, which receivers ignore, is all ones.
pub fn announcement(mac: Mac, address: Ipv4Addr) -> [u8; ANNOUNCEMENT_LEN] {
    let mut frame = [0; ANNOUNCEMENT_LEN];
    let parts: [&[u8]; 8] = [
        &Mac::BROADCAST.0,
        &mac.0,
        &ETHERTYPE.to_be_bytes(),
        // Ethernet, IPv4, address lengths 6 and 4, request.
        &[0, 1, 8, 0, 6, 4, 0, 1],
        &mac.0,
        &address.octets(),
        &Mac::BROADCAST.0,
        &address.octets(),
    ];
    for (to, from) in frame.iter_mut().zip(parts.into_iter().flatten()) {
        *to = *from;
    }
    frame
}

/// "Who has `address`?", asked by nobody in particular (RFC 5227, 2.1.1): the sender address is 0.0.0.0, so that no
/// station learns anything from it. Who has the address answers `mac` alone.
pub fn probe(mac: Mac, address: Ipv4Addr) -> [u8; ANNOUNCEMENT_LEN] {
    let mut frame = announcement(mac, address);
    let (sender, target_mac) = (28..32, 32..38);
    for zeroed in [sender, target_mac] {
        for octet in frame.iter_mut().take(zeroed.end).skip(zeroed.start) {
            *octet = 0;
        }
    }
    frame
}

/// Who says to be where, if `frame` is an ARP over Ethernet with a sender address.
pub fn claimed(frame: &[u8]) -> Option<Claim> {
    let (mac, sender, target) = parties(frame)?;
    (!sender.is_unspecified()).then_some(Claim { mac, address: sender, is_announcement: sender == target })
}

/// A station's word about where an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    pub mac: Mac,
    pub address: Ipv4Addr,
    /// Told to all, unasked: gratuitous ARP.
    pub is_announcement: bool,
}

/// Sender hardware address, sender and target address.
fn parties(frame: &[u8]) -> Option<(Mac, Ipv4Addr, Ipv4Addr)> {
    let (_destinations, rest) = frame.split_first_chunk::<12>()?;
    let (kind, rest) = rest.split_first_chunk::<8>()?;
    let (ethertype_arp, ethernet_ipv4) = ([0x08, 0x06], [0, 1, 8, 0, 6, 4]);
    if !kind.starts_with(&ethertype_arp) || !kind.ends_with(&ethernet_ipv4) {
        return None;
    }
    let (_operation, rest) = rest.split_first_chunk::<2>()?;
    let (mac, rest) = rest.split_first_chunk::<6>()?;
    let (sender, rest) = rest.split_first_chunk::<4>()?;
    let (_target_mac, rest) = rest.split_first_chunk::<6>()?;
    let (target, _) = rest.split_first_chunk::<4>()?;
    Some((Mac(*mac), Ipv4Addr::from(*sender), Ipv4Addr::from(*target)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use etherparse::{ArpOperation, EtherType, Ethernet2Header, SlicedPacket};

    #[test]
    fn etherparse_reads_an_announcement_to_all_stations() {
        let mac = Mac([0x02, 0, 0, 0, 0, 0x11]);
        let address = Ipv4Addr::new(10, 0, 0, 20);
        let frame = announcement(mac, address);

        let (ethernet, _) = Ethernet2Header::from_slice(&frame).unwrap();
        assert_eq!(ethernet.destination, [0xff; 6]);
        assert_eq!((ethernet.source, ethernet.ether_type), (mac.0, EtherType::ARP));

        let packet = SlicedPacket::from_ethernet(&frame).unwrap();
        let Some(etherparse::NetSlice::Arp(arp)) = packet.net else { panic!("no ARP in {frame:?}") };
        assert_eq!(arp.operation(), ArpOperation::REQUEST);
        assert_eq!(arp.sender_hw_addr(), mac.0);
        assert_eq!(arp.sender_protocol_addr(), address.octets());
        assert_eq!(arp.target_protocol_addr(), address.octets());
        assert_eq!(arp.target_hw_addr(), [0xff; 6]);
    }

    #[test]
    fn an_announcement_is_recognised_and_a_question_is_not() {
        let mac = Mac([2, 0, 0, 0, 0, 9]);
        let address = Ipv4Addr::new(192, 168, 10, 20);
        let frame = announcement(mac, address);
        assert_eq!(claimed(&frame), Some(Claim { mac, address, is_announcement: true }));
        let mut question = frame;
        question[41] ^= 1;
        assert_eq!(claimed(&question), Some(Claim { mac, address, is_announcement: false }));
        for length in 0..frame.len() {
            assert_eq!(claimed(&frame[..length]), None);
        }
    }

    #[test]
    fn etherparse_reads_a_probe_that_claims_nothing() {
        let (mac, address) = (Mac([0x02, 0, 0, 0, 0, 0x11]), Ipv4Addr::new(10, 0, 0, 20));
        let frame = probe(mac, address);
        let packet = SlicedPacket::from_ethernet(&frame).unwrap();
        let Some(etherparse::NetSlice::Arp(arp)) = packet.net else { panic!("no ARP in {frame:?}") };
        assert_eq!((arp.operation(), arp.sender_hw_addr()), (ArpOperation::REQUEST, &mac.0[..]));
        assert_eq!((arp.sender_protocol_addr(), arp.target_protocol_addr()), (&[0; 4][..], &address.octets()[..]));
        assert_eq!(arp.target_hw_addr(), [0; 6]);
        assert_eq!(claimed(&frame), None);
    }

    proptest::proptest! {
        #[test]
        fn reading_never_panics(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..80)) {
            let _ = claimed(&bytes);
        }
    }
}
