//! Every kind of VRRP both speak: version, family, multicast and unicast; either side preferred. The preferred one takes
//! the address, hands it over when it stops, and gets it back when it returns.

use crate::able;
use crate::engine::{PROGRAM, status};
use crate::namespaces::{Pair, run, wait_for};
use crate::programs::Running;
use crate::stage::Program;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Each address is looked for so often.
const LOOK: Duration = Duration::from_millis(5);
/// Nobody, or two, may have the address for so long while it moves: a hand-over, and how often it is looked at.
const HAND_OVER: Duration = Duration::from_millis(80);

pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) vip: &'static str,
    /// The instance's lines beyond interface, id, priority and address.
    pub(crate) lines: &'static str,
    pub(crate) unicast: bool,
    pub(crate) interval: Duration,
}

const KINDS: [Kind; 4] = [
    Kind { name: "v3 IPv4", vip: "10.9.0.20", lines: "version 3\nadvert_int 0.2", unicast: false, interval: FIFTH },
    Kind { name: "v3 IPv6", vip: "2001:db8::20", lines: "advert_int 0.2", unicast: false, interval: FIFTH },
    Kind { name: "v2 IPv4 unicast", vip: "10.9.0.20", lines: "advert_int 1", unicast: true, interval: SECOND },
    Kind {
        name: "v3 IPv4 unicast",
        vip: "10.9.0.20",
        lines: "version 3\nadvert_int 0.2",
        unicast: true,
        interval: FIFTH,
    },
];
const FIFTH: Duration = Duration::from_millis(200);
pub(crate) const SECOND: Duration = Duration::from_secs(1);

// parity: 16 31
#[test]
fn vipdeck_is_preferred_in_every_kind() {
    each_kind(Program::Vipdeck);
}

// parity: 16 31
#[test]
fn keepalived_is_preferred_in_every_kind() {
    each_kind(Program::Keepalived);
}

fn each_kind(preferred: Program) {
    if !able() {
        return;
    }
    for kind in &KINDS {
        let Some(mut bench) = Bench::new(kind, [preferred, preferred.other()]) else { return };
        bench.start(0);
        bench.start(1);
        let down = kind.interval * 3 + kind.interval.max(SECOND);
        let both = |b: &Bench| b.holders();
        bench.until("the preferred one takes it", [true, false], down + SECOND * 3);
        std::thread::sleep(kind.interval * 4);
        assert_eq!(both(&bench), [true, false], "{}: a lower priority changes nothing", kind.name);
        let ended = bench.stop(0);
        let moved = bench.until("the other one takes it", [false, true], down);
        ended.join().unwrap();
        bench.start(0);
        let back = bench.until("the preferred one is back", [true, false], down + SECOND * 3);
        let measured = format!(
            "{}, {preferred:?} preferred: neither or both had it for {moved:?} when it stopped, {back:?} on the way back",
            kind.name
        );
        eprintln!("measured: {measured}");
        // keepalived leaves before anybody has taken over, for up to the skew.
        let skew =
            kind.interval.max(if kind.lines.contains("version 3") || kind.vip.contains(':') { FIFTH } else { SECOND });
        let leave = if preferred == Program::Vipdeck { HAND_OVER } else { skew + HAND_OVER };
        assert!(moved <= leave, "{measured}");
        assert!(back <= HAND_OVER, "{measured}");
    }
}

pub(crate) struct Bench<'k> {
    running: [Option<Running>; 2],
    programs: [Program; 2],
    directory: tempfile::TempDir,
    kind: &'k Kind,
    pair: Pair,
}

impl<'k> Bench<'k> {
    pub(crate) fn new(kind: &'k Kind, programs: [Program; 2]) -> Option<Self> {
        let pair = Pair::new()?;
        let directory = tempfile::tempdir().unwrap();
        let bench = Self { running: [None, None], programs, directory, kind, pair };
        for server in [0, 1] {
            let link_local = || run(&["-n", bench.namespace(server), "-6", "-o", "address", "show", "dev", "eth0"]);
            wait_for("the link-local address", 5, || {
                link_local().contains("fe80") && !link_local().contains("tentative")
            });
            std::fs::write(bench.config(server), bench.text(server)).unwrap();
        }
        Some(bench)
    }

    pub(crate) fn namespace(&self, server: usize) -> &str {
        [&self.pair.a, &self.pair.b][server]
    }

    pub(crate) fn directory(&self) -> &std::path::Path {
        self.directory.path()
    }

    fn config(&self, server: usize) -> PathBuf {
        self.directory.path().join(format!("server{server}.conf"))
    }

    fn socket(&self, server: usize) -> PathBuf {
        self.directory.path().join(format!("server{server}.sock"))
    }

    /// What vipdeck at this place reports.
    pub(crate) fn snapshot(&self, server: usize) -> vipdeck::status::Snapshot {
        status(&self.socket(server)).expect("the engine answers")
    }

    fn text(&self, server: usize) -> String {
        let own = server + 1;
        let unicast = if self.kind.unicast {
            format!("unicast_src_ip 10.9.0.{own}\nunicast_peer {{\n10.9.0.{}\n}}\n", 3 - own)
        } else {
            String::new()
        };
        format!(
            "vrrp_instance VI_1 {{\ninterface eth0\nvirtual_router_id 51\npriority {}\n{}\n{unicast}virtual_ipaddress \
             {{\n{}\n}}\n}}\n",
            [150, 100][server],
            self.kind.lines,
            self.kind.vip
        )
    }

    pub(crate) fn start(&mut self, server: usize) {
        let config = self.config(server).display().to_string();
        let file = |what: &str| self.directory.path().join(format!("{server}.{what}")).display().to_string();
        let (socket, parent, child) = (self.socket(server).display().to_string(), file("parent"), file("child"));
        let name = format!("server{server}-{:?}", self.programs[server]);
        let argv: &[&str] = match self.programs[server] {
            Program::Vipdeck => &[PROGRAM, "run", "--headless", "-f", &config, "--control", &socket],
            Program::Keepalived => &["keepalived", "-n", "-l", "-D", "-P", "-f", &config, "-p", &parent, "-r", &child],
        };
        let running = Running::start(self.namespace(server), self.directory.path(), &name, argv);
        self.running[server] = Some(running);
        if self.programs[server] == Program::Vipdeck {
            wait_for("the engine answers", 10, || status(&self.socket(server)).is_some());
        }
    }

    /// SIGTERM; it goes on ending while the address is looked for.
    pub(crate) fn stop(&mut self, server: usize) -> std::thread::JoinHandle<()> {
        let running = self.running[server].take().unwrap();
        crate::programs::signal(running.pid(), nix::sys::signal::Signal::SIGTERM);
        std::thread::spawn(move || {
            running.stop();
        })
    }

    pub(crate) fn holders(&self) -> [bool; 2] {
        [0, 1].map(|server| {
            let shown = run(&["-n", self.namespace(server), "-o", "address", "show", "dev", "eth0"]);
            shown.contains(&format!(" {}/", self.kind.vip))
        })
    }

    /// Waits for the holders; how long nobody or both had the address on the way.
    pub(crate) fn until(&self, what: &str, wanted: [bool; 2], within: Duration) -> Duration {
        let end = Instant::now() + within;
        let mut odd_since = None;
        let mut odd = Duration::ZERO;
        loop {
            let holders = self.holders();
            if holders[0] == holders[1] {
                odd = odd.max(odd_since.get_or_insert_with(Instant::now).elapsed());
            } else {
                odd_since = None;
            }
            if holders == wanted {
                return odd;
            }
            assert!(Instant::now() < end, "{}: {what}: {holders:?} after {within:?}", self.kind.name);
            std::thread::sleep(LOOK);
        }
    }
}
