//! Yielding: out of the election, and still answering for the addresses until a successor is heard.

use super::cause::{Cause, Note};
use super::instance::{ANNOUNCEMENT, Heard, Input, Instance, Order, Output};
use super::state::{Hold, State, Then};
use crate::time::Instant;

impl Instance {
    pub(super) fn in_yielding(&mut self, now: Instant, input: Input, out: &mut Vec<Output>) {
        let State::Yielding { since, until, succeeded, then } = self.state else { return };
        match input {
            Input::Conditions(conditions) => {
                self.conditions = conditions;
                match (self.conditions.faults.is_empty(), then) {
                    (true, _) => {}
                    (false, Then::Serve | Then::Release) => self.start_or_fault(now, out),
                    (false, Then::Stop) => self.enter(now, State::Stopped, Cause::Stopping, out),
                }
            }
            Input::Heard(heard) => self.hear_while_yielding(now, heard, out),
            Input::Announced if succeeded => self.enter(now, State::Stopped, Cause::Stopping, out),
            Input::Deadline if now >= until => match then {
                Then::Serve => self.become_master(now, Cause::NobodyTookOver { waited: now.since(since) }, out),
                Then::Release => self.become_backup(now, Cause::NobodyWanted { waited: now.since(since) }, out),
                Then::Stop => self.enter(now, State::Stopped, Cause::Stopping, out),
            },
            Input::Group(Order::Master { group }) => self.become_master(now, Cause::GroupReady { group }, out),
            Input::Group(Order::Backup { group, member }) if then != Then::Stop => {
                self.become_backup(now, Cause::GroupFollows { group, member }, out);
            }
            // Whoever stops waits for its own successor.
            Input::Deadline | Input::Announced | Input::Overslept(_) | Input::Group(Order::Backup { .. }) => {}
            Input::Demote => {
                self.hold_back(Hold::Demoted, false, out);
                self.state = State::Yielding { since, until, succeeded, then: Then::Serve };
            }
            Input::Fence { force } => {
                self.hold_back(Hold::Fenced, force, out);
                let then = if force { Then::Release } else { Then::Serve };
                self.state = State::Yielding { since, until, succeeded, then };
            }
            Input::Takeover => {
                self.set_hold(Some(Hold::Takeover), false);
                self.become_master(now, Cause::TakenOver, out);
            }
            Input::Restore => {
                // Nobody has taken over yet, and the addresses are still here.
                self.restore(out);
                self.become_master(now, Cause::Restored, out);
            }
            Input::Leave => self.enter(now, State::Stopped, Cause::Stopping, out),
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
            self.learn(heard);
            self.master = Some(heard);
            if !succeeded {
                let after = now.since(since);
                out.push(Output::Note(Note::HandedOver { to: heard.from, priority: heard.priority, after }));
            }
            match then {
                Then::Serve | Then::Release => self.become_backup(now, Cause::Demoted, out),
                Then::Stop => {
                    let until = until.min(now + ANNOUNCEMENT);
                    self.state = State::Yielding { since, until, succeeded: true, then };
                }
            }
        }
    }
}
