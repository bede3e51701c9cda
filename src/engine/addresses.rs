//! Links and addresses: what is there, what should be, and the steps between.

use super::core::Engine;
use super::effect::Effect;
use super::router::Router;
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
        self.unsettled = true;
        self.keep_unconfirmed(now, &mut link);
        self.seen.missing.remove(name.as_str());
        self.delay_link(now, &mut link);
        let before = self.links.insert(name.as_str().to_owned(), link);
        self.note_link(now, &name, before.as_ref().map(|before| before.up));
        self.link_confirmed(&name);
        if before.is_none() {
            // What failed for want of the link need not wait.
            self.retry_address.retain(|address, _| address.link != name);
        }
        let changed = self.difference(&name, before.as_ref());
        let is_new = before.is_none();
        if !is_new {
            self.note_stolen(now, &changed);
        }
        let bears = |before: &Link| self.links.get(name.as_str()).is_none_or(|link| self.bears(before, link));
        if before.as_ref().is_none_or(bears) {
            self.conditions_changed(now, &name, effects);
        }
        let is_kept = |a: &Address| self.holds(a) && self.is_desired(a);
        if is_new && changed.iter().any(is_kept) {
            // Of an engine before this one: nobody has renewed its lease since that ended.
            self.renew_at = self.lease.map(|_| now);
        }
        for address in changed {
            self.settle_address(&address, effects);
        }
        let up = |link: Option<&Link>| link.is_some_and(|l| l.up);
        if before.is_none() || (up(self.links.get(name.as_str())) && !up(before.as_ref())) {
            self.link_serves_routing(now, effects);
        }
        self.track_groups_changed(now, effects);
    }

    pub(super) fn link_gone(&mut self, now: Instant, name: &LinkName, effects: &mut Vec<Effect>) {
        self.unsettled = true;
        let before = self.links.remove(name.as_str());
        self.note_link(now, name, before.map(|before| before.up));
        self.seen.missing.insert(name.as_str().to_owned());
        self.seen.flaps.remove(name.as_str());
        self.unconfirmed.remove(name.as_str());
        self.conditions_changed(now, name, effects);
        self.track_groups_changed(now, effects);
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
        let Some(managed) = self.managed.get(&(address.link.clone(), address.listed())) else { return false };
        let answers = |index: &usize| self.routers.get(*index).is_some_and(Router::wants_addresses);
        (managed.fixed && !self.has_handed_over()) || managed.routers.iter().any(answers)
    }

    /// Finds the addresses that routers move. Called whenever routers are made anew.
    pub(super) fn index_addresses(&mut self) {
        let before = std::mem::take(&mut self.managed);
        for (index, router) in self.routers.iter().enumerate() {
            for address in router.machine.spec().all_addresses() {
                let managed = self.managed.entry((address.link.clone(), address.listed()));
                let managed = managed.or_insert_with(|| Managed::new(address.clone()));
                managed.routers.push(index);
            }
        }
        for fixed in &self.routing.statics.addresses {
            let address = &fixed.object;
            let managed = self.managed.entry((address.link.clone(), address.listed()));
            managed.or_insert_with(|| Managed::new(address.clone())).fixed = true;
        }
        // What no router moves any more is managed until it is off its link.
        for (key, Managed { address, .. }) in before {
            if self.holds(&address) || self.pending.contains(&address) {
                self.managed.entry(key).or_insert_with(|| Managed::new(address));
            }
        }
        self.index_moving();
    }

    /// Static addresses stand: adverts may leave from them.
    fn index_moving(&mut self) {
        let moving = self.managed.iter().filter(|(_, m)| !m.fixed || !m.routers.is_empty());
        self.managed_ips = moving.map(|((_, net), _)| net.addr()).collect();
        self.rivals.index(self.managed.keys());
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

    /// The same for what moves with one router, in the order of the file: addresses, then routes and rules; away the
    /// other way round.
    pub(super) fn settle_router(&mut self, now: Instant, index: usize, effects: &mut Vec<Effect>) {
        let wanted = self.routers.get(index).is_some_and(Router::wants_addresses);
        if !wanted {
            self.settle_routing_of(now, index, effects);
        }
        self.settle_addresses_of(index, wanted, effects);
        if wanted {
            self.settle_routing_of(now, index, effects);
        }
    }

    fn settle_addresses_of(&mut self, index: usize, wanted: bool, effects: &mut Vec<Effect>) {
        let Some(router) = self.routers.get(index) else { return };
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
        if desired && !self.may_come(address) {
            return;
        }
        if self.retry_address.contains_key(address) || !self.pending.insert(address.clone()) {
            return;
        }
        let address = address.clone();
        let fixed = self.managed.get(&(address.link.clone(), address.listed())).is_some_and(Managed::stands);
        let change = match (desired, fixed) {
            (true, true) => Change::AddAddress(address),
            (true, false) => self.addition(address),
            (false, _) => Change::RemoveAddress(address),
        };
        effects.push(Effect::Apply(change));
    }

    pub(super) fn change_applied(
        &mut self,
        now: Instant,
        change: &Change,
        result: Result<(), String>,
        effects: &mut Vec<Effect>,
    ) {
        if let Change::Routing(step) = change {
            self.routing_applied(now, step, result, effects);
            return;
        }
        let Some(address) = address_of(change).cloned() else {
            self.unsettled = true;
            if matches!(change, Change::AddLink(_) | Change::RemoveLink(_)) {
                self.link_done(now, change, result, effects);
            } else {
                self.firewall_done(now, change, result, effects);
            }
            return;
        };
        if matches!(change, Change::KeepAddress(_)) {
            self.lease_taken_off(now, &address, result);
            return;
        }
        if matches!(change, Change::RenewAddress(..)) {
            self.renewed(now, change, &address, result);
            return;
        }
        self.pending.remove(&address);
        self.unsettled |= self.is_virtual(&address.link);
        let subject = self.subject_of(&address);
        if let Err(error) = result {
            if self.is_virtual(&address.link) && !self.links.contains_key(address.link.as_str()) {
                // Somebody deleted the link; the address comes when it is made again.
                return;
            }
            self.counters.change_errors += 1;
            self.retry_address.insert(address.clone(), now + RETRY);
            if self.findings.raise(now, "change-failed", Severity::Alarm, &address.to_string(), error.clone()) {
                self.log.add(now, subject, Severity::Alarm, "address", format!("could not {change}"), Some(error));
            }
            self.track_groups_changed(now, effects);
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
            self.note_added(now, &address);
            self.announce(now, &address, effects);
        } else {
            link.addresses.remove(&address.listed());
            let key = (address.link.clone(), address.listed());
            if self.managed.get(&key).is_some_and(|m| m.routers.is_empty() && !m.fixed) {
                self.managed.remove(&key);
                self.index_moving();
            }
        }
        // The state may have moved on while the kernel worked.
        self.settle_address(&address, effects);
        self.track_groups_changed(now, effects);
    }

    /// The routers that wait for all their addresses after a takeover have one more.
    fn note_added(&mut self, now: Instant, address: &Address) {
        let owners = self.managed.get(&(address.link.clone(), address.listed())).map(|m| m.routers.clone());
        for index in owners.unwrap_or_default() {
            let Some(router) = self.routers.get(index) else { continue };
            let all = router.machine.spec().addresses.iter().all(|a| self.holds(a));
            let Some(router) = self.routers.get_mut(index).filter(|_| all) else { continue };
            if let Some(takeover) = &mut router.takeover {
                takeover.added_at.get_or_insert(now);
            }
        }
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

    pub(super) fn subject_of(&self, address: &Address) -> Subject {
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
    /// A static address: it stands while the engine runs.
    pub(super) fixed: bool,
}

impl Managed {
    const fn new(address: Address) -> Self {
        Self { address, routers: Vec::new(), fixed: false }
    }

    /// It moves with no router, so that no lease is needed.
    pub(super) const fn stands(&self) -> bool {
        self.fixed && self.routers.is_empty()
    }
}

const fn address_of(change: &Change) -> Option<&Address> {
    if let Change::AddAddress(address)
    | Change::LeaseAddress(address, _)
    | Change::RenewAddress(address, _)
    | Change::KeepAddress(address)
    | Change::RemoveAddress(address) = change
    {
        Some(address)
    } else {
        None
    }
}
