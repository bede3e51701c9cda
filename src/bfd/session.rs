//! One session: the protocol between this system and one other (RFC 5880, 6.8).
//!
//! ```text
//!            hears Down                 hears Init, Up
//!    Down ───────────────▶ Init ────────────────────────▶ Up
//!     ▲ │                   │                             │
//!     │ └───────────────────┼── hears Init ──────────────▶│
//!     └─────────────────────┴─────────────────────────────┘
//!       detection time over; Up hears Down; either hears AdminDown
//! ```

use super::news::{Cause, Change, Status};
use super::random::Random;
use super::spec::Spec;
use crate::time::{Duration, Instant};
use crate::wire::bfd::{Control, Diagnostic, State};

/// Outside Up nobody sends more often (RFC 5880, 6.8.3).
const SLOW: Duration = Duration::from_secs(1);
/// After [`Input::Disable`] the neighbour is told for its detection time, and no longer than this.
const TELL_AT_MOST: Duration = Duration::from_secs(3);

/// Everything that can happen to a session.
#[derive(Clone, Debug)]
pub enum Input {
    /// A packet that belongs to it.
    Packet(Control),
    /// Time has passed.
    Deadline,
    /// Whoever should have said [`Input::Deadline`] woke so much later than it was due.
    Overslept(Duration),
    /// The same session with other values.
    Reconfigure(Box<Spec>),
    /// It is to end: AdminDown.
    Disable,
}

/// What one step asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    Send(Control),
    Changed(Change),
}

/// What is known of the other system; nothing before it is heard, and after a detection time of silence.
#[derive(Clone, Copy, Debug)]
struct Remote {
    discriminator: u32,
    state: State,
    diagnostic: Diagnostic,
    min_rx: Duration,
    min_tx: Duration,
    detect_mult: u8,
    demand: bool,
}

/// Where a Poll Sequence stands (RFC 5880, 6.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Poll {
    No,
    Asking,
    /// Values changed while asking: the answer may be to the old ones.
    AskingAgain,
}

#[derive(Clone, Debug)]
pub struct Session {
    spec: Spec,
    discriminator: u32,
    random: Random,
    state: State,
    since: Instant,
    diagnostic: Diagnostic,
    cause: Cause,
    good: bool,
    remote: Option<Remote>,
    poll: Poll,
    /// What packets tell, and what holds until the other system has agreed (RFC 5880, 6.8.3).
    told: Intervals,
    used: Intervals,
    sent_at: Option<Instant>,
    send_at: Option<Instant>,
    detect_at: Option<Instant>,
    heard_at: Option<Instant>,
    /// Since the last packet: how late this process woke, at worst.
    overslept: Option<Duration>,
    /// After Disable.
    ends_at: Option<Instant>,
    sent: u64,
    received: u64,
    ups: u64,
    downs: u64,
}

/// Of our own packets, and asked of the other system's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Intervals {
    tx: Duration,
    rx: Duration,
}

impl Session {
    /// `discriminator` is not zero and no other session's; `seed` places packets within their jitter.
    pub fn new(spec: Spec, discriminator: u32, seed: u64, now: Instant) -> Self {
        let mut session = Self {
            told: Intervals { tx: spec.idle_tx.max(SLOW), rx: spec.min_rx },
            used: Intervals { tx: spec.idle_tx.max(SLOW), rx: spec.min_rx },
            spec,
            discriminator,
            random: Random::new(seed),
            state: State::Down,
            since: now,
            diagnostic: Diagnostic::NONE,
            cause: Cause::Started,
            good: false,
            remote: None,
            poll: Poll::No,
            sent_at: None,
            send_at: None,
            detect_at: None,
            heard_at: None,
            overslept: None,
            ends_at: None,
            sent: 0,
            received: 0,
            ups: 0,
            downs: 0,
        };
        session.schedule(now);
        session
    }

    pub const fn spec(&self) -> &Spec {
        &self.spec
    }

    pub const fn discriminator(&self) -> u32 {
        self.discriminator
    }

    pub const fn state(&self) -> State {
        self.state
    }

    /// Disabled, and the neighbour has been told.
    pub const fn has_ended(&self) -> bool {
        matches!(self.state, State::AdminDown) && self.ends_at.is_none()
    }

    /// When [`Input::Deadline`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        [self.send_at, self.detect_at, self.ends_at].into_iter().flatten().min()
    }

    /// The same inputs at the same moments give the same outputs.
    #[must_use]
    pub fn handle(&mut self, now: Instant, input: Input) -> Vec<Output> {
        let mut outputs = Vec::new();
        match input {
            Input::Packet(packet) => self.hear(now, &packet, &mut outputs),
            Input::Deadline => self.expire(now, &mut outputs),
            Input::Overslept(by) => self.woke_late(now, by),
            Input::Reconfigure(spec) => {
                self.spec = *spec;
                self.set_intervals(now);
            }
            Input::Disable => self.disable(now, &mut outputs),
        }
        outputs
    }

    pub fn status(&self, now: Instant) -> Status {
        Status {
            name: self.spec.name.clone(),
            at: now,
            state: self.state,
            since: self.since,
            diagnostic: self.diagnostic,
            cause: self.cause,
            good: self.good,
            remote: self.remote.map(|r| (r.state, r.diagnostic)),
            discriminator: self.discriminator,
            remote_discriminator: self.remote.map_or(0, |r| r.discriminator),
            tx_interval: self.tx_interval(),
            rx_interval: self.rx_interval(),
            detection: self.detection(),
            heard_at: self.heard_at,
            sent: self.sent,
            received: self.received,
            ups: self.ups,
            downs: self.downs,
        }
    }

    /// RFC 5880, 6.8.6, after the packet has been found to belong here.
    fn hear(&mut self, now: Instant, packet: &Control, outputs: &mut Vec<Output>) {
        self.received += 1;
        self.heard_at = Some(now);
        self.overslept = None;
        let before = self.tx_interval();
        self.remote = Some(Remote {
            discriminator: packet.my_discriminator,
            state: packet.state,
            diagnostic: packet.diagnostic,
            min_rx: packet.required_min_rx,
            min_tx: packet.desired_min_tx,
            detect_mult: packet.detect_mult,
            demand: packet.demand,
        });
        if packet.is_final {
            self.poll_answered();
        }
        if self.state == State::AdminDown {
            return;
        }
        self.detect_at = self.detection().map(|silence| now + silence);
        let (from, cause) = (self.state, self.follow(packet));
        if let Some((to, cause)) = cause {
            self.enter(now, to, cause, outputs);
        }
        if packet.poll {
            self.send(now, true, outputs);
        } else if self.state != from {
            self.send(now, false, outputs);
        } else if self.tx_interval() != before || self.send_at.is_some() != self.speaks() {
            self.schedule(now);
        }
    }

    /// The state that follows from what the other system says (RFC 5880, 6.8.6).
    const fn follow(&self, packet: &Control) -> Option<(State, Cause)> {
        match (self.state, packet.state) {
            (State::Init | State::Up, State::AdminDown) => Some((State::Down, Cause::NeighborAdminDown)),
            (State::Down, State::Down) => Some((State::Init, Cause::NeighborHeard)),
            (State::Down, State::Init) | (State::Init, State::Init | State::Up) => Some((State::Up, Cause::Handshake)),
            (State::Up, State::Down) => Some((State::Down, Cause::NeighborDown(packet.diagnostic))),
            (State::Down, State::AdminDown | State::Up)
            | (State::Init, State::Down)
            | (State::Up, State::Init | State::Up)
            | (State::AdminDown, _) => None,
        }
    }

    fn expire(&mut self, now: Instant, outputs: &mut Vec<Output>) {
        if self.ends_at.is_some_and(|at| at <= now) {
            self.ends_at = None;
            self.send_at = None;
            return;
        }
        if self.detect_at.is_some_and(|at| at <= now) {
            self.detect_at = None;
            let detection = self.detection().unwrap_or_default();
            let silent = self.heard_at.map_or(detection, |at| now.since(at));
            // RFC 5880, 6.8.1: so long unheard, its discriminator is forgotten; the rest goes with it.
            self.remote = None;
            if matches!(self.state, State::Init | State::Up) {
                let cause = Cause::Silence { detection, silent, overslept: self.overslept };
                self.enter(now, State::Down, cause, outputs);
                self.send(now, false, outputs);
            } else {
                self.schedule(now);
            }
        }
        if self.send_at.is_some_and(|at| at <= now) {
            self.send(now, false, outputs);
        }
    }

    /// A process that slept has no right to its timers: the neighbour gets one interval to be heard, once in a silence.
    fn woke_late(&mut self, now: Instant, by: Duration) {
        let (Some(interval), Some(at)) = (self.rx_interval(), self.detect_at) else { return };
        let first = self.overslept.is_none();
        if by >= interval / 2 {
            self.overslept = self.overslept.max(Some(by));
            if first {
                self.detect_at = Some(at.max(now + interval));
            }
        }
    }

    fn disable(&mut self, now: Instant, outputs: &mut Vec<Output>) {
        if self.state == State::AdminDown {
            return;
        }
        let interval = self.tx_interval();
        let told_for = (interval * u32::from(self.spec.multiplier)).min(TELL_AT_MOST);
        self.enter(now, State::AdminDown, Cause::Removed, outputs);
        // The neighbour still counts on the interval that held so far, and every packet of it is the news.
        self.used.tx = interval;
        self.detect_at = None;
        self.ends_at = self.remote.map(|_| now + told_for);
        if self.ends_at.is_some() {
            self.send(now, false, outputs);
        } else {
            self.send_at = None;
        }
    }

    fn enter(&mut self, now: Instant, to: State, cause: Cause, outputs: &mut Vec<Output>) {
        let from = std::mem::replace(&mut self.state, to);
        self.since = now;
        self.cause = cause;
        self.diagnostic = match cause {
            Cause::Started | Cause::NeighborHeard => self.diagnostic,
            Cause::Handshake => Diagnostic::NONE,
            Cause::Silence { .. } => Diagnostic::DETECTION_TIME_EXPIRED,
            Cause::NeighborDown(_) | Cause::NeighborAdminDown => Diagnostic::NEIGHBOR_SIGNALED_DOWN,
            Cause::Removed => Diagnostic::ADMINISTRATIVELY_DOWN,
        };
        self.good = match (to, cause) {
            (State::Up, _) => true,
            // RFC 5882, 3.2: somebody took BFD away, which says nothing of the path.
            (_, Cause::NeighborAdminDown) | (State::Init | State::AdminDown, _) => self.good,
            (State::Down, _) => false,
        };
        self.ups += u64::from(to == State::Up);
        self.downs += u64::from(from == State::Up);
        // Outside Up every packet tells the intervals, and nothing runs fast that would have to be agreed on.
        if to != State::Up {
            self.poll = Poll::No;
        }
        self.set_intervals(now);
        outputs.push(Output::Changed(Change { from, to, cause }));
    }

    /// What packets tell follows from the state and the spec; in Up a change is agreed on by a Poll Sequence.
    fn set_intervals(&mut self, now: Instant) {
        let up = self.state == State::Up;
        let tx = if up { self.spec.min_tx } else { self.spec.idle_tx.max(SLOW) };
        let told = Intervals { tx, rx: self.spec.min_rx };
        let before = std::mem::replace(&mut self.told, told);
        if up && told != before {
            self.poll = if self.poll == Poll::No { Poll::Asking } else { Poll::AskingAgain };
        }
        if self.poll == Poll::No {
            self.used = told;
        } else {
            // RFC 5880, 6.8.3: until then no rarer packets, and no shorter patience.
            self.used = Intervals { tx: self.used.tx.min(told.tx), rx: self.used.rx.max(told.rx) };
        }
        self.schedule(now);
    }

    fn poll_answered(&mut self) {
        match self.poll {
            Poll::No => {}
            Poll::Asking => {
                self.poll = Poll::No;
                self.used = self.told;
            }
            Poll::AskingAgain => self.poll = Poll::Asking,
        }
    }

    /// RFC 5880, 6.8.7. A packet that answers a poll asks nothing itself.
    fn send(&mut self, now: Instant, is_final: bool, outputs: &mut Vec<Output>) {
        if self.spec.passive && self.remote.is_none() {
            self.send_at = None;
            return;
        }
        self.sent += 1;
        outputs.push(Output::Send(Control {
            diagnostic: self.diagnostic,
            state: self.state,
            poll: self.poll != Poll::No && !is_final,
            is_final,
            control_plane_independent: false,
            demand: false,
            detect_mult: self.spec.multiplier,
            my_discriminator: self.discriminator,
            your_discriminator: self.remote.map_or(0, |r| r.discriminator),
            desired_min_tx: self.told.tx,
            required_min_rx: self.told.rx,
            required_min_echo_rx: Duration::ZERO,
        }));
        self.sent_at = Some(now);
        self.schedule(now);
    }

    /// The next periodic packet, an interval after the last one.
    fn schedule(&mut self, now: Instant) {
        let interval = self.jittered(self.tx_interval());
        let next = self.sent_at.map_or(now, |at| (at + interval).max(now));
        self.send_at = self.speaks().then_some(next);
    }

    /// Whether packets are sent periodically (RFC 5880, 6.8.7).
    fn speaks(&self) -> bool {
        if self.state == State::AdminDown {
            return self.ends_at.is_some();
        }
        let Some(remote) = &self.remote else { return !self.spec.passive };
        let both_up = self.state == State::Up && remote.state == State::Up;
        let on_demand = remote.demand && both_up && self.poll == Poll::No;
        !remote.min_rx.is_zero() && !on_demand
    }

    /// RFC 5880, 6.8.2, before the jitter.
    fn tx_interval(&self) -> Duration {
        self.used.tx.max(self.remote.map_or(Duration::ZERO, |r| r.min_rx))
    }

    fn rx_interval(&self) -> Option<Duration> {
        self.remote.map(|remote| self.used.rx.max(remote.min_tx))
    }

    /// RFC 5880, 6.8.4.
    fn detection(&self) -> Option<Duration> {
        let (remote, interval) = (self.remote?, self.rx_interval()?);
        Some(interval * u32::from(remote.detect_mult))
    }

    /// Up to a quarter less; with a multiplier of 1 between a tenth and a quarter less (RFC 5880, 6.8.7).
    fn jittered(&mut self, interval: Duration) -> Duration {
        let fraction = self.random.fraction();
        let (least, most) = if self.spec.multiplier == 1 { (0.10, 0.25) } else { (0.0, 0.25) };
        interval.mul_f64(1.0 - (least + fraction * (most - least)))
    }
}
