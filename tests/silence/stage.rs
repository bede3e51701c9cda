//! Two nodes and a client on a switch, and the programs on the nodes.

use crate::client::Client;
use crate::engine::{PROGRAM, events, status};
use crate::namespaces::{Pair, run, wait_for};
use crate::programs::{Running, signal};
use crate::watch::Watch;
use nix::sys::signal::Signal;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

pub(crate) const VIP: Ipv4Addr = Ipv4Addr::new(10, 20, 0, 100);
/// Where each node's adverts come from.
pub(crate) const ADDRESSES: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 20, 0, 1), Ipv4Addr::new(10, 20, 0, 2)];
const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 20, 0, 50);
const PORTS: [&str; 2] = ["port1", "port2"];
const PRIORITIES: [u8; 2] = [150, 100];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Program {
    Vipdeck,
    Keepalived,
}

/// The timing of the instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// VRRPv2, an advert a second.
    Second,
    /// VRRPv3, an advert each 10 ms.
    Fast,
}

impl Kind {
    pub(crate) fn interval(self) -> Duration {
        match self {
            Self::Second => Duration::from_secs(1),
            Self::Fast => Duration::from_millis(10),
        }
    }

    /// Of the node with the lower priority (RFC 3768 and RFC 9568, section 6.1).
    pub(crate) fn master_down(self) -> Duration {
        self.interval() * 3 + self.interval() * (256 - u32::from(PRIORITIES[1])) / 256
    }
}

/// What is dropped first ends first: programs, then watch and client, then the network.
pub(crate) struct Stage {
    running: [Option<Running>; 2],
    pub(crate) programs: [Program; 2],
    pub(crate) kind: Kind,
    pub(crate) watch: Watch,
    pub(crate) client: Client,
    directory: tempfile::TempDir,
    spare: Namespaces,
    pair: Pair,
}

/// The switch and the client.
struct Namespaces {
    switch: String,
    client: String,
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        for name in [&self.client, &self.switch] {
            run(&["netns", "delete", name]);
        }
    }
}

impl Stage {
    /// None if this machine does not let us; then that has been said. Otherwise node 0 is MASTER and node 1 BACKUP.
    pub(crate) fn new(programs: [Program; 2], kind: Kind) -> Option<Self> {
        let pair = Pair::new()?;
        let spare = Namespaces { switch: format!("{}sw", pair.a), client: format!("{}cl", pair.a) };
        let switch = &spare.switch;
        run(&["netns", "add", switch]);
        run(&["netns", "add", &spare.client]);
        run(&["-n", switch, "link", "add", "br0", "type", "bridge", "mcast_snooping", "0", "forward_delay", "0"]);
        run(&["-n", switch, "link", "set", "br0", "up"]);
        run(&["-n", &pair.a, "link", "delete", "eth0"]);
        let ends =
            [(&pair.a, ADDRESSES[0], PORTS[0]), (&pair.b, ADDRESSES[1], PORTS[1]), (&spare.client, CLIENT, "port3")];
        for (namespace, address, port) in ends {
            let cable = ["link", "add", "eth0", "netns", namespace, "type", "veth", "peer", "name", port];
            run(&[&cable[..], &["netns", switch]].concat());
            run(&["-n", switch, "link", "set", port, "master", "br0", "up"]);
            run(&["-n", namespace, "address", "add", &format!("{address}/24"), "dev", "eth0"]);
            run(&["-n", namespace, "link", "set", "lo", "up"]);
            run(&["-n", namespace, "link", "set", "eth0", "up"]);
        }
        for namespace in [&pair.a, &pair.b, &spare.client] {
            let link = || run(&["-n", namespace, "-oneline", "link", "show", "eth0"]);
            wait_for("the carrier", 5, || link().contains("state UP"));
        }
        let directory = tempfile::tempdir().unwrap();
        let watch = Watch::start([&pair.a, &pair.b]);
        let client = Client::start(&spare.client);
        let mut stage = Self { running: [None, None], programs, kind, watch, client, directory, spare, pair };
        stage.write(0, 0);
        stage.write(1, 0);
        stage.start(0);
        stage.start(1);
        stage.rest();
        Some(stage)
    }

    pub(crate) fn namespace(&self, node: usize) -> &str {
        [&self.pair.a, &self.pair.b][node]
    }

    fn path(&self, node: usize, what: &str) -> PathBuf {
        self.directory.path().join(format!("node{}{what}", node + 1))
    }

    /// The engine's control socket.
    pub(crate) fn socket(&self, node: usize) -> PathBuf {
        self.path(node, ".sock")
    }

    /// The node's configuration; `round` makes it another one without moving anything.
    pub(crate) fn write(&self, node: usize, round: usize) {
        let version = match self.kind {
            Kind::Second => 2,
            Kind::Fast => 3,
        };
        let text = format!(
            "global_defs {{\n  router_id node{}\n  vrrp_version {version}\n}}\nvrrp_instance VI_1 {{\n  state {}\n  \
             interface eth0\n  virtual_router_id 51\n  priority {}\n  advert_int {}\n  garp_master_refresh {}\n  \
             virtual_ipaddress {{\n    {VIP}/24\n  }}\n}}\n",
            node + 1,
            ["MASTER", "BACKUP"][node],
            PRIORITIES[node],
            self.kind.interval().as_secs_f64(),
            3600 + round,
        );
        std::fs::write(self.path(node, ".conf"), text).unwrap();
    }

    pub(crate) fn start(&mut self, node: usize) {
        assert!(self.running[node].is_none());
        let path = |what: &str| self.path(node, what).display().to_string();
        let (config, parent, child, socket) = (path(".conf"), path(".pid"), path(".vrrp.pid"), path(".sock"));
        let argv: &[&str] = match self.programs[node] {
            Program::Vipdeck => &[PROGRAM, "run", "--headless", "-f", &config, "--control", &socket],
            Program::Keepalived => &["keepalived", "-n", "-l", "-D", "-P", "-f", &config, "-p", &parent, "-r", &child],
        };
        let hurried = ["chrt", "-f", "40"];
        let argv = [if is_busy() { &hurried[..] } else { &[] }, argv].concat();
        let name = format!("node{}-{:?}", node + 1, self.programs[node]);
        self.running[node] = Some(Running::start(self.namespace(node), self.directory.path(), &name, &argv));
    }

    /// SIGTERM, and its end.
    pub(crate) fn stop(&mut self, node: usize) {
        let status = self.running[node].take().unwrap().stop();
        assert!(status.success(), "{:?}: {status}", self.programs[node]);
    }

    pub(crate) fn reload(&self, node: usize, round: usize) {
        self.write(node, round);
        match (&self.running[node], self.programs[node]) {
            (Some(running), Program::Keepalived) => signal(running.pid(), Signal::SIGHUP),
            _ => self.ask(node, "reload", &[]),
        }
    }

    /// `vipdeck VERB VI_1`.
    pub(crate) fn ask(&self, node: usize, verb: &str, arguments: &[&str]) {
        let output =
            Command::new(PROGRAM).arg(verb).args(arguments).arg("--at").arg(self.socket(node)).output().unwrap();
        assert!(output.status.success(), "{verb}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Of the process that runs the protocol: the engine, or keepalived's child.
    pub(crate) fn engine_pid(&self, node: usize) -> u32 {
        match self.programs[node] {
            Program::Vipdeck => status(&self.socket(node)).expect("the engine answers").node.engine_pid,
            Program::Keepalived => {
                std::fs::read_to_string(self.path(node, ".vrrp.pid")).unwrap().trim().parse().unwrap()
            }
        }
    }

    /// Everything that runs on the node dies at once.
    pub(crate) fn kill_everything(&mut self, node: usize) {
        let pids = || run(&["netns", "pids", self.namespace(node)]);
        // Twice: a guard may have started something meanwhile.
        for _ in 0..2 {
            for pid in pids().split_whitespace() {
                signal(pid.parse().unwrap(), Signal::SIGKILL);
            }
        }
        wait_for("everything on the node is dead", 5, || pids().trim().is_empty());
        self.running[node] = None;
        // keepalived takes the process ids in them for its own.
        for file in [".pid", ".vrrp.pid"] {
            let _ = std::fs::remove_file(self.path(node, file));
        }
    }

    /// Whether frames pass between the node and the switch; its carrier stays.
    pub(crate) fn port(&self, node: usize, is_open: bool) {
        // disabled, forwarding (bridge(8)).
        let state = if is_open { "3" } else { "0" };
        let output = Command::new("ip")
            .args(["netns", "exec", &self.spare.switch, "bridge", "link", "set", "dev", PORTS[node], "state", state])
            .output()
            .unwrap();
        assert!(output.status.success(), "bridge: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// What a dead program left on its link.
    pub(crate) fn clear(&self, node: usize) {
        // It may be gone by itself.
        let arguments = ["-n", self.namespace(node), "address", "delete", &format!("{VIP}/24"), "dev", "eth0"];
        let _ = Command::new("ip").args(arguments).output().unwrap();
    }

    /// An engine that goes on for another has renewed its addresses at once, not when it would have itself.
    pub(crate) fn the_lease_was_renewed(&self, node: usize) {
        if self.programs[node] == Program::Vipdeck {
            let shown = run(&["-n", self.namespace(node), "-oneline", "address", "show", "to", &format!("{VIP}/32")]);
            let left =
                shown.split("valid_lft ").nth(1).and_then(|t| t.split_once("sec")).map(|(n, _)| n.parse::<u32>());
            assert!(left.is_some_and(|seconds| seconds.is_ok_and(|n| n >= 3)), "of 8 s are left: {shown}");
        }
    }

    /// No engine took a hand-over for a second owner of the address.
    pub(crate) fn no_second_owner_was_suspected(&self) {
        for node in (0..2).filter(|node| self.programs[*node] == Program::Vipdeck) {
            let suspicions: Vec<_> =
                events(&self.socket(node)).into_iter().filter(|e| e.kind == "duplicate-address").collect();
            assert!(suspicions.is_empty(), "node {}: {suspicions:#?}", node + 1);
        }
    }

    /// Waits until the preferred node alone has the address, and has had it for a while.
    pub(crate) fn rest(&self) {
        self.watch.until("the preferred node has the address", [true, false], Duration::from_secs(20));
        std::thread::sleep(Duration::from_secs(1));
        assert_eq!(self.watch.owners(), [true, false], "at rest");
    }

    pub(crate) fn mac(&self, node: usize) -> [u8; 6] {
        let shown = run(&["-n", self.namespace(node), "-oneline", "link", "show", "eth0"]);
        let text = shown.split_once("link/ether ").unwrap().1.split_whitespace().next().unwrap();
        let octets: Vec<u8> = text.split(':').map(|o| u8::from_str_radix(o, 16).unwrap()).collect();
        octets.try_into().unwrap()
    }

    /// For how long both nodes had the address, from `from` until now.
    pub(crate) fn two_owners(&self, from: Duration) -> Duration {
        let now = crate::capture::wall();
        let moments = self.watch.moments();
        let ends = moments.iter().skip(1).map(|m| m.at).chain([now]);
        let spans = moments.iter().zip(ends).filter(|(m, _)| m.owners == [true; 2]);
        spans.map(|(m, end)| end.saturating_sub(m.at.max(from))).sum()
    }
}

/// Whether the machine has other work to do.
fn is_busy() -> bool {
    std::env::var_os("VIPDECK_BUSY").is_some()
}
