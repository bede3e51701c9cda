//! This program, started in a machine's namespace.

use crate::lab::site::Site;
use crate::sys::{child, small_files};
use anyhow::Context;
use std::path::PathBuf;
use std::process::Stdio;
use tokio::process::Child;

/// How programs of a lab are started and where they write.
#[derive(Debug)]
pub(super) struct Starter {
    pub(super) site: Site,
    program: PathBuf,
}

impl Starter {
    pub(super) fn new(site: Site) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("find this program's own file")?;
        Ok(Self { site, program })
    }

    /// Starts this program with `arguments` in the namespace of `machine`; its complaints go to `MACHINE.log`.
    pub(super) fn start(&self, machine: &str, arguments: &[&str], stdout: Stdio) -> anyhow::Result<Child> {
        let namespace = self.site.namespace(machine);
        let all: Vec<_> = ["--netns", namespace.as_str()].into_iter().chain(arguments.iter().copied()).collect();
        let started = child::start(&self.program, &all, &self.log(machine), stdout);
        let child = started.with_context(|| format!("start {} on {machine}", arguments.join(" ")))?;
        if let Some(pid) = child.id() {
            self.site.note_process(pid)?;
        }
        Ok(child)
    }

    /// Runs this program with `arguments` to its end and returns what it printed.
    pub(super) async fn output(&self, machine: &str, arguments: &[&str]) -> anyhow::Result<String> {
        let child = self.start(machine, arguments, Stdio::piped())?;
        let output = child.wait_with_output().await?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return Ok(text);
        }
        let complaint = self.last_complaint(machine).unwrap_or_default();
        anyhow::bail!("{} on {machine}: {}: {complaint}", arguments.join(" "), output.status)
    }

    /// The last line that a program of this machine wrote to stderr.
    pub(super) fn last_complaint(&self, machine: &str) -> Option<String> {
        let text = small_files::read_if_there(&self.log(machine)).ok().flatten()?;
        text.lines().rev().find(|line| !line.trim().is_empty()).map(str::to_owned)
    }

    pub(super) fn file(&self, machine: &str, ending: &str) -> PathBuf {
        self.site.directory().join(format!("{machine}.{ending}"))
    }

    fn log(&self, machine: &str) -> PathBuf {
        self.file(machine, "log")
    }
}
