//! Adverts in and out, and what a virtual router's outputs become.

use super::core::Engine;
use super::effect::{self, Effect};
use super::input::{Carrier, Packet};
use super::router::{Router, Speaker};
use crate::net::{IpNet, LinkName, Mac};
use crate::status::{Role, Severity, Subject, Transition};
use crate::time::{Duration, Instant};
use crate::vrrp::{self, Cause, Note, Output};
use crate::wire::vrrp::{Advert, Auth, TTL, decode, encode};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

impl Engine {
    pub(super) fn packet_arrived(&mut self, now: Instant, packet: &Packet, effects: &mut Vec<Effect>) {
        let advert = match decode(&packet.payload) {
            Ok(advert) => advert,
            Err(reason) => {
                self.counters.malformed += 1;
                let text = format!("{} sends what is no VRRPv2 advert on {}: {reason}", packet.source, packet.link);
                self.refused(now, Subject::Node, "malformed", text);
                return;
            }
        };
        let ours = |r: &Router| {
            let spec = r.machine.spec();
            spec.link == packet.link && spec.vrid.get() == advert.vrid
        };
        let Some(index) = self.routers.iter().position(ours) else {
            self.counters.unknown_vrid += 1;
            return;
        };
        let Some(router) = self.routers.get_mut(index) else { return };
        if let Err((kind, text)) = acceptable(router.machine.spec(), packet, &advert) {
            router.adverts_refused += 1;
            let subject = Subject::Instance(router.machine.spec().name.clone());
            self.refused(now, subject, kind, text);
            return;
        }
        router.adverts_heard += 1;
        let interval = Duration::from_secs(u64::from(advert.interval));
        if router.machine.conditions().source != Some(packet.source) {
            router.hear(packet.source, Speaker { priority: advert.priority, at: now, interval });
        }
        if let Some(text) = different_addresses(router.machine.spec(), packet.source, &advert) {
            let name = router.machine.spec().name.clone();
            self.refused(now, Subject::Instance(name), "address-list", text);
        }
        let heard = vrrp::Heard { from: packet.source, priority: advert.priority, interval, at: now };
        self.drive(now, index, vrrp::Input::Heard(heard), effects);
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
        for output in router.machine.handle(now, input) {
            match output {
                Output::Advertise { priority } => self.advertise(index, priority, effects),
                Output::Announce { repeat } => self.announce_all(index, repeat, effects),
                Output::Ready => self.member_ready(now, index, effects),
                Output::Changed { from, to, cause } => {
                    self.changed(now, index, (from.into(), to.into()), &cause);
                    self.settle_addresses(effects);
                    self.group_follows(now, index, from.into(), effects);
                }
                Output::Note(note) => {
                    self.noted(now, index, &note);
                    self.settle_addresses(effects);
                    if matches!(note, Note::HandedOver { .. }) {
                        self.group_follows(now, index, Role::Master, effects);
                    }
                }
            }
        }
    }

    fn advertise(&mut self, index: usize, priority: u8, effects: &mut Vec<Effect>) {
        let Some(router) = self.routers.get_mut(index) else { return };
        let spec = router.machine.spec();
        let Some(source) = router.machine.conditions().source else { return };
        let advert = Advert {
            vrid: spec.vrid.get(),
            priority,
            interval: u8::try_from(spec.interval.as_secs()).unwrap_or(u8::MAX),
            auth: match &spec.auth {
                vrrp::Auth::Pass(password) => Auth::Simple(password.0),
                vrrp::Auth::None | vrrp::Auth::Ah(_) | vrrp::Auth::Hmac(_) => Auth::None,
            },
            addresses: listed(spec).collect(),
        };
        effects.push(Effect::Send(effect::Advert {
            link: spec.link.clone(),
            source,
            destination: vrrp::GROUP_V4,
            hop_limit: TTL,
            carrier: Carrier::Vrrp,
            payload: Arc::from(encode(&advert)),
        }));
        router.adverts_sent += 1;
    }

    fn changed(&mut self, now: Instant, index: usize, (from, to): (Role, Role), cause: &Cause) {
        let Some(router) = self.routers.get_mut(index) else { return };
        let spec = router.machine.spec();
        let subject = Subject::Instance(spec.name.clone());
        let moved = to == Role::Master || from == Role::Master;
        let severity = match cause {
            Cause::NobodyTookOver { .. } | Cause::Conditions { .. } => Severity::Alarm,
            Cause::Silence { .. } | Cause::Overslept { .. } | Cause::RivalOwner { .. } => Severity::Warning,
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

/// The checks of RFC 3768, 7.1, after the packet has been decoded; the reason has a word for scripts and a sentence.
fn acceptable(spec: &vrrp::Spec, packet: &Packet, advert: &Advert) -> Result<(), (&'static str, String)> {
    let from = packet.source;
    if packet.hop_limit != TTL {
        return Err(("ttl", format!("advert from {from} refused: TTL {} where only 255 is local", packet.hop_limit)));
    }
    let password = match &spec.auth {
        vrrp::Auth::Pass(password) => Some(*password),
        vrrp::Auth::None | vrrp::Auth::Ah(_) | vrrp::Auth::Hmac(_) => None,
    };
    match (password, advert.auth) {
        (None, Auth::None) => {}
        (Some(ours), Auth::Simple(theirs)) if ours.0 == theirs => {}
        (Some(_), Auth::Simple(_)) => {
            let text = format!("advert from {from} refused: wrong password (auth_pass); both nodes may become MASTER");
            return Err(("wrong-password", text));
        }
        (ours, theirs) => {
            let ours = if ours.is_some() { "PASS" } else { "none" };
            let theirs = match theirs {
                Auth::None => "none".to_owned(),
                Auth::Simple(_) => "PASS".to_owned(),
                Auth::Other(kind) => format!("type {kind}"),
            };
            let text = format!("advert from {from} refused: its auth_type is {theirs}, ours {ours}");
            return Err(("auth-type", text));
        }
    }
    if u64::from(advert.interval) != spec.interval.as_secs() {
        let text = format!(
            "advert from {from} refused: its advert_int is {} s, ours {} s",
            advert.interval,
            spec.interval.as_secs()
        );
        return Err(("interval", text));
    }
    Ok(())
}

/// Another list of addresses is said, and the advert used all the same (as keepalived does).
fn different_addresses(spec: &vrrp::Spec, from: IpAddr, advert: &Advert) -> Option<String> {
    let mut ours: Vec<_> = listed(spec).collect();
    let mut theirs = advert.addresses.clone();
    ours.sort_unstable();
    theirs.sort_unstable();
    let list = |addresses: &[Ipv4Addr]| addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    (ours != theirs)
        .then(|| format!("{from} advertises other addresses: {} where ours are {}", list(&theirs), list(&ours)))
}

/// The addresses in adverts.
fn listed(spec: &vrrp::Spec) -> impl Iterator<Item = Ipv4Addr> {
    spec.addresses.iter().filter_map(|a| match a.net {
        IpNet::V4(net) => Some(net.addr()),
        IpNet::V6(_) => None,
    })
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
