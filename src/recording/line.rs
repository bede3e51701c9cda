//! What is written: one line for each thing that a console was fed, or an engine published.

use crate::status::{ClockOffset, Event, Mode, Snapshot, Stage};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;

/// Grows when an older program would misread a recording.
pub const FORMAT: u32 = 1;

/// The word that every recording begins with.
pub(super) const MAGIC: &str = "recording";

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// `recording`.
    pub vipdeck: String,
    pub format: u32,
    /// Of the program that wrote it.
    pub version: String,
    pub title: String,
    /// Of the world that was recorded.
    pub mode: Mode,
    /// What the operator called the nodes.
    pub nodes: Vec<String>,
    pub has_stage: bool,
    /// Names and addresses are stand-ins.
    #[serde(default)]
    pub privacy: bool,
}

impl Header {
    pub fn new(title: &str, mode: Mode, nodes: Vec<String>, has_stage: bool) -> Self {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let (vipdeck, title) = (MAGIC.to_owned(), title.to_owned());
        Self { vipdeck, format: FORMAT, version, title, mode, nodes, has_stage, privacy: false }
    }
}

/// One moment on both clocks, in microseconds: the recorder's monotonic one (of a journal the engine's, of a console's
/// recording the console's), and the wall's since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Moment {
    pub at: u64,
    pub wall: u64,
}

/// The way to a node, with times on the console's clock.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Link {
    #[default]
    Connecting,
    Live,
    Lost {
        since: u64,
        why: String,
    },
}

/// Something that was fed to a console.
#[derive(Clone, Debug, PartialEq)]
pub enum Fed {
    Snapshot {
        node: usize,
        snapshot: Option<Arc<Snapshot>>,
    },
    Events {
        node: usize,
        events: Vec<Arc<Event>>,
    },
    Link {
        node: usize,
        link: Link,
    },
    Stage(Stage),
    /// How far the node's clock is from the console's.
    Clock {
        node: usize,
        offset: Option<ClockOffset>,
    },
    /// What an operator noted, or a moment that was marked.
    Note(Arc<Event>),
}

/// A line as it is read.
#[derive(Debug, Deserialize)]
pub(super) struct Line {
    #[serde(flatten)]
    pub(super) moment: Moment,
    #[serde(flatten)]
    pub(super) what: What,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum What {
    Open(Open),
    /// A whole snapshot of a node; null: it has none any more.
    Full(usize, Value),
    /// What changed since its last one.
    Diff(usize, Value),
    Events(usize, Vec<Arc<Event>>),
    Link(usize, Link),
    Clock(usize, Option<ClockOffset>),
    Stage(Value),
    Scene(Value),
    Note(Arc<Event>),
}

/// The state that a part begins with.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Open {
    /// The last snapshot of each node; null: none.
    pub(super) nodes: Vec<Value>,
    pub(super) stage: Value,
    /// What else the recorder knew.
    pub(super) picture: Value,
}

/// What the first pass over a recording looks at.
#[derive(Debug, Deserialize)]
pub(super) struct Brief {
    pub(super) at: u64,
    pub(super) wall: u64,
    pub(super) events: Option<(usize, Vec<Arc<Event>>)>,
    /// Events from before the recording.
    pub(super) past: Option<(usize, Vec<Arc<Event>>)>,
    pub(super) note: Option<Arc<Event>>,
}

impl Brief {
    pub(super) const fn moment(&self) -> Moment {
        Moment { at: self.at, wall: self.wall }
    }
}
