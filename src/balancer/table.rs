//! What the balancer serves.
//!
//! It lies behind one lock that is held for a few instructions.

use super::affinity::{self, Affinity};
use super::place::{Load, Place, Traffic};
use crate::kernel::{
    Change, Destination, DestinationKey, ObservedDestination, ObservedService, ObservedTable, Persistence, Protocol,
    Scheduler, SchedulerFlags, Service, ServiceKey, Timeouts,
};
use crate::lvs::scheduler::{Edit, Request, Server, State};
use crate::time::{Duration, Instant};
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Weak};

#[derive(Debug)]
pub(super) struct Live {
    services: BTreeMap<ServiceKey, Entry>,
    /// Real servers that left while they had connections: those still count if the server comes back.
    parted: BTreeMap<(ServiceKey, DestinationKey), Weak<Load>>,
    timeouts: Timeouts,
    seed: u64,
}

#[derive(Debug)]
struct Entry {
    scheduler: Scheduler,
    flags: SchedulerFlags,
    one_packet: bool,
    persistence: Option<Persistence>,
    state: State,
    affinity: Affinity,
    traffic: Arc<Traffic>,
    /// The newest first, as in IPVS.
    servers: VecDeque<Real>,
    /// Why it does not take connections.
    problem: Option<String>,
}

#[derive(Debug)]
struct Real {
    key: DestinationKey,
    destination: Destination,
    last_weight: u32,
    load: Arc<Load>,
}

impl Server for Real {
    fn key(&self) -> DestinationKey {
        self.key
    }

    fn weight(&self) -> u32 {
        self.destination.weight
    }

    fn last_weight(&self) -> u32 {
        self.last_weight
    }

    fn active(&self) -> u32 {
        self.load.active.load(Relaxed)
    }

    fn inactive(&self) -> u32 {
        self.load.inactive.load(Relaxed)
    }

    fn is_overloaded(&self) -> bool {
        self.load.is_overloaded()
    }
}

/// A real server chosen for a connection.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) real: DestinationKey,
    pub(super) place: Place,
}

impl Choice {
    /// Where it is reached; port 0 of a real server is the port of its virtual service.
    pub(super) fn target(&self, service: SocketAddr) -> SocketAddr {
        match self.real.port() {
            0 => SocketAddr::new(self.real.ip(), service.port()),
            _ => self.real,
        }
    }
}

impl Live {
    /// `seed`: any number, for what is drawn.
    pub(super) fn new(seed: u64) -> Self {
        Self { services: BTreeMap::new(), parted: BTreeMap::new(), timeouts: TIMEOUTS, seed }
    }

    /// Changes the table only: listening is the caller's business.
    pub(super) fn change(&mut self, change: &Change) -> Result<(), String> {
        match change {
            Change::AddService(key, _) if self.services.contains_key(key) => Err("it is there already".into()),
            Change::AddService(key, service) => {
                can_listen(key)?;
                self.services.insert(*key, Entry::new(service, self.seed));
                Ok(())
            }
            Change::EditService(key, service) => {
                self.entry(key)?.edit(service);
                Ok(())
            }
            Change::RemoveService(key) => {
                let entry = self.services.remove(key).ok_or(NO_SERVICE)?;
                entry.servers.into_iter().for_each(|real| self.part(*key, &real));
                Ok(())
            }
            Change::AddDestination(key, to, destination) => self.add(*key, *to, *destination),
            Change::EditDestination(key, to, destination) => self.entry(key)?.weigh(*to, *destination),
            Change::RemoveDestination(key, to) => {
                let entry = self.entry(key)?;
                let place = entry.place_of(*to).ok_or(NO_DESTINATION)?;
                let real = entry.servers.remove(place).ok_or(NO_DESTINATION)?;
                entry.edited(Edit::Removed(place));
                self.part(*key, &real);
                Ok(())
            }
            Change::ResetConnections(key, to) => {
                let entry = self.entry(key)?;
                let place = entry.place_of(*to).ok_or(NO_DESTINATION)?;
                let real = entry.servers.get(place).ok_or(NO_DESTINATION)?;
                let out = Destination { weight: 0, ..real.destination };
                entry.weigh(*to, out)?;
                self.cut(key, *to);
                Ok(())
            }
            Change::SetTimeouts(wanted) => {
                let choose = |wanted: u32, now: u32| if wanted == 0 { now } else { wanted };
                self.timeouts.tcp = choose(wanted.tcp, self.timeouts.tcp);
                self.timeouts.tcp_fin = choose(wanted.tcp_fin, self.timeouts.tcp_fin);
                self.timeouts.udp = choose(wanted.udp, self.timeouts.udp);
                Ok(())
            }
            Change::StartDaemon(..) => {
                Err("the embedded balancer's connections are this node's alone; a sync daemon needs ip_vs".into())
            }
            // Whoever sticks to a server that drains is sent elsewhere in any case.
            Change::StopDaemon(_) | Change::ExpireTemplates(_) => Ok(()),
            _ => Err(format!("this is not the balancer's: {change}")),
        }
    }

    /// The real server for a new connection, and a place in its counts. Those in `except` did not answer just now.
    pub(super) fn choose(
        &mut self,
        key: &ServiceKey,
        client: SocketAddr,
        now: Instant,
        except: &[DestinationKey],
    ) -> Option<Choice> {
        self.services.get_mut(key)?.choose(key.address()?, client, now, except)
    }

    /// Ends all connections of this server, also if it has left the table; how many there were.
    pub(super) fn cut(&self, key: &ServiceKey, to: DestinationKey) -> u32 {
        let there = self.services.get(key).and_then(|entry| entry.servers.iter().find(|real| real.key == to));
        let load = there.map(|real| real.load.clone()).or_else(|| self.parted.get(&(*key, to))?.upgrade());
        load.map_or(0, |load| {
            let connections = load.connections();
            load.cut.notify_waiters();
            connections
        })
    }

    pub(super) fn is_one_packet(&self, key: &ServiceKey) -> bool {
        self.services.get(key).is_some_and(|entry| entry.one_packet)
    }

    /// How long a session over UDP may be silent.
    pub(super) fn udp_timeout(&self) -> Duration {
        Duration::from_secs(self.timeouts.udp.into())
    }

    pub(super) fn set_problem(&mut self, key: &ServiceKey, problem: Option<String>) {
        if let Some(entry) = self.services.get_mut(key) {
            entry.problem = problem;
        }
    }

    pub(super) fn problems(&self) -> BTreeMap<ServiceKey, String> {
        self.services.iter().filter_map(|(key, e)| Some((*key, e.problem.clone()?))).collect()
    }

    pub(super) fn observed(&self, now: Instant) -> ObservedTable {
        let services = self.services.iter().map(|(key, entry)| (*key, entry.observed(now)));
        ObservedTable {
            services: services.collect(),
            daemons: BTreeMap::new(),
            timeouts: Some(self.timeouts),
            fingerprint: None,
        }
    }

    fn entry(&mut self, key: &ServiceKey) -> Result<&mut Entry, String> {
        Ok(self.services.get_mut(key).ok_or(NO_SERVICE)?)
    }

    fn add(&mut self, key: ServiceKey, to: DestinationKey, destination: Destination) -> Result<(), String> {
        let entry = self.services.get_mut(&key).ok_or(NO_SERVICE)?;
        if entry.place_of(to).is_some() {
            return Err("it is there already".into());
        }
        let load = self.parted.remove(&(key, to)).and_then(|weak| weak.upgrade()).unwrap_or_default();
        load.parted.store(false, Relaxed);
        load.limit(destination.upper, destination.lower);
        entry.servers.push_front(Real { key: to, destination, last_weight: destination.weight, load });
        entry.edited(Edit::Added);
        Ok(())
    }

    fn part(&mut self, key: ServiceKey, real: &Real) {
        real.load.parted.store(true, Relaxed);
        self.parted.retain(|_, load| load.strong_count() > 0);
        self.parted.insert((key, real.key), Arc::downgrade(&real.load));
    }
}

/// What a socket can be bound to.
fn can_listen(key: &ServiceKey) -> Result<(), String> {
    let needs = "it needs the kernel's ip_vs (modprobe ip_vs, then restart vipdeck)";
    match (key.protocol(), key.address()) {
        (Some(Protocol::Tcp | Protocol::Udp), Some(address)) if address.port() != 0 => Ok(()),
        (Some(Protocol::Sctp), _) => Err(format!("the embedded balancer serves TCP and UDP; {needs}")),
        (_, Some(_)) => Err(format!("the embedded balancer cannot listen on all ports; {needs}")),
        (_, None) => Err(format!("the embedded balancer cannot listen on a firewall mark; {needs}")),
    }
}

impl Entry {
    fn new(service: &Service, seed: u64) -> Self {
        Self {
            scheduler: service.scheduler,
            flags: service.flags,
            one_packet: service.one_packet,
            persistence: service.persistence.clone(),
            state: State::new(seed),
            affinity: Affinity::default(),
            traffic: Arc::default(),
            servers: VecDeque::new(),
            problem: None,
        }
    }

    fn edit(&mut self, service: &Service) {
        let is_other = self.scheduler != service.scheduler;
        let granularity = |persistence: &Option<Persistence>| persistence.as_ref().map(|p| p.granularity);
        if granularity(&service.persistence) != granularity(&self.persistence) {
            self.affinity.clear();
        }
        (self.scheduler, self.flags, self.one_packet) = (service.scheduler, service.flags, service.one_packet);
        self.persistence.clone_from(&service.persistence);
        if is_other {
            self.state.restart();
            self.edited(Edit::Weighed);
        }
    }

    fn edited(&mut self, edit: Edit) {
        self.state.edited(edit, self.scheduler, self.servers.iter().map(Server::weight));
    }

    fn weigh(&mut self, to: DestinationKey, destination: Destination) -> Result<(), String> {
        let place = self.place_of(to).ok_or(NO_DESTINATION)?;
        let real = self.servers.get_mut(place).ok_or(NO_DESTINATION)?;
        real.destination = destination;
        if destination.weight > 0 {
            real.last_weight = destination.weight;
        }
        real.load.limit(destination.upper, destination.lower);
        self.edited(Edit::Weighed);
        Ok(())
    }

    fn place_of(&self, to: DestinationKey) -> Option<usize> {
        self.servers.iter().position(|real| real.key == to)
    }

    /// A persistent client goes where it was while that server takes new connections: weight 0 sends it elsewhere, as
    /// IPVS does with expire_quiescent_template, so that a drain of persistent clients ends.
    fn choose(
        &mut self,
        service: SocketAddr,
        client: SocketAddr,
        now: Instant,
        except: &[DestinationKey],
    ) -> Option<Choice> {
        let (scheduler, flags, target) = (self.scheduler, self.flags, service.ip());
        let request = Request { scheduler, flags, client: client.ip(), port: client.port(), target, except };
        let Some((home, timeout)) = self.persistence.as_ref().map(|p| {
            let timeout = Duration::from_secs(p.timeout.into());
            (affinity::prefix(client.ip(), p.granularity), timeout)
        }) else {
            let place = self.state.pick(self.servers.make_contiguous(), &request)?;
            return self.choice(place, None);
        };
        let usable = |real: &Real| real.destination.weight > 0 && !except.contains(&real.key);
        let kept = self.affinity.of(home, now).and_then(|key| self.place_of(key));
        let kept = kept.filter(|place| self.servers.get(*place).is_some_and(usable));
        let place = match kept {
            Some(place) => place,
            None => self.state.pick(self.servers.make_contiguous(), &request)?,
        };
        let stays = self.affinity.remember(home, self.servers.get(place)?.key, now, timeout);
        self.choice(place, Some(stays))
    }

    fn choice(&self, place: usize, home: Option<Arc<()>>) -> Option<Choice> {
        let real = self.servers.get(place)?;
        Some(Choice { real: real.key, place: Place::connecting(real.load.clone(), self.traffic.clone(), home) })
    }

    fn observed(&self, now: Instant) -> ObservedService {
        let clients = self.affinity.count(now);
        let destinations = self.servers.iter().map(|real| {
            let seen = ObservedDestination {
                forwarding: Some(real.destination.forwarding),
                weight: real.destination.weight,
                upper: real.destination.upper,
                lower: real.destination.lower,
                active: real.active(),
                inactive: real.inactive(),
                persistent: clients.get(&real.key).copied().unwrap_or(0),
                counters: real.load.traffic.counters(),
            };
            (real.key, seen)
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

/// IPVS's own (ipvsadm(8), --set), seconds. Of TCP they are kept and shown, and without effect: a connection lives until
/// one of its ends says otherwise.
const TIMEOUTS: Timeouts = Timeouts { tcp: 900, tcp_fin: 120, udp: 300 };

const NO_SERVICE: &str = "there is no such virtual service";
const NO_DESTINATION: &str = "there is no such real server in it";

#[cfg(test)]
#[path = "table/tests.rs"]
mod tests;
