//! The Internet checksum (RFC 1071).

/// The one's complement of the one's complement sum of `bytes`, read as big-endian words; an odd last byte is padded
/// with zero. Over data that carries a right checksum it is zero.
pub fn checksum(bytes: &[u8]) -> u16 {
    let (words, odd) = bytes.as_chunks::<2>();
    let last = odd.first().map_or(0, |byte| u64::from(*byte) << 8);
    let mut sum = words.iter().fold(last, |sum, word| sum + u64::from(u16::from_be_bytes(*word)));
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_example_of_rfc_1071_sums_to_ddf2() {
        assert_eq!(checksum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2);
        assert_eq!(checksum(&[]), 0xffff);
    }

    proptest! {
        #[test]
        fn data_with_its_checksum_in_place_sums_to_zero(mut data in prop::collection::vec(any::<u8>(), 1..200)) {
            if data.len() % 2 == 1 {
                data.push(0);
            }
            let sum = checksum(&data);
            data.extend(sum.to_be_bytes());
            prop_assert_eq!(checksum(&data), 0);
        }
    }
}
