//! What the balancer serves, with its counts.
//!
//! The structure lies behind one lock that is held for a few instructions; the counts are atomics that outlive their
//! entry, so a connection goes on counting when its real server has left the table.

use super::affinity::Affinity;
use crate::kernel::{
    Change, Counters, Destination, DestinationKey, ObservedDestination, ObservedService, ObservedTable, Persistence,
    Protocol, Scheduler, SchedulerFlags, Service, ServiceKey,
};
use crate::lvs::scheduler::{Candidate, Rotation, serves};
use crate::time::{Duration, Instant};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use tokio::sync::Notify;

#[derive(Debug, Default)]
pub(super) struct Live {
    services: BTreeMap<ServiceKey, Entry>,
    /// Real servers that left while they had connections: those still count if the server comes back.
    parted: BTreeMap<(ServiceKey, DestinationKey), Weak<Load>>,
}

#[derive(Debug)]
struct Entry {
    scheduler: Scheduler,
    flags: SchedulerFlags,
    one_packet: bool,
    persistence: Option<Persistence>,
    rotation: Rotation,
    affinity: Affinity,
    traffic: Arc<Traffic>,
    destinations: BTreeMap<DestinationKey, Real>,
    /// Why it does not listen.
    problem: Option<String>,
}

#[derive(Debug)]
struct Real {
    destination: Destination,
    load: Arc<Load>,
}

/// The connections of one real server in one virtual service.
#[derive(Debug, Default)]
pub(super) struct Load {
    active: AtomicU32,
    inactive: AtomicU32,
    traffic: Traffic,
    /// Tells its connections to end.
    cut: Notify,
}

/// Totals since the entry was made.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    connections: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
}

/// A real server chosen for a connection.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) real: DestinationKey,
    pub(super) place: Place,
}

impl Live {
    /// Changes the table only: listening is the caller's business.
    pub(super) fn change(&mut self, change: &Change) -> Result<(), String> {
        match change {
            Change::AddService(key, _) if key.protocol() != Some(Protocol::Tcp) => {
                Err("the embedded balancer serves TCP only; anything else needs the kernel's ip_vs".into())
            }
            Change::AddService(_, service) | Change::EditService(_, service) if !serves(service.scheduler) => Err(
                format!("the embedded balancer has no scheduler {}; it needs the kernel's ip_vs", service.scheduler),
            ),
            Change::AddService(key, _) if self.services.contains_key(key) => Err("it is there already".into()),
            Change::AddService(key, service) => {
                self.services.insert(*key, Entry::new(service));
                Ok(())
            }
            Change::EditService(key, service) => {
                self.entry(key)?.edit(service);
                Ok(())
            }
            Change::RemoveService(key) => {
                let entry = self.services.remove(key).ok_or(NO_SERVICE)?;
                entry.destinations.into_iter().for_each(|(to, real)| self.part(*key, to, &real));
                Ok(())
            }
            Change::AddDestination(key, to, destination) => self.add(*key, *to, *destination),
            Change::EditDestination(key, to, destination) => {
                let real = self.entry(key)?.destinations.get_mut(to).ok_or(NO_DESTINATION)?;
                real.destination = *destination;
                Ok(())
            }
            Change::RemoveDestination(key, to) => {
                let real = self.entry(key)?.destinations.remove(to).ok_or(NO_DESTINATION)?;
                self.part(*key, *to, &real);
                Ok(())
            }
            Change::ResetConnections(key, to) => {
                let real = self.entry(key)?.destinations.get_mut(to).ok_or(NO_DESTINATION)?;
                real.destination.weight = 0;
                real.load.cut.notify_waiters();
                Ok(())
            }
            // They are sent elsewhere anyhow.
            Change::ExpireTemplates(_) => Ok(()),
            _ => Err(format!("this is not the balancer's: {change}")),
        }
    }

    /// The real server for a new connection, and a place in its counts. `except` did not answer just now.
    pub(super) fn choose(
        &mut self,
        key: &ServiceKey,
        client: IpAddr,
        now: Instant,
        except: Option<DestinationKey>,
    ) -> Option<Choice> {
        let entry = self.services.get_mut(key)?;
        let real = entry.choose(client, now, except)?;
        let load = &entry.destinations.get(&real)?.load;
        Some(Choice { real, place: Place::connecting(load.clone(), entry.traffic.clone()) })
    }

    pub(super) fn set_problem(&mut self, key: &ServiceKey, problem: Option<String>) {
        if let Some(entry) = self.services.get_mut(key) {
            entry.problem = problem;
        }
    }

    pub(super) fn problems(&self) -> BTreeMap<ServiceKey, String> {
        self.services.iter().filter_map(|(key, e)| Some((*key, e.problem.clone()?))).collect()
    }

    pub(super) fn observed(&self) -> ObservedTable {
        let services = self.services.iter().map(|(key, entry)| (*key, entry.observed()));
        ObservedTable { services: services.collect(), ..ObservedTable::default() }
    }

    fn entry(&mut self, key: &ServiceKey) -> Result<&mut Entry, String> {
        Ok(self.services.get_mut(key).ok_or(NO_SERVICE)?)
    }

    fn add(&mut self, key: ServiceKey, to: DestinationKey, destination: Destination) -> Result<(), String> {
        let entry = self.services.get_mut(&key).ok_or(NO_SERVICE)?;
        if entry.destinations.contains_key(&to) {
            return Err("it is there already".into());
        }
        let load = self.parted.remove(&(key, to)).and_then(|weak| weak.upgrade()).unwrap_or_default();
        entry.destinations.insert(to, Real { destination, load });
        Ok(())
    }

    fn part(&mut self, key: ServiceKey, to: DestinationKey, real: &Real) {
        self.parted.retain(|_, load| load.strong_count() > 0);
        self.parted.insert((key, to), Arc::downgrade(&real.load));
    }
}

impl Entry {
    fn new(service: &Service) -> Self {
        Self {
            scheduler: service.scheduler,
            flags: service.flags,
            one_packet: service.one_packet,
            persistence: service.persistence.clone(),
            rotation: Rotation::default(),
            affinity: Affinity::default(),
            traffic: Arc::default(),
            destinations: BTreeMap::new(),
            problem: None,
        }
    }

    fn edit(&mut self, service: &Service) {
        if self.scheduler != service.scheduler {
            self.rotation = Rotation::default();
        }
        if service.persistence.is_none() {
            self.affinity.clear();
        }
        self.scheduler = service.scheduler;
        (self.flags, self.one_packet) = (service.flags, service.one_packet);
        self.persistence.clone_from(&service.persistence);
    }

    /// A persistent client goes where it was while that server takes new connections: weight 0 sends it elsewhere, as
    /// IPVS does with expire_quiescent_template, so that a drain of persistent clients ends.
    fn choose(&mut self, client: IpAddr, now: Instant, except: Option<DestinationKey>) -> Option<DestinationKey> {
        let usable = |key: &DestinationKey, real: &Real| real.destination.weight > 0 && Some(*key) != except;
        let kept = self.persistence.as_ref().and_then(|_| self.affinity.of(client, now));
        let kept = kept.filter(|key| self.destinations.get(key).is_some_and(|real| usable(key, real)));
        let chosen = match kept {
            Some(key) => key,
            None => self.rotation.pick(self.scheduler, &self.candidates(except), client)?,
        };
        if let Some(persistence) = &self.persistence {
            self.affinity.remember(client, chosen, now, Duration::from_secs(persistence.timeout.into()));
        }
        Some(chosen)
    }

    fn candidates(&self, except: Option<DestinationKey>) -> Vec<Candidate> {
        let all = self.destinations.iter();
        all.map(|(key, real)| Candidate {
            key: *key,
            weight: if Some(*key) == except { 0 } else { real.destination.weight },
            active: real.load.active.load(Relaxed),
            inactive: real.load.inactive.load(Relaxed),
        })
        .collect()
    }

    fn observed(&self) -> ObservedService {
        let destinations = self.destinations.iter().map(|(key, real)| {
            let seen = ObservedDestination {
                forwarding: Some(real.destination.forwarding),
                weight: real.destination.weight,
                upper: real.destination.upper,
                lower: real.destination.lower,
                // Whoever sticks to a server that drains is sent elsewhere.
                persistent: 0,
                active: real.load.active.load(Relaxed),
                inactive: real.load.inactive.load(Relaxed),
                counters: real.load.traffic.counters(),
            };
            (*key, seen)
        });
        ObservedService {
            scheduler: self.scheduler.name().into(),
            flags: self.flags,
            one_packet: self.one_packet,
            persistence: self.persistence.clone(),
            counters: self.traffic.counters(),
            destinations: destinations.collect(),
        }
    }
}

impl Traffic {
    fn counters(&self) -> Counters {
        Counters {
            connections: self.connections.load(Relaxed),
            bytes_in: self.bytes_in.load(Relaxed),
            bytes_out: self.bytes_out.load(Relaxed),
            ..Counters::default()
        }
    }
}

/// One connection's place in the counts: inactive while it connects, active while both directions are open, inactive
/// again from its first end of stream, gone when dropped.
#[derive(Debug)]
pub(super) struct Place {
    load: Arc<Load>,
    service: Arc<Traffic>,
    active: std::sync::atomic::AtomicBool,
}

impl Place {
    fn connecting(load: Arc<Load>, service: Arc<Traffic>) -> Self {
        load.inactive.fetch_add(1, Relaxed);
        Self { load, service, active: false.into() }
    }

    /// Until the connections of this real server are to be reset.
    pub(super) async fn cut(&self) {
        self.load.cut.notified().await;
    }

    pub(super) fn established(&self) {
        if !self.active.swap(true, Relaxed) {
            self.load.active.fetch_add(1, Relaxed);
            self.load.inactive.fetch_sub(1, Relaxed);
            self.load.traffic.connections.fetch_add(1, Relaxed);
            self.service.connections.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn closing(&self) {
        if self.active.swap(false, Relaxed) {
            self.load.inactive.fetch_add(1, Relaxed);
            self.load.active.fetch_sub(1, Relaxed);
        }
    }

    /// From the client.
    pub(super) fn count_in(&self, bytes: usize) {
        self.load.traffic.bytes_in.fetch_add(bytes as u64, Relaxed);
        self.service.bytes_in.fetch_add(bytes as u64, Relaxed);
    }

    /// To the client.
    pub(super) fn count_out(&self, bytes: usize) {
        self.load.traffic.bytes_out.fetch_add(bytes as u64, Relaxed);
        self.service.bytes_out.fetch_add(bytes as u64, Relaxed);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let count = if *self.active.get_mut() { &self.load.active } else { &self.load.inactive };
        count.fetch_sub(1, Relaxed);
    }
}

const NO_SERVICE: &str = "there is no such virtual service";
const NO_DESTINATION: &str = "there is no such real server in it";

#[cfg(test)]
#[path = "table/tests.rs"]
mod tests;
