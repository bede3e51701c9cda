//! Reloads of a running engine, on the wire and in the kernel. Needs root, tcpdump and iproute2.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::explicit_write,
    clippy::disallowed_methods,
    reason = "test code"
)]

#[path = "../common/capture.rs"]
#[expect(dead_code, reason = "shared with other tests")]
mod capture;
mod edits;
#[path = "../common/engine.rs"]
mod engine;
#[path = "../kernel/namespaces.rs"]
#[expect(dead_code, reason = "shared with other tests")]
mod namespaces;
#[path = "../common/programs.rs"]
mod programs;

use crate::capture::Capture;
use crate::edits::Edits;
use crate::engine::{PROGRAM, events, is_master, status};
use crate::namespaces::{Pair, wait_for};
use crate::programs::{Running, has, signal};
use nix::sys::signal::Signal;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

struct Bench {
    pair: Pair,
    directory: tempfile::TempDir,
    file: PathBuf,
    socket: PathBuf,
}

impl Bench {
    fn new() -> Option<Self> {
        if !has(&["tcpdump", "ip"]) {
            return None;
        }
        let pair = Pair::new()?;
        let directory = tempfile::tempdir().unwrap();
        let (file, socket) = (directory.path().join("reload.conf"), directory.path().join("reload.sock"));
        Some(Self { pair, directory, file, socket })
    }

    fn start(&self) -> Running {
        let (file, socket) = (path(&self.file), path(&self.socket));
        let argv = [PROGRAM, "run", "--headless", "-f", file, "--control", socket];
        let engine = Running::start(&self.pair.a, self.directory.path(), "engine", &argv);
        let all_masters = || status(&self.socket).is_some_and(|s| s.instances.iter().all(is_master));
        wait_for("every instance is MASTER", 20, all_masters);
        engine
    }

    fn reload(&self, more: &[&str]) -> Output {
        Command::new(PROGRAM).arg("reload").args(more).arg("--at").arg(&self.socket).output().unwrap()
    }
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// 200 instances, 50 random edits in a row: whoever is not edited advertises on time, and no address that stays leaves.
// parity: 86
#[test]
fn fifty_reloads_of_two_hundred_instances_touch_nothing_that_stays() {
    let Some(bench) = Bench::new() else { return };
    let mut edits = Edits::new(20_261_124);
    std::fs::write(&bench.file, edits.text()).unwrap();
    let engine = bench.start();
    let changes = Running::start(&bench.pair.a, bench.directory.path(), "monitor", &["ip", "-o", "monitor", "address"]);
    let capture = Capture::bulk(&bench.pair.b, "eth0", bench.directory.path(), "peer");
    std::thread::sleep(Duration::from_millis(1200));
    for _ in 0..50 {
        edits.edit();
        std::fs::write(&bench.file, edits.text()).unwrap();
        let output = bench.reload(&[]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        std::thread::sleep(Duration::from_millis(60));
    }
    std::thread::sleep(Duration::from_millis(2500));
    let gaps = widest_gaps(&capture);
    let untouched: Vec<_> = (1..=200).filter(|vrid| !edits.touched(*vrid)).collect();
    assert!(untouched.len() > 50, "{} were never edited", untouched.len());
    let widest = untouched.iter().map(|vrid| (gaps.get(vrid).copied().unwrap_or(Duration::MAX), *vrid)).max().unwrap();
    eprintln!(
        "measured: widest advert gap of {} untouched instances: {:?} (VRID {})",
        untouched.len(),
        widest.0,
        widest.1
    );
    assert!(widest.0 <= Duration::from_millis(1500), "{widest:?}");
    let left: Vec<_> = changes.said().lines().filter(|l| l.contains("Deleted")).map(str::to_owned).collect();
    let stays = |line: &&String| (1..=200).any(|n| line.contains(&format!(" {}/32 ", Edits::address(n))));
    assert_eq!(left.iter().find(stays), None, "an address that stays was removed");
    assert!(!left.is_empty(), "the edits removed addresses, and those left");
    let snapshot = status(&bench.socket).unwrap();
    assert!(snapshot.instances.iter().all(is_master));
    drop(engine);
}

/// The longest silence of each VRID.
fn widest_gaps(capture: &Capture) -> BTreeMap<u8, Duration> {
    let mut last = BTreeMap::new();
    let mut gaps: BTreeMap<u8, Duration> = BTreeMap::new();
    for frame in capture.frames() {
        let Some((_, advert)) = frame.advert() else { continue };
        if let Some(before) = last.insert(advert.vrid, frame.at) {
            let gap = gaps.entry(advert.vrid).or_default();
            *gap = (*gap).max(frame.at.saturating_sub(before));
        }
    }
    gaps
}

// parity: 87
#[test]
fn a_file_with_errors_changes_nothing_and_says_where_they_are() {
    let Some(bench) = Bench::new() else { return };
    let good = instance("VI_1", 51, "10.9.0.20/24");
    std::fs::write(&bench.file, &good).unwrap();
    let engine = bench.start();
    let before = status(&bench.socket).unwrap();
    std::fs::write(&bench.file, good.replace("virtual_router_id 51", "virtual_router_id 300")).unwrap();
    for more in [&["--dry-run"] as &[_], &[]] {
        let output = bench.reload(more);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("nothing is changed") && said.contains("reload.conf:3:"), "{said}");
    }
    signal(engine.pid(), Signal::SIGHUP);
    wait_for("the refusal is told", 5, || {
        events(&bench.socket).iter().filter(|e| e.text.contains("reload refused")).count() == 2
    });
    let after = status(&bench.socket).unwrap();
    assert_eq!((after.instances[0].vrid, after.instances[0].since), (51, before.instances[0].since));
    assert!(is_master(&after.instances[0]));
}

#[test]
fn sighup_reloads_also_links_and_families_that_were_not_listened_to() {
    let Some(bench) = Bench::new() else { return };
    let one = instance("VI_1", 51, "10.9.0.20/24");
    std::fs::write(&bench.file, &one).unwrap();
    let engine = bench.start();
    let six = instance("VI_6", 61, "2001:db8::20/64");
    std::fs::write(&bench.file, format!("{one}{six}")).unwrap();
    signal(engine.pid(), Signal::SIGHUP);
    wait_for("the new instance is MASTER", 15, || {
        status(&bench.socket).is_some_and(|s| s.instances.len() == 2 && s.instances.iter().all(is_master))
    });
    assert!(bench.pair.ip_a("-6 address show dev eth0").contains("2001:db8::20/64"));
    std::fs::write(&bench.file, &one).unwrap();
    signal(engine.pid(), Signal::SIGHUP);
    wait_for("the instance is gone, and its address", 15, || {
        status(&bench.socket).is_some_and(|s| s.instances.len() == 1)
            && !bench.pair.ip_a("-6 address show dev eth0").contains("2001:db8::20")
    });
}

fn instance(name: &str, vrid: u8, address: &str) -> String {
    format!(
        "vrrp_instance {name} {{\n    interface eth0\n    virtual_router_id {vrid}\n    priority 200\n    \
         virtual_ipaddress {{\n        {address}\n    }}\n}}\n"
    )
}
