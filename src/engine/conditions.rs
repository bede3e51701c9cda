//! The link and the trackers, as they bear on each router: whether it may take part and with what priority.

use super::core::Engine;
use super::effect::Effect;
use crate::kernel::Link;
use crate::net::{IpNet, LinkName};
use crate::time::Instant;
use crate::vrrp::{self, Conditions, Term, Track, Tracker};
use std::net::IpAddr;

/// What a tracker's state means to a router that tracks it (keepalived.conf(5), track_script). Weight 0: bad is a fault.
/// Otherwise the weight counts while good (positive) or while bad (negative); `reverse` turns the sign of what is added
/// and, without a weight, the side that is the fault.
pub(super) fn weigh(track: &Track, good: bool, detail: &str, conditions: &mut Conditions) {
    let label = format!("{} {}", track.kind, track.name);
    if track.weight == 0 {
        if good == track.reverse {
            conditions.faults.push(format!("{label}: {detail}"));
        }
        return;
    }
    let counts = if track.weight > 0 { good } else { !good };
    let value = match (counts, track.reverse) {
        (false, _) => 0,
        (true, false) => track.weight,
        (true, true) => -track.weight,
    };
    conditions.terms.push(Term { label, value, note: Some(detail.to_owned()) });
}

/// What the number in a tracked file means (keepalived.conf(5), track_file): multiplied by the weight and added, at most
/// 253; −254 and less is a fault. Without a weight any number but 0 is the fault, or with `reverse` 0 is.
pub(super) fn weigh_number(track: &Track, number: i64, detail: &str, conditions: &mut Conditions) {
    let label = format!("{} {}", track.kind, track.name);
    if track.weight == 0 {
        if (number != 0) != track.reverse {
            conditions.faults.push(format!("{label}: {detail}"));
        }
        return;
    }
    let weight = if track.reverse { -i64::from(track.weight) } else { i64::from(track.weight) };
    let product = number.saturating_mul(weight);
    let detail = if weight == 1 { detail.to_owned() } else { format!("{detail}, times {weight}") };
    if product <= -254 {
        conditions.faults.push(format!("{label}: {detail}: {product} is a fault, as everything below −253"));
        return;
    }
    let value = i32::try_from(product.min(253)).unwrap_or(253);
    conditions.terms.push(Term { label, value, note: Some(detail) });
}

impl Engine {
    /// Tells the routers that a link concerns what it is like now.
    pub(super) fn conditions_changed(&mut self, now: Instant, name: &LinkName, effects: &mut Vec<Effect>) {
        let tracks = |t: &Track| t.kind == Tracker::Interface && t.name == name.as_str();
        for index in 0..self.routers.len() {
            let concerned = self.routers.get(index).is_some_and(|r| {
                let spec = r.machine.spec();
                spec.link == *name || spec.advert_link() == name || spec.tracks.iter().any(tracks)
            });
            if concerned {
                self.update_conditions(now, index, effects);
            }
        }
    }

    /// Routers that wait for a link that is not there learn that.
    pub(super) fn links_told(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        for index in 0..self.routers.len() {
            let link = self.routers.get(index).map(|r| &r.machine.spec().link);
            if link.is_some_and(|link| !self.links.contains_key(link.as_str())) {
                self.update_conditions(now, index, effects);
            }
        }
    }

    pub(super) fn update_conditions(&mut self, now: Instant, index: usize, effects: &mut Vec<Effect>) {
        let Some(router) = self.routers.get(index) else { return };
        let conditions = self.conditions(router.machine.spec(), router.machine.conditions().source);
        self.spread_conditions(now, index, conditions, effects);
    }

    /// The address it sent from `before` stays its source as long as the link has it: another one would change who wins
    /// among equals.
    fn conditions(&self, spec: &vrrp::Spec, before: Option<IpAddr>) -> Conditions {
        let mut conditions = Conditions::default();
        match self.links.get(spec.link.as_str()) {
            None => conditions.faults.push(format!("{} is not there", spec.link)),
            Some(link) if !link.up && spec.track_link => conditions.faults.push(format!("{} is down", spec.link)),
            Some(link) => self.find_source(spec, link, before, &mut conditions),
        }
        for track in &spec.tracks {
            match track.kind {
                Tracker::Script => {
                    let script = self.scripts.iter().find(|s| s.spec.name == track.name);
                    if let Some(script) = script {
                        script.contribute(track, &mut conditions);
                    }
                }
                Tracker::Interface => {
                    let up = self.links.get(&track.name).map(|link| link.up);
                    let detail = match up {
                        None => "not there",
                        Some(false) => "down",
                        Some(true) => "up",
                    };
                    weigh(track, up == Some(true), detail, &mut conditions);
                }
                Tracker::File | Tracker::Process => self.trackers.contribute(track, &mut conditions),
                // The configuration gives none.
                Tracker::Bfd => {}
            }
        }
        conditions
    }

    fn find_source(&self, spec: &vrrp::Spec, link: &Link, before: Option<IpAddr>, conditions: &mut Conditions) {
        // By address alone: a VIP that an earlier life left with another prefix is no source either.
        let ours = |net: &IpNet| self.managed_ips.contains(&net.addr());
        let there = |ip: &IpAddr| link.addresses.keys().any(|net| net.addr() == *ip);
        let before = before.filter(|ip| there(ip) && !self.managed_ips.contains(ip));
        conditions.source = spec.source.or(before).or_else(|| link.source(spec.family, ours));
        match conditions.source {
            None => {
                conditions.faults.push(format!("{} has no {} address to send from", spec.link, spec.family));
            }
            Some(source) if spec.track_source && !there(&source) => {
                conditions.faults.push(format!("{} does not have {source} (track_src_ip)", spec.link));
            }
            Some(_) => {}
        }
    }
}
