//! How packets reach a real server.

use super::key::UnknownWord;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// How a packet reaches the real server (ipvsadm(8): masquerading, gatewaying, tunneling). Prints and parses as `NAT`,
/// `DR`, `TUN`, `TUN gue 6080 csum`, `TUN gre`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Forwarding {
    #[default]
    Nat,
    Dr,
    Tun(Tunnel),
}

/// What a packet is wrapped into (`--tun-type`; Linux has all but IPIP from 5.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tunnel {
    /// IP in IP.
    #[default]
    Ipip,
    /// Generic UDP encapsulation to a port.
    Gue { port: u16, checksum: Checksum },
    /// Generic routing encapsulation; a remote checksum there is not.
    Gre { checksum: Checksum },
}

/// Whether the tunnel's header has a checksum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Checksum {
    #[default]
    No,
    Yes,
    /// Offloaded to the other end.
    Remote,
}

impl Checksum {
    pub const fn name(self) -> &'static str {
        match self {
            Self::No => "nocsum",
            Self::Yes => "csum",
            Self::Remote => "remcsum",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::No, Self::Yes, Self::Remote].into_iter().find(|c| c.name() == name)
    }
}

impl Forwarding {
    /// Whether packets arrive at the real server with the port that the client asked for.
    pub const fn keeps_port(self) -> bool {
        !matches!(self, Self::Nat)
    }

    /// `NAT`, `DR` or `TUN`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nat => "NAT",
            Self::Dr => "DR",
            Self::Tun(_) => "TUN",
        }
    }
}

impl fmt::Display for Forwarding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let suffix = |checksum| match checksum {
            Checksum::No => String::new(),
            other => format!(" {}", other.name()),
        };
        match self {
            Self::Tun(Tunnel::Gue { port, checksum }) => f.pad(&format!("TUN gue {port}{}", suffix(*checksum))),
            Self::Tun(Tunnel::Gre { checksum }) => f.pad(&format!("TUN gre{}", suffix(*checksum))),
            other => f.pad(other.name()),
        }
    }
}

impl FromStr for Forwarding {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad =
            || UnknownWord { word: text.to_owned(), expected: "NAT, DR, TUN, TUN gue PORT [csum], TUN gre [csum]" };
        let lower = text.to_lowercase();
        let words: Vec<_> = lower.split_whitespace().collect();
        let checksum = |words: &[&str]| match words {
            [] => Some(Checksum::No),
            [word] => Checksum::from_name(word),
            _ => None,
        };
        match words.as_slice() {
            ["nat"] => Ok(Self::Nat),
            ["dr"] => Ok(Self::Dr),
            ["tun"] => Ok(Self::Tun(Tunnel::Ipip)),
            ["tun", "gue", port, rest @ ..] => {
                let port = port.parse().ok().ok_or_else(bad)?;
                Ok(Self::Tun(Tunnel::Gue { port, checksum: checksum(rest).ok_or_else(bad)? }))
            }
            ["tun", "gre", rest @ ..] => Ok(Self::Tun(Tunnel::Gre { checksum: checksum(rest).ok_or_else(bad)? })),
            _ => Err(bad()),
        }
    }
}

impl TryFrom<String> for Forwarding {
    type Error = UnknownWord;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Forwarding> for String {
    /// Lower case in every stored and sent form.
    fn from(forwarding: Forwarding) -> Self {
        forwarding.to_string().to_lowercase()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_survives_printing_and_parsing() {
        for text in ["NAT", "DR", "TUN", "TUN gue 6080", "TUN gue 7000 remcsum", "TUN gre", "TUN gre csum"] {
            assert_eq!(text.parse::<Forwarding>().map(|f| f.to_string()), Ok(text.to_owned()));
            assert_eq!(text.parse(), text.to_lowercase().parse::<Forwarding>());
        }
        for text in ["", "TUN gue", "TUN gue x", "TUN gre csum csum", "LOCAL"] {
            assert!(text.parse::<Forwarding>().is_err(), "{text}");
        }
    }
}
