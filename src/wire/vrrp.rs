//! The VRRPv2 advertisement (RFC 3768, 5; authentication data as in RFC 2338, 5.3).
//!
//! ```text
//!  0                   1                   2                   3
//! |Version| Type  | Virtual Rtr ID|   Priority    | Count IP Addrs|
//! |   Auth Type   |   Adver Int   |          Checksum             |
//! |                       IP Address (1 … n)                      |
//! |                  Authentication Data (8 bytes)                |
//! ```

use super::checksum::checksum;
use std::net::Ipv4Addr;

/// The IP protocol number.
pub const PROTOCOL: u8 = 112;
/// Where adverts go.
pub const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
/// What an advert's TTL must be: it has crossed no router.
pub const TTL: u8 = 255;

const HEADER: usize = 8;
const AUTH: usize = 8;

/// A decoded advertisement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advert {
    pub vrid: u8,
    /// 0: the master gives up; 255: it owns the addresses.
    pub priority: u8,
    /// Seconds.
    pub interval: u8,
    pub auth: Auth,
    pub addresses: Vec<Ipv4Addr>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    None,
    /// Type 1, simple text password.
    Simple([u8; 8]),
    /// A type that is not understood.
    Other(u8),
}

/// Why bytes are no advert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("{0} bytes are too few for a VRRP packet")]
    Short(usize),
    #[error("VRRP version {0} where version 2 is spoken")]
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

/// Reads an advert from the payload of an IPv4 packet. Trailing bytes are padding.
pub fn decode(bytes: &[u8]) -> Result<Advert, Malformed> {
    let (header, rest) = bytes.split_first_chunk::<HEADER>().ok_or(Malformed::Short(bytes.len()))?;
    let [version_type, vrid, priority, count, auth_type, interval, _, _] = *header;
    if version_type >> 4 != 2 {
        return Err(Malformed::Version(version_type >> 4));
    }
    if version_type & 0x0f != 1 {
        return Err(Malformed::Type(version_type & 0x0f));
    }
    let too_many = Malformed::Count { count, length: bytes.len() };
    let (addresses, rest) = rest.split_at_checked(usize::from(count) * 4).ok_or(too_many)?;
    let (auth_data, _padding) = rest.split_first_chunk::<AUTH>().ok_or(too_many)?;
    let length = HEADER + addresses.len() + AUTH;
    if bytes.get(..length).is_none_or(|message| checksum(message) != 0) {
        return Err(Malformed::Checksum);
    }
    if vrid == 0 {
        return Err(Malformed::Vrid);
    }
    let auth = match auth_type {
        0 => Auth::None,
        1 => Auth::Simple(*auth_data),
        other => Auth::Other(other),
    };
    let addresses = addresses.as_chunks::<4>().0.iter().map(|a| Ipv4Addr::from(*a)).collect();
    Ok(Advert { vrid, priority, interval, auth, addresses })
}

/// The payload of an IPv4 packet. At most 255 addresses fit; the rest are left out.
pub fn encode(advert: &Advert) -> Vec<u8> {
    let count = u8::try_from(advert.addresses.len()).unwrap_or(u8::MAX);
    let (auth_type, auth_data) = match advert.auth {
        Auth::None => (0, [0; AUTH]),
        Auth::Simple(password) => (1, password),
        Auth::Other(kind) => (kind, [0; AUTH]),
    };
    let mut bytes = vec![0x21, advert.vrid, advert.priority, count, auth_type, advert.interval, 0, 0];
    for address in advert.addresses.iter().take(usize::from(count)) {
        bytes.extend(address.octets());
    }
    bytes.extend(auth_data);
    let sum = checksum(&bytes).to_be_bytes();
    for (to, from) in bytes.iter_mut().skip(6).zip(sum) {
        *to = from;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn advert() -> impl Strategy<Value = Advert> {
        let auth = prop_oneof![Just(Auth::None), any::<[u8; 8]>().prop_map(Auth::Simple)];
        let addresses = prop::collection::vec(any::<[u8; 4]>().prop_map(Ipv4Addr::from), 0..20);
        (1..=255_u8, any::<u8>(), any::<u8>(), auth, addresses).prop_map(
            |(vrid, priority, interval, auth, addresses)| Advert { vrid, priority, interval, auth, addresses },
        )
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes_to_itself(advert in advert(), padding in 0..20_usize) {
            let mut bytes = encode(&advert);
            bytes.extend(std::iter::repeat_n(0, padding));
            prop_assert_eq!(decode(&bytes), Ok(advert));
        }

        #[test]
        fn decoding_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = decode(&bytes);
        }

        #[test]
        fn a_flipped_bit_is_noticed(advert in advert(), place in any::<prop::sample::Index>(), bit in 0..8_u8) {
            let mut bytes = encode(&advert);
            let index = place.index(bytes.len());
            bytes[index] ^= 1 << bit;
            prop_assert_ne!(decode(&bytes), Ok(advert));
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
            interval: 1,
            auth: Auth::Simple(*b"1111\0\0\0\0"),
            addresses: vec![Ipv4Addr::new(192, 168, 10, 20)],
        };
        assert_eq!(encode(&expected), bytes);
        assert_eq!(decode(&bytes), Ok(expected));
    }

    #[test]
    fn each_fault_has_its_reason() {
        let good = encode(&Advert { vrid: 1, priority: 1, interval: 1, auth: Auth::None, addresses: vec![] });
        let with = |index: usize, value: u8| {
            let mut bytes = good.clone();
            bytes[index] = value;
            decode(&bytes)
        };
        assert_eq!(decode(&good[..7]), Err(Malformed::Short(7)));
        assert_eq!(with(0, 0x31), Err(Malformed::Version(3)));
        assert_eq!(with(0, 0x22), Err(Malformed::Type(2)));
        assert_eq!(with(2, 99), Err(Malformed::Checksum));
        assert_eq!(with(3, 9), Err(Malformed::Count { count: 9, length: 16 }));
    }
}
