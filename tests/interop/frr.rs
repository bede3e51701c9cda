//! vipdeck and FRR's vrrpd as the two nodes of one pair: version, family, either side preferred. The preferred one takes
//! the address, hands it over when it stops, gets it back when it returns, loses it when its host dies, and gets it
//! back again.
//!
//! FRR's virtual routers are macvlan links with the virtual MAC address; the one that is not master has its link down
//! (protodown), so who has the address is seen by the link.

use crate::able;
use crate::engine::{PROGRAM, status};
use crate::namespaces::{run, wait_for};
use crate::node::kill_all;
use crate::programs::{Running, has, signal};
use crate::stage::{Program, Stage};
use nix::sys::signal::Signal;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

pub(crate) const VRRPD: &str = "/usr/lib/frr/vrrpd";
pub(crate) const ZEBRA: &str = "/usr/lib/frr/zebra";
/// Each address is looked for so often.
const LOOK: Duration = Duration::from_millis(15);
/// Nobody, or two, may have the address for so long while it moves. Over IPv6 FRR's first advert as master is lost (its link
/// has just come up), its announcement is not: the next advert is what vipdeck yields to, and keeps the address for 100 ms
/// beyond it, as nothing is announced after it.
const HAND_OVER: Duration = Duration::from_millis(400);
/// How much later than the protocol asks something may be seen to happen.
const SLACK: Duration = Duration::from_millis(200);
const PRIORITIES: [u8; 2] = [150, 100];

#[derive(Clone, Copy)]
pub(crate) struct Kind {
    name: &'static str,
    version: u8,
    vip: &'static str,
    interval: Duration,
}

impl Kind {
    fn is_v6(self) -> bool {
        self.vip.contains(':')
    }

    /// The standby's (RFC 3768, 6.1; RFC 9568, 6.1).
    fn skew(self) -> Duration {
        let unit = if self.version == 2 { Duration::from_secs(1) } else { self.interval };
        unit * (256 - u32::from(PRIORITIES[1])) / 256
    }

    fn down(self) -> Duration {
        self.interval * 3 + self.skew()
    }
}

const V2: Kind = Kind { name: "v2 IPv4", version: 2, vip: "192.168.10.20", interval: Duration::from_secs(1) };
pub(crate) const V3: Kind =
    Kind { name: "v3 IPv4", version: 3, vip: "192.168.10.20", interval: Duration::from_millis(200) };
const V6: Kind = Kind { name: "v3 IPv6", version: 3, vip: "2001:db8::20", interval: Duration::from_millis(200) };

/// Side by side, each pair on a switch of its own: most of it is waiting.
// parity: 15 16 18 19 20
// console-design 1.2 19
#[test]
fn frr_and_vipdeck_hand_over_in_both_versions_and_families_either_side_preferred() {
    if !able() {
        return;
    }
    if !has(&[VRRPD, ZEBRA]) {
        return;
    }
    std::thread::scope(|scope| {
        let kinds: [&[Kind]; 2] = [&[V2], &[V3, V6]];
        let ways: Vec<_> = [0, 1]
            .into_iter()
            .flat_map(|ours| kinds.map(|kinds| (kinds, ours)))
            .map(|(kinds, ours)| scope.spawn(move || kinds.iter().for_each(|kind| journey(*kind, ours))))
            .collect();
        for way in ways {
            way.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
    });
}

fn journey(kind: Kind, ours: usize) {
    let Some(mut bench) = Bench::new(kind, ours) else { return };
    let is_ours = ours == 0;
    let who = if is_ours { "vipdeck" } else { "FRR" };
    // FRR needs a moment to find its links, both to elect.
    let start = kind.down() + Duration::from_secs(4);
    bench.start(0);
    bench.start(1);
    bench.until("the preferred one takes it", [true, false], start);
    std::thread::sleep(kind.interval * 3);
    assert_eq!(bench.holders(), [true, false], "{}: a lower priority changes nothing", kind.name);

    let ended = bench.stop(0);
    let stopped = bench.until("it is handed over", [false, true], kind.down());
    ended.join().unwrap();
    bench.start(0);
    let back = bench.until("the preferred one is back", [true, false], start);
    std::thread::sleep(kind.interval);

    let from = Instant::now();
    bench.die(0);
    let died = bench.until("the dead one's address is taken over", [false, true], kind.down() + SLACK);
    let took = from.elapsed();
    bench.revive(0);
    let again = bench.until("the preferred one is alive again", [true, false], start);
    let measured = format!(
        "{}, {who} preferred: neither or both had it for {stopped:?} when it stopped, {back:?} when it came back, \
         {died:?} when it died, {again:?} when it came back from that",
        kind.name
    );
    eprintln!("measured: {measured}");
    // FRR leaves before anybody has taken over, for up to the skew.
    let leave = if is_ours { HAND_OVER } else { kind.skew() + SLACK };
    assert!(stopped <= leave, "{measured}");
    assert!(back <= HAND_OVER && again <= HAND_OVER, "{measured}");
    assert!(died <= kind.down() + SLACK, "{measured}");
    assert!(took + SLACK >= kind.down() - kind.interval, "earlier than the protocol allows: {took:?}; {measured}");
}

/// Server 0 has priority 150, server 1 has 100.
pub(crate) struct Bench {
    kind: Kind,
    /// The server that vipdeck runs; FRR runs the other.
    ours: usize,
    running: [Option<Running>; 2],
    /// FRR's other half, which lives as long as the host.
    zebra: Option<Running>,
    pub(crate) stage: Stage,
}

impl Bench {
    pub(crate) fn new(kind: Kind, ours: usize) -> Option<Self> {
        let stage = Stage::new([Program::Vipdeck, Program::Keepalived])?;
        fs::set_permissions(stage.directory(), fs::Permissions::from_mode(0o755)).unwrap();
        let bench = Self { kind, ours, running: [None, None], zebra: None, stage };
        for server in [0, 1] {
            let addresses =
                || run(&["-n", bench.stage.namespace(server), "-6", "-o", "address", "show", "dev", "eth0"]);
            wait_for("the link-local address", 5, || {
                addresses().contains("fe80") && !addresses().contains("tentative")
            });
        }
        bench.write_files();
        Some(bench)
    }

    /// Where FRR has its files and sockets; its own user must reach them.
    fn home(&self) -> PathBuf {
        self.stage.directory().join("frr")
    }

    fn file(&self, name: &str) -> String {
        self.home().join(name).display().to_string()
    }

    fn config(&self) -> PathBuf {
        self.stage.directory().join("ours.conf")
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.stage.directory().join("ours.sock")
    }

    fn write_files(&self) {
        let Kind { version, vip, interval, .. } = self.kind;
        let (ours, theirs) = (PRIORITIES[self.ours], PRIORITIES[1 - self.ours]);
        let text = format!(
            "vrrp_instance VI_1 {{\ninterface eth0\nvirtual_router_id 51\npriority {ours}\nversion {version}\nadvert_int \
             {}\nvirtual_ipaddress {{\n{vip}\n}}\n}}\n",
            interval.as_secs_f64()
        );
        fs::write(self.config(), text).unwrap();
        fs::create_dir(self.home()).unwrap();
        let (millis, family) = (interval.as_millis(), if self.kind.is_v6() { "ipv6" } else { "ip" });
        let text = format!(
            "hostname frr\ninterface eth0\nvrrp 51 version {version}\nvrrp 51 priority {theirs}\nvrrp 51 \
             advertisement-interval {millis}\nvrrp 51 {family} {vip}\n"
        );
        fs::write(self.home().join("vrrpd.conf"), text).unwrap();
        fs::write(self.home().join("zebra.conf"), "hostname frr\n").unwrap();
        let owned = Command::new("chown").args(["-R", "frr:frr"]).arg(self.home()).status().unwrap();
        assert!(owned.success(), "the user frr");
    }

    pub(crate) fn start(&mut self, server: usize) {
        if server == self.ours {
            let (config, socket) = (self.config().display().to_string(), self.socket().display().to_string());
            let argv = [PROGRAM, "run", "--headless", "-f", &config, "--control", &socket];
            self.running[server] = Some(self.program(server, "vipdeck", &argv));
            wait_for("the engine answers", 10, || status(&self.socket()).is_some());
            return;
        }
        if self.zebra.is_none() {
            self.add_virtual_link();
            self.zebra = Some(self.daemon(ZEBRA, "zebra"));
            wait_for("zebra listens", 10, || self.home().join("api").exists());
        }
        self.running[server] = Some(self.daemon(VRRPD, "vrrpd"));
    }

    fn daemon(&self, path: &str, name: &str) -> Running {
        let (config, pid) = (self.file(&format!("{name}.conf")), self.file(&format!("{name}.pid")));
        let (api, home) = (self.file("api"), self.home().display().to_string());
        let argv = [path, "-f", &config, "-i", &pid, "-z", &api, "--vty_socket", &home, "-P", "0", "--log", "stdout"];
        self.program(1 - self.ours, name, &argv)
    }

    fn program(&self, server: usize, name: &str, argv: &[&str]) -> Running {
        Running::start(self.stage.namespace(server), self.stage.directory(), name, argv)
    }

    /// The link by whose hardware address FRR finds it, with the address (FRR's manual, VRRP); down until FRR wants it up.
    fn add_virtual_link(&self) {
        let namespace = self.stage.namespace(1 - self.ours);
        let set = |words: &[&str]| run(&[&["-n", namespace, "link", "set", "vip0"], words].concat());
        let add = |address: &str, how: &[&str]| {
            run(&[&["-n", namespace, "address", "add", address, "dev", "vip0"], how].concat());
        };
        let mac = if self.kind.is_v6() { "00:00:5e:00:02:33" } else { "00:00:5e:00:01:33" };
        let link = ["-n", namespace, "link", "add", "vip0", "link", "eth0", "address", mac];
        run(&[&link[..], &["type", "macvlan", "mode", "bridge"]].concat());
        set(&["protodown", "on"]);
        if self.kind.is_v6() {
            // FRR sends from its link-local address, which otherwise is tentative for a second or two.
            set(&["addrgenmode", "none"]);
            add("fe80::5133/64", &["nodad"]);
            add(&format!("{}/64", self.kind.vip), &["nodad"]);
        } else {
            add(&format!("{}/24", self.kind.vip), &[]);
        }
        set(&["up"]);
    }

    /// SIGTERM; it goes on ending while the address is looked for.
    fn stop(&mut self, server: usize) -> std::thread::JoinHandle<()> {
        let running = self.running[server].take().unwrap();
        signal(running.pid(), Signal::SIGTERM);
        std::thread::spawn(move || {
            running.stop();
        })
    }

    /// The host goes, all at once: off the network, its programs and addresses with it.
    fn die(&mut self, server: usize) {
        self.port(server, "0");
        for program in self.running[server].iter().chain(self.zebra.as_ref().filter(|_| server != self.ours)) {
            kill_all(program);
        }
        self.running[server] = None;
        let namespace = self.stage.namespace(server);
        if server == self.ours {
            let address = format!("{}/{}", self.kind.vip, if self.kind.is_v6() { 128 } else { 32 });
            run(&["-n", namespace, "address", "delete", &address, "dev", "eth0"]);
        } else {
            self.zebra = None;
            let _ = fs::remove_file(self.home().join("api"));
            run(&["-n", namespace, "link", "delete", "vip0"]);
        }
    }

    fn revive(&mut self, server: usize) {
        self.port(server, "3");
        self.start(server);
    }

    /// Opens (3) or shuts (0) a server's port of the switch; the server sees nothing of it.
    fn port(&self, server: usize, state: &str) {
        let port = ["port1", "port2"][server];
        let set = ["-n", self.stage.switch(), "link", "set", "dev", port, "state", state];
        assert!(Command::new("bridge").args(set).status().unwrap().success(), "bridge {set:?}");
    }

    fn holders(&self) -> [bool; 2] {
        [0, 1].map(|server| {
            let namespace = self.stage.namespace(server);
            if server == self.ours {
                let shown = run(&["-n", namespace, "-o", "address", "show", "dev", "eth0"]);
                return shown.contains(&format!(" {}/", self.kind.vip));
            }
            let shown = run(&["-n", namespace, "-o", "link", "show", "type", "macvlan"]);
            shown.contains("LOWER_UP")
        })
    }

    /// Waits for the holders; how long nobody or both had the address on the way.
    fn until(&self, what: &str, wanted: [bool; 2], within: Duration) -> Duration {
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
