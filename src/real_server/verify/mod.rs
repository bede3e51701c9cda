//! `vipdeck real-server verify`: from a director, whether real servers take packets for the VIPs, answer, and keep
//! silent about it. `ask` sends and listens, `judge` says what that means, `show` tells. Pure but for `ask`.

mod ask;
mod judge;
mod show;

pub(super) use ask::ask;
pub(super) use show::Report;

use super::vip::{Method, checked};
use crate::kernel::Protocol;
use crate::net::Mac;
use crate::wire::reach::Undeliverable;
use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// One real server of one service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Target {
    pub(super) vip: IpAddr,
    /// None: the VIP alone is asked for.
    pub(super) port: Option<Port>,
    pub(super) real: IpAddr,
    pub(super) method: Method,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct Port {
    pub(super) protocol: Protocol,
    pub(super) number: u16,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}/{} at {}", port.protocol, SocketAddr::new(self.vip, port.number), self.real),
            None => write!(f, "{} at {}", self.vip, self.real),
        }
    }
}

/// A VIP as the command line has it: `ADDRESS`, `ADDRESS:PORT`, `tcp/ADDRESS:PORT`, `udp/ADDRESS:PORT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) vip: IpAddr,
    pub(super) port: Option<Port>,
}

impl FromStr for Asked {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let (protocol, rest) = match word.split_once('/') {
            None => (Protocol::Tcp, word),
            Some(("tcp", rest)) => (Protocol::Tcp, rest),
            Some(("udp", rest)) => (Protocol::Udp, rest),
            Some((other, _)) => return Err(format!("`{other}` is neither tcp nor udp")),
        };
        let asked = if let Ok(vip) = rest.parse::<IpAddr>() {
            Self { vip, port: None }
        } else if let Ok(address) = rest.parse::<SocketAddr>() {
            Self { vip: address.ip(), port: Some(Port { protocol, number: address.port() }) }
        } else {
            return Err(format!("`{word}` is none of ADDRESS, ADDRESS:PORT, [IPV6]:PORT, udp/ADDRESS:PORT"));
        };
        checked(asked.vip).map_err(|error| error.to_string())?;
        Ok(asked)
    }
}

/// What was seen of a target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// The link of this machine towards the real server; none: there is no route.
    pub(super) link: Option<String>,
    /// Why it could not even be asked.
    pub(super) no_way: Option<String>,
    /// The real server is this machine.
    pub(super) is_here: bool,
    /// The router between.
    pub(super) gateway: Option<IpAddr>,
    /// Of the real server, or of the router.
    pub(super) mac: Option<Mac>,
    /// This machine has the VIP on a link.
    pub(super) is_held: bool,
    /// Everybody who says to have the VIP.
    pub(super) claims: BTreeSet<Mac>,
    /// The real server answers echo requests to the VIP, and (in the same way) to itself.
    pub(super) echo: bool,
    pub(super) control: bool,
    pub(super) answer: Answer,
    /// It sends packets for the VIP back to the link.
    pub(super) is_forwarded: bool,
    /// Somebody else answered for it: where it forwards to.
    pub(super) answered_by: Option<Mac>,
    /// ICMP refuses the packet around the packet.
    pub(super) tunnel: Option<Undeliverable>,
    /// Packets in packets leave from the VIP.
    pub(super) leaves_from_vip: bool,
    /// It asked by ARP with the VIP as its own address; none: that was not tried.
    pub(super) asks_with_vip: Option<bool>,
    /// Whether it answers other addresses of this machine, and whether these were asked for.
    pub(super) others: Vec<(IpAddr, bool)>,
    pub(super) others_were_given: bool,
}

/// What the port says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Answer {
    #[default]
    Silent,
    Open,
    Closed,
    Prohibited,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vip_may_have_a_port_and_a_protocol() {
        let asked = |word: &str| word.parse::<Asked>();
        assert_eq!(asked("192.0.2.1").unwrap().port, None);
        let port = asked("[2001:db8::1]:80").unwrap().port.unwrap();
        assert_eq!((port.protocol, port.number), (Protocol::Tcp, 80));
        assert_eq!(asked("udp/192.0.2.1:53").unwrap().port.unwrap().protocol, Protocol::Udp);
        assert_eq!(asked("icmp/192.0.2.1").unwrap_err(), "`icmp` is neither tcp nor udp");
        assert!(asked("192.0.2.1:x").unwrap_err().contains("ADDRESS:PORT"));
        assert!(asked("127.0.0.1:80").unwrap_err().contains("cannot be a VIP"));
    }
}
