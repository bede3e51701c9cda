//! A director's engine: start it, and wait until it answers.

use super::program::Starter;
use crate::lab::scenario::Director;
use crate::sys::small_files;
use anyhow::Context;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::process::Child;
use tokio::time::{Instant, sleep};

/// One director.
#[derive(Debug)]
pub(super) struct Engine {
    pub(super) director: &'static Director,
    /// None: it has ended, or was crashed.
    pub(super) child: Option<Child>,
    pub(super) dataplane: Option<String>,
    pub(super) problem: Option<String>,
    pub(super) cut: bool,
}

impl Engine {
    pub(super) const fn new(director: &'static Director) -> Self {
        Self { director, child: None, dataplane: None, problem: None, cut: false }
    }

    pub(super) const fn name(&self) -> &'static str {
        self.director.machine.name
    }

    pub(super) fn socket(&self, starter: &Starter) -> PathBuf {
        starter.file(self.name(), "sock")
    }

    /// It need not answer yet when this returns.
    pub(super) fn start(&mut self, starter: &Starter) -> anyhow::Result<()> {
        let file = starter.file(self.name(), "conf");
        small_files::write(&file, self.director.configuration)?;
        let (file, socket) = (path(file)?, path(self.socket(starter))?);
        // The lab is the machine: it switches engines off, and nothing in that machine is to start them again.
        let state = path(starter.file(self.name(), "state"))?;
        let arguments = ["run", "--headless", "--no-guard", "--file", &file, "--control", &socket, "--state", &state];
        self.child = Some(starter.start(self.name(), &arguments, Stdio::null())?);
        self.problem = None;
        Ok(())
    }

    /// Asks it over its socket until it answers, ends, or takes too long; what it said is in `dataplane` or `problem`.
    pub(super) async fn settle(&mut self, starter: &Starter) {
        let give_up_at = Instant::now() + PATIENCE;
        let Ok(socket) = path(self.socket(starter)) else { return };
        loop {
            match starter.output(self.name(), &["status", "--json", "--at", &socket]).await {
                Ok(status) => return self.note(&status),
                Err(error) if Instant::now() > give_up_at => {
                    self.problem = Some(format!("no answer in {} s: {error:#}", PATIENCE.as_secs()));
                    return;
                }
                Err(_not_yet) => {}
            }
            if self.has_ended(starter) {
                return;
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    fn note(&mut self, status: &str) {
        let parsed = serde_json::from_str::<serde_json::Value>(status).ok();
        let kind = parsed.as_ref().and_then(|s| s.pointer("/node/dataplane/kind")).and_then(|k| k.as_str());
        self.dataplane = kind.map(str::to_owned);
        if kind.is_none() {
            self.problem = Some("its status does not say what serves the virtual services".into());
        }
    }

    /// Notices an engine that ended by itself.
    pub(super) fn has_ended(&mut self, starter: &Starter) -> bool {
        let Some(child) = &mut self.child else { return true };
        let Ok(Some(status)) = child.try_wait() else { return false };
        self.child = None;
        self.problem = Some(obituary(status, starter.last_complaint(self.name())));
        true
    }

    pub(super) async fn crash(&mut self) -> std::io::Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill().await?;
        }
        self.problem = None;
        Ok(())
    }
}

fn obituary(status: ExitStatus, complaint: Option<String>) -> String {
    complaint.map_or_else(|| status.to_string(), |line| format!("{status}: {line}"))
}

fn path(path: PathBuf) -> anyhow::Result<String> {
    let shown = path.display().to_string();
    path.into_os_string().into_string().ok().with_context(|| format!("{shown} is not UTF-8"))
}

/// How long an engine may take to answer on its socket.
const PATIENCE: Duration = Duration::from_secs(10);
