//! Starting an engine for its guard, and what the guard waits for.

use super::succession::Succession;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, pthread_sigmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::Pid;
use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

/// What an engine leaves by when it wants to be started again.
pub const RESTART: u8 = 75;
/// What an engine leaves by when a part of it has failed that it cannot do without.
pub const FAILED: u8 = 70;

/// What asks an engine for a dump as JSON, as it asks keepalived: a real-time signal, 36 with glibc.
pub fn json_signal() -> i32 {
    libc::SIGRTMIN() + 2
}

/// What asks for the statistics and has them begin anew: 63 with glibc.
pub fn stats_clear_signal() -> i32 {
    libc::SIGRTMAX() - 1
}

/// The signals that a guard passes on to its engine as they are.
fn passed_on() -> [i32; 5] {
    [libc::SIGHUP, libc::SIGUSR1, libc::SIGUSR2, json_signal(), stats_clear_signal()]
}

/// The signals that a guard and a starting engine must not be ended by.
#[expect(unsafe_code, reason = "nix knows no real-time signals")]
fn awaited() -> SigSet {
    let ends: SigSet = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGCHLD].into_iter().collect();
    let mut set = *ends.as_ref();
    for number in passed_on() {
        // SAFETY: `set` is a valid set, and the number is that of a signal.
        unsafe {
            libc::sigaddset(&raw mut set, number);
        }
    }
    // SAFETY: made by sigemptyset and sigaddset.
    unsafe { SigSet::from_sigset_t_unchecked(set) }
}

/// Gives an engine the signal that its guard got, if it is one to be passed on.
#[expect(unsafe_code, reason = "nix knows no real-time signals")]
pub fn pass_on(engine: Pid, number: i32) {
    if passed_on().contains(&number) {
        // SAFETY: kill(2) takes two numbers and touches no memory of ours.
        unsafe {
            libc::kill(engine.as_raw(), number);
        }
    }
}

/// The signals of this process, taken one by one.
#[derive(Debug)]
pub struct Signals(SignalFd);

impl Signals {
    /// From now on they end nothing; they wait to be taken. To be called while there is one thread.
    pub fn take() -> io::Result<Self> {
        awaited().thread_block()?;
        Ok(Self(SignalFd::with_flags(&awaited(), SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?))
    }

    /// The next one, if one comes within the time.
    pub fn next(&self, within: Duration) -> io::Result<Option<i32>> {
        let within = PollTimeout::try_from(within).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)], within) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        let info = self.0.read_signal()?;
        Ok(info.and_then(|info| i32::try_from(info.ssi_signo).ok()))
    }
}

/// An engine that is ready for its signals: those that came meanwhile are delivered now.
pub fn release_signals() -> io::Result<()> {
    Ok(awaited().thread_unblock()?)
}

/// Starts an engine with what the one before it left.
pub fn spawn(arguments: &[OsString], succession: &Succession) -> io::Result<Child> {
    command(&this_program(), arguments, succession)?.spawn()
}

/// Becomes the program that now has this one's name; returns only if that fails.
pub fn replace_self(arguments: &[OsString], succession: &Succession) -> io::Error {
    let program = own_path().and_then(|path| command(&path, arguments, succession));
    program.map_or_else(|error| error, |mut command| command.exec())
}

fn command(program: &Path, arguments: &[OsString], succession: &Succession) -> io::Result<Command> {
    let mut command = Command::new(program);
    command.arg0("vipdeck").args(arguments).stdin(succession.stdin()?);
    let signals = awaited();
    let block = move || Ok(pthread_sigmask(SigmaskHow::SIG_BLOCK, Some(&signals), None)?);
    #[expect(unsafe_code, reason = "std empties the signal mask: a signal would end the process before it can take it")]
    // SAFETY: pthread_sigmask is async-signal-safe and allocates nothing.
    unsafe {
        command.pre_exec(block);
    }
    Ok(command)
}

/// Where this program's file is, or the file that has replaced it.
pub fn own_path() -> io::Result<PathBuf> {
    let path = std::env::current_exe()?;
    let replaced = path.to_str().and_then(|text| text.strip_suffix(" (deleted)")).map(PathBuf::from);
    Ok(replaced.unwrap_or(path))
}

/// This very program, also when its file has been replaced or removed.
fn this_program() -> PathBuf {
    let running = PathBuf::from("/proc/self/exe");
    let inode = |path: &Path| path.metadata().map(|m| (m.dev(), m.ino())).ok();
    own_path().ok().filter(|path| inode(path).is_some() && inode(path) == inode(&running)).unwrap_or(running)
}

/// Asks the program that now has this one's name whether it would take a configuration; what it says, if not.
pub fn would_take(arguments: &[OsString]) -> Result<(), String> {
    let path = own_path().map_err(|error| format!("find this program's file: {error}"))?;
    let asked = Command::new(&path).arg("check").args(arguments).stdin(std::process::Stdio::null()).output();
    let output = asked.map_err(|error| format!("{}: {error}", path.display()))?;
    match output.status.code() {
        Some(0 | 1) => Ok(()),
        _ => Err(format!("{}\n{}", output.status, String::from_utf8_lossy(&output.stdout).trim_end())),
    }
}
