//! BFD sessions of a real engine: with FRR's bfdd, with keepalived, with a neighbour made here, and between two engines.
//! Needs root, and Debian's frr and keepalived.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::explicit_write,
    clippy::disallowed_methods,
    reason = "test code"
)]

mod bare;
#[path = "../common/engine.rs"]
mod engine;
mod frr;
mod keepalived;
#[path = "../kernel/namespaces.rs"]
#[expect(dead_code, reason = "shared with other tests")]
mod namespaces;
mod pair;
#[path = "../common/programs.rs"]
mod programs;
mod tracking;

use crate::engine::{PROGRAM, events, status};
use crate::namespaces::{Pair, run, wait_for};
use crate::programs::Running;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use vipdeck::status::{BfdSession, BfdState, Event, Snapshot, Subject};

/// Two servers on a cable, 10.9.0.1 and fd00:9::1, 10.9.0.2 and fd00:9::2, and engines on them.
struct Bench {
    engines: [Option<Running>; 2],
    pair: Pair,
    directory: tempfile::TempDir,
    _alone: MutexGuard<'static, ()>,
}

impl Bench {
    /// None if this machine does not let us; then that has been said. The tests measure time: one after the other.
    fn new() -> Option<Self> {
        static ONE: Mutex<()> = Mutex::new(());
        let alone = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let pair = Pair::new()?;
        for (namespace, address) in [(&pair.a, "fd00:9::1/64"), (&pair.b, "fd00:9::2/64")] {
            run(&["-n", namespace, "address", "add", address, "dev", "eth0", "nodad"]);
        }
        Some(Self { engines: [None, None], pair, directory: tempfile::tempdir().unwrap(), _alone: alone })
    }

    fn namespace(&self, server: usize) -> &str {
        [&self.pair.a, &self.pair.b][server]
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn socket(&self, server: usize) -> PathBuf {
        self.path(&format!("sock{server}"))
    }

    fn write(&self, server: usize, configuration: &str) {
        std::fs::write(self.path(&format!("{server}.conf")), configuration).unwrap();
    }

    fn start(&mut self, server: usize, configuration: &str) {
        self.write(server, configuration);
        let (file, socket) = (self.text(&format!("{server}.conf")), self.text(&format!("sock{server}")));
        let argv = [PROGRAM, "run", "--headless", "-f", &file, "--control", &socket];
        let name = format!("engine{server}");
        self.engines[server] = Some(Running::start(self.namespace(server), self.directory.path(), &name, &argv));
        wait_for("the engine answers", 20, || status(&self.socket(server)).is_some());
    }

    fn reload(&self, server: usize, configuration: &str) {
        self.write(server, configuration);
        let told = || self.events(server).iter().filter(|e| e.text.starts_with("configuration reloaded")).count();
        let before = told();
        let engine = self.engines[server].as_ref().unwrap();
        programs::signal(engine.pid(), nix::sys::signal::Signal::SIGHUP);
        wait_for("the reload", 5, || told() > before);
    }

    fn stop(&mut self, server: usize) {
        let status = self.engines[server].take().unwrap().stop();
        assert!(status.success(), "{status}");
    }

    fn snapshot(&self, server: usize) -> Snapshot {
        status(&self.socket(server)).expect("the engine answers")
    }

    fn session(&self, server: usize, name: &str) -> BfdSession {
        let snapshot = self.snapshot(server);
        snapshot.bfd.sessions.into_iter().find(|s| s.name == name).unwrap_or_else(|| panic!("no session {name}"))
    }

    fn wait_up(&self, server: usize, name: &str) {
        wait_for(&format!("{name} is up"), 10, || self.session(server, name).state == BfdState::Up);
    }

    fn events(&self, server: usize) -> Vec<Event> {
        events(&self.socket(server))
    }

    /// The changes of one session so far, with their reasons.
    fn changes(&self, server: usize, name: &str) -> Vec<Event> {
        let about = |e: &Event| e.subject == Subject::Bfd(name.into()) && e.text.contains('→');
        self.events(server).into_iter().filter(about).collect()
    }
}

/// A `bfd_instance`.
fn session(name: &str, neighbor: &str, lines: &str) -> String {
    format!("bfd_instance {name} {{\n    neighbor_ip {neighbor}\n    {}\n}}\n", lines.replace("; ", "\n    "))
}

/// The wall clock, microseconds since 1970, as in events.
fn wall_us() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    u64::try_from(since.as_micros()).unwrap()
}

fn report(what: &str, took: Duration) {
    eprintln!("measured: BFD: {what} {:.1} ms", took.as_secs_f64() * 1e3);
}

/// What a busy machine may add to a time, and to nothing else.
const SLACK: Duration = Duration::from_millis(250);
