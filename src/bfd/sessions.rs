//! All sessions of a node: which packet belongs to which (RFC 5880, 6.3 and 6.8.6), and what is due when.

use super::news::{Change, News, Refusal, Refused};
use super::random::Random;
use super::session::{Input, Output, Session};
use super::spec::Spec;
use crate::time::{Duration, Instant};
use crate::wire::bfd::{self, Control, LENGTH, PORT, PORT_MULTIHOP};
use std::net::{IpAddr, SocketAddr};

/// A packet that arrived.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'b> {
    pub source: IpAddr,
    pub destination: IpAddr,
    /// TTL or hop limit.
    pub hop_limit: u8,
    /// It came to the port of sessions over several hops.
    pub multihop: bool,
    pub payload: &'b [u8],
}

/// A packet on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Departure {
    /// Our discriminator: packets of one session leave from one port (RFC 5881, 4).
    pub session: u32,
    pub source: Option<IpAddr>,
    pub destination: SocketAddr,
    pub hop_limit: u8,
    pub payload: [u8; LENGTH],
}

/// What one step asks for, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    Send(Departure),
    Tell(News),
    /// The session with this discriminator is no more.
    Ended(u32),
}

#[derive(Clone, Debug)]
pub struct Sessions {
    list: Vec<Session>,
    /// Out of the configuration; their neighbours are being told.
    leaving: Vec<Session>,
    refused: Refused,
    random: Random,
}

impl Sessions {
    /// The seed gives discriminators and jitter.
    pub const fn new(seed: u64) -> Self {
        let refused = Refused { counts: std::collections::BTreeMap::new(), last: None };
        Self { list: Vec::new(), leaving: Vec::new(), refused, random: Random::new(seed) }
    }

    /// From now on these sessions: the same ones go on, others are told AdminDown and end.
    #[must_use]
    pub fn need(&mut self, now: Instant, specs: &[Spec]) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut before = std::mem::take(&mut self.list);
        for spec in specs {
            let same = before.iter().position(|s| s.spec().is_same(spec));
            let session = match same.map(|place| before.remove(place)) {
                Some(session) if session.spec() == spec => session,
                Some(mut session) => {
                    let outputs = session.handle(now, Input::Reconfigure(Box::new(spec.clone())));
                    put(&session, now, outputs, &mut steps);
                    session
                }
                None => Session::new(spec.clone(), self.discriminator(&before), self.random.next(), now),
            };
            self.list.push(session);
        }
        for mut session in before {
            disable(&mut session, now, &mut steps);
            self.leaving.push(session);
        }
        // Where another session begins with the same neighbour, the last word has been said.
        let (list, neighbor) = (&self.list, |s: &Session| (s.spec().neighbor, s.spec().multihop));
        let replaced = |s: &Session| list.iter().any(|new| neighbor(new) == neighbor(s));
        steps.extend(self.leaving.iter().filter(|s| replaced(s)).map(|s| Step::Ended(s.discriminator())));
        self.leaving.retain(|s| !replaced(s));
        self.forget_ended(&mut steps);
        steps.push(Step::Tell(self.status(now)));
        steps
    }

    /// Everything ends at once: each neighbour is told a last time.
    #[must_use]
    pub fn stop(&mut self, now: Instant) -> Vec<Step> {
        let mut steps = Vec::new();
        for mut session in std::mem::take(&mut self.list) {
            disable(&mut session, now, &mut steps);
        }
        self.leaving.clear();
        steps
    }

    #[must_use]
    pub fn receive(&mut self, now: Instant, arrival: &Arrival<'_>) -> Vec<Step> {
        let mut steps = Vec::new();
        let found = bfd::decode(arrival.payload).map_err(Refusal::from);
        match found.and_then(|control| Ok((self.find(arrival, &control)?, control))) {
            Ok((session, control)) => {
                let outputs = session.handle(now, Input::Packet(control));
                put(session, now, outputs, &mut steps);
            }
            Err(refusal) => self.refused.count(arrival.source, refusal),
        }
        steps
    }

    /// When [`Sessions::expire`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        self.list.iter().chain(&self.leaving).filter_map(Session::deadline).min()
    }

    #[must_use]
    pub fn expire(&mut self, now: Instant) -> Vec<Step> {
        let mut steps = Vec::new();
        let due = |s: &&mut Session| s.deadline().is_some_and(|at| at <= now);
        for session in self.list.iter_mut().chain(&mut self.leaving).filter(due) {
            let outputs = session.handle(now, Input::Deadline);
            put(session, now, outputs, &mut steps);
        }
        self.forget_ended(&mut steps);
        steps
    }

    /// Whoever calls [`Sessions::expire`] woke so much too late.
    pub fn overslept(&mut self, now: Instant, by: Duration) {
        for session in &mut self.list {
            // Nothing is said of it yet: it matters with the next silence.
            let _ = session.handle(now, Input::Overslept(by));
        }
    }

    pub fn status(&self, now: Instant) -> News {
        let sessions = self.list.iter().map(|s| s.status(now)).collect();
        News::Status { sessions, refused: self.refused.clone() }
    }

    /// The name of a session, by our discriminator.
    pub fn name_of(&self, discriminator: u32) -> Option<&str> {
        let session = self.list.iter().chain(&self.leaving).find(|s| s.discriminator() == discriminator)?;
        Some(&session.spec().name)
    }

    fn find(&mut self, arrival: &Arrival<'_>, control: &Control) -> Result<&mut Session, Refusal> {
        let ours = control.your_discriminator;
        let wanted = |s: &&mut Session| {
            let spec = s.spec();
            let named = if ours == 0 {
                spec.neighbor == arrival.source && spec.source.is_none_or(|ip| ip == arrival.destination)
            } else {
                s.discriminator() == ours
            };
            named && spec.multihop == arrival.multihop
        };
        let unknown = if ours == 0 { Refusal::Stranger } else { Refusal::Discriminator(ours) };
        let session = self.list.iter_mut().chain(&mut self.leaving).find(wanted).ok_or(unknown)?;
        let least = session.spec().least_hop_limit;
        if arrival.hop_limit < least { Err(Refusal::HopLimit(arrival.hop_limit, least)) } else { Ok(session) }
    }

    fn forget_ended(&mut self, steps: &mut Vec<Step>) {
        let ended = self.leaving.iter().filter(|s| s.has_ended());
        steps.extend(ended.map(|s| Step::Ended(s.discriminator())));
        self.leaving.retain(|s| !s.has_ended());
    }

    /// Random, not zero, and no other's (RFC 5880, 6.8.1).
    fn discriminator(&mut self, more: &[Session]) -> u32 {
        loop {
            let number = (self.random.next() >> 32) as u32;
            let taken = self.list.iter().chain(&self.leaving).chain(more).any(|s| s.discriminator() == number);
            if number != 0 && !taken {
                return number;
            }
        }
    }
}

fn disable(session: &mut Session, now: Instant, steps: &mut Vec<Step>) {
    let outputs = session.handle(now, Input::Disable);
    // Whoever removed it knows.
    put(session, now, outputs.into_iter().filter(|o| matches!(o, Output::Send(_))), steps);
}

fn put(session: &Session, now: Instant, outputs: impl IntoIterator<Item = Output>, steps: &mut Vec<Step>) {
    let tell = |change: Change| News::Changed { status: Box::new(session.status(now)), change };
    steps.extend(outputs.into_iter().map(|output| match output {
        Output::Send(control) => Step::Send(departure(session, &control)),
        Output::Changed(change) => Step::Tell(tell(change)),
    }));
}

fn departure(session: &Session, control: &Control) -> Departure {
    let spec = session.spec();
    let port = if spec.multihop { PORT_MULTIHOP } else { PORT };
    Departure {
        session: session.discriminator(),
        source: spec.source,
        destination: SocketAddr::new(spec.neighbor, port),
        hop_limit: spec.hop_limit,
        payload: bfd::encode(control),
    }
}
