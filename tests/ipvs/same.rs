//! The table of vipdeck beside that of keepalived with the same file, for every case of `cases.txt`.

use crate::ipvsadm::ipvsadm;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use vipdeck::kernel::{Counters, ObservedTable};
use vipdeck::sys::ipvs::Ipvs;

const PROGRAM: &str = env!("CARGO_BIN_EXE_vipdeck");
/// So many keepalived run at a time, each in a namespace of its own.
const AT_ONCE: usize = 12;
/// The first result of a check: keepalived waits a second before it begins.
const CHECKED: Duration = Duration::from_millis(2500);
const PATIENCE: Duration = Duration::from_secs(30);

struct Case {
    name: &'static str,
    text: &'static str,
    file: PathBuf,
}

/// What the kernel holds, by three ways to look at it.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    saved: String,
    listed: String,
    table: ObservedTable,
}

fn cases(directory: &Path) -> Vec<Case> {
    std::fs::create_dir_all(directory).unwrap();
    let texts = include_str!("cases.txt").split("### ").skip(1);
    let case = |(number, text): (usize, &'static str)| {
        let (name, text) = text.split_once('\n').unwrap();
        let file = directory.join(format!("{number}.conf"));
        std::fs::write(&file, text).unwrap();
        Case { name, text, file }
    };
    texts.enumerate().map(case).collect()
}

pub(crate) fn same_tables_as_keepalived() {
    let directory = Path::new("/tmp/vipdeck-same");
    let cases = cases(directory);
    assert!(cases.len() >= 60, "{} cases", cases.len());
    let begun = Instant::now();
    let mut expected = Vec::new();
    for chunk in cases.chunks(AT_ONCE) {
        let seen = std::thread::scope(|scope| {
            let threads: Vec<_> = chunk.iter().map(|case| scope.spawn(|| in_namespace(|| keepalived(case)))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        });
        expected.extend(seen);
    }
    let all: Vec<_> = cases.iter().zip(&expected).collect();
    said(&format!("{} tables of keepalived in {:.1} s", all.len(), begun.elapsed().as_secs_f64()));
    let begun = Instant::now();
    in_namespace(|| reloaded(directory, &all));
    said(&format!("the same from one to the next by vipdeck in {:.1} s", begun.elapsed().as_secs_f64()));
    let begun = Instant::now();
    for (case, expected) in all.iter().step_by(16) {
        in_namespace(|| started(directory, case, expected));
    }
    said(&format!("and from its start in {:.1} s", begun.elapsed().as_secs_f64()));
    let many = all.iter().find(|(case, _)| case.name == "many services").unwrap();
    in_namespace(|| adopted(directory, many.0, many.1));
    in_namespace(|| drifted(directory, many.0, many.1));
}

fn said(text: &str) {
    writeln!(std::io::stderr(), "{text}").unwrap();
}

fn in_namespace<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let inside = || {
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
            assert!(Command::new("ip").args(["link", "set", "lo", "up"]).status().unwrap().success());
            work()
        };
        scope.spawn(inside).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Without what moves by itself.
fn read(ipvs: &mut Ipvs) -> ObservedTable {
    let mut table = ipvs.read().unwrap();
    for service in table.services.values_mut() {
        service.counters = Counters::default();
        service.destinations.values_mut().for_each(|d| d.counters = Counters::default());
    }
    table
}

fn look(ipvs: &mut Ipvs) -> Seen {
    Seen { saved: ipvsadm("-Sn"), listed: ipvsadm("-Ln"), table: read(ipvs) }
}

fn keepalived(case: &Case) -> Seen {
    let pid = |suffix: &str| case.file.with_extension(suffix);
    let log = std::fs::File::create(pid("log")).unwrap();
    let mut child = Command::new("keepalived")
        .args(["--check", "--dont-fork", "--log-console", "--use-file"])
        .arg(&case.file)
        .arg("--pid")
        .arg(pid("pid"))
        .arg("--checkers_pid")
        .arg(pid("cpid"))
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap();
    let mut ipvs = Ipvs::open().unwrap();
    let begun = Instant::now();
    let least = if case.text.contains("TCP_CHECK") { CHECKED } else { Duration::ZERO };
    let mut before = read(&mut ipvs);
    let mut since = Instant::now();
    loop {
        sleep(Duration::from_millis(100));
        let now = read(&mut ipvs);
        if now != before {
            (before, since) = (now, Instant::now());
        }
        let stable = !before.services.is_empty() && since.elapsed() > Duration::from_millis(400);
        if stable && begun.elapsed() > least {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "{}: {before:?}", case.name);
    }
    let seen = look(&mut ipvs);
    end(&mut child, Signal::SIGTERM);
    assert!(read(&mut ipvs).services.is_empty(), "{}: {}", case.name, ipvsadm("-Sn"));
    seen
}

fn engine(file: &Path, socket: &Path, log: &Path) -> Child {
    let log = std::fs::File::options().append(true).create(true).open(log).unwrap();
    Command::new(PROGRAM)
        .args(["run", "--headless", "--file"])
        .arg(file)
        .arg("--control")
        .arg(socket)
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap()
}

fn end(child: &mut Child, signal: Signal) {
    kill(Pid::from_raw(child.id().cast_signed()), signal).unwrap();
    child.wait().unwrap();
}

/// Until the kernel holds what keepalived made; what is there else.
fn reached(ipvs: &mut Ipvs, name: &str, expected: &Seen) -> Result<(), String> {
    let begun = Instant::now();
    while read(ipvs) != expected.table && begun.elapsed() < Duration::from_secs(10) {
        sleep(Duration::from_millis(20));
    }
    let seen = look(ipvs);
    if seen == *expected {
        return Ok(());
    }
    Err(format!("{name}: keepalived has\n{}\nvipdeck has\n{}", expected.saved, seen.saved))
}

fn wait_for(ipvs: &mut Ipvs, name: &str, expected: &Seen) {
    reached(ipvs, name, expected).unwrap_or_else(|difference| panic!("{difference}"));
}

/// One engine that reloads from each case to the next, and stops.
fn reloaded(directory: &Path, all: &[(&Case, &Seen)]) {
    let [current, socket, log] = ["now.conf", "now.sock", "now.log"].map(|name| directory.join(name));
    let mut ipvs = Ipvs::open().unwrap();
    let (mut child, mut differences) = (None, Vec::new());
    for (case, expected) in all {
        std::fs::write(&current, case.text).unwrap();
        match &child {
            None => child = Some(engine(&current, &socket, &log)),
            Some(child) => kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGHUP).unwrap(),
        }
        differences.extend(reached(&mut ipvs, case.name, expected).err());
    }
    end(&mut child.unwrap(), Signal::SIGTERM);
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert!(read(&mut ipvs).services.is_empty());
}

fn started(directory: &Path, case: &Case, expected: &Seen) {
    let [socket, log] = ["one.sock", "one.log"].map(|name| directory.join(name));
    let mut ipvs = Ipvs::open().unwrap();
    let mut child = engine(&case.file, &socket, &log);
    wait_for(&mut ipvs, case.name, expected);
    end(&mut child, Signal::SIGTERM);
    assert!(read(&mut ipvs).services.is_empty(), "{}", case.name);
}

/// An engine that dies leaves the table, and the next takes it as it is: it is never empty, and nothing of it is made
/// anew, or the counters would begin again.
fn adopted(directory: &Path, case: &Case, expected: &Seen) {
    let [socket, log] = ["two.sock", "two.log"].map(|name| directory.join(name));
    let mut ipvs = Ipvs::open().unwrap();
    let mut child = engine(&case.file, &socket, &log);
    wait_for(&mut ipvs, case.name, expected);
    // A connection that the kernel counts.
    assert!(Command::new("ip").args(["address", "add", "10.0.0.1/32", "dev", "lo"]).status().unwrap().success());
    let first = expected.table.services.keys().next().unwrap();
    let count = |ipvs: &mut Ipvs| ipvs.read().unwrap().services[first].counters.connections;
    let _ = std::net::TcpStream::connect_timeout(&first.address().unwrap(), Duration::from_millis(200));
    let _ = std::net::UdpSocket::bind("0.0.0.0:0").unwrap().send_to(b"x", first.address().unwrap());
    let begun = Instant::now();
    while count(&mut ipvs) == 0 {
        assert!(begun.elapsed() < PATIENCE, "the kernel counts no connection");
        sleep(Duration::from_millis(100));
    }
    // The guard and, with it, the engine.
    let status = crate::engine::status(&socket).unwrap();
    end(&mut child, Signal::SIGKILL);
    let _ = kill(Pid::from_raw(status.node.engine_pid.cast_signed()), Signal::SIGKILL);
    assert_eq!(read(&mut ipvs), expected.table, "who dies leaves the table");
    let mut child = engine(&case.file, &socket, &log);
    let begun = Instant::now();
    while crate::engine::status(&socket).is_none_or(|s| s.services.iter().any(|s| s.present != Some(true))) {
        assert_eq!(read(&mut ipvs), expected.table, "while the next one starts");
        assert!(begun.elapsed() < PATIENCE, "the next one does not start");
    }
    assert!(count(&mut ipvs) > 0, "nothing was made anew");
    assert_eq!(look(&mut ipvs), *expected);
    end(&mut child, Signal::SIGTERM);
    assert!(read(&mut ipvs).services.is_empty());
}

/// What somebody else does to the table is told and undone; what is his own is left alone.
fn drifted(directory: &Path, case: &Case, expected: &Seen) {
    let [socket, log] = ["three.sock", "three.log"].map(|name| directory.join(name));
    let mut ipvs = Ipvs::open().unwrap();
    let mut child = engine(&case.file, &socket, &log);
    wait_for(&mut ipvs, case.name, expected);
    let settled = || crate::engine::status(&socket).is_some_and(|s| s.services.iter().all(|s| s.present == Some(true)));
    let begun = Instant::now();
    while !settled() {
        assert!(begun.elapsed() < PATIENCE);
    }
    sleep(Duration::from_millis(1500));
    ipvsadm("-e -t 10.0.0.2:82 -r 10.1.2.1:82 -i -w 77");
    ipvsadm("-d -t 10.0.0.2:82 -r 10.1.2.2:82");
    wait_for(&mut ipvs, case.name, expected);
    let drifts: Vec<_> = crate::engine::events(&socket).into_iter().filter(|e| e.kind == "drift").collect();
    assert!(!drifts.is_empty() && drifts.iter().all(|d| d.text.contains("10.1.2.")), "{drifts:?}");
    let status = crate::engine::status(&socket).unwrap();
    assert!(status.findings.iter().any(|f| f.kind == "table-drift"), "{:?}", status.findings);
    ipvsadm("-A -t 10.99.0.1:80 -s rr");
    ipvsadm("-D -t 10.0.0.2:82");
    let begun = Instant::now();
    while crate::engine::status(&socket).is_none_or(|s| s.counters.table_drifts < 2) {
        assert!(begun.elapsed() < PATIENCE, "a service that was removed is not missed");
    }
    let begun = Instant::now();
    while read(&mut ipvs).services.len() != expected.table.services.len() + 1 {
        assert!(begun.elapsed() < PATIENCE, "{}", ipvsadm("-Sn"));
    }
    end(&mut child, Signal::SIGTERM);
    assert_eq!(ipvsadm("-Sn").trim(), "-A -t 10.99.0.1:80 -s rr", "what is somebody else's stays");
}
