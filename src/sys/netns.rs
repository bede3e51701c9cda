//! Network namespaces.

use anyhow::Context;
use nix::sched::{CloneFlags, setns};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Moves the calling thread into the namespace `name` below /run/netns. Call it before any other thread starts.
pub fn enter(name: &str) -> anyhow::Result<()> {
    let path = Path::new("/run/netns").join(name);
    let file = File::open(&path).with_context(|| format!("network namespace {name}: open {}", path.display()))?;
    setns(file, CloneFlags::CLONE_NEWNET).with_context(|| format!("enter network namespace {name}"))
}

/// The number that names the calling thread's namespace as long as it exists.
pub fn inode() -> io::Result<u64> {
    // Not "self": that is the main thread.
    fs::metadata("/proc/thread-self/ns/net").map(|metadata| metadata.ino())
}
