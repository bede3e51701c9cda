//! One node as a console sees it.

use super::board::Board;
use crate::status::{Ask, Reply, Stage, StageAction};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::{mpsc, oneshot, watch};

/// Everything a console needs of one node, wherever its engine runs.
#[derive(Debug)]
pub struct Feed {
    /// What the operator called it: a socket's path, a name, `ssh://host`. Its snapshots say its own name.
    pub label: String,
    pub board: Arc<Board>,
    pub connection: watch::Receiver<Connection>,
    pub requests: mpsc::Sender<Request>,
}

/// Whether the node answers. A snapshot of a node that is not `Live` is stale: it is shown with its age.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Connection {
    Connecting,
    Live,
    /// Since when, on this machine's clock, and why, in words.
    Lost {
        since: Instant,
        why: String,
    },
}

/// A command on its way to a node.
#[derive(Debug)]
pub struct Request {
    pub ask: Ask,
    /// Dropped without an answer: the link was lost, and what became of the command is not known.
    pub reply: oneshot::Sender<Reply>,
}

/// The stage around the nodes, in `demo` and `lab`.
#[derive(Debug)]
pub struct StageFeed {
    pub stage: watch::Receiver<Stage>,
    pub requests: mpsc::Sender<StageRequest>,
}

#[derive(Debug)]
pub struct StageRequest {
    pub action: StageAction,
    pub reply: oneshot::Sender<Reply>,
}
