//! Virtual services and real servers with all that IPVS knows of them.

use super::forwarding::Forwarding;
use super::key::{DestinationKey, ServiceKey};
use super::scheduler::{Scheduler, SchedulerFlags};
use super::sync::{SyncDaemon, SyncRole, Timeouts};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A virtual service as it should be, with its real servers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    pub scheduler: Scheduler,
    pub flags: SchedulerFlags,
    /// Every packet is scheduled by itself (UDP).
    pub one_packet: bool,
    /// None: every connection is scheduled by itself.
    pub persistence: Option<Persistence>,
    pub destinations: BTreeMap<DestinationKey, Destination>,
}

/// A client sticks to its real server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Persistence {
    /// Seconds after its last connection.
    pub timeout: u32,
    /// The length of the prefix that counts as one client: 32 or 128 for a single address.
    pub granularity: u8,
    /// What tells clients apart beside their address (`sip`).
    pub engine: Option<String>,
}

impl Persistence {
    /// By single clients of the service's family.
    pub fn of(key: &ServiceKey, timeout: u32) -> Self {
        Self { timeout, granularity: key.family().bits(), engine: None }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Destination {
    pub forwarding: Forwarding,
    pub weight: u32,
    /// Connections from which on it gets no more; 0: no limit.
    pub upper: u32,
    /// Connections below which it gets more again; 0: three quarters of the upper one.
    pub lower: u32,
}

impl Destination {
    pub const fn new(forwarding: Forwarding, weight: u32) -> Self {
        Self { forwarding, weight, upper: 0, lower: 0 }
    }
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

impl std::ops::AddAssign for Counters {
    fn add_assign(&mut self, other: Self) {
        self.connections = self.connections.saturating_add(other.connections);
        self.packets_in = self.packets_in.saturating_add(other.packets_in);
        self.packets_out = self.packets_out.saturating_add(other.packets_out);
        self.bytes_in = self.bytes_in.saturating_add(other.bytes_in);
        self.bytes_out = self.bytes_out.saturating_add(other.bytes_out);
    }
}

/// The table as read back from the kernel, or from the balancer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedTable {
    pub services: BTreeMap<ServiceKey, ObservedService>,
    #[serde(default)]
    pub daemons: BTreeMap<SyncRole, SyncDaemon>,
    /// None: not read, or there are none.
    #[serde(default)]
    pub timeouts: Option<Timeouts>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedService {
    /// The scheduler's name: a kernel may hold one that we never write.
    pub scheduler: String,
    pub flags: SchedulerFlags,
    pub one_packet: bool,
    pub persistence: Option<Persistence>,
    pub counters: Counters,
    pub destinations: BTreeMap<DestinationKey, ObservedDestination>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedDestination {
    /// None: a forwarding method we never write (local, bypass).
    pub forwarding: Option<Forwarding>,
    pub weight: u32,
    pub upper: u32,
    pub lower: u32,
    /// Established connections.
    pub active: u32,
    /// Connections in any other state.
    pub inactive: u32,
    /// Clients that stick to it.
    pub persistent: u32,
    pub counters: Counters,
}
