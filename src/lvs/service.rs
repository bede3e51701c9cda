//! One virtual service with its real servers: checks, intent, and what the table should hold.

use super::intent::Intent;
use super::spec::{RealSpec, ServiceSpec};
use crate::health::Check;
use crate::kernel::{self, Destination, ObservedDestination, ObservedService};
use crate::time::{Duration, Instant, earliest};
use std::collections::{BTreeMap, VecDeque};

/// How many one-second samples of the rate of new connections are kept.
const SAMPLES: usize = 60;

#[derive(Clone, Debug)]
pub struct Service {
    pub spec: ServiceSpec,
    pub reals: Vec<Real>,
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
        Self { spec, reals }
    }

    /// This service with what `before`, the same one until a reload, has found out: verdicts of equal checks, what an
    /// operator asked of real servers, rates.
    #[must_use]
    pub fn keeping(mut self, before: Self) -> Self {
        for old in before.reals {
            let Some(real) = self.reals.iter_mut().find(|r| r.spec.key == old.spec.key) else { continue };
            (real.intent, real.observed, real.observed_at) = (old.intent, old.observed, old.observed_at);
            real.rate = old.rate;
            for check in old.checks {
                if let Some(place) = real.checks.iter_mut().find(|c| c.spec() == check.spec()) {
                    *place = check;
                }
            }
        }
        self
    }

    /// The service as the table should hold it.
    pub fn desired(&self) -> kernel::Service {
        let destination = |real: &Real| {
            let weight = real.desired_weight()?;
            Some((real.spec.key, Destination { forwarding: real.spec.forwarding, weight }))
        };
        kernel::Service {
            scheduler: self.spec.scheduler,
            persistence: self.spec.persistence,
            destinations: self.reals.iter().filter_map(destination).collect(),
        }
    }

    /// Takes the service as read back; none: the table does not have it. Returns the real servers that have just
    /// become empty after a drain.
    pub fn observe(&mut self, now: Instant, seen: Option<&ObservedService>) -> Vec<usize> {
        let mut drained = Vec::new();
        for (index, real) in self.reals.iter_mut().enumerate() {
            real.observed = seen.and_then(|s| s.destinations.get(&real.spec.key)).copied();
            real.observed_at = Some(now);
            real.rate.record(now, real.observed.map(|o| o.counters.connections));
            if real.drain_has_ended(now) {
                drained.push(index);
            }
        }
        drained
    }

    /// When the next check is due.
    pub fn deadline(&self) -> Option<Instant> {
        self.reals.iter().flat_map(|r| &r.checks).map(Check::deadline).fold(None, earliest)
    }
}

impl Real {
    pub fn is_up(&self) -> bool {
        !self.checks.iter().any(Check::is_down)
    }

    /// None: the server should not be in the table.
    pub fn desired_weight(&self) -> Option<u32> {
        self.intent.over(self.spec.weight, self.is_up(), self.spec.inhibit_on_failure)
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

/// The table is read each second, a little early at times.
const SECOND: Duration = Duration::from_millis(900);

/// The table of all services.
pub fn desired_table<'a>(services: impl Iterator<Item = &'a Service>) -> kernel::Table {
    let entries: BTreeMap<_, _> = services.map(|s| (s.spec.key, s.desired())).collect();
    kernel::Table { services: entries }
}
