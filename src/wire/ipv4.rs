//! The IPv4 header (RFC 791), as a raw socket gives and takes it.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! |Version|  IHL  |      TOS      |         Total length          |
//! |        Identification         |Flags|     Fragment offset     |
//! |      TTL      |   Protocol    |        Header checksum        |
//! |                        Source address                         |
//! |                      Destination address                      |
//! ```

use super::checksum::checksum;
use std::net::Ipv4Addr;

/// The protocol number of VRRP.
pub const PROTOCOL_VRRP: u8 = 112;
/// Where VRRP routers of a link talk to each other (RFC 3768, 5.2.2).
pub const VRRP_GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
/// Internetwork control, as keepalived marks its adverts.
pub const TOS_INTERNETWORK_CONTROL: u8 = 0xc0;

const HEADER_LEN: usize = 20;

/// What we look at in a header, and what we choose in one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub source: Ipv4Addr,
    pub destination: Ipv4Addr,
    pub ttl: u8,
    pub tos: u8,
    pub protocol: u8,
    /// Zero: the kernel chooses one when it sends.
    pub identification: u16,
}

impl Header {
    /// The header of an advert; with TTL 255, which a receiver takes as proof that no router passed it on.
    pub const fn advert(source: Ipv4Addr, destination: Ipv4Addr, ttl: u8) -> Self {
        Self { source, destination, ttl, tos: TOS_INTERNETWORK_CONTROL, protocol: PROTOCOL_VRRP, identification: 0 }
    }
}

/// Why bytes are not one whole IPv4 packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("{0} bytes are too few for an IPv4 header")]
    Short(usize),
    #[error("IP version {0}, not 4")]
    Version(u8),
    #[error("a header length of {0} bytes")]
    HeaderLength(usize),
    #[error("the header says {said} bytes, {received} arrived")]
    TotalLength { said: usize, received: usize },
    #[error("a fragment")]
    Fragment,
    #[error("a wrong header checksum")]
    Checksum,
}

/// A payload that does not fit into one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a payload of {0} bytes does not fit into an IPv4 packet")]
pub struct TooLong(pub usize);

/// The whole packet: header and payload, unfragmented, without options.
pub fn encode(header: &Header, payload: &[u8]) -> Result<Vec<u8>, TooLong> {
    let total = u16::try_from(HEADER_LEN + payload.len()).ok().ok_or(TooLong(payload.len()))?;
    let mut packet = Vec::with_capacity(usize::from(total));
    packet.extend([0x45, header.tos]);
    packet.extend(total.to_be_bytes());
    packet.extend(header.identification.to_be_bytes());
    // No flags: keepalived sets none, not even "don't fragment".
    packet.extend([0, 0, header.ttl, header.protocol, 0, 0]);
    packet.extend(header.source.octets());
    packet.extend(header.destination.octets());
    let sum = checksum(&packet).to_be_bytes();
    if let Some(field) = packet.get_mut(10..12) {
        field.copy_from_slice(&sum);
    }
    packet.extend(payload);
    Ok(packet)
}

/// The header of a packet and its payload, every length checked. What follows the total length is link padding.
pub fn decode(bytes: &[u8]) -> Result<(Header, &[u8]), Malformed> {
    let short = Malformed::Short(bytes.len());
    let fixed = bytes.first_chunk::<HEADER_LEN>().ok_or(short)?;
    let [version_ihl, tos, len1, len0, id1, id0, frag1, frag0, ttl, protocol, _, _, s3, s2, s1, s0, d3, d2, d1, d0] =
        *fixed;
    if version_ihl >> 4 != 4 {
        return Err(Malformed::Version(version_ihl >> 4));
    }
    let header_len = usize::from(version_ihl & 0x0f) * 4;
    if header_len < HEADER_LEN || header_len > bytes.len() {
        return Err(Malformed::HeaderLength(header_len));
    }
    let total = usize::from(u16::from_be_bytes([len1, len0]));
    let payload = bytes.get(header_len..total).ok_or(Malformed::TotalLength { said: total, received: bytes.len() })?;
    // "More fragments" or an offset; the kernel reassembles before a raw socket sees it.
    if u16::from_be_bytes([frag1, frag0]) & 0x3fff != 0 {
        return Err(Malformed::Fragment);
    }
    if bytes.get(..header_len).map(checksum) != Some(0) {
        return Err(Malformed::Checksum);
    }
    let header = Header {
        source: Ipv4Addr::new(s3, s2, s1, s0),
        destination: Ipv4Addr::new(d3, d2, d1, d0),
        ttl,
        tos,
        protocol,
        identification: u16::from_be_bytes([id1, id0]),
    };
    Ok((header, payload))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_header() -> impl Strategy<Value = Header> {
        (any::<[u8; 4]>(), any::<[u8; 4]>(), any::<[u8; 3]>(), any::<u16>()).prop_map(|(from, to, b, id)| Header {
            source: from.into(),
            destination: to.into(),
            ttl: b[0],
            tos: b[1],
            protocol: b[2],
            identification: id,
        })
    }

    #[test]
    fn an_advert_goes_to_the_group_with_ttl_255() {
        let packet = encode(&Header::advert(Ipv4Addr::new(10, 0, 0, 1), VRRP_GROUP, 255), &[0x21, 0x33]).unwrap();
        let expected = [0x45, 0xc0, 0, 22, 0, 0, 0, 0, 255, 112, 0xd0, 0xa4, 10, 0, 0, 1, 224, 0, 0, 18, 0x21, 0x33];
        assert_eq!(packet, expected);
    }

    #[test]
    fn what_is_not_a_whole_packet_is_refused() {
        let good = encode(&Header::advert(Ipv4Addr::new(10, 0, 0, 1), VRRP_GROUP, 255), &[1, 2, 3, 4]).unwrap();
        let with = |at: usize, value: u8| {
            let mut bytes = good.clone();
            bytes[at] = value;
            bytes
        };
        assert_eq!(decode(&good[..19]), Err(Malformed::Short(19)));
        assert_eq!(decode(&with(0, 0x65)), Err(Malformed::Version(6)));
        assert_eq!(decode(&with(0, 0x44)), Err(Malformed::HeaderLength(16)));
        assert_eq!(decode(&with(0, 0x4f)), Err(Malformed::HeaderLength(60)));
        assert_eq!(decode(&good[..22]), Err(Malformed::TotalLength { said: 24, received: 22 }));
        assert_eq!(decode(&with(3, 19)), Err(Malformed::TotalLength { said: 19, received: 24 }));
        assert_eq!(decode(&with(6, 0x20)), Err(Malformed::Fragment));
        assert_eq!(decode(&with(7, 1)), Err(Malformed::Fragment));
        assert_eq!(decode(&with(8, 254)), Err(Malformed::Checksum));
    }

    #[test]
    fn padding_and_options_are_stepped_over() {
        let mut padded = encode(&Header::advert(Ipv4Addr::new(10, 0, 0, 1), VRRP_GROUP, 255), &[7]).unwrap();
        padded.extend([0; 20]);
        assert_eq!(decode(&padded).map(|(_, payload)| payload), Ok(&[7][..]));

        let options = etherparse::Ipv4Options::try_from(&[0x94, 4, 0, 0][..]).unwrap();
        let mut header =
            etherparse::Ipv4Header::new(1, 9, etherparse::IpNumber(112), [1, 2, 3, 4], [5, 6, 7, 8]).unwrap();
        header.options = options;
        header.set_payload_len(1).unwrap();
        header.header_checksum = header.calc_header_checksum();
        let mut bytes = Vec::new();
        header.write(&mut bytes).unwrap();
        bytes.push(0xaa);
        let (seen, payload) = decode(&bytes).unwrap();
        assert_eq!((seen.ttl, seen.source, payload), (9, Ipv4Addr::new(1, 2, 3, 4), &[0xaa][..]));
    }

    proptest! {
        #[test]
        fn decoding_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = decode(&bytes);
        }

        #[test]
        fn a_mangled_packet_never_panics(header in any_header(), at in 0..20usize, value: u8, keep in 0..60usize) {
            let mut bytes = encode(&header, &[0; 30]).unwrap();
            bytes[at] = value;
            bytes.truncate(keep);
            let _ = decode(&bytes);
        }

        #[test]
        fn what_was_encoded_is_decoded(header in any_header(), payload in prop::collection::vec(any::<u8>(), 0..300)) {
            let packet = encode(&header, &payload).unwrap();
            prop_assert_eq!(decode(&packet), Ok((header, &payload[..])));
        }

        #[test]
        fn etherparse_reads_the_same(header in any_header(), payload in prop::collection::vec(any::<u8>(), 0..300)) {
            let packet = encode(&header, &payload).unwrap();
            let (seen, rest) = etherparse::Ipv4Header::from_slice(&packet).unwrap();
            prop_assert_eq!(seen.calc_header_checksum(), seen.header_checksum);
            prop_assert_eq!(seen.source, header.source.octets());
            prop_assert_eq!(seen.destination, header.destination.octets());
            prop_assert_eq!((seen.time_to_live, seen.protocol.0), (header.ttl, header.protocol));
            prop_assert_eq!(seen.dscp.value() << 2 | seen.ecn.value(), header.tos);
            prop_assert_eq!(seen.total_len, packet.len() as u16);
            prop_assert!(!seen.dont_fragment && !seen.more_fragments);
            prop_assert_eq!(rest, &payload[..]);
        }
    }
}
