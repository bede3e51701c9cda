//! Adverts in and out, and what a virtual router's outputs become.

use super::core::Engine;
use super::effect::{self, Effect};
use super::input::{Carrier, Packet};
use super::router::{Router, Speaker};
use crate::net::{Family, LinkName, Mac};
use crate::status::{PacketErrors, Role, Severity, Subject, Transition};
use crate::time::{Duration, Instant};
use crate::vrrp::{self, Cause, Note, Output};
use crate::wire::vrrp::{Advert, Auth, Body, Ends, Malformed, TTL, decode, encode};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

impl Engine {
    pub(super) fn packet_arrived(&mut self, now: Instant, packet: &Packet, effects: &mut Vec<Effect>) {
        let ends = Ends::new(packet.source, packet.destination);
        let of_packet = packet.payload.get(1).and_then(|vrid| self.router_for(packet, *vrid));
        let v3_as_v2 =
            of_packet.and_then(|index| self.routers.get(index)).is_some_and(|r| r.machine.spec().checksum.v3_as_v2);
        let advert = match decode(&packet.payload, Ends { v3_as_v2, ..ends }) {
            Ok(advert) => advert,
            Err(reason) => {
                self.counters.malformed += 1;
                if let Some(router) = of_packet.and_then(|index| self.routers.get_mut(index)) {
                    router.adverts_refused += 1;
                    match reason {
                        Malformed::Type(_) => router.packets.invalid_type += 1,
                        Malformed::Version(_) => router.packets.version += 1,
                        Malformed::Checksum => router.packets.checksum += 1,
                        Malformed::Short(_) | Malformed::Vrid | Malformed::Count { .. } => router.packets.length += 1,
                    }
                }
                let text = format!("{} sends what is no VRRP advert on {}: {reason}", packet.source, packet.link);
                self.refused(now, Subject::Node, "malformed", text);
                return;
            }
        };
        let Some(index) = of_packet else {
            self.unknown_vrid(now, packet, advert.vrid);
            return;
        };
        let Some(router) = self.routers.get_mut(index) else { return };
        let spec = router.machine.spec();
        let subject = Subject::Instance(spec.name.clone());
        if let Err(refusal) = acceptable(spec, packet, &advert) {
            router.adverts_refused += 1;
            refusal.count(&mut router.packets);
            self.refused(now, subject, refusal.kind, refusal.text);
            return;
        }
        let interval = advertised(&advert);
        let differs = interval != spec.interval;
        let known = router.machine.master().is_some_and(|m| m.from == packet.source);
        let other_list =
            if spec.skip_check_adv_addr && known { None } else { different_addresses(spec, packet.source, &advert) };
        router.adverts_heard += 1;
        router.packets.priority_zero_received += u64::from(advert.priority == 0);
        router.packets.address_list += u64::from(other_list.is_some());
        router.packets.interval += u64::from(differs);
        if router.machine.conditions().source != Some(packet.source) {
            router.hear(packet.source, Speaker { priority: advert.priority, at: now, interval });
        }
        if differs {
            let text = format!(
                "{} advertises every {} s, we every {} s: as backup its interval counts here",
                packet.source,
                interval.as_secs_f64(),
                router.machine.spec().interval.as_secs_f64()
            );
            self.refused(now, subject.clone(), "interval-learned", text);
        }
        if let Some(text) = other_list {
            self.refused(now, subject, "address-list", text);
        }
        let heard = vrrp::Heard { from: packet.source, priority: advert.priority, interval, at: now };
        self.drive(now, index, vrrp::Input::Heard(heard), effects);
    }

    /// The router that a packet is for: by link, family and VRID, and among unicast ones by the peer it comes from.
    fn router_for(&self, packet: &Packet, vrid: u8) -> Option<usize> {
        let candidates = self.by_vrid.get(&(Family::of(packet.source), vrid))?;
        let on_link =
            |i: &&usize| self.routers.get(**i).is_some_and(|r| *r.machine.spec().advert_link() == packet.link);
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

    /// Finds routers by family and VRID, and what is due when. Called whenever routers are made anew.
    pub(super) fn index_routers(&mut self) {
        self.by_vrid.clear();
        self.timers.clear();
        self.retiring = self.routers.iter().any(|r| r.retiring);
        self.unkept = (0..self.routers.len()).collect();
        self.node_unkept = true;
        for (index, router) in self.routers.iter_mut().enumerate() {
            router.noted = router.machine.deadline();
            self.timers.extend(router.noted.map(|at| (at, index)));
        }
        for (index, router) in self.routers.iter().enumerate() {
            let spec = router.machine.spec();
            self.by_vrid.entry((spec.family, spec.vrid.get())).or_default().push(index);
        }
    }

    fn unknown_vrid(&mut self, now: Instant, packet: &Packet, vrid: u8) {
        self.counters.unknown_vrid += 1;
        if self.log_unknown_vrids {
            let text = format!(
                "{} advertises virtual_router_id {vrid} on {}, which no instance has here",
                packet.source, packet.link
            );
            self.refused(now, Subject::Node, "unknown-vrid", text);
        }
    }

    /// What has to be listened for: on which links, of which family, in which groups.
    pub fn listens(&self) -> BTreeMap<(LinkName, Family), BTreeSet<IpAddr>> {
        let mut listens: BTreeMap<_, BTreeSet<IpAddr>> = BTreeMap::new();
        for router in &self.routers {
            let spec = router.machine.spec();
            let groups = listens.entry((spec.advert_link().clone(), spec.family)).or_default();
            if let vrrp::Peering::Multicast(group) = spec.peering {
                groups.insert(group);
            }
        }
        listens
    }

    /// Somebody else has told the link that an address is at its hardware address.
    pub(super) fn announced(
        &mut self,
        now: Instant,
        link: &LinkName,
        address: IpAddr,
        mac: Mac,
        effects: &mut Vec<Effect>,
    ) {
        if self.links.get(link.as_str()).is_none_or(|l| l.mac == Some(mac)) {
            return;
        }
        let has = |r: &Router| r.machine.spec().addresses.iter().any(|a| a.link == *link && a.net.addr() == address);
        for index in 0..self.routers.len() {
            if self.routers.get(index).is_some_and(has) {
                self.drive(now, index, vrrp::Input::Announced, effects);
            }
        }
    }

    /// One event when it begins, a finding while it lasts.
    fn refused(&mut self, now: Instant, subject: Subject, kind: &str, text: String) {
        let name = subject.to_string();
        if self.findings.raise(now, kind, Severity::Warning, &name, text.clone()) {
            self.log.add(now, subject, Severity::Warning, "refused", text, None);
        }
    }

    /// Gives one input to one router and carries out what it asks for.
    pub(super) fn drive(&mut self, now: Instant, index: usize, input: vrrp::Input, effects: &mut Vec<Effect>) {
        let Some(router) = self.routers.get_mut(index) else { return };
        let outputs = router.machine.handle(now, input);
        self.carry_out(now, index, outputs, effects);
    }

    /// Keeps the engine's timers in step with a router's.
    fn note_deadline(&mut self, index: usize) {
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
                Output::Advertise { priority } => self.advertise(index, priority, effects),
                Output::Announce { repeat } => self.announce_all(index, repeat, effects),
                Output::Ready => self.member_ready(now, index, effects),
                Output::Changed { from, to, cause } => {
                    self.changed(now, index, (from.into(), to.into()), &cause);
                    self.notify_instance(index, to.into(), effects);
                    self.settle_router(index, effects);
                    self.group_follows(now, index, from.into(), effects);
                }
                Output::Note(note) => {
                    self.noted(now, index, &note);
                    if matches!(note, Note::LowerPriority { .. }) {
                        self.notify_lower_priority(index, effects);
                    }
                    self.settle_router(index, effects);
                    if matches!(note, Note::HandedOver { .. }) {
                        self.group_follows(now, index, Role::Master, effects);
                    }
                }
            }
        }
        self.tell_priority(index, effects);
    }

    fn advertise(&mut self, index: usize, priority: u8, effects: &mut Vec<Effect>) {
        let Some(router) = self.routers.get_mut(index) else { return };
        let spec = router.machine.spec();
        let Some(source) = router.machine.conditions().source else { return };
        let (destinations, hop_limit): (Vec<IpAddr>, u8) = match &spec.peering {
            vrrp::Peering::Multicast(group) => (vec![*group], TTL),
            vrrp::Peering::Unicast(unicast) => (unicast.peers.iter().map(|p| p.address).collect(), unicast.hop_limit),
        };
        let advert = Advert { vrid: spec.vrid.get(), priority, body: body(spec), addresses: listed(spec).collect() };
        let link = spec.advert_link().clone();
        let v3_as_v2 = spec.checksum.v3_as_v2;
        for destination in destinations {
            let payload = encode(&advert, Ends { source, destination, v3_as_v2 });
            effects.push(Effect::Send(effect::Advert {
                link: link.clone(),
                source,
                destination,
                hop_limit,
                carrier: Carrier::Vrrp,
                payload: Arc::from(payload),
            }));
            router.adverts_sent += 1;
            router.packets.priority_zero_sent += u64::from(priority == 0);
        }
    }

    fn changed(&mut self, now: Instant, index: usize, (from, to): (Role, Role), cause: &Cause) {
        let Some(router) = self.routers.get_mut(index) else { return };
        let spec = router.machine.spec();
        let subject = Subject::Instance(spec.name.clone());
        let moved = to == Role::Master || from == Role::Master;
        let severity = match cause {
            Cause::NobodyTookOver { .. } | Cause::Conditions { .. } => Severity::Alarm,
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
        let cause = cause.to_string();
        router.record(Transition { at: now, from, to, cause: cause.clone() });
        self.log.add(now, subject, severity, "state", format!("{from} → {to}"), Some(cause));
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

/// Why an advert is not for us: a word for scripts, and a sentence.
struct Refused {
    kind: &'static str,
    text: String,
}

impl Refused {
    fn count(&self, packets: &mut PacketErrors) {
        match self.kind {
            "ttl" => packets.ttl += 1,
            "version" => packets.version += 1,
            "interval" => packets.interval += 1,
            "auth-type" => packets.auth_type += 1,
            "wrong-password" => packets.auth_failure += 1,
            _ => packets.peer += 1,
        }
    }
}

/// The checks of RFC 9568, 7.1 and RFC 3768, 7.1, after the packet has been decoded.
fn acceptable(spec: &vrrp::Spec, packet: &Packet, advert: &Advert) -> Result<(), Refused> {
    let from = packet.source;
    let refused = |kind, why: String| Err(Refused { kind, text: format!("advert from {from} refused: {why}") });
    let hops = packet.hop_limit;
    match &spec.peering {
        vrrp::Peering::Multicast(_) if hops != TTL => {
            return refused("ttl", format!("TTL {hops} where only 255 is local"));
        }
        vrrp::Peering::Multicast(_) if !packet.destination.is_multicast() => {
            return refused("unicast", "it was sent to us alone, and no unicast_peer is configured".into());
        }
        vrrp::Peering::Multicast(_) => {}
        vrrp::Peering::Unicast(_) if packet.destination.is_multicast() => {
            return refused("multicast", "it was sent to a multicast group, and ours has unicast_peer".into());
        }
        vrrp::Peering::Unicast(unicast) => {
            let peer = unicast.peers.iter().find(|p| p.address == from);
            if peer.is_none() && unicast.check_source {
                return refused("stranger", "it is no unicast_peer (check_unicast_src)".into());
            }
            if let Some(peer) = peer.filter(|p| hops < p.min_ttl || hops > p.max_ttl) {
                return refused("ttl", format!("TTL {hops}, expected {} to {}", peer.min_ttl, peer.max_ttl));
            }
        }
    }
    let version = advert.body.version();
    if version != spec.version.number() {
        let ours = spec.version.number();
        return refused("version", format!("it speaks VRRPv{version}, ours is VRRPv{ours}; both may become MASTER"));
    }
    let Body::V2 { interval, auth } = advert.body else { return Ok(()) };
    let password = match &spec.auth {
        vrrp::Auth::Pass(password) => Some(*password),
        vrrp::Auth::None | vrrp::Auth::Ah(_) | vrrp::Auth::Hmac(_) => None,
    };
    match (password, auth) {
        (None, Auth::None) => {}
        (Some(ours), Auth::Simple(theirs)) if ours.0 == theirs => {}
        (Some(_), Auth::Simple(_)) => {
            return refused("wrong-password", "wrong password (auth_pass); both nodes may become MASTER".into());
        }
        (ours, theirs) => {
            let ours = if ours.is_some() { "PASS" } else { "none" };
            let theirs = match theirs {
                Auth::None => "none".to_owned(),
                Auth::Simple(_) => "PASS".to_owned(),
                Auth::Other(kind) => format!("type {kind}"),
            };
            return refused("auth-type", format!("its auth_type is {theirs}, ours {ours}"));
        }
    }
    if u64::from(interval) != spec.interval.as_secs() {
        return refused("interval", format!("its advert_int is {interval} s, ours {} s", spec.interval.as_secs()));
    }
    Ok(())
}

/// What the versions do not share, of our own adverts.
fn body(spec: &vrrp::Spec) -> Body {
    match spec.version {
        vrrp::Version::V2 => Body::V2 {
            interval: u8::try_from(spec.interval.as_secs()).unwrap_or(u8::MAX),
            auth: match &spec.auth {
                vrrp::Auth::Pass(password) => Auth::Simple(password.0),
                vrrp::Auth::None | vrrp::Auth::Ah(_) | vrrp::Auth::Hmac(_) => Auth::None,
            },
        },
        vrrp::Version::V3 => Body::V3 { interval: u16::try_from(spec.interval.as_millis() / 10).unwrap_or(u16::MAX) },
    }
}

fn advertised(advert: &Advert) -> Duration {
    match advert.body {
        Body::V2 { interval, .. } => Duration::from_secs(u64::from(interval)),
        Body::V3 { interval } => Duration::from_millis(u64::from(interval) * 10),
    }
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
