//! The machine of one check: when it runs next, and what its results mean.

use super::spec::{Outcome, Spec};
use crate::time::Instant;

/// One check of one real server. Until the first result it counts as up, or as down with `alpha`.
#[derive(Clone, Debug)]
pub struct Check {
    spec: Spec,
    /// None before the first result.
    good: Option<bool>,
    since: Instant,
    /// Failures in a row that have not turned the verdict.
    failing: u32,
    next: Next,
    last: Option<(Instant, Outcome)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    At(Instant),
    Running,
}

impl Check {
    /// The first run starts at `fraction` (0 to 1) of the warm-up.
    pub fn new(spec: Spec, now: Instant, fraction: f64) -> Self {
        let first = now + spec.warmup.mul_f64(fraction.clamp(0.0, 1.0));
        Self { spec, good: None, since: now, failing: 0, next: Next::At(first), last: None }
    }

    pub const fn spec(&self) -> &Spec {
        &self.spec
    }

    /// The verdict; none before the first result.
    pub const fn good(&self) -> Option<bool> {
        self.good
    }

    pub fn is_down(&self) -> bool {
        !self.good.unwrap_or(!self.spec.alpha)
    }

    pub const fn since(&self) -> Instant {
        self.since
    }

    pub const fn failing(&self) -> u32 {
        self.failing
    }

    pub const fn last(&self) -> Option<&(Instant, Outcome)> {
        self.last.as_ref()
    }

    /// When the next run starts; none while one is running.
    pub const fn deadline(&self) -> Option<Instant> {
        match self.next {
            Next::At(at) => Some(at),
            Next::Running => None,
        }
    }

    /// Whether a run is to be started now; from then on it is running until [`Check::finish`].
    pub fn start(&mut self, now: Instant) -> bool {
        match self.next {
            Next::At(at) if now >= at => {
                self.next = Next::Running;
                true
            }
            Next::At(_) | Next::Running => false,
        }
    }

    /// Takes the result of the run and says whether the verdict changed. The very first result decides at once; while
    /// up, `retry` further tries follow a failure; one success is enough while down.
    pub fn finish(&mut self, now: Instant, outcome: Outcome) -> bool {
        let good = outcome.good;
        self.last = Some((now, outcome));
        let turns = match (self.good, good) {
            (None, _) | (Some(false), true) => true,
            (Some(true), false) => self.failing >= self.spec.retry,
            (Some(true), true) | (Some(false), false) => false,
        };
        let tries_again = !good && !turns && self.good == Some(true);
        self.failing = if tries_again { self.failing + 1 } else { 0 };
        let pause = if tries_again { self.spec.delay_before_retry } else { self.spec.period };
        self.next = Next::At(now + pause);
        let before = self.good.unwrap_or(!self.spec.alpha);
        // Of one that counts as down already, the first failure is told all the same, as keepalived does.
        let changed = turns && (before != good || (self.good.is_none() && !good));
        if turns {
            if before != good {
                self.since = now;
            }
            self.good = Some(good);
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::Method;
    use crate::time::Duration;

    fn spec(retry: u32) -> Spec {
        let target = "192.168.10.31:80".parse().unwrap();
        Spec {
            method: Method::Tcp { target, timeout: Duration::from_secs(1) },
            period: Duration::from_secs(6),
            retry,
            delay_before_retry: Duration::from_secs(1),
            warmup: Duration::from_secs(6),
            alpha: false,
        }
    }

    fn outcome(good: bool) -> Outcome {
        Outcome { good, detail: "as told".into(), took: Duration::ZERO }
    }

    fn secs(s: u64) -> Instant {
        Instant::from_micros(s * 1_000_000)
    }

    fn run(check: &mut Check, at: Instant, good: bool) -> bool {
        assert!(check.start(at));
        check.finish(at, outcome(good))
    }

    #[test]
    fn the_first_run_starts_within_the_warm_up() {
        assert_eq!(Check::new(spec(1), secs(10), 0.5).deadline(), Some(secs(13)));
        assert_eq!(Check::new(spec(1), secs(10), 7.0).deadline(), Some(secs(16)));
    }

    #[test]
    fn the_first_failure_decides_at_once() {
        let mut check = Check::new(spec(3), secs(0), 0.0);
        assert!(run(&mut check, secs(0), false));
        assert!(check.is_down());
        assert_eq!(check.deadline(), Some(secs(6)));
    }

    #[test]
    fn the_first_success_is_no_change() {
        let mut check = Check::new(spec(3), secs(0), 0.0);
        assert!(!run(&mut check, secs(0), true));
        assert_eq!(check.good(), Some(true));
    }

    #[test]
    fn alpha_is_down_until_the_first_success_and_tells_its_first_failure() {
        let alpha = || Check::new(Spec { alpha: true, ..spec(3) }, secs(0), 0.0);
        let mut check = alpha();
        assert!(check.is_down());
        assert!(run(&mut check, secs(0), true));
        assert_eq!((check.is_down(), check.since()), (false, secs(0)));
        let mut check = alpha();
        assert!(run(&mut check, secs(0), false));
        assert!(!run(&mut check, secs(6), false));
        assert!(run(&mut check, secs(12), true));
    }

    #[test]
    fn a_failure_while_up_is_tried_again_before_it_counts() {
        let mut check = Check::new(spec(2), secs(0), 0.0);
        run(&mut check, secs(0), true);
        assert!(!run(&mut check, secs(6), false));
        assert_eq!((check.failing(), check.deadline()), (1, Some(secs(7))));
        assert!(!run(&mut check, secs(7), false));
        assert!(run(&mut check, secs(8), false));
        assert_eq!((check.is_down(), check.since(), check.deadline()), (true, secs(8), Some(secs(14))));
    }

    #[test]
    fn one_success_is_enough_while_down() {
        let mut check = Check::new(spec(2), secs(0), 0.0);
        run(&mut check, secs(0), false);
        assert!(!run(&mut check, secs(6), false));
        assert!(run(&mut check, secs(12), true));
        assert_eq!(check.good(), Some(true));
    }

    #[test]
    fn a_success_forgets_the_failures_before_it() {
        let mut check = Check::new(spec(1), secs(0), 0.0);
        run(&mut check, secs(0), true);
        for turn in 1..10 {
            assert!(!run(&mut check, secs(20 * turn), false));
            assert!(!run(&mut check, secs(20 * turn + 10), true));
        }
    }

    #[test]
    fn nothing_starts_twice() {
        let mut check = Check::new(spec(1), secs(0), 0.0);
        assert!(check.start(secs(0)));
        assert!(!check.start(secs(100)));
        assert_eq!(check.deadline(), None);
    }
}
