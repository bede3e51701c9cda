//! Checks as they are shown.

use super::snapshot::{Snapshot, Verdict};
use crate::health::Record;
use crate::kernel::{DestinationKey, ServiceKey};
use crate::time::Instant;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::sync::Arc;

/// One check of one real server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckStatus {
    /// "HTTP_GET".
    pub method: String,
    /// What it looks at: an address, a command, a name.
    pub target: String,
    pub verdict: Verdict,
    /// It counts as down until it succeeds for the first time.
    pub alpha: bool,
    pub since: Instant,
    /// Failures in a row that have not changed the verdict yet, of `retry` + 1.
    pub failing: u32,
    pub retry: u32,
    pub running: bool,
    /// It waits for the address of its service to be here (`ha_suspend`).
    pub suspended: bool,
    /// None: it is running, waits, or is told when something changes.
    pub next_at: Option<Instant>,
    pub last: Option<Record>,
    /// The last runs, the newest last. Not part of the snapshot: `GET /v1/checks`.
    #[serde(skip)]
    pub history: Arc<VecDeque<Record>>,
}

/// All checks of an engine with their last runs: `GET /v1/checks`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckList {
    pub node: String,
    /// On the clock of the runs.
    pub at: Instant,
    pub reals: Vec<RealChecks>,
}

/// Those of one real server of one virtual service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RealChecks {
    pub service: ServiceKey,
    pub real: DestinationKey,
    pub checks: Vec<Runs>,
}

/// One check, and its last runs, the newest last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Runs {
    #[serde(flatten)]
    pub status: CheckStatus,
    pub runs: Vec<Record>,
}

impl CheckList {
    /// Those of a snapshot that was made in this process: over a link they come without their runs.
    pub fn of(snapshot: &Snapshot) -> Self {
        let runs = |status: &CheckStatus| Runs {
            runs: status.history.iter().cloned().collect(),
            status: CheckStatus { last: None, ..status.clone() },
        };
        let reals = snapshot.services.iter().flat_map(|service| {
            service.reals.iter().map(move |real| RealChecks {
                service: service.id,
                real: real.id,
                checks: real.checks.iter().map(runs).collect(),
            })
        });
        Self { node: snapshot.node.name.clone(), at: snapshot.at, reals: reals.collect() }
    }
}
