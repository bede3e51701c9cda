//! What operators asked for and nobody has lifted: an overlay over the configuration.

use super::action::{AtExpiry, DemoteMode};
use super::command::Actor;
use crate::kernel::{DestinationKey, ServiceKey};
use crate::time::Duration;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// What happens when the time of a drain is over and connections are left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AtDeadline {
    /// Nothing but an alarm that names what can be done.
    #[default]
    Ask,
    /// Nothing: the drain goes on.
    Wait,
    /// The rest is reset.
    Reset,
    /// The server is put back into service.
    Return,
}

impl AtDeadline {
    pub const ALL: [Self; 4] = [Self::Ask, Self::Wait, Self::Reset, Self::Return];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Ask => "ask",
            Self::Wait => "wait",
            Self::Reset => "reset",
            Self::Return => "return",
        }
    }
}

impl fmt::Display for AtDeadline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for AtDeadline {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|a| a.name() == word);
        found.ok_or_else(|| format!("`{word}` is none of: ask, wait, reset, return"))
    }
}

/// One order that is in force until it is lifted. Times are microseconds since 1970: an order outlives its engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    #[serde(flatten)]
    pub asked: Asked,
    pub since_us: u64,
    #[serde(default)]
    pub by: Actor,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When its time is over; none: it holds until it is lifted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_us: Option<u64>,
    #[serde(default)]
    pub at_expiry: AtExpiry,
    /// Its time is over, and it goes on until somebody decides.
    #[serde(default)]
    pub expired: bool,
    /// The action that asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "kebab-case")]
pub enum Asked {
    Drain {
        service: ServiceKey,
        real: DestinationKey,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        deadline_us: Option<u64>,
        #[serde(default)]
        then: AtDeadline,
        #[serde(default)]
        ignore_persistence: bool,
        /// The deadline came, and what was to happen then has begun.
        #[serde(default)]
        overdue: bool,
        /// When the last connection ended.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        drained_us: Option<u64>,
    },
    Maint {
        service: ServiceKey,
        real: DestinationKey,
    },
    Weight {
        service: ServiceKey,
        real: DestinationKey,
        weight: u32,
    },
    /// Back in service, with a weight that grows.
    SlowStart {
        service: ServiceKey,
        real: DestinationKey,
        seconds: u32,
    },
    Demote {
        instance: String,
        #[serde(default)]
        mode: DemoteMode,
    },
    Takeover {
        instance: String,
    },
    /// No instance takes over from a living master.
    Pause {},
}

/// Of what there can be one order at a time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Slot {
    /// Out of service: draining or in maintenance.
    Out(ServiceKey, DestinationKey),
    Weight(ServiceKey, DestinationKey),
    Rising(ServiceKey, DestinationKey),
    Hold(String),
    Pause,
}

impl Asked {
    pub fn slot(&self) -> Slot {
        match self {
            Self::Drain { service, real, .. } | Self::Maint { service, real } => Slot::Out(*service, *real),
            Self::Weight { service, real, .. } => Slot::Weight(*service, *real),
            Self::SlowStart { service, real, .. } => Slot::Rising(*service, *real),
            Self::Demote { instance, .. } | Self::Takeover { instance } => Slot::Hold(instance.clone()),
            Self::Pause {} => Slot::Pause,
        }
    }

    /// The real server it is about, and the virtual service.
    pub const fn real(&self) -> Option<(ServiceKey, DestinationKey)> {
        match self {
            Self::Drain { service, real, .. }
            | Self::Maint { service, real }
            | Self::Weight { service, real, .. }
            | Self::SlowStart { service, real, .. } => Some((*service, *real)),
            Self::Demote { .. } | Self::Takeover { .. } | Self::Pause {} => None,
        }
    }

    pub fn instance(&self) -> Option<&str> {
        match self {
            Self::Demote { instance, .. } | Self::Takeover { instance } => Some(instance),
            _ => None,
        }
    }
}

/// As the words of the command that asks for it.
impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Drain { service, real, deadline_us, then, ignore_persistence, .. } => {
                write!(f, "drain {real} of {service}")?;
                if *ignore_persistence {
                    write!(f, " --ignore-persistence")?;
                }
                if deadline_us.is_some() {
                    write!(f, " --then {then}")?;
                }
                Ok(())
            }
            Self::Maint { service, real } => write!(f, "maint {real} of {service}"),
            Self::Weight { service, real, weight } => write!(f, "weight {real} of {service} {weight}"),
            Self::SlowStart { service, real, seconds } => {
                write!(f, "return {real} of {service} --slow-start {seconds}s")
            }
            Self::Demote { instance, mode: DemoteMode::Yield } => write!(f, "demote {instance}"),
            Self::Demote { instance, mode } => write!(f, "demote {instance} --mode {mode}"),
            Self::Takeover { instance } => write!(f, "takeover {instance}"),
            Self::Pause {} => write!(f, "pause"),
        }
    }
}

/// The orders of one node, and where they are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Intents {
    pub orders: Vec<IntentView>,
    /// No automatic preemption here; beside the orders, which an older console must understand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused: Option<IntentView>,
    /// The file; none: this engine keeps none.
    pub journal: Option<String>,
    /// Why what is in force is not on disk.
    pub problem: Option<String>,
}

/// One order as the overlay shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntentView {
    #[serde(flatten)]
    pub order: Order,
    /// The configuration has what it is about; if not, it waits for that.
    pub in_force: bool,
}

/// Back in service with a weight that grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rising {
    pub step: u32,
    pub steps: u32,
    /// The whole of it.
    pub over: Duration,
    /// What is left of it.
    pub left: Duration,
}
