//! The IPVS schedulers: which real server gets the next connection.
//!
//! Pure and deterministic: the balancer asks with its connection counts, the simulator with its own. Each gives the
//! servers that the kernel's gives for the same table and the same clients (`tests/ipvs` compares them); what differs
//! is said at [`State::pick`].

mod hashing;
mod homes;
mod least;
mod rotation;
mod state;

pub use rotation::Rotation;
pub use state::{Edit, State};

use crate::kernel::{DestinationKey, Scheduler, SchedulerFlags};
use std::net::IpAddr;

/// A real server as a scheduler sees it.
pub trait Server {
    fn key(&self) -> DestinationKey;
    fn weight(&self) -> u32;
    /// Its last weight that was not 0.
    fn last_weight(&self) -> u32;
    /// Established connections.
    fn active(&self) -> u32;
    /// Connections in any other state.
    fn inactive(&self) -> u32;
    /// It has reached its upper threshold, and not yet come back below the lower one.
    fn is_overloaded(&self) -> bool;
}

/// A new connection.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub scheduler: Scheduler,
    pub flags: SchedulerFlags,
    pub client: IpAddr,
    /// The client's; counts for `sh-port` and `mh-port` alone.
    pub port: u16,
    /// What the client asked for: dh, lblc and lblcr go by it.
    pub target: IpAddr,
    /// These did not answer just now.
    pub except: &'a [DestinationKey],
}

impl Request<'_> {
    fn may_have(&self, server: &impl Server) -> bool {
        server.weight() > 0 && !server.is_overloaded() && !self.except.contains(&server.key())
    }

    /// The port that takes part in hashing.
    fn hashed_port(&self) -> u16 {
        if self.flags.second { self.port } else { 0 }
    }

    /// Another server in place of one that takes nothing. IPVS does that with `sh-fallback` or `mh-fallback` alone; a
    /// server that did not answer is known here to be of no use, so it is passed over in any case.
    fn falls_back(&self) -> bool {
        self.flags.first || !self.except.is_empty()
    }
}

/// A server with its counts, as a plain value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub key: DestinationKey,
    pub weight: u32,
    pub active: u32,
    pub inactive: u32,
}

impl Server for Candidate {
    fn key(&self) -> DestinationKey {
        self.key
    }

    fn weight(&self) -> u32 {
        self.weight
    }

    fn last_weight(&self) -> u32 {
        self.weight
    }

    fn active(&self) -> u32 {
        self.active
    }

    fn inactive(&self) -> u32 {
        self.inactive
    }

    fn is_overloaded(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests;
