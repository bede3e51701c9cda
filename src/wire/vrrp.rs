//! The VRRP advertisement, versions 2 and 3, over IPv4 and IPv6 (RFC 3768, 5; RFC 9568, 5; authentication data as in
//! RFC 2338, 5.3).
//!
//! ```text
//!  0                   1                   2                   3
//! |Version| Type  | Virtual Rtr ID|   Priority    | Count IP Addrs|
//! |   Auth Type   |   Adver Int   |          Checksum             |   version 2
//! |  0  |   Max Advertise Int     |          Checksum             |   version 3
//! |                       IP Address (1 … n)                      |
//! |                  Authentication Data (8 bytes)                |   version 2
//! ```

use super::checksum::checksum;
use crate::net::Family;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The IP protocol number.
pub const PROTOCOL: u8 = 112;
/// What an advert's TTL or hop limit must be on a link: it has crossed no router.
pub const TTL: u8 = 255;

const HEADER: usize = 8;
const AUTH: usize = 8;

/// A decoded advertisement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advert {
    pub vrid: u8,
    /// 0: the master gives up; 255: it owns the addresses.
    pub priority: u8,
    pub body: Body,
    /// All of the family of the packet.
    pub addresses: Vec<IpAddr>,
}

/// What the versions do not share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    V2 {
        /// Seconds.
        interval: u8,
        auth: Auth,
    },
    V3 {
        /// Hundredths of a second, 12 bits.
        interval: u16,
    },
}

impl Body {
    pub const fn version(&self) -> u8 {
        match self {
            Self::V2 { .. } => 2,
            Self::V3 { .. } => 3,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    None,
    /// Type 1, simple text password.
    Simple([u8; 8]),
    /// Type 2: the authentication is in an IP authentication header.
    Header,
    /// A type that is not understood.
    Other(u8),
}

/// Between whom the packet travels: the pseudo-header of its checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    pub source: IpAddr,
    pub destination: IpAddr,
    /// The checksum of VRRPv3 over IPv4 leaves the pseudo-header out (`v3_checksum_as_v2`).
    pub v3_as_v2: bool,
}

impl Ends {
    pub const fn new(source: IpAddr, destination: IpAddr) -> Self {
        Self { source, destination, v3_as_v2: false }
    }

    const fn family(&self) -> Family {
        Family::of(self.source)
    }
}

/// Why bytes are no advert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("{0} bytes are too few for a VRRP packet")]
    Short(usize),
    #[error("there is no VRRP version {0}")]
    Version(u8),
    #[error("VRRP packet type {0} is no advertisement")]
    Type(u8),
    #[error("wrong checksum")]
    Checksum,
    #[error("virtual router id 0")]
    Vrid,
    #[error("{count} addresses do not fit in {length} bytes")]
    Count { count: u8, length: usize },
}

/// Reads an advert from what follows the IP header. Trailing bytes are padding, or a signature ([`split`]).
pub fn decode(bytes: &[u8], ends: Ends) -> Result<Advert, Malformed> {
    let (header, rest) = bytes.split_first_chunk::<HEADER>().ok_or(Malformed::Short(bytes.len()))?;
    let [version_type, vrid, priority, count, fifth, sixth, _, _] = *header;
    let (version, kind) = (version_type >> 4, version_type & 0x0f);
    if version != 2 && version != 3 {
        return Err(Malformed::Version(version));
    }
    if kind != 1 {
        return Err(Malformed::Type(kind));
    }
    let size = usize::from(ends.family().bits()) / 8;
    let too_many = Malformed::Count { count, length: bytes.len() };
    let (addresses, rest) = rest.split_at_checked(usize::from(count) * size).ok_or(too_many)?;
    let (body, auth_size) = if version == 2 {
        let (data, _padding) = rest.split_first_chunk::<AUTH>().ok_or(too_many)?;
        let auth = match fifth {
            0 => Auth::None,
            1 => Auth::Simple(*data),
            2 => Auth::Header,
            other => Auth::Other(other),
        };
        (Body::V2 { interval: sixth, auth }, AUTH)
    } else {
        (Body::V3 { interval: u16::from_be_bytes([fifth & 0x0f, sixth]) }, 0)
    };
    let length = HEADER + addresses.len() + auth_size;
    // Over IPv6 the kernel of the sender counts what follows, too.
    let is_whole = || ends.family() == Family::V6 && sum(bytes, ends, version) == 0;
    if bytes.get(..length).is_none_or(|message| sum(message, ends, version) != 0 && !is_whole()) {
        return Err(Malformed::Checksum);
    }
    if vrid == 0 {
        return Err(Malformed::Vrid);
    }
    let addresses = match ends.family() {
        Family::V4 => addresses.as_chunks::<4>().0.iter().map(|a| Ipv4Addr::from(*a).into()).collect(),
        Family::V6 => addresses.as_chunks::<16>().0.iter().map(|a| Ipv6Addr::from(*a).into()).collect(),
    };
    Ok(Advert { vrid, priority, body, addresses })
}

/// What follows the IP header. At most 255 addresses of the family fit; others are left out.
pub fn encode(advert: &Advert, ends: Ends) -> Vec<u8> {
    let fit = |a: &&IpAddr| Family::of(**a) == ends.family();
    let addresses: Vec<_> = advert.addresses.iter().filter(fit).take(usize::from(u8::MAX)).collect();
    let (fifth, sixth, auth_data) = match advert.body {
        Body::V2 { interval, auth: Auth::None } => (0, interval, Some([0; AUTH])),
        Body::V2 { interval, auth: Auth::Simple(password) } => (1, interval, Some(password)),
        Body::V2 { interval, auth: Auth::Header } => (2, interval, Some([0; AUTH])),
        Body::V2 { interval, auth: Auth::Other(kind) } => (kind, interval, Some([0; AUTH])),
        Body::V3 { interval } => {
            let [high, low] = interval.min(0x0fff).to_be_bytes();
            (high, low, None)
        }
    };
    let version = advert.body.version();
    let count = addresses.len() as u8;
    let mut bytes = vec![version << 4 | 1, advert.vrid, advert.priority, count, fifth, sixth, 0, 0];
    for address in addresses {
        match address {
            IpAddr::V4(address) => bytes.extend(address.octets()),
            IpAddr::V6(address) => bytes.extend(address.octets()),
        }
    }
    bytes.extend(auth_data.iter().flatten());
    set_checksum(&mut bytes, ends, version);
    bytes
}

/// An advert and what follows it, by the advert's own length; none: the bytes are too few for it.
pub fn split(bytes: &[u8], family: Family) -> Option<(&[u8], &[u8])> {
    let ([version_type, _, _, count, ..], _) = bytes.split_first_chunk::<HEADER>()?;
    let auth = if version_type >> 4 == 2 { AUTH } else { 0 };
    bytes.split_at_checked(HEADER + usize::from(*count) * usize::from(family.bits()) / 8 + auth)
}

/// Puts a signature behind an encoded advert. Over IPv6 the checksum covers it, for the kernels on the way count it.
pub fn append(message: &mut Vec<u8>, trailer: &[u8], ends: Ends) {
    message.extend(trailer);
    if ends.family() == Family::V6 {
        let version = message.first().map_or(0, |byte| byte >> 4);
        set_checksum(message, ends, version);
    }
}

fn set_checksum(message: &mut [u8], ends: Ends, version: u8) {
    const PLACE: usize = 6;
    message.iter_mut().skip(PLACE).take(2).for_each(|byte| *byte = 0);
    let sum = sum(message, ends, version).to_be_bytes();
    for (to, from) in message.iter_mut().skip(PLACE).zip(sum) {
        *to = from;
    }
}

/// The checksum of a message between `ends`: with the pseudo-header in version 3 (RFC 9568, 5.2.8), and over IPv6 always,
/// where the IPv6 stack of other routers reckons it.
fn sum(message: &[u8], ends: Ends, version: u8) -> u16 {
    let length = message.len();
    let mut covered = Vec::with_capacity(40 + length);
    match (ends.source, ends.destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) if version == 3 && !ends.v3_as_v2 => {
            covered.extend(source.octets());
            covered.extend(destination.octets());
            covered.extend([0, PROTOCOL]);
            covered.extend((length as u16).to_be_bytes());
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            covered.extend(source.octets());
            covered.extend(destination.octets());
            covered.extend((length as u32).to_be_bytes());
            covered.extend([0, 0, 0, PROTOCOL]);
        }
        _ => {}
    }
    covered.extend(message);
    checksum(&covered)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const V4: Ends = Ends::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), IpAddr::V4(Ipv4Addr::new(224, 0, 0, 18)));
    const V6: Ends = Ends::new(
        IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1)),
        IpAddr::V6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12)),
    );

    fn advert() -> impl Strategy<Value = (Advert, Ends)> {
        let auth = prop_oneof![Just(Auth::None), Just(Auth::Header), any::<[u8; 8]>().prop_map(Auth::Simple)];
        let v2 = (any::<u8>(), auth).prop_map(|(interval, auth)| Body::V2 { interval, auth });
        let body = prop_oneof![v2, (0..4096_u16).prop_map(|interval| Body::V3 { interval })];
        let addresses = prop::collection::vec(any::<[u8; 16]>(), 0..20);
        (1..=255_u8, any::<u8>(), body, addresses, any::<bool>(), any::<bool>()).prop_map(
            |(vrid, priority, body, addresses, six, v3_as_v2)| {
                let address = |a: [u8; 16]| if six { IpAddr::from(a) } else { IpAddr::from([a[0], a[1], a[2], a[3]]) };
                let ends = Ends { v3_as_v2, ..if six { V6 } else { V4 } };
                (Advert { vrid, priority, body, addresses: addresses.into_iter().map(address).collect() }, ends)
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes_to_itself((advert, ends) in advert(), padding in 0..20_usize) {
            let mut bytes = encode(&advert, ends);
            bytes.extend(std::iter::repeat_n(0, padding));
            prop_assert_eq!(decode(&bytes, ends), Ok(advert));
        }

        #[test]
        fn decoding_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = (decode(&bytes, V4), decode(&bytes, V6));
            let _ = (split(&bytes, Family::V4), split(&bytes, Family::V6));
        }

        #[test]
        fn what_is_appended_is_split_off_and_the_advert_stays((advert, ends) in advert(), trailer: [u8; 28]) {
            let mut bytes = encode(&advert, ends);
            let length = bytes.len();
            append(&mut bytes, &trailer, ends);
            prop_assert_eq!(decode(&bytes, ends), Ok(advert));
            let (message, rest) = split(&bytes, ends.family()).unwrap();
            prop_assert_eq!((message.len(), rest), (length, &trailer[..]));
            let version = message[0] >> 4;
            let covered = if ends.family() == Family::V6 { &bytes[..] } else { message };
            prop_assert_eq!(sum(covered, ends, version), 0);
        }

        #[test]
        fn a_flipped_bit_is_noticed((advert, ends) in advert(), place in any::<prop::sample::Index>(), bit in 0..8_u8) {
            let mut bytes = encode(&advert, ends);
            let index = place.index(bytes.len());
            bytes[index] ^= 1 << bit;
            prop_assert_ne!(decode(&bytes, ends), Ok(advert));
        }
    }

    #[test]
    fn an_advert_of_keepalived_decodes() {
        // vrid 51, priority 150, 1 s, PASS "1111", 192.168.10.20; the checksum worked out by hand.
        let bytes = [
            0x21, 0x33, 0x96, 0x01, 0x01, 0x01, 0x1a, 0xab, 0xc0, 0xa8, 0x0a, 0x14, 0x31, 0x31, 0x31, 0x31, 0, 0, 0, 0,
        ];
        let expected = Advert {
            vrid: 51,
            priority: 150,
            body: Body::V2 { interval: 1, auth: Auth::Simple(*b"1111\0\0\0\0") },
            addresses: vec![Ipv4Addr::new(192, 168, 10, 20).into()],
        };
        assert_eq!(encode(&expected, V4), bytes);
        assert_eq!(decode(&bytes, V4), Ok(expected));
    }

    #[test]
    fn version_3_is_told_in_hundredths_and_sums_with_the_pseudo_header() {
        let addresses = vec![Ipv4Addr::new(192, 0, 2, 9).into()];
        let advert = Advert { vrid: 1, priority: 100, body: Body::V3 { interval: 0x123 }, addresses };
        let bytes = encode(&advert, V4);
        assert_eq!(&bytes[..6], [0x31, 1, 100, 1, 0x01, 0x23]);
        let mut elsewhere = V4;
        elsewhere.destination = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));
        assert_eq!(decode(&bytes, elsewhere), Err(Malformed::Checksum));
        assert_eq!(decode(&bytes, Ends { v3_as_v2: true, ..V4 }), Err(Malformed::Checksum));
    }

    #[test]
    fn each_fault_has_its_reason() {
        let body = Body::V2 { interval: 1, auth: Auth::None };
        let good = encode(&Advert { vrid: 1, priority: 1, body, addresses: vec![] }, V4);
        let with = |index: usize, value: u8| {
            let mut bytes = good.clone();
            bytes[index] = value;
            decode(&bytes, V4)
        };
        assert_eq!(decode(&good[..7], V4), Err(Malformed::Short(7)));
        assert_eq!(with(0, 0x41), Err(Malformed::Version(4)));
        assert_eq!(with(0, 0x22), Err(Malformed::Type(2)));
        assert_eq!(with(2, 99), Err(Malformed::Checksum));
        assert_eq!(with(3, 9), Err(Malformed::Count { count: 9, length: 16 }));
    }
}
