//! Links and addresses: what is there, what should be, and the steps between.

use super::core::Engine;
use super::effect::Effect;
use crate::kernel::{Address, Change, Link};
use crate::net::{IpNet, LinkName};
use crate::status::{Severity, Subject};
use crate::time::{Duration, Instant};
use std::collections::BTreeSet;

/// A change that the kernel refused is tried again after this.
const RETRY: Duration = Duration::from_secs(1);
/// News of our own change arrive within this, or never: the kernel dropped them, and all is read anew.
const CONFIRMED: Duration = Duration::from_secs(5);

impl Engine {
    pub(super) fn link_changed(&mut self, now: Instant, mut link: Link, effects: &mut Vec<Effect>) {
        let name = link.name.clone();
        self.keep_unconfirmed(now, &mut link);
        self.delay_link(now, &mut link);
        let before = self.links.insert(name.as_str().to_owned(), link);
        let changed = self.difference(&name, before.as_ref());
        if before.is_some() {
            self.note_stolen(now, &changed);
        }
        if before.is_none_or(|before| self.links.get(name.as_str()).is_none_or(|link| self.bears(&before, link))) {
            self.conditions_changed(now, &name, effects);
        }
        for address in changed {
            self.settle_address(&address, effects);
        }
    }

    pub(super) fn link_gone(&mut self, now: Instant, name: &LinkName, effects: &mut Vec<Effect>) {
        self.links.remove(name.as_str());
        self.flaps.remove(name.as_str());
        self.unconfirmed.remove(name.as_str());
        self.conditions_changed(now, name, effects);
    }

    /// News of a link may be older than what the kernel has answered to us since: what we changed counts as we left it
    /// until news show it so once.
    fn keep_unconfirmed(&mut self, now: Instant, link: &mut Link) {
        let Some(unconfirmed) = self.unconfirmed.get_mut(link.name.as_str()) else { return };
        unconfirmed.retain(|net, (present, since)| {
            if link.addresses.contains_key(net) == *present || now.since(*since) > CONFIRMED {
                return false;
            }
            if *present {
                link.addresses.insert(*net, 0);
            } else {
                link.addresses.remove(net);
            }
            true
        });
        if unconfirmed.is_empty() {
            self.unconfirmed.remove(link.name.as_str());
        }
    }

    /// Whether a link's change may matter to a router: more than VIPs coming and going.
    fn bears(&self, before: &Link, after: &Link) -> bool {
        let own = |link: &Link| -> Vec<IpNet> {
            link.addresses.keys().filter(|net| !self.managed_ips.contains(&net.addr())).copied().collect()
        };
        (before.index, before.up, before.mac) != (after.index, after.up, after.mac) || own(before) != own(after)
    }

    /// The managed addresses of a link whose presence is another than `before`; all of them for a new link.
    fn difference(&self, name: &LinkName, before: Option<&Link>) -> Vec<Address> {
        let Some(link) = self.links.get(name.as_str()) else { return Vec::new() };
        let differs = |a: &&Address| {
            before.is_none_or(|b| b.addresses.contains_key(&a.listed()) != link.addresses.contains_key(&a.listed()))
        };
        let Some(before) = before else {
            return self.managed.values().map(|m| &m.address).filter(|a| a.link == *name).cloned().collect();
        };
        let nets = before.addresses.keys().chain(link.addresses.keys()).collect::<BTreeSet<_>>();
        let managed = nets.into_iter().filter_map(|net| self.managed.get(&(name.clone(), *net)));
        managed.map(|m| &m.address).filter(differs).cloned().collect()
    }

    /// An address that should be there and was there is gone: somebody else removed it.
    fn note_stolen(&mut self, now: Instant, changed: &[Address]) {
        for address in changed {
            if self.holds(address) || !self.is_desired(address) || self.pending.contains(address) {
                continue;
            }
            let text = format!("{address} was removed by somebody else: putting it back");
            self.log.add(now, self.subject_of(address), Severity::Warning, "address", text, None);
        }
    }

    /// Whether the state of a router calls for an address.
    pub(super) fn is_desired(&self, address: &Address) -> bool {
        let owners = self.managed.get(&(address.link.clone(), address.listed())).map(|m| m.routers.as_slice());
        owners
            .unwrap_or_default()
            .iter()
            .any(|index| self.routers.get(*index).is_some_and(|r| r.machine.state().wants_addresses()))
    }

    /// Finds the addresses that routers move. Called whenever routers are made anew.
    pub(super) fn index_addresses(&mut self) {
        let before = std::mem::take(&mut self.managed);
        for (index, router) in self.routers.iter().enumerate() {
            for address in router.machine.spec().all_addresses() {
                let managed = self.managed.entry((address.link.clone(), address.listed()));
                let managed = managed.or_insert_with(|| Managed { address: address.clone(), routers: Vec::new() });
                managed.routers.push(index);
            }
        }
        // What no router moves any more is managed until it is off its link.
        for (key, Managed { address, .. }) in before {
            if self.holds(&address) || self.pending.contains(&address) {
                self.managed.entry(key).or_insert_with(|| Managed { address, routers: Vec::new() });
            }
        }
        self.managed_ips = self.managed.keys().map(|(_, net)| net.addr()).collect();
    }

    pub(super) fn holds(&self, address: &Address) -> bool {
        self.links.get(address.link.as_str()).is_some_and(|l| l.addresses.contains_key(&address.listed()))
    }

    /// From what is there to what should be, for every address that is not where it should be.
    pub(super) fn settle_addresses(&mut self, effects: &mut Vec<Effect>) {
        let all: Vec<_> = self.managed.values().map(|m| m.address.clone()).collect();
        for address in all {
            self.settle_address(&address, effects);
        }
    }

    /// The same for the addresses of one router, in the order of the file.
    pub(super) fn settle_router(&mut self, index: usize, effects: &mut Vec<Effect>) {
        let Some(router) = self.routers.get(index) else { return };
        let wanted = router.machine.state().wants_addresses();
        let links = &self.links;
        let holds = |a: &&Address| links.get(a.link.as_str()).is_some_and(|l| l.addresses.contains_key(&a.listed()));
        let unsettled: Vec<_> = router.machine.spec().all_addresses().filter(|a| holds(a) != wanted).cloned().collect();
        for address in unsettled {
            self.settle_address(&address, effects);
        }
    }

    /// One change of an address at a time: what it should be after that is asked again when the result is there. What
    /// failed lately waits for its turn, and what belongs on a link that is not there for the link.
    fn settle_address(&mut self, address: &Address, effects: &mut Vec<Effect>) {
        let (holds, desired) = (self.holds(address), self.is_desired(address));
        if holds == desired || !self.links.contains_key(address.link.as_str()) {
            return;
        }
        if self.retry_address.contains_key(address) || !self.pending.insert(address.clone()) {
            return;
        }
        let address = address.clone();
        let change = if desired { self.addition(address) } else { Change::RemoveAddress(address) };
        effects.push(Effect::Apply(change));
    }

    pub(super) fn change_applied(
        &mut self,
        now: Instant,
        change: &Change,
        result: Result<(), String>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(address) = address_of(change).cloned() else { return };
        if matches!(change, Change::RenewAddress(..)) {
            self.renewed(now, change, &address, result);
            return;
        }
        self.pending.remove(&address);
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
        let is_add = !matches!(change, Change::RemoveAddress(_));
        if link.addresses.contains_key(&address.listed()) != is_add {
            let of_link = self.unconfirmed.entry(address.link.as_str().to_owned()).or_default();
            of_link.insert(address.listed(), (is_add, now));
        }
        if is_add {
            link.addresses.insert(address.listed(), 0);
            self.announce(&address, effects);
        } else {
            link.addresses.remove(&address.listed());
            let key = (address.link.clone(), address.listed());
            if self.managed.get(&key).is_some_and(|m| m.routers.is_empty()) {
                self.managed.remove(&key);
                self.managed_ips = self.managed.keys().map(|(_, net)| net.addr()).collect();
            }
        }
        // The state may have moved on while the kernel worked.
        self.settle_address(&address, effects);
    }

    /// A renewal that failed is tried again with the next, before the lease is over.
    fn renewed(&mut self, now: Instant, change: &Change, address: &Address, result: Result<(), String>) {
        let Err(error) = result else { return };
        self.counters.change_errors += 1;
        let subject = self.subject_of(address);
        if self.findings.raise(now, "change-failed", Severity::Alarm, &address.to_string(), error.clone()) {
            self.log.add(now, subject, Severity::Alarm, "address", format!("could not {change}"), Some(error));
        }
    }

    /// Announces one address as often as its router's set has.
    fn announce(&mut self, address: &Address, effects: &mut Vec<Effect>) {
        let owners = self.managed.get(&(address.link.clone(), address.listed())).map(|m| m.routers.clone());
        let wants = |r: &super::router::Router| r.machine.state().wants_addresses();
        let owner = owners.unwrap_or_default().into_iter().find(|i| self.routers.get(*i).is_some_and(wants));
        let Some(router) = owner.and_then(|i| self.routers.get_mut(i)) else { return };
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
        let owner = self.managed.get(&(address.link.clone(), address.listed())).and_then(|m| m.routers.first());
        let owner = owner.and_then(|index| self.routers.get(*index));
        owner.map_or(Subject::Node, |r| Subject::Instance(r.machine.spec().name.clone()))
    }
}

/// An address that the configuration names, and the routers that move it: nothing else is ever touched.
#[derive(Clone, Debug)]
pub(super) struct Managed {
    pub(super) address: Address,
    pub(super) routers: Vec<usize>,
}

const fn address_of(change: &Change) -> Option<&Address> {
    match change {
        Change::AddAddress(address)
        | Change::LeaseAddress(address, _)
        | Change::RenewAddress(address, _)
        | Change::RemoveAddress(address) => Some(address),
        Change::AddService(..)
        | Change::EditService(..)
        | Change::RemoveService(..)
        | Change::AddDestination(..)
        | Change::EditDestination(..)
        | Change::RemoveDestination(..) => None,
    }
}
