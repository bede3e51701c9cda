//! Many routers' adverts are spread over their interval, a few at a time.
//!
//! Routers that took over at one moment would advertise at one moment for ever: the last of a thousand milliseconds
//! late each time, and if this node died, the peers would have to take over all of them at once. So each router has its
//! beat, a place within its interval, and its periodic advert keeps it: the first one after a takeover comes earlier,
//! never later, than an interval after the one before.

use super::core::Engine;
use crate::time::Duration;

/// Fewer routers than this are done in less than a timer's own lateness.
const MANY: usize = 32;
/// Routers of one link advertise together, with one system call and one wake-up at their peers: so many that there are
/// about so many wake-ups a second, but within these bounds.
const WAKE_UPS: f64 = 64.0;
const TOGETHER: std::ops::RangeInclusive<usize> = 4..=16;

impl Engine {
    /// Gives every router its beat. Called whenever routers are made anew.
    pub(super) fn set_beats(&mut self) {
        self.beats.clear();
        if self.routers.len() < MANY {
            return;
        }
        let place = |index: &usize| {
            let spec = self.routers.get(*index).map(|r| r.machine.spec());
            (spec.map(|s| (s.advert_link(), s.family)), *index)
        };
        let mut order: Vec<usize> = (0..self.routers.len()).collect();
        order.sort_by(|a, b| place(a).cmp(&place(b)));
        let intervals = self.routers.iter().map(|r| r.machine.spec().interval.as_secs_f64());
        let a_second: f64 = intervals.filter(|i| *i > 0.0).map(f64::recip).sum();
        let together = ((a_second / WAKE_UPS).ceil() as usize).clamp(*TOGETHER.start(), *TOGETHER.end());
        let count = order.len().div_ceil(together) as u32;
        let mut beats = vec![Duration::ZERO; order.len()];
        for (position, index) in order.into_iter().enumerate() {
            let interval = self.routers.get(index).map_or(Duration::ZERO, |r| r.machine.spec().interval);
            if let Some(beat) = beats.get_mut(index) {
                *beat = interval * (position / together) as u32 / count;
            }
        }
        self.beats = beats;
    }

    /// After a periodic advert, or the first.
    pub(super) fn keep_beat(&mut self, index: usize) {
        let (Some(beat), Some(router)) = (self.beats.get(index), self.routers.get_mut(index)) else { return };
        router.machine.keep_beat(*beat);
        self.note_deadline(index);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conf::Config;
    use crate::engine::{Advert, Effect, Input, Setup};
    use crate::kernel::{Address, Link};
    use crate::net::LinkName;
    use crate::status::{Dataplane, DataplaneKind};
    use crate::time::Instant;
    use crate::vrrp::{Spec, Vrid};
    use std::collections::BTreeMap;

    fn spec(link: &LinkName, vrid: u8) -> Spec {
        let address = Address::new(link.clone(), format!("10.0.1.{vrid}/16").parse().unwrap());
        Spec { addresses: vec![address], ..Spec::new(&format!("v{vrid}"), link.clone(), Vrid::new(vrid).unwrap()) }
    }

    fn engine(count: u8) -> Engine {
        let link = LinkName::new("eth0").unwrap();
        let instances = (1..=count).map(|vrid| spec(&link, vrid)).collect();
        let mut engine = Engine::new(Setup {
            config: Config { instances, ..Config::default() },
            host: "n1".into(),
            config_path: "n1.conf".into(),
            pid: 1,
            guard: None,
            seed: 1,
            wall_zero_us: 0,
            dataplane: Dataplane { kind: DataplaneKind::None, note: None },
            uptime: Duration::ZERO,
            lease: Some(0),
            probe_addresses: false,
            legacy: None,
        });
        let addresses = BTreeMap::from([("10.0.255.1/16".parse().unwrap(), 0)]);
        let _ = engine.handle(
            Instant::ZERO,
            Input::Link(Link { name: link, index: 2, up: true, mac: None, mtu: 1500, addresses }),
        );
        engine
    }

    /// When each virtual router advertises until then, at every deadline.
    fn adverts(engine: &mut Engine, until: Instant) -> BTreeMap<u8, Vec<Instant>> {
        let mut seen: BTreeMap<u8, Vec<Instant>> = BTreeMap::new();
        while let Some(at) = engine.deadline().filter(|at| *at < until) {
            for effect in engine.handle(at, Input::Deadline) {
                if let Effect::Send(Advert { payload, .. }) = effect {
                    seen.entry(payload[1]).or_default().push(at);
                }
            }
        }
        seen
    }

    #[test]
    fn a_hundred_that_took_over_at_once_advertise_a_few_at_a_time_and_never_late() {
        let mut engine = engine(100);
        let seen = adverts(&mut engine, Instant::from_micros(20_000_000));
        assert_eq!(seen.len(), 100);
        let mut at_once: BTreeMap<Instant, usize> = BTreeMap::new();
        for (vrid, at) in &seen {
            let gaps: Vec<_> = at.windows(2).map(|pair| pair[1].since(pair[0])).collect();
            let second = Duration::from_secs(1);
            assert!(gaps.iter().all(|gap| *gap <= second), "{vrid}: {gaps:?}");
            assert!(gaps[1..].iter().all(|gap| *gap == second), "{vrid}: {gaps:?}");
            for at in &at[1..] {
                *at_once.entry(*at).or_default() += 1;
            }
        }
        assert!(at_once.values().all(|count| *count <= 4), "{at_once:?}");
        // Of whoever hears them, too: a peer takes over as many at a time.
        let (first, last) = (at_once.first_key_value().unwrap().0, at_once.last_key_value().unwrap().0);
        assert!(at_once.len() as f64 > last.since(*first).as_secs_f64() * 24.0, "{}", at_once.len());
    }

    #[test]
    fn a_few_advertise_whenever_they_began() {
        let mut engine = engine(10);
        let seen = adverts(&mut engine, Instant::from_micros(10_000_000));
        assert!(seen.values().all(|at| *at == seen[&1]), "{seen:?}");
    }
}
