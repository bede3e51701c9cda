//! The link and the trackers, as they bear on each router: whether it may take part and with what priority.

use super::core::Engine;
use super::effect::Effect;
use crate::kernel::Link;
use crate::net::{IpNet, LinkName};
use crate::time::Instant;
use crate::vrrp::{self, Conditions, Track, Tracker, weigh};
use std::net::IpAddr;

impl Engine {
    /// Tells the routers that a link concerns what it is like now.
    pub(super) fn conditions_changed(&mut self, now: Instant, name: &LinkName, effects: &mut Vec<Effect>) {
        let tracks = |t: &Track| t.kind == Tracker::Interface && t.name == name.as_str();
        for index in 0..self.routers.len() {
            let concerned = self.routers.get(index).is_some_and(|r| {
                let spec = r.machine.spec();
                spec.link == *name
                    || spec.advert_link() == name
                    || spec.tracks.iter().any(tracks)
                    || spec.beside().any(|(link, _)| link == *name)
            });
            if concerned {
                self.update_conditions(now, index, effects);
            }
        }
    }

    /// A tracker of a router has news. Before its link is seen they wait for that: a link that is not known yet is no fault.
    pub(super) fn tracker_changed(&mut self, now: Instant, index: usize, effects: &mut Vec<Effect>) {
        let Some(machine) = self.routers.get(index).map(|r| &r.machine) else { return };
        let begins = matches!(machine.state(), vrrp::State::Init | vrrp::State::Adopting { .. });
        if !begins || self.links.contains_key(machine.spec().link.as_str()) {
            self.update_conditions(now, index, effects);
        }
    }

    /// Whether it is known what a link is, or that it is not there.
    fn is_known(&self, link: &str) -> bool {
        self.seen.told || self.links.contains_key(link) || self.seen.missing.contains(link)
    }

    pub(super) fn update_conditions(&mut self, now: Instant, index: usize, effects: &mut Vec<Effect>) {
        let Some(router) = self.routers.get(index) else { return };
        // A tracker's word alone starts nothing, and ends nothing that the engine before had.
        if !self.is_known(router.machine.spec().link.as_str()) {
            return;
        }
        // Nothing can be sent on a virtual link that has not been seen.
        let adopting = matches!(router.machine.state(), vrrp::State::Adopting { .. });
        if adopting && !self.own_link_is_known(router.machine.spec()) {
            return;
        }
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
        self.conditions_beside(spec, &mut conditions);
        self.static_conditions(&spec.name, &mut conditions);
        self.own_link_condition(spec, &mut conditions);
        for track in &spec.tracks {
            match track.kind {
                Tracker::Script => {
                    let script = self.scripts.iter().find(|s| s.spec.name == track.name);
                    if let Some(script) = script {
                        script.contribute(track, &mut conditions);
                    }
                }
                Tracker::Interface if !self.is_known(&track.name) => {
                    conditions.waiting.push(format!("interface {} has not been seen yet", track.name));
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
                Tracker::Bfd => self.bfds.contribute(track, &mut conditions),
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
