//! The terminal interface: feeds in, requests out.

use crate::control::{Feed, StageFeed};
use crate::settings;
use crate::status::Mode;

/// What a console is opened on.
#[derive(Debug)]
pub struct Start {
    /// The cluster's name on the first line.
    pub title: String,
    pub mode: Mode,
    pub feeds: Vec<Feed>,
    /// Demo and lab: what surrounds the nodes.
    pub stage: Option<StageFeed>,
    pub look: settings::Console,
    /// `run`: leaving may also stop the engine, so leaving asks which.
    pub owns_engine: bool,
}

/// How the operator left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// The engines go on.
    Detached,
    /// `run` only: the engine is to be stopped.
    StopEngine,
    /// The terminal went away: the engines go on.
    TerminalGone,
}

/// Opens the console on this process's terminal and blocks until it is left. The terminal is restored, also after a
/// panic or a signal.
pub fn run(_start: Start) -> anyhow::Result<Left> {
    anyhow::bail!("not built yet")
}
