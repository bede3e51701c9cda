//! An address to serve here, how packets for it come, and the link it belongs on. Pure.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// How the director hands packets on (ipvsadm(8): --gatewaying, --ipip).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Method {
    /// As they are, in a frame for this machine.
    #[default]
    Direct,
    /// In a packet for this machine: IPv4 in IPv4, IPv6 in IPv6.
    Tunnel,
}

/// Addresses to serve.
pub(super) type Vips = BTreeMap<IpAddr, Method>;

/// A link that holds VIPs and tells nobody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Device {
    #[default]
    Lo,
    /// Takes every IPv4 packet in an IPv4 packet for this machine. The VIPs have to be on it: the kernel's loose reverse
    /// path filter drops all that comes in over a link without an address.
    Tunl0,
    /// The same for IPv6.
    Ip6tnl0,
}

impl Device {
    pub(super) const ALL: [Self; 3] = [Self::Lo, Self::Tunl0, Self::Ip6tnl0];

    /// Where a VIP belongs.
    pub(super) const fn of(vip: IpAddr, method: Method) -> Self {
        match (method, vip) {
            (Method::Direct, _) => Self::Lo,
            (Method::Tunnel, IpAddr::V4(_)) => Self::Tunl0,
            (Method::Tunnel, IpAddr::V6(_)) => Self::Ip6tnl0,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Lo => "lo",
            Self::Tunl0 => "tunl0",
            Self::Ip6tnl0 => "ip6tnl0",
        }
    }

    /// The kernel's module, and what its links are called there (ip-link(8)); lo has none.
    pub(super) const fn kind(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Lo => None,
            Self::Tunl0 => Some(("ipip", "ipip")),
            Self::Ip6tnl0 => Some(("ip6_tunnel", "ip6tnl")),
        }
    }

    /// The bytes that a tunnel adds to a packet.
    pub(super) const fn overhead(self) -> Option<u32> {
        match self {
            Self::Lo => None,
            Self::Tunl0 => Some(20),
            Self::Ip6tnl0 => Some(40),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The length of a host's prefix.
pub(super) const fn bits(vip: IpAddr) -> u8 {
    if vip.is_ipv4() { 32 } else { 128 }
}

/// Why an address cannot be a VIP here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoVip {
    #[error("{0} cannot be a VIP: it is no unicast address of another link")]
    Special(IpAddr),
    #[error("{0} cannot be a VIP here: a link-local address is one of its own link alone; give a global one")]
    LinkLocal(Ipv6Addr),
    #[error("{0} is an IPv4 address written as IPv6; write it as IPv4")]
    Mapped(Ipv6Addr),
}

/// The addresses as VIPs that are served so.
pub(super) fn vips(addresses: &[IpAddr], method: Method) -> Result<Vips, NoVip> {
    addresses.iter().map(|address| Ok((checked(*address)?, method))).collect()
}

/// The address, if it can be a VIP.
pub(super) fn checked(address: IpAddr) -> Result<IpAddr, NoVip> {
    let special = address.is_loopback() || address.is_unspecified() || address.is_multicast();
    match address {
        IpAddr::V4(ip) if special || ip.is_broadcast() => Err(NoVip::Special(address)),
        IpAddr::V6(_) if special => Err(NoVip::Special(address)),
        IpAddr::V6(ip) if ip.is_unicast_link_local() => Err(NoVip::LinkLocal(ip)),
        IpAddr::V6(ip) if ip.to_ipv4_mapped().is_some() => Err(NoVip::Mapped(ip)),
        _ => Ok(address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_cannot_be_a_vip_is_refused() {
        for bad in ["127.0.0.1", "0.0.0.0", "224.0.0.18", "255.255.255.255", "::", "::1", "ff02::1"] {
            assert!(matches!(checked(bad.parse().unwrap()), Err(NoVip::Special(_))), "{bad}");
        }
        assert!(matches!(checked("fe80::1".parse().unwrap()), Err(NoVip::LinkLocal(_))));
        assert!(matches!(checked("::ffff:192.0.2.1".parse().unwrap()), Err(NoVip::Mapped(_))));
        assert!(checked("192.0.2.1".parse().unwrap()).is_ok() && checked("2001:db8::1".parse().unwrap()).is_ok());
    }

    #[test]
    fn tunnels_have_links_of_their_own() {
        let (four, six) = ("192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap());
        assert_eq!([Device::of(four, Method::Direct), Device::of(six, Method::Direct)], [Device::Lo, Device::Lo]);
        assert_eq!([four, six].map(|vip| Device::of(vip, Method::Tunnel)), [Device::Tunl0, Device::Ip6tnl0]);
    }
}
