//! What an operator asks for.

use super::action::{AtExpiry, DemoteMode};
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
    /// Tells the consoles of one user apart, as they name themselves: `HOST:PID`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// How long what is asked for is to hold, from now on; none: until it is lifted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_seconds: Option<u32>,
    /// What happens then; none: as is usual for the command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_expiry: Option<AtExpiry>,
    /// It undoes itself after so long unless it is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_seconds: Option<u32>,
    /// Over what it would be refused for: a lock of others, an address without an owner, a later change.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub force: bool,
    /// Of a fence: a node that the asker has seen ready to take over. A MASTER hears nobody, and would refuse; it serves on
    /// until a successor is heard all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stand_in: Option<String>,
}

impl Ask {
    /// Without a reason, an end or a condition.
    pub fn new(command: Command) -> Self {
        Self {
            command,
            reason: None,
            actor: Actor::default(),
            session: None,
            hold_seconds: None,
            at_expiry: None,
            keep_seconds: None,
            force: false,
            stand_in: None,
        }
    }
}

/// As the words of the equal command line, without the program's name and the reason.
impl fmt::Display for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.command)?;
        match (&self.command, self.hold_seconds) {
            (Command::Pause {}, None) => write!(f, " --for never")?,
            (Command::Pause {}, Some(seconds)) => write!(f, " --for {}", typed(seconds))?,
            (_, Some(seconds)) => write!(f, " --hold {}", typed(seconds))?,
            (_, None) => {}
        }
        if let Some(then) = self.at_expiry {
            let option = if matches!(self.command, Command::Drain { .. }) { "at-expiry" } else { "then" };
            write!(f, " --{option} {then}")?;
        }
        if let Some(seconds) = self.keep_seconds {
            write!(f, " --keep-within {}", typed(seconds))?;
        }
        if let Some(node) = &self.stand_in {
            write!(f, " --stand-in {node}")?;
        }
        if self.force { write!(f, " --force") } else { Ok(()) }
    }
}

/// Seconds as they are typed: 90s, 10m, 2h.
fn typed(seconds: u32) -> String {
    match seconds {
        s if s > 0 && s % 3600 == 0 => format!("{}h", s / 3600),
        s if s > 0 && s % 60 == 0 => format!("{}m", s / 60),
        s => format!("{s}s"),
    }
}

/// Subjects are named, never counted; `seen` is the state the asker believed in, so that a command meant for another
/// situation is rejected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "lowercase", deny_unknown_fields)]
pub enum Command {
    /// Step down gently and stay at priority 1 until restored: the addresses stay until a successor is heard. Of one
    /// that is demoted already, another mode and another end.
    Demote {
        instance: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seen: Option<Role>,
        #[serde(default)]
        mode: DemoteMode,
    },
    /// The same of every instance of the node.
    #[serde(rename = "demote-all")]
    DemoteAll {
        #[serde(default)]
        mode: DemoteMode,
    },
    /// Lift a demotion or a takeover.
    Restore {
        instance: String,
    },
    /// Of every instance of the node.
    #[serde(rename = "restore-all")]
    RestoreAll {},
    /// No instance of the node takes its addresses from a living master of lower priority.
    Pause {},
    /// Lift that.
    Resume {},
    /// Announce the addresses that an instance holds (gratuitous ARP, unsolicited neighbour advertisements).
    Announce {
        instance: String,
    },
    /// An action that would undo itself is to stay.
    Keep {
        id: u64,
    },
    /// Take an action back, as far as it can be; none: the last one that can.
    Undo {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<u64>,
    },
    /// Tell others that one is about to act on something: an instance, a real server, `node` or `all`. Asked again, it
    /// holds for longer.
    Lock {
        on: String,
        /// What is about to be done: a command line.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        plan: Option<String>,
        /// None: a minute.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seconds: Option<u32>,
    },
    Unlock {
        on: String,
    },
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
    /// This alarm has been seen; it changes nothing else.
    Acknowledge {
        /// As [`super::Alarm::id`].
        alarm: String,
        /// Which occurrence; none: every one until now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        since_us: Option<u64>,
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
            Self::Demote { .. } | Self::DemoteAll { .. } => "demote",
            Self::Restore { .. } | Self::RestoreAll {} => "restore",
            Self::Pause {} => "pause",
            Self::Resume {} => "resume",
            Self::Announce { .. } => "announce",
            Self::Keep { .. } => "keep",
            Self::Undo { .. } => "undo",
            Self::Lock { .. } => "lock",
            Self::Unlock { .. } => "unlock",
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
            Self::Acknowledge { .. } => "acknowledge",
        }
    }

    /// The alarm it is about, if it is about one.
    pub fn alarm(&self) -> Option<&str> {
        if let Self::Acknowledge { alarm, .. } = self { Some(alarm) } else { None }
    }

    /// The instance it is about, if it is about one.
    pub fn instance(&self) -> Option<&str> {
        match self {
            Self::Demote { instance, .. }
            | Self::Restore { instance }
            | Self::Takeover { instance, .. }
            | Self::Announce { instance } => Some(instance),
            _ => None,
        }
    }

    /// The real server it is about, if it is about one, and of which virtual service; none: of all that have it.
    pub const fn real(&self) -> Option<(DestinationKey, Option<ServiceKey>)> {
        match self {
            Self::Drain { real, service, .. }
            | Self::Maint { real, service }
            | Self::Reset { real, service }
            | Self::Return { real, service, .. }
            | Self::CheckNow { real, service }
            | Self::Weight { real, service, .. } => Some((*real, *service)),
            _ => None,
        }
    }

    /// What it acts on, as locks and the list of changes name it: an instance, a real server, `all`, `node`, an action.
    pub fn on(&self) -> String {
        match self {
            Self::DemoteAll { .. } | Self::RestoreAll {} => "all".into(),
            Self::Keep { id } | Self::Undo { id: Some(id) } => format!("action {id}"),
            Self::Undo { id: None } => "the last action".into(),
            Self::Lock { on, .. } | Self::Unlock { on } => on.clone(),
            _ => match (self.instance(), self.real()) {
                (Some(name), _) => name.to_owned(),
                (None, Some((real, _))) => real.to_string(),
                (None, None) => "node".into(),
            },
        }
    }
}

/// As the words of the equal command line, without the program's name.
impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |service: &Option<ServiceKey>| service.map(|s| format!(" of {s}")).unwrap_or_default();
        match self {
            Self::Demote { instance, mode: DemoteMode::Yield, .. } => write!(f, "demote {instance}"),
            Self::Demote { instance, mode, .. } => write!(f, "demote {instance} --mode {mode}"),
            Self::DemoteAll { mode: DemoteMode::Yield } => write!(f, "demote --all"),
            Self::DemoteAll { mode } => write!(f, "demote --all --mode {mode}"),
            Self::Restore { instance } => write!(f, "restore {instance}"),
            Self::RestoreAll {} => write!(f, "restore --all"),
            Self::Pause {} => write!(f, "pause"),
            Self::Resume {} => write!(f, "resume"),
            Self::Announce { instance } => write!(f, "announce {instance}"),
            Self::Keep { id } => write!(f, "keep {id}"),
            Self::Undo { id: Some(id) } => write!(f, "undo {id}"),
            Self::Undo { id: None } => write!(f, "undo"),
            Self::Lock { on, .. } => write!(f, "lock {on}"),
            Self::Unlock { on } => write!(f, "unlock {on}"),
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
            Self::Acknowledge { alarm, .. } => write!(f, "acknowledge {alarm}"),
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
    Accepted {
        text: String,
        /// By what it can be kept or undone; none: there is nothing to undo.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        action: Option<u64>,
    },
    /// Why not, in a sentence.
    Rejected { reason: String },
}

impl Reply {
    pub fn accepted(text: impl Into<String>) -> Self {
        Self::Accepted { text: text.into(), action: None }
    }
}
