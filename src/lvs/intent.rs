//! What an operator asked of a real server: an overlay over what the configuration and the checks say. It changes
//! neither, and when it is lifted nothing of it is left.

use crate::kernel::ObservedDestination;
use crate::time::{Duration, Instant};
use std::collections::VecDeque;

/// A slow start has so many steps.
pub const STEPS: u32 = 10;
/// How long counts are remembered, to tell how fast they fall.
const REMEMBERED: Duration = Duration::from_secs(60);
/// Less says nothing of how fast they fall.
const TELLING: Duration = Duration::from_secs(5);

/// Everything at once: a server may drain and have a weight for later.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Intent {
    pub drain: Option<Drain>,
    pub weight: Option<u32>,
    /// Back from a drain, with a weight that grows.
    pub rising: Option<Rising>,
}

/// Out of service until returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drain {
    pub since: Instant,
    /// How much earlier it began, before this engine's clock.
    pub before: Duration,
    /// Down for maintenance: out of the table, and its connections are reset at once.
    pub maint: bool,
    /// Clients that stick to it are sent elsewhere.
    pub ignores_persistence: bool,
    pub reset: Reset,
    /// Connections when it began, as far as they were known.
    pub active_at_start: Option<u32>,
    /// When the last connection ended.
    pub drained_at: Option<Instant>,
    /// What was counted, and when; the newest last.
    counts: VecDeque<(Instant, u32)>,
}

/// What is left of the connections is to be reset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reset {
    #[default]
    No,
    Wanted,
    /// Handed to the table.
    Done,
}

/// Slow start: the weight grows in [`STEPS`] steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rising {
    pub since: Instant,
    /// How much earlier it began, before this engine's clock.
    pub before: Duration,
    pub over: Duration,
    /// From 1 to [`STEPS`].
    step: u32,
}

impl Intent {
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// The weight that the table should hold; none: the server should not be in it. `configured` is the weight without
    /// an operator, `keeps_failed` whether one that failed stays with weight 0 (`inhibit_on_failure`).
    pub fn over(&self, configured: u32, is_up: bool, keeps_failed: bool) -> Option<u32> {
        if let Some(drain) = &self.drain {
            // Of a server that is taken out while it has connections, packets are dropped without a word: first the
            // reset, then out.
            let in_table = if drain.maint { drain.reset == Reset::Wanted } else { is_up || keeps_failed };
            return in_table.then_some(0);
        }
        if !is_up {
            return keeps_failed.then_some(0);
        }
        let full = self.weight.unwrap_or(configured);
        Some(self.rising.map_or(full, |rising| rising.of(full)))
    }
}

impl Drain {
    pub fn new(since: Instant, before: Duration) -> Self {
        Self {
            since,
            before,
            maint: false,
            ignores_persistence: false,
            reset: Reset::No,
            active_at_start: None,
            drained_at: None,
            counts: VecDeque::new(),
        }
    }

    /// How long it has been going on.
    pub fn age(&self, now: Instant) -> Duration {
        now.since(self.since) + self.before
    }

    /// Takes what the table says of the server. True: it has just become empty. A client that sticks to it would
    /// connect again, so those count as long as persistence does.
    pub fn observe(&mut self, now: Instant, seen: &ObservedDestination) -> bool {
        if seen.weight > 0 {
            // Not in force yet.
            self.drained_at = None;
            return false;
        }
        self.active_at_start.get_or_insert(seen.active);
        self.counts.push_back((now, seen.active));
        while self.counts.front().is_some_and(|(then, _)| now.since(*then) > REMEMBERED) {
            self.counts.pop_front();
        }
        if seen.active > 0 || (seen.persistent > 0 && !self.ignores_persistence) {
            self.drained_at = None;
            return false;
        }
        let is_first = self.drained_at.is_none() && now > self.since;
        if is_first {
            self.drained_at = Some(now);
        }
        is_first
    }

    /// How many connections end in a second, over the last minute; none: not known, or none has ended.
    pub fn falling(&self) -> Option<f64> {
        let ((then, before), (now, after)) = (self.counts.front()?, self.counts.back()?);
        let span = now.since(*then);
        (span >= TELLING && after < before).then(|| f64::from(before - after) / span.as_secs_f64())
    }

    /// When the last connection ends if they go on ending as in the last minute.
    pub fn empty_in(&self) -> Option<Duration> {
        let (_, left) = self.counts.back()?;
        Duration::try_from_secs_f64(f64::from(*left) / self.falling()?).ok()
    }
}

impl Rising {
    pub fn new(now: Instant, since: Instant, before: Duration, over: Duration) -> Self {
        let mut rising = Self { since, before, over, step: 1 };
        rising.advance(now);
        rising
    }

    pub const fn step(&self) -> u32 {
        self.step
    }

    /// Takes the time; true: that was the last step, and the weight is the full one.
    pub fn advance(&mut self, now: Instant) -> bool {
        let gone = now.since(self.since) + self.before;
        let steps = (gone.as_micros() * u128::from(STEPS)).checked_div(self.over.as_micros());
        let steps = steps.and_then(|n| u32::try_from(n).ok()).unwrap_or(STEPS);
        self.step = (steps + 1).min(STEPS);
        steps >= STEPS
    }

    /// When the next step is due.
    pub fn next_at(&self) -> Instant {
        let due = self.over * self.step / STEPS;
        self.since + due.saturating_sub(self.before)
    }

    /// This step's share of a weight; never nothing of something.
    fn of(&self, full: u32) -> u32 {
        let share = u64::from(full) * u64::from(self.step) / u64::from(STEPS);
        u32::try_from(share).unwrap_or(full).max(full.min(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Forwarding;
    use proptest::prelude::*;

    fn at(seconds: u64) -> Instant {
        Instant::from_micros(seconds * 1_000_000)
    }

    fn seen(weight: u32, active: u32, sticky: u32) -> ObservedDestination {
        ObservedDestination {
            forwarding: Some(Forwarding::Dr),
            weight,
            active,
            inactive: 3,
            persistent: sticky,
            ..ObservedDestination::default()
        }
    }

    fn intent() -> impl Strategy<Value = Intent> {
        let reset = prop_oneof![Just(Reset::No), Just(Reset::Wanted), Just(Reset::Done)];
        let drain = (any::<bool>(), any::<bool>(), reset).prop_map(|(maint, ignores_persistence, reset)| Drain {
            maint,
            ignores_persistence,
            reset,
            ..Drain::new(at(1), Duration::ZERO)
        });
        let rising = (1..100_u64, 0..200_u64)
            .prop_map(|(over, now)| Rising::new(at(now), at(0), Duration::ZERO, Duration::from_secs(over)));
        (prop::option::of(drain), prop::option::of(0..500_u32), prop::option::of(rising))
            .prop_map(|(drain, weight, rising)| Intent { drain, weight, rising })
    }

    proptest! {
        /// Nobody gets new connections whom the operator, the file or the checks keep from them.
        #[test]
        fn no_layer_gives_what_another_forbids(
            intent in intent(), configured in 0..500_u32, is_up: bool, keeps_failed: bool,
        ) {
            let weight = intent.over(configured, is_up, keeps_failed);
            if intent.drain.is_some() || !is_up {
                prop_assert!(weight.unwrap_or(0) == 0);
            }
            if intent.weight.unwrap_or(configured) == 0 {
                prop_assert!(weight.unwrap_or(0) == 0);
            }
            // Health alone takes out of the table, or maintenance once nothing would be dropped.
            if weight.is_none() {
                prop_assert!((!is_up && !keeps_failed) || intent.drain.as_ref().is_some_and(|d| d.maint));
            }
            if let Some(weight) = weight {
                prop_assert!(weight <= intent.weight.unwrap_or(configured));
            }
        }

        /// Once lifted, an overlay leaves nothing; and without one, only the file and the checks count.
        #[test]
        fn without_intent_the_file_and_the_checks_decide(configured in 0..500_u32, is_up: bool, keeps_failed: bool) {
            let expected = if is_up { Some(configured) } else { keeps_failed.then_some(0) };
            prop_assert_eq!(Intent::default().over(configured, is_up, keeps_failed), expected);
        }

        /// A server in service with an operator's weight is as if the file said so.
        #[test]
        fn a_weight_stands_for_the_files(asked in 0..500_u32, configured in 0..500_u32, is_up: bool, keeps: bool) {
            let with = Intent { weight: Some(asked), ..Intent::default() };
            prop_assert_eq!(with.over(configured, is_up, keeps), Intent::default().over(asked, is_up, keeps));
        }

        /// It only grows, never exceeds the full weight, ends there, and is due again until it does.
        #[test]
        fn a_slow_start_grows_to_the_full_weight(full in 1..1000_u32, over in 1..600_u64, before in 0..700_u64) {
            let over = Duration::from_secs(over);
            let mut rising = Rising::new(at(1000), at(1000), Duration::from_secs(before), over);
            let (mut now, mut last, mut steps) = (at(1000), 0, 0);
            while !rising.advance(now) {
                let weight = rising.of(full);
                prop_assert!(weight >= last.max(1) && weight <= full);
                prop_assert!(rising.next_at() > now, "{:?} at {now}", rising);
                (last, now, steps) = (weight, rising.next_at(), steps + 1);
                prop_assert!(steps <= STEPS);
            }
            prop_assert_eq!(rising.of(full), full);
            prop_assert!(now.since(at(1000)) + Duration::from_secs(before) >= over);
        }

        /// However the counts move: it is said to be empty once for each time it is, and never while somebody may come.
        #[test]
        fn drained_is_said_when_nobody_is_left(counts in prop::collection::vec((0..3_u32, 0..3_u32), 1..40), ignores: bool) {
            let mut drain = Drain { ignores_persistence: ignores, ..Drain::new(at(0), Duration::ZERO) };
            let mut was_empty = false;
            for (second, (active, sticky)) in (1..).zip(counts) {
                let is_empty = active == 0 && (sticky == 0 || ignores);
                prop_assert_eq!(drain.observe(at(second), &seen(0, active, sticky)), is_empty && !was_empty);
                prop_assert_eq!(drain.drained_at.is_some(), is_empty);
                was_empty = is_empty;
            }
        }
    }

    #[test]
    fn a_drain_is_not_begun_before_the_table_has_it() {
        let mut drain = Drain::new(at(0), Duration::ZERO);
        assert!(!drain.observe(at(1), &seen(1, 0, 0)));
        assert_eq!(drain.active_at_start, None);
        assert!(!drain.observe(at(2), &seen(0, 5, 0)));
        assert_eq!(drain.active_at_start, Some(5));
    }

    #[test]
    fn the_estimate_follows_what_ended_in_the_last_minute() {
        let mut drain = Drain::new(at(0), Duration::ZERO);
        drain.observe(at(1), &seen(0, 100, 0));
        assert_eq!(drain.empty_in(), None, "one count tells nothing");
        drain.observe(at(11), &seen(0, 80, 0));
        assert_eq!(drain.falling(), Some(2.0));
        assert_eq!(drain.empty_in(), Some(Duration::from_secs(40)));
        // Nothing has ended for more than a minute: there is no telling.
        drain.observe(at(100), &seen(0, 80, 0));
        assert_eq!(drain.empty_in(), None);
        drain.observe(at(110), &seen(0, 80, 0));
        assert_eq!((drain.falling(), drain.empty_in()), (None, None));
    }

    #[test]
    fn maintenance_leaves_the_table_after_the_reset() {
        let order = |reset| Drain { maint: true, reset, ..Drain::new(at(0), Duration::ZERO) };
        let with = |reset| Intent { drain: Some(order(reset)), ..Intent::default() };
        assert_eq!(with(Reset::Wanted).over(3, true, false), Some(0));
        assert_eq!(with(Reset::Done).over(3, true, true), None);
    }

    #[test]
    fn a_weight_of_one_has_no_steps() {
        let rising = Rising::new(at(0), at(0), Duration::ZERO, Duration::from_secs(100));
        assert_eq!([0, 1, 5, 100].map(|full| rising.of(full)), [0, 1, 1, 10]);
    }
}
