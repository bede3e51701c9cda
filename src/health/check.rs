//! The machine of one check: when it runs next, and what its results mean.

use super::found::{Found, Record, Weight};
use super::spec::{Method, Spec};
use crate::time::{Duration, Instant};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::sync::Arc;

/// So many runs of each check are remembered.
pub const KEPT: usize = 20;

/// One check of one real server. Counted as up until a result says otherwise, with `alpha` as down.
#[derive(Clone, Debug)]
pub struct Check {
    spec: Spec,
    /// None before the first result that decides.
    good: Option<bool>,
    since: Instant,
    /// Failures in a row that have not turned the verdict.
    failing: u32,
    next: Next,
    /// The URL whose turn it is.
    step: usize,
    /// It turned the verdict, and has not passed since: once it has, all are asked again.
    failed_step: bool,
    weight: Weight,
    /// The last [`KEPT`] runs, the newest last. Shared with those that show them.
    history: Arc<VecDeque<Record>>,
    /// The run that turned the verdict last, or gave it first.
    turned: Option<Record>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    At(Instant),
    /// This run of the engine's.
    Running(u64),
    /// It runs when the engine is told something, or not at all for now.
    Told,
}

/// What a check has found, in short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    pub good: bool,
    pub since: Instant,
    pub weight: Weight,
}

/// What a result changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    pub verdict: bool,
    pub weight: bool,
}

impl Check {
    /// The first run starts at `fraction` (0 to 1) of the warm-up.
    pub fn new(spec: Spec, now: Instant, fraction: f64) -> Self {
        let first = now + spec.warmup.mul_f64(fraction.clamp(0.0, 1.0));
        let next = if spec.method.is_timed() && !spec.ha_suspend { Next::At(first) } else { Next::Told };
        Self {
            spec,
            good: None,
            since: now,
            failing: 0,
            next,
            step: 0,
            failed_step: false,
            weight: Weight::Configured,
            history: Arc::default(),
            turned: None,
        }
    }

    pub const fn spec(&self) -> &Spec {
        &self.spec
    }

    /// The verdict; none before the first result that decides.
    pub const fn good(&self) -> Option<bool> {
        self.good
    }

    pub const fn is_down(&self) -> bool {
        match self.good {
            Some(good) => !good,
            None => self.spec.alpha,
        }
    }

    pub const fn since(&self) -> Instant {
        self.since
    }

    pub const fn failing(&self) -> u32 {
        self.failing
    }

    /// Which URL the next run asks for, or the present one.
    pub const fn step(&self) -> usize {
        self.step
    }

    /// What it says of its server's weight.
    pub const fn weight(&self) -> Weight {
        self.weight
    }

    pub fn last(&self) -> Option<&Record> {
        self.history.back()
    }

    pub const fn history(&self) -> &Arc<VecDeque<Record>> {
        &self.history
    }

    /// The run that turned the verdict last, or gave it first.
    pub const fn turned(&self) -> Option<&Record> {
        self.turned.as_ref()
    }

    pub const fn is_running(&self) -> bool {
        matches!(self.next, Next::Running(_))
    }

    /// When the next run starts; none while one is running, or while it waits for what the engine is told.
    pub const fn deadline(&self) -> Option<Instant> {
        match self.next {
            Next::At(at) => Some(at),
            Next::Running(_) | Next::Told => None,
        }
    }

    /// The number of the run that is under way.
    pub const fn run(&self) -> Option<u64> {
        match self.next {
            Next::Running(run) => Some(run),
            Next::At(_) | Next::Told => None,
        }
    }

    /// Whether a run is to be started now; from then on run number `run` is under way until [`Check::finish`].
    pub fn start(&mut self, now: Instant, run: u64) -> bool {
        match self.next {
            Next::At(at) if now >= at => {
                self.next = Next::Running(run);
                true
            }
            Next::At(_) | Next::Running(_) | Next::Told => false,
        }
    }

    /// The next run is to start at `at`; false if one is running, or it runs only when the engine is told something.
    pub fn run_at(&mut self, at: Instant) -> bool {
        let may = self.spec.method.is_timed() && !self.is_running();
        if may {
            self.next = Next::At(at);
        }
        may
    }

    /// No run starts until [`Check::run_at`]; one that is running goes on.
    pub fn suspend(&mut self) {
        if !self.is_running() {
            self.next = Next::Told;
        }
    }

    /// What is remembered of a check for another life; none: as a new one begins.
    pub fn standing(&self) -> Option<Standing> {
        let is_new = self.is_down() == self.spec.alpha && self.weight.is_configured();
        (!is_new).then_some(Standing { good: !self.is_down(), since: self.since, weight: self.weight })
    }

    /// It goes on with the verdict of the check before it.
    pub const fn inherit(&mut self, standing: Standing) {
        (self.good, self.since, self.weight) = (Some(standing.good), standing.since, standing.weight);
    }

    /// The same check under another spec that does the same: what it has found so far counts.
    #[must_use]
    pub fn with(self, spec: Spec) -> Self {
        let waits_no_more = self.spec.ha_suspend && !spec.ha_suspend && self.next == Next::Told;
        let next = if waits_no_more && spec.method.is_timed() { Next::At(self.since) } else { self.next };
        Self { spec, next, ..self }
    }

    /// Takes the result of a run. The very first result decides at once; while up, `retry` further tries follow a
    /// failure; one success is enough while down, of several URLs one of each.
    pub fn finish(&mut self, now: Instant, found: Found) -> Change {
        let (was_down, attempt, step) = (self.is_down(), self.failing + 1, self.step);
        let weight_before = self.weight;
        let pause = if found.good { self.passed(&found) } else { self.failed() };
        if self.spec.method.is_timed() {
            self.next = Next::At(now + pause);
        }
        let verdict = was_down != self.is_down();
        if verdict {
            self.since = now;
        }
        let step = u16::try_from(step).unwrap_or(u16::MAX);
        let record = Record { at: now, found, attempt, step, verdict: self.good };
        if verdict || (self.turned.is_none() && self.good.is_some()) {
            self.turned = Some(record.clone());
        }
        self.remember(record);
        Change { verdict, weight: self.weight != weight_before }
    }

    /// Returns the pause until the next run.
    fn passed(&mut self, found: &Found) -> Duration {
        self.failing = 0;
        self.weight = found.weight;
        let steps = self.spec.method.steps();
        let recovering = self.good != Some(true);
        if self.failed_step && steps > 1 {
            (self.failed_step, self.step) = (false, 0);
        } else {
            self.failed_step = false;
            self.step += 1;
            if self.step >= steps {
                self.step = 0;
                self.good = Some(true);
            }
        }
        let at_once = recovering && self.good != Some(true) && self.recovers_fast();
        if at_once { Duration::ZERO } else { self.spec.period }
    }

    fn failed(&mut self) -> Duration {
        let is_http = matches!(self.spec.method, Method::Http(_));
        if self.good == Some(true) && self.failing < self.spec.retry {
            self.failing += 1;
            return self.spec.delay_before_retry;
        }
        let turned = self.good != Some(false);
        self.failing = 0;
        self.good = Some(false);
        self.weight = Weight::Configured;
        if turned {
            self.failed_step = true;
        }
        match (is_http, self.failed_step) {
            // keepalived: not more often than before.
            (true, true) => self.spec.period.max(self.spec.delay_before_retry),
            (true, false) => self.spec.delay_before_retry,
            (false, _) => self.spec.period,
        }
    }

    fn recovers_fast(&self) -> bool {
        matches!(&self.spec.method, Method::Http(http) if http.fast_recovery)
    }

    /// A copy is made only while somebody shows the records.
    fn remember(&mut self, record: Record) {
        let history = Arc::make_mut(&mut self.history);
        history.reserve_exact(KEPT - history.len().min(KEPT));
        if history.len() == KEPT {
            history.pop_front();
        }
        history.push_back(record);
    }
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
