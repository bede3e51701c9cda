//! Links and addresses: what is there, what should be, and the steps between.

use super::core::Engine;
use super::effect::Effect;
use crate::kernel::{Address, Change, Link, plan_addresses};
use crate::net::{IpNet, LinkName};
use crate::status::{Severity, Subject};
use crate::time::{Duration, Instant};
use crate::vrrp::{self, Conditions, Term, Tracker};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// A change that the kernel refused is tried again after this.
const RETRY: Duration = Duration::from_secs(1);
/// News from the kernel that are older than our own change may still be on their way for so long.
const SETTLING: Duration = Duration::from_millis(200);

/// Who calls for which address, and which addresses have to be looked at again: at a thousand addresses no event may
/// cost a walk over all of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Owners {
    /// Where in `managed` an address stands that the kernel lists so on that link.
    places: BTreeMap<(LinkName, IpNet), usize>,
    /// The routers that name it, by that place.
    routers: BTreeMap<usize, Vec<usize>>,
    /// The places of a router's addresses, by router.
    of_router: BTreeMap<usize, Vec<usize>>,
    /// By address alone.
    plain: BTreeSet<IpAddr>,
    /// Places whose link or router changed since they were settled.
    dirty: BTreeSet<usize>,
}

impl Engine {
    /// To be called whenever `managed` or the routers' addresses are others.
    pub(super) fn index_addresses(&mut self) {
        let mut owners = Owners::default();
        for (place, address) in self.managed.iter().enumerate() {
            owners.places.entry((address.link.clone(), address.listed())).or_insert(place);
            owners.plain.insert(address.net.addr());
        }
        for (index, router) in self.routers.iter().enumerate() {
            for address in router.machine.spec().all_addresses() {
                let Some(place) = owners.places.get(&(address.link.clone(), address.listed())) else { continue };
                owners.routers.entry(*place).or_default().push(index);
                owners.of_router.entry(index).or_default().push(*place);
            }
        }
        owners.dirty = owners.places.values().copied().collect();
        self.owners = owners;
    }

    /// A router calls for its addresses now, or no longer.
    pub(super) fn addresses_of_turned(&mut self, router: usize) {
        let places = self.owners.of_router.get(&router).into_iter().flatten();
        self.owners.dirty.extend(places);
    }

    /// What failed and is due is looked at again.
    pub(super) fn retry_due(&mut self, now: Instant) {
        let due: Vec<_> =
            self.retry_address.iter().filter(|(_, at)| **at <= now).map(|(address, _)| address.clone()).collect();
        for address in due {
            self.retry_address.remove(&address);
            self.look_again(&address);
        }
    }

    fn look_again(&mut self, address: &Address) {
        let place = self.owners.places.get(&(address.link.clone(), address.listed()));
        self.owners.dirty.extend(place);
    }

    /// The routers that name an address, in the order of the configuration.
    fn owners_of(&self, address: &Address) -> impl Iterator<Item = usize> {
        let place = self.owners.places.get(&(address.link.clone(), address.listed()));
        place.and_then(|place| self.owners.routers.get(place)).into_iter().flatten().copied()
    }

    /// The router whose state calls for an address.
    fn wanted_by(&self, address: &Address) -> Option<usize> {
        let wants = |i: &usize| self.routers.get(*i).is_some_and(|r| r.machine.state().wants_addresses());
        self.owners_of(address).find(wants)
    }

    /// What came to a link or left it. A link that was not known before: all of its addresses.
    fn look_at_link(&mut self, link: &LinkName, before: Option<&Link>) {
        let Some(now) = self.links.get(link.as_str()) else { return };
        let Some(before) = before else {
            let there = self.owners.places.iter().filter(|((name, _), _)| name == link).map(|(_, place)| *place);
            self.owners.dirty.extend(there);
            return;
        };
        let gone = before.addresses.keys().filter(|net| !now.addresses.contains_key(net));
        let come = now.addresses.keys().filter(|net| !before.addresses.contains_key(net));
        let places = gone.chain(come).filter_map(|net| self.owners.places.get(&(link.clone(), *net)));
        self.owners.dirty.extend(places);
    }

    pub(super) fn link_changed(&mut self, now: Instant, link: Link, effects: &mut Vec<Effect>) {
        let name = link.name.clone();
        let before = self.links.insert(name.as_str().to_owned(), link);
        self.look_at_link(&name, before.as_ref());
        self.note_stolen(now, &name, before.as_ref());
        self.conditions_changed(now, &name, effects);
        self.settle_addresses(effects);
    }

    pub(super) fn link_gone(&mut self, now: Instant, name: &LinkName, effects: &mut Vec<Effect>) {
        self.links.remove(name.as_str());
        self.conditions_changed(now, name, effects);
    }

    /// An address that should be there and was there is gone: somebody else removed it.
    fn note_stolen(&mut self, now: Instant, name: &LinkName, before: Option<&Link>) {
        let Some(before) = before else { return };
        let Some(link) = self.links.get(name.as_str()) else { return };
        let lost = before.addresses.keys().filter(|net| !link.addresses.contains_key(net));
        let lost = lost.filter_map(|net| self.owners.places.get(&(name.clone(), *net)));
        let stolen: Vec<_> = lost
            .filter_map(|place| self.managed.get(*place))
            .filter(|a| self.wanted_by(a).is_some())
            .filter(|a| self.added_at.get(a).is_none_or(|at| now.since(*at) > SETTLING))
            .cloned()
            .collect();
        for address in stolen {
            let text = format!("{address} was removed by somebody else: putting it back");
            self.log.add(now, self.subject_of(&address), Severity::Warning, "address", text, None);
        }
    }

    /// Tells the routers on a link what it is like now.
    fn conditions_changed(&mut self, now: Instant, name: &LinkName, effects: &mut Vec<Effect>) {
        for index in 0..self.routers.len() {
            if self.routers.get(index).is_some_and(|r| r.machine.spec().link == *name) {
                self.update_conditions(now, index, effects);
            }
        }
    }

    pub(super) fn update_conditions(&mut self, now: Instant, index: usize, effects: &mut Vec<Effect>) {
        let Some(router) = self.routers.get(index) else { return };
        let conditions = self.conditions(router.machine.spec(), router.machine.conditions().source);
        self.spread_conditions(now, index, conditions, effects);
    }

    /// The link and the trackers, as they bear on one router. The address it sent from `before` stays its source as long
    /// as the link has it: another one would change who wins among equals.
    fn conditions(&self, spec: &vrrp::Spec, before: Option<IpAddr>) -> Conditions {
        let mut conditions = Conditions::default();
        match self.links.get(spec.link.as_str()) {
            None => conditions.faults.push(format!("{} is not there", spec.link)),
            Some(link) if !link.up => conditions.faults.push(format!("{} is down", spec.link)),
            Some(link) => {
                // By address alone: a VIP that an earlier life left with another prefix is no source either.
                let ours = |net: &IpNet| self.owners.plain.contains(&net.addr());
                let there = |ip: &IpAddr| link.addresses.keys().any(|net| net.addr() == *ip && !ours(net));
                let before = before.filter(there);
                conditions.source = spec.source.or(before).or_else(|| link.source(spec.family, ours));
                if conditions.source.is_none() {
                    conditions.faults.push(format!("{} has no {} address to send from", spec.link, spec.family));
                }
            }
        }
        for track in spec.tracks.iter().filter(|t| t.kind == Tracker::Script) {
            let Some(script) = self.scripts.iter().find(|s| s.spec.name == track.name) else { continue };
            script.contribute(track, &mut conditions);
        }
        conditions
    }

    pub(super) fn holds(&self, address: &Address) -> bool {
        self.links.get(address.link.as_str()).is_some_and(|l| l.addresses.contains_key(&address.listed()))
    }

    /// From what is there to what should be, for what changed; what failed lately waits for its turn.
    pub(super) fn settle_addresses(&mut self, effects: &mut Vec<Effect>) {
        let dirty = std::mem::take(&mut self.owners.dirty);
        let touched: Vec<_> = dirty.iter().filter_map(|place| self.managed.get(*place)).cloned().collect();
        let desired: Vec<_> = touched.iter().filter(|a| self.wanted_by(a).is_some()).cloned().collect();
        for change in plan_addresses(&desired, &touched, &self.links) {
            let Some(address) = address_of(&change) else { continue };
            // One change of an address at a time: what it should be after that is asked again when the result is there.
            if !self.retry_address.contains_key(address) && self.pending.insert(address.clone()) {
                effects.push(Effect::Apply(change));
            }
        }
    }

    pub(super) fn change_applied(
        &mut self,
        now: Instant,
        change: &Change,
        result: Result<(), String>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(address) = address_of(change).cloned() else { return };
        self.pending.remove(&address);
        // The state may have moved on while the kernel worked.
        self.look_again(&address);
        let subject = self.subject_of(&address);
        if let Err(error) = result {
            self.counters.change_errors += 1;
            self.retry_address.insert(address.clone(), now + RETRY);
            if self.findings.raise(now, "change-failed", Severity::Alarm, &address.to_string(), error.clone()) {
                self.log.add(now, subject, Severity::Alarm, "address", format!("could not {change}"), Some(error));
            }
            return;
        }
        self.retry_address.remove(&address);
        self.log.add(now, subject, Severity::Info, "address", change.to_string(), None);
        let Some(link) = self.links.get_mut(address.link.as_str()) else { return };
        if matches!(change, Change::AddAddress(_)) {
            link.addresses.insert(address.listed(), 0);
            self.added_at.insert(address.clone(), now);
            self.announce(&address, effects);
        } else {
            link.addresses.remove(&address.listed());
            self.added_at.remove(&address);
        }
        self.settle_addresses(effects);
    }

    /// Announces one address as often as its router's set has.
    fn announce(&mut self, address: &Address, effects: &mut Vec<Effect>) {
        let owner = self.wanted_by(address);
        let Some(router) = owner.and_then(|index| self.routers.get_mut(index)) else { return };
        let repeat = router.machine.spec().garp.repeat;
        router.announcements_sent += u64::from(repeat);
        let announce = Effect::Announce { link: address.link.clone(), address: address.net.addr() };
        effects.extend(std::iter::repeat_n(announce, repeat as usize));
    }

    /// Announces every address of a router that is on its link, round by round.
    pub(super) fn announce_all(&mut self, index: usize, repeat: u32, effects: &mut Vec<Effect>) {
        let Some(router) = self.routers.get(index) else { return };
        let held: Vec<_> = router.machine.spec().all_addresses().filter(|a| self.holds(a)).cloned().collect();
        for _ in 0..repeat {
            let round = held.iter().map(|a| Effect::Announce { link: a.link.clone(), address: a.net.addr() });
            effects.extend(round);
        }
        if let Some(router) = self.routers.get_mut(index) {
            router.announcements_sent += u64::from(repeat) * held.len() as u64;
        }
    }

    fn subject_of(&self, address: &Address) -> Subject {
        let owner = self.owners_of(address).next().and_then(|index| self.routers.get(index));
        owner.map_or(Subject::Node, |r| Subject::Instance(r.machine.spec().name.clone()))
    }
}

const fn address_of(change: &Change) -> Option<&Address> {
    match change {
        Change::AddAddress(address) | Change::RemoveAddress(address) => Some(address),
        Change::AddService(..)
        | Change::EditService(..)
        | Change::RemoveService(..)
        | Change::AddDestination(..)
        | Change::EditDestination(..)
        | Change::RemoveDestination(..) => None,
    }
}

/// A term of the priority with what its tracker stands at.
pub(super) fn term(label: String, value: i32, note: Option<String>) -> Term {
    Term { label, value, note }
}
