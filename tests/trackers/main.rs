//! Trackers and links on the real thing: files, processes, scripts, interfaces. Needs root and iproute2; tcpdump and
//! keepalived where a test says so.

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
mod files;
mod links;
#[path = "../kernel/namespaces.rs"]
#[expect(dead_code, reason = "shared with other tests")]
mod namespaces;
mod processes;
#[path = "../common/programs.rs"]
mod programs;
mod scripts;

use crate::engine::{PROGRAM, events, is_master, status};
use crate::namespaces::{Pair, wait_for};
use crate::programs::Running;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use vipdeck::status::{Instance, Role, Snapshot};

/// Namespaces with a cable, and an engine in the first of them.
struct Bench {
    engine: Option<Running>,
    pair: Pair,
    directory: tempfile::TempDir,
}

/// VRRPv3 with ten adverts a second: a master after 0.36 s.
const FAST: &str = "global_defs {\n    vrrp_version 3\n}\n";

/// An instance that adverts ten times a second.
fn instance(vrid: u8, interface: &str, priority: u8, lines: &str) -> String {
    format!(
        "vrrp_instance VI_{vrid} {{\n    interface {interface}\n    virtual_router_id {vrid}\n    priority {priority}\n    \
         advert_int 0.1\n    virtual_ipaddress {{\n        10.9.0.{vrid}/24\n    }}\n{lines}}}\n"
    )
}

impl Bench {
    fn new() -> Option<Self> {
        Some(Self { engine: None, pair: Pair::new()?, directory: tempfile::tempdir().unwrap() })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, text: &str) {
        std::fs::write(self.path("x.conf"), format!("{FAST}{text}")).unwrap();
    }

    fn arguments(&self) -> Vec<String> {
        let (file, socket) = (self.path("x.conf"), self.path("sock"));
        let arguments = ["run", "--headless", "-f", text(&file), "--control", text(&socket)];
        arguments.map(str::to_owned).to_vec()
    }

    fn start(&mut self) {
        let arguments = self.arguments();
        let mut argv = vec![PROGRAM];
        argv.extend(arguments.iter().map(String::as_str));
        self.engine = Some(Running::start(&self.pair.a, self.directory.path(), "engine", &argv));
        self.wait_for_answer();
    }

    fn wait_for_answer(&self) {
        wait_for("the engine answers", 10, || status(&self.path("sock")).is_some());
    }

    fn snapshot(&self) -> Snapshot {
        status(&self.path("sock")).unwrap()
    }

    fn instance(&self, vrid: u8) -> Instance {
        self.snapshot().instances.into_iter().find(|i| i.vrid == vrid).unwrap()
    }

    fn wait_for_master(&self, vrid: u8) {
        wait_for("MASTER", 10, || is_master(&self.instance(vrid)));
    }

    fn wait_for_fault(&self, vrid: u8, within: u64) -> Instance {
        wait_for("FAULT", within, || self.instance(vrid).state == Role::Fault);
        self.instance(vrid)
    }

    fn told(&self, kind: &str, text: &str) -> usize {
        events(&self.path("sock")).iter().filter(|e| e.kind == kind && e.text.contains(text)).count()
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn millis(millis: u64) {
    std::thread::sleep(Duration::from_millis(millis));
}
