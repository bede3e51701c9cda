//! Which packets are dropped, and whether that is in force.
//!
//! The table follows from the configuration, so it stands long before an address comes. An address that needs it waits
//! for the first answer about it, good or bad: without the table the address comes too, and that is an alarm.

use super::core::Engine;
use super::effect::Effect;
use crate::kernel::{Address, Change, Firewall, FirewallTable, VirtualLinkKind};
use crate::net::LinkName;
use crate::status::{FirewallStatus, Severity, Subject};
use crate::time::{Duration, Instant};
use crate::vrrp::Spec;
use std::net::IpAddr;

/// A table that was refused is tried again after this.
const RETRY: Duration = Duration::from_secs(5);

/// The table as it should be, and as it is.
#[derive(Clone, Debug, Default)]
pub(super) struct Firewalling {
    desired: Firewall,
    /// What was set last.
    in_force: Option<Firewall>,
    pending: bool,
    /// Why the last attempt failed.
    error: Option<String>,
    retry_at: Option<Instant>,
}

impl Firewalling {
    pub(super) const fn retry_at(&self) -> Option<Instant> {
        self.retry_at
    }

    pub(super) fn covers(&self, address: &Address) -> bool {
        let Some(table) = &self.in_force else { return false };
        match address.net.addr() {
            IpAddr::V4(ip) => table.v4.contains(&ip),
            IpAddr::V6(ip) => table.v6.contains(&ip) || table.v6_local.contains(&(ip, address.link.clone())),
        }
    }

    /// Asked for and answered, one way or the other.
    fn is_answered(&self, is_covered: impl Fn(&Firewall) -> bool) -> bool {
        self.error.is_some() || self.in_force.as_ref().is_some_and(is_covered)
    }
}

impl Engine {
    /// The table that routers and virtual links need. Called whenever one of them is made anew.
    pub(super) fn index_firewall(&mut self) {
        let spec = &self.globals.firewall;
        let table = FirewallTable {
            name: spec.table.clone(),
            owner: self.name.clone(),
            priority: spec.priority,
            counters: spec.counters,
        };
        let mut desired = Firewall { table, ..Firewall::default() };
        for spec in self.routers.iter().map(|r| r.machine.spec()).filter(|spec| spec.refuses_packets()) {
            for address in spec.all_addresses() {
                match address.net.addr() {
                    IpAddr::V4(ip) => desired.v4.insert(ip),
                    IpAddr::V6(ip) if ip.is_unicast_link_local() => desired.v6_local.insert((ip, address.link.clone())),
                    IpAddr::V6(ip) => desired.v6.insert(ip),
                };
            }
        }
        let macvlans = self.virtual_links.values().filter(|m| matches!(m.link.kind, VirtualLinkKind::Macvlan(_)));
        desired.quiet = macvlans.map(|m| m.link.name.clone()).collect();
        self.firewall.desired = desired;
        self.unsettled = true;
    }

    /// The table that the configuration asks for; one of an earlier life may stand under its name.
    pub fn firewall(&self) -> &Firewall {
        &self.firewall.desired
    }

    pub(super) fn settle_firewall(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let state = &mut self.firewall;
        if state.pending || state.retry_at.is_some_and(|at| at > now) {
            return;
        }
        state.retry_at = None;
        let is_as_desired = match &state.in_force {
            Some(table) => *table == state.desired,
            None => state.desired.is_empty(),
        };
        if is_as_desired {
            state.error = None;
            return;
        }
        state.pending = true;
        // A table under its former name goes first; the new one follows when that is done.
        let renamed = state.in_force.as_ref().filter(|table| table.table.name != state.desired.table.name);
        effects.push(Effect::Apply(match renamed {
            Some(former) => Change::RemoveFirewall(former.clone()),
            None if state.desired.is_empty() => Change::RemoveFirewall(state.desired.clone()),
            None => Change::SetFirewall(state.desired.clone()),
        }));
    }

    pub(super) fn firewall_done(
        &mut self,
        now: Instant,
        change: &Change,
        result: Result<(), String>,
        effects: &mut Vec<Effect>,
    ) {
        self.firewall.pending = false;
        match result {
            Ok(()) => {
                let set = if let Change::SetFirewall(table) = change { Some(table.clone()) } else { None };
                self.firewall.in_force = set;
                self.firewall.error = None;
                self.log.add(now, Subject::Node, Severity::Info, "firewall", change.to_string(), None);
            }
            Err(error) => {
                self.counters.change_errors += 1;
                let text = format!("could not {change}");
                let means = "packets that should be dropped are accepted; tried again every 5 s";
                let finding = format!("{text}: {error}: {means}");
                if self.findings.raise(now, "firewall", Severity::Alarm, "node", finding) {
                    let cause = Some(format!("{error}: {means}"));
                    self.log.add(now, Subject::Node, Severity::Alarm, "firewall", text, cause);
                }
                self.firewall.error = Some(error);
                self.firewall.retry_at = Some(now + RETRY);
                if self.stopping {
                    // What is left keeps packets from addresses that nobody has.
                    self.firewall.in_force = None;
                }
            }
        }
        // Addresses may have waited for it.
        self.settle_addresses(effects);
    }

    /// Whether an address may come: packets to it are dropped already, or need not be, or cannot be.
    pub(super) fn may_come(&self, address: &Address) -> bool {
        let routers = self.managed.get(&(address.link.clone(), address.listed())).map(|m| m.routers.as_slice());
        let mut specs =
            routers.unwrap_or_default().iter().filter_map(|i| self.routers.get(*i)).map(|r| r.machine.spec());
        !specs.any(Spec::refuses_packets) || self.firewall.error.is_some() || self.firewall.covers(address)
    }

    /// Whether a virtual link may come: nothing that the kernel says there by itself will leave.
    pub(super) fn is_quiet(&self, link: &LinkName) -> bool {
        !self.firewall.desired.quiet.contains(link) || self.firewall.is_answered(|table| table.quiet.contains(link))
    }

    /// Nothing is left to remove at the end.
    pub(super) const fn firewall_is_gone(&self) -> bool {
        self.firewall.in_force.is_none() && !self.firewall.pending
    }

    /// Of an instance that refuses packets.
    pub(super) fn firewall_status(&self, spec: &Spec) -> Option<FirewallStatus> {
        spec.refuses_packets().then(|| FirewallStatus {
            table: self.firewall.desired.table.name.clone(),
            in_force: spec.all_addresses().all(|a| self.firewall.covers(a)),
            error: self.firewall.error.clone(),
        })
    }

    /// The last thing to remove when the time to stop is over.
    pub(super) fn leftover_firewall(&self) -> Option<Change> {
        self.firewall.in_force.clone().filter(|_| !self.keeps_any()).map(Change::RemoveFirewall)
    }

    /// The engine ends: nothing is to be dropped any more.
    pub(super) fn drop_firewall(&mut self) {
        self.firewall.desired = Firewall { table: self.firewall.desired.table.clone(), ..Firewall::default() };
    }
}
