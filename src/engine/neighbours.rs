//! Neighbours on the wire: every sender of adverts heard, also for VRIDs that are none of ours, and a VRID that is free.
//!
//! Bounded on each link: a flood of senders fills the table once and is counted from then on. It costs one look-up an
//! advert, and the room of our own virtual routers is not touched by it.

use super::core::Engine;
use super::input::{Carrier, Packet};
use crate::net::{Family, LinkName};
use crate::status::{AuthSeen, Neighbour, Wire, WireLink};
use crate::time::{Duration, Instant};
use crate::wire::signed;
use crate::wire::vrrp::{Advert, Auth, Body, split};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Senders of VRIDs that are none of ours, on one link.
const STRANGERS: usize = 256;
/// Senders of one VRID on one link.
const SENDERS: usize = 16;
/// Who was silent for so long is forgotten.
const FORGET: Duration = Duration::from_secs(3600);
/// Who was silent for so long gives way to somebody new where there is no room.
const GIVE_WAY: Duration = Duration::from_secs(60);
/// From one look for room to the next.
const SWEEP: Duration = Duration::from_secs(1);
/// Addresses that are kept of one advert.
const ADDRESSES: usize = 8;

#[derive(Clone, Debug, Default)]
pub(super) struct Neighbours {
    links: BTreeMap<LinkName, OnLink>,
    untold: u64,
}

#[derive(Clone, Debug, Default)]
struct OnLink {
    senders: BTreeMap<(Family, u8), BTreeMap<IpAddr, Sender>>,
    strangers: usize,
    /// Every VRID heard since the start, whether there was room for its sender or not: 256 bits for each family.
    taken: BTreeMap<Family, [u128; 2]>,
    swept: Instant,
}

#[derive(Clone, Debug)]
struct Sender {
    version: u8,
    priority: u8,
    interval: Duration,
    auth: AuthSeen,
    multicast: bool,
    addresses: Vec<IpAddr>,
    address_count: u8,
    first: Instant,
    at: Instant,
    adverts: u64,
    lost: u64,
    /// Of those lost, what a late look may have made up: an advert that comes too early shows it.
    doubtful: u64,
    ours: bool,
    counts: bool,
    conflict: Option<String>,
}

/// What is thought of an advert.
#[derive(Debug)]
pub(super) enum Verdict {
    /// No instance has its VRID there.
    Stranger,
    /// It counts; the text says what is odd about it.
    Counts(Option<String>),
    Refused(String),
}

impl Neighbours {
    /// Notes an advert that could be read. `late`: this engine slept just before, so that gaps say nothing.
    pub(super) fn hear(&mut self, now: Instant, late: bool, packet: &Packet, advert: &Advert, verdict: Verdict) {
        let said = Said {
            version: advert.body.version(),
            priority: advert.priority,
            interval: super::admission::advertised(advert),
            auth: auth(packet, advert),
        };
        let Some(sender) = self.sender(now, packet, advert.vrid, &said, matches!(verdict, Verdict::Stranger)) else {
            return;
        };
        sender.count(now, late, &said);
        sender.address_count = advert.addresses.len().min(usize::from(u8::MAX)) as u8;
        if !advert.addresses.iter().take(ADDRESSES).eq(&sender.addresses) {
            sender.addresses = advert.addresses.iter().take(ADDRESSES).copied().collect();
        }
        sender.judge(verdict);
    }

    /// Notes an advert for one of our VRIDs that could not be read, by what its first bytes say.
    pub(super) fn hear_malformed(&mut self, now: Instant, packet: &Packet, payload: &[u8], why: String) {
        let [version_type, vrid, priority, ..] = *payload else { return };
        let (version, unknown) = (version_type >> 4, AuthSeen::Unknown);
        let said = Said { version, priority, interval: Duration::ZERO, auth: unknown };
        let Some(sender) = self.sender(now, packet, vrid, &said, false) else { return };
        sender.count(now, true, &said);
        sender.judge(Verdict::Refused(why));
    }

    /// The entry of a sender, made if there is room.
    fn sender(
        &mut self,
        now: Instant,
        packet: &Packet,
        vrid: u8,
        said: &Said,
        is_stranger: bool,
    ) -> Option<&mut Sender> {
        if !self.links.contains_key(&packet.link) {
            self.links.insert(packet.link.clone(), OnLink::default());
        }
        let link = self.links.get_mut(&packet.link)?;
        let family = Family::of(packet.source);
        if let Some(bits) = link.taken.entry(family).or_default().get_mut(usize::from(vrid / 128)) {
            *bits |= 1 << (vrid % 128);
        }
        let is_known = |link: &OnLink| {
            link.senders.get(&(family, vrid)).is_some_and(|senders| senders.contains_key(&packet.source))
        };
        let has_room = |link: &OnLink| {
            let of_vrid = link.senders.get(&(family, vrid)).map_or(0, BTreeMap::len);
            of_vrid < SENDERS && (!is_stranger || link.strangers < STRANGERS)
        };
        if !is_known(link) {
            if !has_room(link) && now.since(link.swept) >= SWEEP {
                link.sweep(now, (family, vrid));
            }
            if !has_room(link) {
                self.untold += 1;
                return None;
            }
            link.strangers += usize::from(is_stranger);
            let new = Sender::new(now, packet, said, !is_stranger);
            link.senders.entry((family, vrid)).or_default().insert(packet.source, new);
        }
        link.senders.get_mut(&(family, vrid))?.get_mut(&packet.source)
    }

    /// After a reload: strangers may have become ours, and the other way round. What is thought of them comes anew with
    /// their next adverts.
    pub(super) fn reclassify(&mut self, is_ours: impl Fn(&LinkName, Family, u8) -> bool) {
        for (name, link) in &mut self.links {
            for ((family, vrid), senders) in &mut link.senders {
                let ours = is_ours(name, *family, *vrid);
                for sender in senders.values_mut().filter(|sender| sender.ours != ours) {
                    (sender.ours, sender.counts, sender.conflict) = (ours, false, None);
                }
            }
            link.recount();
        }
    }
}

impl OnLink {
    /// Makes room for a sender of `wanted`: strangers that are silent go, and those of the VRID itself.
    fn sweep(&mut self, now: Instant, wanted: (Family, u8)) {
        self.swept = now;
        for (key, senders) in &mut self.senders {
            let gives_way = |sender: &Sender| !sender.ours || *key == wanted;
            senders.retain(|_, s| now.since(s.at) < if gives_way(s) { GIVE_WAY } else { FORGET });
        }
        self.senders.retain(|_, senders| !senders.is_empty());
        self.recount();
    }

    fn recount(&mut self) {
        self.strangers = self.senders.values().flat_map(BTreeMap::values).filter(|sender| !sender.ours).count();
    }

    /// The lowest VRID that was not heard and is not in use here.
    fn free(&self, family: Family, configured: impl Fn(u8) -> bool) -> Option<u8> {
        let taken = self.taken.get(&family).copied().unwrap_or_default();
        let is_heard = |vrid: &u8| taken.get(usize::from(vrid / 128)).is_some_and(|bits| bits >> (vrid % 128) & 1 == 1);
        (1..=u8::MAX).find(|vrid| !is_heard(vrid) && !configured(*vrid))
    }
}

/// What an advert says of its sender.
struct Said {
    version: u8,
    priority: u8,
    interval: Duration,
    auth: AuthSeen,
}

impl Sender {
    fn new(now: Instant, packet: &Packet, said: &Said, ours: bool) -> Self {
        Self {
            version: said.version,
            priority: said.priority,
            interval: said.interval,
            auth: said.auth,
            multicast: packet.destination.is_multicast(),
            addresses: Vec::new(),
            address_count: 0,
            first: now,
            at: now,
            adverts: 0,
            lost: 0,
            doubtful: 0,
            ours,
            counts: false,
            conflict: None,
        }
    }

    fn count(&mut self, now: Instant, late: bool, said: &Said) {
        if self.adverts > 0 && self.priority > 0 && !self.interval.is_zero() && !late {
            self.miss(now.since(self.at));
        }
        (self.version, self.priority, self.interval, self.auth) =
            (said.version, said.priority, said.interval, said.auth);
        self.adverts += 1;
        self.at = now;
    }

    /// How many adverts should have come in the gap before this one. A longer silence is no loss: it was no master.
    fn miss(&mut self, gap: Duration) {
        let whole = (gap + self.interval / 2).as_micros() / self.interval.as_micros().max(1);
        if (2..=4).contains(&whole) {
            self.doubtful = whole as u64 - 1;
            self.lost += self.doubtful;
        } else if gap * 2 < self.interval && self.doubtful > 0 {
            self.lost -= 1;
            self.doubtful -= 1;
        } else {
            self.doubtful = 0;
        }
    }

    fn judge(&mut self, verdict: Verdict) {
        (self.counts, self.conflict) = match verdict {
            Verdict::Stranger => (false, None),
            Verdict::Counts(odd) => (true, odd),
            Verdict::Refused(why) => (false, Some(why)),
        };
    }
}

/// How an advert is authenticated. That a signature is right is not looked at.
fn auth(packet: &Packet, advert: &Advert) -> AuthSeen {
    if packet.carrier == Carrier::Ah {
        return AuthSeen::Ah;
    }
    let rest = split(&packet.payload, Family::of(packet.source)).map_or(0, |(_, rest)| rest.len());
    match advert.body {
        _ if rest == signed::LEN => AuthSeen::Hmac,
        Body::V2 { auth: Auth::Simple(_), .. } => AuthSeen::Pass,
        Body::V2 { auth: Auth::Header, .. } => AuthSeen::Ah,
        Body::V2 { auth: Auth::Other(_), .. } => AuthSeen::Other,
        Body::V2 { auth: Auth::None, .. } | Body::V3 { .. } => AuthSeen::None,
    }
}

impl Engine {
    /// What is heard, at `now`.
    pub(super) fn wire(&self, now: Instant) -> Wire {
        let mut wire = Wire { untold: self.neighbours.untold, ..Wire::default() };
        let silent = OnLink::default();
        for ((link, family), groups) in self.listens() {
            let on_link = self.neighbours.links.get(&link).unwrap_or(&silent);
            let free_vrid = on_link.free(family, |vrid| self.instance_at(&link, family, vrid).is_some());
            wire.links.push(WireLink { link, family, groups: groups.into_iter().collect(), free_vrid });
        }
        for (link, on_link) in &self.neighbours.links {
            for ((family, vrid), senders) in &on_link.senders {
                let instance = self.instance_at(link, *family, *vrid);
                let lately = senders.iter().filter(|(_, sender)| now.since(sender.at) < FORGET);
                wire.neighbours.extend(lately.map(|(address, s)| Neighbour {
                    link: link.clone(),
                    vrid: *vrid,
                    address: *address,
                    version: s.version,
                    priority: s.priority,
                    interval: s.interval,
                    auth: s.auth,
                    multicast: s.multicast,
                    addresses: s.addresses.clone(),
                    address_count: s.address_count,
                    first: s.first,
                    at: s.at,
                    adverts: s.adverts,
                    lost: s.lost,
                    instance: instance.map(str::to_owned),
                    counts: s.counts,
                    conflict: s.conflict.clone(),
                }));
            }
        }
        wire
    }

    /// The instance that has a VRID on a link.
    fn instance_at(&self, link: &LinkName, family: Family, vrid: u8) -> Option<&str> {
        let of_vrid = self.by_vrid.get(&(family, vrid))?.iter().filter_map(|index| self.routers.get(*index));
        let mut specs = of_vrid.map(|router| router.machine.spec());
        specs.find(|spec| spec.heard_on().contains(&Some(link))).map(|spec| spec.name.as_str())
    }

    /// Notes an advert for a VRID of nobody here; once, where a virtual link hears what the link below hears.
    pub(super) fn hear_stranger(&mut self, now: Instant, packet: &Packet, advert: &Advert) {
        let is_heard_below = self.is_virtual(&packet.link)
            && self
                .routers
                .iter()
                .any(|r| matches!(r.machine.spec().heard_on(), [Some(l), Some(_)] if *l == packet.link));
        if !is_heard_below {
            self.neighbours.hear(now, false, packet, advert, Verdict::Stranger);
        }
    }

    /// Whenever routers are made anew.
    pub(super) fn reclassify_neighbours(&mut self) {
        let mut neighbours = std::mem::take(&mut self.neighbours);
        neighbours.reclassify(|link, family, vrid| self.instance_at(link, family, vrid).is_some());
        self.neighbours = neighbours;
    }
}

#[cfg(test)]
#[path = "neighbours_tests.rs"]
mod tests;
