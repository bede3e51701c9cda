//! Servers that mean harm: what they cost, and what is said of them.

use crate::namespaces::wait_for;
use crate::server::{Mode, Server};
use crate::{Bench, real_server, service};
use std::time::Duration;
use vipdeck::status::Verdict;

const TIMES: &str =
    "    delay_loop 0.5\n    retry 1\n    connect_timeout 1\n    warmup 0.2\n    delay_before_retry 0.2";
/// What the engine may grow by while it is fed without end, KiB.
const GROWTH: u64 = 24 * 1024;

/// Resident memory of a process, KiB.
fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

// parity: 80
#[test]
fn hostile_servers_cost_little_and_no_other_check_suffers() {
    let Some(mut bench) = Bench::new() else { return };
    let b = bench.pair.b.clone();
    let hostile = [
        (8101, Mode::EndlessHeaders, "HTTP_GET", "more than 256 header lines"),
        (8102, Mode::HugeBody, "HTTP_GET", ""),
        (8103, Mode::NeverEnds, "HTTP_GET", "status 200, and the page is not complete after 1 s"),
        (8104, Mode::Garbage, "SSL_GET", "TLS handshake: "),
        (8105, Mode::Garbage, "HTTP_GET", "no HTTP answer: "),
        (8106, Mode::HalfOpen, "SSL_GET", "connected, and no end of the TLS handshake in 1 s"),
    ];
    let servers: Vec<_> = hostile.iter().map(|(port, ..)| Server::start(&b, *port, None)).collect();
    for ((_, mode, ..), server) in hostile.iter().zip(&servers) {
        server.set(*mode);
    }
    let _good = Server::start(&b, 8100, None);
    let url = "{\n url {\n path /\n regex \"never found\"\n }\n }";
    let mut reals: String =
        hostile.iter().map(|(port, _, kind, _)| real_server(*port, &format!("{kind} {url}"))).collect();
    reals += &real_server(8100, "HTTP_GET {\n delay_loop 0.1\n url {\n path /\n }\n }");
    // Greets like no mail server, and without end.
    reals += &real_server(8107, "SMTP_CHECK {\n connect_port 8105\n }");
    bench.start(&service(TIMES, &reals));
    wait_for("all hostile ones are down", 8, || {
        bench.reals().iter().filter(|r| r.health.verdict == Verdict::Down).count() == 7
    });
    let pid = bench.snapshot().node.engine_pid;
    let before = resident(pid);
    let runs_before = bench.runs(8100).runs.last().unwrap().at;
    std::thread::sleep(Duration::from_secs(4));
    let after = resident(pid);
    assert!(after <= before + GROWTH, "{before} KiB, then {after} KiB");
    for (port, _, _, why) in hostile {
        let told = bench.runs(port);
        let last = told.runs.last().unwrap();
        assert!(!last.found.good && last.found.text().starts_with(why), "{port}: {last:?}");
        assert!(last.found.took <= Duration::from_millis(1150), "{port}: {last:?}");
    }
    let mail = bench.runs(8107);
    assert!(mail.runs.last().unwrap().found.text().contains("a mail server"), "{mail:?}");
    // The good one beside them was asked all the while, and answered quickly.
    let good = bench.runs(8100);
    assert_eq!(good.status.verdict, Verdict::Up);
    assert!(good.runs.iter().all(|r| r.found.good), "{good:?}");
    assert!(good.runs.last().unwrap().at.since(runs_before) > Duration::from_secs(3), "{good:?}");
    let slow = good.runs.iter().map(|r| r.found.took).max().unwrap();
    assert!(slow < Duration::from_millis(500), "{slow:?}");
}
