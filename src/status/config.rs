//! The configuration of one node: in few words for the snapshot, and whole for `GET /v1/config`.

use crate::time::Instant;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// What runs, in few bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigSummary {
    /// SHA-256 of all that the configuration means, passwords left out.
    pub effective: String,
    /// The same of the texts it was read from.
    pub texts: String,
    /// What the nodes of a cluster must have in common, by virtual router (`VRID 51 IPv4`) and virtual server: where two
    /// nodes have the same name and another digest, their configurations differ.
    pub shared: Arc<BTreeMap<String, String>>,
    /// At the start, or at the last reload.
    pub loaded_at: Instant,
    /// The file as it is on the disk; none: it has not been looked at yet.
    #[serde(default)]
    pub disk: Option<DiskLook>,
}

/// A look at the file, by a thread of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskLook {
    /// When it was looked at last, on the engine's clock.
    pub at: Instant,
    pub state: DiskState,
}

/// What the file on the disk is, compared with what runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum DiskState {
    Same,
    /// Other texts that mean the same.
    Rewritten,
    /// A reload would change something.
    Differs,
    /// A reload would be refused, with so many errors.
    Broken {
        errors: usize,
    },
    Unreadable {
        why: String,
    },
}

impl fmt::Display for DiskState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Same => f.write_str("the file on the disk is what runs"),
            Self::Rewritten => f.write_str("the file on the disk has another text that means the same"),
            Self::Differs => {
                f.write_str("the file on the disk differs from what runs: a reload would change something")
            }
            Self::Broken { errors } => {
                let s = if *errors == 1 { "" } else { "s" };
                write!(f, "the file on the disk has {errors} error{s}: a reload would be refused")
            }
            Self::Unreadable { why } => write!(f, "the file on the disk cannot be read: {why}"),
        }
    }
}

/// `GET /v1/config`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigReport {
    pub node: String,
    /// The file the engine was given.
    pub main: String,
    /// What lines `@ID …` are compared with.
    pub config_id: String,
    /// When it was loaded, microseconds since 1970.
    pub loaded_us: u64,
    /// Secrets are left out of the texts: the asker may look, not operate.
    pub masked: bool,
    pub running: ConfigText,
    /// Why the texts of what runs are not there.
    #[serde(default)]
    pub note: Option<String>,
    /// Microseconds since 1970; none: the disk has not been looked at yet.
    pub looked_us: Option<u64>,
    pub state: Option<DiskState>,
    /// The files as they are on the disk, unless they are what runs.
    #[serde(default)]
    pub disk: Option<ConfigText>,
}

/// A configuration as it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigText {
    pub effective: String,
    pub texts: String,
    /// The main file first, then what it includes, in the order of reading.
    pub files: Vec<ConfigFile>,
    /// Files that are left out because there are too many or they are too long.
    #[serde(default)]
    pub left_out: usize,
    pub problems: Vec<Problem>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigFile {
    pub path: String,
    pub text: String,
}

/// One diagnostic, as in `vipdeck check --json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// A stable name for the kind of problem, such as `unknown-keyword`.
    pub id: String,
    pub severity: Gravity,
    pub message: String,
    /// The blocks around the place, the outermost first: `vrrp_instance VI_1`.
    pub blocks: Vec<String>,
    /// The first is where the problem is.
    pub labels: Vec<Place>,
    pub help: Vec<String>,
}

/// How much a problem of a configuration matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Gravity {
    Note,
    Warning,
    Error,
}

impl fmt::Display for Gravity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// Lines and columns count from 1, columns in characters; the end is behind the last one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    pub file: String,
    pub line: usize,
    pub column: usize,
    pub end_line: usize,
    pub end_column: usize,
    pub text: String,
}
