//! FRR's bfdd at the other end: over IPv4, IPv6, and several hops.

use crate::namespaces::{run, wait_for};
use crate::programs::{Running, has, signal};
use crate::{Bench, SLACK, report, session, wall_us};
use nix::sys::signal::Signal;
use std::process::Command;
use std::time::Duration;
use vipdeck::status::BfdState;

const DAEMONS: &str = "/usr/lib/frr";

const PEERS: [&str; 3] = [
    "10.9.0.1 local-address 10.9.0.2",
    "fd00:9::1 local-address fd00:9::2",
    "10.9.1.1 multihop local-address 10.9.1.2",
];

/// zebra and bfdd on server 1, with sockets of their own.
struct Frr {
    bfdd: Option<Running>,
    _zebra: Running,
    directory: String,
}

impl Frr {
    fn start(bench: &Bench) -> Self {
        let directory = bench.text("frr");
        std::fs::create_dir(&directory).unwrap();
        let times = "  detect-multiplier 6\n  receive-interval 50\n  transmit-interval 50\n";
        let peers = PEERS.map(|peer| format!(" peer {peer}\n{times} !\n"));
        std::fs::write(bench.path("frr/bfdd.conf"), format!("bfd\n{}!\n", peers.concat())).unwrap();
        std::fs::write(bench.path("frr/zebra.conf"), "").unwrap();
        // The daemons give up root; the directory is theirs, and those above it may be passed.
        for (what, mode) in [("", "711"), ("frr", "777"), ("frr/bfdd.conf", "644"), ("frr/zebra.conf", "644")] {
            assert!(Command::new("chmod").arg(mode).arg(bench.path(what)).status().unwrap().success());
        }
        let daemon = |name: &str, more: &[&str]| {
            let file = |end: &str| format!("{directory}/{name}.{end}");
            let (program, conf, pid) = (format!("{DAEMONS}/{name}"), file("conf"), file("pid"));
            let zserv = format!("{directory}/zserv.api");
            let ours = [&*program, "-f", &conf, "-z", &zserv, "--vty_socket", &directory, "-i", &pid, "-P", "0"];
            let argv = [&ours[..], &["-u", "frr", "-g", "frr"], more].concat();
            Running::start(bench.namespace(1), bench.directory.path(), name, &argv)
        };
        let zebra = daemon("zebra", &[]);
        wait_for("zebra listens", 10, || bench.path("frr/zserv.api").exists());
        let control = format!("{directory}/bfdd.sock");
        let bfdd = daemon("bfdd", &["--bfdctl", &control]);
        wait_for("bfdd answers", 10, || bench.path("frr/bfdd.vty").exists());
        Self { bfdd: Some(bfdd), _zebra: zebra, directory }
    }

    fn ask(&self, commands: &[&str]) -> String {
        let mut vtysh = Command::new("vtysh");
        vtysh.args(["--vty_socket", &self.directory]);
        for command in commands {
            vtysh.args(["-c", command]);
        }
        String::from_utf8_lossy(&vtysh.output().unwrap().stdout).into_owned()
    }

    /// The states of its sessions, by peer.
    fn states(&self) -> Vec<(String, String)> {
        let peers: serde_json::Value = serde_json::from_str(&self.ask(&["show bfd peers json"])).unwrap_or_default();
        let field = |peer: &serde_json::Value, name: &str| peer[name].as_str().unwrap_or_default().to_owned();
        let mut states: Vec<_> =
            peers.as_array().into_iter().flatten().map(|p| (field(p, "peer"), field(p, "status"))).collect();
        states.sort();
        states
    }

    fn shut(&self, word: &str) {
        self.ask(&["configure terminal", "bfd", &format!("peer {}", PEERS[0]), word]);
    }
}

fn installed() -> bool {
    let path = format!("{}:{DAEMONS}", std::env::var("PATH").unwrap_or_default());
    let found = path.split(':').any(|d| std::path::Path::new(d).join("bfdd").exists());
    if !found {
        crate::namespaces::skipped("not installed: frr");
    }
    found && has(&["vtysh"])
}

// parity: 61
#[test]
fn sessions_with_frr_come_up_over_ipv4_ipv6_and_hops_and_its_death_is_found_in_time() {
    if !installed() {
        return;
    }
    let Some(mut bench) = Bench::new() else { return };
    for (server, ours, theirs, via) in
        [(0, "10.9.1.1/32", "10.9.1.2/32", "10.9.0.2"), (1, "10.9.1.2/32", "10.9.1.1/32", "10.9.0.1")]
    {
        run(&["-n", bench.namespace(server), "address", "add", ours, "dev", "lo"]);
        run(&["-n", bench.namespace(server), "route", "add", theirs, "via", via]);
    }
    let mut frr = Frr::start(&bench);
    let times = "min_rx 50; min_tx 50; multiplier 6";
    let text = [
        session("four", "10.9.0.2", &format!("{times}; source_ip 10.9.0.1")),
        session("six", "fd00:9::2", &format!("{times}; source_ip fd00:9::1")),
        session("far", "10.9.1.2", &format!("{times}; source_ip 10.9.1.1; multihop; passive")),
    ]
    .concat();
    bench.start(0, &text);
    for name in ["four", "six", "far"] {
        bench.wait_up(0, name);
    }
    let up = |peer: &str| (peer.to_owned(), "up".to_owned());
    wait_for("FRR says so, too", 5, || frr.states() == [up("10.9.0.1"), up("10.9.1.1"), up("fd00:9::1")]);
    wait_for("the agreed intervals", 5, || {
        let session = bench.session(0, "four");
        (session.tx_interval, session.detection) == (Duration::from_millis(50), Some(Duration::from_millis(300)))
    });
    let session = bench.session(0, "four");
    assert_eq!((session.remote_state, session.diagnostic.as_str()), (Some(BfdState::Up), "no diagnostic"));

    let at = wall_us();
    frr.shut("shutdown");
    wait_for("its administrator is heard", 5, || bench.session(0, "four").state == BfdState::Down);
    let down = bench.changes(0, "four").pop().unwrap();
    assert_eq!(down.cause.as_deref(), Some("the neighbour is administratively down"));
    assert!(bench.session(0, "four").good, "that is no failure of the path (RFC 5882, 3.2)");
    report("FRR's shutdown known after", Duration::from_micros(down.wall_us.saturating_sub(at)));
    frr.shut("no shutdown");
    bench.wait_up(0, "four");

    let bfdd = frr.bfdd.take().unwrap();
    let at = wall_us();
    signal(bfdd.pid(), Signal::SIGKILL);
    for name in ["four", "six", "far"] {
        wait_for("its death", 5, || bench.session(0, name).state == BfdState::Down);
        let down = bench.changes(0, name).pop().unwrap();
        assert!(down.cause.as_ref().unwrap().starts_with("nothing heard for"), "{down:?}");
        let took = Duration::from_micros(down.wall_us.saturating_sub(at));
        report(&format!("bfdd killed, {name} down after"), took);
        // Six packets of 50 ms; the last one may have left an interval before.
        assert!(took > Duration::from_millis(245) && took < Duration::from_millis(300) + SLACK, "{name}: {took:?}");
    }
}
