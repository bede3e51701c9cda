//! How the program runs: scheduling, namespaces, scripts of start and end, the service manager, the wall clock. Needs
//! root and iproute2.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::explicit_write,
    clippy::disallowed_methods,
    reason = "test code"
)]

mod clock;
#[path = "../common/engine.rs"]
mod engine;
#[path = "../common/guest.rs"]
mod guest;
mod holds;
mod hooks;
mod manager;
#[path = "../kernel/namespaces.rs"]
#[expect(dead_code, reason = "shared with other tests")]
mod namespaces;
mod papers;
#[path = "../common/programs.rs"]
#[expect(dead_code, reason = "shared with other tests")]
mod programs;
mod scheduling;

use crate::engine::{PROGRAM, events, status};
use crate::namespaces::{Pair, wait_for};
use crate::programs::Running;
use std::path::{Path, PathBuf};
use vipdeck::status::Event;

const INSTANCE: &str = "\
vrrp_instance VI_1 {
    interface eth0
    virtual_router_id 51
    priority 150
    version 3
    advert_int 0.2
    virtual_ipaddress {
        10.9.0.20/24
    }
}
";

/// An engine in a namespace.
struct Bench {
    engine: Option<Running>,
    /// Nobody watches the engine: it may be stopped.
    unguarded: bool,
    pair: Pair,
    directory: tempfile::TempDir,
}

impl Bench {
    fn new(globals: &str) -> Option<Self> {
        let pair = Pair::new()?;
        let bench = Self { engine: None, unguarded: false, pair, directory: tempfile::tempdir().unwrap() };
        bench.write(globals);
        Some(bench)
    }

    fn write(&self, globals: &str) {
        let directory = self.directory.path().display().to_string();
        let globals = globals.replace("HERE", &directory);
        std::fs::write(self.path("vrrp.conf"), format!("global_defs {{\nrouter_id lvs1\n{globals}}}\n{INSTANCE}"))
            .unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn start(&mut self, variables: &[&str]) {
        self.begin(variables);
        wait_for("the engine answers", 15, || status(&self.path("sock")).is_some());
    }

    fn begin(&mut self, variables: &[&str]) {
        let (file, socket) = (self.path("vrrp.conf"), self.path("sock"));
        let rest = [PROGRAM, "run", "--headless", "-f", text(&file), "--control", text(&socket)];
        let alone: &[&str] = if self.unguarded { &["--no-guard"] } else { &[] };
        let argv = [&["env"][..], variables, &rest, alone].concat();
        self.engine = Some(Running::start(&self.pair.a, self.directory.path(), "engine", &argv));
    }

    /// Of the engine itself, not of its guard.
    fn engine_pid(&self) -> u32 {
        status(&self.path("sock")).unwrap().node.engine_pid
    }

    fn events(&self) -> Vec<Event> {
        events(&self.path("sock"))
    }

    fn said(&self, text: &str) -> bool {
        self.events().iter().any(|e| e.text.contains(text))
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}
