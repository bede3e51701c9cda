//! Two servers on a switch, as in the tutorial's first example, each run by vipdeck or by keepalived.
//!
//! A switch, and not only a cable: the ends of a cable lose their carrier together, so a server could not die alone.

use crate::engine::{PROGRAM, status};
use crate::namespaces::{Pair, run, wait_for};
use crate::programs::Running;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use vipdeck::status::Snapshot;

pub(crate) const VIP: Ipv4Addr = Ipv4Addr::new(192, 168, 10, 20);
/// Where each server's adverts come from.
pub(crate) const ADDRESSES: [Ipv4Addr; 2] = [Ipv4Addr::new(192, 168, 10, 11), Ipv4Addr::new(192, 168, 10, 12)];

const FILES: [&str; 2] =
    [include_str!("../../assets/vip-pair/server1.conf"), include_str!("../../assets/vip-pair/server2.conf")];
const SCRIPT: &str = "/usr/bin/pgrep -x nginx";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    Vipdeck,
    Keepalived,
}

impl Program {
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Vipdeck => Self::Keepalived,
            Self::Keepalived => Self::Vipdeck,
        }
    }
}

/// Server 0 has priority 100, server 1 has 90. What is dropped first ends first: programs, then the network.
pub(crate) struct Stage {
    servers: [Option<Running>; 2],
    pub(crate) programs: [Program; 2],
    directory: tempfile::TempDir,
    switch: Switch,
    pair: Pair,
}

/// A bridge in a namespace of its own.
struct Switch {
    name: String,
}

impl Drop for Switch {
    fn drop(&mut self) {
        run(&["netns", "delete", &self.name]);
    }
}

impl Stage {
    /// None if this machine does not let us; then that has been said.
    pub(crate) fn new(programs: [Program; 2]) -> Option<Self> {
        let pair = Pair::new()?;
        let switch = Switch { name: format!("{}sw", pair.a) };
        run(&["netns", "add", &switch.name]);
        run(&["-n", &switch.name, "link", "add", "br0", "type", "bridge", "mcast_snooping", "0", "forward_delay", "0"]);
        run(&["-n", &switch.name, "link", "set", "br0", "up"]);
        run(&["-n", &pair.a, "link", "delete", "eth0"]);
        for ((namespace, address), port) in [&pair.a, &pair.b].into_iter().zip(ADDRESSES).zip(["port1", "port2"]) {
            let cable = ["link", "add", "eth0", "netns", namespace, "type", "veth", "peer", "name", port];
            run(&[&cable[..], &["netns", &switch.name]].concat());
            run(&["-n", &switch.name, "link", "set", port, "master", "br0", "up"]);
            run(&["-n", namespace, "address", "add", &format!("{address}/24"), "dev", "eth0"]);
            run(&["-n", namespace, "link", "set", "eth0", "up"]);
        }
        for namespace in [&pair.a, &pair.b] {
            let link = || run(&["-n", namespace, "-oneline", "link", "show", "eth0"]);
            wait_for("the carrier", 5, || link().contains("state UP"));
        }
        let directory = tempfile::tempdir().unwrap();
        let stage = Self { servers: [None, None], programs, directory, switch, pair };
        stage.write_files(|_, text| text);
        Some(stage)
    }

    /// The asset's files, with a script that can be told to fail, each changed by `edit`.
    pub(crate) fn write_files(&self, edit: impl Fn(usize, String) -> String) {
        for (server, text) in FILES.into_iter().enumerate() {
            assert!(text.contains(SCRIPT), "the asset's script");
            let script = format!("/usr/bin/test ! -e {}", self.flag(server).display());
            std::fs::write(self.config(server), edit(server, text.replace(SCRIPT, &script))).unwrap();
        }
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn switch(&self) -> &str {
        &self.switch.name
    }

    pub(crate) fn namespace(&self, server: usize) -> &str {
        [&self.pair.a, &self.pair.b][server]
    }

    fn path(&self, server: usize, what: &str) -> PathBuf {
        self.directory().join(format!("server{}{what}", server + 1))
    }

    fn config(&self, server: usize) -> PathBuf {
        self.path(server, ".conf")
    }

    /// While this file exists, the server's script fails.
    fn flag(&self, server: usize) -> PathBuf {
        self.path(server, ".failing")
    }

    /// The engine's control socket.
    pub(crate) fn socket(&self, server: usize) -> PathBuf {
        self.path(server, ".sock")
    }

    pub(crate) fn start(&mut self, server: usize) {
        assert!(self.servers[server].is_none());
        let config = self.config(server).display().to_string();
        let pid_file = |kind: &str| self.path(server, &format!(".{kind}.pid")).display().to_string();
        let socket = self.socket(server).display().to_string();
        let name = format!("server{}-{:?}", server + 1, self.programs[server]);
        let running = match self.programs[server] {
            Program::Vipdeck => {
                let argv = [PROGRAM, "run", "--headless", "-f", &config, "--control", &socket];
                Running::start(self.namespace(server), self.directory(), &name, &argv)
            }
            Program::Keepalived => {
                let (parent, child) = (pid_file("keepalived"), pid_file("vrrp"));
                let argv = ["keepalived", "-n", "-l", "-D", "-P", "-f", &config, "-p", &parent, "-r", &child];
                Running::start(self.namespace(server), self.directory(), &name, &argv)
            }
        };
        self.servers[server] = Some(running);
        if self.programs[server] == Program::Vipdeck {
            wait_for("the engine answers", 10, || status(&self.socket(server)).is_some());
        }
    }

    /// SIGTERM, and its end.
    pub(crate) fn stop(&mut self, server: usize) {
        let status = self.servers[server].take().unwrap().stop();
        assert!(status.success(), "{:?}: {status}", self.programs[server]);
    }

    pub(crate) fn is_running(&self, server: usize) -> bool {
        self.servers[server].is_some()
    }

    pub(crate) fn set_script(&self, server: usize, is_failing: bool) {
        let flag = self.flag(server);
        if is_failing { std::fs::write(flag, "") } else { std::fs::remove_file(flag) }.unwrap();
    }

    pub(crate) fn link(&self, server: usize, state: &str) {
        run(&["-n", self.namespace(server), "link", "set", "eth0", state]);
    }

    /// What the engine among them reports.
    pub(crate) fn snapshot(&self, server: usize) -> Snapshot {
        status(&self.socket(server)).expect("the engine answers")
    }
}
