//! Netlink messages and attributes as bytes. Pure; reading checks every length and never panics.
//!
//! ```text
//! message:    length u32 | type u16 | flags u16 | sequence u32 | port u32 | payload, padded to 4
//! attribute:  length u16 | kind u16 | value, padded to 4
//! ```
//! All in host order, lengths with their own header and without the padding.

pub(super) const MESSAGE_HEADER: usize = 16;
const ATTRIBUTE_HEADER: usize = 4;
/// `NLA_F_NESTED`, and with it the bits of a kind that are not the kind.
const NESTED: u16 = 0x8000;
const KIND_BITS: u16 = 0x3fff;

/// Why bytes are no message or no attribute list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("a message is cut short")]
    Message,
    #[error("an attribute is cut short")]
    Attribute,
    #[error("attribute {0} is missing")]
    Missing(u16),
    #[error("attribute {kind} has {length} bytes")]
    Length { kind: u16, length: usize },
    #[error("attribute {0} has a value that cannot be")]
    Value(u16),
}

/// One message of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Message<'b> {
    pub(super) kind: u16,
    pub(super) flags: u16,
    pub(super) sequence: u32,
    pub(super) payload: &'b [u8],
}

/// A whole message around `payload`.
pub(super) fn message(kind: u16, flags: u16, sequence: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(MESSAGE_HEADER + payload.len());
    bytes.extend(((MESSAGE_HEADER + payload.len()) as u32).to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend(sequence.to_ne_bytes());
    // The kernel knows our port.
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes
}

/// The messages of a datagram.
pub(super) fn messages(datagram: &[u8]) -> Result<Vec<Message<'_>>, Malformed> {
    let mut rest = datagram;
    let mut found = Vec::new();
    while !rest.is_empty() {
        let header = rest.first_chunk::<MESSAGE_HEADER>().ok_or(Malformed::Message)?;
        let [l0, l1, l2, l3, k0, k1, f0, f1, s0, s1, s2, s3, ..] = *header;
        let length = u32::from_ne_bytes([l0, l1, l2, l3]) as usize;
        let payload = rest.get(MESSAGE_HEADER..length).ok_or(Malformed::Message)?;
        found.push(Message {
            kind: u16::from_ne_bytes([k0, k1]),
            flags: u16::from_ne_bytes([f0, f1]),
            sequence: u32::from_ne_bytes([s0, s1, s2, s3]),
            payload,
        });
        rest = rest.get(padded(length)..).unwrap_or_default();
    }
    Ok(found)
}

/// Builds an attribute list.
#[derive(Debug, Default)]
pub(super) struct Attributes {
    bytes: Vec<u8>,
}

impl Attributes {
    pub(super) fn put(&mut self, kind: u16, value: &[u8]) -> &mut Self {
        self.bytes.extend(((ATTRIBUTE_HEADER + value.len()) as u16).to_ne_bytes());
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend(value);
        self.bytes.resize(padded(self.bytes.len()), 0);
        self
    }

    pub(super) fn put_u16(&mut self, kind: u16, value: u16) -> &mut Self {
        self.put(kind, &value.to_ne_bytes())
    }

    pub(super) fn put_u32(&mut self, kind: u16, value: u32) -> &mut Self {
        self.put(kind, &value.to_ne_bytes())
    }

    pub(super) fn put_nested(&mut self, kind: u16, inner: &Self) -> &mut Self {
        self.put(kind | NESTED, &inner.bytes)
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// An attribute list that was read; the kernel sends each kind once.
#[derive(Clone, Debug)]
pub(super) struct Read<'b> {
    all: Vec<(u16, &'b [u8])>,
}

impl<'b> Read<'b> {
    pub(super) fn parse(bytes: &'b [u8]) -> Result<Self, Malformed> {
        let mut rest = bytes;
        let mut all = Vec::new();
        // Fewer bytes than a header at the end are padding.
        while let Some(&[l0, l1, k0, k1]) = rest.first_chunk::<ATTRIBUTE_HEADER>() {
            let length = usize::from(u16::from_ne_bytes([l0, l1]));
            let value = rest.get(ATTRIBUTE_HEADER..length).ok_or(Malformed::Attribute)?;
            all.push((u16::from_ne_bytes([k0, k1]) & KIND_BITS, value));
            rest = rest.get(padded(length)..).unwrap_or_default();
        }
        Ok(Self { all })
    }

    pub(super) fn find(&self, kind: u16) -> Option<&'b [u8]> {
        self.all.iter().find(|(k, _)| *k == kind).map(|(_, value)| *value)
    }

    pub(super) fn bytes(&self, kind: u16) -> Result<&'b [u8], Malformed> {
        self.find(kind).ok_or(Malformed::Missing(kind))
    }

    /// Exactly `N` bytes.
    pub(super) fn array<const N: usize>(&self, kind: u16) -> Result<[u8; N], Malformed> {
        let value = self.bytes(kind)?;
        <[u8; N]>::try_from(value).ok().ok_or(Malformed::Length { kind, length: value.len() })
    }

    pub(super) fn u16(&self, kind: u16) -> Result<u16, Malformed> {
        self.array(kind).map(u16::from_ne_bytes)
    }

    pub(super) fn u32(&self, kind: u16) -> Result<u32, Malformed> {
        self.array(kind).map(u32::from_ne_bytes)
    }

    pub(super) fn u64(&self, kind: u16) -> Result<u64, Malformed> {
        self.array(kind).map(u64::from_ne_bytes)
    }

    pub(super) fn nested(&self, kind: u16) -> Result<Read<'b>, Malformed> {
        Read::parse(self.bytes(kind)?)
    }
}

const fn padded(length: usize) -> usize {
    length.next_multiple_of(4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn an_attribute_is_length_kind_value_and_padding() {
        let mut inner = Attributes::default();
        inner.put_u16(1, 2);
        let mut list = Attributes::default();
        list.put(6, b"rr\0").put_nested(1, &inner);
        assert_eq!(list.as_bytes(), [7, 0, 6, 0, b'r', b'r', 0, 0, 12, 0, 1, 0x80, 6, 0, 1, 0, 2, 0, 0, 0]);
        let read = Read::parse(list.as_bytes()).unwrap();
        assert_eq!(read.find(6), Some(&b"rr\0"[..]));
        assert_eq!(read.nested(1).unwrap().u16(1), Ok(2));
        assert_eq!(read.u32(6), Err(Malformed::Length { kind: 6, length: 3 }));
        assert_eq!(read.u16(9), Err(Malformed::Missing(9)));
    }

    #[test]
    fn a_datagram_may_hold_several_messages() {
        let mut datagram = message(20, 2, 7, &[1, 2, 3, 4, 5]);
        datagram.extend([0; 3]);
        datagram.extend(message(3, 2, 7, &[0; 4]));
        let found = messages(&datagram).unwrap();
        assert_eq!(
            found.iter().map(|m| (m.kind, m.sequence, m.payload.len())).collect::<Vec<_>>(),
            [(20, 7, 5), (3, 7, 4)]
        );
    }

    #[test]
    fn lengths_that_lie_are_refused() {
        assert_eq!(messages(&[1; 15]), Err(Malformed::Message));
        let mut short = message(3, 0, 0, &[0; 4]);
        short.pop();
        assert_eq!(messages(&short), Err(Malformed::Message));
        let mut tiny = message(3, 0, 0, &[]);
        tiny[0] = 4;
        tiny[1..4].fill(0);
        assert_eq!(messages(&tiny), Err(Malformed::Message), "a message shorter than its header would never end");
        assert_eq!(Read::parse(&[2, 0, 1, 0]).map(|r| r.all), Err(Malformed::Attribute));
        assert_eq!(Read::parse(&9u16.to_ne_bytes().map(|b| b).repeat(3)).map(|r| r.all), Err(Malformed::Attribute));
    }

    proptest! {
        #[test]
        fn reading_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = messages(&bytes);
            if let Ok(read) = Read::parse(&bytes) {
                for kind in 0..16 {
                    let _ = (read.u16(kind), read.u32(kind), read.u64(kind), read.nested(kind).is_ok());
                }
            }
        }

        #[test]
        fn what_was_put_is_found(values in prop::collection::btree_map(0..64u16, prop::collection::vec(any::<u8>(), 0..40), 0..8)) {
            let mut list = Attributes::default();
            for (kind, value) in &values {
                list.put(*kind, value);
            }
            let read = Read::parse(list.as_bytes()).unwrap();
            for (kind, value) in &values {
                prop_assert_eq!(read.find(*kind), Some(&value[..]));
            }
        }
    }
}
