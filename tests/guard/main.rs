//! The end of an engine is no outage: its guard starts the next one, which goes on. Needs root, tcpdump and iproute2.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::explicit_write,
    clippy::disallowed_methods,
    reason = "test code"
)]

#[path = "../common/capture.rs"]
#[expect(dead_code, reason = "shared with other tests")]
mod capture;
#[path = "../common/engine.rs"]
mod engine;
#[path = "../kernel/namespaces.rs"]
#[expect(dead_code, reason = "shared with other tests")]
mod namespaces;
#[path = "../common/programs.rs"]
mod programs;

use crate::capture::Capture;
use crate::engine::{PROGRAM, events, is_master, status};
use crate::namespaces::{Pair, wait_for};
use crate::programs::{Running, has, signal};
use nix::sys::signal::Signal;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};
use vipdeck::status::{HoldKind, Role, Snapshot};

const OURS: std::net::Ipv4Addr = std::net::Ipv4Addr::new(10, 9, 0, 1);

/// Two nodes; the first is preferred, and MASTER of an address of each family.
struct Bench {
    /// Dropped first: engines end before their network.
    engines: Vec<Running>,
    changes: Running,
    capture: Capture,
    pair: Pair,
    directory: tempfile::TempDir,
}

impl Bench {
    fn new() -> Option<Self> {
        Self::with(PROGRAM)
    }

    /// The first node runs `program`.
    fn with(program: &str) -> Option<Self> {
        if !has(&["tcpdump", "ip"]) {
            return None;
        }
        let pair = Pair::new()?;
        let directory = tempfile::tempdir().unwrap();
        for (namespace, address) in [(&pair.a, "2001:db8::1/64"), (&pair.b, "2001:db8::2/64")] {
            namespaces::run(&["-n", namespace, "address", "add", address, "dev", "eth0", "nodad"]);
        }
        let capture = Capture::start(&pair.b, "eth0", directory.path(), "peer");
        let monitor = ["ip", "-o", "monitor", "address"];
        let changes = Running::start(&pair.a, directory.path(), "monitor", &monitor);
        let mut bench = Self { engines: Vec::new(), changes, capture, pair, directory };
        bench.start(0, program);
        bench.start(1, PROGRAM);
        wait_for("the preferred node is MASTER", 10, || bench.is_owner(0));
        Some(bench)
    }

    fn start(&mut self, node: usize, program: &str) {
        let file = self.file(node);
        std::fs::write(&file, configuration(node, "")).unwrap();
        let (file, socket) = (text(&file), self.socket(node));
        let argv = [program, "run", "--headless", "-f", &file, "--control", &text(&socket)];
        let namespace = [&self.pair.a, &self.pair.b][node];
        let engine = Running::start(namespace, self.directory.path(), &format!("node{node}"), &argv);
        wait_for("the engine answers", 10, || status(&socket).is_some());
        self.engines.push(engine);
    }

    fn file(&self, node: usize) -> PathBuf {
        self.directory.path().join(format!("node{node}.conf"))
    }

    fn socket(&self, node: usize) -> PathBuf {
        self.directory.path().join(format!("node{node}.sock"))
    }

    fn snapshot(&self, node: usize) -> Snapshot {
        wait_for("the engine answers", 10, || status(&self.socket(node)).is_some());
        status(&self.socket(node)).unwrap()
    }

    /// MASTER, with every address on its link, and the other node BACKUP without any.
    fn is_owner(&self, node: usize) -> bool {
        let [ours, theirs] = [node, 1 - node].map(|n| status(&self.socket(n)));
        let (Some(ours), Some(theirs)) = (ours, theirs) else { return false };
        ours.instances.iter().all(is_master) && theirs.instances.iter().all(|i| i.state == Role::Backup)
    }

    fn vipdeck(&self, arguments: &[&str]) -> Output {
        Command::new(PROGRAM).args(arguments).arg("--at").arg(self.socket(0)).output().unwrap()
    }

    /// The longest time between two adverts of the first node that the peer saw.
    fn widest_gap(&self) -> Duration {
        let frames = self.capture.frames();
        let times: Vec<_> =
            frames.iter().filter(|f| f.advert().is_some_and(|(from, _)| from == OURS)).map(|f| f.at).collect();
        times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap()
    }

    /// Whether an address has left its link since the start, if only for a moment.
    fn has_blinked(&self) -> bool {
        self.changes.said().lines().any(|line| line.contains("Deleted"))
    }

    /// Does something to the first node's engine and waits until the next one is there.
    fn through(&self, what: impl FnOnce(&Snapshot)) -> Snapshot {
        let before = self.snapshot(0);
        what(&before);
        let next = || status(&self.socket(0)).filter(|s| s.node.engine_pid != before.node.engine_pid);
        wait_for("the next engine answers", 10, || next().is_some_and(|s| s.instances.iter().all(is_master)));
        let after = next().unwrap();
        assert_eq!(after.node.pid, before.node.pid, "the same guard");
        assert_eq!(after.node.restarts, before.node.restarts + 1);
        for (was, is) in before.instances.iter().zip(&after.instances) {
            assert_eq!(was.since, is.since, "{}: MASTER all the time", is.name);
        }
        after
    }

    /// Nobody but the first node was ever MASTER, and its addresses never left.
    fn assert_nobody_noticed(&self) {
        std::thread::sleep(Duration::from_millis(1500));
        assert!(self.is_owner(0));
        assert!(!self.has_blinked(), "{}", self.changes.said());
        let peer = self.snapshot(1);
        let ever = peer.instances.iter().flat_map(|i| &i.transitions).any(|t| t.to == Role::Master);
        assert!(!ever, "the peer became MASTER");
    }
}

fn configuration(node: usize, more: &str) -> String {
    let priority = [200, 100][node];
    let instance = |name: &str, vrid: u32, version: u32, vip: &str| {
        format!(
            "vrrp_instance {name} {{\ninterface eth0\nvirtual_router_id {vrid}\nversion {version}\npriority {priority}\n\
             {more}\nvirtual_ipaddress {{\n{vip}\n}}\n}}\n"
        )
    };
    instance("V4", 51, 2, "10.9.0.20/24") + &instance("V6", 52, 3, "fe80::20/64\n2001:db8::20/64")
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

// parity: 89
#[test]
fn a_killed_engine_is_followed_by_another_before_anybody_notices() {
    let Some(bench) = Bench::new() else { return };
    let after = bench.through(|s| signal(s.node.engine_pid, Signal::SIGKILL));
    assert!(after.node.guarded);
    let said = events(&bench.socket(0));
    let restart = said.iter().find(|e| e.kind == "restart").expect("it is told");
    eprintln!("measured: SIGKILL of the engine: widest gap between adverts {:?}; {restart:?}", bench.widest_gap());
    bench.assert_nobody_noticed();
    assert!(bench.widest_gap() < Duration::from_millis(2000), "{:?}", bench.widest_gap());
    // And the next one, too: what an engine inherits it leaves.
    bench.through(|s| signal(s.node.engine_pid, Signal::SIGABRT));
    bench.assert_nobody_noticed();
}

#[test]
fn an_engine_that_hangs_is_replaced_before_the_peers_have_waited_long_enough() {
    let Some(bench) = Bench::new() else { return };
    bench.through(|s| signal(s.node.engine_pid, Signal::SIGSTOP));
    eprintln!("measured: an engine that hangs: widest gap between adverts {:?}", bench.widest_gap());
    bench.assert_nobody_noticed();
}

#[test]
fn a_restart_takes_the_new_file_and_one_with_errors_is_refused() {
    let Some(bench) = Bench::new() else { return };
    std::fs::write(bench.file(0), configuration(0, "garp_master_delay 7")).unwrap();
    bench.through(|_| {
        let output = bench.vipdeck(&["restart", "--reason", "test", "--wait", "--timeout", "10"]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.contains("goes on"), "{said}");
    });
    std::fs::write(bench.file(0), configuration(0, "priority many")).unwrap();
    let before = bench.snapshot(0).node;
    let output = bench.vipdeck(&["restart"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("many"), "{said}");
    // A crash is no reload: the file as it lies there was never asked for.
    let after = bench.through(|s| signal(s.node.engine_pid, Signal::SIGKILL));
    assert_eq!(after.node.restarts, before.restarts + 1);
    assert!(bench.widest_gap() < Duration::from_millis(2000), "{:?}", bench.widest_gap());
    bench.assert_nobody_noticed();
}

#[test]
fn an_upgrade_runs_the_new_program_and_nothing_is_late() {
    let place = tempfile::tempdir().unwrap();
    let program = place.path().join("vipdeck");
    std::fs::copy(PROGRAM, &program).unwrap();
    let Some(bench) = Bench::with(&text(&program)) else { return };
    let inode = |pid: u32| std::fs::metadata(format!("/proc/{pid}/exe")).unwrap().ino();
    let old = bench.snapshot(0).node;
    assert_eq!(inode(old.pid), inode(old.engine_pid));
    let new = place.path().join("new");
    std::fs::copy(PROGRAM, &new).unwrap();
    std::fs::rename(&new, &program).unwrap();
    // After a crash the old one goes on, until somebody asks for the new one.
    let after = bench.through(|s| signal(s.node.engine_pid, Signal::SIGKILL));
    assert_eq!(inode(after.node.engine_pid), inode(old.pid));
    let before = inode(old.pid);
    let after = bench.through(|_| assert!(bench.vipdeck(&["restart"]).status.success()));
    let fresh = std::fs::metadata(&program).unwrap().ino();
    assert_ne!(before, fresh);
    assert_eq!([inode(after.node.pid), inode(after.node.engine_pid)], [fresh; 2]);
    eprintln!("measured: upgrade: widest gap between adverts {:?}", bench.widest_gap());
    bench.assert_nobody_noticed();
    // A program that does not work is not taken.
    std::fs::remove_file(&program).unwrap();
    std::fs::write(&program, "#!/bin/sh\nexit 3\n").unwrap();
    assert!(!bench.vipdeck(&["restart"]).status.success());
    bench.assert_nobody_noticed();
}

#[test]
fn engines_that_end_again_and_again_hand_over_to_the_other_node() {
    let Some(bench) = Bench::new() else { return };
    std::thread::sleep(Duration::from_secs(5));
    for _ in 0..2 {
        bench.through(|s| signal(s.node.engine_pid, Signal::SIGKILL));
    }
    bench.assert_nobody_noticed();
    let engine = bench.snapshot(0).node.engine_pid;
    signal(engine, Signal::SIGKILL);
    wait_for("the other node has the addresses", 5, || {
        status(&bench.socket(1)).is_some_and(|s| s.instances.iter().all(is_master))
    });
    wait_for("the first has none", 5, || !bench.pair.ip_a("-o address show dev eth0").contains("10.9.0.20"));
    wait_for("the guard tries again, and the preferred node returns", 15, || bench.is_owner(0));
}

#[test]
fn a_hold_and_its_reason_outlive_the_engine() {
    let Some(bench) = Bench::new() else { return };
    assert!(bench.vipdeck(&["demote", "V4", "--reason", "kernel patch", "--wait"]).status.success());
    let before = bench.snapshot(0);
    signal(before.node.engine_pid, Signal::SIGKILL);
    wait_for("the next engine", 10, || {
        status(&bench.socket(0)).is_some_and(|s| s.node.engine_pid != before.node.engine_pid)
    });
    let snapshot = bench.snapshot(0);
    let instance = snapshot.instances.iter().find(|i| i.name == "V4").unwrap();
    let hold = instance.hold.as_ref().expect("still demoted");
    assert_eq!((hold.kind, hold.reason.as_deref()), (HoldKind::Demoted, Some("kernel patch")));
    assert_eq!(instance.effective_priority, 1);
}

#[test]
fn the_guard_passes_on_what_it_is_told_and_its_own_end_is_no_outage() {
    let Some(mut bench) = Bench::new() else { return };
    // SIGHUP to the process that a service manager knows.
    std::fs::write(bench.file(0), configuration(0, "garp_master_delay 7")).unwrap();
    let guard = bench.engines[0].pid();
    assert_eq!(bench.snapshot(0).node.pid, guard);
    signal(guard, Signal::SIGHUP);
    wait_for("the reload", 5, || events(&bench.socket(0)).iter().any(|e| e.kind == "reload"));
    signal(guard, Signal::SIGKILL);
    wait_for("it is said that nobody guards", 5, || bench.snapshot(0).findings.iter().any(|f| f.kind == "unguarded"));
    bench.assert_nobody_noticed();
    // Then the engine is on its own, and still hands over when it is asked to end.
    let engine = bench.snapshot(0).node.engine_pid;
    signal(engine, Signal::SIGTERM);
    wait_for("the other node has the addresses", 5, || {
        status(&bench.socket(1)).is_some_and(|s| s.instances.iter().all(is_master))
    });
    // A guard that is asked to end waits for its engine's hand-over, whenever it is asked.
    let started = Instant::now();
    let status = bench.engines.pop().unwrap().stop();
    assert!(status.success(), "{status}");
    assert!(started.elapsed() < Duration::from_secs(3));
    let early = Running::start(
        &bench.pair.b,
        bench.directory.path(),
        "early",
        &[PROGRAM, "run", "--headless", "-f", &text(&bench.file(1)), "--control", &text(&bench.socket(1))],
    );
    let children = format!("/proc/{0}/task/{0}/children", early.pid());
    wait_for("its engine", 5, || std::fs::read_to_string(&children).is_ok_and(|c| !c.is_empty()));
    assert!(early.stop().success());
}
