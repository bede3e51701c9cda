//! The client's measurements, against a server that stops: on loopback, without privileges.

use crate::harness::PROGRAM;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};
use vipdeck::lab::report::{Report, Target};

/// A program, killed when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.0.id()).unwrap()), signal).unwrap();
    }
}

fn server(address: SocketAddr) -> Running {
    let arguments = ["lab-server", "--name", "web1", "--listen"];
    let child = Command::new(PROGRAM).args(arguments).arg(address.to_string()).spawn().unwrap();
    let running = Running(child);
    let end = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(address).is_err() {
        assert!(Instant::now() < end, "the server does not listen");
    }
    running
}

struct Client {
    _child: Running,
    lines: BufReader<ChildStdout>,
}

impl Client {
    fn start(address: SocketAddr) -> Self {
        let mut command = Command::new(PROGRAM);
        command.args(["lab-client", "--ask", &address.to_string()]).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { _child: Running(child), lines }
    }

    fn wait(&mut self, what: &str, holds: impl Fn(&Target) -> bool) -> Target {
        let end = Instant::now() + Duration::from_secs(20);
        while Instant::now() < end {
            let mut line = String::new();
            assert!(self.lines.read_line(&mut line).unwrap() > 0, "the client ended");
            let report: Report = serde_json::from_str(&line).unwrap();
            let target = report.targets.into_iter().next().unwrap();
            if holds(&target) {
                return target;
            }
        }
        panic!("never: {what}");
    }
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// The measured length is the given one, give or take what two processes on a busy machine may be late.
fn assert_length(target: &Target, expected: Duration) {
    let longest = target.outages.iter().max_by_key(|o| o.length).expect("an outage");
    let slack = Duration::from_millis(60) + longest.own_lateness;
    assert!(longest.length.abs_diff(expected) <= slack, "measured {longest:?}, expected {expected:?}");
    assert_eq!(target.view.worst_outage, longest.length.saturating_sub(longest.own_lateness));
}

#[test]
fn an_answering_server_has_no_outage_and_its_name_is_heard() {
    let address = free_address();
    let _server = server(address);
    let mut client = Client::start(address);
    let target = client.wait("answers", |t| t.view.answered > 100 && t.slow.complete > 1);
    assert_eq!(target.view.answers, ["web1"; 8]);
    assert_eq!((target.lost, target.slow.broken), (0, 0));
    assert_eq!(target.view.outage_now, None);
    assert_eq!(target.view.interval, Duration::from_millis(20));
}

#[test]
fn a_killed_server_is_an_outage_of_its_true_length() {
    let address = free_address();
    let first = server(address);
    let mut client = Client::start(address);
    client.wait("answers", |t| t.view.answered > 20 && t.slow.open > 0);
    drop(first);
    let from = Instant::now();
    let during = client.wait("silence", |t| t.view.outage_now.is_some_and(|o| o > Duration::from_millis(400)));
    assert!(during.lost > 5, "requests are refused at once: {during:?}");
    assert_eq!(during.lost, during.lost_after_retry);
    let _second = server(address);
    let length = from.elapsed();
    let after = client.wait("answers again", |t| t.view.outage_now.is_none());
    assert_length(&after, length);
    assert!(after.slow.broken > 0, "downloads were cut: {after:?}");
}

#[test]
fn a_stalled_server_is_an_outage_that_loses_nothing() {
    let address = free_address();
    let server = server(address);
    let mut client = Client::start(address);
    client.wait("answers", |t| t.view.answered > 20);
    server.signal(Signal::SIGSTOP);
    let from = Instant::now();
    let during = client.wait("silence", |t| t.view.outage_now.is_some_and(|o| o > Duration::from_millis(300)));
    // Requests go on while none is answered.
    assert!(during.view.asked >= during.view.answered + 10, "{during:?}");
    server.signal(Signal::SIGCONT);
    let length = from.elapsed();
    let after = client.wait("answers again", |t| t.view.outage_now.is_none());
    assert_length(&after, length);
    assert_eq!((after.lost, after.slow.broken), (0, 0), "{after:?}");
}

#[test]
fn a_connection_carries_many_requests_or_one() {
    let address = free_address();
    let _server = server(address);
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    for _ in 0..3 {
        stream.write_all(b"GET /any HTTP/1.1\r\nHost: web1\r\n\r\n").unwrap();
        let mut answer = [0; 512];
        let count = stream.read(&mut answer).unwrap();
        assert!(answer[..count].ends_with(b"web1\n"));
    }
    stream.write_all(b"GET / HTTP/1.1\r\nHost: web1\r\nConnection: close\r\n\r\n").unwrap();
    let mut rest = String::new();
    stream.read_to_string(&mut rest).expect("an end of stream");
    assert!(rest.to_lowercase().contains("connection: close") && rest.ends_with("web1\n"), "{rest}");
}
