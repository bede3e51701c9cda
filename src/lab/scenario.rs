//! What there is in a lab.

use crate::net::IpNet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// A cluster with its surroundings.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    pub name: &'static str,
    pub directors: &'static [Director],
    pub servers: &'static [Machine],
    pub client: Machine,
    /// Each asked on [`Scenario::port`].
    pub vips: &'static [Ipv4Addr],
    pub port: u16,
}

/// A machine on the bridge: a namespace with one link, eth0.
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    pub name: &'static str,
    pub address: Ipv4Addr,
}

/// A machine that runs an engine.
#[derive(Clone, Copy, Debug)]
pub struct Director {
    pub machine: Machine,
    /// keepalived.conf; its `router_id` is the machine's name.
    pub configuration: &'static str,
}

/// Every machine's prefix length.
pub const PREFIX: u8 = 24;

const ALL: &[Scenario] = &[DUAL_MASTER_DR];

const DUAL_MASTER_DR: Scenario = Scenario {
    name: "dual-master-dr",
    directors: &[
        Director {
            machine: Machine { name: "lvs1", address: Ipv4Addr::new(192, 168, 10, 11) },
            configuration: include_str!("../../assets/dual-master-dr/lvs1.conf"),
        },
        Director {
            machine: Machine { name: "lvs2", address: Ipv4Addr::new(192, 168, 10, 12) },
            configuration: include_str!("../../assets/dual-master-dr/lvs2.conf"),
        },
    ],
    servers: &[
        Machine { name: "web1", address: Ipv4Addr::new(192, 168, 10, 31) },
        Machine { name: "web2", address: Ipv4Addr::new(192, 168, 10, 32) },
    ],
    client: Machine { name: "client", address: Ipv4Addr::new(192, 168, 10, 100) },
    vips: &[Ipv4Addr::new(192, 168, 10, 20), Ipv4Addr::new(192, 168, 10, 21)],
    port: 80,
};

/// A name that is no scenario.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no scenario `{name}`; there is: {}", names())]
pub struct Unknown {
    name: String,
}

fn names() -> String {
    ALL.iter().map(|s| s.name).collect::<Vec<_>>().join(", ")
}

/// The scenario of this name.
pub fn find(name: &str) -> Result<&'static Scenario, Unknown> {
    ALL.iter().find(|s| s.name == name).ok_or_else(|| Unknown { name: name.to_owned() })
}

impl Scenario {
    /// Every machine, the directors first.
    pub fn machines(&self) -> impl Iterator<Item = Machine> {
        let directors = self.directors.iter().map(|d| d.machine);
        directors.chain(self.servers.iter().copied()).chain([self.client])
    }

    /// What the client asks.
    pub fn targets(&self) -> impl Iterator<Item = SocketAddr> {
        self.vips.iter().map(|vip| SocketAddr::new(IpAddr::V4(*vip), self.port))
    }
}

impl Machine {
    pub fn net(&self) -> anyhow::Result<IpNet> {
        Ok(IpNet::new(IpAddr::V4(self.address), PREFIX)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_scenario_is_answered_with_those_there_are() {
        let error = find("nonsense").expect_err("no such scenario").to_string();
        assert_eq!(error, "there is no scenario `nonsense`; there is: dual-master-dr");
    }

    #[test]
    fn every_configuration_belongs_to_its_machine() {
        for director in find("dual-master-dr").expect("it is there").directors {
            let name = director.machine.name;
            let named = |line: &str| line.split_whitespace().take(2).eq(["router_id", name]);
            assert!(director.configuration.lines().any(named), "{name}");
        }
    }
}
