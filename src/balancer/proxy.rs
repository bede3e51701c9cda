//! The PROXY protocol (HAProxy's specification, versions 1 and 2): the first bytes to a real server say who the client
//! is.

use std::net::{IpAddr, SocketAddr};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyVersion {
    /// A line of text.
    V1,
    /// Binary.
    V2,
}

/// What begins every version 2 header.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Version 2, a connection made for somebody else (`PROXY`).
const PROXIED: u8 = 0x21;
const TCP4: u8 = 0x11;
const TCP6: u8 = 0x21;

/// The header of a connection from `client` to `target`, which are of one family.
pub(super) fn header(version: ProxyVersion, client: SocketAddr, target: SocketAddr) -> Vec<u8> {
    match version {
        ProxyVersion::V1 => text(client, target).into_bytes(),
        ProxyVersion::V2 => binary(client, target),
    }
}

fn text(client: SocketAddr, target: SocketAddr) -> String {
    let family = if client.is_ipv4() { "TCP4" } else { "TCP6" };
    format!("PROXY {family} {} {} {} {}\r\n", client.ip(), target.ip(), client.port(), target.port())
}

fn binary(client: SocketAddr, target: SocketAddr) -> Vec<u8> {
    let mut addresses = Vec::with_capacity(36);
    for address in [client, target] {
        match address.ip() {
            IpAddr::V4(v4) => addresses.extend(v4.octets()),
            IpAddr::V6(v6) => addresses.extend(v6.octets()),
        }
    }
    addresses.extend(client.port().to_be_bytes());
    addresses.extend(target.port().to_be_bytes());
    let mut header = Vec::with_capacity(52);
    header.extend(SIGNATURE);
    header.extend([PROXIED, if client.is_ipv4() { TCP4 } else { TCP6 }]);
    header.extend((addresses.len() as u16).to_be_bytes());
    header.extend(addresses);
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_1_is_one_line() {
        let v4 = header(ProxyVersion::V1, "192.0.2.100:40000".parse().unwrap(), "192.0.2.10:80".parse().unwrap());
        assert_eq!(v4, b"PROXY TCP4 192.0.2.100 192.0.2.10 40000 80\r\n");
        let v6 = header(ProxyVersion::V1, "[2001:db8::1]:1".parse().unwrap(), "[2001:db8::2]:65535".parse().unwrap());
        assert_eq!(v6, b"PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n");
    }

    #[test]
    fn version_2_is_as_the_specification_lays_it_out() {
        let v4 = header(ProxyVersion::V2, "192.0.2.100:40000".parse().unwrap(), "192.0.2.10:80".parse().unwrap());
        let expected = b"\x0d\x0a\x0d\x0a\x00\x0d\x0a\x51\x55\x49\x54\x0a\x21\x11\x00\x0c\
            \xc0\x00\x02\x64\xc0\x00\x02\x0a\x9c\x40\x00\x50";
        assert_eq!(v4, expected);
        let v6 = header(ProxyVersion::V2, "[2001:db8::1]:1".parse().unwrap(), "[2001:db8::2]:2".parse().unwrap());
        assert_eq!((v6.len(), v6[13], &v6[14..16], &v6[48..]), (52, 0x21, &[0, 36][..], &[0, 1, 0, 2][..]));
    }
}
