//! The query of `DNS_CHECK`, and what its answer says (RFC 1035, 4.1).

use super::spec::DnsType;

/// A query for the records of `name`, recursion desired as keepalived asks. `name` has been checked: labels of at most
/// 63 bytes.
pub fn query(id: u16, name: &str, kind: DnsType) -> Vec<u8> {
    let mut query = Vec::with_capacity(32 + name.len());
    query.extend(id.to_be_bytes());
    query.extend([0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.split('.').filter(|label| !label.is_empty()) {
        query.push(u8::try_from(label.len()).unwrap_or(63));
        query.extend(label.bytes().take(63));
    }
    query.push(0);
    query.extend(kind.number().to_be_bytes());
    query.extend([0, 1]);
    query
}

/// What a datagram says to the query `id`; none: it is no answer to it.
pub fn answer(id: u16, datagram: &[u8]) -> Option<u8> {
    let [high, low, flags, codes, ..] = *datagram else { return None };
    let is_answer = datagram.len() >= 12 && u16::from_be_bytes([high, low]) == id && flags & 0x80 != 0;
    is_answer.then_some(codes & 0x0f)
}

/// The name of a response code (IANA).
pub const fn code_name(code: u8) -> &'static str {
    match code {
        0 => "NOERROR",
        1 => "FORMERR",
        2 => "SERVFAIL",
        3 => "NXDOMAIN",
        4 => "NOTIMP",
        5 => "REFUSED",
        9 => "NOTAUTH",
        _ => "an error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_what_rfc_1035_says() {
        let bytes = query(0x1234, "www.example.", DnsType::Aaaa);
        assert_eq!(bytes[..12], [0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(&bytes[12..], b"\x03www\x07example\x00\x00\x1c\x00\x01");
        assert_eq!(&query(0, ".", DnsType::Soa)[12..], b"\x00\x00\x06\x00\x01");
    }

    #[test]
    fn only_an_answer_to_this_query_counts() {
        let good = [0x12, 0x34, 0x81, 0x83, 0, 1, 0, 0, 0, 0, 0, 0];
        assert_eq!(answer(0x1234, &good), Some(3));
        assert_eq!(answer(0x1235, &good), None);
        assert_eq!(answer(0x1234, &good[..11]), None);
        assert_eq!(answer(0x1234, &query(0x1234, ".", DnsType::A)), None);
        assert_eq!(answer(0, &[]), None);
    }
}
