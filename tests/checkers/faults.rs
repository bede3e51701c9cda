//! How soon a failing server is found, and how soon its recovery: the timing table.

use crate::certificates::Certificates;
use crate::namespaces::{run, wait_for};
use crate::server::{DIGEST, Mode, Server};
use crate::{Bench, real_server, service, wall_us};
use std::time::Duration;
use vipdeck::status::Verdict;

const TIMES: &str =
    "    delay_loop 1\n    retry 1\n    delay_before_retry 0.5\n    connect_timeout 0.8\n    warmup 0.2";
/// delay_loop + (retry + 1) · timeout + retry · delay_before_retry, and a tenth of a second.
const DETECTED: Duration = Duration::from_millis(1000 + 2 * 800 + 500 + 100);
/// The rest of a run that still fails, delay_loop, and a tenth of a second.
const RECOVERED: Duration = Duration::from_millis(800 + 1000 + 100);

/// What happens to the server at each port, and what is said of it.
const FAULTS: &[(u16, Mode, &str)] = &[
    (8001, Mode::Refuse, "HTTP_GET: connection refused"),
    (8002, Mode::Reset, "HTTP_GET: "),
    (8004, Mode::SlowByte, "HTTP_GET: the answer is not complete after 0.8 s"),
    (8005, Mode::BadStatus, "HTTP_GET: status 503, not 200"),
    (8006, Mode::OtherPage, "HTTP_GET: MD5 of 5 bytes is "),
    (8007, Mode::HalfOpen, "HTTP_GET: connected, and no answer in 0.8 s"),
    (8009, Mode::Refuse, "TCP_CHECK: connection refused"),
];
/// Its packets are dropped.
const BLACK_HOLE: (u16, &str) = (8003, "HTTP_GET: no answer in 0.8 s");
/// Its certificate is another.
const EXPIRED: (u16, &str) = (8008, "SSL_GET: its certificate has expired");

fn page() -> String {
    format!("HTTP_GET {{\n url {{\n path /\n digest {DIGEST}\n status_code 200\n }}\n }}")
}

// parity: 79
#[test]
fn failure_and_recovery_are_found_within_the_table_s_bound() {
    let Some(mut bench) = Bench::new() else { return };
    let certificates = Certificates::new(bench.directory.path());
    let b = bench.pair.b.clone();
    let servers: Vec<_> = FAULTS.iter().map(|(port, ..)| Server::start(&b, *port, None)).collect();
    let _black_hole = Server::start(&b, BLACK_HOLE.0, None);
    let secured = Server::start(&b, EXPIRED.0, Some(certificates.server("good", false)));
    let mut reals: String =
        FAULTS.iter().filter(|(port, ..)| *port != 8009).map(|(port, ..)| real_server(*port, &page())).collect();
    reals += &real_server(8009, "TCP_CHECK {\n }");
    reals += &real_server(BLACK_HOLE.0, &page());
    reals += &real_server(EXPIRED.0, "SSL_GET {\n verify_certificate chain\n url {\n path /\n }\n }");
    let ssl = format!("SSL {{\n    ca {}\n}}\n", certificates.path("ca.pem"));
    bench.start(&(ssl + &service(TIMES, &reals)));
    let all_are = |verdict: Verdict| bench.reals().iter().all(|r| r.health.verdict == verdict);
    wait_for("all are up", 5, || all_are(Verdict::Up));

    let begin = wall_us();
    for ((_, mode, _), server) in FAULTS.iter().zip(&servers) {
        server.set(*mode);
    }
    drop_packets(&bench, BLACK_HOLE.0);
    secured.set_tls(certificates.server("old", false));
    wait_for("all are down", 6, || all_are(Verdict::Down));
    let expected = FAULTS.iter().map(|(port, _, why)| (*port, *why)).chain([BLACK_HOLE, EXPIRED]);
    for (port, why) in expected.clone() {
        let took = Duration::from_micros(bench.told_at(&format!("10.9.0.2:{port} is DOWN")).unwrap() - begin);
        assert!(took <= DETECTED, "{port} ({why}): {took:?}, at most {DETECTED:?}");
        // Not before the second try, which has a pause before it.
        assert!(took >= Duration::from_millis(450), "{port} ({why}): {took:?}");
        let told = bench.runs(port);
        let turned = told.runs.iter().rposition(|r| r.verdict == Some(true)).unwrap();
        let (before, at) = (&told.runs[turned], &told.runs[turned + 1]);
        assert_eq!((before.attempt, at.attempt, at.verdict), (1, 2, Some(false)), "{port}: {told:?}");
        let said = format!("{}: {}", told.status.method, at.found.text());
        assert!(said.starts_with(why), "{port}: {said}, not {why}");
    }

    let begin = wall_us();
    for server in &servers {
        server.set(Mode::Good);
    }
    run(&["netns", "exec", &bench.pair.b, "nft", "delete", "table", "ip", "hole"]);
    secured.set_tls(certificates.server("good", false));
    wait_for("all are up again", 6, || all_are(Verdict::Up));
    for (port, why) in expected {
        let took = Duration::from_micros(bench.told_at(&format!("10.9.0.2:{port} is UP")).unwrap() - begin);
        assert!(took <= RECOVERED, "{port} ({why}): back after {took:?}, at most {RECOVERED:?}");
    }
}

fn drop_packets(bench: &Bench, port: u16) {
    let rules = format!(
        "table ip hole {{\n chain in {{\n type filter hook input priority 0;\n tcp dport {port} drop;\n }}\n}}\n"
    );
    let file = bench.file("hole.nft", &rules);
    run(&["netns", "exec", &bench.pair.b, "nft", "-f", &file]);
}
