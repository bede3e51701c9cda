//! A virtual machine: its kernel (addresses, IPVS table) and the engine that runs on it.

use crate::conf::Config;
use crate::engine::{Engine, NodeRecord, Packet, RouterRecord, Setup};
use crate::kernel::{Change, DestinationKey, Link, ObservedTable, ServiceKey};
use crate::lvs::scheduler::{Candidate, Rotation};
use crate::net::{IpNet, LinkName, Mac};
use crate::status::{Event, Reply};
use crate::time::Instant;
use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr};

/// A machine that runs an engine.
#[derive(Clone, Debug)]
pub struct Host {
    pub name: String,
    pub address: Ipv4Addr,
    pub link: LinkName,
    pub(super) mac: Mac,
    /// What its engine starts from, each time.
    pub(super) setup: Setup,
    pub(super) engine: Option<Incarnation>,
    /// The configuration that runs, and the one before it.
    pub(super) running: Option<Box<Config>>,
    pub(super) before: Option<Box<Config>>,
    /// What the engine has left, should it end.
    pub(super) records: BTreeMap<usize, RouterRecord>,
    pub(super) node_record: NodeRecord,
    /// When the engine that has ended was started, until the next one goes on.
    pub(super) born: Option<Instant>,
    /// How often an engine was started here: what was meant for an earlier one is dropped.
    pub(super) life: u64,
    /// The machine has a carrier.
    pub(super) link_up: bool,
    /// The engine is stopped (SIGSTOP) and hears nothing until it goes on.
    pub(super) paused: bool,
    pub(super) waiting: VecDeque<Packet>,
    pub(super) addresses: BTreeMap<IpNet, u8>,
    pub(super) table: ObservedTable,
    rotations: BTreeMap<ServiceKey, Rotation>,
    /// Events of all its engines, until taken.
    pub(super) events: Vec<Event>,
    pub(super) replies: Vec<(u64, Reply)>,
}

/// One life of an engine.
#[derive(Clone, Debug)]
pub struct Incarnation {
    pub engine: Engine,
    /// The world's time at its instant zero.
    pub born: Instant,
}

impl Incarnation {
    /// The world's time on the engine's clock.
    pub const fn local(&self, now: Instant) -> Instant {
        Instant::from_micros(now.as_micros().saturating_sub(self.born.as_micros()))
    }
}

impl Host {
    pub(super) fn new(index: usize, address: Ipv4Addr, link: LinkName, setup: Setup) -> Self {
        let name = setup.config.router_id.clone().unwrap_or_else(|| setup.host.clone());
        let mut host = Self {
            name,
            address,
            link,
            mac: Mac([2, 0, 0, 0, 0, index as u8 + 1]),
            setup,
            engine: None,
            running: None,
            before: None,
            records: BTreeMap::new(),
            node_record: NodeRecord::default(),
            born: None,
            life: 0,
            link_up: true,
            paused: false,
            waiting: VecDeque::new(),
            addresses: BTreeMap::new(),
            table: ObservedTable::default(),
            rotations: BTreeMap::new(),
            events: Vec::new(),
            replies: Vec::new(),
        };
        host.boot();
        host
    }

    /// What a machine has after it was switched on: its own address of each family, and nothing else.
    pub(super) fn boot(&mut self) {
        self.addresses.clear();
        self.table = ObservedTable::default();
        self.rotations.clear();
        self.waiting.clear();
        self.paused = false;
        let [.., tens, last] = self.address.octets();
        for own in [format!("{}/24", self.address), format!("fe80::{tens:x}:{last:x}/64")] {
            if let Ok(net) = own.parse() {
                self.addresses.insert(net, 0);
            }
        }
    }

    pub fn is_alive(&self) -> bool {
        self.engine.is_some()
    }

    /// The virtual kernel's IPVS table.
    pub fn table(&self) -> &ObservedTable {
        &self.table
    }

    /// What its engine reads.
    pub const fn configuration(&self) -> &Config {
        &self.setup.config
    }

    pub fn engine(&self) -> Option<&Incarnation> {
        self.engine.as_ref()
    }

    /// Whether the machine answers for an address: also after its engine was killed without the machine.
    pub fn holds(&self, address: IpAddr) -> bool {
        self.addresses.keys().any(|net| net.addr() == address)
    }

    pub(super) fn link_state(&self) -> Link {
        Link {
            name: self.link.clone(),
            index: 2,
            up: self.link_up,
            mac: Some(self.mac),
            mtu: 1500,
            addresses: self.addresses.clone(),
        }
    }

    /// The address half of the virtual kernel.
    pub(super) fn apply_address(&mut self, change: &Change) {
        match change {
            Change::AddAddress(a) | Change::LeaseAddress(a, _) => {
                self.addresses.insert(a.net, 18);
            }
            Change::RemoveAddress(a) => {
                self.addresses.remove(&a.net);
            }
            _ => {}
        }
    }

    /// The IPVS half of the virtual kernel.
    pub(super) fn apply_table(&mut self, change: &Change) {
        let services = &mut self.table.services;
        match change {
            Change::AddService(key, s) | Change::EditService(key, s) => {
                let entry = services.entry(*key).or_default();
                s.scheduler.name().clone_into(&mut entry.scheduler);
                (entry.flags, entry.one_packet) = (s.flags, s.one_packet);
                entry.persistence.clone_from(&s.persistence);
            }
            Change::RemoveService(key) => {
                services.remove(key);
            }
            Change::AddDestination(key, to, d) | Change::EditDestination(key, to, d) => {
                let Some(service) = services.get_mut(key) else { return };
                let entry = service.destinations.entry(*to).or_default();
                entry.forwarding = Some(d.forwarding);
                (entry.weight, entry.upper, entry.lower) = (d.weight, d.upper, d.lower);
            }
            Change::StartDaemon(role, how) => {
                self.table.daemons.insert(*role, how.clone());
            }
            Change::StopDaemon(role) => {
                self.table.daemons.remove(role);
            }
            Change::ResetConnections(key, to) => {
                if let Some(destination) = services.get_mut(key).and_then(|s| s.destinations.get_mut(to)) {
                    (destination.weight, destination.active, destination.inactive) = (0, 0, 0);
                }
            }
            Change::RemoveDestination(key, to) => {
                if let Some(service) = services.get_mut(key) {
                    service.destinations.remove(to);
                }
            }
            _ => {}
        }
    }

    /// No virtual service is configured: the machine itself answers on its addresses.
    pub(super) fn serves_itself(&self) -> bool {
        self.setup.config.services.is_empty()
    }

    /// A new connection: which real server gets it, if any. It counts as active until [`Host::close`].
    pub(super) fn open(&mut self, key: ServiceKey, client: IpAddr) -> Option<DestinationKey> {
        let service = self.table.services.get_mut(&key)?;
        let scheduler = service.scheduler.parse().ok()?;
        let candidates: Vec<_> = service
            .destinations
            .iter()
            .map(|(key, d)| Candidate { key: *key, weight: d.weight, active: d.active, inactive: d.inactive })
            .collect();
        let rotation = self.rotations.entry(key).or_default();
        let how = (scheduler, service.flags);
        let chosen = rotation.pick(how, &candidates, client, key.ip().unwrap_or(client))?;
        let destination = service.destinations.get_mut(&chosen)?;
        destination.active += 1;
        destination.counters.connections += 1;
        destination.counters.packets_in += 5;
        destination.counters.bytes_in += 400;
        service.counters.connections += 1;
        Some(chosen)
    }

    pub(super) fn close(&mut self, key: ServiceKey, real: DestinationKey) {
        let service = self.table.services.get_mut(&key);
        if let Some(destination) = service.and_then(|s| s.destinations.get_mut(&real)) {
            destination.active = destination.active.saturating_sub(1);
        }
    }
}
