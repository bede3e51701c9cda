//! What the lab's client and `lab --headless` say: one JSON object a line on their standard output.

use crate::status::{ClientView, Reply, Stage, StageAction};
use crate::time::Duration;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What the client has seen so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// One for each address that is asked.
    pub targets: Vec<Target>,
    /// How late the client itself was with a request, at worst: a silence may be its own by so much.
    pub worst_lateness: Duration,
}

/// What the client has seen of one address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    pub view: ClientView,
    /// Requests that got no answer within a second, or an error.
    pub lost: u64,
    /// Of those: requests that one immediate retry did not save.
    pub lost_after_retry: u64,
    /// The newest silences of more than two and a half intervals, less what the client was late itself; the oldest
    /// first.
    pub outages: Vec<Outage>,
    /// The downloads of some seconds that are begun twice a second.
    pub slow: Slow,
}

/// A silence: from the last answer before it to the first one after it. Wrong by at most the time between two requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outage {
    /// Counted from 1.
    pub number: u64,
    /// The last answer before it, microseconds since 1970.
    pub from_wall_us: u64,
    /// The first answer after it.
    pub until_wall_us: u64,
    pub length: Duration,
    /// How late the client itself was with a request meanwhile, at worst: part of the length that nobody else caused.
    pub own_lateness: Duration,
}

/// Long downloads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slow {
    pub open: u64,
    /// Arrived whole.
    pub complete: u64,
    /// Ended early, or never began.
    pub broken: u64,
}

/// What `lab --headless` prints, one JSON object a line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Line {
    /// First, when everything has been set up.
    Ready(Ready),
    /// Once a second.
    Seen { stage: Stage, report: Report },
    /// To an action from standard input.
    Answer { action: StageAction, reply: Reply },
    /// A line from standard input that is no action.
    Error { text: String },
}

/// Where everything is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    pub scenario: String,
    /// Sockets, configurations and logs.
    pub directory: PathBuf,
    /// The switch's network namespace.
    pub switch: String,
    pub nodes: Vec<ReadyNode>,
    pub servers: Vec<ReadyMachine>,
    pub client: ReadyMachine,
}

/// A machine with an engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadyNode {
    #[serde(flatten)]
    pub machine: ReadyMachine,
    /// The engine's control socket.
    pub socket: PathBuf,
    /// `ipvs`, `balancer`, `none`; none: the engine is not up.
    pub dataplane: Option<String>,
    /// Why the engine is not up.
    pub problem: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadyMachine {
    pub name: String,
    pub namespace: String,
    /// Of its program, if that is running.
    pub pid: Option<u32>,
}
