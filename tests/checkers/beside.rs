//! The verdicts of Debian's keepalived and ours on the same servers with the same file: the tables that follow.
//!
//! On a kernel without ip_vs the test runs itself again under `tests/uml/run`.

use crate::certificates::Certificates;
use crate::guest;
use crate::namespaces::{run, skipped, wait_for};
use crate::programs::Running;
use crate::server::{DIGEST, Mode, Server};
use crate::{Bench, PROGRAM, real_server, service};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, UdpSocket};
use std::time::Duration;
use vipdeck::sys::ipvs::{Ipvs, IpvsError};

const DONE: &str = "checked: the verdicts of keepalived 2.2.7";
const TIMES: &str = "    delay_loop 1\n    retry 1\n    delay_before_retry 1\n    connect_timeout 1\n    warmup 0\n";

// parity: 80 81
#[test]
fn verdicts_are_keepalived_s() {
    match Ipvs::open() {
        Ok(_) => compare(),
        Err(IpvsError::NoModule) if !guest::is_inside() => {
            let said = guest::run("beside::verdicts_are_keepalived_s", ("512M", 240), DONE);
            said.err().iter().for_each(|reason| skipped(reason));
        }
        Err(error) => panic!("{error}"),
    }
}

/// Each checker with something that passes and something that fails.
fn checkers() -> Vec<(u16, String)> {
    let page =
        |port: u16, lines: &str| format!("HTTP_GET {{\n connect_port {port}\n url {{\n path /\n{lines}\n }}\n }}");
    let ssl = |port: u16| page(port, "").replace("HTTP_GET", "SSL_GET");
    let all = [
        "TCP_CHECK {\n connect_port 8001\n }".to_owned(),
        "TCP_CHECK {\n connect_port 8009\n }".to_owned(),
        page(8001, &format!(" digest {DIGEST}")),
        page(8001, " digest 00000000000000000000000000000000"),
        page(8002, " status_code 503"),
        page(8002, ""),
        page(8003, ""),
        ssl(8004),
        ssl(8001),
        "SMTP_CHECK {\n connect_port 8025\n }".to_owned(),
        "SMTP_CHECK {\n connect_port 8026\n }".to_owned(),
        "DNS_CHECK {\n connect_port 8053\n type A\n name good.example\n }".to_owned(),
        "DNS_CHECK {\n connect_port 8053\n type A\n name bad.example\n retry 0\n }".to_owned(),
        "PING_CHECK {\n }".to_owned(),
        "PING_CHECK {\n connect_ip 10.9.0.77\n }".to_owned(),
        "UDP_CHECK {\n connect_port 8053\n }".to_owned(),
        "UDP_CHECK {\n connect_port 8054\n }".to_owned(),
        "MISC_CHECK {\n misc_path \"/bin/true\"\n }".to_owned(),
        "MISC_CHECK {\n misc_path \"/bin/false\"\n }".to_owned(),
        "MISC_CHECK {\n misc_path \"/bin/sh -c 'exit 200'\"\n misc_dynamic\n }".to_owned(),
        "FILE_CHECK {\n track_file load\n }".to_owned(),
    ];
    (9001..).zip(all).collect()
}

fn compare() {
    let Some(bench) = Bench::new() else { return };
    let certificates = Certificates::new(bench.directory.path());
    let b = bench.pair.b.clone();
    let _good = Server::start(&b, 8001, None);
    let busy = Server::start(&b, 8002, None);
    busy.set(Mode::BadStatus);
    let silent = Server::start(&b, 8003, None);
    silent.set(Mode::HalfOpen);
    let _secured = Server::start(&b, 8004, Some(certificates.server("old", false)));
    mail_and_names(&b);
    let number = bench.file("number", "5");
    let reals: String = checkers().iter().map(|(port, checker)| real_server(*port, checker)).collect();
    let config = format!("track_file load {{\n file {number}\n weight 2\n}}\n") + &service(TIMES, &reals);
    let file = bench.file("both.conf", &config);
    let log = |name: &str| std::fs::read_to_string(bench.path(&format!("{name}.log"))).unwrap_or_default();
    let mut tables = Vec::new();
    for name in ["keepalived", "vipdeck"] {
        let socket = bench.path("sock").to_str().unwrap().to_owned();
        let argv: &[&str] = match name {
            "keepalived" => &["/usr/sbin/keepalived", "-n", "-l", "-D", "-C", "-f", &file],
            _ => &[PROGRAM, "run", "--headless", "--no-guard", "-f", &file, "--control", &socket],
        };
        let running = Running::start(&bench.pair.a, bench.directory.path(), name, argv);
        // Until nothing has changed for longer than all tries of a check take.
        let (mut last, mut since) = (table(&bench), std::time::Instant::now());
        let end = since + Duration::from_secs(70);
        while last.is_empty() || since.elapsed() < Duration::from_secs(4) {
            assert!(std::time::Instant::now() < end, "{name} does not come to rest\n{}", log(name));
            std::thread::sleep(Duration::from_millis(200));
            let now = table(&bench);
            if now != last {
                (last, since) = (now, std::time::Instant::now());
            }
        }
        tables.push(last);
        running.stop();
        wait_for("an empty table", 5, || table(&bench).is_empty());
    }
    assert_eq!(tables[0], tables[1], "keepalived:\n{}\nvipdeck:\n{}", log("keepalived"), log("vipdeck"));
    let passing = tables[0].lines().filter(|line| line.starts_with("-a")).count();
    assert_eq!(passing, 11, "{}", tables[0]);
    writeln!(std::io::stderr(), "{DONE}").unwrap();
}

/// `ipvsadm -Sn`
fn table(bench: &Bench) -> String {
    run(&["netns", "exec", &bench.pair.a, "ipvsadm", "-Sn"])
}

/// A mail server, one that wants none, and a name server that knows one name.
fn mail_and_names(namespace: &str) {
    for (port, greeting) in [(8025u16, "220 ready\r\n"), (8026, "554 no\r\n")] {
        let namespace = namespace.to_owned();
        std::thread::spawn(move || {
            vipdeck::sys::netns::enter(&namespace).unwrap();
            for stream in TcpListener::bind(("10.9.0.2", port)).unwrap().incoming() {
                let mut stream = stream.unwrap();
                std::thread::spawn(move || {
                    let _ = stream.write_all(greeting.as_bytes());
                    for line in BufReader::new(stream.try_clone().unwrap()).lines() {
                        let Ok(line) = line else { return };
                        let reply = if line.starts_with("QUIT") { "221 bye\r\n" } else { "250 hello\r\n" };
                        let _ = stream.write_all(reply.as_bytes());
                    }
                });
            }
        });
    }
    let namespace = namespace.to_owned();
    std::thread::spawn(move || {
        vipdeck::sys::netns::enter(&namespace).unwrap();
        let socket = UdpSocket::bind("10.9.0.2:8053").unwrap();
        let mut room = [0; 1500];
        while let Ok((count, from)) = socket.recv_from(&mut room) {
            if count < 12 {
                continue;
            }
            let code = if room[..count].windows(4).any(|w| w == b"good") { 0 } else { 2 };
            (room[2], room[3]) = (0x81, 0x80 | code);
            let _ = socket.send_to(&room[..count], from);
        }
    });
}
