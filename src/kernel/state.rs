//! Links and addresses.

use crate::net::{IpNet, LinkName, Mac};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// The scope of an address (rtnetlink(7), `rt_scopes`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    #[default]
    Global,
    Site,
    Link,
    Host,
}

impl Scope {
    /// The kernel's number (`enum rt_scope_t`).
    pub const fn number(self) -> u8 {
        match self {
            Self::Global => 0,
            Self::Site => 200,
            Self::Link => 253,
            Self::Host => 254,
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
}

impl Address {
    pub fn new(link: LinkName, net: IpNet) -> Self {
        Self { link, net, label: None, scope: Scope::Global, broadcast: None }
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
    /// The first IPv4 address on the link that is not in `not_these`: what a router sends from.
    pub fn source_v4(&self, not_these: impl Fn(&IpNet) -> bool) -> Option<std::net::Ipv4Addr> {
        self.addresses.keys().filter(|net| !not_these(net)).find_map(|net| match net {
            IpNet::V4(net) => Some(net.addr()),
            IpNet::V6(_) => None,
        })
    }
}
