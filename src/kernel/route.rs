//! Routes and rules (ip-route(8), ip-rule(8)).

use crate::net::{IpNet, LinkName};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;

/// A route we want. Two are the same route if destination, table, metric and TOS agree.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Route {
    /// None: the default route.
    pub destination: Option<IpNet>,
    pub via: Option<IpAddr>,
    pub link: Option<LinkName>,
    pub source: Option<IpAddr>,
    pub table: Option<u32>,
    pub metric: Option<u32>,
    /// Somebody else who removes it makes us act (not `no_track`).
    pub tracked: bool,
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.destination {
            Some(net) => write!(f, "{net}")?,
            None => f.write_str("default")?,
        }
        if let Some(via) = self.via {
            write!(f, " via {via}")?;
        }
        if let Some(link) = &self.link {
            write!(f, " dev {link}")?;
        }
        Ok(())
    }
}

/// A routing rule we want.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Rule {
    pub from: Option<IpNet>,
    pub to: Option<IpNet>,
    pub priority: u32,
    pub table: u32,
    pub tracked: bool,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.priority)?;
        if let Some(from) = self.from {
            write!(f, " from {from}")?;
        }
        if let Some(to) = self.to {
            write!(f, " to {to}")?;
        }
        write!(f, " lookup {}", self.table)
    }
}
