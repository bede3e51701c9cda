//! What operators did, what of it can be undone, and who is about to do what.

use super::command::Actor;
use crate::time::Instant;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// How far a demoted router stands back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DemoteMode {
    /// At priority 1: it takes over if everybody else falls silent.
    #[default]
    Yield,
    /// It never takes over until it is restored.
    Fence,
}

impl DemoteMode {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Yield => "yield",
            Self::Fence => "fence",
        }
    }
}

impl fmt::Display for DemoteMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for DemoteMode {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let found = [Self::Yield, Self::Fence].into_iter().find(|m| m.name() == word);
        found.ok_or_else(|| format!("`{word}` is none of: yield, fence"))
    }
}

/// What happens when the time of a hold is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AtExpiry {
    /// It goes on, and an alarm asks what to do.
    #[default]
    Stay,
    /// It is lifted.
    Restore,
}

impl AtExpiry {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stay => "stay",
            Self::Restore => "restore",
        }
    }
}

impl fmt::Display for AtExpiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for AtExpiry {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let found = [Self::Stay, Self::Restore].into_iter().find(|a| a.name() == word);
        found.ok_or_else(|| format!("`{word}` is none of: stay, restore"))
    }
}

/// One accepted command of an operator, as the list of changes shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// Of this node alone.
    pub id: u64,
    pub verb: String,
    /// What it is about: an instance, a real server, `node` or `all`.
    pub on: String,
    /// The equal command line, without the program's name.
    pub line: String,
    pub by: Actor,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Microseconds since 1970.
    pub at_us: u64,
    pub state: ActionState,
    /// It undoes itself then unless it is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_until_us: Option<u64>,
    /// What undo gives back; none: it cannot be undone, now or at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gives_back: Option<String>,
    /// What undo does not give back, or why there is no undo.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub does_not: Option<String>,
    /// What has happened to the same thing since, the oldest first.
    #[serde(default)]
    pub since: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ActionState {
    /// As it was done.
    Done,
    /// Undone by an operator.
    Undone,
    /// Undone by its own timer: nobody kept it.
    Reverted,
    /// What it was about has been changed by a later action.
    Superseded,
    /// What it asked for is over by itself.
    Ended,
}

impl fmt::Display for ActionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Done => "done",
            Self::Undone => "undone",
            Self::Reverted => "reverted",
            Self::Superseded => "superseded",
            Self::Ended => "ended",
        })
    }
}

/// Somebody is about to act on this: others ask them first. Ends with its time, or with the engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// As [`Action::on`].
    pub on: String,
    pub by: Actor,
    /// Tells the consoles of one user apart: `HOST:PID`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What is about to be done: a command line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    pub since: Instant,
    pub expires_at: Instant,
}
