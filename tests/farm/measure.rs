//! One program, and its figures.

use crate::namespaces::wait_for;
use crate::programs::{Running, signal};
use crate::servers::{PORTS, Servers, address};
use crate::usage::{cpu, resident};
use nix::sys::signal::Signal;
use std::fmt::Write;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

#[derive(Clone, Copy, Debug)]
pub(crate) enum Program {
    Vipdeck,
    Keepalived,
}

/// What it is, and how much.
pub(crate) type Row = (&'static str, f64);

/// Real servers of one virtual service.
const OF_ONE: usize = 100;
/// The kernel's table is looked at so often.
const LOOK: Duration = Duration::from_millis(20);

/// So many checks, all of them good; then a tenth of the servers refuse.
pub(crate) fn checks(program: Program, count: usize, is_long: bool) -> Vec<Row> {
    let mut servers = Servers::start();
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), &text(count, true, 1));
    let running = start(program, directory.path());
    wait_for("all servers are in the table", 60, || in_table() == count);
    // Every check has run, and its first round is over.
    sleep(Duration::from_secs(5));
    let (before, from) = (cpu(&running), Instant::now());
    sleep(Duration::from_secs(if is_long { 30 } else { 4 }));
    let minutes = from.elapsed().as_secs_f64() / 60.0;
    let cpu = (cpu(&running) - before) / minutes;
    let megabytes = resident(&running);
    servers.close_one_port();
    let closed = Instant::now();
    let mut latencies = Vec::new();
    wait_for("all that refuse are out", 30, || {
        let out = count - in_table();
        latencies.resize(out, closed.elapsed().as_secs_f64() * 1e3);
        sleep(LOOK);
        out == count / PORTS
    });
    running.stop();
    let at = |quantile: f64| latencies[((latencies.len() - 1) as f64 * quantile).round() as usize];
    vec![
        ("CPU, s/min", cpu),
        ("MB resident", megabytes),
        ("found to refuse, p50, ms", at(0.5)),
        ("found to refuse, p99, ms", at(0.99)),
    ]
}

/// A table without checks, and one weight changed in it.
pub(crate) fn table(program: Program, count: usize) -> Vec<Row> {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), &text(count, false, 1));
    let began = Instant::now();
    let running = start(program, directory.path());
    wait_for("the table is whole", 120, || in_table() == count);
    let whole = began.elapsed();
    sleep(Duration::from_secs(2));
    let megabytes = resident(&running);
    write(directory.path(), &text(count, false, 77));
    let asked = Instant::now();
    signal(running.pid(), Signal::SIGHUP);
    wait_for("the weight is changed", 60, || table_text().lines().any(is_changed));
    let changed = asked.elapsed();
    assert_eq!(in_table(), count);
    running.stop();
    // Of ten thousand keepalived 2.2.7 leaves some thousands.
    assert!(in_table() == 0 || matches!(program, Program::Keepalived), "{} are left", in_table());
    vec![
        ("start to whole table, ms", whole.as_secs_f64() * 1e3),
        ("reload with one change, ms", changed.as_secs_f64() * 1e3),
        ("MB resident", megabytes),
    ]
}

fn write(directory: &Path, text: &str) {
    std::fs::write(directory.join("conf"), text).unwrap();
}

/// `weight` is the first real server's.
fn text(count: usize, checked: bool, weight: u32) -> String {
    let mut text = String::from("global_defs {\n  router_id farm\n}\n");
    for index in 0..count {
        if index % OF_ONE == 0 {
            let close = if index > 0 { "}\n" } else { "" };
            let service = index / OF_ONE;
            let head = "delay_loop 2\n  lb_algo wrr\n  lb_kind DR\n  protocol TCP\n";
            write!(text, "{close}virtual_server 127.2.0.{} 80 {{\n  {head}", service + 1).unwrap();
        }
        let (ip, port) = address(index);
        let check = if checked { "    TCP_CHECK {\n      connect_timeout 1\n      retry 0\n    }\n" } else { "" };
        let weight = if index == 0 { weight } else { 1 };
        write!(text, "  real_server {ip} {port} {{\n    weight {weight}\n{check}  }}\n").unwrap();
    }
    text + "}\n"
}

fn start(program: Program, directory: &Path) -> Running {
    // A program that was killed in the middle of its stop leaves some.
    assert!(std::process::Command::new("ipvsadm").arg("-C").status().unwrap().success());
    let path = |name: &str| directory.join(name).display().to_string();
    let (conf, socket, parent, child) = (path("conf"), path("sock"), path("pid"), path("checkers.pid"));
    let argv: &[&str] = match program {
        Program::Vipdeck => &[env!("CARGO_BIN_EXE_vipdeck"), "run", "--headless", "-f", &conf, "--control", &socket],
        Program::Keepalived => &["keepalived", "-n", "-l", "-C", "-f", &conf, "-p", &parent, "-c", &child],
    };
    Running::start_here(directory, &format!("{program:?}"), argv)
}

fn table_text() -> String {
    std::fs::read_to_string("/proc/net/ip_vs").unwrap()
}

/// Real servers in the kernel's table.
fn in_table() -> usize {
    table_text().lines().filter(|line| line.starts_with("  -> ") && !line.contains("RemoteAddress")).count()
}

fn is_changed(line: &str) -> bool {
    line.starts_with("  -> ") && line.split_whitespace().nth(3) == Some("77")
}
