//! The states of a virtual router and what they depend on.
//!
//! ```text
//!            conditions good                    silence
//!   Init ───────────────────────▶ Backup ─────────────────────▶ Master
//!     ▲                           ▲  ▲  ◀───────────────────────  │ │
//!     │                 successor │  │      higher priority heard  │ │
//!     │                     heard │  │                             │ │ demote, stop
//!   Fault ◀── conditions bad ──── │  └─────── Yielding ◀───────────┼─┘
//!            (from any state)     │             │    silence       │
//!                                 └─────────────┘    └─────────────┘ (after a stop: Stopped)
//! ```

use super::adopting::Was;
use crate::time::{Instant, earliest};
use std::net::IpAddr;

/// What the virtual router is. Each state owns its timers, so a timer of another state cannot exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Not started, or waiting for the first result of a script that decides.
    Init,
    /// The engine was started again with the addresses still here; whether it may go on is not known yet.
    Adopting { was: Was },
    Backup {
        /// When the master is taken for dead.
        master_down_at: Instant,
        /// Lately master: the addresses stay until the successor has announced them, and no longer than this.
        release_at: Option<Instant>,
    },
    Master {
        next_advert_at: Instant,
        /// The next set of gratuitous ARP that follows an event, and how many announcements it has.
        announce_at: Option<(Instant, u32)>,
        /// The next periodic set.
        refresh_at: Option<Instant>,
    },
    /// BACKUP to the protocol, but still answering for the addresses until a successor is heard.
    Yielding {
        since: Instant,
        /// Nobody took over by then; or, once somebody was heard, nobody announced the addresses by then.
        until: Instant,
        /// A successor was heard.
        succeeded: bool,
        then: Then,
    },
    Fault {
        /// Lately master, and the link is good: the addresses stay until a successor has announced them, and no longer
        /// than this.
        release_at: Option<Instant>,
    },
    /// Out of the protocol for good.
    Stopped,
}

/// What follows when nobody took over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// Master again: somebody must hold the addresses.
    Serve,
    /// The addresses go all the same: an operator wants nobody rather than this router.
    Release,
    /// The engine is to end.
    Stop,
}

/// The state as the protocol and people see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Init,
    Backup,
    Master,
    Fault,
}

impl State {
    pub const fn role(&self) -> Role {
        match self {
            Self::Init | Self::Adopting { .. } | Self::Stopped => Role::Init,
            Self::Backup { .. } | Self::Yielding { .. } => Role::Backup,
            Self::Master { .. } => Role::Master,
            Self::Fault { .. } => Role::Fault,
        }
    }

    /// Whether this router answers for the addresses.
    pub const fn wants_addresses(&self) -> bool {
        match self {
            Self::Adopting { .. } | Self::Master { .. } | Self::Yielding { .. } => true,
            Self::Backup { release_at, .. } | Self::Fault { release_at } => release_at.is_some(),
            Self::Init | Self::Stopped => false,
        }
    }

    /// When something is due.
    pub fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Init | Self::Adopting { .. } | Self::Stopped => None,
            Self::Fault { release_at } => *release_at,
            Self::Backup { master_down_at, release_at } => earliest(Some(*master_down_at), *release_at),
            Self::Master { next_advert_at, announce_at, refresh_at } => {
                let announce_at = earliest(announce_at.map(|(at, _)| at), *refresh_at);
                earliest(Some(*next_advert_at), announce_at)
            }
            Self::Yielding { until, .. } => Some(*until),
        }
    }
}

/// An operator's override of the priority, until restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Hold {
    /// Priority 1.
    Demoted,
    /// Priority 1, and no takeover once another router has been heard.
    Fenced,
    /// Priority 254.
    Takeover,
}

/// One term of the effective priority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    pub label: String,
    pub value: i32,
    pub note: Option<String>,
}

/// Everything around the router that decides whether it may take part and with what priority: the link and the
/// trackers. Given whole at each change, so that it is derived and never toggled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    /// The address adverts leave from; none: the router cannot take part.
    pub source: Option<IpAddr>,
    /// Why it is in fault; none: it is not.
    pub faults: Vec<String>,
    /// What it waits for before it starts: the first result of an unweighted script.
    pub waiting: Vec<String>,
    /// What trackers add to the priority.
    pub terms: Vec<Term>,
}
