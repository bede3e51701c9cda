//! What names a virtual service, and a real server in it.

use crate::net::Family;
use serde::{Deserialize, Serialize};
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
    Sctp,
}

impl Protocol {
    /// The IP protocol number.
    pub const fn number(self) -> u16 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Sctp => 132,
        }
    }

    pub const fn from_number(number: u16) -> Option<Self> {
        match number {
            6 => Some(Self::Tcp),
            17 => Some(Self::Udp),
            132 => Some(Self::Sctp),
            _ => None,
        }
    }
}

impl FromStr for Protocol {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        match word {
            "tcp" => Ok(Self::Tcp),
            "udp" => Ok(Self::Udp),
            "sctp" => Ok(Self::Sctp),
            _ => Err(UnknownWord { word: word.to_owned(), expected: "tcp, udp, sctp" }),
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        })
    }
}

/// What names a virtual service. Prints and parses as `tcp/192.0.2.10:80`, `fwmark/7` (of IPv4 packets), `fwmark6/7`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ServiceKey {
    /// Port 0: every port that has no service of its own; IPVS wants it persistent.
    Address { protocol: Protocol, address: SocketAddr },
    /// The packets of one family that the firewall has marked so, of whatever protocol.
    Mark { mark: u32, family: Family },
}

impl ServiceKey {
    pub const fn new(protocol: Protocol, address: SocketAddr) -> Self {
        Self::Address { protocol, address }
    }

    pub const fn tcp(address: IpAddr, port: u16) -> Self {
        Self::new(Protocol::Tcp, SocketAddr::new(address, port))
    }

    pub const fn mark(mark: u32, family: Family) -> Self {
        Self::Mark { mark, family }
    }

    /// None: a mark is of any protocol.
    pub const fn protocol(&self) -> Option<Protocol> {
        match self {
            Self::Address { protocol, .. } => Some(*protocol),
            Self::Mark { .. } => None,
        }
    }

    /// None: a mark names no address.
    pub const fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Address { address, .. } => Some(*address),
            Self::Mark { .. } => None,
        }
    }

    pub const fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Address { address, .. } => Some(address.ip()),
            Self::Mark { .. } => None,
        }
    }

    /// 0 for a mark, which is of any port.
    pub const fn port(&self) -> u16 {
        match self {
            Self::Address { address, .. } => address.port(),
            Self::Mark { .. } => 0,
        }
    }

    pub const fn family(&self) -> Family {
        match self {
            Self::Address { address, .. } => Family::of(address.ip()),
            Self::Mark { family, .. } => *family,
        }
    }

    /// Where its clients go, without the protocol, for people: `192.0.2.10:80`, `fwmark 7`, `fwmark 7 IPv6`.
    pub fn place(&self) -> String {
        match self {
            Self::Address { address, .. } => address.to_string(),
            Self::Mark { mark, family: Family::V4 } => format!("fwmark {mark}"),
            Self::Mark { mark, family: Family::V6 } => format!("fwmark {mark} IPv6"),
        }
    }
}

impl fmt::Display for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&match self {
            Self::Address { protocol, address } => format!("{protocol}/{address}"),
            Self::Mark { mark, family: Family::V4 } => format!("fwmark/{mark}"),
            Self::Mark { mark, family: Family::V6 } => format!("fwmark6/{mark}"),
        })
    }
}

impl FromStr for ServiceKey {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let expected = "tcp/ADDRESS:PORT, udp/ADDRESS:PORT, sctp/ADDRESS:PORT, fwmark/NUMBER, fwmark6/NUMBER";
        let bad = || UnknownWord { word: text.to_owned(), expected };
        let (kind, rest) = text.split_once('/').ok_or_else(bad)?;
        let mark = |family| Ok(Self::mark(rest.parse().ok().filter(|mark| *mark > 0).ok_or_else(bad)?, family));
        match kind {
            "fwmark" => mark(Family::V4),
            "fwmark6" => mark(Family::V6),
            protocol => {
                let protocol = protocol.parse().ok().ok_or_else(bad)?;
                Ok(Self::new(protocol, rest.parse().ok().ok_or_else(bad)?))
            }
        }
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

/// What names a real server within its virtual service. Port 0: the port that the client asked for.
pub type DestinationKey = SocketAddr;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_key_survives_printing_and_parsing() {
        for text in ["tcp/192.0.2.10:80", "udp/[2001:db8::1]:53", "sctp/192.0.2.10:0", "fwmark/7", "fwmark6/4294967295"]
        {
            assert_eq!(text.parse::<ServiceKey>().map(|k| k.to_string()), Ok(text.to_owned()));
        }
        for text in ["192.0.2.10:80", "fwmark/0", "fwmark/x", "fwmark7/1", "icmp/192.0.2.10:80", "tcp/192.0.2.10"] {
            assert!(text.parse::<ServiceKey>().is_err(), "{text}");
        }
    }
}
