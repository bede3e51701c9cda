//! What is run and told when a state changes (keepalived.conf(5), notify_*).

use serde::{Deserialize, Serialize};

/// A program with its arguments; no shell is involved.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Command {
    pub argv: Vec<String>,
    /// None: the engine's own.
    pub user: Option<RunAs>,
}

/// Who runs a program, by name; resolved when it runs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RunAs {
    pub user: String,
    pub group: Option<String>,
}

/// The scripts of an instance or of a sync group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notify {
    /// Every state; kind, name, state and priority are appended.
    pub any: Option<Command>,
    pub master: Option<Command>,
    pub backup: Option<Command>,
    pub fault: Option<Command>,
    pub stop: Option<Command>,
    /// `notify_deleted`: an instance that a reload removes is DELETED instead of FAULT; perhaps with a script.
    pub deleted: Option<Option<Command>>,
    /// A master heard a lower priority.
    pub master_rx_lower_pri: Option<Command>,
    /// FIFO lines when the effective priority changes.
    pub priority_changes: bool,
    /// Mail on state changes.
    pub smtp_alert: bool,
}
