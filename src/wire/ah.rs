//! The IP authentication header around an advert (RFC 2402; in VRRP by RFC 2338, 5.3.6.3), over IPv4, as keepalived
//! makes it: HMAC-MD5-96 over the whole packet, with those fields of the IPv4 header zero that routers may change.
//!
//! ```text
//!  0                   1                   2                   3
//! |  Next header  |    Length     |           Reserved            |
//! |       Security parameters index: the source address           |
//! |                        Sequence number                        |
//! |              Authentication data (12 bytes)                   |
//! ```

use super::ipv4::{self, Header};
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;

/// The IP protocol number.
pub const PROTOCOL: u8 = 51;

/// What the header adds to a packet, in bytes.
pub const LEN: usize = 24;
const ICV: usize = 12;
/// In words of 32 bits, less two (RFC 2402, 2.2).
const LENGTH_FIELD: u8 = 4;

/// Whether the time to live is part of what is authenticated. keepalived leaves it out between unicast peers, which
/// routers may be between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeToLive {
    Covered,
    LeftOut,
}

/// A packet with an authentication header, taken apart; not verified yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sealed<'p> {
    pub header: Header,
    /// The protocol of what follows.
    pub next: u8,
    pub index: u32,
    pub sequence: u32,
    pub payload: &'p [u8],
    packet: &'p [u8],
    header_len: usize,
}

/// Why bytes are no packet with an authentication header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("{0}")]
    Ip(ipv4::Malformed),
    #[error("IP protocol {0}, not 51")]
    Protocol(u8),
    #[error("{0} bytes are too few for an authentication header")]
    Short(usize),
    #[error("an authentication header of length {0}, not 4")]
    Length(u8),
}

/// Takes a whole IPv4 packet apart.
pub fn decode(packet: &[u8]) -> Result<Sealed<'_>, Malformed> {
    let (header, rest) = ipv4::decode(packet).map_err(Malformed::Ip)?;
    if header.protocol != PROTOCOL {
        return Err(Malformed::Protocol(header.protocol));
    }
    let short = Malformed::Short(rest.len());
    let (fields, payload) = rest.split_first_chunk::<LEN>().ok_or(short)?;
    let [next, length, _, _, i3, i2, i1, i0, s3, s2, s1, s0, ..] = *fields;
    if length != LENGTH_FIELD {
        return Err(Malformed::Length(length));
    }
    let header_len = packet.first().map_or(0, |first| usize::from(first & 0x0f) * 4);
    let packet = packet.get(..header_len + rest.len()).ok_or(short)?;
    let (index, sequence) = (u32::from_be_bytes([i3, i2, i1, i0]), u32::from_be_bytes([s3, s2, s1, s0]));
    Ok(Sealed { header, next, index, sequence, payload, packet, header_len })
}

impl Sealed<'_> {
    /// Whether the packet is as the owner of the key sent it.
    pub fn is_authentic(&self, key: &[u8], ttl: TimeToLive) -> bool {
        let Some(data) = self.packet.get(self.header_len + ICV..self.header_len + LEN) else { return false };
        mac(self.packet, self.header_len, key, ttl).is_some_and(|mac| mac.verify_truncated_left(data).is_ok())
    }
}

/// The whole packet. Of `header` the protocol is not looked at; its identification must not be zero, for then the
/// kernel chooses one after the packet was authenticated.
pub fn encode(
    header: &Header,
    sequence: u32,
    payload: &[u8],
    key: &[u8],
    ttl: TimeToLive,
) -> Result<Vec<u8>, ipv4::TooLong> {
    let mut inside = Vec::with_capacity(LEN + payload.len());
    inside.extend([super::vrrp::PROTOCOL, LENGTH_FIELD, 0, 0]);
    inside.extend(header.source.octets());
    inside.extend(sequence.to_be_bytes());
    inside.extend([0; ICV]);
    inside.extend(payload);
    let mut packet = ipv4::encode(&Header { protocol: PROTOCOL, ..*header }, &inside)?;
    let header_len = packet.len() - inside.len();
    let data = mac(&packet, header_len, key, ttl).map(|mac| mac.finalize().into_bytes());
    let place = packet.iter_mut().skip(header_len + ICV).take(ICV);
    for (to, from) in place.zip(data.iter().flatten()) {
        *to = *from;
    }
    Ok(packet)
}

/// Over the packet with what may change, and the place of the result, taken as zero (RFC 2402, 3.3.3).
fn mac(packet: &[u8], header_len: usize, key: &[u8], ttl: TimeToLive) -> Option<Hmac<Md5>> {
    const TOS: usize = 1;
    const FRAGMENT: std::ops::Range<usize> = 6..8;
    const TTL: usize = 8;
    const CHECKSUM: std::ops::Range<usize> = 10..12;
    let data = header_len + ICV..header_len + LEN;
    let is_zero = |at: usize| {
        at == TOS
            || FRAGMENT.contains(&at)
            || CHECKSUM.contains(&at)
            || data.contains(&at)
            || (at == TTL && ttl == TimeToLive::LeftOut)
    };
    let covered: Vec<u8> = packet.iter().enumerate().map(|(at, byte)| if is_zero(at) { 0 } else { *byte }).collect();
    let mut mac = Hmac::<Md5>::new_from_slice(key).ok()?;
    mac.update(&covered);
    Some(mac)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::Ipv4Addr;

    const KEY: &[u8] = b"secret12";

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
        digits.chunks(2).map(|d| u8::from_str_radix(std::str::from_utf8(d).unwrap(), 16).unwrap()).collect()
    }

    /// Captured from keepalived 2.2.7: multicast, and to a unicast peer.
    fn captured() -> [(Vec<u8>, TimeToLive); 2] {
        let multicast = "45c0 0040 0001 0000 ff33 d0ad 0a09 0001 e000 0012 7004 0000 0a09 0001 0000 0001 e94f 9e5a 8eea \
                         72ea feda 5e00 213d 9601 0201 3c7a 0a09 003d 0000 0000 0000 0000";
        let unicast = "45c0 0040 0002 0000 ff33 a6b4 0a09 0001 0a09 0002 7004 0000 0a09 0001 0000 0002 8e8e e483 5278 \
                       ca75 9cc6 1bd2 213d 9601 0201 3c7a 0a09 003d 0000 0000 0000 0000";
        [(bytes(multicast), TimeToLive::Covered), (bytes(unicast), TimeToLive::LeftOut)]
    }

    #[test]
    fn packets_of_keepalived_are_authentic_and_made_the_same() {
        for (packet, ttl) in captured() {
            let sealed = decode(&packet).unwrap();
            assert_eq!((sealed.next, sealed.index, sealed.payload.len()), (112, 0x0a09_0001, 20));
            assert!(sealed.is_authentic(KEY, ttl));
            assert!(!sealed.is_authentic(b"secret13", ttl));
            assert_eq!(encode(&sealed.header, sealed.sequence, sealed.payload, KEY, ttl), Ok(packet));
        }
    }

    #[test]
    fn the_time_to_live_counts_in_multicast_and_not_between_peers() {
        for (packet, ttl) in captured() {
            let sealed = decode(&packet).unwrap();
            let passed_on = ipv4::encode(&Header { ttl: 254, ..sealed.header }, &packet[20..]).unwrap();
            let authentic = decode(&passed_on).unwrap().is_authentic(KEY, ttl);
            assert_eq!(authentic, ttl == TimeToLive::LeftOut);
        }
    }

    #[test]
    fn each_fault_has_its_reason() {
        let [(good, _), _] = captured();
        let header = decode(&good).unwrap().header;
        let packet = |protocol, inside: &[u8]| ipv4::encode(&Header { protocol, ..header }, inside).unwrap();
        assert_eq!(decode(&good[..10]), Err(Malformed::Ip(ipv4::Malformed::Short(10))));
        assert_eq!(decode(&packet(112, &good[20..])), Err(Malformed::Protocol(112)));
        assert_eq!(decode(&packet(51, &good[20..43])), Err(Malformed::Short(23)));
        let mut longer = good[20..].to_vec();
        longer[1] = 5;
        assert_eq!(decode(&packet(51, &longer)), Err(Malformed::Length(5)));
    }

    proptest! {
        #[test]
        fn decoding_never_panics(packet in prop::collection::vec(any::<u8>(), 0..120)) {
            if let Ok(sealed) = decode(&packet) {
                let _ = sealed.is_authentic(KEY, TimeToLive::Covered);
            }
        }

        #[test]
        fn what_was_sealed_is_authentic_until_a_bit_of_it_flips(
            payload in prop::collection::vec(any::<u8>(), 0..100),
            sequence: u32, id in 1..=u16::MAX, covered: bool, at in any::<prop::sample::Index>(), bit in 0..8_u8,
        ) {
            let header = Header { identification: id, ..Header::advert([10, 0, 0, 1].into(), ipv4::VRRP_GROUP, 255) };
            let ttl = if covered { TimeToLive::Covered } else { TimeToLive::LeftOut };
            let mut packet = encode(&header, sequence, &payload, KEY, ttl).unwrap();
            let sealed = decode(&packet).unwrap();
            prop_assert!(sealed.is_authentic(KEY, ttl));
            prop_assert_eq!((sealed.sequence, sealed.payload), (sequence, &payload[..]));
            prop_assert_eq!(sealed.index, u32::from(Ipv4Addr::new(10, 0, 0, 1)));
            let at = 20 + at.index(packet.len() - 20);
            packet[at] ^= 1 << bit;
            prop_assert!(!decode(&packet).is_ok_and(|sealed| sealed.is_authentic(KEY, ttl)));
        }
    }
}
