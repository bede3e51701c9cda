//! The machine: one function for each state, each deciding about every input.

use super::cause::{Cause, Note};
use super::spec::Spec;
use super::state::{Conditions, Hold, Role, State, Term, Then};
use crate::time::{Duration, Instant};
use std::net::IpAddr;

/// How much longer than the longest skew a stopping master waits to hear its successor.
const SUCCESSOR_GRACE: Duration = Duration::from_millis(100);

/// After a successor was heard, its announcement of the addresses is awaited no longer than this.
const ANNOUNCEMENT: Duration = Duration::from_millis(100);

/// The least time between two answers to a lower priority.
const ANSWER_PAUSE: Duration = Duration::from_millis(10);

/// Everything that can happen to a virtual router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// The link or a tracker changed.
    Conditions(Conditions),
    /// A valid advert for this router.
    Heard(Heard),
    /// Somebody else has announced one of the addresses (gratuitous ARP): neighbours send there now.
    Announced,
    /// Time has passed; what is due is done.
    Deadline,
    Demote,
    Takeover,
    Restore,
    Stop,
}

/// An advert as the election sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    pub from: IpAddr,
    pub priority: u8,
    /// The interval it advertises.
    pub interval: Duration,
    pub at: Instant,
}

/// What one step asks for, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send an advert with this priority.
    Advertise {
        priority: u8,
    },
    /// Announce every address that is on its link.
    Announce,
    Changed {
        from: Role,
        to: Role,
        cause: Cause,
    },
    Note(Note),
}

/// Why an operator's command cannot be carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("priority 255 owns the addresses and cannot be demoted: lower the priority in the file")]
    Owner,
    #[error("in FAULT ({0}): mend that first")]
    Fault(String),
    #[error("not started yet ({0})")]
    NotStarted(String),
    #[error("{from} is MASTER with priority {priority}, which this node cannot exceed: demote it there")]
    Outranked { from: IpAddr, priority: u8 },
    #[error("the engine is stopping")]
    Stopping,
    #[error("nothing to restore: neither demoted nor taken over")]
    NoHold,
    #[error("already demoted")]
    AlreadyDemoted,
    #[error("already taken over")]
    AlreadyTaken,
}

/// One virtual router.
#[derive(Clone, Debug)]
pub struct Instance {
    spec: Spec,
    state: State,
    since: Instant,
    hold: Option<Hold>,
    conditions: Conditions,
    /// The last advert heard that was not a resignation.
    master: Option<Heard>,
    /// What the master advertises as its interval, in VRRPv3; else our own.
    master_interval: Duration,
    /// When the silence that may end in a takeover began, and who resigned if somebody did.
    quiet_since: Instant,
    resigned: Option<IpAddr>,
}

impl Instance {
    pub fn new(spec: Spec, now: Instant) -> Self {
        Self {
            master_interval: spec.interval,
            spec,
            state: State::Init,
            since: now,
            hold: None,
            conditions: Conditions { waiting: vec!["its link has not been seen yet".into()], ..Conditions::default() },
            master: None,
            quiet_since: now,
            resigned: None,
        }
    }

    pub const fn spec(&self) -> &Spec {
        &self.spec
    }

    pub const fn state(&self) -> &State {
        &self.state
    }

    /// When it took its present role.
    pub const fn since(&self) -> Instant {
        self.since
    }

    pub const fn hold(&self) -> Option<Hold> {
        self.hold
    }

    pub const fn conditions(&self) -> &Conditions {
        &self.conditions
    }

    pub const fn master(&self) -> Option<Heard> {
        self.master
    }

    /// The interval the master-down time is counted in (RFC 9568, 6.1, Master_Adver_Interval).
    pub const fn master_interval(&self) -> Duration {
        self.master_interval
    }

    /// The skew at the priority of this moment.
    pub fn skew(&self) -> Duration {
        self.spec.skew(self.effective_priority(), self.master_interval)
    }

    /// How long the master may be silent at the priority of this moment.
    pub fn master_down(&self) -> Duration {
        self.spec.master_down(self.effective_priority(), self.master_interval)
    }

    pub fn deadline(&self) -> Option<Instant> {
        self.state.deadline()
    }

    /// What goes into adverts: 1 to 254, or 255 for the owner.
    pub fn effective_priority(&self) -> u8 {
        if self.spec.is_owner() {
            return 255;
        }
        match self.hold {
            Some(Hold::Demoted) => 1,
            Some(Hold::Takeover) => 254,
            None => {
                let tracked: i32 = self.conditions.terms.iter().map(|t| t.value).sum();
                (i32::from(self.spec.priority).saturating_add(tracked)).clamp(1, 254) as u8
            }
        }
    }

    /// What the effective priority is made of, the base first.
    pub fn terms(&self) -> Vec<Term> {
        let term = |label: &str, value, note: Option<&str>| Term {
            label: label.to_owned(),
            value,
            note: note.map(str::to_owned),
        };
        let mut terms = vec![term("base", i32::from(self.spec.priority), None)];
        if self.spec.is_owner() {
            return terms;
        }
        terms.extend(self.conditions.terms.iter().cloned());
        let sum: i32 = terms.iter().map(|t| t.value).sum();
        let override_to = |label, to: i32| term(label, to - sum, Some("until restored"));
        match self.hold {
            Some(Hold::Demoted) => terms.push(override_to("demoted", 1)),
            Some(Hold::Takeover) => terms.push(override_to("takeover", 254)),
            None if sum != sum.clamp(1, 254) => terms.push(term("limit", sum.clamp(1, 254) - sum, Some("1 to 254"))),
            None => {}
        }
        terms
    }

    /// Whether an operator's command can be carried out now.
    pub fn permits(&self, input: &Input) -> Result<(), Refusal> {
        let stopping = matches!(self.state, State::Stopped | State::Yielding { then: Then::Stop, .. });
        match input {
            Input::Demote | Input::Takeover | Input::Restore if stopping => Err(Refusal::Stopping),
            Input::Demote if self.spec.is_owner() => Err(Refusal::Owner),
            Input::Demote if self.hold == Some(Hold::Demoted) => Err(Refusal::AlreadyDemoted),
            Input::Restore if self.hold.is_none() => Err(Refusal::NoHold),
            Input::Takeover => self.permits_takeover(),
            Input::Conditions(_)
            | Input::Heard(_)
            | Input::Announced
            | Input::Deadline
            | Input::Demote
            | Input::Restore
            | Input::Stop => Ok(()),
        }
    }

    fn permits_takeover(&self) -> Result<(), Refusal> {
        match (&self.state, self.master) {
            (State::Fault, _) => Err(Refusal::Fault(self.conditions.faults.join("; "))),
            (State::Init, _) => Err(Refusal::NotStarted(self.conditions.waiting.join("; "))),
            (State::Backup { .. }, Some(m)) if self.beaten_by(m, 254) => {
                Err(Refusal::Outranked { from: m.from, priority: m.priority })
            }
            _ if self.hold == Some(Hold::Takeover) => Err(Refusal::AlreadyTaken),
            _ => Ok(()),
        }
    }

    /// Takes one input. The same inputs at the same instants give the same outputs. An operator's input that
    /// [`Instance::permits`] refuses changes nothing.
    #[must_use]
    pub fn handle(&mut self, now: Instant, input: Input) -> Vec<Output> {
        if self.permits(&input).is_err() {
            return Vec::new();
        }
        let mut out = Vec::new();
        match self.state {
            State::Init | State::Fault => self.in_init_or_fault(now, input, &mut out),
            State::Backup { master_down_at, release_at } => {
                self.in_backup(now, input, (master_down_at, release_at), &mut out);
            }
            State::Master { .. } => self.in_master(now, input, &mut out),
            State::Yielding { .. } => self.in_yielding(now, input, &mut out),
            State::Stopped => {}
        }
        out
    }

    fn in_init_or_fault(&mut self, now: Instant, input: Input, out: &mut Vec<Output>) {
        match input {
            Input::Conditions(conditions) => {
                self.conditions = conditions;
                self.start_or_fault(now, out);
            }
            Input::Demote => self.hold_back(out),
            Input::Restore => self.restore(out),
            Input::Stop => self.enter(now, State::Stopped, Cause::Stopping, out),
            // Without a working link there is nobody to hear and nothing to be late with.
            Input::Heard(_) | Input::Announced | Input::Deadline | Input::Takeover => {}
        }
    }

    fn in_backup(
        &mut self,
        now: Instant,
        input: Input,
        (master_down_at, release_at): (Instant, Option<Instant>),
        out: &mut Vec<Output>,
    ) {
        match input {
            Input::Conditions(conditions) => {
                self.conditions = conditions;
                if !self.conditions.faults.is_empty() {
                    self.start_or_fault(now, out);
                }
            }
            Input::Heard(heard) => self.hear_as_backup(heard, out),
            Input::Announced if release_at.is_some() => self.release(master_down_at, out),
            Input::Deadline if now >= master_down_at => {
                let waited = now.since(self.quiet_since);
                let cause = self.why_takeover(waited);
                self.become_master(now, cause, out);
            }
            Input::Deadline if release_at.is_some_and(|at| now >= at) => self.release(master_down_at, out),
            Input::Deadline | Input::Announced => {}
            Input::Demote => {
                self.hold_back(out);
                self.await_silence(now);
            }
            Input::Takeover => {
                self.hold = Some(Hold::Takeover);
                self.become_master(now, Cause::TakenOver, out);
            }
            Input::Restore => self.restore(out),
            Input::Stop => self.enter(now, State::Stopped, Cause::Stopping, out),
        }
    }

    fn why_takeover(&self, waited: Duration) -> Cause {
        match (self.resigned, self.master) {
            (Some(from), _) => Cause::MasterResigned { from, waited },
            (None, Some(m)) if m.at > self.quiet_since => {
                Cause::Preempting { from: m.from, theirs: m.priority, ours: self.effective_priority() }
            }
            (None, master) => Cause::Silence { waited, last: master.map(|m| (m.from, m.priority)) },
        }
    }

    fn hear_as_backup(&mut self, heard: Heard, out: &mut Vec<Output>) {
        if self.is_own(heard) {
            out.push(Output::Note(Note::OwnAddress { from: heard.from }));
        } else if heard.priority == 0 {
            self.quiet_since = heard.at;
            self.resigned = Some(heard.from);
            self.set_master_down(heard.at + self.skew());
            out.push(Output::Note(Note::ResignationHeard { from: heard.from }));
        } else if heard.priority >= self.effective_priority() || !self.spec.preempt {
            self.master = Some(heard);
            self.await_silence(heard.at);
        } else {
            // A lower priority while preempting: not our master, so the timer runs on (RFC 3768, 6.4.2).
            self.master = Some(heard);
        }
    }

    fn in_master(&mut self, now: Instant, input: Input, out: &mut Vec<Output>) {
        match input {
            Input::Conditions(conditions) => {
                self.conditions = conditions;
                if !self.conditions.faults.is_empty() {
                    out.push(Output::Advertise { priority: 0 });
                    self.start_or_fault(now, out);
                }
            }
            Input::Heard(heard) => self.hear_as_master(now, heard, out),
            Input::Announced => {}
            Input::Deadline => self.master_timers(now, out),
            Input::Demote => {
                self.hold = Some(Hold::Demoted);
                let until = now + self.spec.master_down(1, self.master_interval);
                self.yield_until(now, until, Then::Serve, Cause::Demoted, out);
            }
            Input::Takeover => {
                self.hold = Some(Hold::Takeover);
                out.push(Output::Note(Note::Pinned));
                self.advertise_now(now, out);
            }
            Input::Restore => self.restore(out),
            Input::Stop => {
                let until = now + self.stop_patience();
                self.yield_until(now, until, Then::Stop, Cause::Stopping, out);
            }
        }
    }

    fn hear_as_master(&mut self, now: Instant, heard: Heard, out: &mut Vec<Output>) {
        let ours = self.effective_priority();
        if self.is_own(heard) {
            out.push(Output::Note(Note::OwnAddress { from: heard.from }));
        } else if heard.priority == 0 {
            self.advertise_now(now, out);
        } else if self.beaten_by(heard, ours) {
            let cause = match self.conditions.source {
                Some(own) if heard.priority == ours => {
                    Cause::HigherAddress { from: heard.from, ours: own, priority: ours }
                }
                _ => Cause::HigherPriority { from: heard.from, theirs: heard.priority, ours },
            };
            self.master = Some(heard);
            self.become_backup(now, cause, out);
        } else {
            // Somebody did not hear us. Say who is master, and set right what it may have told the switches.
            self.master = Some(heard);
            out.push(Output::Note(Note::LowerPriority { from: heard.from, theirs: heard.priority, ours }));
            if self.has_just_advertised(now) {
                return;
            }
            self.advertise_now(now, out);
            out.push(Output::Announce);
            if let State::Master { announce_at, .. } = &mut self.state {
                *announce_at = second_set(&self.spec, now);
            }
        }
    }

    fn master_timers(&mut self, now: Instant, out: &mut Vec<Output>) {
        let State::Master { next_advert_at, announce_at } = &mut self.state else { return };
        let advert_due = now >= *next_advert_at;
        if advert_due {
            // From the moment it was due, so that lateness does not add up; from now if a whole interval was missed.
            let next = *next_advert_at + self.spec.interval;
            *next_advert_at = if next > now { next } else { now + self.spec.interval };
        }
        let announce_due = announce_at.is_some_and(|at| now >= at);
        if announce_due {
            *announce_at = None;
        }
        if advert_due {
            out.push(Output::Advertise { priority: self.effective_priority() });
        }
        if announce_due {
            out.push(Output::Announce);
        }
    }

    fn in_yielding(&mut self, now: Instant, input: Input, out: &mut Vec<Output>) {
        let State::Yielding { since, until, succeeded, then } = self.state else { return };
        match input {
            Input::Conditions(conditions) => {
                self.conditions = conditions;
                match (self.conditions.faults.is_empty(), then) {
                    (true, _) => {}
                    (false, Then::Serve) => self.start_or_fault(now, out),
                    (false, Then::Stop) => self.enter(now, State::Stopped, Cause::Stopping, out),
                }
            }
            Input::Heard(heard) => self.hear_while_yielding(now, heard, out),
            Input::Announced if succeeded => self.enter(now, State::Stopped, Cause::Stopping, out),
            Input::Deadline if now >= until => match then {
                Then::Serve => self.become_master(now, Cause::NobodyTookOver { waited: now.since(since) }, out),
                Then::Stop => self.enter(now, State::Stopped, Cause::Stopping, out),
            },
            // A second demotion is refused before it comes here.
            Input::Deadline | Input::Announced | Input::Demote => {}
            Input::Takeover => {
                self.hold = Some(Hold::Takeover);
                self.become_master(now, Cause::TakenOver, out);
            }
            Input::Restore => {
                // Nobody has taken over yet, and the addresses are still here.
                self.restore(out);
                self.become_master(now, Cause::Restored, out);
            }
            Input::Stop => {
                let until = until.min(now + self.stop_patience());
                self.state = State::Yielding { since, until, succeeded, then: Then::Stop };
            }
        }
    }

    fn hear_while_yielding(&mut self, now: Instant, heard: Heard, out: &mut Vec<Output>) {
        let State::Yielding { since, until, succeeded, then } = self.state else { return };
        if self.is_own(heard) {
            out.push(Output::Note(Note::OwnAddress { from: heard.from }));
        } else if heard.priority > 0 {
            self.master = Some(heard);
            if !succeeded {
                let after = now.since(since);
                out.push(Output::Note(Note::HandedOver { to: heard.from, priority: heard.priority, after }));
            }
            match then {
                Then::Serve => self.become_backup(now, Cause::Demoted, out),
                Then::Stop => {
                    let until = until.min(now + ANNOUNCEMENT);
                    self.state = State::Yielding { since, until, succeeded: true, then };
                }
            }
        }
    }

    /// How long a successor may take: the longest skew there is, and the way to here.
    fn stop_patience(&self) -> Duration {
        self.spec.skew(1, self.master_interval) + SUCCESSOR_GRACE
    }

    fn start_or_fault(&mut self, now: Instant, out: &mut Vec<Output>) {
        if !self.conditions.faults.is_empty() {
            if self.state != State::Fault {
                let cause = Cause::Conditions { faults: self.conditions.faults.clone() };
                self.enter(now, State::Fault, cause, out);
            }
        } else if !self.conditions.waiting.is_empty() {
            // A first result is awaited: neither good nor bad is known.
        } else if self.spec.is_owner() && self.spec.wishes_master {
            self.become_master(now, Cause::Owner, out);
        } else {
            self.become_backup(now, Cause::Started, out);
        }
    }

    fn become_master(&mut self, now: Instant, cause: Cause, out: &mut Vec<Output>) {
        self.resigned = None;
        out.push(Output::Advertise { priority: self.effective_priority() });
        let announce_at = second_set(&self.spec, now);
        self.enter(now, State::Master { next_advert_at: now + self.spec.interval, announce_at }, cause, out);
        out.push(Output::Announce);
    }

    fn become_backup(&mut self, now: Instant, cause: Cause, out: &mut Vec<Output>) {
        let master_down_at = now + self.master_down();
        self.quiet_since = now;
        self.resigned = None;
        let release_at = self.state.wants_addresses().then(|| now + ANNOUNCEMENT);
        self.enter(now, State::Backup { master_down_at, release_at }, cause, out);
    }

    fn yield_until(&mut self, now: Instant, until: Instant, then: Then, cause: Cause, out: &mut Vec<Output>) {
        out.push(Output::Advertise { priority: 0 });
        self.enter(now, State::Yielding { since: now, until, succeeded: false, then }, cause, out);
    }

    /// The silence of the master is measured from `from`.
    fn await_silence(&mut self, from: Instant) {
        self.quiet_since = from;
        self.resigned = None;
        self.set_master_down(from + self.master_down());
    }

    /// Moves the timer and leaves what else a backup may be waiting for.
    fn set_master_down(&mut self, at: Instant) {
        if let State::Backup { master_down_at, .. } = &mut self.state {
            *master_down_at = at;
        }
    }

    /// The successor has announced the addresses, or has had the time for it.
    fn release(&mut self, master_down_at: Instant, out: &mut Vec<Output>) {
        self.state = State::Backup { master_down_at, release_at: None };
        out.push(Output::Note(Note::Released));
    }

    fn advertise_now(&mut self, now: Instant, out: &mut Vec<Output>) {
        if let State::Master { next_advert_at, .. } = &mut self.state {
            *next_advert_at = now + self.spec.interval;
        }
        out.push(Output::Advertise { priority: self.effective_priority() });
    }

    /// A router that answers each advert at once with a lower one would otherwise be answered for ever.
    fn has_just_advertised(&self, now: Instant) -> bool {
        match self.state {
            State::Master { next_advert_at, .. } => now < next_advert_at - self.spec.interval + ANSWER_PAUSE,
            State::Init | State::Backup { .. } | State::Yielding { .. } | State::Fault | State::Stopped => false,
        }
    }

    fn hold_back(&mut self, out: &mut Vec<Output>) {
        self.hold = Some(Hold::Demoted);
        out.push(Output::Note(Note::HeldBack));
    }

    fn restore(&mut self, out: &mut Vec<Output>) {
        self.hold = None;
        out.push(Output::Note(Note::Restored { role: self.state.role() }));
    }

    fn enter(&mut self, now: Instant, state: State, cause: Cause, out: &mut Vec<Output>) {
        let (from, to) = (self.state.role(), state.role());
        self.state = state;
        if from != to {
            self.since = now;
            out.push(Output::Changed { from, to, cause });
        }
    }

    fn is_own(&self, heard: Heard) -> bool {
        self.conditions.source == Some(heard.from)
    }

    /// Whether `heard` wins against our priority `ours` (RFC 3768, 6.4.3: equal priorities, the higher address).
    fn beaten_by(&self, heard: Heard, ours: u8) -> bool {
        heard.priority > ours || (heard.priority == ours && self.conditions.source.is_some_and(|own| heard.from > own))
    }
}

fn second_set(spec: &Spec, now: Instant) -> Option<Instant> {
    (!spec.garp.delay.is_zero()).then(|| now + spec.garp.delay)
}
