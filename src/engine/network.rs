//! Adverts in and out, and what a virtual router's outputs become.

use super::admission::{acceptable, advertised, count_malformed, read, same_interval, summed, unsealed};
use super::core::Engine;
use super::effect::{self, Effect};
use super::input::Packet;
use super::neighbours::Verdict;
use super::router::Speaker;
use crate::net::{Family, LinkName};
use crate::status::{Role, Severity, Subject, Transition};
use crate::time::{Duration, Instant};
use crate::vrrp::{self, Cause, Note, Output};
use crate::wire::vrrp::{Advert, Auth, Body, Ends, PROTOCOL, TTL, encode};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

impl Engine {
    pub(super) fn packet_arrived(&mut self, now: Instant, packet: &Packet, effects: &mut Vec<Effect>) {
        let sealed = match unsealed(packet) {
            Ok(sealed) => sealed,
            Err(reason) => return self.malformed(now, packet, None, &reason),
        };
        let payload = sealed.map_or(&packet.payload[..], |sealed| sealed.payload);
        let of_packet = payload.get(1).and_then(|vrid| self.router_for(packet, *vrid));
        let is_foreign = sealed.is_some_and(|sealed| sealed.next != PROTOCOL);
        if is_foreign || (of_packet.is_none() && self.is_copy(packet, payload)) {
            return;
        }
        let spec = of_packet.and_then(|index| self.routers.get(index)).map(|r| r.machine.spec());
        let (advert, form) = match read(payload, packet, spec) {
            Ok(read) => read,
            Err(reason) => {
                if let Some(router) = of_packet.and_then(|index| self.routers.get_mut(index)) {
                    count_malformed(router, reason);
                    self.neighbours.hear_malformed(now, packet, payload, reason.to_string());
                }
                return self.malformed(now, packet, of_packet, &reason);
            }
        };
        let Some(index) = of_packet else {
            self.hear_stranger(now, packet, &advert);
            self.unknown_vrid(now, packet, advert.vrid);
            return;
        };
        let moment = self.moment(now);
        let late = !moment.slept.is_zero();
        let Some(router) = self.routers.get_mut(index) else { return };
        let spec = router.machine.spec();
        let accepted = acceptable(spec, packet, &advert)
            .and_then(|()| router.authentic.judge(spec, packet, sealed.as_ref(), moment))
            .and_then(|warning| same_interval(spec, packet.source, &advert).map(|()| warning));
        let warning = match accepted {
            Ok(warning) => warning,
            Err(refusal) => {
                router.adverts_refused += 1;
                refusal.count(&mut router.packets);
                let text = refusal.text();
                self.neighbours.hear(now, late, packet, &advert, Verdict::Refused(refusal.why));
                return self.refused(now, index, packet.source, refusal.kind, text);
            }
        };
        let interval = advertised(&advert);
        // Once is a farewell: a master that resigns tells its backups to hurry.
        let before = router.speakers.get(&packet.source).map(|s| s.interval);
        let differs = interval != spec.interval && before == Some(interval);
        let known = router.machine.master().is_some_and(|m| m.from == packet.source);
        let other_list =
            if spec.skip_check_adv_addr && known { None } else { different_addresses(spec, packet.source, &advert) };
        router.note_form(packet.source, form);
        router.adverts_heard += 1;
        router.packets.priority_zero_received += u64::from(advert.priority == 0);
        router.packets.address_list += u64::from(other_list.is_some());
        router.packets.interval += u64::from(differs);
        if router.machine.conditions().source != Some(packet.source) {
            router.hear(packet.source, Speaker { priority: advert.priority, at: now, interval });
        }
        let other_interval = differs.then(|| learned(router.machine.spec(), packet.source, interval));
        let odd: Vec<(&str, String)> =
            [("address-list", other_list), ("interval-learned", other_interval), ("clock-differs", warning)]
                .into_iter()
                .filter_map(|(kind, text)| Some((kind, text?)))
                .collect();
        self.neighbours.hear(now, late, packet, &advert, Verdict::Counts(odd.first().map(|(_, text)| text.clone())));
        for (kind, text) in odd {
            self.refused(now, index, packet.source, kind, text);
        }
        let heard = vrrp::Heard { from: packet.source, priority: advert.priority, interval, at: now };
        self.drive(now, index, vrrp::Input::Heard(heard), effects);
    }

    /// The router that a packet is for: by link, family and VRID, and among unicast ones by the peer it comes from.
    fn router_for(&self, packet: &Packet, vrid: u8) -> Option<usize> {
        let candidates = self.by_vrid.get(&(Family::of(packet.source), vrid))?;
        let on_link = |i: &&usize| {
            let spec = self.routers.get(**i).map(|r| r.machine.spec());
            spec.and_then(|s| self.hears_on(s)) == Some(&packet.link)
        };
        let from_peer = |i: &&usize| {
            let spec = self.routers.get(**i).map(|r| r.machine.spec());
            spec.is_some_and(|s| match &s.peering {
                vrrp::Peering::Unicast(unicast) => unicast.peers.iter().any(|p| p.address == packet.source),
                vrrp::Peering::Multicast(group) => *group == packet.destination,
            })
        };
        let mut here = candidates.iter().filter(on_link);
        here.clone().find(from_peer).or_else(|| here.next()).copied()
    }

    /// The link that counts of those a router's adverts arrive on.
    fn hears_on<'s>(&self, spec: &'s vrrp::Spec) -> Option<&'s LinkName> {
        let mut links = spec.heard_on().into_iter().flatten();
        let (first, second) = (links.next()?, links.next());
        let is_up = self.links.get(first.as_str()).is_some_and(|link| link.up);
        Some(second.filter(|_| !is_up).unwrap_or(first))
    }

    /// What a router hears on its virtual link arrives on the link below, too.
    fn is_copy(&self, packet: &Packet, payload: &[u8]) -> bool {
        let family = Family::of(packet.source);
        let routers = payload.get(1).and_then(|vrid| self.by_vrid.get(&(family, *vrid)));
        let mut specs = routers.into_iter().flatten().filter_map(|i| self.routers.get(*i)).map(|r| r.machine.spec());
        specs.any(|spec| spec.heard_on().contains(&Some(&packet.link)))
    }

    /// Finds routers by family and VRID, and what is due when. Called whenever routers are made anew.
    pub(super) fn index_routers(&mut self) {
        self.by_vrid.clear();
        self.timers.clear();
        self.retiring = self.routers.iter().any(|r| r.retiring);
        self.extra_garp.clear();
        self.unkept = (0..self.routers.len()).collect();
        self.node_unkept = true;
        for (index, router) in self.routers.iter_mut().enumerate() {
            router.noted = router.machine.deadline();
            self.timers.extend(router.noted.map(|at| (at, index)));
            self.extra_garp.extend(router.extra_at.map(|at| (at, index)));
        }
        for (index, router) in self.routers.iter().enumerate() {
            let spec = router.machine.spec();
            self.by_vrid.entry((spec.family, spec.vrid.get())).or_default().push(index);
        }
        self.set_beats();
        self.reclassify_neighbours();
    }

    /// What has to be listened for: on which links, of which family, in which groups.
    pub fn listens(&self) -> BTreeMap<(LinkName, Family), BTreeSet<IpAddr>> {
        let mut listens: BTreeMap<_, BTreeSet<IpAddr>> = BTreeMap::new();
        for router in &self.routers {
            let spec = router.machine.spec();
            // Also on the link below a virtual one: the switch learns there who wants the group.
            for link in spec.heard_on().into_iter().flatten() {
                let groups = listens.entry((link.clone(), spec.family)).or_default();
                if let vrrp::Peering::Multicast(group) = spec.peering {
                    groups.insert(group);
                }
            }
        }
        listens
    }

    /// Gives one input to one router and carries out what it asks for.
    pub(super) fn drive(&mut self, now: Instant, index: usize, input: vrrp::Input, effects: &mut Vec<Effect>) {
        let Some(router) = self.routers.get_mut(index) else { return };
        router.was_due = router.noted;
        let outputs = router.machine.handle(now, input);
        self.carry_out(now, index, outputs, effects);
    }

    /// Keeps the engine's timers in step with a router's.
    pub(super) fn note_deadline(&mut self, index: usize) {
        let Some(router) = self.routers.get_mut(index) else { return };
        let due = router.machine.deadline();
        if router.noted == due {
            return;
        }
        if let Some(before) = std::mem::replace(&mut router.noted, due) {
            self.timers.remove(&(before, index));
        }
        self.timers.extend(due.map(|at| (at, index)));
    }

    /// Carries out what one router asks for, in its order.
    pub(super) fn carry_out(&mut self, now: Instant, index: usize, outputs: Vec<Output>, effects: &mut Vec<Effect>) {
        self.note_deadline(index);
        self.mark(index);
        for output in outputs {
            match output {
                Output::Advertise { priority } => self.advertise(now, index, (priority, None), effects),
                Output::Hasten { priority, interval } => {
                    self.advertise(now, index, (priority, Some(interval)), effects);
                }
                Output::Announce { repeat } => self.announce_all(now, index, repeat, effects),
                Output::Ready => self.member_ready(now, index, effects),
                Output::Changed { from, to, cause } => {
                    if to == vrrp::Role::Master {
                        self.rivals.begin(now);
                    }
                    if from == vrrp::Role::Init && to == vrrp::Role::Master {
                        // What the engine before this one held may be near the end of its lease.
                        self.renew_at = self.lease.map(|_| now);
                    }
                    self.changed(now, index, (from.into(), to.into()), &cause);
                    self.settle_router(now, index, effects);
                    self.notify_instance(index, to.into(), effects);
                    if self.globals.lvs.sync.is_some() {
                        self.table.ask_later(now);
                    }
                    self.schedule_extra(now, index);
                    self.group_follows(now, index, from, effects);
                }
                Output::Note(note) => {
                    self.noted(now, index, &note);
                    if matches!(note, Note::LowerPriority { .. }) {
                        self.notify_lower_priority(index, effects);
                    }
                    self.settle_router(now, index, effects);
                    if matches!(note, Note::HandedOver { .. }) {
                        self.group_follows(now, index, vrrp::Role::Master, effects);
                    }
                }
            }
        }
        self.tell_priority(index, effects);
    }

    /// With the interval of the configuration, unless another is given.
    fn advertise(
        &mut self,
        now: Instant,
        index: usize,
        (priority, interval): (u8, Option<Duration>),
        effects: &mut Vec<Effect>,
    ) {
        let wall_us = self.moment(now).wall_us;
        let Some(router) = self.routers.get_mut(index) else { return };
        let spec = router.machine.spec();
        let Some(source) = router.machine.conditions().source else { return };
        let (destinations, hop_limit): (Vec<IpAddr>, u8) = match &spec.peering {
            vrrp::Peering::Multicast(group) => (vec![*group], TTL),
            vrrp::Peering::Unicast(unicast) => (unicast.peers.iter().map(|p| p.address).collect(), unicast.hop_limit),
        };
        let advert = Advert {
            vrid: spec.vrid.get(),
            priority,
            body: body(spec, interval.unwrap_or(spec.interval)),
            addresses: listed(spec).collect(),
        };
        let link = spec.advert_link().clone();
        let seal = router.authentic.seal(spec, wall_us);
        for destination in destinations {
            let ends = Ends { source, destination, v3_as_v2: spec.checksum.v3_as_v2 };
            let message = encode(&advert, summed(spec, ends, router.form_for(destination)));
            let Some((carrier, payload)) = seal.around(spec, message, ends, hop_limit) else { continue };
            effects.push(Effect::Send(effect::Advert {
                link: link.clone(),
                source,
                destination,
                hop_limit,
                carrier,
                payload: Arc::from(payload),
            }));
            router.adverts_sent += 1;
            router.packets.priority_zero_sent += u64::from(priority == 0);
        }
    }

    fn changed(&mut self, now: Instant, index: usize, (from, to): (Role, Role), cause: &Cause) {
        let Some(router) = self.routers.get(index) else { return };
        let reasons = self.reasons(now, router, cause);
        let takeover = (to == Role::Master && *cause != Cause::Adopted).then(|| router.takeover_at(now, cause));
        let Some(router) = self.routers.get_mut(index) else { return };
        let spec = router.machine.spec();
        let subject = Subject::Instance(spec.name.clone());
        let moved = to == Role::Master || from == Role::Master;
        let severity = match cause {
            Cause::NobodyTookOver { .. } | Cause::NobodyWanted { .. } | Cause::Conditions { .. } => Severity::Alarm,
            Cause::Adopted | Cause::Silence { .. } | Cause::Overslept { .. } | Cause::RivalOwner { .. } => {
                Severity::Warning
            }
            Cause::Started
            | Cause::Owner
            | Cause::MasterResigned { .. }
            | Cause::Preempting { .. }
            | Cause::HigherPriority { .. }
            | Cause::HigherAddress { .. }
            | Cause::GroupReady { .. }
            | Cause::GroupFollows { .. }
            | Cause::Demoted
            | Cause::TakenOver
            | Cause::Restored
            | Cause::Stopping => {
                if moved {
                    Severity::Notice
                } else {
                    Severity::Info
                }
            }
        };
        // What was refused is said anew in another state.
        router.told.clear();
        let cause = cause.to_string();
        router.takeover = takeover.or(router.takeover);
        router.record(Transition { at: now, from, to, cause: cause.clone(), reasons: reasons.clone() });
        self.log.add_with(now, subject, severity, "state", format!("{from} → {to}"), (Some(cause), reasons));
    }

    fn noted(&mut self, now: Instant, index: usize, note: &Note) {
        let Some(router) = self.routers.get(index) else { return };
        let name = router.machine.spec().name.clone();
        let subject = Subject::Instance(name.clone());
        let text = note.to_string();
        match note {
            Note::LowerPriority { .. } => {
                if self.findings.raise(now, "two-masters", Severity::Alarm, &name, text.clone()) {
                    self.log.add(now, subject, Severity::Warning, "two-masters", text, None);
                }
            }
            Note::OwnAddress { .. } => {
                if self.findings.raise(now, "own-address", Severity::Alarm, &name, text.clone()) {
                    self.log.add(now, subject, Severity::Alarm, "own-address", text, None);
                }
            }
            Note::RivalOwner { .. } => {
                if self.findings.raise(now, "two-owners", Severity::Alarm, &name, text.clone()) {
                    self.log.add(now, subject, Severity::Alarm, "two-owners", text, None);
                }
            }
            Note::Barred { .. } => {
                let text = format!("{text}; `vipdeck restore {name}` lifts the fence");
                if self.findings.raise(now, "fenced-alone", Severity::Alarm, &name, text.clone()) {
                    self.log.add(now, subject, Severity::Alarm, "fenced-alone", text, None);
                }
            }
            Note::Overslept { .. } => self.log.add(now, subject, Severity::Warning, "late", text, None),
            Note::HandedOver { .. } => self.log.add(now, subject, Severity::Notice, "handover", text, None),
            // The address changes that follow say it.
            Note::Released => {}
            Note::PreemptDelayed { .. }
            | Note::ResignationHeard { .. }
            | Note::Restored { .. }
            | Note::Pinned
            | Note::HeldBack => {
                self.log.add(now, subject, Severity::Info, "note", text, None);
            }
        }
    }
}

/// What the versions do not share, of our own adverts.
fn body(spec: &vrrp::Spec, interval: Duration) -> Body {
    match spec.version {
        vrrp::Version::V2 => Body::V2 {
            interval: u8::try_from(interval.as_secs()).unwrap_or(u8::MAX),
            auth: match &spec.auth {
                vrrp::Auth::Pass(password) => Auth::Simple(password.0),
                vrrp::Auth::Ah(_) => Auth::Header,
                vrrp::Auth::None | vrrp::Auth::Hmac(_) => Auth::None,
            },
        },
        vrrp::Version::V3 => Body::V3 { interval: u16::try_from(interval.as_millis() / 10).unwrap_or(u16::MAX) },
    }
}

/// VRRPv3: another interval than ours.
fn learned(spec: &vrrp::Spec, from: IpAddr, interval: Duration) -> String {
    let (theirs, ours) = (interval.as_secs_f64(), spec.interval.as_secs_f64());
    format!("{from} advertises every {theirs} s, we every {ours} s: as backup its interval counts here")
}

/// Another list of addresses is said, and the advert used all the same (as keepalived does).
fn different_addresses(spec: &vrrp::Spec, from: IpAddr, advert: &Advert) -> Option<String> {
    let mut ours: Vec<_> = listed(spec).collect();
    let mut theirs = advert.addresses.clone();
    ours.sort_unstable();
    theirs.sort_unstable();
    let list = |addresses: &[IpAddr]| addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    (ours != theirs)
        .then(|| format!("{from} advertises other addresses: {} where ours are {}", list(&theirs), list(&ours)))
}

/// The addresses in adverts.
fn listed(spec: &vrrp::Spec) -> impl Iterator<Item = IpAddr> {
    spec.addresses.iter().map(|a| a.net.addr()).filter(|a| Family::of(*a) == spec.family)
}

impl From<vrrp::Role> for Role {
    fn from(role: vrrp::Role) -> Self {
        match role {
            vrrp::Role::Init => Self::Init,
            vrrp::Role::Backup => Self::Backup,
            vrrp::Role::Master => Self::Master,
            vrrp::Role::Fault => Self::Fault,
        }
    }
}
