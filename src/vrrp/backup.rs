//! BACKUP and FAULT: listening for a master, or to a successor.

use super::cause::{Cause, Note};
use super::instance::{ANNOUNCEMENT, Grouping, Heard, Input, Instance, Order, Output, Rivalry};
use super::state::{Hold, State};
use crate::time::{Duration, Instant};

impl Instance {
    pub(super) fn in_backup(
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
            Input::Heard(heard) if heard.at < self.not_before => {}
            Input::Heard(heard) => self.hear_as_backup(heard, out),
            Input::Announced if release_at.is_some() => self.release(master_down_at, out),
            Input::Overslept(late) => self.distrust_silence(now, late, master_down_at, out),
            Input::Deadline if now >= master_down_at => self.master_is_down(now, out),
            Input::Deadline if release_at.is_some_and(|at| now >= at) => self.release(master_down_at, out),
            Input::Deadline | Input::Announced => {}
            Input::Group(Order::Master { group }) => self.become_master(now, Cause::GroupReady { group }, out),
            // A member that has just yielded is where it should be.
            Input::Group(Order::Backup { .. }) => self.ready = false,
            Input::Demote => {
                self.hold_back(Hold::Demoted, false, out);
                self.await_silence(now);
            }
            Input::Fence { force } => {
                self.hold_back(Hold::Fenced, force, out);
                self.await_silence(now);
            }
            Input::Takeover => {
                self.set_hold(Some(Hold::Takeover), false);
                self.become_master(now, Cause::TakenOver, out);
            }
            Input::Restore => self.restore(out),
            Input::Stop | Input::Leave => self.enter(now, State::Stopped, Cause::Stopping, out),
        }
    }

    pub(super) fn in_fault(&mut self, now: Instant, input: Input, release_at: Option<Instant>, out: &mut Vec<Output>) {
        match input {
            Input::Conditions(conditions) => {
                self.conditions = conditions;
                if self.conditions.source.is_none() {
                    // Nobody can be heard any more.
                    self.state = State::Fault { release_at: None };
                }
                self.start_or_fault(now, out);
            }
            Input::Heard(heard) => {
                if let (Some(at), false) = (release_at, heard.priority == 0 || self.is_own(heard)) {
                    self.master = Some(heard);
                    self.state = State::Fault { release_at: Some(at.min(now + ANNOUNCEMENT)) };
                }
            }
            Input::Announced => self.release_in_fault(release_at, out),
            Input::Deadline if release_at.is_some_and(|at| now >= at) => self.release_in_fault(release_at, out),
            Input::Demote => self.hold_back(Hold::Demoted, false, out),
            Input::Fence { force } => self.hold_back(Hold::Fenced, force, out),
            Input::Restore => self.restore(out),
            Input::Stop | Input::Leave => self.enter(now, State::Stopped, Cause::Stopping, out),
            // A takeover is refused before it comes here; a group cannot ask a faulty member for anything.
            Input::Overslept(_) | Input::Deadline | Input::Group(_) | Input::Takeover => {}
        }
    }

    fn release_in_fault(&mut self, release_at: Option<Instant>, out: &mut Vec<Output>) {
        if release_at.is_some() {
            self.state = State::Fault { release_at: None };
            out.push(Output::Note(Note::Released));
        }
    }

    fn master_is_down(&mut self, now: Instant, out: &mut Vec<Output>) {
        let waited = now.since(self.quiet_since);
        let heard_lately = self.master.is_some_and(|m| m.at > self.quiet_since);
        if self.rivalry == Rivalry::GaveIn && !heard_lately {
            // The rival owner is gone.
            self.rivalry = Rivalry::None;
        }
        if self.barred {
            self.set_master_down(now + self.master_down());
            out.push(Output::Note(Note::Barred { waited }));
            return;
        }
        match self.grouping {
            Grouping::Alone => {
                let cause = self.why_takeover(waited);
                self.become_master(now, cause, out);
            }
            Grouping::Member { .. } => {
                self.ready = true;
                self.set_master_down(now + self.master_down());
                out.push(Output::Ready);
            }
        }
    }

    fn why_takeover(&self, waited: Duration) -> Cause {
        match (self.resigned, self.master) {
            (Some(from), _) => Cause::MasterResigned { from, waited },
            (None, Some(m)) if m.at > self.quiet_since => {
                Cause::Preempting { from: m.from, theirs: m.priority, ours: self.effective_priority() }
            }
            (None, None) if self.spec.is_owner() => Cause::Owner,
            (None, master) => Cause::Silence { waited, last: master.map(|m| (m.from, m.priority)) },
        }
    }

    fn hear_as_backup(&mut self, heard: Heard, out: &mut Vec<Output>) {
        if self.is_own(heard) {
            out.push(Output::Note(Note::OwnAddress { from: heard.from }));
        } else if heard.priority == 0 {
            self.quiet_since = heard.at;
            self.resigned = Some(heard.from);
            let only_heir = self.spec.has_one_peer();
            self.set_master_down(if only_heir { heard.at } else { heard.at + self.skew() });
            out.push(Output::Note(Note::ResignationHeard { from: heard.from }));
        } else if heard.priority >= self.effective_priority() {
            self.preempt_at = None;
            self.accept(heard);
        } else if !self.spec.preempt || self.paused || self.is_put_up_with(heard, out) {
            self.accept(heard);
        } else {
            // A lower priority while preempting: not our master, so the timer runs on (RFC 9568, 6.4.2).
            self.master = Some(heard);
        }
    }

    /// Whether a lower master is left alone for now: `preempt_delay` runs from its first advert.
    fn is_put_up_with(&mut self, heard: Heard, out: &mut Vec<Output>) -> bool {
        if self.spec.preempt_delay.is_zero() {
            return false;
        }
        let until = *self.preempt_at.get_or_insert_with(|| {
            out.push(Output::Note(Note::PreemptDelayed { from: heard.from, delay: self.spec.preempt_delay }));
            heard.at + self.spec.preempt_delay
        });
        heard.at < until
    }

    fn accept(&mut self, heard: Heard) {
        self.learn(heard);
        self.master = Some(heard);
        self.ready = false;
        self.await_silence(heard.at);
    }

    /// The silence of the master is measured from `from`.
    fn await_silence(&mut self, from: Instant) {
        self.quiet_since = from;
        self.resigned = None;
        self.set_master_down(from.max(self.not_before) + self.master_down());
    }

    /// Nobody listened for the last `late`: what was not heard then is no silence. The master gets the time for one
    /// more advert before it is taken for dead.
    fn distrust_silence(&mut self, now: Instant, late: Duration, master_down_at: Instant, out: &mut Vec<Output>) {
        if late < self.master_interval || now < master_down_at {
            return;
        }
        out.push(Output::Note(Note::Overslept { late }));
        self.set_master_down(now + self.master_interval + self.skew());
    }

    /// The successor has announced the addresses, or has had the time for it.
    fn release(&mut self, master_down_at: Instant, out: &mut Vec<Output>) {
        self.state = State::Backup { master_down_at, release_at: None };
        out.push(Output::Note(Note::Released));
    }
}
