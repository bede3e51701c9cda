//! Starting a lab without a console, acting on it and reading its stage.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};
use vipdeck::lab::report::{Line, Ready, Report};
use vipdeck::status::{Reply, Stage, StageAction};

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_vipdeck");

/// How long a lab may take to come up: its engines have ten seconds each.
const UP: Duration = Duration::from_secs(40);
const SOON: Duration = Duration::from_secs(10);

/// False, and said so, where the test cannot run; in CI it must.
pub(crate) fn has_root() -> bool {
    if nix::unistd::geteuid().is_root() {
        return true;
    }
    skipped("network namespaces take root");
    false
}

/// Says so where the test harness does not swallow it; in CI it is a failure.
pub(crate) fn skipped(reason: &str) {
    writeln!(std::io::stderr(), "skipped: {reason}").unwrap();
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "skipped: {reason}");
}

/// A running lab, told to end when dropped.
pub(crate) struct Lab {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<Line>,
    pub(crate) ready: Ready,
}

impl Lab {
    pub(crate) fn start() -> Self {
        Self::asking_every(20)
    }

    /// With a client that asks each address every `interval` milliseconds.
    pub(crate) fn asking_every(interval: u64) -> Self {
        let mut child = Command::new(PROGRAM)
            .args(["lab", "--headless", "--interval", &interval.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the lab starts");
        let stdin = child.stdin.take();
        let lines = read_lines(&mut child);
        match lines.recv_timeout(UP) {
            Ok(Line::Ready(ready)) => Self { child, stdin, lines, ready },
            other => {
                let _ = child.kill();
                panic!("the lab's first line: {other:?}");
            }
        }
    }

    /// Does one thing to the stage and waits for the answer.
    pub(crate) fn act(&mut self, action: &StageAction) -> Reply {
        let line = serde_json::to_string(action).unwrap();
        writeln!(self.stdin.as_ref().expect("not ended"), "{line}").unwrap();
        let end = Instant::now() + SOON;
        while Instant::now() < end {
            if let Line::Answer { action: answered, reply } = self.next() {
                assert_eq!(answered, *action);
                return reply;
            }
        }
        panic!("no answer to {action:?}");
    }

    /// As [`Lab::act`], for what must be accepted.
    pub(crate) fn must(&mut self, action: &StageAction) {
        let reply = self.act(action);
        assert!(matches!(reply, Reply::Accepted { .. }), "{action:?}: {reply:?}");
    }

    /// Reads the stage, once a second, until `holds`.
    pub(crate) fn wait(
        &mut self,
        what: &str,
        limit: Duration,
        mut holds: impl FnMut(&Stage, &Report) -> bool,
    ) -> (Stage, Report) {
        let end = Instant::now() + limit;
        let mut last = None;
        while Instant::now() < end {
            if let Line::Seen { stage, report } = self.next() {
                if holds(&stage, &report) {
                    return (stage, report);
                }
                last = Some((stage, report));
            }
        }
        panic!("never: {what}; last seen: {last:#?}");
    }

    /// The whole name of a machine's namespace.
    pub(crate) fn namespace(&self, machine: &str) -> String {
        let nodes = self.ready.nodes.iter().map(|n| &n.machine);
        let mut all = nodes.chain(&self.ready.servers).chain([&self.ready.client]);
        all.find(|m| m.name == machine).expect("such a machine").namespace.clone()
    }

    /// Every namespace the lab has.
    pub(crate) fn namespaces(&self) -> Vec<String> {
        let machines = self.ready.nodes.iter().map(|n| &n.machine).chain(&self.ready.servers);
        let named = machines.chain([&self.ready.client]).map(|m| m.namespace.clone());
        named.chain([self.ready.switch.clone()]).collect()
    }

    /// The programs that ran when it came up.
    pub(crate) fn pids(&self) -> Vec<u32> {
        let machines = self.ready.nodes.iter().map(|n| &n.machine).chain(&self.ready.servers);
        machines.chain([&self.ready.client]).filter_map(|m| m.pid).collect()
    }

    pub(crate) fn pid(&self) -> nix::unistd::Pid {
        nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap())
    }

    /// The end of its standard input, which ends it.
    pub(crate) fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Waits until it has ended.
    pub(crate) fn ended(&mut self) -> std::process::ExitStatus {
        let end = Instant::now() + SOON;
        while Instant::now() < end {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            // Read what it still says, so that it cannot be held up by a full pipe.
            let _ = self.lines.recv_timeout(Duration::from_millis(10));
        }
        panic!("the lab does not end");
    }

    fn next(&mut self) -> Line {
        match self.lines.recv_timeout(SOON) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => panic!("the lab says nothing"),
            Err(RecvTimeoutError::Disconnected) => panic!("the lab ended: {:?}", self.child.wait()),
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = nix::sys::signal::kill(self.pid(), nix::sys::signal::Signal::SIGTERM);
            let _ = self.child.wait();
        }
    }
}

/// On a thread, so that waiting for one can have a limit.
fn read_lines(child: &mut Child) -> Receiver<Line> {
    let stdout = BufReader::new(child.stdout.take().expect("piped"));
    let (send, lines) = channel();
    std::thread::spawn(move || {
        for line in stdout.lines().map_while(Result::ok) {
            let line = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"));
            if send.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

pub(crate) fn vipdeck(arguments: &[&str]) -> Output {
    Command::new(PROGRAM).args(arguments).output().expect("vipdeck starts")
}

pub(crate) fn is_running(pid: u32) -> bool {
    // A zombie has ended.
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

pub(crate) fn has_namespace(name: &str) -> bool {
    Path::new("/run/netns").join(name).exists()
}

pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + SOON;
    while !holds() {
        assert!(Instant::now() < end, "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
