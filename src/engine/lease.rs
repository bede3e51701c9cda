//! Addresses are held on a lease: the kernel takes them away by itself when this engine no longer renews them, whatever
//! ended it (ip-address(8), `valid_lft`).

use super::core::Engine;
use super::effect::Effect;
use crate::kernel::{Address, Change};
use crate::time::{Duration, Instant};
use crate::vrrp::Spec;

/// The shortest lease: the kernel counts in seconds, and a renewal may be late.
const SHORTEST: u32 = 4;
/// A lease is renewed when this part of it is over: half.
const PART: u32 = 2;

/// How long addresses stay without a renewal: twice the longest master-down time, so that a successor has taken over
/// well before, and at least [`SHORTEST`] seconds.
pub(super) fn automatic<'s>(specs: impl Iterator<Item = &'s Spec>) -> u32 {
    let longest = specs.map(|s| s.master_down(1, s.interval)).max().unwrap_or_default();
    let seconds = (longest * 2).as_secs_f64().ceil() as u32;
    seconds.max(SHORTEST)
}

impl Engine {
    /// The lease as the configuration of this moment asks for it; none: addresses stay until they are removed.
    pub(super) fn set_lease(&mut self, now: Instant) {
        let seconds = self.lease_setting.unwrap_or_else(|| automatic(self.routers.iter().map(|r| r.machine.spec())));
        self.lease = (seconds > 0).then_some(seconds);
        self.renew_at = self.lease.map(|_| now);
    }

    /// Puts an address on its link.
    pub(super) fn addition(&self, address: Address) -> Change {
        match self.lease {
            Some(seconds) => Change::LeaseAddress(address, seconds),
            None => Change::AddAddress(address),
        }
    }

    /// Renews what is held and should be. What is about to change is left out: the change has its own lease.
    pub(super) fn renew_leases(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let (Some(lease), Some(due)) = (self.lease, self.renew_at) else { return };
        if now < due {
            return;
        }
        self.renew_at = Some(now + Duration::from_secs(u64::from(lease)) / PART);
        let moving = self.managed.values().filter(|m| !m.stands());
        let held = moving.map(|m| &m.address).filter(|a| self.holds(a) && self.is_desired(a));
        let held: Vec<_> = held.filter(|a| !self.pending.contains(*a)).cloned().collect();
        effects.extend(held.into_iter().map(|address| Effect::Apply(Change::RenewAddress(address, lease))));
    }
}
