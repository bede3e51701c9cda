//! A reload gives a running router another spec: it keeps its state, its timers and what it has heard.

use super::instance::{Instance, Output};
use super::spec::Spec;
use super::state::State;
use crate::time::Instant;

impl Instance {
    /// Takes `spec`, which is the same virtual router (VRID, family, link, peering). As master, neighbours and peers are
    /// told of what they can see: an advert when priority, interval or addresses differ, announcements when an address is
    /// new. As backup, the silence waited for is counted anew from where it began.
    #[must_use]
    pub fn reconfigure(&mut self, now: Instant, spec: Spec) -> Vec<Output> {
        let before = std::mem::replace(&mut self.spec, spec);
        let mut out = Vec::new();
        if self.spec == before {
            return out;
        }
        if self.master_interval == before.interval {
            self.master_interval = self.spec.interval;
        }
        match &mut self.state {
            State::Master { next_advert_at, refresh_at, .. } => {
                *next_advert_at = (*next_advert_at).min(now + self.spec.interval);
                let refresh = self.spec.garp.refresh;
                if refresh != before.garp.refresh {
                    *refresh_at = (!refresh.is_zero()).then(|| now + refresh);
                }
                let visible = |s: &Spec| (s.priority, s.interval, s.addresses.clone(), s.auth.clone());
                if visible(&self.spec) != visible(&before) {
                    self.advertise_now(now, &mut out);
                }
                let gained = self.spec.all_addresses().any(|a| before.all_addresses().all(|b| b != a));
                if gained {
                    out.push(Output::Announce { repeat: self.spec.garp.repeat });
                }
            }
            State::Backup { .. } => {
                if self.preempt_at.is_some() && self.spec.preempt_delay != before.preempt_delay {
                    self.preempt_at = None;
                }
                let down = |spec: &Spec| (spec.priority, spec.interval, spec.down_adverts);
                if down(&self.spec) != down(&before) {
                    let due = self.quiet_since.max(self.not_before) + self.master_down();
                    self.set_master_down(due.max(now));
                }
            }
            State::Init | State::Adopting { .. } | State::Yielding { .. } | State::Fault { .. } | State::Stopped => {}
        }
        out
    }
}
