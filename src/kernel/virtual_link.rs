//! Links made over another one: a macvlan with the virtual router's hardware address, or an ipvlan.

use crate::net::{Family, IpNet, LinkName, Mac};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A link we make over another one. It is ours by its name, its kind and the link below it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct VirtualLink {
    pub name: LinkName,
    /// The link below.
    pub base: LinkName,
    pub kind: VirtualLinkKind,
    /// The interface group it is put in (ip-link(8), `group`).
    pub group: Option<u32>,
    /// Whether it carries IPv4, and IPv6; without IPv6 the kernel sends nothing of it there by itself.
    pub ipv4: bool,
    pub ipv6: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum VirtualLinkKind {
    /// A private macvlan with the virtual router's hardware address (RFC 9568, 7.3).
    Macvlan(Mac),
    /// An ipvlan of mode l2; `address`, if there is one, stays on it.
    Ipvlan { mode: IpvlanMode, address: Option<IpNet> },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum IpvlanMode {
    Bridge,
    Private,
    Vepa,
}

impl VirtualLink {
    /// The hardware address of a virtual router: 00-00-5E-00-01-{VRID}, over IPv6 00-00-5E-00-02-{VRID} (RFC 9568, 7.3).
    pub const fn mac(family: Family, vrid: u8) -> Mac {
        let kind = match family {
            Family::V4 => 1,
            Family::V6 => 2,
        };
        Mac([0, 0, 0x5e, 0, kind, vrid])
    }
}

impl fmt::Display for VirtualLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            VirtualLinkKind::Macvlan(mac) => write!(f, "macvlan {} over {} with {mac}", self.name, self.base),
            VirtualLinkKind::Ipvlan { .. } => write!(f, "ipvlan {} over {}", self.name, self.base),
        }
    }
}
