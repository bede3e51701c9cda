//! Two hosts with one cable, and what ip(8) says of the first.

use crate::engine::{PROGRAM, events, status};
use crate::namespaces::{Pair, run, wait_for};
use crate::programs::{Running, has};
use std::path::PathBuf;
use vipdeck::status::Instance;

/// Two links between the hosts; the first host is 10.9.0.1 and 2001:db8::1.
pub(crate) struct Bench {
    pub(crate) pair: Pair,
    pub(crate) directory: tempfile::TempDir,
}

impl Bench {
    /// None if this machine does not let us; then that has been said.
    pub(crate) fn new() -> Option<Self> {
        if !has(&["keepalived", "tcpdump"]) {
            return None;
        }
        let pair = Pair::new()?;
        for namespace in [&pair.a, &pair.b] {
            run(&["-n", namespace, "link", "set", "lo", "up"]);
        }
        let cable = ["link", "add", "eth1", "netns", &pair.a, "type", "veth", "peer", "name", "eth1"];
        run(&[&cable[..], &["netns", &pair.b]].concat());
        for namespace in [&pair.a, &pair.b] {
            run(&["-n", namespace, "link", "set", "eth1", "up"]);
        }
        run(&["-n", &pair.a, "address", "add", "2001:db8::1/64", "dev", "eth0", "nodad"]);
        let bench = Self { pair, directory: tempfile::tempdir().unwrap() };
        // Link-local addresses are there when their detection is over.
        wait_for("the links are ready", 10, || {
            let listed = bench.ip("-6 address show");
            !listed.contains("tentative") && listed.matches("scope link").count() >= 2
        });
        Some(bench)
    }

    /// `ip` on the first host.
    pub(crate) fn ip(&self, args: &str) -> String {
        self.pair.ip_a(args)
    }

    fn file(&self, text: &str) -> PathBuf {
        let path = self.directory.path().join("node.conf");
        std::fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.path().join("node.sock")
    }

    /// vipdeck on the first host.
    pub(crate) fn vipdeck(&self, text: &str) -> Running {
        let (file, socket) = (self.file(text).display().to_string(), self.socket().display().to_string());
        // What a test kills stays killed.
        let argv = [PROGRAM, "run", "--headless", "--no-guard", "-f", &file, "--control", &socket];
        let running = Running::start(&self.pair.a, self.directory.path(), "vipdeck", &argv);
        wait_for("the engine answers", 10, || status(&self.socket()).is_some());
        running
    }

    /// keepalived on one of the hosts.
    pub(crate) fn keepalived(&self, namespace: &str, text: &str) -> Running {
        let path = |what: &str| self.directory.path().join(format!("{namespace}.{what}")).display().to_string();
        let (file, pid, child) = (path("conf"), path("pid"), path("vrrp.pid"));
        std::fs::write(&file, text).unwrap();
        let argv = ["keepalived", "-n", "-l", "-D", "-P", "-f", &file, "-p", &pid, "-r", &child];
        Running::start(namespace, self.directory.path(), "keepalived", &argv)
    }

    /// SIGTERM; everything is released.
    pub(crate) fn stop(&self, vipdeck: Running) {
        let status = vipdeck.stop();
        let log = self.directory.path().join("vipdeck.log");
        assert!(status.success(), "{status}\n{}", std::fs::read_to_string(log).unwrap());
    }

    pub(crate) fn instance(&self, name: &str) -> Instance {
        status(&self.socket()).unwrap().instance(name).unwrap().clone()
    }

    /// Whether any event says this.
    pub(crate) fn said(&self, text: &str) -> bool {
        events(&self.socket()).iter().any(|event| event.text.contains(text))
    }

    /// Every address, route and rule that is not the kernel's own, a line each: what two programs can be compared by.
    /// Lifetimes are left out: the addresses of one are on a lease.
    pub(crate) fn listed(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for link in ["eth0", "eth1"] {
            let addresses = self.ip(&format!("address show dev {link}"));
            let line = |l: &str| format!("{link}: {}", l.trim().replace(" dynamic", ""));
            lines.extend(addresses.lines().filter(|l| l.contains(" inet")).map(line));
        }
        for family in ["-4", "-6"] {
            let routes = self.ip(&format!("{family} route show table all")).replace("\n\t", " ");
            lines.extend(routes.lines().filter(|l| !l.contains("proto kernel")).map(without_seconds));
            let rules = self.ip(&format!("{family} rule show"));
            lines.extend(rules.lines().map(|l| format!("{family} rule {}", l.replace('\t', " "))));
        }
        lines.sort();
        lines
    }
}

/// A route that expires shows how soon.
fn without_seconds(line: &str) -> String {
    let words = line.split_whitespace();
    let seconds = |word: &&str| word.strip_suffix("sec").is_some_and(|n| n.parse::<u32>().is_ok());
    words.map(|word| if seconds(&word) { "Nsec" } else { word }).collect::<Vec<_>>().join(" ")
}
