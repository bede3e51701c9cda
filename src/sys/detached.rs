//! A process that outlives this one and its terminal.

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Starts `program` as the leader of a session of its own, without a terminal, its output going to `log`.
#[expect(unsafe_code, reason = "setsid must be called between fork and exec")]
pub fn spawn(program: &Path, arguments: &[OsString], log: File) -> std::io::Result<Child> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    // SAFETY: setsid is async-signal-safe, allocates nothing and touches no memory of this process.
    unsafe {
        command.pre_exec(|| nix::unistd::setsid().map(drop).map_err(Into::into));
    }
    command.spawn()
}
