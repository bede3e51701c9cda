//! Network namespaces, named as ip-netns(8) names them: bind mounts below /run/netns.

use anyhow::{Context, ensure};
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Moves the calling thread into the namespace `name` below /run/netns. Call it before any other thread starts.
pub fn enter(name: &str) -> anyhow::Result<()> {
    let file = open(name)?;
    setns(file, CloneFlags::CLONE_NEWNET).with_context(|| format!("enter network namespace {name}"))?;
    if nix::unistd::gettid() == nix::unistd::getpid() {
        // The first one counts: a command line before a file.
        let _ = ENTERED.set(name.to_owned());
    }
    Ok(())
}

/// Moves the calling thread into the namespace of this handle.
pub fn enter_file(namespace: File) -> anyhow::Result<()> {
    setns(namespace, CloneFlags::CLONE_NEWNET).context("enter the network namespace this program was started in")
}

static ENTERED: OnceLock<String> = OnceLock::new();

/// The namespace that [`enter`] moved this process's first thread into.
pub fn entered() -> Option<&'static str> {
    ENTERED.get().map(String::as_str)
}

/// The same for the whole process; where it came from stays known ([`started_in`]).
pub fn move_to(name: &str) -> anyhow::Result<()> {
    if let Ok(here) = File::open("/proc/thread-self/ns/net") {
        // The first move counts.
        let _ = STARTED_IN.set(here);
    }
    enter(name)
}

static STARTED_IN: OnceLock<File> = OnceLock::new();

/// The network namespace this process was in before it moved to another.
pub fn started_in() -> Option<File> {
    STARTED_IN.get().and_then(|file| file.try_clone().ok())
}

/// The namespace's handle.
pub fn open(name: &str) -> anyhow::Result<File> {
    let path = path(name);
    File::open(&path).with_context(|| format!("network namespace {name}: open {}", path.display()))
}

/// Where the namespace has its name.
pub fn path(name: &str) -> PathBuf {
    Path::new(DIRECTORY).join(name)
}

/// Makes an empty namespace; a name that is taken is an error. The calling thread stays where it is.
pub fn create(name: &str) -> anyhow::Result<()> {
    ensure!(!name.is_empty() && !name.contains('/') && !name.starts_with('.'), "`{name}` cannot name a namespace");
    let path = path(name);
    fs::create_dir_all(DIRECTORY).with_context(|| format!("create {DIRECTORY}"))?;
    let mut options = File::options();
    options.write(true).create_new(true).mode(0o444);
    options.open(&path).with_context(|| format!("create network namespace {name}: create {}", path.display()))?;
    // A thread of its own: unshare(2) moves the one that calls it, and no process is forked.
    let made = on_a_thread(|| {
        unshare(CloneFlags::CLONE_NEWNET)?;
        let nothing: Option<&str> = None;
        mount(Some("/proc/thread-self/ns/net"), &path, nothing, MsFlags::MS_BIND, nothing)
    });
    made.inspect_err(|_| drop(fs::remove_file(&path))).with_context(|| format!("create network namespace {name}"))
}

/// Takes the name away; the namespace itself ends with its last process. One that is not there is no error.
pub fn remove(name: &str) -> anyhow::Result<()> {
    let path = path(name);
    loop {
        match umount2(&path, MntFlags::MNT_DETACH) {
            // It may have been mounted over: once for each `ip netns` that met /run/netns for the first time.
            Ok(()) => {}
            Err(Errno::EINVAL | Errno::ENOENT) => break,
            Err(error) => return Err(error).with_context(|| format!("unmount {}", path.display())),
        }
    }
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// Does `work` on a thread inside the namespace, and waits for it.
pub fn inside<T: Send>(name: &str, work: impl FnOnce() -> anyhow::Result<T> + Send) -> anyhow::Result<T> {
    on_a_thread(|| {
        enter(name)?;
        work()
    })
}

fn on_a_thread<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let joined = std::thread::scope(|scope| scope.spawn(work).join());
    joined.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

const DIRECTORY: &str = "/run/netns";
/// The number that names the calling thread's namespace as long as it exists.
pub fn inode() -> io::Result<u64> {
    // Not "self": that is the main thread.
    fs::metadata("/proc/thread-self/ns/net").map(|metadata| metadata.ino())
}
