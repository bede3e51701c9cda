//! `interface_up_down_delays`: a link that is down, or up again, for less than its delay counts as if nothing had been.

use super::core::Engine;
use super::effect::Effect;
use super::origin::Origin;
use crate::kernel::Link;
use crate::net::LinkName;
use crate::status::{Reasons, Severity, Subject};
use crate::time::{Duration, Instant};
use std::collections::{BTreeMap, BTreeSet};

/// What a link is, while it does not count yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Flap {
    pub(super) up: bool,
    pub(super) counts_at: Instant,
    pub(super) reasons: Reasons,
}

/// What is known of links beside what they are.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// Every link that is there has been told of; until then only those that are `missing` are known not to be there.
    pub(super) told: bool,
    pub(super) missing: BTreeSet<String>,
    /// Links whose state does not count yet.
    pub(super) flaps: BTreeMap<String, Flap>,
}

impl Engine {
    /// Gives a link the state that counts; `link` comes from the kernel as it is.
    pub(super) fn delay_link(&mut self, now: Instant, link: &mut Link) {
        let name = link.name.as_str().to_owned();
        let Some(before) = self.links.get(&name).filter(|before| before.index == link.index) else {
            self.seen.flaps.remove(&name);
            return;
        };
        let (counts, is) = (before.up, link.up);
        if counts == is {
            if let Some(flap) = self.seen.flaps.remove(&name) {
                let word = if is { "up" } else { "down" };
                let text = format!("{name} is {word} again: nothing has changed");
                let left = flap.counts_at.since(now).as_secs_f64();
                let cause = format!("interface_up_down_delays; {left:.3} s before it would have counted");
                self.log.add(now, Subject::Node, Severity::Info, "link", text, Some(cause));
            }
            return;
        }
        let delay = self.link_delay(&link.name, is);
        if delay.is_zero() {
            self.seen.flaps.remove(&name);
            return;
        }
        link.up = counts;
        if !self.seen.flaps.contains_key(&name) {
            let reasons = self.log.origin().reasons(now);
            self.seen.flaps.insert(name.clone(), Flap { up: is, counts_at: now + delay, reasons });
            let word = if is { "up" } else { "down" };
            let text = format!("{name} is {word}: counts after {} s", delay.as_secs_f64());
            let cause = Some("interface_up_down_delays".to_owned());
            self.log.add(now, Subject::Node, Severity::Info, "link", text, cause);
        }
    }

    /// Down counts before the others take the silence of a router for its end (in VRRPv3 the master may have taught a
    /// shorter interval than the file has).
    fn link_delay(&self, link: &LinkName, up: bool) -> Duration {
        let Some(delay) = self.globals.link_delays.get(link) else { return Duration::ZERO };
        if up {
            return delay.up;
        }
        let on_link = self.routers.iter().map(|r| &r.machine).filter(|m| m.spec().link == *link);
        let longest = on_link.map(|m| {
            let interval = m.master_interval();
            interval.saturating_mul(m.spec().down_adverts.saturating_sub(1)).saturating_sub(interval / 256)
        });
        longest.min().map_or(delay.down, |longest| delay.down.min(longest))
    }

    pub(super) fn flaps_due(&self) -> Option<Instant> {
        self.seen.flaps.values().map(|flap| flap.counts_at).min()
    }

    /// States of links that have lasted their delay.
    pub(super) fn settle_flaps(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let due = self.seen.flaps.iter().filter(|(_, flap)| flap.counts_at <= now);
        let due: Vec<_> = due.map(|(name, flap)| (name.clone(), flap.clone())).collect();
        for (name, flap) in due {
            self.seen.flaps.remove(&name);
            let Some(link) = self.links.get_mut(&name) else { continue };
            link.up = flap.up;
            let name = link.name.clone();
            let origin = self.log.set_origin(Origin::Recorded(flap.reasons.clone()));
            self.causes.links.insert(name.as_str().to_owned(), flap.reasons);
            self.conditions_changed(now, &name, effects);
            self.log.set_origin(origin);
        }
    }
}
