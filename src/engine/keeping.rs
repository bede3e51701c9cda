//! What stays when the engine ends, because its operator wants it so (keepalived's -V and -I).
//!
//! A kept address must not go by its lease: the lease is taken off it before the engine ends, and what was kept is said
//! with what it means: nobody advertises, so another node takes it over after its master-down time, and then two answer.

use super::core::Engine;
use super::effect::Effect;
use crate::kernel::{Address, Change};
use crate::status::{DataplaneKind, Severity, Subject};
use crate::time::Instant;
use crate::vrrp;

/// What is left behind on purpose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// Addresses, routes, rules and what they need, wherever an instance answers for its addresses at the end
    /// (`--dont-release-vrrp`). No priority 0 is sent.
    pub vrrp: bool,
    /// The services in the kernel's table (`--dont-release-ipvs`).
    pub ipvs: bool,
}

impl Engine {
    /// To be called before the first input.
    pub fn keep_at_stop(&mut self, now: Instant, keep: Keep) {
        self.keep = keep;
        if keep.vrrp {
            let text = "at the end the addresses stay here, and no priority 0 is sent (--dont-release-vrrp)";
            let means = "another node will take them over, and then two answer; `vipdeck restart` needs no such option";
            self.log.add(now, Subject::Node, Severity::Warning, "keep", text, Some(means.into()));
        }
        if keep.ipvs {
            let text = "at the end the IPVS table stays as it is (--dont-release-ipvs)";
            self.log.add(now, Subject::Node, Severity::Notice, "keep", text, None);
        }
    }

    /// Every router out of the protocol at once and without a word; what it answers for stays, and not on a lease.
    pub(super) fn leave_all_here(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        (self.lease, self.renew_at) = (None, None);
        for router in &mut self.routers {
            router.keeps = router.machine.state().wants_addresses();
        }
        let moving = self.managed.values().filter(|m| !m.stands()).map(|m| &m.address);
        let stay: Vec<Address> = moving.filter(|a| self.holds(a) && self.is_desired(a)).cloned().collect();
        for address in stay {
            self.pending.insert(address.clone());
            effects.push(Effect::Apply(Change::KeepAddress(address)));
        }
        for index in 0..self.routers.len() {
            self.drive(now, index, vrrp::Input::Leave, effects);
        }
    }

    /// The lease was taken off an address, or not.
    pub(super) fn lease_taken_off(&mut self, now: Instant, address: &Address, result: Result<(), String>) {
        self.pending.remove(address);
        let Err(error) = result else { return };
        self.counters.change_errors += 1;
        let text = format!("{address} was to stay and goes with its lease: it could not be taken off");
        self.log.add(now, self.subject_of(address), Severity::Alarm, "keep", text, Some(error));
    }

    /// Whether any router leaves anything here.
    pub(super) fn keeps_any(&self) -> bool {
        self.routers.iter().any(|r| r.keeps)
    }

    /// Says what stays, at the very end.
    pub(super) fn tell_kept(&mut self, now: Instant) {
        for text in self.kept() {
            self.log.add(now, Subject::Node, Severity::Warning, "kept", text, None);
        }
    }

    /// What stays, one sentence each; to be asked when everything else is released.
    pub fn kept(&self) -> Vec<String> {
        let addresses = self.routers.iter().filter(|r| r.keeps).map(|router| {
            let spec = router.machine.spec();
            let all: Vec<_> = spec.all_addresses().filter(|a| self.holds(a)).map(ToString::to_string).collect();
            let after = router.machine.master_down().as_secs_f64();
            let (name, all) = (&spec.name, all.join(", "));
            format!(
                "{name}: {all} stay here until somebody removes them; nobody advertises, so another node takes them \
                 over after about {after:.1} s, and then two answer"
            )
        });
        let has_table = self.keep.ipvs && self.dataplane.kind == DataplaneKind::Ipvs && !self.services.is_empty();
        let table = has_table.then(|| "the IPVS table stays as it is: nobody checks its real servers".to_owned());
        addresses.chain(table).collect()
    }
}
