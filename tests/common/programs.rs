//! Programs that a test starts, each ended when dropped.

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// For a program to end after it was told to.
const END: Duration = Duration::from_secs(6);

/// A running program, with what it says in a file.
pub(crate) struct Running {
    child: Child,
    name: String,
    log: PathBuf,
}

impl Running {
    /// Starts it in the namespace. `name` is for messages and for its log in `directory`.
    pub(crate) fn start(namespace: &str, directory: &Path, name: &str, argv: &[&str]) -> Self {
        // ip-netns(8) replaces itself with the program: the process id is the program's own.
        let argv = [&["ip", "netns", "exec", namespace][..], argv].concat();
        Self::start_here(directory, name, &argv)
    }

    /// Starts it where the test runs.
    pub(crate) fn start_here(directory: &Path, name: &str, argv: &[&str]) -> Self {
        let log = directory.join(format!("{name}.log"));
        let file = File::options().append(true).create(true).open(&log).unwrap();
        let child = Command::new(argv[0])
            .args(&argv[1..])
            // Nothing of one test is known to the next.
            .env("VIPDECK_ENGINE__STATE_DIRECTORY", directory.join("state"))
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .process_group(0)
            .spawn()
            .unwrap();
        Self { child, name: name.to_owned(), log }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// SIGTERM, and its end.
    pub(crate) fn stop(mut self) -> ExitStatus {
        signal(self.pid(), Signal::SIGTERM);
        self.ended().unwrap_or_else(|| panic!("{} does not end\n{}", self.name, self.said()))
    }

    /// None, and it has been killed, if it does not end by itself.
    fn ended(&mut self) -> Option<ExitStatus> {
        let end = Instant::now() + END;
        while Instant::now() < end {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Some(status);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        // With what it has started.
        let _ = killpg(Pid::from_raw(i32::try_from(self.pid()).unwrap()), Signal::SIGKILL);
        self.child.wait().unwrap();
        None
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            signal(self.pid(), Signal::SIGTERM);
            self.ended();
        }
        if std::thread::panicking() {
            eprintln!("--- {} said:\n{}", self.name, self.said());
        }
    }
}

pub(crate) fn signal(pid: u32, signal: Signal) {
    // One that has ended meanwhile is no concern.
    let _ = kill(Pid::from_raw(i32::try_from(pid).unwrap()), signal);
}

/// False, and said so, unless all of them can be found.
pub(crate) fn has(programs: &[&str]) -> bool {
    let path = std::env::var("PATH").unwrap_or_default();
    let found = |program: &&&str| {
        ["/usr/sbin", "/sbin"].into_iter().chain(path.split(':')).any(|d| Path::new(d).join(program).exists())
    };
    let missing: Vec<_> = programs.iter().filter(|p| !found(p)).copied().collect();
    if !missing.is_empty() {
        crate::namespaces::skipped(&format!("not installed: {}", missing.join(", ")));
    }
    missing.is_empty()
}
