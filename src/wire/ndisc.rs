//! Unsolicited neighbour advertisements (RFC 4861, 4.4 and 7.2.6): for IPv6 what gratuitous ARP is for IPv4.

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
const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
const OVERRIDE: u8 = 0x20;

/// "`address` is at `mac`", to all nodes of the link, overriding what they remember.
pub fn advertisement(mac: Mac, address: Ipv6Addr) -> Vec<u8> {
    let mut message = vec![NEIGHBOUR_ADVERTISEMENT, 0, 0, 0, OVERRIDE, 0, 0, 0];
    message.extend(address.octets());
    // Target link-layer address, in units of eight bytes.
    message.extend([2, 1]);
    message.extend(mac.0);
    let mut covered = Vec::with_capacity(40 + message.len());
    covered.extend(address.octets());
    covered.extend(ALL_NODES.octets());
    covered.extend((message.len() as u32).to_be_bytes());
    covered.extend([0, 0, 0, ICMPV6]);
    covered.extend(&message);
    for (to, from) in message.iter_mut().skip(2).zip(checksum(&covered).to_be_bytes()) {
        *to = from;
    }
    let mut frame = Vec::with_capacity(ADVERTISEMENT_LEN);
    frame.extend(ALL_NODES_MAC.0);
    frame.extend(mac.0);
    frame.extend(ETHERTYPE.to_be_bytes());
    frame.extend([0x60, 0, 0, 0]);
    frame.extend((message.len() as u16).to_be_bytes());
    frame.extend([ICMPV6, 255]);
    frame.extend(address.octets());
    frame.extend(ALL_NODES.octets());
    frame.extend(message);
    frame
}

/// Who announces which address, if `frame` is an unsolicited neighbour advertisement that overrides, over Ethernet.
pub fn announced(frame: &[u8]) -> Option<(Mac, Ipv6Addr)> {
    let (ethernet, rest) = frame.split_first_chunk::<14>()?;
    let (ip, message) = rest.split_first_chunk::<40>()?;
    let [.., hop_limit] = *ip.first_chunk::<8>()?;
    let next = *ip.get(6)?;
    if !ethernet.ends_with(&ETHERTYPE.to_be_bytes()) || next != ICMPV6 || hop_limit != 255 {
        return None;
    }
    let (head, rest) = message.split_first_chunk::<8>()?;
    let [kind, 0, _, _, flags, ..] = *head else { return None };
    // The solicited flag: an answer to one asker, which says nothing new.
    if kind != NEIGHBOUR_ADVERTISEMENT || flags & 0x40 != 0 || flags & OVERRIDE == 0 {
        return None;
    }
    let (target, options) = rest.split_first_chunk::<16>()?;
    let (option, _) = options.split_first_chunk::<8>()?;
    let [2, 1, mac @ ..] = *option else { return None };
    Some((Mac(mac), Ipv6Addr::from(*target)))
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
        assert_eq!(announced(&frame), Some((mac, address)));
        for length in 0..frame.len() {
            assert_eq!(announced(&frame[..length]), None);
        }
    }

    proptest::proptest! {
        #[test]
        fn reading_never_panics(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..120)) {
            let _ = announced(&bytes);
        }
    }
}
