//! What happens, in order.

use crate::guest::is_inside;
use crate::load::{Client, Load, Servers, answers};
use crate::namespaces::wait_for;
use crate::say;
use crate::stage::{SERVERS, Stage, real};
use std::time::{Duration, Instant};
use vipdeck::status::{Admin, DataplaneKind, Severity};

/// How long the downloads take.
const DOWNLOAD: Duration = Duration::from_secs(5);

pub(crate) fn tell() {
    let mut stage = Stage::new();
    stage.start(0);
    stage.start(1);
    wait_for("the preferred director is MASTER", 20, || stage.is_master(0));
    let servers = Servers::start(&stage);
    let kind = stage.snapshot(0).node.dataplane.kind;
    assert_eq!(kind, if is_inside() { DataplaneKind::Ipvs } else { DataplaneKind::Balancer });
    wait_for("all servers answer", 20, || {
        let mut seen = answers(&stage, SERVERS);
        seen.sort_unstable();
        seen.dedup();
        seen.len() == SERVERS
    });
    nothing_is_cut(&stage, &servers);
    if kind == DataplaneKind::Ipvs {
        sticky_clients(&stage);
    }
    the_rest_is_reset(&stage);
    maintenance_and_slow_start(&stage);
    it_holds(&mut stage, &servers);
    if !is_inside() {
        a_damaged_journal(&mut stage);
    }
}

fn nothing_is_cut(stage: &Stage, servers: &Servers) {
    let mut load = Load::start(stage, DOWNLOAD);
    assert!((0..SERVERS).all(|s| load.kept_on().contains(&s)), "every server has lasting connections");
    std::thread::sleep(Duration::from_millis(500));
    let said = stage.must(&[0, 1], &["drain", &real(0), "--reason", "CHG-1"]);
    assert_eq!(said.matches("accepted").count(), 2, "{said}");
    wait_for("its weight is 0", 5, || stage.admin(0, 0) == (Admin::Drain, Some(0)));
    // What was chosen before is on its way.
    std::thread::sleep(Duration::from_millis(200));
    let before = servers.accepted();
    wait_for("the downloads end", 60, || load.has_downloaded());
    std::thread::sleep(Duration::from_millis(1500));
    let drain = stage.real(0, 0);
    assert_eq!(drain.admin, Admin::Drain, "the lasting connections are still there");
    assert!(drain.active.is_some_and(|n| n >= 1), "{drain:?}");
    let after = servers.accepted();
    assert_eq!(after[0], before[0], "new connections came to the draining server");
    assert!((1..SERVERS).all(|s| after[s] > before[s] + 5), "{before:?} {after:?}");
    let drained = |s: &Stage| s.events(0).into_iter().find(|e| e.text.contains("is DRAINED after"));
    assert_eq!(drained(stage).map(|e| e.text), None);
    let ended = load.end_kept();
    wait_for("DRAINED", 20, || stage.admin(0, 0).0 == Admin::Drained);
    let told = ended.elapsed();
    let event = drained(stage).expect("it is told");
    let result = load.end();
    assert!(result.downloads.contains(&0), "the draining server had downloads");
    say(&format!(
        "a drain under load: {} downloads and {} lasting connections whole, {} short ones, none to the draining server; \
         DRAINED {told:.1?} after the last one ended: {}",
        result.downloads.len(),
        2 * SERVERS,
        result.short.len(),
        event.text
    ));
    // The table is read each second, and asked for here.
    assert!(told < Duration::from_secs(if is_inside() { 8 } else { 4 }), "{told:?}");
    stage.must(&[0, 1], &["undrain", &real(0), "--wait"]);
}

/// Persistence: clients come back to a server that drains, until they may be sent elsewhere.
fn sticky_clients(stage: &Stage) {
    let ask = || Client::connect(stage, 81).and_then(|mut c| c.ask()).unwrap();
    let server = ask();
    let name = format!("10.8.0.{}:81", 31 + server);
    let said = stage.must(&[0, 1], &["drain", &name]);
    assert!(said.contains("still come back"), "{said}");
    let of_81 = || {
        let snapshot = stage.snapshot(0);
        let service = snapshot.services.iter().find(|s| s.id.to_string().ends_with(":81")).unwrap();
        service.reals.iter().find(|r| r.id.to_string() == name).unwrap().clone()
    };
    wait_for("its weight is 0", 5, || of_81().weight_kernel == Some(0));
    assert_eq!(ask(), server, "a client that sticks to it comes back");
    wait_for("the client is counted", 5, || of_81().sticky.is_some_and(|n| n >= 1));
    std::thread::sleep(Duration::from_millis(2500));
    assert_eq!(of_81().admin, Admin::Drain, "somebody may still come");
    stage.must(&[0, 1], &["drain", &name, "--ignore-persistence"]);
    wait_for("the client goes elsewhere", 10, || ask() != server);
    wait_for("DRAINED", 20, || of_81().admin == Admin::Drained);
    stage.must(&[0, 1], &["return", &name]);
    let template = || {
        let path = "/proc/sys/net/ipv4/vs/expire_quiescent_template";
        crate::namespaces::inside(&stage.namespace("d0"), || std::fs::read_to_string(path).unwrap())
    };
    wait_for("the kernel is as before", 5, || template().trim() == "0");
    say("a client that sticks to a draining server comes back, and goes elsewhere on request");
}

/// What does not end by itself is reset, on demand or at the deadline.
fn the_rest_is_reset(stage: &Stage) {
    let mut lasting: Vec<_> = (0..2 * SERVERS).map(|_| Client::connect(stage, 80).unwrap()).collect();
    let on: Vec<_> = lasting.iter_mut().map(|c| c.ask().unwrap()).collect();
    let began = Instant::now();
    stage.must(&[0, 1], &["drain", &real(1), "--deadline", "2s", "--then", "reset"]);
    wait_for("DRAINED", 20, || stage.admin(0, 1).0 == Admin::Drained);
    assert!(began.elapsed() >= Duration::from_secs(2));
    for (client, server) in lasting.iter_mut().zip(&on) {
        // A reset may take the second packet to be noticed.
        let cut = (0..3).any(|_| client.ask().is_err());
        assert_eq!(cut, *server == 1, "a connection to server {server}");
    }
    let said = stage.events(0);
    assert!(said.iter().any(|e| e.text.contains("the time to drain 10.8.0.32:80")), "{said:#?}");
    say("at its deadline a drain resets what is left, and nothing else");
}

fn maintenance_and_slow_start(stage: &Stage) {
    let mut lasting: Vec<_> = (0..2 * SERVERS).map(|_| Client::connect(stage, 80).unwrap()).collect();
    let on: Vec<_> = lasting.iter_mut().map(|c| c.ask().unwrap()).collect();
    stage.must(&[0, 1], &["maint", &real(2), "--wait"]);
    assert_eq!(stage.admin(0, 2), (Admin::Maint, None));
    for (client, server) in lasting.iter_mut().zip(&on) {
        let cut = (0..3).any(|_| client.ask().is_err());
        assert_eq!(cut, *server == 2, "a connection to server {server}");
    }
    stage.must(&[0, 1], &["return", &real(1)]);
    if is_inside() {
        stage.must(&[0, 1], &["return", &real(2), "--wait"]);
        return say("maintenance resets and leaves the table");
    }
    stage.must(&[0, 1], &["return", &real(2), "--slow-start", "4s"]);
    let mut seen = Vec::new();
    wait_for("the whole weight", 20, || {
        let real = stage.real(0, 2);
        seen.extend(real.weight_kernel);
        real.rising.is_none() && real.weight_kernel == Some(10)
    });
    seen.dedup();
    assert!(seen.is_sorted() && seen.len() >= 4, "{seen:?}");
    say(&format!("maintenance resets and leaves the table; a slow start went by the weights {seen:?}"));
}

/// Failover in mid-drain, and everything else that could forget it.
fn it_holds(stage: &mut Stage, servers: &Servers) {
    let mut lasting: Vec<_> = (0..SERVERS).map(|_| Client::connect(stage, 80).unwrap()).collect();
    let _ = lasting.iter_mut().map(|c| c.ask().unwrap()).collect::<Vec<_>>();
    stage.must(&[0, 1], &["drain", &real(3), "--reason", "disk swap"]);
    stage.must(&[0, 1], &["weight", &real(0), "7"]);
    wait_for("it drains", 5, || stage.admin(0, 3) == (Admin::Drain, Some(0)));
    std::thread::sleep(Duration::from_millis(300));
    let before = servers.accepted()[3];
    stage.crash(0);
    wait_for("the other director is MASTER", 30, || stage.is_master(1));
    drop(lasting);
    assert_eq!(stage.admin(1, 3).1, Some(0));
    assert!(!answers(stage, 12).contains(&3));
    stage.kill_engine(1);
    assert_eq!(stage.admin(1, 3).1, Some(0), "after the death of the engine");
    // The guest is slow: the rest does not depend on what serves.
    if !is_inside() {
        after_everything_else(stage);
    }
    assert!(!answers(stage, 12).contains(&3));
    // The first director comes back as after a reboot, and takes over.
    stage.start(0);
    let said = stage.events(0);
    assert!(said.iter().any(|e| e.text.starts_with("still in force: drain 10.8.0.34:80")), "{said:#?}");
    let start = said.iter().position(|e| e.kind == "intent").unwrap();
    let master = said.iter().position(|e| e.text.contains("MASTER")).unwrap_or(usize::MAX);
    assert!(start < master, "known before the address comes");
    wait_for("the preferred director is MASTER", 30, || stage.is_master(0));
    assert!(!answers(stage, 12).contains(&3));
    assert_eq!(servers.accepted()[3], before, "no new connection in all that time");
    let order = &stage.snapshot(0).intents.orders[0].order;
    assert_eq!(order.reason.as_deref(), Some("disk swap"));
    say("a drain holds through failover, death of the engine, and the return of the first director as after a reboot");
}

fn after_everything_else(stage: &Stage) {
    stage.must(&[1], &["reload"]);
    stage.must(&[1], &["restart", "--wait"]);
    stage.wait_for_table(1);
    assert_eq!(stage.admin(1, 3).1, Some(0), "after reload and restart");
}

fn a_damaged_journal(stage: &mut Stage) {
    let listed = stage.must(&[0, 1], &["intent"]);
    assert_eq!(listed.matches("drain 10.8.0.34:80").count(), 2, "{listed}");
    stage.stop(0);
    let journal = stage.journal(0);
    let mut bytes = std::fs::read(&journal).unwrap();
    // In the last line: the weight.
    let place = bytes.len() - 10;
    bytes[place] ^= 0x20;
    std::fs::write(&journal, &bytes).unwrap();
    stage.start(0);
    let said = stage.events(0);
    let alarm = said.iter().find(|e| e.kind == "intent" && e.severity == Severity::Alarm).expect("it is told");
    assert!(alarm.cause.as_ref().unwrap().contains("line 3"), "{alarm:?}");
    let mut kept = journal.into_os_string();
    kept.push(".damaged");
    assert_eq!(std::fs::read(kept).unwrap(), bytes);
    assert_eq!(stage.admin(0, 3).1, Some(0), "what is whole is in force");
    assert_eq!(stage.admin(0, 0).1, Some(10), "what cannot be read is not");
    let listed = stage.vipdeck(&[0, 1], &["intent"]);
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(text.contains("DIFFERENT weight 10.8.0.31:80"), "{text}");
    assert_eq!(listed.status.code(), Some(1));
    stage.must(&[0, 1], &["intent", "clear", "--all"]);
    wait_for("nothing is asked for any more", 5, || {
        let listed = stage.vipdeck(&[0, 1], &["intent"]);
        String::from_utf8_lossy(&listed.stdout).matches("nothing is asked for").count() == 2
    });
    say("a damaged journal is told, and what is whole of it is in force");
}
