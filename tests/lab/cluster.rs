//! The dual-master example for real: real engines, real packets, a client that measures. On this kernel, and on one
//! with ip_vs.

use crate::guest;
use crate::harness::{Lab, has_root, skipped};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use vipdeck::control::{self, Target, client};
use vipdeck::forecast::{Forecast, Hypothesis, Known, Standing};
use vipdeck::kernel::Forwarding;
use vipdeck::lab::report::{Outage, Report};
use vipdeck::status::{
    Admin, AlarmKind, Ask, Command as Verb, DataplaneKind, DemoteMode, Reply, Role, Snapshot, StageAction, Verdict,
};

const WEB1: &str = "192.168.10.31:80";
/// How often the client asks, and how exact its measurements can be.
struct Exactness {
    interval_ms: u64,
    /// How far a measured outage may be from what the timers promise.
    close: Duration,
    /// The longest silence of a planned move.
    unnoticed: Duration,
}

const HERE: Exactness =
    Exactness { interval_ms: 20, close: Duration::from_millis(100), unnoticed: Duration::from_millis(50) };
/// The guest kernel is one slow processor for the whole cluster: with nothing going on the client sees silences of some
/// hundred milliseconds there. What is shown is that a planned move is none of an advert interval, let alone three.
const GUEST: Exactness =
    Exactness { interval_ms: 60, close: Duration::from_millis(500), unnoticed: Duration::from_secs(1) };

fn exactness() -> Exactness {
    if guest::is_inside() { GUEST } else { HERE }
}

const SETTLED: Duration = Duration::from_secs(30);

// console-design 1.2 4 5
#[test]
fn the_example_on_this_kernel() {
    if !has_root() {
        return;
    }
    the_example();
}

// console-design 1.2 12
#[test]
fn the_example_on_a_kernel_with_ipvs() {
    // In the guest the test above does it all.
    if guest::is_inside() || !has_root() {
        return;
    }
    let name = "cluster::the_example_on_this_kernel";
    match guest::run(name, ("512M", 280), "checked: ipvsadm agrees with the screen") {
        Ok(text) => report(&text),
        Err(reason) => skipped(&reason),
    }
}

/// Passes on what was measured in the guest.
fn report(text: &str) {
    for line in text.lines().filter(|l| l.starts_with("checked: ")) {
        say(&format!("with ip_vs: {}", line.trim_start_matches("checked: ")));
    }
}

fn the_example() {
    let mut lab = Lab::asking_every(exactness().interval_ms);
    both_addresses_answer_alternately(&mut lab);
    the_table_is_the_screens(&lab);
    // Before anything moves: a director that loses its address never sees the end of the connections it had, and counts
    // them as active until they time out.
    a_drain_ends(&lab);
    a_planned_move_is_not_noticed(&mut lab);
    a_stopped_server_goes_and_comes_back(&mut lab);
    a_crash_costs_what_the_timers_promise(&mut lab);
}

fn both_addresses_answer_alternately(lab: &mut Lab) {
    lab.wait("web1 and web2 alternate on both addresses", SETTLED, |stage, _| {
        stage.clients.len() == 2
            && stage.clients.iter().all(|c| c.answers.len() == 8 && c.answers.windows(2).all(|w| w[0] != w[1]))
    });
    for (node, instance) in [("lvs1", "VI_1"), ("lvs2", "VI_2")] {
        assert_eq!(role(lab, node, instance), Role::Master, "{node} {instance}");
    }
    say("web1 and web2 answer alternately on both addresses");
}

/// With ip_vs, ipvsadm shows what `status` (and so the screen) shows; without, `status` says what serves instead.
fn the_table_is_the_screens(lab: &Lab) {
    let snapshot = status(lab, "lvs1");
    if snapshot.node.dataplane.kind == DataplaneKind::Balancer {
        let note = snapshot.node.dataplane.note.expect("the reason");
        assert!(note.contains("ip_vs") && note.contains("modprobe ip_vs"), "{note}");
        return say("the balancer serves, and says that ip_vs is missing");
    }
    let namespace = lab.namespace("lvs1");
    let output = Command::new("ip").args(["netns", "exec", &namespace, "ipvsadm", "-Ln"]).output().unwrap();
    let listed = String::from_utf8(output.stdout).unwrap();
    let mut expected = Vec::new();
    for service in &snapshot.services {
        expected.push(format!("TCP {} {}", service.id.place(), service.scheduler));
        for real in &service.reals {
            let method = if real.forwarding == Forwarding::Dr { "Route" } else { "Masq" };
            expected.push(format!("-> {} {method} {}", real.id, real.weight_kernel.expect("in the kernel")));
        }
    }
    // Address, method and weight; the counts move while we look.
    let words = |line: &str| line.split_whitespace().take(4).collect::<Vec<_>>().join(" ");
    let mut seen: Vec<_> = listed.lines().filter(|l| l.contains("192.168.10.")).map(words).collect();
    let ordered = |lines: &mut Vec<String>| lines.sort();
    ordered(&mut seen);
    ordered(&mut expected);
    assert_eq!(seen, expected, "{listed}");
    say("ipvsadm agrees with the screen");
    a_weight_changed_behind_its_back_is_an_alarm(lab, &snapshot);
}

/// What the file says, what is asked for and what the table holds are three things, and each is shown.
fn a_weight_changed_behind_its_back_is_an_alarm(lab: &Lab, before: &Snapshot) {
    let service = before.services.first().expect("a service");
    let (vip, real) = (service.id.place(), service.reals.first().expect("a server").id.to_string());
    let namespace = lab.namespace("lvs1");
    let argv = ["netns", "exec", &namespace, "ipvsadm", "-e", "-t", &vip, "-r", &real, "-g", "-w", "7"];
    assert!(Command::new("ip").args(argv).status().unwrap().success());
    let drift = || status(lab, "lvs1").alarms.into_iter().find(|a| a.kind == AlarmKind::Drift);
    eventually("the drift is an alarm", || drift().is_some());
    let alarm = drift().expect("it lasts for some seconds");
    assert!(alarm.text.contains("somebody else changed the table") && alarm.text.contains(&real), "{alarm:#?}");
    let weights = || {
        let after = status(lab, "lvs1");
        let real = after.services[0].reals[0].clone();
        (Some(real.weight_configured), real.weight_effective, real.weight_kernel)
    };
    eventually("it is repaired", || weights() == (Some(1), Some(1), Some(1)));
    say("a weight changed with ipvsadm is an alarm, and is repaired");
}

fn a_planned_move_is_not_noticed(lab: &mut Lab) {
    let (_, before) = now(lab);
    // Asked from this process: starting programs would take the client's only processor away.
    command(lab, "lvs1", Verb::Demote { instance: "VI_1".into(), seen: Some(Role::Master), mode: DemoteMode::Yield });
    eventually("lvs2 is master", || role(lab, "lvs2", "VI_1") == Role::Master);
    lab.wait("lvs2 serves", SETTLED, |stage, _| stage.clients.iter().all(|c| c.outage_now.is_none()));
    command(lab, "lvs1", Verb::Restore { instance: "VI_1".into() });
    eventually("the address is back on lvs1", || role(lab, "lvs1", "VI_1") == Role::Master);
    let (_, after) = now(lab);
    let lost = |report: &Report| report.targets[0].lost_after_retry;
    assert_eq!(lost(&after), lost(&before), "requests that one retry did not save");
    let silence = new_outages(&before, &after).iter().map(silence).max().unwrap_or_default();
    let interval = after.targets[0].view.interval;
    assert!(silence <= exactness().unnoticed, "a silence of {silence:?} during planned moves");
    say(&format!(
        "demoted and restored: silence {silence:?}, asked every {interval:?}, no request lost that was retried once"
    ));
}

fn a_stopped_server_goes_and_comes_back(lab: &mut Lab) {
    lab.must(&StageAction::ToggleServer { server: "web1".into() });
    eventually("web1 is down", || real(lab, "lvs1", WEB1).0 == Verdict::Down);
    lab.wait("only web2 answers", SETTLED, |stage, _| {
        stage.clients.iter().all(|c| c.answers.len() == 8 && c.answers.iter().all(|a| a == "web2"))
    });
    assert_eq!(real(lab, "lvs1", WEB1).1, None, "a failed server is not in the table");
    lab.must(&StageAction::ToggleServer { server: "web1".into() });
    eventually("web1 is up", || real(lab, "lvs1", WEB1) == (Verdict::Up, Some(1)));
    lab.wait("web1 answers again", SETTLED, |stage, _| {
        stage.clients.iter().all(|c| c.answers.iter().any(|a| a == "web1"))
    });
    say("a stopped web server was taken out and came back");
}

fn a_drain_ends(lab: &Lab) {
    let drained = || {
        let snapshot = status(lab, "lvs1");
        snapshot.services[0].reals.iter().find(|r| r.id.to_string() == WEB1).unwrap().clone()
    };
    let only = |service: &str| Some(service.parse().unwrap());
    let (real, service) = (WEB1.parse().unwrap(), only("tcp/192.168.10.20:80"));
    let then = vipdeck::status::AtDeadline::Ask;
    let drain = Verb::Drain { real, service, deadline_seconds: None, then, ignore_persistence: false };
    command(lab, "lvs1", drain);
    eventually("its weight is 0", || drained().weight_kernel == Some(0));
    if drained().connections_total.is_some() && guest::is_inside() {
        // The kernel's totals lag by two seconds. Connections whose end the kernel missed while its processor was busy
        // stay active for a quarter of an hour: DRAINED is shown on the other kernel.
        std::thread::sleep(Duration::from_secs(3));
        let before = drained().connections_total;
        std::thread::sleep(Duration::from_secs(3));
        assert_eq!(drained().connections_total, before, "new connections while draining");
        say("a draining server got no new connection");
    } else {
        eventually("it is drained", || drained().admin == Admin::Drained);
        assert_eq!(drained().active, Some(0));
        say("a drain ended with no connection left");
    }
    command(lab, "lvs1", Verb::Return { real, service, slow_start_seconds: None });
    eventually("its weight is back", || drained().weight_kernel == Some(1));
}

fn a_crash_costs_what_the_timers_promise(lab: &mut Lab) {
    let (_, before) = now(lab);
    let forecast = forecast(lab, &Hypothesis::Crash { node: "lvs1".into() });
    lab.must(&StageAction::Crash { node: "lvs1".into() });
    let waiting = status(lab, "lvs2");
    let countdown = waiting.instance("VI_1").unwrap().master_down_at.map(|at| waiting.wall_of(at));
    eventually("lvs2 is master", || role(lab, "lvs2", "VI_1") == Role::Master);
    let _ = now(lab);
    let (_, after) = lab.wait("lvs2 serves the address of lvs1", SETTLED, |stage, report| {
        stage.clients.iter().all(|c| c.outage_now.is_none()) && !new_outages(&before, report).is_empty()
    });
    let outage = *new_outages(&before, &after).iter().max_by_key(|o| o.length).unwrap();
    let snapshot = status(lab, "lvs2");
    let instance = snapshot.instance("VI_1").unwrap();
    let last_advert = snapshot.wall_of(instance.master.expect("lvs1 was heard").at);
    let promised_end = last_advert + u64::try_from(instance.master_down.as_micros()).unwrap();
    let promised = Duration::from_micros(promised_end.saturating_sub(outage.from_wall_us));
    let difference = promised.abs_diff(outage.length);
    say(&format!("crash: outage {:?}, promised by the timers {promised:?}, difference {difference:?}", outage.length));
    assert!(difference <= exactness().close + outage.own_lateness, "outage {outage:?}, promised {promised:?}");
    the_parts_add_up(&snapshot, &outage, countdown, &forecast);
    lab.must(&StageAction::Revive { node: "lvs1".into() });
    eventually("the address is back on lvs1", || try_status(lab, "lvs1").is_some_and(|s| is_master(&s, "VI_1")));
    say("the revived director took its address back");
}

/// What was foretold and what the engine says of its takeover, beside what the client felt of it.
fn the_parts_add_up(snapshot: &Snapshot, outage: &Outage, countdown: Option<u64>, forecast: &Forecast) {
    let slack = exactness().close + outage.own_lateness;
    // What engines do at a moment is exact to a fifth of what a client can measure.
    let fine = exactness().close / 5;
    let takeover = snapshot.instance("VI_1").unwrap().takeover.expect("it took over");
    let noticed = snapshot.wall_of(takeover.noticed_at);
    let off = countdown.map(|predicted| predicted.abs_diff(noticed));
    say(&format!("crash: the countdown was off by {off:?} µs; {:?}", takeover.parts()));
    assert!(off.is_some_and(|off| u128::from(off) < fine.as_micros()), "predicted {countdown:?}, noticed {noticed}");
    let expected = takeover.expected.expect("it waited");
    let waited = takeover.quiet_since.until(takeover.noticed_at);
    assert!(waited.abs_diff(expected) < fine, "{takeover:?}");
    // The client answers again within one of its questions after the first announcement.
    let announced = snapshot.wall_of(takeover.announced_at.expect("it announced"));
    let ended = outage.from_wall_us + u64::try_from(outage.length.as_micros()).unwrap();
    let first_answer = Duration::from_micros(ended.abs_diff(announced));
    assert!(first_answer <= slack, "first answer {first_answer:?} from the announcement, {outage:?}");
    let outcome = forecast.instances.iter().find(|o| o.instance == "VI_1").unwrap();
    let span = outcome.when.expect("it moves");
    assert_eq!(outcome.after, ["lvs2"]);
    assert!(outage.length + slack >= span.from && outage.length <= span.to + slack, "{outage:?}, forecast {span}");
    say(&format!(
        "crash: forecast {span}, outage {:?}, first answer {first_answer:?} after the announcement",
        outage.length
    ));
}

fn forecast(lab: &Lab, question: &Hypothesis) -> Forecast {
    let told = ["lvs1", "lvs2"].map(|node| (node, status(lab, node)));
    let nodes = told.each_ref().map(|(name, snapshot)| Known {
        name,
        snapshot: Some(snapshot),
        age: Duration::ZERO,
        standing: Standing::Fresh,
    });
    vipdeck::forecast::of(&nodes, question, None).unwrap()
}

/// Of the address that lvs1 is to have.
fn new_outages(before: &Report, after: &Report) -> Vec<Outage> {
    let known = before.targets[0].outages.iter().map(|o| o.number).max().unwrap_or(0);
    after.targets[0].outages.iter().filter(|o| o.number > known).copied().collect()
}

/// The part of a silence that is not the client's own lateness.
fn silence(outage: &Outage) -> Duration {
    outage.length.saturating_sub(outage.own_lateness)
}

fn now(lab: &mut Lab) -> (vipdeck::status::Stage, Report) {
    // Twice: what comes first may have been said a while ago.
    let _ = lab.wait("a report", SETTLED, |_, _| true);
    lab.wait("a report", SETTLED, |_, _| true)
}

fn role(lab: &Lab, node: &str, instance: &str) -> Role {
    status(lab, node).instance(instance).unwrap().state
}

/// Health, and weight in the table, in the first virtual service.
fn real(lab: &Lab, node: &str, address: &str) -> (Verdict, Option<u32>) {
    let snapshot = status(lab, node);
    let real = snapshot.services[0].reals.iter().find(|r| r.id.to_string() == address).unwrap();
    (real.health.verdict, real.weight_kernel)
}

fn is_master(snapshot: &Snapshot, instance: &str) -> bool {
    snapshot.instance(instance).is_some_and(|i| i.state == Role::Master)
}

fn status(lab: &Lab, node: &str) -> Snapshot {
    try_status(lab, node).unwrap_or_else(|| panic!("{node} does not answer"))
}

/// None: no engine answers there.
fn try_status(lab: &Lab, node: &str) -> Option<Snapshot> {
    block_on(client::status(&target(lab, node))).ok()
}

fn command(lab: &Lab, node: &str, command: Verb) {
    let ask = Ask { reason: Some("test".into()), ..Ask::new(command) };
    let reply = block_on(client::command(&target(lab, node), &ask));
    assert!(matches!(reply, Ok(Reply::Accepted { .. })), "{ask:?}: {reply:?}");
}

fn target(lab: &Lab, node: &str) -> Target {
    let socket = socket(lab, node).to_str().unwrap().to_owned();
    control::resolve(&[socket], Path::new("/")).unwrap().remove(0)
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn socket<'l>(lab: &'l Lab, node: &str) -> &'l Path {
    &lab.ready.nodes.iter().find(|n| n.machine.name == node).unwrap().socket
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + SETTLED;
    while !holds() {
        assert!(Instant::now() < end, "never: {what}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn say(what: &str) {
    use std::io::Write;
    writeln!(std::io::stderr(), "checked: {what}").unwrap();
}
