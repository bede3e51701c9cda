//! A second owner of an address whose adverts do not reach us.
//!
//! While master, the engine asks each link now and then who has its addresses (ARP probe, neighbour solicitation), and
//! listens to what others say of them. A station that claims an address, and still does half a second later, is an
//! alarm: in a hand-over the other side is silent by then, or we are.

use super::announcing::Place;
use super::core::Engine;
use super::effect::Effect;
use super::random::Random;
use crate::cluster::FORGET_AFTER;
use crate::net::{Family, LinkName, Mac};
use crate::status::{Severity, Subject};
use crate::time::{Duration, Instant, earliest};
use crate::vrrp::{Input, State};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::ops::Bound;

/// A router that has just become master gives others the time to let go of its addresses.
const SETTLED: Duration = Duration::from_secs(3);
/// Each address is asked for about this often.
const PACE: Duration = Duration::from_secs(10);
/// Between two wake-ups for it, and how many addresses are asked for in one: 20 a second at most.
const TICK: Duration = Duration::from_millis(250);
const AT_ONCE: usize = 5;
/// Who was heard to claim an address is asked after this, and then again and again.
const CONFIRM: Duration = Duration::from_secs(1);
const AGAIN: Duration = Duration::from_secs(4);
/// A claim that lasts for so long is no hand-over.
const LASTING: Duration = Duration::from_millis(500);
/// So many claims are remembered: more are a flood.
const CLAIMS: usize = 1024;

#[derive(Clone, Debug)]
pub(super) struct Rivals {
    enabled: bool,
    random: Random,
    next_at: Option<Instant>,
    /// The address that was asked for last.
    cursor: Option<Place>,
    /// Since the cursor was at the start, there was nothing to ask for.
    idle: bool,
    claims: BTreeMap<(Place, Mac), Claim>,
    /// Where each address is managed.
    places: BTreeMap<IpAddr, Vec<Place>>,
}

#[derive(Clone, Copy, Debug)]
struct Claim {
    first: Instant,
    last: Instant,
    ask_at: Instant,
    alarmed: bool,
}

impl Rivals {
    pub(super) fn new(enabled: bool, seed: u64) -> Self {
        Self {
            enabled,
            random: Random::new(!seed),
            next_at: None,
            cursor: None,
            idle: true,
            claims: BTreeMap::new(),
            places: BTreeMap::new(),
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.next_at
    }

    /// A router has become master.
    pub(super) fn begin(&mut self, now: Instant) {
        self.idle = false;
        if self.enabled && self.next_at.is_none() {
            self.next_at = Some(now + self.jittered(SETTLED + TICK));
        }
    }

    pub(super) fn index<'p>(&mut self, places: impl Iterator<Item = &'p Place>) {
        self.places.clear();
        for place in places {
            self.places.entry(place.1.addr()).or_default().push(place.clone());
        }
    }

    /// From three quarters of `span` to five: engines that were started together do not ask together.
    fn jittered(&mut self, span: Duration) -> Duration {
        span.mul_f64(0.75 + self.random.fraction() / 2.0)
    }

    /// How many addresses a wake-up asks for, and the time to the next.
    fn pace(&mut self, addresses: usize) -> (usize, Duration) {
        let wakes = (PACE.as_millis() / TICK.as_millis()) as usize;
        let count = addresses.div_ceil(wakes).clamp(1, AT_ONCE);
        let each = u32::try_from(addresses.div_ceil(count)).unwrap_or(u32::MAX).max(1);
        let span = (PACE / each).max(TICK);
        (count, self.jittered(span))
    }
}

impl Engine {
    /// The addresses that others may say something about, each with its link.
    pub fn claimable(&self) -> impl Iterator<Item = (LinkName, IpAddr)> {
        self.managed.keys().map(|(link, net)| (link.clone(), net.addr()))
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
        self.claimed(now, link, address, mac);
        let place = self.place(link, address);
        let routers = place.and_then(|p| self.managed.get(&p)).map(|m| m.routers.clone());
        for index in routers.unwrap_or_default() {
            self.drive(now, index, Input::Announced, effects);
        }
    }

    /// A station says that an address is at its hardware address.
    pub(super) fn claimed(&mut self, now: Instant, link: &LinkName, address: IpAddr, mac: Mac) {
        if !self.rivals.enabled || self.links.values().any(|l| l.mac == Some(mac)) {
            return;
        }
        let Some(place) = self.place(link, address) else { return };
        let Some(since) = self.held_since(&place).filter(|at| now.since(*at) >= SETTLED) else { return };
        let is_full = self.rivals.claims.len() >= CLAIMS;
        let key = (place, mac);
        let fresh = Claim { first: now, last: now, ask_at: now + CONFIRM, alarmed: false };
        match self.rivals.claims.get_mut(&key) {
            Some(claim) if claim.first >= since && now.since(claim.last) < FORGET_AFTER => claim.last = now,
            Some(claim) => *claim = fresh,
            None if is_full => return,
            None => {
                self.rivals.claims.insert(key.clone(), fresh);
            }
        }
        let Some(claim) = self.rivals.claims.get_mut(&key) else { return };
        let (lasts, ask_at) = (now.since(claim.first) >= LASTING, claim.ask_at);
        claim.alarmed |= lasts;
        self.rivals.next_at = earliest(self.rivals.next_at, Some(ask_at));
        if lasts {
            self.alarm(now, &key.0, mac);
        }
    }

    fn alarm(&mut self, now: Instant, place: &Place, rival: Mac) {
        let Some(address) = self.managed.get(place).map(|m| m.address.clone()) else { return };
        let ours = self.links.get(place.0.as_str()).and_then(|l| l.mac);
        let ours = ours.map_or_else(String::new, |mac| format!(" ({mac})"));
        let text = format!("{} is at {rival}, too, and not only here{ours} on {}", address.net.addr(), place.0);
        let cause = "another node is MASTER and its adverts do not arrive here, or a machine that is not to answer for \
                     the address does (a real server without arp_ignore)";
        let finding = format!("{text}: {cause}");
        if self.findings.raise(now, "duplicate-address", Severity::Alarm, &address.to_string(), finding) {
            let subject = self.subject_of(&address);
            self.log.add(now, subject, Severity::Alarm, "duplicate-address", text, Some(cause.to_owned()));
        }
    }

    fn place(&self, link: &LinkName, address: IpAddr) -> Option<Place> {
        let mut places = self.rivals.places.get(&address)?.iter();
        places.find(|p| p.0 == *link && self.managed.contains_key(*p)).cloned()
    }

    /// Since when a router of ours is master of an address.
    fn held_since(&self, place: &Place) -> Option<Instant> {
        let routers = self.managed.get(place)?.routers.iter().filter_map(|index| self.routers.get(*index));
        let masters = routers.filter(|r| matches!(r.machine.state(), State::Master { .. }));
        masters.map(|r| r.machine.since()).min().filter(|_| self.is_there(place))
    }

    /// Asks for what is due, and forgets what is no longer claimed.
    pub(super) fn probe_due(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        if self.rivals.next_at.is_none_or(|at| at > now) {
            return;
        }
        self.forget_claims(now);
        let (count, pause) = self.rivals.pace(self.managed.len());
        let mut asked = 0;
        let suspects: Vec<_> = self.rivals.claims.iter().filter(|(_, c)| c.ask_at <= now).map(|(k, _)| k.clone()).collect();
        for key in suspects.into_iter().take(AT_ONCE) {
            if let Some(claim) = self.rivals.claims.get_mut(&key) {
                claim.ask_at = now + AGAIN;
            }
            self.probe(&key.0, effects);
            asked += 1;
        }
        if asked == 0 {
            self.probe_next(now, count, effects);
        }
        let suspects = self.rivals.claims.values().map(|c| c.ask_at).min();
        // Of a cluster's backups, none is woken.
        let regular = (!self.rivals.idle).then(|| now + pause);
        self.rivals.next_at = earliest(regular, suspects.map(|at| at.max(now + TICK)));
    }

    /// The next addresses in their order.
    fn probe_next(&mut self, now: Instant, count: usize, effects: &mut Vec<Effect>) {
        for _ in 0..count {
            let from = self.rivals.cursor.clone().map_or(Bound::Unbounded, Bound::Excluded);
            let next = self.managed.range((from, Bound::Unbounded)).next().map(|(place, _)| place.clone());
            let Some(place) = next else {
                // Once round.
                self.rivals.cursor = None;
                self.rivals.idle = !self.routers.iter().any(|r| matches!(r.machine.state(), State::Master { .. }));
                return;
            };
            if self.held_since(&place).is_some_and(|at| now.since(at) >= SETTLED) {
                self.probe(&place, effects);
            }
            self.rivals.cursor = Some(place);
        }
    }

    fn probe(&self, place: &Place, effects: &mut Vec<Effect>) {
        let Some(address) = self.managed.get(place).map(|m| m.address.net.addr()) else { return };
        let own = |net: &crate::net::IpNet| self.managed_ips.contains(&net.addr());
        let source = || self.links.get(place.0.as_str()).and_then(|l| l.source(Family::V6, own));
        let source: Option<Ipv6Addr> = match (address, source()) {
            (IpAddr::V6(_), Some(IpAddr::V6(source))) => Some(source),
            // Without an address of its own the node cannot ask there.
            (IpAddr::V6(_), _) => return,
            (IpAddr::V4(_), _) => None,
        };
        effects.push(Effect::Probe { link: place.0.clone(), address, source });
    }

    fn forget_claims(&mut self, now: Instant) {
        let claims = std::mem::take(&mut self.rivals.claims);
        for (key, claim) in claims {
            let held = self.held_since(&key.0).is_some_and(|since| since <= claim.first);
            if held && now.since(claim.last) < FORGET_AFTER {
                self.rivals.claims.insert(key, claim);
            } else if claim.alarmed {
                let (place, mac) = key;
                let subject = self.managed.get(&place).map_or(Subject::Node, |m| self.subject_of(&m.address));
                let why = if held { "does not claim it any more" } else { "is no concern of this node any more" };
                let text = format!("{} on {}: {mac} {why}", place.1.addr(), place.0);
                self.log.add(now, subject, Severity::Notice, "duplicate-address", text, None);
            }
        }
    }
}
