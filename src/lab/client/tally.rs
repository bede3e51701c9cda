//! Counting answers and silences of one address.

use crate::lab::report::{Outage, Slow, Target};
use crate::status::ClientView;
use crate::time::{Duration, Instant};
use std::collections::VecDeque;
use std::net::SocketAddr;

#[derive(Debug)]
pub(super) struct Tally {
    address: SocketAddr,
    interval: Duration,
    asked: u64,
    answered: u64,
    lost: u64,
    lost_after_retry: u64,
    answers: VecDeque<String>,
    first_asked: Option<Instant>,
    /// On both clocks.
    last_answer: Option<(Instant, u64)>,
    longest_silence: Duration,
    outages: VecDeque<Outage>,
    outages_total: u64,
    slow: Slow,
    /// Since the last answer, and ever.
    lateness: Duration,
    worst_lateness: Duration,
}

/// How a download ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Whole,
    Broken,
}

impl Tally {
    pub(super) fn new(address: SocketAddr, interval: Duration) -> Self {
        Self {
            address,
            interval,
            asked: 0,
            answered: 0,
            lost: 0,
            lost_after_retry: 0,
            answers: VecDeque::new(),
            first_asked: None,
            last_answer: None,
            longest_silence: Duration::ZERO,
            outages: VecDeque::new(),
            outages_total: 0,
            slow: Slow::default(),
            lateness: Duration::ZERO,
            worst_lateness: Duration::ZERO,
        }
    }

    /// A request starts, so much later than planned.
    pub(super) fn asked(&mut self, now: Instant, lateness: Duration) {
        self.asked += 1;
        self.first_asked.get_or_insert(now);
        self.lateness = self.lateness.max(lateness);
        self.worst_lateness = self.worst_lateness.max(lateness);
    }

    pub(super) fn answered(&mut self, now: Instant, wall_us: u64, name: String) {
        self.answered += 1;
        if self.answers.len() == ANSWERS_KEPT {
            self.answers.pop_front();
        }
        self.answers.push_back(name);
        // Before the very first answer nothing has been out: it has not been there yet.
        if let Some((before, from_wall_us)) = self.last_answer {
            let length = now.since(before);
            let heard = length.saturating_sub(self.lateness);
            self.longest_silence = self.longest_silence.max(heard);
            if heard > self.tolerated() {
                self.keep(Outage {
                    number: self.outages_total + 1,
                    from_wall_us,
                    until_wall_us: wall_us,
                    length,
                    own_lateness: self.lateness,
                });
            }
        }
        self.lateness = Duration::ZERO;
        self.last_answer = Some((now, wall_us));
    }

    /// A request got no answer; `saved` if its retry did.
    pub(super) fn lost(&mut self, saved: bool) {
        self.lost += 1;
        self.lost_after_retry += u64::from(!saved);
    }

    pub(super) fn began(&mut self) {
        self.slow.open += 1;
    }

    pub(super) fn ended(&mut self, how: Ended) {
        self.slow.open = self.slow.open.saturating_sub(1);
        match how {
            Ended::Whole => self.slow.complete += 1,
            Ended::Broken => self.slow.broken += 1,
        }
    }

    pub(super) const fn worst_lateness(&self) -> Duration {
        self.worst_lateness
    }

    pub(super) fn target(&self, now: Instant) -> Target {
        let last_answer = self.last_answer.map(|(at, _)| now.since(at));
        let silence = last_answer.or(self.first_asked.map(|at| now.since(at))).unwrap_or_default();
        let outage_now = (silence.saturating_sub(self.lateness) > self.tolerated()).then_some(silence);
        // Silence before the first answer is shown, but is no record to keep.
        let counted = outage_now.filter(|_| self.last_answer.is_some()).unwrap_or_default();
        Target {
            view: ClientView {
                address: self.address,
                asked: self.asked,
                answered: self.answered,
                answers: self.answers.iter().cloned().collect(),
                last_answer,
                worst_outage: self.longest_silence.max(counted),
                last_outage: self.outages.back().map(|o| o.length),
                outage_now,
                interval: self.interval,
            },
            lost: self.lost,
            lost_after_retry: self.lost_after_retry,
            outages: self.outages.iter().copied().collect(),
            slow: self.slow,
        }
    }

    fn keep(&mut self, outage: Outage) {
        self.outages_total = outage.number;
        if self.outages.len() == OUTAGES_KEPT {
            self.outages.pop_front();
        }
        self.outages.push_back(outage);
    }

    /// Answers come an interval apart, give or take; up to two and a half is no outage.
    fn tolerated(&self) -> Duration {
        self.interval * 5 / 2
    }
}

const ANSWERS_KEPT: usize = 8;
const OUTAGES_KEPT: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::from_micros(ms * 1000)
    }

    const fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    fn tally() -> Tally {
        Tally::new(SocketAddr::from(([192, 0, 2, 10], 80)), ms(20))
    }

    fn answer(tally: &mut Tally, at_ms: u64) {
        tally.answered(at(at_ms), at_ms * 1000, format!("web{at_ms}"));
    }

    #[test]
    fn regular_answers_are_no_outage() {
        let mut t = tally();
        for n in 0..20 {
            t.asked(at(n * 20), ms(0));
            answer(&mut t, n * 20 + 1);
        }
        let seen = t.target(at(400));
        assert_eq!((seen.view.asked, seen.view.answered, seen.outages.len()), (20, 20, 0));
        assert_eq!((seen.view.worst_outage, seen.view.outage_now, seen.view.last_outage), (ms(20), None, None));
        assert_eq!(seen.view.answers.len(), 8);
        assert_eq!(seen.view.answers.last().map(String::as_str), Some("web381"));
    }

    #[test]
    fn an_outage_lasts_from_the_last_answer_to_the_next() {
        let mut t = tally();
        answer(&mut t, 100);
        t.asked(at(120), ms(3));
        assert_eq!(t.target(at(400)).view.outage_now, Some(ms(300)));
        assert_eq!(t.target(at(400)).view.worst_outage, ms(300));
        answer(&mut t, 600);
        answer(&mut t, 620);
        let seen = t.target(at(630));
        assert_eq!((seen.view.outage_now, seen.view.last_outage), (None, Some(ms(500))));
        assert_eq!(seen.view.worst_outage, ms(497), "less what the client was late itself");
        let expected =
            Outage { number: 1, from_wall_us: 100_000, until_wall_us: 600_000, length: ms(500), own_lateness: ms(3) };
        assert_eq!(seen.outages, [expected]);
    }

    #[test]
    fn a_client_that_was_held_up_itself_blames_nobody() {
        let mut t = tally();
        answer(&mut t, 100);
        t.asked(at(400), ms(280));
        answer(&mut t, 401);
        let seen = t.target(at(402));
        assert_eq!((seen.outages.len(), seen.view.last_outage, seen.view.worst_outage), (0, None, ms(21)));
        assert_eq!(t.worst_lateness(), ms(280));
    }

    #[test]
    fn silence_before_the_first_answer_is_shown_and_forgotten() {
        let mut t = tally();
        assert_eq!(t.target(at(500)).view.outage_now, None);
        t.asked(at(500), ms(0));
        assert_eq!(t.target(at(900)).view.outage_now, Some(ms(400)));
        assert_eq!(t.target(at(900)).view.worst_outage, ms(0));
        answer(&mut t, 1000);
        assert_eq!(t.target(at(1000)).outages, []);
    }

    #[test]
    fn a_request_that_its_retry_saved_is_lost_once() {
        let mut t = tally();
        t.lost(true);
        t.lost(false);
        let seen = t.target(at(0));
        assert_eq!((seen.lost, seen.lost_after_retry), (2, 1));
    }

    #[test]
    fn only_the_newest_outages_are_kept() {
        let mut t = tally();
        for n in 0..40 {
            answer(&mut t, n * 100);
        }
        let seen = t.target(at(4000));
        assert_eq!((seen.outages.len(), seen.outages.last().map(|o| o.number)), (32, Some(39)));
    }
}
