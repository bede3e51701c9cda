//! One virtual service with its real servers: checks, intent, and what the table should hold.

use super::intent::Intent;
use super::spec::{RealSpec, ServiceSpec};
use crate::health::Check;
use crate::kernel::{self, Destination, ObservedDestination, ObservedTable, ServiceKey};
use crate::time::{Duration, Instant};
use std::collections::{BTreeMap, VecDeque};

/// How many one-second samples of the rate of new connections are kept.
const SAMPLES: usize = 60;

#[derive(Clone, Debug)]
pub struct Service {
    pub spec: ServiceSpec,
    pub reals: Vec<Real>,
    /// None: not judged yet.
    quorum: Option<Quorum>,
}

/// Whether the servers that are up weigh enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quorum {
    pub up: bool,
    pub since: Instant,
}

/// The quorum was lost or regained, or judged for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuorumChange {
    pub up: bool,
    /// The first judgement.
    pub first: bool,
    /// The weight of all servers that are up.
    pub weight: u64,
    /// What it was compared with.
    pub threshold: u64,
}

#[derive(Clone, Debug)]
pub struct Real {
    pub spec: RealSpec,
    pub checks: Vec<Check>,
    pub intent: Intent,
    /// As last read back.
    pub observed: Option<ObservedDestination>,
    pub observed_at: Option<Instant>,
    rate: Rate,
}

/// New connections each second, from successive totals.
#[derive(Clone, Debug, Default)]
struct Rate {
    /// The last three, a second apart.
    readings: VecDeque<(Instant, u64)>,
    now: Option<f64>,
    samples: VecDeque<u32>,
}

impl Service {
    /// `fraction` gives a number from 0 to 1 for each check's place in its warm-up.
    pub fn new(spec: ServiceSpec, now: Instant, mut fraction: impl FnMut() -> f64) -> Self {
        let mut real = |spec: &RealSpec| Real {
            spec: spec.clone(),
            checks: spec.checks.iter().map(|c| Check::new(c.clone(), now, fraction())).collect(),
            intent: Intent::default(),
            observed: None,
            observed_at: None,
            rate: Rate::default(),
        };
        let reals = spec.reals.iter().map(&mut real).collect();
        Self { spec, reals, quorum: None }
    }

    /// This service with what `before`, the same one until a reload, has found out: verdicts of equal checks, what an
    /// operator asked of real servers, rates.
    #[must_use]
    pub fn keeping(mut self, before: Self) -> Self {
        self.quorum = before.quorum;
        for old in before.reals {
            let Some(real) = self.reals.iter_mut().find(|r| r.spec.key == old.spec.key) else { continue };
            (real.intent, real.observed, real.observed_at) = (old.intent, old.observed, old.observed_at);
            real.rate = old.rate;
            for check in old.checks {
                // By what they do: other times do not make another check.
                if let Some(place) = real.checks.iter_mut().find(|c| c.spec().method == check.spec().method) {
                    *place = check.with(place.spec().clone());
                }
            }
        }
        self
    }

    /// None: not judged yet.
    pub const fn quorum(&self) -> Option<Quorum> {
        self.quorum
    }

    /// The weight of all servers that are up, those that are drained, too: a drain is no failure.
    pub fn live_weight(&self) -> u64 {
        self.reals.iter().filter(|real| real.is_up()).map(|real| u64::from(real.weight())).sum()
    }

    /// Judges the quorum: it is regained at `quorum` + `hysteresis`, lost below `quorum` − `hysteresis`, and lost with
    /// nothing left in any case.
    pub fn judge(&mut self, now: Instant) -> Option<QuorumChange> {
        let (weight, quorum, hysteresis) =
            (self.live_weight(), u64::from(self.spec.quorum), u64::from(self.spec.hysteresis));
        let was_up = self.quorum.is_some_and(|quorum| quorum.up);
        let threshold = if was_up { quorum.saturating_sub(hysteresis) } else { quorum.saturating_add(hysteresis) };
        let up = holds_quorum(was_up, weight, quorum, hysteresis);
        if self.quorum.is_some() && up == was_up {
            return None;
        }
        let first = self.quorum.is_none();
        self.quorum = Some(Quorum { up, since: now });
        Some(QuorumChange { up, first, weight, threshold })
    }

    /// The sorry server serves: the quorum is lost, or every server that is up is drained.
    pub fn is_sorry(&self) -> bool {
        let takes = |real: &Real| real.is_up() && real.intent.drain.is_none() && real.weight() > 0;
        self.spec.sorry.is_some() && (self.quorum.is_some_and(|quorum| !quorum.up) || !self.reals.iter().any(takes))
    }

    /// None: the server should not be in the table. While the sorry server serves it is alone, but for what keeps its
    /// connections at weight 0: a server that is drained, or with `inhibit_on_failure`.
    pub fn desired_weight(&self, real: &Real) -> Option<u32> {
        if self.is_sorry() {
            let is_kept = real.is_up() && real.intent.drain.is_some();
            return if is_kept { real.desired_weight() } else { real.spec.inhibit_on_failure.then_some(0) };
        }
        real.desired_weight()
    }

    /// One of its entries as the table should hold it.
    pub fn desired(&self, entry: &ServiceKey) -> kernel::Service {
        let is_sorry = self.is_sorry();
        let weight = |real: &Real| if is_sorry { self.desired_weight(real) } else { real.desired_weight() };
        let destination = |real: &Real| Some((real.spec.key_in(entry), real.spec.destination(weight(real)?)));
        let mut destinations: BTreeMap<_, _> = self.reals.iter().filter_map(destination).collect();
        if let Some(sorry) = self.spec.sorry.as_ref().filter(|sorry| is_sorry || sorry.inhibit) {
            let how = Destination::new(sorry.forwarding, u32::from(is_sorry));
            let at = sorry.key_in(entry);
            // It may be one of the real servers, too.
            if is_sorry || !destinations.contains_key(&at) {
                destinations.insert(at, how);
            }
        }
        kernel::Service {
            scheduler: self.spec.scheduler,
            flags: self.spec.flags,
            one_packet: self.spec.one_packet,
            persistence: self.spec.persistence.clone(),
            destinations,
        }
    }

    /// Takes its entries as read back, of which some may be missing. Returns the real servers that have just become
    /// empty after a drain.
    pub fn observe(&mut self, now: Instant, seen: &ObservedTable) -> Vec<usize> {
        let mut drained = Vec::new();
        let entries: Vec<_> = self.spec.entries().iter().map(|key| (*key, seen.services.get(key))).collect();
        for (index, real) in self.reals.iter_mut().enumerate() {
            let of = |(key, entry): &(ServiceKey, Option<&kernel::ObservedService>)| {
                entry.and_then(|entry| entry.destinations.get(&real.spec.key_in(key))).copied()
            };
            real.observed = entries.iter().filter_map(of).reduce(together);
            real.observed_at = Some(now);
            real.rate.record(now, real.observed.map(|o| o.counters.connections));
            if real.drain_has_ended(now) {
                drained.push(index);
            }
        }
        drained
    }
}

/// Whether `weight` is enough: at least `quorum` + `hysteresis`, and once that was so `quorum` − `hysteresis`; never
/// nothing.
pub const fn holds_quorum(was_up: bool, weight: u64, quorum: u64, hysteresis: u64) -> bool {
    let threshold = if was_up { quorum.saturating_sub(hysteresis) } else { quorum.saturating_add(hysteresis) };
    weight > 0 && weight >= threshold
}

impl Real {
    pub fn is_up(&self) -> bool {
        !self.checks.iter().any(Check::is_down)
    }

    /// Asked for by an operator, or that of the file with what its checks say of it.
    pub fn weight(&self) -> u32 {
        self.intent.weight.unwrap_or_else(|| self.checked_weight())
    }

    fn checked_weight(&self) -> u32 {
        let more: i64 = self.checks.iter().map(|c| c.weight().more_than(self.spec.weight)).sum();
        u32::try_from((i64::from(self.spec.weight) + more).clamp(0, i64::from(i32::MAX))).unwrap_or(0)
    }

    /// None: the server should not be in the table. Its service may know better: [`Service::desired_weight`].
    pub fn desired_weight(&self) -> Option<u32> {
        self.intent.over(self.checked_weight(), self.is_up(), self.spec.inhibit_on_failure)
    }

    /// New connections a second; none: not known yet.
    pub const fn rate(&self) -> Option<f64> {
        self.rate.now
    }

    pub fn rates(&self) -> impl Iterator<Item = u32> {
        self.rate.samples.iter().copied()
    }

    fn drain_has_ended(&mut self, now: Instant) -> bool {
        // Not in the table: what connections it still has cannot be known.
        let (Some(drain), Some(observed)) = (&mut self.intent.drain, &self.observed) else { return false };
        drain.observe(now, observed)
    }
}

impl Rate {
    /// Takes a total. A kernel's totals lag by up to two seconds, so the rate is taken over two.
    fn record(&mut self, now: Instant, total: Option<u64>) {
        let Some(total) = total else {
            *self = Self { samples: std::mem::take(&mut self.samples), ..Self::default() };
            return;
        };
        // A smaller total: the entry was made anew.
        if self.readings.back().is_some_and(|(_, before)| *before > total) {
            self.readings.clear();
        }
        if self.readings.back().is_some_and(|(then, _)| now.since(*then) < SECOND) {
            return;
        }
        self.readings.push_back((now, total));
        while self.readings.len() > 3 {
            self.readings.pop_front();
        }
        let Some((then, before)) = self.readings.front().filter(|(then, _)| *then < now) else { return };
        let rate = (total - before) as f64 / now.since(*then).as_secs_f64();
        self.now = Some(rate);
        if self.samples.len() == SAMPLES {
            self.samples.pop_front();
        }
        self.samples.push_back(rate.round() as u32);
    }
}

/// One real server in two entries of its service.
fn together(mut one: ObservedDestination, other: ObservedDestination) -> ObservedDestination {
    one.active = one.active.saturating_add(other.active);
    one.inactive = one.inactive.saturating_add(other.inactive);
    one.persistent = one.persistent.saturating_add(other.persistent);
    one.counters += other.counters;
    one
}

/// The table is read each second, a little early at times.
const SECOND: Duration = Duration::from_millis(900);

/// The table of all services.
pub fn desired_table<'a>(services: impl Iterator<Item = &'a Service>) -> kernel::Table {
    let entries = services.flat_map(|s| s.spec.entries().iter().map(move |key| (*key, s.desired(key))));
    kernel::Table { services: entries.collect() }
}

#[cfg(test)]
#[path = "service_tests.rs"]
mod tests;
