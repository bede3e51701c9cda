//! The signed trailer behind an advert (keepalived 2.4, `auth_hmac`): HMAC-SHA-256, cut to 128 bits, any version and
//! family.
//!
//! ```text
//!  0                   1                   2                   3
//! |   Type (1)    |    Key id     |           Reserved            |
//! |                       Stamp: seconds                          |
//! |   Stamp: 1/65536 seconds      |        Stamp: counter         |
//! |                  HMAC (16 bytes)                              |
//! ```
//!
//! It covers a pseudo-header that names family, version, VRID and source, the advert with its checksum zero, and the
//! trailer with its HMAC zero. Where the packet goes is not covered: one signature serves every peer.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::net::IpAddr;

/// What the trailer adds to a packet, in bytes.
pub const LEN: usize = 28;
/// HMAC-SHA-256.
pub const TYPE: u8 = 1;

const PREFIX: usize = LEN - MAC;
const MAC: usize = 16;

/// A trailer, not verified yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trailer {
    pub key: u8,
    pub stamp: Stamp,
    mac: [u8; MAC],
}

/// When it was signed, 32 bits of seconds since 1970 and 16 of their fraction, and a counter of 16 bits. Ordered as
/// serial numbers (RFC 1982), so that it may wrap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp(pub u64);

impl Stamp {
    /// Of a moment, microseconds since 1970.
    pub const fn at(wall_us: u64) -> Self {
        let fraction = ((wall_us % 1_000_000) << 16) / 1_000_000;
        Self(((wall_us / 1_000_000) << 32) | (fraction << 16))
    }

    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }

    pub const fn is_after(self, other: Self) -> bool {
        self.0.wrapping_sub(other.0).cast_signed() > 0
    }

    /// Seconds since 1970, of which 32 bits are known.
    pub const fn seconds(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// How many seconds a moment is after it; negative: before.
    pub const fn age(self, wall_us: u64) -> i32 {
        ((wall_us / 1_000_000) as u32).wrapping_sub(self.seconds()).cast_signed()
    }
}

/// Why bytes are no trailer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("{0} bytes behind the advert, and a trailer has 28")]
    Length(usize),
    #[error("there is no trailer of type {0}")]
    Type(u8),
    #[error("reserved bits are set in the trailer")]
    Reserved,
}

/// Reads what stands behind an advert.
pub fn decode(bytes: &[u8]) -> Result<Trailer, Malformed> {
    let fields: &[u8; LEN] = bytes.try_into().ok().ok_or(Malformed::Length(bytes.len()))?;
    let [kind, key, r1, r0, t7, t6, t5, t4, t3, t2, t1, t0, mac @ ..] = *fields;
    if kind != TYPE {
        return Err(Malformed::Type(kind));
    }
    if (r1, r0) != (0, 0) {
        return Err(Malformed::Reserved);
    }
    Ok(Trailer { key, stamp: Stamp(u64::from_be_bytes([t7, t6, t5, t4, t3, t2, t1, t0])), mac })
}

/// The trailer for `message`, an advert without one.
pub fn sign(message: &[u8], source: IpAddr, (key, secret): (u8, &[u8]), stamp: Stamp) -> [u8; LEN] {
    let mut trailer = [0; LEN];
    let prefix = prefix(key, stamp);
    let digest = mac(message, source, prefix, secret).map(|mac| mac.finalize().into_bytes());
    let bytes = prefix.into_iter().chain(digest.into_iter().flatten());
    for (to, from) in trailer.iter_mut().zip(bytes) {
        *to = from;
    }
    trailer
}

impl Trailer {
    /// Whether the owner of the key signed `message`, sent from `source`.
    pub fn is_authentic(&self, message: &[u8], source: IpAddr, secret: &[u8]) -> bool {
        let mac = mac(message, source, prefix(self.key, self.stamp), secret);
        mac.is_some_and(|mac| mac.verify_truncated_left(&self.mac).is_ok())
    }
}

fn prefix(key: u8, stamp: Stamp) -> [u8; PREFIX] {
    let [t7, t6, t5, t4, t3, t2, t1, t0] = stamp.0.to_be_bytes();
    [TYPE, key, 0, 0, t7, t6, t5, t4, t3, t2, t1, t0]
}

fn mac(message: &[u8], source: IpAddr, prefix: [u8; PREFIX], secret: &[u8]) -> Option<Hmac<Sha256>> {
    let (&[version_type, vrid, _, _, _, _, _, _], _) = message.split_first_chunk::<8>()?;
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).ok()?;
    let (family, mut octets) = match source {
        IpAddr::V4(source) => (4, source.octets().to_vec()),
        IpAddr::V6(source) => (6, source.octets().to_vec()),
    };
    octets.resize(16, 0);
    mac.update(&[family, version_type >> 4, vrid, 0]);
    mac.update(&octets);
    // The kernel may write the checksum of an IPv6 packet later.
    let (before, rest) = message.split_at_checked(6)?;
    let (_checksum, after) = rest.split_at_checked(2)?;
    for part in [before, &[0; 2], after, &prefix, &[0; MAC]] {
        mac.update(part);
    }
    Some(mac)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let digits = hex.as_bytes();
        digits.chunks(2).map(|d| u8::from_str_radix(std::str::from_utf8(d).unwrap(), 16).unwrap()).collect()
    }

    /// The vectors of the protocol's own description: key 0 to 31, id 1; VRID 51, priority 200, one address.
    fn vectors() -> [(Vec<u8>, IpAddr); 2] {
        let v4 = "3133c80100644402c00002640101000068000000800000001b84bc4e8e43892dc6d98448f8ee2265";
        let v6 = "3133c8010064a2e9fe8000000000000000000000000001000101000068000000\
                  80000000c8c56146ebfd66ee10ec4d8186461b78";
        [(bytes(v4), "198.51.100.10".parse().unwrap()), (bytes(v6), "fe80::10".parse().unwrap())]
    }

    fn key() -> Vec<u8> {
        (0..32).collect()
    }

    #[test]
    fn the_published_vectors_are_authentic_and_made_the_same() {
        for (packet, source) in vectors() {
            let (message, trailer) = packet.split_at(packet.len() - LEN);
            let read = decode(trailer).unwrap();
            assert_eq!((read.key, read.stamp), (1, Stamp(0x6800_0000_8000_0000)));
            assert!(read.is_authentic(message, source, &key()));
            assert_eq!(sign(message, source, (1, &key()), read.stamp), trailer);
            let elsewhere = if source.is_ipv4() { "198.51.100.11" } else { "fe80::11" };
            assert!(!read.is_authentic(message, elsewhere.parse().unwrap(), &key()), "the source is covered");
            assert!(!read.is_authentic(message, source, &[7; 32]));
        }
    }

    #[test]
    fn every_byte_is_covered_but_the_checksum() {
        for (packet, source) in vectors() {
            for at in 0..packet.len() {
                let mut changed = packet.clone();
                changed[at] ^= 1;
                let (message, trailer) = changed.split_at(packet.len() - LEN);
                let authentic = decode(trailer).is_ok_and(|t| t.is_authentic(message, source, &key()));
                // The type of the packet is no part of the pseudo-header, and part of the message.
                assert_eq!(authentic, [6, 7].contains(&at), "byte {at}");
            }
        }
    }

    #[test]
    fn each_fault_has_its_reason() {
        let [(packet, _), _] = vectors();
        let trailer = &packet[packet.len() - LEN..];
        let with = |at: usize, value: u8| {
            let mut bytes = trailer.to_vec();
            bytes[at] = value;
            decode(&bytes)
        };
        assert_eq!(decode(&trailer[1..]), Err(Malformed::Length(27)));
        assert_eq!(decode(&[]), Err(Malformed::Length(0)));
        assert_eq!(with(0, 2), Err(Malformed::Type(2)));
        assert_eq!(with(3, 1), Err(Malformed::Reserved));
    }

    #[test]
    fn stamps_grow_with_time_and_wrap() {
        let at = Stamp::at(1_700_000_000_500_000);
        assert_eq!((at.seconds(), at.0 & 0xffff_ffff), (1_700_000_000, 0x8000_0000));
        assert!(at.next().is_after(at) && !at.is_after(at) && Stamp::at(1_700_000_000_500_020).is_after(at.next()));
        assert_eq!((at.age(1_700_000_007_000_000), at.age(1_699_999_999_000_000)), (7, -1));
        let last = Stamp(u64::MAX);
        assert!(last.next().is_after(last));
    }

    proptest! {
        #[test]
        fn decoding_never_panics(trailer in prop::collection::vec(any::<u8>(), 0..40), message: Vec<u8>) {
            if let Ok(trailer) = decode(&trailer) {
                let _ = trailer.is_authentic(&message, [10, 0, 0, 1].into(), &key());
            }
        }

        #[test]
        fn what_was_signed_is_authentic(
            message in prop::collection::vec(any::<u8>(), 8..100), id: u8, stamp: u64,
            secret in prop::collection::vec(any::<u8>(), 32..=64),
        ) {
            let source = [10, 0, 0, 1].into();
            let trailer = decode(&sign(&message, source, (id, &secret), Stamp(stamp))).unwrap();
            prop_assert_eq!((trailer.key, trailer.stamp), (id, Stamp(stamp)));
            prop_assert!(trailer.is_authentic(&message, source, &secret));
        }
    }
}
