//! `ha_suspend`, `alpha` and checks at an operator's word.

use crate::namespaces::wait_for;
use crate::server::{Mode, Server};
use crate::{Bench, real_server, service};
use std::time::Duration;
use vipdeck::status::Verdict;

const TIMES: &str =
    "    delay_loop 0.2\n    retry 1\n    delay_before_retry 0.1\n    connect_timeout 1\n    warmup 0.1";

// parity: 85
#[test]
fn nothing_is_sent_to_servers_while_the_address_is_elsewhere() {
    let Some(mut bench) = Bench::new() else { return };
    let server = Server::start(&bench.pair.b, 8201, None);
    let reals = real_server(8201, "HTTP_GET {\n url {\n path /\n }\n }");
    bench.start(&service(&format!("{TIMES}\n    ha_suspend"), &reals));
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(server.taken(), 0, "the address is not here");
    let check = bench.runs(8201).status;
    assert!(check.suspended && check.verdict == Verdict::Unchecked, "{check:?}");
    let (said, code) = bench.vipdeck(&["check-now", "10.9.0.2:8201"]);
    assert_eq!(code, 1, "{said}");

    bench.pair.ip_a("address add 10.9.0.100/32 dev eth0");
    wait_for("it is checked", 3, || bench.real(8201).health.verdict == Verdict::Up);
    assert!(server.taken() > 0);

    bench.pair.ip_a("address del 10.9.0.100/32 dev eth0");
    wait_for("it waits", 3, || bench.runs(8201).status.suspended);
    std::thread::sleep(Duration::from_millis(300));
    let before = server.taken();
    server.set(Mode::BadStatus);
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(server.taken(), before, "the address has left");
    assert_eq!(bench.real(8201).health.verdict, Verdict::Up, "what was found last holds");
}

// parity: 79
#[test]
fn alpha_is_down_until_a_check_succeeds() {
    let Some(mut bench) = Bench::new() else { return };
    let server = Server::start(&bench.pair.b, 8202, None);
    server.set(Mode::BadStatus);
    let reals = real_server(8202, "HTTP_GET {\n url {\n path /\n }\n }");
    bench.start(&service(&format!("{TIMES}\n    alpha"), &reals));
    assert_eq!(bench.real(8202).health.verdict, Verdict::Down);
    wait_for("it is checked", 3, || !bench.runs(8202).runs.is_empty());
    let real = bench.real(8202);
    assert_eq!((real.health.verdict, real.weight_effective), (Verdict::Down, None));
    assert!(bench.told_at("is DOWN").is_some(), "its first failure is told, as keepalived does");
    server.set(Mode::Good);
    wait_for("it is up", 3, || bench.real(8202).health.verdict == Verdict::Up);
    assert_eq!(bench.real(8202).weight_effective, Some(100));
}

#[test]
fn a_check_runs_at_once_when_it_is_asked_for() {
    let Some(mut bench) = Bench::new() else { return };
    let server = Server::start(&bench.pair.b, 8203, None);
    let reals = real_server(8203, "HTTP_GET {\n url {\n path /\n }\n }");
    let times = TIMES.replace("delay_loop 0.2", "delay_loop 300");
    bench.start(&service(&times, &reals));
    wait_for("it is checked", 3, || bench.real(8203).health.verdict == Verdict::Up);
    let (said, code) = bench.vipdeck(&["check-now", "10.9.0.2:8203", "--wait"]);
    assert!(code == 0 && said.contains("HTTP_GET passed: page is as expected"), "{code}: {said}");
    server.set(Mode::BadStatus);
    let (said, code) = bench.vipdeck(&["check-now", "10.9.0.2:8203", "--wait"]);
    assert!(code == 4 && said.contains("HTTP_GET failed: status 503"), "{code}: {said}");
    wait_for("it is down", 3, || bench.real(8203).health.verdict == Verdict::Down);
    let (said, code) = bench.vipdeck(&["check-now", "10.9.0.9:80"]);
    assert!(code == 1 && said.contains("has no real server 10.9.0.9:80"), "{code}: {said}");
    let (table, _) = bench.vipdeck(&["status", "--checks"]);
    assert!(table.contains("HTTP_GET") && table.contains("status 503, not 200-299"), "{table}");
}
