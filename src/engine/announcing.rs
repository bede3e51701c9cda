//! Gratuitous ARP and unsolicited neighbour advertisements on their way out.
//!
//! The first announcement of an address leaves at once where no limit is set or its time has come; the others of its set
//! follow round by round, a few between two looks at what is due, so that no advert waits for them. A limit
//! (`vrrp_garp_interval`, `vrrp_gna_interval`, `garp_group`) spaces those of a link, or of a group of links.

use super::core::Engine;
use super::effect::Effect;
use crate::conf::Globals;
use crate::kernel::Address;
use crate::net::{Family, IpNet, LinkName};
use crate::time::{Duration, Instant};
use crate::vrrp::State;
use std::collections::{BTreeMap, VecDeque};

/// So many leave between two looks at what is due.
const BURST: usize = 32;

/// An address on its link: the key of what the engine manages.
pub(super) type Place = (LinkName, IpNet);

#[derive(Clone, Debug, Default)]
pub(super) struct Announcing {
    queues: BTreeMap<(Share, Family), Queue>,
}

/// What shares one limit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Share {
    Link(LinkName),
    /// The `garp_group` with this place in the configuration.
    Group(usize),
}

#[derive(Clone, Debug, Default)]
struct Queue {
    /// The next may leave then.
    free_at: Instant,
    /// What has not been announced at all yet comes first.
    first: VecDeque<Place>,
    again: VecDeque<Place>,
    /// How many announcements of each are left.
    left: BTreeMap<Place, u32>,
}

impl Queue {
    /// Takes a set; true if one of it leaves now.
    fn take(&mut self, now: Instant, interval: Duration, place: &Place, repeat: u32) -> bool {
        let at_once = interval.is_zero() || (now >= self.free_at && self.first.is_empty());
        let more = if at_once { repeat.saturating_sub(1) } else { repeat };
        if at_once {
            self.free_at = now + interval;
        }
        if more > 0 {
            if let Some(left) = self.left.get_mut(place) {
                // A set that begins while another goes on does not lengthen it beyond its own length.
                *left = more.max(*left);
            } else {
                self.left.insert(place.clone(), more);
                if at_once { &mut self.again } else { &mut self.first }.push_back(place.clone());
            }
        }
        at_once
    }

    fn next(&mut self) -> Option<Place> {
        self.first.pop_front().or_else(|| self.again.pop_front())
    }

    /// One has left; the rest of its set waits for its turn.
    fn sent(&mut self, now: Instant, interval: Duration, place: Place) {
        self.free_at = now + interval;
        match self.left.get_mut(&place) {
            Some(left) if *left > 1 => {
                *left -= 1;
                self.again.push_back(place);
            }
            _ => {
                self.left.remove(&place);
            }
        }
    }

    fn due(&self) -> Option<Instant> {
        (!self.left.is_empty()).then_some(self.free_at)
    }
}

impl Announcing {
    /// When the next may leave.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.queues.values().filter_map(Queue::due).min()
    }
}

/// What an announcement shares its limit with, and the limit.
fn limit(globals: &Globals, link: &LinkName, family: Family) -> (Share, Duration) {
    let of = |garp: Duration, gna: Duration| match family {
        Family::V4 => garp,
        Family::V6 => gna,
    };
    let group = globals.garp_groups.iter().enumerate().find(|(_, g)| g.links.contains(link));
    // As in keepalived, the default does not reach into a group, even one that limits only the other family.
    group.map_or_else(
        || (Share::Link(link.clone()), of(globals.garp_interval, globals.gna_interval)),
        |(index, g)| (Share::Group(index), of(g.garp_interval, g.gna_interval)),
    )
}

impl Engine {
    /// Announces one address as often as its router's set has.
    pub(super) fn announce(&mut self, now: Instant, address: &Address, effects: &mut Vec<Effect>) {
        let place = (address.link.clone(), address.listed());
        let Some(router) = self.announcer(&place).and_then(|index| self.routers.get(index)) else { return };
        let repeat = router.machine.spec().garp.repeat;
        self.announce_place(now, &place, repeat, effects);
    }

    /// Announces every address of a router that is on its link, so often.
    pub(super) fn announce_all(&mut self, now: Instant, index: usize, repeat: u32, effects: &mut Vec<Effect>) {
        let Some(router) = self.routers.get(index) else { return };
        let held = router.machine.spec().all_addresses().filter(|a| self.holds(a));
        let places: Vec<Place> = held.map(|a| (a.link.clone(), a.listed())).collect();
        for place in places {
            self.announce_place(now, &place, repeat, effects);
        }
    }

    fn announce_place(&mut self, now: Instant, place: &Place, repeat: u32, effects: &mut Vec<Effect>) {
        let family = Family::of(place.1.addr());
        let (share, interval) = limit(&self.globals, &place.0, family);
        let queue = self.announcing.queues.entry((share, family)).or_default();
        if repeat > 0 && queue.take(now, interval, place, repeat) {
            self.emit(now, place, effects);
        }
    }

    /// Sends what may leave now of what waits.
    pub(super) fn announce_due(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        if self.announcing.deadline().is_none_or(|at| at > now) {
            return;
        }
        let mut queues = std::mem::take(&mut self.announcing.queues);
        for queue in queues.values_mut() {
            for _ in 0..BURST {
                if queue.due().is_none_or(|at| at > now) {
                    break;
                }
                let Some(place) = queue.next() else { break };
                // Whoever is master no more has nothing to say: a successor's word is the newer one.
                if self.announcer(&place).is_none() || !self.is_there(&place) {
                    queue.left.remove(&place);
                    continue;
                }
                let (_, interval) = limit(&self.globals, &place.0, Family::of(place.1.addr()));
                self.emit(now, &place, effects);
                queue.sent(now, interval, place);
            }
            // What is left of a burst is due now, and not since long ago.
            queue.free_at = queue.free_at.max(now);
        }
        queues.retain(|_, queue| queue.due().is_some() || queue.free_at > now);
        self.announcing.queues = queues;
    }

    fn emit(&mut self, now: Instant, place: &Place, effects: &mut Vec<Effect>) {
        let Some(managed) = self.managed.get(place) else { return };
        let address = managed.address.net.addr();
        effects.push(Effect::Announce { link: place.0.clone(), address });
        if let Some(router) = self.announcer(place).and_then(|index| self.routers.get_mut(index)) {
            router.announcements_sent += 1;
            if let Some(takeover) = &mut router.takeover {
                takeover.announced_at.get_or_insert(now);
            }
        }
    }

    /// The router that answers for an address and has not been succeeded.
    fn announcer(&self, place: &Place) -> Option<usize> {
        let speaks = |index: &usize| {
            self.routers.get(*index).is_some_and(|r| match r.machine.state() {
                State::Master { .. } => true,
                State::Yielding { succeeded, .. } => !succeeded,
                State::Init | State::Adopting { .. } | State::Backup { .. } | State::Fault { .. } | State::Stopped => {
                    false
                }
            })
        };
        self.managed.get(place)?.routers.iter().copied().find(speaks)
    }

    /// Whether the address is on its link.
    pub(super) fn is_there(&self, (link, net): &Place) -> bool {
        self.links.get(link.as_str()).is_some_and(|l| l.addresses.contains_key(net))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::from_micros(ms * 1000)
    }

    fn place(last: u8) -> Place {
        (LinkName::new("eth0").unwrap(), format!("10.0.0.{last}/32").parse().unwrap())
    }

    /// Everything that leaves, with its millisecond.
    fn run(queue: &mut Queue, interval: Duration, until: u64) -> Vec<(u64, u8)> {
        let mut sent = Vec::new();
        for ms in 0..=until {
            while queue.due().is_some_and(|due| due <= at(ms)) {
                let place = queue.next().unwrap();
                let IpNet::V4(net) = place.1 else { panic!("{place:?}") };
                sent.push((ms, net.addr().octets()[3]));
                queue.sent(at(ms), interval, place);
            }
        }
        sent
    }

    #[test]
    fn without_a_limit_the_first_of_each_leaves_at_once_and_the_rest_round_by_round() {
        let mut queue = Queue::default();
        for last in [1, 2] {
            assert!(queue.take(at(0), Duration::ZERO, &place(last), 3));
        }
        assert_eq!(run(&mut queue, Duration::ZERO, 0), [(0, 1), (0, 2), (0, 1), (0, 2)]);
        assert_eq!(queue.due(), None);
    }

    #[test]
    fn a_limit_spaces_them_and_what_was_not_announced_yet_comes_first() {
        let mut queue = Queue::default();
        let interval = Duration::from_millis(10);
        assert!(queue.take(at(0), interval, &place(1), 3), "the first of all leaves at once");
        assert!(!queue.take(at(0), interval, &place(2), 2));
        assert!(!queue.take(at(0), interval, &place(3), 1));
        let expected = [(10, 2), (20, 3), (30, 1), (40, 2), (50, 1)];
        assert_eq!(run(&mut queue, interval, 200), expected);
    }

    #[test]
    fn a_set_that_begins_while_another_waits_does_not_make_it_longer() {
        let mut queue = Queue::default();
        let interval = Duration::from_millis(10);
        for _ in 0..4 {
            queue.take(at(0), interval, &place(1), 5);
        }
        assert_eq!(run(&mut queue, interval, 500).len(), 5);
    }
}
