//! Adopting: the engine of this router ended and was started again, and the addresses are still here.

use super::cause::Cause;
use super::instance::{Input, Instance, Output};
use super::state::{Hold, State, Then};
use crate::time::Instant;
use serde::{Deserialize, Serialize};

/// What a router was when its engine ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Was {
    /// MASTER, since then.
    Master(Instant),
    /// BACKUP or FAULT to the protocol, answering for the addresses until a successor is heard.
    Answering,
}

impl Instance {
    /// A router that goes on where the one before it was ended. It keeps the addresses, and as soon as its conditions
    /// are known and good it advertises; the silence must have been too short for others to take over.
    #[must_use]
    pub fn adopting(spec: super::Spec, now: Instant, was: Was) -> Self {
        let fresh = Self::new(spec, now);
        Self { state: State::Adopting { was }, ..fresh }
    }

    /// Puts it under an operator's hold of before.
    #[must_use]
    pub const fn held(mut self, hold: Option<Hold>) -> Self {
        let goes_on = matches!(self.state, State::Adopting { .. });
        self.set_hold(hold, matches!(hold, Some(Hold::Fenced)) && !goes_on);
        self
    }

    pub(super) fn in_adopting(&mut self, now: Instant, input: Input, was: Was, out: &mut Vec<Output>) {
        match input {
            Input::Conditions(conditions) => {
                self.conditions = conditions;
                self.adopt(now, was, out);
            }
            Input::Demote => self.hold_back(Hold::Demoted, false, out),
            Input::Fence { force } => self.hold_back(Hold::Fenced, force, out),
            Input::Restore => self.restore(out),
            Input::Leave => self.enter(now, State::Stopped, Cause::Stopping, out),
            Input::Stop => {
                let until = now + self.stop_patience();
                let state = State::Yielding { since: now, until, succeeded: false, then: Then::Stop };
                self.enter(now, state, Cause::Stopping, out);
            }
            // What was heard is heard again; a result that is waited for does not end what was decided with one.
            Input::Heard(_)
            | Input::Announced
            | Input::Overslept(_)
            | Input::Deadline
            | Input::Group(_)
            | Input::Takeover => {}
        }
    }

    fn adopt(&mut self, now: Instant, was: Was, out: &mut Vec<Output>) {
        match was {
            _ if !self.conditions.faults.is_empty() => self.start_or_fault(now, out),
            Was::Master(since) => {
                self.become_master(now, Cause::Adopted, out);
                self.since = since;
            }
            Was::Answering => {
                let until = now + self.master_down();
                let state = State::Yielding { since: now, until, succeeded: false, then: Then::Serve };
                self.enter(now, state, Cause::Adopted, out);
            }
        }
    }
}
