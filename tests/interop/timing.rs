//! Rows of parity that are about time and weights, on a real link next to keepalived: many virtual routers on one cable,
//! each with its own question, so that all of them wait together.

use crate::able;
use crate::capture::{Capture, wall};
use crate::namespaces::{Pair, run, wait_for};
use crate::node::Node;
use crate::programs::signal;
use crate::stage::Program::{Keepalived, Vipdeck};
use nix::sys::signal::Signal;
use std::net::Ipv4Addr;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;
use vipdeck::status::Role;

const OURS: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
const THEIRS: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 2);
const SECOND: Duration = Duration::from_secs(1);
/// A loaded machine may be so late.
const LATE: Duration = Duration::from_millis(120);

/// One instance of version 2 with an advert a second.
fn instance(vrid: u8, priority: u8, more: &str) -> String {
    format!(
        "vrrp_instance VI_{vrid} {{\ninterface eth0\nvirtual_router_id {vrid}\npriority {priority}\n{more}\n\
         virtual_ipaddress {{\n10.9.1.{vrid}/24\n}}\n}}\n"
    )
}

/// Of one sender and virtual router, when and with what priority.
fn adverts(capture: &Capture, from: Ipv4Addr, vrid: u8) -> Vec<(Duration, u8)> {
    let adverts =
        capture.frames().into_iter().filter_map(|f| f.advert().map(|(sender, advert)| (f.at, sender, advert)));
    adverts.filter(|(_, s, a)| *s == from && a.vrid == vrid).map(|(at, _, a)| (at, a.priority)).collect()
}

fn first(capture: &Capture, from: Ipv4Addr, vrid: u8) -> Duration {
    adverts(capture, from, vrid).first().unwrap_or_else(|| panic!("{from} never advertised {vrid}")).0
}

/// Within what a late machine may add.
fn assert_near(what: &str, is: Duration, should: Duration) {
    eprintln!("measured: {what}: {is:?} where {should:?} is due");
    assert!(is + Duration::from_millis(10) >= should && is <= should + LATE, "{what}: {is:?}, not {should:?}");
}

/// Of version 2: (256 − priority) / 256 seconds.
fn skew(priority: u8) -> Duration {
    SECOND * (256 - u32::from(priority)) / 256
}

// parity: 21 22 26
#[test]
fn who_waits_for_a_standing_master_and_how_long() {
    if !able() {
        return;
    }
    let Some(pair) = Pair::new() else { return };
    let directory = tempfile::tempdir().unwrap();
    let capture = Capture::start(&pair.b, "eth0", directory.path(), "wire");
    let theirs = [21, 22, 26].map(|vrid| instance(vrid, 100, "")).concat();
    let keepalived = Node::start(Keepalived, &pair.b, directory.path(), "keepalived", &theirs);
    wait_for("keepalived is master", 8, || [21, 22, 26].iter().all(|v| !adverts(&capture, THEIRS, *v).is_empty()));
    let ours = instance(21, 150, "nopreempt")
        + &instance(22, 150, "preempt_delay 6")
        + &instance(26, 90, "garp_master_delay 1\ndown_timer_adverts 5");
    let started = wall();
    let vipdeck = Node::start(Vipdeck, &pair.a, directory.path(), "vipdeck", &ours);
    wait_for("the one with a delay takes over", 14, || !adverts(&capture, OURS, 22).is_empty());
    let waited = first(&capture, OURS, 22) - started;
    eprintln!("measured: preempt_delay 6: MASTER {waited:?} after the start");
    assert!(waited >= SECOND * 6 && waited < SECOND * 6 + SECOND * 4 + LATE, "{waited:?}");
    assert!(adverts(&capture, OURS, 21).is_empty(), "nopreempt: the standing master stays");
    keepalived.kill();
    wait_for("five adverts are waited for", 10, || !adverts(&capture, OURS, 26).is_empty());
    let silent_since = adverts(&capture, THEIRS, 26).last().unwrap().0;
    assert_near("down_timer_adverts 5", first(&capture, OURS, 26) - silent_since, SECOND * 5 + skew(90));
    let silent_since = adverts(&capture, THEIRS, 21).last().unwrap().0;
    assert_near("nopreempt, master dead", first(&capture, OURS, 21) - silent_since, SECOND * 3 + skew(150));
    vipdeck.stop();
}

fn script(directory: &Path, name: &str, body: &str, lines: &str) -> String {
    let path = directory.join(format!("{name}.sh"));
    std::fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    format!("vrrp_script {name} {{\nscript \"{}\"\ninterval 1\n{lines}\n}}\n", path.display())
}

// parity: 57 58 37
#[test]
fn weights_are_on_the_wire_and_nobody_starts_before_a_first_result_or_a_delay() {
    if !able() {
        return;
    }
    let Some(pair) = Pair::new() else { return };
    let directory = tempfile::tempdir().unwrap();
    let capture = Capture::start(&pair.b, "eth0", directory.path(), "wire");
    let track = |entries: &str| format!("track_script {{\n{entries}\n}}");
    let cases: [(u8, u8, &str, u8); 8] = [
        (1, 100, "up weight 20", 120),
        (2, 100, "up weight 20 reverse", 80),
        (3, 100, "down weight -30", 70),
        (4, 100, "down weight -30 reverse", 130),
        (5, 250, "up weight 20", 254),
        (6, 10, "down weight -30", 1),
        (7, 100, "up weight 253", 254),
        (8, 100, "up weight 20\ndown weight -30", 90),
    ];
    let text = "global_defs {\nvrrp_startup_delay 2\nscript_user root\nenable_script_security\n}\n".to_owned()
        + &script(directory.path(), "up", "exit 0", "")
        + &script(directory.path(), "down", "exit 1", "")
        + &script(directory.path(), "slow", "sleep 4", "timeout 8")
        + &cases.iter().map(|(vrid, priority, entry, _)| instance(*vrid, *priority, &track(entry))).collect::<String>()
        + &instance(58, 100, &track("slow"))
        + &instance(37, 100, "");
    let started = wall();
    let vipdeck = Node::start(Vipdeck, &pair.a, directory.path(), "vipdeck", &text);
    let priorities = || cases.map(|(vrid, ..)| adverts(&capture, OURS, vrid).last().map(|(_, priority)| *priority));
    let expected = cases.map(|(.., priority)| Some(priority));
    wait_for("every one is MASTER with its priority", 12, || priorities() == expected);
    let waited = first(&capture, OURS, 37) - started;
    eprintln!("measured: vrrp_startup_delay 2: MASTER {waited:?} after the start");
    assert!(waited >= SECOND * 5 + skew(100), "{waited:?}");
    wait_for("the one with a slow script is MASTER", 12, || !adverts(&capture, OURS, 58).is_empty());
    let waited = first(&capture, OURS, 58) - started;
    eprintln!("measured: a script of 4 s: MASTER {waited:?} after the start");
    assert!(waited >= SECOND * 7 + skew(100), "{waited:?}");
    let slow = vipdeck.snapshot().instance("VI_58").unwrap().clone();
    assert!(slow.transitions.iter().all(|t| t.to != Role::Fault), "waiting is no fault: {:?}", slow.transitions);
    // keepalived 2.2.7 forgets `reverse` here: 80 becomes 120.
    let before = capture.frames().len();
    vipdeck.reload(&text);
    sleep(Duration::from_millis(2500));
    assert_eq!(priorities(), expected, "the same numbers after a reload");
    assert!(capture.frames().len() > before);
    vipdeck.stop();
}

// parity: 35 36
#[test]
fn a_master_that_was_frozen_knows_it_when_it_goes_on() {
    if !able() {
        return;
    }
    let Some(pair) = Pair::new() else { return };
    let directory = tempfile::tempdir().unwrap();
    let capture = Capture::start(&pair.b, "eth0", directory.path(), "wire");
    let ours = instance(35, 150, "nopreempt\ntimer_expired_backup 100") + &instance(36, 150, "");
    let vipdeck = Node::start(Vipdeck, &pair.a, directory.path(), "vipdeck", &ours);
    wait_for("vipdeck is master", 8, || [35, 36].iter().all(|v| !adverts(&capture, OURS, *v).is_empty()));
    let theirs = [35, 36].map(|vrid| instance(vrid, 100, "")).concat();
    let keepalived = Node::start(Keepalived, &pair.b, directory.path(), "keepalived", &theirs);
    sleep(SECOND * 2);
    let node = vipdeck.snapshot().node;
    // The whole machine, so the guard too: else it would replace the engine in time.
    for pid in [node.pid, node.engine_pid] {
        signal(pid, Signal::SIGSTOP);
    }
    sleep(SECOND * 10);
    assert!([35, 36].iter().all(|v| !adverts(&capture, THEIRS, *v).is_empty()), "the other one took over");
    let resumed = wall();
    for pid in [node.engine_pid, node.pid] {
        signal(pid, Signal::SIGCONT);
    }
    sleep(SECOND * 2);
    let told = vipdeck.events();
    assert!(told.iter().any(|e| e.kind == "late" && e.text.contains("slept")), "it says that it slept: {told:#?}");
    let states = vipdeck.snapshot();
    assert_eq!(states.node.engine_pid, node.engine_pid, "the same engine");
    assert_eq!(states.instance("VI_35").unwrap().state, Role::Backup, "it leaves it to who took over");
    let after = |vrid| adverts(&capture, OURS, vrid).into_iter().filter(|(at, _)| *at >= resumed).count();
    assert_eq!(after(35), 0, "and has not advertised first");
    assert_eq!(states.instance("VI_36").unwrap().state, Role::Master, "the preferred one goes on, and says so");
    assert!(after(36) > 0);
    keepalived.stop();
    vipdeck.stop();
}

// parity: 62
#[test]
fn a_sync_group_moves_as_one() {
    if !able() {
        return;
    }
    let Some(pair) = Pair::new() else { return };
    // The other node's second link is a switch that keeps its carrier when our port goes down.
    run(&["-n", &pair.b, "link", "add", "eth1", "type", "bridge", "mcast_snooping", "0", "forward_delay", "0"]);
    run(&["link", "add", "eth1", "netns", &pair.a, "type", "veth", "peer", "name", "port1", "netns", &pair.b]);
    run(&["-n", &pair.b, "link", "add", "port2", "type", "veth", "peer", "name", "other"]);
    for port in ["port1", "port2", "other"] {
        run(&["-n", &pair.b, "link", "set", port, "up"]);
    }
    for port in ["port1", "port2"] {
        run(&["-n", &pair.b, "link", "set", port, "master", "eth1"]);
    }
    for (namespace, address) in [(&pair.a, "10.9.2.1/24"), (&pair.b, "10.9.2.2/24")] {
        run(&["-n", namespace, "address", "add", address, "dev", "eth1"]);
        run(&["-n", namespace, "link", "set", "eth1", "up"]);
    }
    let directory = tempfile::tempdir().unwrap();
    let capture = Capture::start(&pair.b, "eth0", directory.path(), "wire");
    let told = directory.path().join("told");
    let notify = directory.path().join("notify.sh");
    std::fs::write(&notify, format!("#!/bin/sh\necho $1 $2 $3 >> {}\n", told.display())).unwrap();
    std::fs::set_permissions(&notify, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let notify = format!("notify \"{}\"", notify.display());
    let group = |priority: u8, notify: &str| {
        let second = instance(63, priority, notify).replace("eth0", "eth1").replace("10.9.1.63", "10.9.2.63");
        // Without sync_group_tracking_weight the weight of a member's tracker counts for nothing.
        let tracked = format!("{notify}\ntrack_script {{\nup weight 20\n}}");
        "global_defs {\nscript_user root\nenable_script_security\n}\n".to_owned()
            + &script(directory.path(), "up", "exit 0", "")
            + &instance(62, priority, &tracked)
            + &second
            + &format!("vrrp_sync_group G {{\ngroup {{\nVI_62\nVI_63\n}}\n{notify}\n}}\n")
    };
    let vipdeck = Node::start(Vipdeck, &pair.a, directory.path(), "vipdeck", &group(150, &notify));
    let keepalived = Node::start(Keepalived, &pair.b, directory.path(), "keepalived", &group(100, ""));
    let ours = || vipdeck.snapshot().instances.iter().map(|i| i.state).collect::<Vec<_>>();
    wait_for("both are master", 9, || ours() == [Role::Master; 2]);
    wait_for("an advert", 3, || !adverts(&capture, OURS, 62).is_empty());
    assert_eq!(adverts(&capture, OURS, 62)[0].1, 150, "the weight is dropped");
    run(&["-n", &pair.a, "link", "set", "eth1", "down"]);
    wait_for("the fault of one is the fault of both", 3, || ours() == [Role::Fault; 2]);
    wait_for("it resigns on the link that is good", 2, || {
        adverts(&capture, OURS, 62).last().is_some_and(|(_, priority)| *priority == 0)
    });
    wait_for("keepalived takes over", 6, || !adverts(&capture, THEIRS, 62).is_empty());
    run(&["-n", &pair.a, "link", "set", "eth1", "up"]);
    wait_for("both are master again", 12, || ours() == [Role::Master; 2]);
    let lines = || std::fs::read_to_string(&told).unwrap_or_default();
    let masters = ["INSTANCE VI_62 MASTER", "INSTANCE VI_63 MASTER", "GROUP G MASTER"];
    wait_for("each is told", 5, || masters.iter().all(|line| lines().matches(line).count() == 2));
    // In this order they were given to their scripts, which are other processes each.
    let told = vipdeck.events();
    let last = |text: &str| told.iter().rposition(|e| e.text.contains(text)).unwrap_or_else(|| panic!("{text}"));
    let instances = told.iter().rposition(|e| e.kind == "state" && e.text.ends_with("→ MASTER")).unwrap();
    assert!(last("sync group G: ") > instances, "{told:#?}");
    keepalived.stop();
    vipdeck.stop();
}
