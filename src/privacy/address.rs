//! Addresses: those of one network stay in one network, of the ranges for documentation (RFC 5737, 3849, 7042) and,
//! when these are full, for benchmarks (RFC 2544).

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

const DOCUMENTATION: [[u8; 3]; 3] = [[192, 0, 2], [198, 51, 100], [203, 0, 113]];

/// What stands for a network, and for its hosts.
type Network<N, H> = (N, BTreeMap<H, H>);

#[derive(Clone, Debug, Default)]
pub(super) struct Addresses {
    networks4: BTreeMap<[u8; 3], Network<[u8; 3], u8>>,
    networks6: BTreeMap<[u16; 4], Network<[u16; 4], u64>>,
    macs: BTreeMap<[u8; 6], u16>,
}

pub(super) fn is_one(text: &str) -> bool {
    let address = text.split_once('/').map_or(text, |(address, _)| address);
    address.parse::<IpAddr>().is_ok() || text.parse::<SocketAddr>().is_ok() || mac(text).is_some()
}

fn mac(text: &str) -> Option<[u8; 6]> {
    let mut bytes = [0; 6];
    let mut parts = text.split(':');
    for byte in &mut bytes {
        *byte = parts.next().filter(|p| p.len() == 2).and_then(|p| u8::from_str_radix(p, 16).ok())?;
    }
    parts.next().is_none().then_some(bytes)
}

impl Addresses {
    /// The stand-in of what may be an address, with or without a port; none: it is none.
    pub(super) fn replaced(&mut self, text: &str) -> Option<String> {
        if let Some(mac) = mac(text) {
            return Some(self.mac(mac));
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Some(self.ip(address).to_string());
        }
        let (address, port) = text.rsplit_once(':')?;
        let (address, _) = (address.parse::<Ipv4Addr>().ok()?, port.parse::<u16>().ok()?);
        Some(format!("{}:{port}", self.ip(IpAddr::V4(address))))
    }

    fn ip(&mut self, address: IpAddr) -> IpAddr {
        match address {
            IpAddr::V4(a) if a.is_unspecified() || a.is_loopback() || a.is_multicast() || a.is_broadcast() => address,
            IpAddr::V6(a) if a.is_unspecified() || a.is_loopback() || a.is_multicast() => address,
            IpAddr::V4(address) => IpAddr::V4(self.v4(address)),
            IpAddr::V6(address) => IpAddr::V6(self.v6(address)),
        }
    }

    fn v4(&mut self, address: Ipv4Addr) -> Ipv4Addr {
        let [a, b, c, host] = address.octets();
        if !self.networks4.contains_key(&[a, b, c]) {
            let free = self.free4([a, b, c]);
            self.networks4.insert([a, b, c], (free, BTreeMap::new()));
        }
        let Some(([a, b, c], hosts)) = self.networks4.get_mut(&[a, b, c]) else { return Ipv4Addr::UNSPECIFIED };
        let next = hosts.len() as u8 + 1;
        // The network's own address and its broadcast stay what they are.
        let host = if matches!(host, 0 | 255) { host } else { *hosts.entry(host).or_insert(next) };
        Ipv4Addr::new(*a, *b, *c, host)
    }

    /// A network that stands for none yet, and that has not been seen itself.
    fn free4(&self, seen: [u8; 3]) -> [u8; 3] {
        let benchmarks = (0..=u8::MAX).flat_map(|c| [[198, 18, c], [198, 19, c]]);
        let taken = |n: &[u8; 3]| {
            *n == seen || self.networks4.contains_key(n) || self.networks4.values().any(|(stand_in, _)| stand_in == n)
        };
        // Beyond five hundred networks some share one.
        DOCUMENTATION.into_iter().chain(benchmarks).find(|n| !taken(n)).unwrap_or([198, 19, 255])
    }

    fn v6(&mut self, address: Ipv6Addr) -> Ipv6Addr {
        let [a, b, c, d, hosts @ ..] = address.segments();
        let host = hosts.iter().fold(0, |all, part| all << 16 | u64::from(*part));
        let number = self.networks6.len() as u16 + 1;
        // Of a link, as it was.
        let is_local = a & 0xffc0 == 0xfe80;
        let network = if is_local { [a, b, c, d] } else { [0x2001, 0xdb8, 0, number] };
        let (network, hosts) = self.networks6.entry([a, b, c, d]).or_insert((network, BTreeMap::new()));
        let next = hosts.len() as u64 + 1;
        let host = if host == 0 { 0 } else { *hosts.entry(host).or_insert(next) };
        let [a, b, c, d] = *network;
        Ipv6Addr::new(a, b, c, d, (host >> 48) as u16, (host >> 32) as u16, (host >> 16) as u16, host as u16)
    }

    fn mac(&mut self, mac: [u8; 6]) -> String {
        // Of virtual routers, of groups, of everybody.
        let is_common = matches!(mac, [0, 0, 0x5e, 0, 1 | 2, _] | [0, 0, 0, 0, 0, 0]) || mac[0] & 1 == 1;
        if is_common {
            return mac.map(|byte| format!("{byte:02x}")).join(":");
        }
        let next = self.macs.len() as u16 + 1;
        let number = *self.macs.entry(mac).or_insert(next);
        format!("00:00:5e:00:{:02x}:{:02x}", 0x53 + (number >> 8) as u8, number as u8)
    }
}
