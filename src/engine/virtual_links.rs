//! The links that routers make for themselves (`use_vmac`, `use_ipvlan`): made when the link below is there, made again
//! when somebody deletes them, removed at the end.

use super::core::Engine;
use super::effect::Effect;
use crate::kernel::{Address, Change, VirtualLink, VirtualLinkKind};
use crate::net::LinkName;
use crate::status::{Severity, Subject, VirtualLinkStatus};
use crate::time::{Duration, Instant};
use crate::vrrp::{Conditions, Spec};

/// A link that could not be made is tried again after this.
const RETRY: Duration = Duration::from_secs(5);
/// News of a link that was made arrive within this; or it is asked for again.
const CONFIRMED: Duration = Duration::from_secs(2);

#[derive(Clone, Debug)]
pub(super) struct Made {
    pub(super) link: VirtualLink,
    /// A router needs it.
    wanted: bool,
    /// It was made, or taken over, in this life.
    done: bool,
    pending: bool,
    /// Why the last attempt failed.
    error: Option<String>,
    retry_at: Option<Instant>,
}

impl Engine {
    /// Finds the virtual links that routers need. Called whenever routers are made anew.
    pub(super) fn index_links(&mut self) {
        let before = std::mem::take(&mut self.virtual_links);
        for link in self.routers.iter().flat_map(|r| r.machine.spec().virtual_links()) {
            let fresh =
                || Made { link: link.clone(), wanted: true, done: false, pending: false, error: None, retry_at: None };
            self.virtual_links.entry(link.name.clone()).or_insert_with(fresh);
        }
        for (name, mut old) in before {
            match self.virtual_links.get_mut(&name) {
                Some(now) if now.link == old.link => *now = old,
                // Another one under the same name takes its place.
                Some(now) => now.pending = old.pending,
                None if old.done || old.pending => {
                    old.wanted = false;
                    self.virtual_links.insert(name, old);
                }
                None => {}
            }
        }
        self.index_firewall();
    }

    /// From the links that are there to those that should be, and what must be in force before.
    pub(super) fn settle_links(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let ending = self.has_handed_over();
        let mut changes = Vec::new();
        for (name, made) in &self.virtual_links {
            if made.pending || made.retry_at.is_some_and(|at| at > now) {
                continue;
            }
            let is_there = self.is_usable(&made.link);
            if made.wanted && !ending {
                let base = self.links.contains_key(made.link.base.as_str());
                if base && !(made.done && is_there) && self.is_quiet(name) {
                    changes.push(Change::AddLink(made.link.clone()));
                }
            } else if made.done && !self.carries(name) {
                changes.push(Change::RemoveLink(made.link.clone()));
            }
        }
        for change in changes {
            if let Some(made) = name_of(&change).and_then(|name| self.virtual_links.get_mut(name)) {
                made.pending = true;
                made.retry_at = None;
            }
            effects.push(Effect::Apply(change));
        }
    }

    /// It is there, and up if the link below is.
    fn is_usable(&self, link: &VirtualLink) -> bool {
        let base_is_up = self.links.get(link.base.as_str()).is_some_and(|l| l.up);
        self.links.get(link.name.as_str()).is_some_and(|l| l.up || !base_is_up)
    }

    /// It is there, and up, with its hardware address.
    fn is_as_wanted(&self, link: &VirtualLink) -> bool {
        let found = self.links.get(link.name.as_str()).filter(|l| l.up);
        found.is_some_and(|l| match link.kind {
            VirtualLinkKind::Macvlan(mac) => l.mac == Some(mac),
            VirtualLinkKind::Ipvlan { .. } => true,
        })
    }

    /// Addresses of ours are on a link, or on their way.
    fn carries(&self, link: &LinkName) -> bool {
        self.managed
            .values()
            .any(|m| m.address.link == *link && (self.holds(&m.address) || self.pending.contains(&m.address)))
    }

    pub(super) fn link_done(
        &mut self,
        now: Instant,
        change: &Change,
        result: Result<(), String>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(name) = name_of(change).cloned() else { return };
        let is_there = self.virtual_links.get(&name).is_some_and(|made| self.is_usable(&made.link));
        let stopping = self.stopping;
        let Some(made) = self.virtual_links.get_mut(&name) else { return };
        made.pending = false;
        let added = matches!(change, Change::AddLink(link) if *link == made.link);
        match result {
            Ok(()) => {
                made.done = added;
                made.error = None;
                made.retry_at = (added && !is_there).then_some(now + CONFIRMED);
                self.log.add(now, Subject::Node, Severity::Info, "link", change.to_string(), None);
            }
            Err(error) => {
                // At the end it is tried once.
                made.done &= !stopping;
                made.retry_at = Some(now + RETRY);
                made.error = Some(error.clone());
                self.counters.change_errors += 1;
                let text = format!("could not {change}");
                let finding = format!("{text}: {error}; tried again every 5 s");
                if self.findings.raise(now, "virtual-link", Severity::Alarm, name.as_str(), finding) {
                    self.log.add(now, Subject::Node, Severity::Alarm, "link", text, Some(error));
                }
            }
        }
        if !made.wanted && !made.done {
            self.virtual_links.remove(&name);
            self.index_firewall();
        }
        for index in 0..self.routers.len() {
            let own = |r: &super::router::Router| r.machine.spec().virtual_links().any(|link| link.name == name);
            if self.routers.get(index).is_some_and(own) {
                self.update_conditions(now, index, effects);
            }
        }
    }

    /// News of a link: what was made is confirmed.
    pub(super) fn link_confirmed(&mut self, name: &LinkName) {
        let usable =
            self.virtual_links.get(name).is_some_and(|made| made.error.is_none() && self.is_usable(&made.link));
        if let Some(made) = self.virtual_links.get_mut(name).filter(|_| usable) {
            made.retry_at = None;
        }
    }

    /// It is there as it should be, or could not be made.
    pub(super) fn own_link_is_known(&self, spec: &Spec) -> bool {
        let made = spec.virtual_link.as_ref().and_then(|own| self.virtual_links.get(&own.link.name));
        made.is_none_or(|made| made.error.is_some() || self.is_as_wanted(&made.link))
    }

    /// An instance takes part once its own link was made; a link that cannot be made is a fault.
    pub(super) fn own_link_condition(&self, spec: &Spec, conditions: &mut Conditions) {
        let Some(own) = &spec.virtual_link else { return };
        let Some(made) = self.virtual_links.get(&own.link.name) else { return };
        let name = &own.link.name;
        match &made.error {
            Some(error) => conditions.faults.push(format!("its virtual link {name} could not be made: {error}")),
            // One of an earlier life will do until it has been looked at.
            None if !made.done && !self.is_as_wanted(&made.link) => {
                conditions.waiting.push(format!("its virtual link {name} is being made"));
            }
            None => {}
        }
    }

    /// When something of links or of the firewall is to be tried again.
    pub(super) fn plumbing_retry_at(&self) -> Option<Instant> {
        let links = self.virtual_links.values().filter_map(|made| made.retry_at);
        links.chain(self.firewall.retry_at()).min()
    }

    /// Links and firewall, if something that they depend on has happened.
    pub(super) fn settle_plumbing(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        if !std::mem::take(&mut self.unsettled) && self.plumbing_retry_at().is_none_or(|at| at > now) {
            return;
        }
        self.settle_firewall(now, effects);
        self.settle_links(now, effects);
    }

    /// Whether a link is one of ours.
    pub(super) fn is_virtual(&self, link: &LinkName) -> bool {
        self.virtual_links.contains_key(link)
    }

    /// What stays at the end is on it.
    fn keeps_link(&self, link: &LinkName) -> bool {
        let stays = |a: &Address| a.link == *link && self.holds(a) && self.is_desired(a);
        self.keeps_any() && self.managed.values().any(|m| stays(&m.address))
    }

    fn links_are_gone(&self) -> bool {
        self.virtual_links.values().all(|made| !made.pending && (!made.done || self.keeps_link(&made.link.name)))
    }

    /// Once the addresses are gone: links, then the firewall; true when both are.
    pub(super) fn release_plumbing(&mut self, now: Instant, effects: &mut Vec<Effect>) -> bool {
        if !self.links_are_gone() {
            self.settle_links(now, effects);
            return false;
        }
        if !self.firewall_is_gone() && !self.keeps_any() {
            self.drop_firewall();
            self.settle_firewall(now, effects);
            return false;
        }
        true
    }

    /// The last things to remove when the time to stop is over.
    pub(super) fn leftover_links(&self) -> impl Iterator<Item = Change> {
        let left = self.virtual_links.values().filter(|made| made.done && !self.keeps_link(&made.link.name));
        left.map(|made| Change::RemoveLink(made.link.clone()))
    }

    /// The virtual links of an instance, its own first.
    pub(super) fn virtual_link_status(&self, spec: &Spec) -> Vec<VirtualLinkStatus> {
        let status = |link: &VirtualLink| VirtualLinkStatus {
            name: link.name.clone(),
            base: link.base.clone(),
            mac: match link.kind {
                VirtualLinkKind::Macvlan(mac) => Some(mac),
                VirtualLinkKind::Ipvlan { .. } => None,
            },
            up: self.links.get(link.name.as_str()).map(|l| l.up),
            error: self.virtual_links.get(&link.name).and_then(|made| made.error.clone()),
        };
        spec.virtual_links().map(status).collect()
    }
}

const fn name_of(change: &Change) -> Option<&LinkName> {
    if let Change::AddLink(link) | Change::RemoveLink(link) = change { Some(&link.name) } else { None }
}

#[cfg(test)]
#[path = "plumbing_tests.rs"]
mod tests;
