//! No address outlives its engine: the kernel takes away what nobody renews. Needs root and iproute2.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::explicit_write,
    clippy::disallowed_methods,
    reason = "test code"
)]

#[path = "../common/engine.rs"]
#[expect(dead_code, reason = "shared with other tests")]
mod engine;
#[path = "../kernel/namespaces.rs"]
#[expect(dead_code, reason = "shared with other tests")]
mod namespaces;
#[path = "../common/programs.rs"]
#[expect(dead_code, reason = "shared with other tests")]
mod programs;

use crate::engine::{PROGRAM, is_master, status};
use crate::namespaces::{Pair, wait_for};
use crate::programs::{Running, signal};
use nix::sys::signal::Signal;
use std::path::PathBuf;
use std::time::{Duration, Instant};

const VIPS: [&str; 2] = ["10.9.0.20/24", "2001:db8::20/64"];

struct Bench {
    engine: Running,
    socket: PathBuf,
    pair: Pair,
    directory: tempfile::TempDir,
}

impl Bench {
    /// An engine that is master of an address of each family, with a lease of 4 seconds.
    fn new() -> Option<Self> {
        let pair = Pair::new()?;
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("lease.conf");
        let instance = |number: usize, address: &str| {
            format!(
                "vrrp_instance VI_{number} {{\ninterface eth0\nvirtual_router_id 5{number}\npriority 200\n\
                 virtual_ipaddress {{\n{address}\n}}\n}}\n"
            )
        };
        std::fs::write(&file, VIPS.iter().enumerate().map(|(n, vip)| instance(n, vip)).collect::<String>()).unwrap();
        let socket = directory.path().join("lease.sock");
        let (file, at) = (file.display().to_string(), socket.display().to_string());
        // As when everything of ours is killed at once: nobody starts the engine again.
        let lease = ["env", "VIPDECK_ENGINE__LEASE_SECONDS=4"];
        let argv = [&lease[..], &[PROGRAM, "run", "--headless", "--no-guard", "-f", &file, "--control", &at]].concat();
        let engine = Running::start(&pair.a, directory.path(), "engine", &argv);
        wait_for("MASTER of both", 12, || status(&socket).is_some_and(|s| s.instances.iter().all(is_master)));
        Some(Self { engine, socket, pair, directory })
    }

    fn present(&self) -> [bool; 2] {
        let shown = self.pair.ip_a("-o address show dev eth0");
        VIPS.map(|vip| shown.contains(vip))
    }
}

#[test]
fn when_the_engine_is_killed_the_kernel_takes_its_addresses_away_within_the_lease() {
    let Some(bench) = Bench::new() else { return };
    assert_eq!(bench.present(), [true; 2]);
    signal(bench.engine.pid(), Signal::SIGKILL);
    let killed = Instant::now();
    wait_for("both addresses are gone", 8, || bench.present() == [false; 2]);
    let took = killed.elapsed();
    eprintln!("measured: addresses gone {took:?} after SIGKILL, lease 4 s");
    assert!(took < Duration::from_millis(5500), "{took:?}");
}

#[test]
fn a_running_engine_keeps_its_addresses_and_one_that_hangs_does_not() {
    let Some(bench) = Bench::new() else { return };
    let changes = Running::start(&bench.pair.a, bench.directory.path(), "monitor", &["ip", "-o", "monitor", "address"]);
    std::thread::sleep(Duration::from_secs(9));
    assert!(!changes.said().contains("Deleted"), "more than two leases long nothing left\n{}", changes.said());
    assert!(changes.said().contains("10.9.0.20"), "renewals are seen");
    assert_eq!(bench.present(), [true; 2]);
    signal(bench.engine.pid(), Signal::SIGSTOP);
    wait_for("the addresses of a stopped engine leave", 8, || bench.present() == [false; 2]);
    signal(bench.engine.pid(), Signal::SIGCONT);
    wait_for("the engine is back, and nobody else was there", 8, || {
        bench.present() == [true; 2] && status(&bench.socket).is_some_and(|s| s.instances.iter().all(is_master))
    });
    let adverts = status(&bench.socket).unwrap().instances[0].adverts_sent;
    assert!(adverts > 0);
}
