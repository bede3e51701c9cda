//! What surrounds the engines in `demo` and `lab`: virtual or real machines that may be crashed, cut and revived, the
//! clients that ask the VIPs, and the clock.

use crate::time::Duration;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::SocketAddr;

/// What kind of world the screen shows; the second field of its first line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Mode {
    /// Real engines.
    Live,
    /// Virtual nodes on a virtual clock.
    Lab,
    /// A recording.
    Replay,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Live => "LIVE",
            Self::Lab => "LAB",
            Self::Replay => "REPLAY",
        })
    }
}

/// The stage as it stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// "dual-master-dr".
    pub scenario: String,
    /// The virtual clock; none: real time.
    pub clock: Option<StageClock>,
    pub nodes: Vec<StageNode>,
    pub servers: Vec<StageServer>,
    /// One for each address that the client asks.
    pub clients: Vec<ClientView>,
}

impl Stage {
    /// Nobody on it yet, in real time.
    pub fn empty(scenario: &str) -> Self {
        Self { scenario: scenario.into(), clock: None, nodes: vec![], servers: vec![], clients: vec![] }
    }
}

/// The simulator's clock.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageClock {
    /// Virtual time since the start.
    pub now: Duration,
    pub paused: bool,
    /// Virtual seconds for each real one.
    pub speed: f64,
    pub seed: u64,
}

/// A machine that runs an engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageNode {
    /// The name its snapshots carry.
    pub name: String,
    pub alive: bool,
    /// Its link to the network is cut.
    pub cut: bool,
}

/// A web server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageServer {
    pub name: String,
    pub address: SocketAddr,
    pub state: ServerState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ServerState {
    Running,
    Stopped,
}

/// What the client sees of one VIP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientView {
    pub address: SocketAddr,
    pub asked: u64,
    pub answered: u64,
    /// The last names that answered, the newest last, at most eight.
    pub answers: Vec<String>,
    /// How long ago the last answer came; none: there was none.
    pub last_answer: Option<Duration>,
    /// The longest silence that has ended, and the present one if it is longer than the probe's interval.
    pub worst_outage: Duration,
    pub last_outage: Option<Duration>,
    pub outage_now: Option<Duration>,
    /// The time between two requests: the error of every outage.
    pub interval: Duration,
}

/// What an operator may do to the stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "kebab-case")]
pub enum StageAction {
    /// The engine ends at once, without a word (SIGKILL).
    Crash {
        node: String,
    },
    Revive {
        node: String,
    },
    /// Cut the node's link, or heal it.
    ToggleLink {
        node: String,
    },
    /// Stop a web server, or start it.
    ToggleServer {
        server: String,
    },
    /// The virtual clock only.
    TogglePause,
    /// The virtual clock only: to the next thing that happens.
    Step,
    Slower,
    Faster,
}
