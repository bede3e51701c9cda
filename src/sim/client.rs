//! The client: it only knows the VIPs, asks each of them again and again, and notes every silence.

use crate::status::ClientView;
use crate::time::{Duration, Instant};
use std::collections::VecDeque;
use std::net::SocketAddr;

/// How many answers are remembered by name.
const ANSWERS: usize = 8;

/// One stream of requests to one address.
#[derive(Clone, Debug)]
pub struct Client {
    pub target: SocketAddr,
    pub interval: Duration,
    pub asked: u64,
    pub answered: u64,
    answers: VecDeque<String>,
    first_asked: Option<Instant>,
    last_answer: Option<Instant>,
    silent: bool,
    worst: Duration,
    last_outage: Option<Duration>,
    /// Requests in a row without an answer: the neighbour entry is asked for anew after some.
    pub(super) unanswered: u32,
}

impl Client {
    pub(super) const fn new(target: SocketAddr, interval: Duration) -> Self {
        Self {
            target,
            interval,
            asked: 0,
            answered: 0,
            answers: VecDeque::new(),
            first_asked: None,
            last_answer: None,
            silent: false,
            worst: Duration::ZERO,
            last_outage: None,
            unanswered: 0,
        }
    }

    pub(super) fn ask(&mut self, now: Instant) {
        self.asked += 1;
        self.first_asked.get_or_insert(now);
    }

    pub(super) fn hear(&mut self, now: Instant, name: &str) {
        self.answered += 1;
        self.unanswered = 0;
        if self.answers.len() == ANSWERS {
            self.answers.pop_front();
        }
        self.answers.push_back(name.to_owned());
        if std::mem::take(&mut self.silent)
            && let Some(last) = self.last_answer
        {
            let outage = now.since(last);
            self.last_outage = Some(outage);
            self.worst = self.worst.max(outage);
        }
        self.last_answer = Some(now);
    }

    pub(super) const fn miss(&mut self) {
        self.unanswered += 1;
        // Before the first answer there is nothing to be missed.
        self.silent = self.last_answer.is_some();
    }

    /// The longest silence between two answers, with every request between them lost.
    pub fn worst_outage(&self) -> Duration {
        self.worst
    }

    pub fn view(&self, now: Instant) -> ClientView {
        let outage_now = self.silent.then(|| self.last_answer.map(|at| now.since(at))).flatten();
        ClientView {
            address: self.target,
            asked: self.asked,
            answered: self.answered,
            answers: self.answers.iter().cloned().collect(),
            last_answer: self.last_answer.map(|at| now.since(at)),
            worst_outage: self.worst.max(outage_now.unwrap_or_default()),
            last_outage: self.last_outage,
            outage_now,
            interval: self.interval,
        }
    }
}
