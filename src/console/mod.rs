//! The terminal interface: feeds in, requests out.
//!
//! [`model::Model`] is all that decides the picture, [`update::update`] its only writer, [`screens`] its pictures.
//! Keys mean what the table of [`keymap`] says; [`facts`] is what follows from the snapshots of all nodes. Only `app`
//! and `terminal` touch the world.

pub mod action;
mod alarms;
mod answer;
mod app;
mod ask;
pub mod changes;
mod clocks;
pub mod facts;
pub mod fields;
pub mod foresee;
mod intake;
pub mod keymap;
mod locks;
mod memo;
pub mod model;
pub mod palette;
pub mod papers;
pub mod picture;
pub mod plan;
pub mod prompt;
pub mod question;
pub mod replay;
mod rows;
pub mod screens;
pub mod state;
pub mod table;
pub mod tape;
mod terminal;
mod text;
pub mod theme;
pub mod update;
mod wire;

use crate::control::{Feed, StageFeed};
use crate::recording::Recording;
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
pub fn run(start: Start) -> anyhow::Result<Left> {
    app::run(start)
}

/// Opens the screens on a recording that came from `file`, and blocks until they are left.
pub fn replay(recording: Recording, file: String, look: settings::Console) -> anyhow::Result<()> {
    app::replay(recording, file, look)
}

/// Records what `feeds` say until `end`; the pieces are one file.
pub async fn record(
    title: &str,
    feeds: Vec<Feed>,
    end: impl Future<Output = ()>,
) -> anyhow::Result<Vec<std::sync::Arc<[u8]>>> {
    app::record(title, feeds, end).await
}
