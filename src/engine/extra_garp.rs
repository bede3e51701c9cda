//! Periodic announcements of addresses beside the link that adverts leave on (`garp_extra_if`): adverts keep switches
//! informed of that link's hardware address only.

use super::core::Engine;
use super::effect::Effect;
use crate::time::Instant;
use crate::vrrp::State;

impl Engine {
    /// Begins or ends with the state of a router.
    pub(super) fn schedule_extra(&mut self, now: Instant, index: usize) {
        let Some(router) = self.routers.get_mut(index) else { return };
        let apart = router.machine.spec().garp.extra_links;
        let is_due = !apart.is_zero() && matches!(router.machine.state(), State::Master { .. });
        let next = is_due.then(|| now + apart);
        if let Some(before) = std::mem::replace(&mut router.extra_at, next) {
            self.extra_garp.remove(&(before, index));
        }
        self.extra_garp.extend(next.map(|at| (at, index)));
    }

    pub(super) fn announce_extra(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        while let Some((_, index)) = self.extra_garp.first().copied().filter(|(at, _)| *at <= now) {
            self.schedule_extra(now, index);
            let Some(spec) = self.routers.get(index).map(|r| r.machine.spec()) else { continue };
            let all = spec.garp.extra_all;
            let concerned = |link| all || (link != spec.advert_link() && self.is_virtual(link));
            let held = spec.all_addresses().filter(|a| concerned(&a.link) && self.holds(a));
            let announce: Vec<_> =
                held.map(|a| Effect::Announce { link: a.link.clone(), address: a.net.addr() }).collect();
            if let Some(router) = self.routers.get_mut(index) {
                router.announcements_sent += announce.len() as u64;
            }
            effects.extend(announce);
        }
    }
}
