//! A running router as values, and a router that runs on from values: for forecasts.

use super::instance::{Grouping, Heard, Instance, Rivalry};
use super::spec::Spec;
use super::state::{Conditions, Hold, Role, State, Then};
use crate::time::Instant;
use std::net::IpAddr;

/// Where a router stands, beside its spec and its conditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    pub role: Role,
    pub since: Instant,
    pub hold: Option<Hold>,
    /// Fenced, and no silence makes it master.
    pub barred: bool,
    /// Living masters are left alone, whatever their priority.
    pub paused: bool,
    pub master: Option<Heard>,
    pub not_before: Instant,
    pub master_interval: crate::time::Duration,
    pub quiet_since: Instant,
    pub resigned: Option<IpAddr>,
    pub preempt_at: Option<Instant>,
    pub ready: bool,
    /// Of a master: its next advert. Of a backup: when the master is taken for dead. Of one that yields: until when.
    pub due: Option<Instant>,
    pub release_at: Option<Instant>,
    pub yields_since: Option<Instant>,
    pub succeeded: bool,
    /// Yielding, and the addresses go even if nobody takes them.
    pub releases: bool,
    pub gave_in: bool,
    pub gives_in_at: Option<Instant>,
    pub adopting: bool,
    pub stopped: bool,
}

impl Instance {
    /// Where it stands. Announcements that are due are not part of it, nor what a master has slept.
    pub fn moment(&self) -> Moment {
        let (due, release_at) = match self.state {
            State::Master { next_advert_at, .. } => (Some(next_advert_at), None),
            State::Backup { master_down_at, release_at } => (Some(master_down_at), release_at),
            State::Yielding { until, .. } => (Some(until), None),
            State::Fault { release_at } => (None, release_at),
            State::Init | State::Adopting { .. } | State::Stopped => (None, None),
        };
        let (yields_since, succeeded) = match self.state {
            State::Yielding { since, succeeded, .. } => (Some(since), succeeded),
            _ => (None, false),
        };
        Moment {
            role: self.state.role(),
            since: self.since,
            hold: self.hold,
            barred: self.barred,
            paused: self.paused,
            master: self.master,
            not_before: self.not_before,
            master_interval: self.master_interval,
            quiet_since: self.quiet_since,
            resigned: self.resigned,
            preempt_at: self.preempt_at,
            ready: self.ready,
            due,
            release_at,
            yields_since,
            succeeded,
            releases: matches!(self.state, State::Yielding { then: Then::Release, .. }),
            gave_in: self.rivalry == Rivalry::GaveIn,
            gives_in_at: match self.rivalry {
                Rivalry::Contested { give_in_at } => Some(give_in_at),
                Rivalry::None | Rivalry::GaveIn => None,
            },
            adopting: matches!(self.state, State::Adopting { .. }),
            stopped: self.state == State::Stopped,
        }
    }

    /// A router that runs on from `moment`. None: it does not say enough, or the router is out of the protocol.
    pub fn resume(spec: Spec, conditions: Conditions, grouping: Grouping, moment: Moment) -> Option<Self> {
        if moment.adopting || moment.stopped {
            return None;
        }
        let then = if moment.releases { Then::Release } else { Then::Serve };
        let state = match (moment.role, moment.yields_since, moment.due) {
            (Role::Init, ..) => State::Init,
            (Role::Fault, ..) => State::Fault { release_at: moment.release_at },
            (Role::Backup, Some(since), Some(until)) => {
                State::Yielding { since, until, succeeded: moment.succeeded, then }
            }
            (Role::Backup, None, Some(master_down_at)) => {
                State::Backup { master_down_at, release_at: moment.release_at }
            }
            (Role::Master, _, Some(next_advert_at)) => {
                State::Master { next_advert_at, announce_at: None, refresh_at: None }
            }
            (Role::Backup | Role::Master, _, None) => return None,
        };
        let rivalry = match (moment.gave_in, moment.gives_in_at) {
            (true, _) => Rivalry::GaveIn,
            (false, Some(give_in_at)) => Rivalry::Contested { give_in_at },
            (false, None) => Rivalry::None,
        };
        Some(Self {
            spec,
            state,
            since: moment.since,
            hold: moment.hold,
            barred: moment.barred,
            paused: moment.paused,
            conditions,
            grouping,
            not_before: moment.not_before,
            master: moment.master,
            master_interval: moment.master_interval,
            quiet_since: moment.quiet_since,
            resigned: moment.resigned,
            preempt_at: moment.preempt_at,
            ready: moment.ready,
            overslept: None,
            rivalry,
        })
    }
}
