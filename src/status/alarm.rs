//! An alarm: a sentence about something that is wrong, and who has seen it.

use super::command::Actor;
use super::event::Severity;
use serde::{Deserialize, Serialize};

/// In the order of their weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AlarmKind {
    /// Two owners of one address.
    Split,
    NoMaster,
    /// A service with fewer servers than it needs, or none.
    BelowQuorum,
    /// The stage says that the machine is crashed.
    Dead,
    /// A node that does not answer.
    Stale,
    /// One node hears the other, and is not heard by it.
    OneWay,
    /// What must be the same on all nodes is not.
    Configuration,
    /// A tracked script that cannot be run.
    Script,
    /// What an operator asked for runs out, or has run out.
    Hold,
    /// Somebody else changed what is ours in the kernel.
    Drift,
    Flapping,
    /// This engine woke late.
    Late,
    Fault,
    ServerDown,
    /// Any other judgement of an engine.
    Finding,
    /// Of a later version.
    #[serde(other)]
    Other,
}

impl AlarmKind {
    /// For the window's title and the list.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Split => "SPLIT",
            Self::NoMaster => "NO MASTER",
            Self::BelowQuorum => "BELOW QUORUM",
            Self::Dead => "DEAD",
            Self::Stale => "STALE",
            Self::OneWay => "ONE-WAY",
            Self::Configuration => "CONFIG",
            Self::Script => "SCRIPT",
            Self::Hold => "HOLD",
            Self::Drift => "DRIFT",
            Self::Flapping => "FLAPPING",
            Self::Late => "LATE",
            Self::Fault => "FAULT",
            Self::ServerDown => "SERVER DOWN",
            Self::Finding => "FINDING",
            Self::Other => "ALARM",
        }
    }

    /// The beginning of an alarm's identity.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Split => "split",
            Self::NoMaster => "no-master",
            Self::BelowQuorum => "below-quorum",
            Self::Dead => "dead",
            Self::Stale => "stale",
            Self::OneWay => "one-way",
            Self::Configuration => "configuration",
            Self::Script => "script",
            Self::Hold => "hold",
            Self::Drift => "drift",
            Self::Flapping => "flapping",
            Self::Late => "late",
            Self::Fault => "fault",
            Self::ServerDown => "server-down",
            Self::Finding => "finding",
            Self::Other => "other",
        }
    }
}

/// What, where, since when, what it means for users, what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alarm {
    /// Stable as long as it lasts, and the same for whoever judges: `split:VI_1`.
    pub id: String,
    pub kind: AlarmKind,
    pub severity: Severity,
    /// What and where, as a sentence without its time.
    pub text: String,
    /// What it means for users.
    pub meaning: String,
    /// What to do about it.
    pub advice: String,
    /// When it began, microseconds since 1970 on the clock of the node that says so; none: nobody knows.
    pub since_us: Option<u64>,
    /// The nodes that it is about.
    pub nodes: Vec<String>,
    #[serde(default)]
    pub acknowledged: Option<Acknowledged>,
}

/// That somebody has seen an alarm. It silences, and hides nothing; a later occurrence is another alarm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledged {
    /// [`Alarm::id`].
    pub alarm: String,
    /// [`Alarm::since_us`] of the occurrence; none: of every one before `at_us`.
    pub since_us: Option<u64>,
    pub by: Actor,
    /// Microseconds since 1970.
    pub at_us: u64,
    #[serde(default)]
    pub reason: Option<String>,
}

impl Acknowledged {
    /// Whether it is about this occurrence. Clocks of nodes, and what they say of one beginning, may differ a little.
    pub fn covers(&self, alarm: &Alarm) -> bool {
        const TOGETHER_US: u64 = 2_000_000;
        let until = self.since_us.unwrap_or(self.at_us).saturating_add(TOGETHER_US);
        self.alarm == alarm.id && alarm.since_us.is_none_or(|since| since <= until)
    }
}
