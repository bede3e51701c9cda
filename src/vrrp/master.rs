//! MASTER: advertising, announcing, and answering who else believes to be it.

use super::cause::{Cause, Note};
use super::instance::{Heard, Input, Instance, Order, Output, Rivalry};
use super::spec::Version;
use super::state::{Hold, State, Then};
use crate::time::{Duration, Instant};

/// Long enough for skews of neighbouring priorities to differ by 0.4 ms.
const HASTE: Duration = Duration::from_millis(100);

/// The least time between two answers to a lower priority.
const ANSWER_PAUSE: Duration = Duration::from_millis(10);

impl Instance {
    pub(super) fn in_master(&mut self, now: Instant, input: Input, out: &mut Vec<Output>) {
        match input {
            Input::Conditions(conditions) => {
                self.conditions = conditions;
                if !self.conditions.faults.is_empty() {
                    self.resign(self.effective_priority(), out);
                    self.start_or_fault(now, out);
                }
            }
            Input::Heard(heard) => self.hear_as_master(now, heard, out),
            Input::Overslept(late) => self.oversleep(now, late, out),
            Input::Deadline => self.master_timers(now, out),
            Input::Group(Order::Backup { group, member }) => {
                self.become_backup(now, Cause::GroupFollows { group, member }, out);
            }
            Input::Announced | Input::Group(Order::Master { .. }) => {}
            Input::Demote => self.hand_over(now, Hold::Demoted, false, out),
            Input::Fence { force } => self.hand_over(now, Hold::Fenced, force, out),
            Input::Takeover => {
                self.set_hold(Some(Hold::Takeover), false);
                out.push(Output::Note(Note::Pinned));
                self.advertise_now(now, out);
            }
            Input::Restore => self.restore(out),
            Input::Leave => self.enter(now, State::Stopped, Cause::Stopping, out),
            Input::Stop => {
                self.resign(self.effective_priority(), out);
                let until = now + self.stop_patience();
                self.yield_until(now, until, Then::Stop, Cause::Stopping, out);
            }
        }
    }

    fn hand_over(&mut self, now: Instant, hold: Hold, anyway: bool, out: &mut Vec<Output>) {
        self.resign(self.effective_priority(), out);
        self.set_hold(Some(hold), anyway);
        let until = now + self.spec.master_down(1, self.master_interval);
        let then = if anyway { Then::Release } else { Then::Serve };
        self.yield_until(now, until, then, Cause::Demoted, out);
    }

    fn hear_as_master(&mut self, now: Instant, heard: Heard, out: &mut Vec<Output>) {
        let ours = self.effective_priority();
        if self.is_own(heard) {
            out.push(Output::Note(Note::OwnAddress { from: heard.from }));
        } else if heard.priority == 0 {
            // It may have been master until now, and have told the neighbours so.
            self.advertise_now(now, out);
            out.push(Output::Announce { repeat: self.spec.garp.lower_priority_repeat });
        } else if self.spec.is_owner() && heard.priority == 255 {
            self.meet_owner(now, heard, out);
        } else if self.beaten_by(heard, ours) {
            self.yield_to(now, heard, ours, out);
        } else if let (Some(late), false) = (self.overslept, self.spec.preempt) {
            // It became master while we slept, and whoever must not preempt leaves it so.
            self.learn(heard);
            self.master = Some(heard);
            self.become_backup(now, Cause::Overslept { late }, out);
        } else {
            self.answer_lower(now, heard, ours, out);
        }
    }

    fn yield_to(&mut self, now: Instant, heard: Heard, ours: u8, out: &mut Vec<Output>) {
        if self.spec.higher_prio_send_advert {
            out.push(Output::Advertise { priority: ours });
        }
        let cause = match self.conditions.source {
            Some(own) if heard.priority == ours => Cause::HigherAddress { from: heard.from, ours: own, priority: ours },
            _ => Cause::HigherPriority { from: heard.from, theirs: heard.priority, ours },
        };
        self.learn(heard);
        self.master = Some(heard);
        self.become_backup(now, cause, out);
    }

    /// Somebody did not hear us. Says who is master, and sets right what it may have told the neighbours.
    fn answer_lower(&mut self, now: Instant, heard: Heard, ours: u8, out: &mut Vec<Output>) {
        self.master = Some(heard);
        out.push(Output::Note(Note::LowerPriority { from: heard.from, theirs: heard.priority, ours }));
        if self.has_just_answered(now) {
            return;
        }
        if self.spec.lower_prio_no_advert {
            // The pause between answers is counted from the last advert otherwise.
            self.overslept = None;
        } else {
            self.advertise_now(now, out);
        }
        let garp = self.spec.garp;
        if garp.lower_priority_repeat == 0 {
            return;
        }
        out.push(Output::Announce { repeat: garp.lower_priority_repeat });
        if let State::Master { announce_at, .. } = &mut self.state
            && !garp.lower_priority_delay.is_zero()
        {
            *announce_at = Some((now + garp.lower_priority_delay, garp.lower_priority_repeat));
        }
    }

    /// Two owners: the lower address yields; the higher one insists, and gives in if the other stays.
    fn meet_owner(&mut self, now: Instant, heard: Heard, out: &mut Vec<Output>) {
        if self.spec.owner_ignore_adverts {
            return;
        }
        if self.beaten_by(heard, 255) {
            self.yield_to(now, heard, 255, out);
            return;
        }
        match self.rivalry {
            Rivalry::Contested { give_in_at } if now >= give_in_at => {
                self.rivalry = Rivalry::GaveIn;
                self.learn(heard);
                self.master = Some(heard);
                self.become_backup(now, Cause::RivalOwner { from: heard.from }, out);
            }
            Rivalry::Contested { .. } => {}
            Rivalry::None | Rivalry::GaveIn => {
                let longer = self.spec.interval.max(heard.interval);
                self.rivalry = Rivalry::Contested { give_in_at: now + longer + longer / 5 };
                out.push(Output::Note(Note::RivalOwner { from: heard.from }));
                out.push(Output::Advertise { priority: 255 });
                self.advertise_now(now, out);
                out.push(Output::Announce { repeat: self.spec.garp.lower_priority_repeat });
            }
        }
    }

    /// This engine slept as master: others may have taken over, and gone.
    fn oversleep(&mut self, now: Instant, late: Duration, out: &mut Vec<Output>) {
        let patience = |priority| self.spec.master_down(priority, self.spec.interval);
        let silent = late + self.spec.interval;
        if silent < patience(254) {
            return;
        }
        match self.spec.timer_expired_backup.filter(|_| !self.spec.preempt) {
            Some(priority) if silent > patience(priority) => {
                self.become_backup(now, Cause::Overslept { late }, out);
            }
            _ => {
                self.overslept = Some(late);
                out.push(Output::Note(Note::Overslept { late }));
            }
        }
    }

    fn master_timers(&mut self, now: Instant, out: &mut Vec<Output>) {
        let garp = self.spec.garp;
        let State::Master { next_advert_at, announce_at, refresh_at } = &mut self.state else { return };
        let advert_due = now >= *next_advert_at;
        if advert_due {
            // From the moment it was due, so that lateness does not add up; from now if a whole interval was missed.
            let next = *next_advert_at + self.spec.interval;
            *next_advert_at = if next > now { next } else { now + self.spec.interval };
        }
        let mut announce = announce_at.filter(|(at, _)| now >= *at).map(|(_, repeat)| repeat);
        if announce.is_some() {
            *announce_at = None;
        }
        if refresh_at.is_some_and(|at| now >= at) {
            *refresh_at = Some(now + garp.refresh);
            announce = announce.max(Some(garp.refresh_repeat));
        }
        if advert_due {
            out.push(Output::Advertise { priority: self.effective_priority() });
            if self.overslept.take().is_some() {
                announce = announce.max(Some(garp.repeat));
            }
        }
        if let Some(repeat) = announce {
            out.push(Output::Announce { repeat });
        }
    }

    /// Puts the next periodic advert where `beat` is within an interval of the engine's time: earlier by less than an
    /// interval, and after the last one.
    pub fn keep_beat(&mut self, beat: Duration) {
        let State::Master { next_advert_at, .. } = &mut self.state else { return };
        let interval = u64::try_from(self.spec.interval.as_micros()).unwrap_or(u64::MAX).max(1);
        let beat = u64::try_from(beat.as_micros()).unwrap_or_default() % interval;
        // Before the first beat there is nothing to keep.
        let off = next_advert_at.as_micros().checked_sub(beat).map_or(0, |since| since % interval);
        *next_advert_at = *next_advert_at - Duration::from_micros(off);
    }

    /// Priority 0. Backups wait their skew, which VRRPv3 counts in the master's interval (RFC 9568, 6.1 and 6.4.2): one
    /// last advert with a short one, and the successor is there within that.
    fn resign(&self, priority: u8, out: &mut Vec<Output>) {
        if self.spec.version == Version::V3 && self.spec.interval > HASTE {
            out.push(Output::Hasten { priority, interval: HASTE });
        }
        out.push(Output::Advertise { priority: 0 });
    }

    fn yield_until(&mut self, now: Instant, until: Instant, then: Then, cause: Cause, out: &mut Vec<Output>) {
        self.enter(now, State::Yielding { since: now, until, succeeded: false, then }, cause, out);
    }

    pub(super) fn advertise_now(&mut self, now: Instant, out: &mut Vec<Output>) {
        if let State::Master { next_advert_at, .. } = &mut self.state {
            *next_advert_at = now + self.spec.interval;
        }
        self.overslept = None;
        out.push(Output::Advertise { priority: self.effective_priority() });
    }

    /// A router that answers each advert at once with a lower one would otherwise be answered for ever.
    fn has_just_answered(&self, now: Instant) -> bool {
        let pause = ANSWER_PAUSE.min(self.spec.interval / 2);
        match self.state {
            State::Master { next_advert_at, announce_at, .. } => {
                let announced = announce_at.map(|(at, _)| at - self.spec.garp.lower_priority_delay);
                let last = if self.spec.lower_prio_no_advert {
                    announced.unwrap_or(Instant::ZERO)
                } else {
                    next_advert_at - self.spec.interval
                };
                now < last + pause
            }
            State::Init
            | State::Adopting { .. }
            | State::Backup { .. }
            | State::Yielding { .. }
            | State::Fault { .. }
            | State::Stopped => false,
        }
    }
}
