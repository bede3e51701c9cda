//! Two namespaces, four cables, and one program on both sides.

use crate::namespaces::{Pair, run, wait_for};
use crate::programs::Running;
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

pub(crate) const LINKS: usize = 4;
/// Masters' and backups' priorities.
pub(crate) const PRIORITIES: [u8; 2] = [150, 100];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    Vipdeck,
    Keepalived,
}

pub(crate) struct Load {
    pub(crate) instances: usize,
    pub(crate) interval: Duration,
    pub(crate) window: Duration,
}

impl Load {
    pub(crate) fn new(instances: usize, interval_ms: u64, window_s: u64) -> Self {
        let (interval, window) = (Duration::from_millis(interval_ms), Duration::from_secs(window_s));
        Self { instances, interval, window }
    }

    /// Three numbers as those of `new`.
    pub(crate) fn parse(text: &str) -> Self {
        let numbers: Vec<u64> = text.split(',').map(|n| n.parse().expect("a number")).collect();
        let [instances, interval, window] = numbers[..] else { panic!("three numbers, not {text}") };
        Self::new(instances as usize, interval, window)
    }

    /// Version 2 counts in seconds.
    fn version(&self) -> u8 {
        if self.interval.subsec_millis() == 0 { 2 } else { 3 }
    }

    /// For the backups (RFC 3768 and RFC 9568, section 6.1).
    fn skew(&self) -> Duration {
        let skew = f64::from(256 - u16::from(PRIORITIES[1])) / 256.0;
        Duration::from_secs_f64(if self.version() == 2 { skew } else { skew * self.interval.as_secs_f64() })
    }

    /// Of the same.
    pub(crate) fn master_down(&self) -> Duration {
        self.interval * 3 + self.skew()
    }

    /// What a successor waits for after priority 0. Of version 2 it is the protocol's; of version 3 it is a part of the
    /// interval, which a master that leaves shortens.
    pub(crate) fn successor_waits(&self) -> Duration {
        if self.version() == 2 { self.skew() } else { Duration::ZERO }
    }
}

pub(crate) struct Stage {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) pair: Pair,
}

impl Stage {
    /// None if this machine does not let us; then that has been said.
    pub(crate) fn new() -> Option<Self> {
        let pair = Pair::new()?;
        run(&["-n", &pair.a, "link", "delete", "eth0"]);
        for link in 0..LINKS {
            let name = format!("l{link}");
            let cable = ["link", "add", &name, "netns", &pair.a, "type", "veth", "peer", "name", &name];
            run(&[&cable[..], &["netns", &pair.b]].concat());
            for (side, namespace) in [&pair.a, &pair.b].into_iter().enumerate() {
                run(&["-n", namespace, "address", "add", &format!("10.{link}.255.{}/16", side + 1), "dev", &name]);
                run(&["-n", namespace, "link", "set", &name, "up"]);
            }
        }
        let carrier = || run(&["-n", &pair.b, "-oneline", "link", "show", "l3"]).contains("state UP");
        wait_for("the carrier", 5, carrier);
        Some(Self { directory: tempfile::tempdir().unwrap(), pair })
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn namespace(&self, side: usize) -> &str {
        [&self.pair.a, &self.pair.b][side]
    }

    /// Starts the program with this file's text. `name` is for its files.
    pub(crate) fn start(&self, program: Program, side: usize, name: &str, text: &str) -> Running {
        let path = |kind: &str| self.directory().join(format!("{name}.{kind}")).display().to_string();
        let config = path("conf");
        std::fs::write(&config, text).unwrap();
        let (parent, child, socket) = (path("pid"), path("vrrp.pid"), path("sock"));
        let argv: &[&str] = match program {
            Program::Vipdeck => {
                &[env!("CARGO_BIN_EXE_vipdeck"), "run", "--headless", "-f", &config, "--control", &socket]
            }
            Program::Keepalived => &["keepalived", "-n", "-l", "-P", "-f", &config, "-p", &parent, "-r", &child],
        };
        Running::start(self.namespace(side), self.directory(), name, argv)
    }
}

/// `load.instances` virtual routers, spread evenly over the links.
pub(crate) fn many(load: &Load, side: usize) -> String {
    let mut text = format!("global_defs {{\n  router_id n{side}\n  vrrp_version {}\n}}\n", load.version());
    let state = ["MASTER", "BACKUP"][side];
    for index in 0..load.instances {
        instance(&mut text, load.interval, state, PRIORITIES[side], (index % LINKS, index / LINKS + 1));
    }
    text
}

/// One address owner on the first link.
pub(crate) fn owner() -> String {
    let mut text = String::from("global_defs {\n  router_id owner\n  vrrp_version 2\n}\n");
    instance(&mut text, Duration::from_secs(1), "MASTER", 255, (0, 255));
    text
}

fn instance(text: &mut String, interval: Duration, state: &str, priority: u8, (link, id): (usize, usize)) {
    writeln!(
        text,
        "vrrp_instance v{link}_{id} {{\n  state {state}\n  interface l{link}\n  virtual_router_id {id}\n  priority \
         {priority}\n  advert_int {}\n  virtual_ipaddress {{\n    10.{link}.1.{id}/16\n  }}\n}}",
        interval.as_secs_f64()
    )
    .unwrap();
}
