//! What is told of an instance that a reload removes, and of a master that hears a lower priority.

use crate::fifo::keepalived;
use crate::namespaces::{inside, wait_for};
use crate::programs::{Running, signal};
use crate::{Bench, side_by_side, text};
use nix::sys::signal::Signal;
use std::net::Ipv4Addr;
use std::path::Path;
use vipdeck::net::LinkName;
use vipdeck::sys::advert_socket::AdvertSocket;
use vipdeck::wire::ipv4;
use vipdeck::wire::vrrp::{Advert, Auth, Body, Ends, encode};

/// VI_1 stays, the others leave.
fn lines(with_all: bool) -> String {
    let instance = |number: u8, rest: &str| {
        format!(
            "vrrp_instance VI_{number} {{\n    interface eth0\n    virtual_router_id 5{number}\n    priority 150\n    \
             advert_int 1\n    virtual_ipaddress {{\n        10.9.0.2{number}/24\n    }}\n    notify \"TELL\"\n    \
             {rest}\n}}\n"
        )
    };
    let mut all = "global_defs {\n    script_user root\n}\n".to_owned();
    all += &instance(1, "notify_stop \"TELL stop\"\n    notify_master_rx_lower_pri \"TELL lower\"");
    if with_all {
        all += &instance(2, "notify_deleted");
        all += &instance(3, "notify_deleted \"TELL deleted\"");
        all += &instance(4, "");
    }
    all
}

/// An advert of priority 50 for VI_1, from the other end of the cable.
fn lower_priority(namespace: &str) {
    inside(namespace, || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _entered = runtime.enter();
        let index = nix::net::if_::if_nametoindex("eth0").unwrap();
        let socket = AdvertSocket::open(&LinkName::new("eth0").unwrap(), index, &[ipv4::VRRP_GROUP]).unwrap();
        let source = Ipv4Addr::new(10, 9, 0, 2);
        let body = Body::V2 { interval: 1, auth: Auth::None };
        let advert = Advert { vrid: 51, priority: 50, body, addresses: vec![Ipv4Addr::new(10, 9, 0, 21).into()] };
        let bytes = encode(&advert, Ends::new(source.into(), ipv4::VRRP_GROUP.into()));
        let header = ipv4::Header::advert(source, ipv4::VRRP_GROUP, 255);
        socket.send(&ipv4::encode(&header, &bytes).unwrap()).unwrap();
    });
}

/// What is run from the start to the end, by instance: the scripts of different ones are not in any order.
fn told(bench: &Bench, running: Running, file: &Path, log: &Path) -> Vec<Vec<String>> {
    let calls = || std::fs::read_to_string(log).unwrap_or_default();
    let words = |text: &str| calls().lines().filter(|l| l.contains(text)).count();
    wait_for("four masters", 15, || words("MASTER 150") == 4);
    lower_priority(&bench.pair.b);
    wait_for("the lower priority", 10, || words("lower") > 0);
    std::fs::write(file, lines(false).replace("TELL", text(&bench.path("tell")))).unwrap();
    signal(running.pid(), Signal::SIGHUP);
    // One with a bare notify_deleted, one with a script, one without.
    wait_for("what has left", 10, || words("DELETED") == 2 && words("FAULT") == 1 && words("deleted") == 1);
    std::thread::sleep(std::time::Duration::from_millis(300));
    running.stop();
    wait_for("the stop", 5, || words("STOP") == 1);
    let all = calls();
    let of = |name: &str| all.lines().filter(|l| l.contains(name)).map(str::to_owned).collect::<Vec<_>>();
    let mut told: Vec<_> = ["VI_1", "VI_2", "VI_3", "VI_4"].map(of).into();
    let mut bare: Vec<_> = all.lines().filter(|l| !l.contains("VI_")).map(str::to_owned).collect();
    bare.sort();
    told.push(bare);
    told
}

// parity: 65
#[test]
fn stop_deletion_and_a_lower_priority_are_told_once_each_as_by_keepalived() {
    let prepared = |bench: &Bench| {
        let log = bench.path("told");
        std::fs::write(bench.path("tell"), format!("#!/bin/sh\necho \"called $*\" >> {}\n", log.display())).unwrap();
        (lines(true).replace("TELL", text(&bench.path("tell"))), log)
    };
    let theirs = |bench: &Bench| {
        let (all, log) = prepared(bench);
        let running = keepalived(&bench.pair, bench.directory.path(), &all);
        told(bench, running, &bench.path("keepalived.conf"), &log)
    };
    let ours = |bench: &mut Bench| {
        let (all, log) = prepared(bench);
        let running = bench.start_as(&all);
        told(bench, running, &bench.path("notify.conf"), &log)
    };
    let Some((theirs, ours)) = side_by_side(theirs, ours) else { return };
    assert_eq!(ours, theirs);
    assert_eq!(ours[4], ["called deleted", "called lower", "called stop"]);
}
