//! Child processes that never outlive this one, and how to know a process again.

use nix::errno::Errno;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getppid};
use serde::{Deserialize, Serialize};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use tokio::process::Child;

/// The child is killed when the *thread* that starts it ends: start it from one that lives as long as the child may.
pub fn die_with_parent(command: &mut Command) {
    let parent = nix::unistd::getpid();
    let before_exec = move || {
        set_pdeathsig(Signal::SIGKILL)?;
        // The parent may have ended before the line above took effect.
        if getppid() == parent { Ok(()) } else { Err(io::Error::from(io::ErrorKind::BrokenPipe)) }
    };
    #[expect(unsafe_code, reason = "between fork and exec: two system calls, no allocation, no lock")]
    // SAFETY: the closure only makes async-signal-safe system calls. std runs it after it has changed the user, which
    // would clear the setting.
    unsafe {
        command.pre_exec(before_exec);
    }
}

/// Starts a program in a process group of its own, away from the terminal's signals: no input, complaints appended to
/// the file `log`. It is killed when it is dropped.
pub fn start<S: AsRef<OsStr>>(program: &Path, arguments: &[S], log: &Path, stdout: Stdio) -> io::Result<Child> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(stdout).process_group(0);
    command.stderr(File::options().create(true).append(true).open(log)?);
    die_with_parent(&mut command);
    let mut command = tokio::process::Command::from(command);
    command.kill_on_drop(true).spawn()
}

/// A process that is known again: numbers are used again, but not with the same start time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    pub pid: i32,
    /// Clock ticks since boot (proc_pid_stat(5), field 22).
    pub started: u64,
}

impl Identity {
    /// Of the process that has this number at present.
    pub fn of(pid: i32) -> io::Result<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // The name, field 2, is in parentheses and may contain anything.
        let after = text.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(19));
        let started = after.and_then(|ticks| ticks.parse().ok());
        started.map(|started| Self { pid, started }).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
    }

    pub fn own() -> io::Result<Self> {
        Self::of(nix::unistd::getpid().as_raw())
    }

    pub fn is_running(&self) -> bool {
        Self::of(self.pid).is_ok_and(|found| found == *self)
    }

    /// Kills it if it is still the same process.
    pub fn kill(&self) -> io::Result<()> {
        if !self.is_running() {
            return Ok(());
        }
        match kill(Pid::from_raw(self.pid), Signal::SIGKILL) {
            Err(Errno::ESRCH) => Ok(()),
            other => Ok(other?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_number_and_start() {
        let own = Identity::own().unwrap();
        assert!(own.is_running());
        let former = Identity { started: own.started + 1, ..own };
        assert!(!former.is_running());
        former.kill().expect("nobody to kill");
    }
}
