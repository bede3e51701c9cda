//! Neighbour advertisements and solicitations (RFC 4861, 4.3, 4.4 and 7.2): for IPv6 what ARP is for IPv4.

use super::checksum::checksum;
use crate::net::Mac;
use std::net::Ipv6Addr;

/// The Ethernet type of IPv6.
pub const ETHERTYPE: u16 = 0x86dd;
/// The Ethernet address of ff02::1, all nodes of the link.
pub const ALL_NODES_MAC: Mac = Mac([0x33, 0x33, 0, 0, 0, 1]);
/// The length of an advertisement with its Ethernet and IPv6 headers.
pub const ADVERTISEMENT_LEN: usize = 14 + 40 + 32;

const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ICMPV6: u8 = 58;
const NEIGHBOUR_SOLICITATION: u8 = 135;
const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
/// An answer to one asker.
const SOLICITED: u8 = 0x40;
const OVERRIDE: u8 = 0x20;

/// "`address` is at `mac`", to all nodes of the link, overriding what they remember.
pub fn advertisement(mac: Mac, address: Ipv6Addr) -> Vec<u8> {
    // Target link-layer address, in units of eight bytes.
    let option = [&[2, 1], &mac.0[..]].concat();
    let head = [NEIGHBOUR_ADVERTISEMENT, 0, 0, 0, OVERRIDE, 0, 0, 0];
    let message = [&head, &address.octets()[..], &option].concat();
    frame((mac, address), (ALL_NODES_MAC, ALL_NODES), message)
}

/// "Who has `address`?", asked by `source` (RFC 4861, 4.3 and 7.2.2), so that the answer goes to it alone. Asked as for
/// duplicate address detection, without a source, whoever has the address would tell all nodes.
pub fn solicitation(mac: Mac, source: Ipv6Addr, address: Ipv6Addr) -> Vec<u8> {
    // Source link-layer address, in units of eight bytes.
    let option = [&[1, 1], &mac.0[..]].concat();
    let message = [&[NEIGHBOUR_SOLICITATION, 0, 0, 0, 0, 0, 0, 0], &address.octets()[..], &option].concat();
    frame((mac, source), (solicited_mac(address), solicited_node(address)), message)
}

/// Where the solicitations of an address go (RFC 4291, 2.7.1).
fn solicited_node(address: Ipv6Addr) -> Ipv6Addr {
    let low = u128::from(address) & 0x00ff_ffff;
    Ipv6Addr::from(u128::from(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00, 0)) | low)
}

/// The Ethernet address of that group (RFC 2464, 7).
pub fn solicited_mac(address: Ipv6Addr) -> Mac {
    let [.., b, c, d] = address.octets();
    Mac([0x33, 0x33, 0xff, b, c, d])
}

/// The Ethernet frame of an ICMPv6 message with hop limit 255; fills in its checksum.
fn frame((mac, source): (Mac, Ipv6Addr), (to_mac, to): (Mac, Ipv6Addr), mut message: Vec<u8>) -> Vec<u8> {
    let length = message.len();
    let covered = [&source.octets()[..], &to.octets(), &(length as u32).to_be_bytes(), &[0, 0, 0, ICMPV6], &message];
    let sum = checksum(&covered.concat()).to_be_bytes();
    for (to, from) in message.iter_mut().skip(2).zip(sum) {
        *to = from;
    }
    let parts: [&[u8]; 8] = [
        &to_mac.0,
        &mac.0,
        &ETHERTYPE.to_be_bytes(),
        &[0x60, 0, 0, 0],
        &(length as u16).to_be_bytes(),
        &[ICMPV6, 255],
        &source.octets(),
        &to.octets(),
    ];
    let mut frame = parts.concat();
    frame.extend(message);
    frame
}

/// A station's word about where an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    pub mac: Mac,
    pub address: Ipv6Addr,
    /// Told to all, unasked, overriding what they remember.
    pub is_announcement: bool,
}

/// Who says to be where, if `frame` is a neighbour advertisement over Ethernet.
pub fn claimed(frame: &[u8]) -> Option<Claim> {
    let (ethernet, rest) = frame.split_first_chunk::<14>()?;
    let (ip, message) = rest.split_first_chunk::<40>()?;
    let [.., hop_limit] = *ip.first_chunk::<8>()?;
    let next = *ip.get(6)?;
    if !ethernet.ends_with(&ETHERTYPE.to_be_bytes()) || next != ICMPV6 || hop_limit != 255 {
        return None;
    }
    let (head, rest) = message.split_first_chunk::<8>()?;
    let [kind, 0, _, _, flags, ..] = *head else { return None };
    if kind != NEIGHBOUR_ADVERTISEMENT {
        return None;
    }
    let (target, options) = rest.split_first_chunk::<16>()?;
    let mac = match options.first_chunk::<8>() {
        Some([2, 1, mac @ ..]) => Mac(*mac),
        // An answer to a unicast question may leave it out (RFC 4861, 4.4).
        _ if flags & SOLICITED != 0 => Mac(*ethernet.get(6..12)?.first_chunk()?),
        _ => return None,
    };
    let is_announcement = flags & SOLICITED == 0 && flags & OVERRIDE != 0;
    Some(Claim { mac, address: Ipv6Addr::from(*target), is_announcement })
}

#[cfg(test)]
mod tests {
    use super::*;
    use etherparse::{SlicedPacket, TransportSlice};

    #[test]
    fn etherparse_reads_an_advertisement_with_a_good_checksum() {
        let (mac, address) = (Mac([2, 0, 0, 0, 0, 7]), "2001:db8::20".parse().unwrap());
        let frame = advertisement(mac, address);
        assert_eq!(frame.len(), ADVERTISEMENT_LEN);
        let packet = SlicedPacket::from_ethernet(&frame).unwrap();
        let Some(etherparse::NetSlice::Ipv6(ip)) = packet.net else { panic!("no IPv6 in {frame:?}") };
        assert_eq!((ip.header().hop_limit(), ip.header().destination_addr()), (255, ALL_NODES));
        let Some(TransportSlice::Icmpv6(icmp)) = packet.transport else { panic!("no ICMPv6 in {frame:?}") };
        assert!(icmp.is_checksum_valid(ip.header().source(), ip.header().destination()));
        let claim = Claim { mac, address, is_announcement: true };
        assert_eq!(claimed(&frame), Some(claim));
        for length in 0..frame.len() {
            assert_eq!(claimed(&frame[..length]), None);
        }
        let mut answer = frame.clone();
        answer[58] |= SOLICITED;
        assert_eq!(claimed(&answer), Some(Claim { is_announcement: false, ..claim }));
        assert_eq!(claimed(&answer[..78]), Some(Claim { is_announcement: false, ..claim }), "without the option");
    }

    #[test]
    fn etherparse_reads_a_solicitation_with_a_good_checksum() {
        let (mac, source) = (Mac([2, 0, 0, 0, 0, 7]), "fe80::7".parse().unwrap());
        let frame = solicitation(mac, source, "2001:db8::12:3456".parse().unwrap());
        let (ethernet, _) = etherparse::Ethernet2Header::from_slice(&frame).unwrap();
        assert_eq!((ethernet.destination, ethernet.source), ([0x33, 0x33, 0xff, 0x12, 0x34, 0x56], mac.0));
        let packet = SlicedPacket::from_ethernet(&frame).unwrap();
        let Some(etherparse::NetSlice::Ipv6(ip)) = packet.net else { panic!("no IPv6 in {frame:?}") };
        let to: Ipv6Addr = "ff02::1:ff12:3456".parse().unwrap();
        assert_eq!(
            (ip.header().source_addr(), ip.header().destination_addr(), ip.header().hop_limit()),
            (source, to, 255)
        );
        let Some(TransportSlice::Icmpv6(icmp)) = packet.transport else { panic!("no ICMPv6 in {frame:?}") };
        assert!(icmp.is_checksum_valid(ip.header().source(), ip.header().destination()));
        assert_eq!(icmp.type_u8(), NEIGHBOUR_SOLICITATION);
        assert_eq!(claimed(&frame), None);
    }

    proptest::proptest! {
        #[test]
        fn reading_never_panics(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..120)) {
            let _ = claimed(&bytes);
        }
    }
}
