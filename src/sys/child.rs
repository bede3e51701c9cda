//! Child processes that never outlive this one.

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::getppid;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

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
