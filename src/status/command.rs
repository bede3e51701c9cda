//! What an operator asks for.

use super::intent::AtDeadline;
use super::snapshot::Role;
use crate::kernel::{DestinationKey, ServiceKey};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A command with who asks and why. `POST /v1/commands` takes it as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    #[serde(flatten)]
    pub command: Command,
    /// For the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Filled in by the link from the peer's credentials; what a client writes here is replaced.
    #[serde(default)]
    pub actor: Actor,
}

/// Subjects are named, never counted; `seen` is the state the asker believed in, so that a command meant for another
/// situation is rejected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "lowercase", deny_unknown_fields)]
pub enum Command {
    /// Step down gently and stay at priority 1 until restored: the addresses stay until a successor is heard.
    Demote {
        instance: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seen: Option<Role>,
    },
    /// Lift a demotion or a takeover.
    Restore { instance: String },
    /// Become MASTER with priority 254 until restored.
    Takeover {
        instance: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seen: Option<Role>,
    },
    /// No new connections to this real server; in one virtual service, or in all that have it. Of one that drains
    /// already, another deadline and so on.
    Drain {
        real: DestinationKey,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        service: Option<ServiceKey>,
        /// From now on; none: no deadline.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        deadline_seconds: Option<u32>,
        /// What happens if connections are left then.
        #[serde(default)]
        then: AtDeadline,
        /// Clients that stick to the server are sent elsewhere.
        #[serde(default)]
        ignore_persistence: bool,
    },
    /// Down for maintenance: like a drain that resets everything at once, and leaves the table.
    Maint {
        real: DestinationKey,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        service: Option<ServiceKey>,
    },
    /// Reset the connections that a draining server still has.
    Reset {
        real: DestinationKey,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        service: Option<ServiceKey>,
    },
    /// Back into service with the weight of the file: lifts drain, maintenance and weight.
    #[serde(alias = "undrain")]
    Return {
        real: DestinationKey,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        service: Option<ServiceKey>,
        /// The weight grows for so long; none: it is whole at once.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        slow_start_seconds: Option<u32>,
    },
    /// Read the configuration anew and change what differs; or only say what would change.
    Reload {
        #[serde(default)]
        dry_run: bool,
    },
    /// Start the engine again, from the program's file as it is now: roles and addresses go on.
    Restart {},
    /// Run the checks of this real server at once; in one virtual service, or in all that have it.
    #[serde(rename = "check-now")]
    CheckNow {
        real: DestinationKey,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        service: Option<ServiceKey>,
    },
    /// Keep a note on the timeline; without a text, a mark.
    Note {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
    },
    /// Another weight than the file's, until returned.
    Weight {
        real: DestinationKey,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        service: Option<ServiceKey>,
        weight: u32,
    },
}

impl Command {
    /// The verb, as in the key table and on the command line.
    pub const fn verb(&self) -> &'static str {
        match self {
            Self::Demote { .. } => "demote",
            Self::Restore { .. } => "restore",
            Self::Takeover { .. } => "takeover",
            Self::Drain { .. } => "drain",
            Self::Maint { .. } => "maint",
            Self::Reset { .. } => "reset",
            Self::Return { .. } => "return",
            Self::Weight { .. } => "weight",
            Self::CheckNow { .. } => "check-now",
            Self::Note { .. } => "note",
            Self::Reload { .. } => "reload",
            Self::Restart {} => "restart",
        }
    }

    /// The instance it is about, if it is about one.
    pub fn instance(&self) -> Option<&str> {
        match self {
            Self::Demote { instance, .. } | Self::Restore { instance } | Self::Takeover { instance, .. } => {
                Some(instance)
            }
            Self::Drain { .. }
            | Self::Maint { .. }
            | Self::Reset { .. }
            | Self::Return { .. }
            | Self::CheckNow { .. }
            | Self::Weight { .. }
            | Self::Note { .. }
            | Self::Reload { .. }
            | Self::Restart {} => None,
        }
    }
}

/// As the words of the equal command line, without the program's name.
impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |service: &Option<ServiceKey>| service.map(|s| format!(" of {s}")).unwrap_or_default();
        match self {
            Self::Demote { instance, .. } => write!(f, "demote {instance}"),
            Self::Restore { instance } => write!(f, "restore {instance}"),
            Self::Takeover { instance, .. } => write!(f, "takeover {instance}"),
            Self::CheckNow { real, service } => write!(f, "check-now {real}{}", of(service)),
            Self::Drain { real, service, deadline_seconds, then, ignore_persistence } => {
                write!(f, "drain {real}{}", of(service))?;
                if let Some(seconds) = deadline_seconds {
                    write!(f, " --deadline {seconds}s --then {then}")?;
                }
                if *ignore_persistence { write!(f, " --ignore-persistence") } else { Ok(()) }
            }
            Self::Maint { real, service } => write!(f, "maint {real}{}", of(service)),
            Self::Reset { real, service } => write!(f, "reset {real}{}", of(service)),
            Self::Return { real, service, slow_start_seconds } => {
                write!(f, "return {real}{}", of(service))?;
                slow_start_seconds.map_or(Ok(()), |seconds| write!(f, " --slow-start {seconds}s"))
            }
            Self::Reload { dry_run: false } => write!(f, "reload"),
            Self::Reload { dry_run: true } => write!(f, "reload --dry-run"),
            Self::Note { text: Some(text) } => write!(f, "note \"{text}\""),
            Self::Note { text: None } => write!(f, "note"),
            Self::Restart {} => write!(f, "restart"),
            Self::Weight { real, service, weight } => write!(f, "weight {real}{} {weight}", of(service)),
        }
    }
}

/// Who asks, and from where.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    pub user: String,
    /// "local socket", "lab", "ssh from 192.0.2.1".
    pub from: String,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.user, self.from)
    }
}

/// A command is accepted or rejected with a reason, never ignored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "lowercase")]
pub enum Reply {
    /// What happens now, in a sentence.
    Accepted { text: String },
    /// Why not, in a sentence.
    Rejected { reason: String },
}
