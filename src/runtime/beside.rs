//! What works beside the engine's loop and needs nothing of it: scripts, FIFOs, mail, scheduling, signs of life,
//! the log.

use super::fifos::{Fifos, readers};
use super::journal::Journal;
use super::mail::Mailer;
use super::notify::Notifier;
use super::scheduling::Scheduling;
use super::watchdog::Watchdog;
use crate::control::Board;
use crate::engine::{Engine, Input};
use crate::settings::Settings;
use anyhow::Context;
use std::sync::Arc;
use tokio::sync::mpsc::UnboundedSender;

pub(super) struct Beside {
    pub(super) notifier: Notifier,
    pub(super) fifos: Fifos,
    pub(super) mailer: Mailer,
    pub(super) scheduling: Scheduling,
    pub(super) watchdog: Watchdog,
    pub(super) journal: Journal,
}

impl Beside {
    /// On the engine's thread, within its runtime, after all other threads: those that a thread starts begin as it is
    /// scheduled.
    pub(super) fn start(
        engine: &Engine,
        settings: &Settings,
        board: &Arc<Board>,
        results: &UnboundedSender<Input>,
    ) -> anyhow::Result<Self> {
        let nul = settings.notify.lvs_fifo_nul;
        let fifos = Fifos::start(engine.fifos(), nul, results.clone()).context("start the thread for FIFOs")?;
        let mailer = Mailer::start(engine.mail(), settings.mail.clone(), results.clone());
        let mailer = mailer.context("start the thread for mail")?;
        let notifier = Notifier::start(results.clone()).context("start the thread for notify scripts")?;
        notifier.read(readers(engine.fifos()));
        let journal = Journal::start(board.clone()).context("start the thread for the log")?;
        let scheduling = Scheduling::start(engine.process_options(), results.clone());
        Ok(Self { notifier, fifos, mailer, scheduling, watchdog: Watchdog::of_environment(), journal })
    }

    /// The engine has another configuration.
    pub(super) fn follow(&mut self, engine: &Engine) -> Option<Input> {
        self.mailer.need(engine.mail());
        self.scheduling.need(engine.process_options());
        self.notifier.read(readers(engine.fifos()));
        self.fifos.need(engine.fifos())
    }
}
