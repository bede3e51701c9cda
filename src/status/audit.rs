//! The audit log: who asked for what, and what became of it.

use super::command::{Actor, Ask, Reply};
use serde::{Deserialize, Serialize};
use std::fmt;

/// One command, as it stands on a line of the log. Written when its result is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Counts on over all engines that wrote this log.
    pub seq: u64,
    /// When it was asked, microseconds since 1970.
    pub wall_us: u64,
    pub node: String,
    #[serde(flatten)]
    pub actor: Actor,
    /// `demote`, as in the key table and on the command line.
    pub verb: String,
    /// The words of the equal command line.
    pub command: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub result: AuditResult,
    /// What the engine answered.
    pub answer: String,
    /// How long it took to answer, in microseconds.
    #[serde(default)]
    pub took_us: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuditResult {
    Accepted,
    Rejected,
    /// The engine ended before it had answered: whether it was done is not known.
    Unanswered,
}

impl fmt::Display for AuditResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Unanswered => "unanswered",
        })
    }
}

impl AuditEntry {
    /// An entry without its number, which the log gives it; no reply: there was none.
    pub fn new(node: &str, wall_us: u64, ask: &Ask, reply: Option<&Reply>, took_us: u64) -> Self {
        let (result, answer) = match reply {
            Some(Reply::Accepted { text, .. }) => (AuditResult::Accepted, text.as_str()),
            Some(Reply::Rejected { reason }) => (AuditResult::Rejected, reason.as_str()),
            None => (AuditResult::Unanswered, "the engine ended before it had answered"),
        };
        Self {
            seq: 0,
            wall_us,
            node: node.to_owned(),
            actor: ask.actor.clone(),
            verb: ask.command.verb().to_owned(),
            command: ask.to_string(),
            reason: ask.reason.clone(),
            result,
            answer: answer.to_owned(),
            took_us,
        }
    }
}

/// `GET /v1/audit`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditList {
    pub node: String,
    /// Where the log is; none: this node keeps none.
    pub file: Option<String>,
    /// Oldest first.
    pub entries: Vec<AuditEntry>,
    /// There were earlier ones, which this engine has no more in memory: the file may have them.
    pub earlier: bool,
}
