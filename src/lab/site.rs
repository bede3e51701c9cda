//! What a lab made on this machine, written down before it is made, so that it can be removed whatever happens.
//!
//! Everything carries the number of the lab's process, so two labs never meet. The record lies beside the sockets, in
//! the lab's directory.

use crate::sys::child::Identity;
use crate::sys::netns;
use crate::sys::small_files;
use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// One lab's place. Dropping it removes everything that is in the record.
#[derive(Debug)]
pub struct Site {
    id: i32,
    directory: PathBuf,
}

/// One line of the record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Made {
    /// The lab itself; always the first line.
    Owner(Identity),
    Namespace(String),
    Process(Identity),
}

impl Site {
    /// Below `base`, named after this process.
    pub fn open(base: &Path) -> anyhow::Result<Self> {
        let own = Identity::own().context("read this process's own start time")?;
        let directory = base.join(format!("{DIRECTORY}{}", own.pid));
        // Of an earlier process with this number, killed before it could clean up.
        remove_if_abandoned(&directory)?;
        std::fs::create_dir_all(base).with_context(|| format!("create {}", base.display()))?;
        std::fs::create_dir(&directory).with_context(|| format!("create {}", directory.display()))?;
        let site = Self { id: own.pid, directory };
        site.record(&Made::Owner(own))?;
        Ok(site)
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The full name of a machine's namespace.
    pub fn namespace(&self, machine: &str) -> String {
        format!("{NAMESPACE}{}-{machine}", self.id)
    }

    pub fn make_namespace(&self, machine: &str) -> anyhow::Result<String> {
        let name = self.namespace(machine);
        self.record(&Made::Namespace(name.clone()))?;
        netns::create(&name)?;
        Ok(name)
    }

    /// Notes a process that was started.
    pub fn note_process(&self, pid: u32) -> anyhow::Result<()> {
        let Ok(identity) = Identity::of(i32::try_from(pid)?) else {
            return Ok(()); // It has ended already.
        };
        self.record(&Made::Process(identity))
    }

    fn record(&self, made: &Made) -> anyhow::Result<()> {
        small_files::append(&self.directory.join(RECORD), &(serde_json::to_string(made)? + "\n"))
    }

    /// Removes everything; what cannot be removed is said after the rest is gone.
    pub fn close(self) -> anyhow::Result<()> {
        let closed = remove(&self.directory);
        std::mem::forget(self);
        closed
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.directory) {
            tracing::warn!("the lab left something behind, `vipdeck lab clean` tries again: {error:#}");
        }
    }
}

/// What `clean` found below the directory of the sockets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// Labs whose process has ended: removed.
    pub removed: Vec<i32>,
    /// Labs that are running: left alone.
    pub running: Vec<i32>,
}

/// Removes what labs left behind that were killed.
pub fn clean(base: &Path) -> anyhow::Result<Cleaned> {
    let mut cleaned = Cleaned::default();
    for directory in small_files::list(base)? {
        let name = directory.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        let Some(id) = name.strip_prefix(DIRECTORY).and_then(|id| id.parse().ok()) else {
            continue;
        };
        let list = if remove_if_abandoned(&directory)? { &mut cleaned.removed } else { &mut cleaned.running };
        list.push(id);
    }
    Ok(cleaned)
}

/// True if nothing of it is left.
fn remove_if_abandoned(directory: &Path) -> anyhow::Result<bool> {
    if read(directory)?.iter().any(|made| matches!(made, Made::Owner(owner) if owner.is_running())) {
        return Ok(false);
    }
    remove(directory)?;
    Ok(true)
}

fn remove(directory: &Path) -> anyhow::Result<()> {
    let record = read(directory)?;
    let mut left = Vec::new();
    for made in &record {
        if let Made::Process(process) = made {
            left.extend(process.kill().err().map(|e| format!("kill process {}: {e}", process.pid)));
        }
    }
    for made in &record {
        if let Made::Namespace(name) = made {
            left.extend(netns::remove(name).err().map(|e| format!("{e:#}")));
        }
    }
    // With the record gone nobody would try again.
    ensure!(left.is_empty(), "{}", left.join("; "));
    small_files::remove_directory(directory)
}

/// A lab that was killed in the middle of a line leaves half of it: what it names was not made yet.
fn read(directory: &Path) -> anyhow::Result<Vec<Made>> {
    let text = small_files::read_if_there(&directory.join(RECORD))?.unwrap_or_default();
    Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
}

/// The lab's directory is `lab-PID` below the sockets' own.
const DIRECTORY: &str = "lab-";
const NAMESPACE: &str = "vdlab-";
const RECORD: &str = "made.jsonl";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_running_lab_is_left_alone_and_an_abandoned_one_is_removed() {
        let base = tempfile::tempdir().unwrap();
        let site = Site::open(base.path()).unwrap();
        assert_eq!(clean(base.path()).unwrap(), Cleaned { removed: vec![], running: vec![site.id] });
        let abandoned = base.path().join("lab-1");
        std::fs::create_dir(&abandoned).unwrap();
        let nobody = Made::Owner(Identity { pid: 1, started: u64::MAX });
        std::fs::write(abandoned.join(RECORD), serde_json::to_string(&nobody).unwrap() + "\n{\"names").unwrap();
        std::fs::create_dir(base.path().join("lab-nonsense")).unwrap();
        assert_eq!(clean(base.path()).unwrap().removed, [1]);
        assert!(!abandoned.exists() && site.directory().exists());
        let directory = site.directory().to_owned();
        site.close().unwrap();
        assert!(!directory.exists() && base.path().join("lab-nonsense").exists());
    }
}
