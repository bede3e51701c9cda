//! Side by side with HAProxy, and on a real engine under load: `cargo test --test balancer side -- --nocapture`.
//!
//! Clients in one network namespace, a director and two servers in the other. The engine is MASTER and serves with its
//! embedded balancer; HAProxy (TCP mode, as Debian ships it) serves the same servers on another port; both have as many
//! threads as there are processors. Short rounds alternate, so that all three have the same machine. What is compared
//! are ratios. With `VIPDECK_LONG=1` the rounds are long, and more of them; use `--release` then.

use crate::capture::{Capture, wall};
use crate::engine::{is_master, status};
use crate::gaps::{Witness, extremes, is_punctual, tolerance};
use crate::load::{Kind, Measured, Side, ask, ask_all, connect, crowd, large, press, run, run_apart};
use crate::namespaces::{Pair, inside, wait_for};
use crate::programs::{Running, has};
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use vipdeck::status::{DataplaneKind, Service};
use vipdeck::sys::limits;

const SOURCE: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
const VIP: SocketAddr = address(20, 80);
const HAPROXY: SocketAddr = address(1, 8080);
const SERVERS: [SocketAddr; 2] = [address(1, 9001), address(1, 9002)];
/// What an engine's process needs beside two descriptors for each connection.
const SPARE: u64 = 700;

const fn address(host: u8, port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(10, 9, 0, host)), port)
}

fn config(weights: [u32; 2]) -> String {
    let mut text = "\
global_defs {
    router_id balancer
}
vrrp_instance VI_1 {
    interface eth0
    virtual_router_id 51
    priority 200
    advert_int 1
    virtual_ipaddress {
        10.9.0.20/24
    }
}
virtual_server 10.9.0.20 80 {
    lb_algo wrr
    lb_kind NAT
    protocol TCP
    delay_loop 60
"
    .to_owned();
    for (server, weight) in SERVERS.iter().zip(weights) {
        let (ip, port) = (server.ip(), server.port());
        text += format!("    real_server {ip} {port} {{\n        weight {weight}\n    }}\n").as_str();
    }
    text + "}\n"
}

const HAPROXY_CONFIG: &str = "\
global
    maxconn 9500
defaults
    mode tcp
    timeout connect 3s
    timeout client 60s
    timeout server 60s
listen web
    bind 10.9.0.1:8080 backlog 20000
    balance roundrobin
    server web1 10.9.0.1:9001
    server web2 10.9.0.1:9002
";

/// The director, its servers, and both balancers.
struct Stage {
    pair: Pair,
    directory: tempfile::TempDir,
    engine: Running,
    _haproxy: Running,
    _servers: Side,
    capture: Capture,
}

impl Stage {
    fn start() -> Option<Self> {
        if !has(&["tcpdump", "haproxy"]) {
            return None;
        }
        let pair = Pair::new()?;
        for namespace in [&pair.a, &pair.b] {
            inside(namespace, || {
                // Many short connections between few addresses.
                for (name, value) in
                    [("tcp_tw_reuse", "1"), ("ip_local_port_range", "1024 65535"), ("tcp_max_tw_buckets", "1000000")]
                {
                    // Those that belong to the machine alone stay as they are.
                    let _ = std::fs::write(format!("/proc/sys/net/ipv4/{name}"), value);
                }
                std::fs::write("/proc/sys/net/core/somaxconn", "20000").unwrap();
            });
        }
        let directory = tempfile::tempdir().unwrap();
        let servers = Side::servers(Some(&pair.a), &SERVERS);
        let file = |name: &str| directory.path().join(name);
        std::fs::write(file("haproxy.cfg"), HAPROXY_CONFIG).unwrap();
        let haproxy_config = file("haproxy.cfg").display().to_string();
        let haproxy = Running::start(&pair.a, directory.path(), "haproxy", &["haproxy", "-f", &haproxy_config]);
        let capture = Capture::start(&pair.b, "eth0", directory.path(), "peer");
        std::fs::write(file("lvs.conf"), config([1, 1])).unwrap();
        let (conf, socket) = (file("lvs.conf").display().to_string(), file("lvs.sock").display().to_string());
        let run = ["env", "VIPDECK_BALANCER__ALWAYS=true", crate::engine::PROGRAM, "run", "--headless", "--no-guard"];
        let arguments = ["-f", &conf, "--control", &socket];
        let engine = Running::start(&pair.a, directory.path(), "engine", &[&run[..], &arguments[..]].concat());
        let stage = Self { pair, directory, engine, _haproxy: haproxy, _servers: servers, capture };
        wait_for("MASTER with real servers", 20, || {
            status(&stage.socket()).is_some_and(|s| {
                s.instance("VI_1").is_some_and(is_master) && s.services.iter().any(|service| service.reals.len() == 2)
            })
        });
        let dataplane = status(&stage.socket()).unwrap().node.dataplane.kind;
        assert_eq!(dataplane, DataplaneKind::Balancer);
        Some(stage)
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("lvs.sock")
    }

    fn clients<T: Send, F: Future<Output = T>>(&self, work: impl FnOnce() -> F + Send) -> T {
        run_apart(Some(&self.pair.b), work)
    }

    fn vipdeck(&self, arguments: &[&str]) {
        let socket = self.socket().display().to_string();
        let output = std::process::Command::new(crate::engine::PROGRAM)
            .args(arguments)
            .args(["--at", &socket])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.success(), "vipdeck {arguments:?}: {said}");
    }

    fn service(&self) -> Service {
        status(&self.socket()).expect("status").services.remove(0)
    }

    /// Whether adverts left on time since then.
    fn judge_adverts(&self, what: &str, from: Duration, witness: Witness) {
        let (worst, to) = (witness.end(), wall());
        let all = self.capture.adverts_of(SOURCE).into_iter();
        let at: Vec<_> = all.filter(|(at, _)| *at >= from && *at <= to).map(|(at, _)| at).collect();
        let measured = extremes(&at);
        say(&format!(
            "measured: {what}: {} adverts, {:.1} to {:.1} ms apart; a thread that does nothing was late by {:.1} ms",
            at.len(),
            measured.0.as_secs_f64() * 1e3,
            measured.1.as_secs_f64() * 1e3,
            worst.as_secs_f64() * 1e3
        ));
        assert!(is_punctual(measured, tolerance(worst)), "{measured:?}, the machine was late by {worst:?}");
    }
}

fn say(line: &str) {
    writeln!(std::io::stderr(), "{line}").unwrap();
}

fn is_long() -> bool {
    std::env::var("VIPDECK_LONG").as_deref() == Ok("1")
}

#[test]
fn side_by_side_with_haproxy_and_no_advert_is_late() {
    let Some(stage) = Stage::start() else { return };
    let (rounds, time) = if is_long() { (5, Duration::from_secs(5)) } else { (3, Duration::from_millis(700)) };
    let (from, witness) = (wall(), Witness::start());
    std::thread::sleep(Duration::from_millis(1100));
    for (name, kind) in [("keep-alive", Kind::KeepAlive), ("a connection each", Kind::Connections)] {
        let targets = [SERVERS[0], HAPROXY, VIP];
        let mut measured = [(); 3].map(|()| Measured::default());
        for _ in 0..rounds {
            for (target, into) in targets.iter().zip(&mut measured) {
                into.add(stage.clients(|| press(*target, kind, 64, time)));
            }
        }
        let [direct, haproxy, ours] = &measured;
        for one in &measured {
            assert!(one.errors.is_empty(), "{} errors, first: {}", one.errors.len(), one.errors[0]);
        }
        let line = |who: &str, one: &Measured| {
            let (rate, share) = (one.rate(), one.rate() / direct.rate());
            format!("{who} {rate:.0}/s ({share:.2}) p50 {:.2} p99 {:.2} ms", one.quantile(0.5), one.quantile(0.99))
        };
        say(&format!(
            "measured: balancer, {name}, 64 clients: {}; {}; {}; ours to HAProxy's: {:.2} in requests, {:.2} in p99",
            line("direct", direct),
            line("HAProxy", haproxy),
            line("vipdeck", ours),
            ours.rate() / haproxy.rate(),
            ours.quantile(0.99) / haproxy.quantile(0.99)
        ));
        // Unoptimised builds are for correctness; the ratio there is only kept from collapsing.
        let (least, most) = if cfg!(debug_assertions) { (0.3, 6.0) } else { (0.7, 2.0) };
        assert!(ours.rate() > haproxy.rate() * least, "{name}");
        assert!(ours.quantile(0.99) < haproxy.quantile(0.99) * most, "{name}");
    }
    let streams = if is_long() { 8 } else { 2 };
    let rates = [SERVERS[0], HAPROXY, VIP].map(|target| stage.clients(|| large(target, streams)) / 1e6);
    say(&format!(
        "measured: balancer, {streams} downloads at once: direct {:.0} MB/s; HAProxy {:.0}; vipdeck {:.0}, {:.2} of HAProxy's",
        rates[0],
        rates[1],
        rates[2],
        rates[2] / rates[1]
    ));
    stage.judge_adverts("adverts while the balancer is busy", from, witness);
}

#[test]
fn ten_thousand_connections_a_drain_and_a_reload_lose_nothing() {
    let Some(stage) = Stage::start() else { return };
    // The clients' and the servers' ends are this process's.
    let limit = limits::raise_open_files(65_536).unwrap();
    let count = 10_000.min((limit.saturating_sub(SPARE) / 2) as usize);
    let (from, witness) = (wall(), Witness::start());
    std::thread::sleep(Duration::from_millis(1100));
    let before = memory(&stage.engine);
    stage.clients(async || {
        let mut crowd = crowd(VIP, count).await;
        let with = memory(&stage.engine);
        wait_until("counted", || active(&stage.service()).iter().sum::<u32>() as usize == count).await;
        say(&format!(
            "measured: balancer, {count} connections at once (limit of descriptors: {limit}): {:.1} KiB each",
            (with.saturating_sub(before)) as f64 / count as f64
        ));
        assert_eq!(active(&stage.service()), [count as u32 / 2; 2]);
        let stop = Arc::new(AtomicBool::new(false));
        let (until, namespace) = (stop.clone(), stage.pair.b.clone());
        let busy = std::thread::spawn(move || run(Some(&namespace), keep_asking(until)));

        // One server is drained: its connections go on, new ones go to the other.
        stage.vipdeck(&["drain", &SERVERS[0].to_string()]);
        wait_until("drained in the table", || stage.service().reals[0].weight_kernel == Some(0)).await;
        for _ in 0..20 {
            assert_eq!(ask(&mut connect(VIP).await.unwrap()).await.unwrap(), 2);
        }
        assert_eq!(ask_all(&mut crowd).await, count, "every connection goes on");

        // A reload with another weight, and the drained one returns.
        std::fs::write(stage.directory.path().join("lvs.conf"), config([1, 3])).unwrap();
        stage.vipdeck(&["reload"]);
        stage.vipdeck(&["return", &SERVERS[0].to_string()]);
        wait_until("reloaded", || {
            stage.service().reals.iter().map(|real| real.weight_kernel).collect::<Vec<_>>() == [Some(1), Some(3)]
        })
        .await;
        assert_eq!(ask_all(&mut crowd).await, count, "every connection goes on");
        stop.store(true, Relaxed);
        let (asked, lost) = busy.join().unwrap();
        assert!(asked > 100, "{asked}");
        assert_eq!(lost, Vec::<String>::new(), "of {asked}");
        say(&format!("measured: balancer, drain and reload under {count} connections: {asked} new ones, none lost"));
        drop(crowd);
        wait_until("all gone", || active(&stage.service()) == [0, 0]).await;
    });
    stage.judge_adverts("adverts under so many connections", from, witness);
}

/// New connections without pause, four at a time: how many, and what failed.
async fn keep_asking(stop: Arc<AtomicBool>) -> (usize, Vec<String>) {
    let one = |stop: Arc<AtomicBool>| async move {
        let (mut asked, mut lost) = (0, Vec::new());
        while !stop.load(Relaxed) {
            let result = async { ask(&mut connect(VIP).await?).await }.await;
            lost.extend(result.err().map(|error| error.to_string()));
            asked += 1;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        (asked, lost)
    };
    let tasks: Vec<_> = (0..4).map(|_| tokio::spawn(one(stop.clone()))).collect();
    let (mut asked, mut lost) = (0, Vec::new());
    for task in tasks {
        let (more, failed) = task.await.unwrap();
        asked += more;
        lost.extend(failed);
    }
    (asked, lost)
}

fn active(service: &Service) -> Vec<u32> {
    service.reals.iter().map(|real| real.active.unwrap_or(0)).collect()
}

async fn wait_until(what: &str, mut is: impl FnMut() -> bool) {
    for _ in 0..400 {
        if is() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("not within 20 s: {what}");
}

/// KiB of memory that a process has.
fn memory(program: &Running) -> u64 {
    let status = std::fs::read_to_string(Path::new("/proc").join(program.pid().to_string()).join("status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}
