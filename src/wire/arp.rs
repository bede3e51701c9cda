//! Gratuitous ARP (RFC 5227, 3; RFC 826).

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

/// Who announces which address, if `frame` is a gratuitous ARP (request or reply form) over Ethernet.
pub fn announced(frame: &[u8]) -> Option<(Mac, Ipv4Addr)> {
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
    (sender == target).then(|| (Mac(*mac), Ipv4Addr::from(*sender)))
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
        assert_eq!(announced(&frame), Some((mac, address)));
        let mut question = frame;
        question[41] ^= 1;
        assert_eq!(announced(&question), None);
        for length in 0..frame.len() {
            assert_eq!(announced(&frame[..length]), None);
        }
    }

    proptest::proptest! {
        #[test]
        fn reading_never_panics(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..80)) {
            let _ = announced(&bytes);
        }
    }
}
