//! The IPVS table (ipvsadm(8)), wanted and observed.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// A word that names no member of a closed set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` is none of: {expected}")]
pub struct UnknownWord {
    pub word: String,
    pub expected: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    Tcp,
    Udp,
}

impl Protocol {
    /// The IP protocol number.
    pub const fn number(self) -> u16 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheduler {
    /// Round robin.
    Rr,
    /// Weighted round robin.
    Wrr,
    /// Least connections.
    Lc,
    /// Weighted least connections.
    #[default]
    Wlc,
    /// Source hashing.
    Sh,
}

impl Scheduler {
    /// The name IPVS and keepalived use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rr => "rr",
            Self::Wrr => "wrr",
            Self::Lc => "lc",
            Self::Wlc => "wlc",
            Self::Sh => "sh",
        }
    }
}

impl FromStr for Scheduler {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        [Self::Rr, Self::Wrr, Self::Lc, Self::Wlc, Self::Sh]
            .into_iter()
            .find(|s| s.name() == word)
            .ok_or_else(|| UnknownWord { word: word.to_owned(), expected: "rr, wrr, lc, wlc, sh" })
    }
}

impl fmt::Display for Scheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// How a packet reaches the real server (ipvsadm(8): masquerading, gatewaying).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Forwarding {
    Nat,
    Dr,
}

impl fmt::Display for Forwarding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Nat => "NAT",
            Self::Dr => "DR",
        })
    }
}

/// What names a virtual service. Prints and parses as `tcp/192.0.2.10:80`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ServiceKey {
    pub protocol: Protocol,
    pub address: SocketAddr,
}

impl ServiceKey {
    pub const fn tcp(address: IpAddr, port: u16) -> Self {
        Self { protocol: Protocol::Tcp, address: SocketAddr::new(address, port) }
    }
}

impl fmt::Display for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}/{}", self.protocol, self.address))
    }
}

impl FromStr for ServiceKey {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || UnknownWord { word: text.to_owned(), expected: "tcp/ADDRESS:PORT, udp/ADDRESS:PORT" };
        let (protocol, address) = text.split_once('/').ok_or_else(bad)?;
        let protocol = match protocol {
            "tcp" => Protocol::Tcp,
            "udp" => Protocol::Udp,
            _ => return Err(bad()),
        };
        Ok(Self { protocol, address: address.parse().ok().ok_or_else(bad)? })
    }
}

impl TryFrom<String> for ServiceKey {
    type Error = UnknownWord;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ServiceKey> for String {
    fn from(key: ServiceKey) -> Self {
        key.to_string()
    }
}

/// What names a real server within its virtual service.
pub type DestinationKey = SocketAddr;

/// A virtual service as it should be, with its real servers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    pub scheduler: Scheduler,
    /// Seconds a client sticks to its real server; none: no persistence.
    pub persistence: Option<u32>,
    pub destinations: BTreeMap<DestinationKey, Destination>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Destination {
    pub forwarding: Forwarding,
    pub weight: u32,
}

/// The table that should exist.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    pub services: BTreeMap<ServiceKey, Service>,
}

/// Totals since the entry was made (ipvsadm --stats).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    pub connections: u64,
    pub packets_in: u64,
    pub packets_out: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
}

/// The table as read back from the kernel, or from the balancer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedTable {
    pub services: BTreeMap<ServiceKey, ObservedService>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedService {
    /// The scheduler's name: a kernel may hold one that we never write.
    pub scheduler: String,
    pub persistence: Option<u32>,
    pub counters: Counters,
    pub destinations: BTreeMap<DestinationKey, ObservedDestination>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedDestination {
    /// None: a forwarding method we never write (tunnel, local).
    pub forwarding: Option<Forwarding>,
    pub weight: u32,
    /// Established connections.
    pub active: u32,
    /// Connections in any other state.
    pub inactive: u32,
    /// Clients that stick to it (persistence).
    pub persistent: u32,
    pub counters: Counters,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_key_survives_printing_and_parsing() {
        for text in ["tcp/192.0.2.10:80", "udp/[2001:db8::1]:53"] {
            assert_eq!(text.parse::<ServiceKey>().map(|k| k.to_string()), Ok(text.to_owned()));
        }
        assert!("192.0.2.10:80".parse::<ServiceKey>().is_err());
    }
}
