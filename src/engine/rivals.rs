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
/// The same for addresses that somebody claims: their alarms are to last as long as the claims do.
const SUSPECTS_AT_ONCE: usize = 25;
/// Who was heard to claim an address is asked after this, so that the alarm comes within a second, and then again and
/// again.
const CONFIRM: Duration = Duration::from_millis(600);
const AGAIN: Duration = Duration::from_secs(4);
/// A claim that lasts for so long is no hand-over.
const LASTING: Duration = Duration::from_millis(500);
/// So many claims are remembered: more are a flood.
const CLAIMS: usize = 1024;

#[derive(Clone, Debug)]
pub(super) struct Rivals {
    enabled: bool,
    random: Random,
    /// When the round goes on.
    round_at: Option<Instant>,
    /// When somebody is asked who claims an address.
    suspects_at: Option<Instant>,
    /// The address that was asked for last.
    cursor: Option<Place>,
    /// No router is master: there is nothing to ask for.
    idle: bool,
    /// So many rounds hurry, to the end of the first that began after a router became master.
    hurried: u8,
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
            round_at: None,
            suspects_at: None,
            cursor: None,
            idle: true,
            hurried: 0,
            claims: BTreeMap::new(),
            places: BTreeMap::new(),
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        earliest(self.round_at, self.suspects_at)
    }

    /// A router has become master.
    pub(super) fn begin(&mut self, now: Instant) {
        self.idle = false;
        self.hurried = if self.cursor.is_some() { 2 } else { 1 };
        if self.enabled && self.round_at.is_none() {
            self.round_at = Some(now + SETTLED + self.jittered(TICK * 2));
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

    /// How many addresses a wake-up asks for, and the time to the next. The first round after a takeover takes no longer
    /// than it must.
    fn pace(&mut self, addresses: usize) -> (usize, Duration) {
        if self.hurried > 0 {
            return (AT_ONCE, self.jittered(TICK));
        }
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
        // Nothing we send arrives on a virtual link: its hardware address is also another's who is master.
        if self.links.get(link.as_str()).is_none_or(|l| l.mac == Some(mac) && !self.is_virtual(link)) {
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
        self.rivals.suspects_at = earliest(self.rivals.suspects_at, Some(ask_at));
        if lasts {
            self.alarm(now, &key.0, mac);
        }
    }

    fn alarm(&mut self, now: Instant, place: &Place, rival: Mac) {
        let Some(address) = self.managed.get(place).map(|m| m.address.clone()) else { return };
        let ours = self.links.get(place.0.as_str()).and_then(|l| l.mac);
        let ours = ours.map_or_else(String::new, |mac| format!(" ({mac})"));
        let text = format!("{} is at {rival}, too, and not only here{ours} on {}", address.net.addr(), place.0);
        let cause = if self.hears_rival(now, place) {
            "another node is MASTER although we answer its adverts: it does not hear ours"
        } else {
            "another node is MASTER and its adverts do not arrive here, or a machine that is not to answer for the \
             address does (a real server without arp_ignore)"
        };
        let finding = format!("{text}: {cause}");
        if self.findings.raise(now, "duplicate-address", Severity::Alarm, &address.to_string(), finding) {
            let subject = self.subject_of(&address);
            self.log.add(now, subject, Severity::Alarm, "duplicate-address", text, Some(cause.to_owned()));
        }
    }

    /// Whether adverts for the address arrive from somebody else.
    fn hears_rival(&self, now: Instant, place: &Place) -> bool {
        let routers = self.managed.get(place).map(|m| m.routers.as_slice()).unwrap_or_default();
        let speakers = routers.iter().filter_map(|i| self.routers.get(*i)).flat_map(|r| r.speakers.values());
        let mut lately = speakers.filter(|s| s.priority > 0 && now.since(s.at) <= s.interval * 3);
        lately.next().is_some()
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
        if self.rivals.suspects_at.is_some_and(|at| at <= now) {
            self.probe_suspects(now, effects);
        }
        if self.rivals.round_at.is_some_and(|at| at <= now) {
            self.end_round();
            let (count, pause) = self.rivals.pace(self.managed.len());
            self.probe_next(now, count, effects);
            // Of a cluster's backups, none is woken.
            self.rivals.round_at = (!self.rivals.idle).then(|| now + pause);
        }
    }

    fn probe_suspects(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        self.forget_claims(now);
        let due = self.rivals.claims.iter().filter(|(_, claim)| claim.ask_at <= now).map(|(key, _)| key.clone());
        let due: Vec<_> = due.take(SUSPECTS_AT_ONCE).collect();
        for key in due {
            if let Some(claim) = self.rivals.claims.get_mut(&key) {
                claim.ask_at = now + AGAIN;
            }
            self.probe(&key.0, effects);
        }
        let next = self.rivals.claims.values().map(|claim| claim.ask_at).min();
        self.rivals.suspects_at = next.map(|at| at.max(now + TICK));
    }

    /// After the last address comes the first.
    fn end_round(&mut self) {
        if self.rivals.cursor.is_some() && self.next_place().is_none() {
            self.rivals.cursor = None;
            self.rivals.hurried = self.rivals.hurried.saturating_sub(1);
        }
        self.rivals.idle = !self.routers.iter().any(|r| matches!(r.machine.state(), State::Master { .. }));
    }

    fn next_place(&self) -> Option<Place> {
        let from = self.rivals.cursor.clone().map_or(Bound::Unbounded, Bound::Excluded);
        self.managed.range((from, Bound::Unbounded)).next().map(|(place, _)| place.clone())
    }

    /// The next addresses in their order.
    fn probe_next(&mut self, now: Instant, count: usize, effects: &mut Vec<Effect>) {
        for _ in 0..count {
            let Some(place) = self.next_place() else { return };
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

#[cfg(test)]
mod tests {
    use crate::conf::Config;
    use crate::engine::{Effect, Engine, Input, Setup};
    use crate::kernel::{Address, Link};
    use crate::net::{LinkName, Mac};
    use crate::status::{Dataplane, DataplaneKind, Event, Severity};
    use crate::time::{Duration, Instant};
    use crate::vrrp::{Spec, Vrid};
    use std::collections::BTreeMap;
    use std::net::{IpAddr, Ipv4Addr};

    const OURS: Mac = Mac([2, 0, 0, 0, 0, 1]);
    const OTHER_LINK: Mac = Mac([2, 0, 0, 0, 0, 2]);
    const RIVAL: Mac = Mac([2, 0, 0, 0, 0, 9]);

    struct Bench {
        engine: Engine,
        now: Instant,
        probes: Vec<(Instant, IpAddr)>,
        events: Vec<Event>,
    }

    fn eth0() -> LinkName {
        LinkName::new("eth0").unwrap()
    }

    fn vip(number: usize) -> Ipv4Addr {
        Ipv4Addr::from_bits(0x0a00_0100 + number as u32)
    }

    impl Bench {
        /// A master of so many addresses since the first moment.
        fn new(addresses: usize, priority: u8) -> Self {
            let mut spec = Spec::new("VI_1", eth0(), Vrid::new(51).unwrap());
            (spec.priority, spec.wishes_master) = (priority, true);
            spec.addresses =
                (0..addresses).map(|n| Address::new(eth0(), format!("{}/32", vip(n)).parse().unwrap())).collect();
            let mut engine = Engine::new(Setup {
                config: Config { instances: vec![spec], ..Config::default() },
                host: "node".into(),
                config_path: "test.conf".into(),
                pid: 1,
                guard: None,
                seed: 7,
                wall_zero_us: 0,
                dataplane: Dataplane { kind: DataplaneKind::None, note: None },
                uptime: Duration::ZERO,
                lease: Some(0),
                legacy: None,
                probe_addresses: true,
            });
            engine.take_events();
            let mut bench = Self { engine, now: Instant::ZERO, probes: Vec::new(), events: Vec::new() };
            let link = |name: &str, index, mac, net: &str| Link {
                name: LinkName::new(name).unwrap(),
                index,
                up: true,
                mac: Some(mac),
                mtu: 1500,
                addresses: BTreeMap::from([(net.parse().unwrap(), 0)]),
            };
            bench.feed(Input::Link(link("eth1", 3, OTHER_LINK, "10.1.0.1/24")));
            bench.feed(Input::Link(link("eth0", 2, OURS, "10.0.0.1/24")));
            bench
        }

        fn feed(&mut self, input: Input) {
            let mut inputs = vec![input];
            while let Some(input) = inputs.pop() {
                for effect in self.engine.handle(self.now, input) {
                    if let Effect::Apply(change) = effect {
                        inputs.push(Input::Applied { change, result: Ok(()) });
                    } else if let Effect::Probe { address, .. } = effect {
                        self.probes.push((self.now, address));
                    }
                }
            }
            self.events.extend(self.engine.take_events().into_iter().filter(|e| e.kind == "duplicate-address"));
        }

        /// Until then everything that is due is done.
        fn run(&mut self, until_ms: u64) {
            let until = Instant::from_micros(until_ms * 1000);
            while let Some(at) = self.engine.deadline().filter(|at| *at <= until) {
                self.now = self.now.max(at);
                self.feed(Input::Deadline);
            }
            self.now = until;
        }

        fn claim(&mut self, mac: Mac) {
            self.feed(Input::Claimed { link: eth0(), address: vip(0).into(), mac });
        }

        fn alarms(&mut self) -> usize {
            self.engine.snapshot(self.now).findings.iter().filter(|f| f.kind == "duplicate-address").count()
        }
    }

    #[test]
    fn a_claim_that_lasts_is_an_alarm_and_one_that_ends_clears_it() {
        let mut bench = Bench::new(1, 255);
        bench.run(3100);
        bench.claim(RIVAL);
        assert_eq!(bench.alarms(), 0, "one word may be a hand-over");
        let before = bench.probes.len();
        bench.run(4200);
        assert!(bench.probes.len() > before, "the rival is asked soon after");
        bench.claim(RIVAL);
        assert_eq!(bench.alarms(), 1);
        let [event] = bench.events.as_slice() else { panic!("{:#?}", bench.events) };
        assert_eq!(event.severity, Severity::Alarm);
        for part in ["10.0.1.0", "02:00:00:00:00:09", "02:00:00:00:00:01", "eth0"] {
            assert!(event.text.contains(part), "{event:#?}");
        }
        let asked = bench.probes.len();
        bench.run(19_000);
        assert!(bench.probes.len() - asked >= 3, "a suspect is asked every four seconds");
        bench.run(40_000);
        assert_eq!(bench.alarms(), 0);
        assert!(bench.events[1].text.contains("does not claim it any more"), "{:#?}", bench.events);
    }

    #[test]
    fn no_claim_soon_after_a_takeover_counts_nor_one_of_our_own_links() {
        let mut bench = Bench::new(1, 255);
        for ms in (100..2900).step_by(300) {
            bench.run(ms);
            bench.claim(RIVAL);
        }
        bench.run(3500);
        for ms in [4000, 6000, 9000] {
            bench.run(ms);
            bench.claim(OTHER_LINK);
        }
        bench.claim(RIVAL);
        assert_eq!((bench.alarms(), bench.events.len()), (0, 0));
    }

    #[test]
    fn each_address_is_asked_for_every_ten_seconds_or_so_and_never_before_it_is_settled() {
        let mut bench = Bench::new(3, 255);
        bench.run(63_000);
        assert!(bench.probes[0].0 >= Instant::from_micros(3_000_000), "{:?}", bench.probes);
        assert!(bench.probes[2].0 <= Instant::from_micros(4_500_000), "the first round hurries: {:?}", bench.probes);
        for number in 0..3 {
            let asked = bench.probes.iter().filter(|(_, a)| *a == IpAddr::from(vip(number))).count();
            assert!((5..=9).contains(&asked), "{asked} of 6");
        }
    }

    #[test]
    fn thousands_of_addresses_are_asked_for_at_a_bounded_pace() {
        let mut bench = Bench::new(1000, 255);
        bench.run(80_000);
        for second in 0..80_u64 {
            let within = |at: &Instant| at.as_micros() / 1_000_000 == second;
            assert!(bench.probes.iter().filter(|(at, _)| within(at)).count() <= 30);
        }
        let mut asked: Vec<_> = bench.probes.iter().map(|(_, a)| *a).collect();
        asked.sort_unstable();
        asked.dedup();
        assert_eq!(asked.len(), 1000, "each within a minute or so");
    }

    #[test]
    fn a_backup_asks_nobody_and_is_not_woken_for_it() {
        let mut bench = Bench::new(3, 100);
        bench.run(3000);
        assert!(bench.probes.is_empty());
        assert_eq!(bench.engine.rivals.deadline(), None);
    }
}
