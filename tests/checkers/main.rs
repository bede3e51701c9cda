//! Health checks by a running engine: real servers of every kind, servers that fail in every way, and hostile ones.
//! Needs root and iproute2; nftables, openssl, nginx, dnsmasq and opensmtpd where a test says so.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::explicit_write,
    clippy::disallowed_methods,
    reason = "test code"
)]

mod beside;
mod certificates;
#[path = "../common/engine.rs"]
#[expect(dead_code, reason = "shared with other tests")]
mod engine;
mod faults;
#[path = "../common/guest.rs"]
mod guest;
mod hostile;
mod kinds;
#[path = "../kernel/namespaces.rs"]
#[expect(dead_code, reason = "shared with other tests")]
mod namespaces;
#[path = "../common/programs.rs"]
#[expect(dead_code, reason = "shared with other tests")]
mod programs;
mod server;
mod suspend;

use crate::engine::{PROGRAM, events, status};
use crate::namespaces::{Pair, wait_for};
use crate::programs::Running;
use std::path::PathBuf;
use std::process::Command;
use vipdeck::status::{CheckList, Real, Runs, Snapshot};

/// Namespaces with a cable: the engine in the first, servers at 10.9.0.2 in the second.
struct Bench {
    engine: Option<Running>,
    pair: Pair,
    directory: tempfile::TempDir,
}

impl Bench {
    fn new() -> Option<Self> {
        Some(Self { engine: None, pair: Pair::new()?, directory: tempfile::tempdir().unwrap() })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn file(&self, name: &str, text: &str) -> String {
        std::fs::write(self.path(name), text).unwrap();
        self.path(name).to_str().unwrap().to_owned()
    }

    fn start(&mut self, config: &str) {
        let file = self.file("x.conf", config);
        let socket = self.path("sock").to_str().unwrap().to_owned();
        let argv = [PROGRAM, "run", "--headless", "--no-guard", "-f", &file, "--control", &socket];
        let engine = Running::start(&self.pair.a, self.directory.path(), "engine", &argv);
        self.engine = Some(engine);
        wait_for("the engine answers", 10, || status(&self.path("sock")).is_some());
    }

    fn said(&self) -> String {
        self.engine.as_ref().map(Running::said).unwrap_or_default()
    }

    fn snapshot(&self) -> Snapshot {
        status(&self.path("sock")).unwrap_or_else(|| panic!("no answer\n{}", self.said()))
    }

    fn reals(&self) -> Vec<Real> {
        self.snapshot().services.into_iter().flat_map(|s| s.reals).collect()
    }

    fn real(&self, port: u16) -> Real {
        self.reals().into_iter().find(|r| r.id.port() == port).unwrap()
    }

    /// `vipdeck status --checks --json`: the runs of the one check of a real server.
    fn runs(&self, port: u16) -> Runs {
        let output = self.vipdeck(&["status", "--checks", "--json"]);
        let list: CheckList = serde_json::from_str(&output.0).unwrap();
        let real = list.reals.into_iter().find(|r| r.real.port() == port).unwrap();
        real.checks.into_iter().next().unwrap()
    }

    /// What the command prints, and its exit status.
    fn vipdeck(&self, arguments: &[&str]) -> (String, i32) {
        let output = Command::new(PROGRAM).args(arguments).arg("--at").arg(self.path("sock")).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (String::from_utf8_lossy(&text).into_owned(), output.status.code().unwrap_or(-1))
    }

    /// When the engine said so last, microseconds since 1970.
    fn told_at(&self, text: &str) -> Option<u64> {
        events(&self.path("sock")).iter().rev().find(|e| e.text.contains(text)).map(|e| e.wall_us)
    }
}

fn wall_us() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    u64::try_from(since.as_micros()).unwrap()
}

/// One virtual server with these real servers.
fn service(lines: &str, reals: &str) -> String {
    format!("virtual_server 10.9.0.100 80 {{\n    lb_algo rr\n    lb_kind NAT\n    protocol TCP\n{lines}\n{reals}}}\n")
}

/// A real server at 10.9.0.2 with this checker.
fn real_server(port: u16, checker: &str) -> String {
    format!("    real_server 10.9.0.2 {port} {{\n        weight 100\n        {checker}\n    }}\n")
}
