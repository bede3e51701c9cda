//! What the configuration says about a virtual service.

use crate::health;
use crate::kernel::{Destination, DestinationKey, Forwarding, Persistence, Scheduler, SchedulerFlags, ServiceKey};
use crate::vrrp::Command;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// One `virtual_server`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceSpec {
    /// What it is called by everywhere. Of a group: its first entry.
    pub key: ServiceKey,
    /// `virtual_server group`: one set of real servers, checks and verdicts behind several entries of the table.
    pub group: Option<Group>,
    pub scheduler: Scheduler,
    pub flags: SchedulerFlags,
    /// `ops`.
    pub one_packet: bool,
    /// `lb_kind`: what real servers use unless they say otherwise.
    pub forwarding: Forwarding,
    /// None: no persistence.
    pub persistence: Option<Persistence>,
    pub reals: Vec<RealSpec>,
    /// Serves while the quorum is lost.
    pub sorry: Option<Sorry>,
    /// The least weight of all servers that are up.
    pub quorum: u32,
    /// How far above the quorum it is regained, and how far below it is lost; less than the quorum.
    pub hysteresis: u32,
    /// The scripts for what goes down run when the engine ends, too.
    pub omega: bool,
    /// Checks run only while the address is on this node.
    pub ha_suspend: bool,
    pub quorum_up: Option<Command>,
    pub quorum_down: Option<Command>,
    /// Mail when the quorum is lost or regained.
    pub smtp_alert: bool,
}

/// A `virtual_server_group`, as one virtual server uses it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    pub name: String,
    /// At least one, each once.
    pub entries: Vec<ServiceKey>,
}

/// One `real_server`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RealSpec {
    /// Port 0: that of the client's packet.
    pub key: DestinationKey,
    pub forwarding: Forwarding,
    pub weight: u32,
    /// Connections from which on it gets no more (`uthreshold`); 0: no limit.
    pub upper: u32,
    /// Connections below which it gets more again (`lthreshold`).
    pub lower: u32,
    /// A failed server stays in the table with weight 0 (`inhibit_on_failure`).
    pub inhibit_on_failure: bool,
    /// All must pass; none: always up.
    pub checks: Vec<health::Spec>,
    pub notify_up: Option<Command>,
    pub notify_down: Option<Command>,
    /// Mail when it goes down or comes back.
    pub smtp_alert: bool,
}

/// The `sorry_server`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sorry {
    pub key: DestinationKey,
    pub forwarding: Forwarding,
    /// It stays in the table with weight 0 while it is not needed (`sorry_server_inhibit`).
    pub inhibit: bool,
}

impl ServiceSpec {
    /// With keepalived's defaults and no real server.
    pub const fn new(key: ServiceKey) -> Self {
        Self {
            key,
            group: None,
            scheduler: Scheduler::Wlc,
            flags: SchedulerFlags { first: false, second: false, third: false },
            one_packet: false,
            forwarding: Forwarding::Nat,
            persistence: None,
            reals: Vec::new(),
            sorry: None,
            quorum: 1,
            hysteresis: 0,
            omega: false,
            ha_suspend: false,
            quorum_up: None,
            quorum_down: None,
            smtp_alert: false,
        }
    }

    /// Its entries in the table.
    pub fn entries(&self) -> &[ServiceKey] {
        self.group.as_ref().map_or(std::slice::from_ref(&self.key), |group| &group.entries)
    }
}

impl RealSpec {
    /// With keepalived's defaults and no check.
    pub const fn new(key: DestinationKey, forwarding: Forwarding) -> Self {
        Self {
            key,
            forwarding,
            weight: 1,
            upper: 0,
            lower: 0,
            inhibit_on_failure: false,
            checks: Vec::new(),
            notify_up: None,
            notify_down: None,
            smtp_alert: true,
        }
    }

    /// What it is called in one entry of its service.
    pub fn key_in(&self, entry: &ServiceKey) -> DestinationKey {
        key_in(self.key, self.forwarding, entry)
    }

    pub const fn destination(&self, weight: u32) -> Destination {
        Destination { forwarding: self.forwarding, weight, upper: self.upper, lower: self.lower }
    }
}

impl Sorry {
    pub fn key_in(&self, entry: &ServiceKey) -> DestinationKey {
        key_in(self.key, self.forwarding, entry)
    }
}

/// What does not rewrite ports arrives at that of the entry, whatever is written.
const fn key_in(key: DestinationKey, forwarding: Forwarding, entry: &ServiceKey) -> DestinationKey {
    if forwarding.keeps_port() { SocketAddr::new(key.ip(), entry.port()) } else { key }
}
