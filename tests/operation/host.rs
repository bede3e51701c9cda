//! A network namespace with links, and what runs in it.

use crate::engine::{PROGRAM, status};
use crate::namespaces::{run, skipped, wait_for};
use crate::programs::Running;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use vipdeck::status::Snapshot;

/// Links that samples name, each with a peer in the same namespace.
const LINKS: &[&str] = &["eth0", "eth1", "eth2", "eth3", "eth0.1"];

pub(crate) struct Host {
    pub(crate) name: String,
    pub(crate) directory: tempfile::TempDir,
}

impl Host {
    /// None if this machine does not let us; then that has been said.
    pub(crate) fn new() -> Option<Self> {
        let host = Self::bare()?;
        for (number, link) in LINKS.iter().enumerate() {
            host.ip(&format!("link add {link} type veth peer name p{number}"));
            host.ip(&format!("link set {link} up"));
            host.ip(&format!("link set p{number} up"));
            host.ip(&format!("address add 10.9.{number}.1/24 dev {link}"));
        }
        Some(host)
    }

    /// The same without links.
    pub(crate) fn bare() -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        if !nix::unistd::geteuid().is_root() {
            skipped("network namespaces need root");
            return None;
        }
        let name = format!("vdt-op-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        run(&["netns", "add", &name]);
        let host = Self { name, directory: tempfile::tempdir().unwrap() };
        host.ip("link set lo up");
        Some(host)
    }

    /// `ip -n NAMESPACE ARGUMENTS…`
    pub(crate) fn ip(&self, arguments: &str) -> String {
        let mut all = vec!["-n", &self.name];
        all.extend(arguments.split(' '));
        run(&all)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.path("socket")
    }

    /// Runs it with its temporary files in the directory, whatever namespace its file names.
    fn start(&self, name: &str, argv: &[&str]) -> Running {
        let variable = format!("TMPDIR={}", self.directory.path().display());
        Running::start_here(self.directory.path(), name, &[&["env", &variable][..], argv].concat())
    }

    /// An engine; it answers when this returns.
    pub(crate) fn vipdeck(&self, file: &Path, more: &[&str]) -> Running {
        let (file, socket) = (text(file), text(&self.socket()));
        let argv = [PROGRAM, "--netns", &self.name, "run", "--headless", "-f", &file, "--control", &socket];
        let engine = self.start("vipdeck", &[&argv[..], more].concat());
        wait_for(&format!("an engine of {file} answers"), 15, || status(&self.socket()).is_some());
        engine
    }

    /// Only its VRRP half.
    pub(crate) fn keepalived(&self, file: &Path, more: &[&str]) -> Running {
        let (file, parent, vrrp) = (text(file), text(&self.path("p.pid")), text(&self.path("r.pid")));
        let argv = ["keepalived", "-n", "-l", "-P", "-s", &self.name, "-f", &file, "-p", &parent, "-r", &vrrp];
        self.start("keepalived", &[&argv[..], more].concat())
    }

    /// Only its checkers.
    pub(crate) fn checker(&self, file: &Path, more: &[&str]) -> Running {
        let (file, parent, checker) = (text(file), text(&self.path("p.pid")), text(&self.path("c.pid")));
        let argv = ["keepalived", "-n", "-l", "-C", "-s", &self.name, "-f", &file, "-p", &parent, "-c", &checker];
        self.start("keepalived", &[&argv[..], more].concat())
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        status(&self.socket()).unwrap()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = std::process::Command::new("ip").args(["netns", "delete", &self.name]).status();
    }
}

pub(crate) fn text(path: &Path) -> String {
    path.display().to_string()
}
