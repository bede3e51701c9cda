//! What is watched for trackers beside links and scripts.

use super::files::FileWatch;
use super::processes::ProcessWatch;
use crate::engine::{Engine, Input};
use anyhow::Context;
use tokio::sync::mpsc::UnboundedSender;

pub(super) struct Watches {
    files: FileWatch,
    processes: ProcessWatch,
    results: UnboundedSender<Input>,
}

impl Watches {
    pub(super) fn start(engine: &Engine, results: UnboundedSender<Input>) -> anyhow::Result<Self> {
        let files = FileWatch::start(engine.watched_files(), engine.makes_files(), results.clone())
            .context("start the thread for files")?;
        let processes = ProcessWatch::start(engine.watched_processes(), results.clone());
        Ok(Self { files, processes: processes.context("start the thread for processes")?, results })
    }

    /// From now on what this engine tracks.
    pub(super) fn need(&mut self, engine: &Engine) {
        let files = self.files.need(engine.watched_files());
        let processes = self.processes.need(engine.watched_processes());
        for problem in files.into_iter().chain(processes) {
            // It is this engine that takes it.
            let _ = self.results.send(problem);
        }
    }
}
