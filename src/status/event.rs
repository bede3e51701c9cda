//! Something that happened.

use super::reason::Reasons;
use crate::kernel::{DestinationKey, ServiceKey};
use crate::time::Instant;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use std::fmt;

/// One line of the history. Sequence numbers of one engine's life are consecutive: a jump is a gap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    pub seq: u64,
    pub at: Instant,
    /// Microseconds since 1970, UTC.
    pub wall_us: u64,
    pub node: String,
    pub subject: Subject,
    pub severity: Severity,
    /// Stable, for scripts: `state`, `address`, `announce`, `check`, `drain`, `command`, `refused`, `late` and so on.
    pub kind: String,
    /// What happened: "BACKUP → MASTER".
    pub text: String,
    /// Why: "no advert for 3.609 s; the last was from 192.0.2.11, priority 150".
    pub cause: Option<String>,
    /// What it follows from, link by link, what came from outside last.
    #[serde(default)]
    pub reasons: Reasons,
}

/// What it happened to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Subject {
    Node,
    Instance(String),
    Script(String),
    /// A tracked file.
    File(String),
    /// Tracked processes.
    Process(String),
    Bfd(String),
    Service(ServiceKey),
    Real(ServiceKey, DestinationKey),
    /// Of a newer engine, as text.
    #[serde(untagged, deserialize_with = "newer")]
    Newer(String),
}

fn newer<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let text = match Value::deserialize(from)? {
        Value::String(text) => text,
        other => other.to_string(),
    };
    Ok(text.chars().filter(|c| !c.is_control() && !"{}[]\"".contains(*c)).take(60).collect())
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node => f.pad("node"),
            Self::Instance(name)
            | Self::Script(name)
            | Self::File(name)
            | Self::Process(name)
            | Self::Bfd(name)
            | Self::Newer(name) => f.pad(name),
            Self::Service(key) => f.pad(&key.place()),
            Self::Real(_, real) => f.pad(&real.to_string()),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Detail of something planned.
    Info,
    /// Worth knowing.
    Notice,
    /// Less redundancy than configured, or something refused.
    Warning,
    /// Clients may notice; also what a newer engine has another word for.
    #[serde(other)]
    Alarm,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Info => "info",
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Alarm => "alarm",
        })
    }
}
