//! Links and addresses.

use crate::net::{Family, IpNet, LinkName, Mac};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

/// The scope of an address (rtnetlink(7), `rt_scopes`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    #[default]
    Global,
    Site,
    Link,
    Host,
    /// Any other number of rt_scopes.
    #[serde(untagged)]
    Other(u8),
}

impl Scope {
    /// The kernel's number (`enum rt_scope_t`).
    pub const fn number(self) -> u8 {
        match self {
            Self::Global => 0,
            Self::Site => 200,
            Self::Link => 253,
            Self::Host => 254,
            Self::Other(number) => number,
        }
    }
}

/// An address we want on a link. Two are the same address if link and prefix agree; the rest is how it is added.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Address {
    pub link: LinkName,
    /// Address and prefix length, host bits kept.
    pub net: IpNet,
    pub label: Option<String>,
    pub scope: Scope,
    pub broadcast: Option<std::net::Ipv4Addr>,
    /// The other end of a point-to-point link.
    pub peer: Option<IpNet>,
    pub flags: AddressFlags,
    /// Seconds after which it is no source for new connections; 0: never one. None: for ever.
    pub preferred: Option<u32>,
    /// Somebody else who removes it makes us act (not `no_track`).
    pub tracked: bool,
}

/// What ip-address(8) calls CONFFLAG-LIST, and the kernel IFA_FLAGS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AddressFlags {
    pub home: bool,
    pub mngtmpaddr: bool,
    pub noprefixroute: bool,
    pub autojoin: bool,
    /// Duplicate address detection before an IPv6 address is used (`-nodad`); keepalived's default is without.
    pub dad: bool,
}

impl Address {
    pub fn new(link: LinkName, net: IpNet) -> Self {
        Self {
            link,
            net,
            label: None,
            scope: Scope::Global,
            broadcast: None,
            peer: None,
            flags: AddressFlags::default(),
            preferred: None,
            tracked: true,
        }
    }

    /// The address and prefix length the kernel lists it with: with a peer, the length is the peer's.
    pub fn listed(&self) -> IpNet {
        let length = self.peer.map_or(self.net.prefix_len(), |peer| peer.prefix_len());
        IpNet::new(self.net.addr(), length).unwrap_or(self.net)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} dev {}", self.net, self.link)
    }
}

/// One link as the kernel reports it, complete: what arrives replaces what was known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    pub name: LinkName,
    pub index: u32,
    /// Administratively up and with a carrier (IFF_UP and IFF_RUNNING).
    pub up: bool,
    pub mac: Option<Mac>,
    pub mtu: u32,
    /// Every address on it with its IFA_PROTO tag (0 where the kernel has none).
    pub addresses: BTreeMap<IpNet, u8>,
}

impl Link {
    /// The first address of a family on the link that is not in `not_these`: what a router sends from. IPv6 adverts
    /// leave from a link-local address (RFC 9568, 5.1.2.1).
    pub fn source(&self, family: Family, not_these: impl Fn(&IpNet) -> bool) -> Option<IpAddr> {
        let fits = |net: &&IpNet| match (family, net) {
            (Family::V4, IpNet::V4(_)) => true,
            (Family::V6, IpNet::V6(net)) => net.addr().is_unicast_link_local(),
            _ => false,
        };
        self.addresses.keys().filter(fits).find(|net| !not_these(net)).map(IpNet::addr)
    }
}
