//! The machine: what it keeps, and one door in. What each state does with each input stands in `backup`, `master` and
//! `yielding`.

use super::cause::{Cause, Note};
use super::spec::{Spec, Version};
use super::state::{Conditions, Hold, Role, State, Term, Then};
use crate::time::{Duration, Instant};
use std::net::IpAddr;

/// Everything that can happen to a virtual router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// The link or a tracker changed.
    Conditions(Conditions),
    /// A valid advert for this router.
    Heard(Heard),
    /// Somebody else has announced one of the addresses (gratuitous ARP): neighbours send there now.
    Announced,
    /// This engine slept: nothing due since so long was done. Given before what arrived meanwhile.
    Overslept(Duration),
    /// Time has passed; what is due is done.
    Deadline,
    /// What the sync group asks for.
    Group(Order),
    Demote,
    /// As a demotion, and no takeover any more; `force`: even if nobody else takes the addresses now.
    Fence {
        force: bool,
    },
    Takeover,
    Restore,
    Stop,
    /// Out of the protocol at once, without an advert, whatever holds the addresses then.
    Leave,
}

/// What a sync group asks of a member (keepalived.conf(5), vrrp_sync_group). A fault of one is among the conditions of
/// all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Every member is ready: all take over.
    Master { group: String },
    /// A member yielded to another router: all do.
    Backup { group: String, member: String },
}

/// How an instance stands in a sync group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Grouping {
    #[default]
    Alone,
    /// It asks before it takes over; the flag: every member is an owner that wishes to be master.
    Member { all_owners: bool },
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
    /// Send an advert with this priority and a shorter interval than our own (VRRPv3).
    Hasten {
        priority: u8,
        interval: Duration,
    },
    /// Announce every address that is on its link, so often.
    Announce {
        repeat: u32,
    },
    /// Ready to be master, if the sync group is ([`Grouping::Member`] only).
    Ready,
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
    #[error("already fenced")]
    AlreadyFenced,
    #[error("already taken over")]
    AlreadyTaken,
}

/// One virtual router.
#[derive(Clone, Debug)]
pub struct Instance {
    pub(super) spec: Spec,
    pub(super) state: State,
    pub(super) since: Instant,
    pub(super) hold: Option<Hold>,
    /// Fenced, and another router was heard since: no silence makes it master.
    pub(super) barred: bool,
    /// Living masters are left alone, whatever their priority.
    pub(super) paused: bool,
    pub(super) conditions: Conditions,
    pub(super) grouping: Grouping,
    /// Before this nothing is heard and nothing taken over (`vrrp_startup_delay`).
    pub(super) not_before: Instant,
    /// The last advert heard that was not a resignation.
    pub(super) master: Option<Heard>,
    /// What the master advertises as its interval, in VRRPv3; else our own.
    pub(super) master_interval: Duration,
    /// When the silence that may end in a takeover began, and who resigned if somebody did.
    pub(super) quiet_since: Instant,
    pub(super) resigned: Option<IpAddr>,
    /// A lower master is put up with until then (`preempt_delay`).
    pub(super) preempt_at: Option<Instant>,
    /// As a member: silence has made it ready to be master.
    pub(super) ready: bool,
    /// A master that has slept, until it has advertised again.
    pub(super) overslept: Option<Duration>,
    pub(super) rivalry: Rivalry,
}

/// Two owners of the same addresses: one must give in (keepalived's way; the RFC knows no such thing).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Rivalry {
    #[default]
    None,
    /// A rival owner was heard; if it still is after this, we give in.
    Contested { give_in_at: Instant },
    /// At priority 254 until the rival is gone.
    GaveIn,
}

impl Instance {
    pub fn new(spec: Spec, now: Instant) -> Self {
        Self {
            master_interval: spec.interval,
            spec,
            state: State::Init,
            since: now,
            hold: None,
            barred: false,
            paused: false,
            conditions: Conditions { waiting: vec!["its link has not been seen yet".into()], ..Conditions::default() },
            grouping: Grouping::Alone,
            not_before: now,
            master: None,
            quiet_since: now,
            resigned: None,
            preempt_at: None,
            ready: false,
            overslept: None,
            rivalry: Rivalry::None,
        }
    }

    /// Hears nothing and takes nothing over before `at` (`vrrp_startup_delay`, `vrrp_delay_after_boot`).
    #[must_use]
    pub const fn not_before(mut self, at: Instant) -> Self {
        self.not_before = at;
        self
    }

    /// Tells how the instance stands in a sync group.
    pub const fn set_grouping(&mut self, grouping: Grouping) {
        self.grouping = grouping;
    }

    /// Tells whether living masters are to be left alone.
    pub const fn set_paused(&mut self, paused: bool) {
        self.paused = paused;
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

    /// When the silence that may end in a takeover began.
    pub const fn quiet_since(&self) -> Instant {
        self.quiet_since
    }

    /// Until when a lower master is put up with (`preempt_delay`), if one is.
    pub const fn preempt_at(&self) -> Option<Instant> {
        self.preempt_at
    }

    /// As a member of a sync group: waits for the others to be ready to be master, too.
    pub const fn is_ready(&self) -> bool {
        self.ready
    }

    /// The interval the master-down time is counted in (RFC 9568, 6.1, Active_Adver_Interval).
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
            return if self.rivalry == Rivalry::GaveIn { 254 } else { 255 };
        }
        match self.hold {
            Some(Hold::Demoted | Hold::Fenced) => 1,
            Some(Hold::Takeover) => 254,
            None => {
                let tracked = self.conditions.terms.iter().fold(0_i32, |sum, t| sum.saturating_add(t.value));
                i32::from(self.spec.priority).saturating_add(tracked).clamp(1, 254) as u8
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
            if self.rivalry == Rivalry::GaveIn {
                terms.push(term("rival owner", -1, Some("another router is priority 255, too")));
            }
            return terms;
        }
        terms.extend(self.conditions.terms.iter().cloned());
        let sum = terms.iter().fold(0_i32, |sum, t| sum.saturating_add(t.value));
        let override_to = |label, to: i32| term(label, to.saturating_sub(sum), Some("until restored"));
        match self.hold {
            Some(Hold::Demoted) => terms.push(override_to("demoted", 1)),
            Some(Hold::Fenced) => terms.push(override_to("fenced", 1)),
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
            Input::Demote | Input::Fence { .. } | Input::Takeover | Input::Restore if stopping => {
                Err(Refusal::Stopping)
            }
            Input::Demote | Input::Fence { .. } if self.spec.is_owner() => Err(Refusal::Owner),
            Input::Demote if self.hold == Some(Hold::Demoted) => Err(Refusal::AlreadyDemoted),
            Input::Fence { force } if self.hold == Some(Hold::Fenced) && (!force || self.barred) => {
                Err(Refusal::AlreadyFenced)
            }
            Input::Restore if self.hold.is_none() => Err(Refusal::NoHold),
            Input::Takeover => self.permits_takeover(),
            Input::Conditions(_)
            | Input::Heard(_)
            | Input::Announced
            | Input::Overslept(_)
            | Input::Deadline
            | Input::Group(_)
            | Input::Demote
            | Input::Fence { .. }
            | Input::Restore
            | Input::Stop
            | Input::Leave => Ok(()),
        }
    }

    fn permits_takeover(&self) -> Result<(), Refusal> {
        match (&self.state, self.master) {
            (State::Fault { .. }, _) => Err(Refusal::Fault(self.conditions.faults.join("; "))),
            (State::Init | State::Adopting { .. }, _) => Err(Refusal::NotStarted(self.conditions.waiting.join("; "))),
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
        let heard = matches!(input, Input::Heard(heard) if heard.priority > 0 && !self.is_own(heard));
        match self.state {
            State::Init => self.in_init(now, input, &mut out),
            State::Adopting { was } => self.in_adopting(now, input, was, &mut out),
            State::Fault { release_at } => self.in_fault(now, input, release_at, &mut out),
            State::Backup { master_down_at, release_at } => {
                self.in_backup(now, input, (master_down_at, release_at), &mut out);
            }
            State::Master { .. } => self.in_master(now, input, &mut out),
            State::Yielding { .. } => self.in_yielding(now, input, &mut out),
            State::Stopped => {}
        }
        self.barred |= heard && self.hold == Some(Hold::Fenced) && matches!(self.state, State::Backup { .. });
        out
    }

    fn in_init(&mut self, now: Instant, input: Input, out: &mut Vec<Output>) {
        match input {
            Input::Conditions(conditions) => {
                self.conditions = conditions;
                self.start_or_fault(now, out);
            }
            Input::Demote => self.hold_back(Hold::Demoted, false, out),
            Input::Fence { force } => self.hold_back(Hold::Fenced, force, out),
            Input::Restore => self.restore(out),
            Input::Stop | Input::Leave => self.enter(now, State::Stopped, Cause::Stopping, out),
            // Without a working link there is nobody to hear and nothing to be late with.
            Input::Heard(_)
            | Input::Announced
            | Input::Overslept(_)
            | Input::Deadline
            | Input::Group(_)
            | Input::Takeover => {}
        }
    }

    pub(super) fn start_or_fault(&mut self, now: Instant, out: &mut Vec<Output>) {
        if !self.conditions.faults.is_empty() {
            if !matches!(self.state, State::Fault { .. }) {
                let cause = Cause::Conditions { faults: self.conditions.faults.clone() };
                // Whoever can hear can also wait to hear a successor.
                let can_wait = self.state.wants_addresses() && self.conditions.source.is_some();
                let release_at = can_wait.then(|| now + self.stop_patience());
                self.enter(now, State::Fault { release_at }, cause, out);
            }
        } else if !self.conditions.waiting.is_empty() {
            // A first result is awaited: neither good nor bad is known.
        } else if self.state.wants_addresses() {
            // Out of FAULT before anybody took over: they stay until somebody does, or we are master again.
            let until = now + self.master_down();
            let state = State::Yielding { since: now, until, succeeded: false, then: Then::Serve };
            self.enter(now, state, Cause::Started, out);
        } else if self.spec.is_owner() && self.spec.wishes_master && self.rivalry != Rivalry::GaveIn && !self.paused {
            self.start_as_owner(now, out);
        } else {
            self.become_backup(now, Cause::Started, out);
        }
    }

    fn start_as_owner(&mut self, now: Instant, out: &mut Vec<Output>) {
        let at_once = match self.grouping {
            Grouping::Alone => now >= self.not_before,
            Grouping::Member { .. } => false,
        };
        if at_once {
            self.become_master(now, Cause::Owner, out);
            return;
        }
        self.become_backup(now, Cause::Started, out);
        if self.grouping != (Grouping::Member { all_owners: false }) {
            self.set_master_down(now.max(self.not_before));
        }
    }

    pub(super) fn become_master(&mut self, now: Instant, cause: Cause, out: &mut Vec<Output>) {
        self.resigned = None;
        self.overslept = None;
        self.master_interval = self.spec.interval;
        out.push(Output::Advertise { priority: self.effective_priority() });
        let garp = &self.spec.garp;
        let set = |span: Duration| (!span.is_zero()).then(|| now + span);
        let state = State::Master {
            next_advert_at: now + self.spec.interval,
            announce_at: set(garp.delay).map(|at| (at, garp.repeat)),
            refresh_at: set(garp.refresh).map(|at| at + garp.delay),
        };
        let repeat = garp.repeat;
        self.enter(now, state, cause, out);
        out.push(Output::Announce { repeat });
    }

    pub(super) fn become_backup(&mut self, now: Instant, cause: Cause, out: &mut Vec<Output>) {
        let from = now.max(self.not_before);
        self.quiet_since = from;
        self.resigned = None;
        let release_at = self.state.wants_addresses().then(|| now + ANNOUNCEMENT);
        let state = State::Backup { master_down_at: from + self.master_down(), release_at };
        self.enter(now, state, cause, out);
    }

    /// VRRPv3 counts in the master's interval (RFC 9568, 6.4.2); nothing can be counted in none.
    pub(super) fn learn(&mut self, heard: Heard) {
        if self.spec.version == Version::V3 && !heard.interval.is_zero() {
            self.master_interval = heard.interval;
        }
    }

    /// How long a successor may take: the longest skew there is, and the way to here.
    pub(super) fn stop_patience(&self) -> Duration {
        self.spec.skew(1, self.master_interval) + SUCCESSOR_GRACE
    }

    /// Moves the timer and leaves what else a backup may be waiting for.
    pub(super) fn set_master_down(&mut self, at: Instant) {
        if let State::Backup { master_down_at, .. } = &mut self.state {
            *master_down_at = at;
        }
    }

    pub(super) fn hold_back(&mut self, hold: Hold, barred: bool, out: &mut Vec<Output>) {
        self.set_hold(Some(hold), barred);
        out.push(Output::Note(Note::HeldBack));
    }

    pub(super) const fn set_hold(&mut self, hold: Option<Hold>, barred: bool) {
        self.hold = hold;
        self.barred = barred;
    }

    pub(super) fn restore(&mut self, out: &mut Vec<Output>) {
        self.set_hold(None, false);
        out.push(Output::Note(Note::Restored { role: self.state.role() }));
    }

    pub(super) fn enter(&mut self, now: Instant, state: State, cause: Cause, out: &mut Vec<Output>) {
        let (from, to) = (self.state.role(), state.role());
        self.state = state;
        self.ready = false;
        self.preempt_at = None;
        if from != to {
            self.since = now;
            out.push(Output::Changed { from, to, cause });
        }
    }

    pub(super) fn is_own(&self, heard: Heard) -> bool {
        self.conditions.source == Some(heard.from)
    }

    /// Whether `heard` wins against our priority `ours` (RFC 9568, 6.4.3: equal priorities, the higher address).
    pub(super) fn beaten_by(&self, heard: Heard, ours: u8) -> bool {
        heard.priority > ours || (heard.priority == ours && self.conditions.source.is_some_and(|own| heard.from > own))
    }
}

/// How much longer than the longest skew a stopping master waits to hear its successor.
const SUCCESSOR_GRACE: Duration = Duration::from_millis(100);

/// After a successor was heard, its announcement of the addresses is awaited no longer than this.
pub(super) const ANNOUNCEMENT: Duration = Duration::from_millis(100);
