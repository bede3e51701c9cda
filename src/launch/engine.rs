//! The engine as a process of its own, for `run` with a console.
//!
//! Two processes, so that a console that is stopped, slow or killed cannot delay an advert: they share no thread, no
//! lock and no terminal.

use crate::control::{Target, client};
use crate::sys::detached;
use anyhow::{Context, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// For an engine to answer after its start.
const START: Duration = Duration::from_secs(15);
/// For an engine to hand its addresses over and leave.
const STOP: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(50);
/// What is shown of a long log.
const LOG_BYTES: u64 = 16 * 1024;

/// A started engine. Dropping this leaves it running.
#[derive(Debug)]
pub(super) struct Engine {
    child: Mutex<Child>,
    pid: Pid,
    log: PathBuf,
}

impl Engine {
    /// Starts this program again, without a screen or a terminal.
    pub(super) fn start(arguments: &[OsString], log: PathBuf) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("find this program's file")?;
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o640)
            .custom_flags(nix::libc::O_NOFOLLOW)
            .open(&log)
            .and_then(|file| file.set_len(0).map(|()| file))
            .with_context(|| format!("the engine's log: open {}", log.display()))?;
        let child = detached::spawn(&program, arguments, file)
            .with_context(|| format!("start the engine: run {}", program.display()))?;
        let pid = Pid::from_raw(child.id().try_into().context("the engine's process id")?);
        Ok(Self { child: Mutex::new(child), pid, log })
    }

    pub(super) const fn pid(&self) -> Pid {
        self.pid
    }

    /// Waits until it answers at `target`; an engine that ends instead is an error with what it said.
    pub(super) async fn answers(&self, target: &Target) -> anyhow::Result<()> {
        let deadline = Instant::now() + START;
        let mut last = String::new();
        while Instant::now() < deadline {
            if let Some(status) = self.ended() {
                bail!("the engine did not start ({status})\n{}", self.said());
            }
            match client::status(target).await {
                Ok(snapshot) if i64::from(snapshot.node.pid) == i64::from(self.pid.as_raw()) => return Ok(()),
                Ok(snapshot) => last = format!("another engine answers at {target}: pid {}", snapshot.node.pid),
                Err(failure) => last = failure.to_string(),
            }
            sleep(POLL).await;
        }
        self.stop().await?;
        bail!("the engine did not answer within {} s: {last}\n{}", START.as_secs(), self.said())
    }

    /// How it ended, if it has.
    pub(super) fn ended(&self) -> Option<ExitStatus> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner).try_wait().ok().flatten()
    }

    /// Asks it to end as a service manager would.
    pub(super) fn terminate(&self) {
        // Its number cannot belong to another process: nobody has waited for it but `ended`.
        if self.ended().is_none() {
            let _ = kill(self.pid, Signal::SIGTERM);
        }
    }

    /// Asks it to end and waits for it; it is never killed, for that would leave its addresses behind.
    pub(super) async fn stop(&self) -> anyhow::Result<ExitStatus> {
        self.terminate();
        let deadline = Instant::now() + STOP;
        loop {
            if let Some(status) = self.ended() {
                return Ok(status);
            }
            if Instant::now() >= deadline {
                let log = self.log.display();
                bail!("the engine is still stopping after {} s: pid {}, log {log}", STOP.as_secs(), self.pid);
            }
            sleep(POLL).await;
        }
    }

    /// The end of its log.
    pub(super) fn said(&self) -> String {
        tail(&self.log).unwrap_or_else(|e| format!("its log {} cannot be read: {e}", self.log.display()))
    }
}

fn tail(log: &Path) -> std::io::Result<String> {
    let mut file = File::open(log)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LOG_BYTES)))?;
    let mut bytes = Vec::new();
    file.take(LOG_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned())
}
