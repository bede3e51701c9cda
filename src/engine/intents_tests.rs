//! An engine with a table and a disk beside it: orders, health, configuration and restarts in any order.

#![expect(clippy::wildcard_enum_match_arm, reason = "a bench takes what it knows")]

use super::*;
use crate::conf::{self, Memory};
use crate::engine::{Input, Legacy, NodeRecord, RouterRecord, Setup};
use crate::health::Found;
use crate::kernel::{ObservedDestination, ObservedService, ObservedTable};
use crate::status::{Actor, Admin, Ask, Command, Dataplane, DemoteMode, Event, HoldKind, Snapshot};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;

const VIP: &str = "tcp/192.0.2.10:80";
/// The wall clock when the first engine starts, microseconds since 1970.
const WALL: u64 = 1_700_000_000_000_000;

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn key() -> ServiceKey {
    VIP.parse().unwrap()
}

fn server(n: usize) -> DestinationKey {
    format!("198.51.100.{}:80", n + 1).parse().unwrap()
}

/// Weights of the servers that the file has; none: it has not this one.
type File = [Option<u32>; 3];

const FILE: File = [Some(10), Some(20), Some(1)];

fn config(file: File) -> conf::Config {
    let mut text = "vrrp_instance A {\ninterface eth0\nvirtual_router_id 1\nvirtual_ipaddress {\n192.0.2.99\n}\n}\n\
                    virtual_server 192.0.2.10 80 {\ndelay_loop 1\nlb_algo wrr\nlb_kind DR\nprotocol TCP\n"
        .to_owned();
    for (n, weight) in file.iter().enumerate().filter_map(|(n, w)| Some((n, (*w)?))) {
        let ip = server(n).ip();
        let _ = std::fmt::Write::write_fmt(
            &mut text,
            format_args!("real_server {ip} 80 {{\nweight {weight}\nTCP_CHECK {{\nconnect_timeout 1\n}}\n}}\n"),
        );
    }
    text += "}\n";
    let (config, diagnostics, _) = conf::parse(Path::new("c"), &Memory::one("c", &text));
    assert!(diagnostics.iter().all(|d| d.severity != conf::Severity::Error), "{diagnostics:?}");
    config
}

struct Bench {
    engine: Engine,
    /// On the clock of the machine.
    now: Duration,
    /// When the engine's clock began.
    born: Duration,
    file: File,
    up: [bool; 3],
    /// Connections of each server.
    active: [u32; 3],
    table: BTreeMap<ServiceKey, ObservedService>,
    disk: Option<Vec<u8>>,
    disk_fails: bool,
    read_at: Duration,
    records: BTreeMap<usize, RouterRecord>,
    node: NodeRecord,
    replies: Vec<(u64, Reply)>,
    events: Vec<Event>,
    asked: u64,
}

fn make(file: File, wall_zero_us: u64, legacy: Option<Legacy>) -> Engine {
    let mut engine = Engine::new(Setup {
        config: config(file),
        host: "n".into(),
        config_path: "c".into(),
        pid: 1,
        guard: None,
        seed: 1,
        wall_zero_us,
        dataplane: Dataplane { kind: DataplaneKind::Ipvs, note: None },
        uptime: Duration::ZERO,
        lease: None,
        probe_addresses: false,
        legacy,
    });
    engine.keep_journal("journal".into());
    engine
}

impl Bench {
    fn new() -> Self {
        let mut bench = Self {
            engine: make(FILE, WALL, None),
            now: Duration::ZERO,
            born: Duration::ZERO,
            file: FILE,
            up: [true; 3],
            active: [0; 3],
            table: BTreeMap::new(),
            disk: None,
            disk_fails: false,
            read_at: Duration::ZERO,
            records: BTreeMap::new(),
            node: NodeRecord::default(),
            replies: Vec::new(),
            events: Vec::new(),
            asked: 0,
        };
        bench.settle();
        bench
    }

    fn at(&self) -> Instant {
        Instant::from_micros(u64::try_from(self.now.saturating_sub(self.born).as_micros()).unwrap())
    }

    fn feed(&mut self, input: Input) {
        let mut inputs = std::collections::VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let now = self.at();
            for effect in self.engine.handle(now, input) {
                match effect {
                    Effect::Table(steps) => {
                        for step in &steps {
                            self.change(step);
                        }
                        inputs.push_back(Input::TableDone(Vec::new()));
                        inputs.push_back(Input::Table(self.observed()));
                    }
                    Effect::KeepIntents { revision, text } => {
                        let result = if self.disk_fails { Err("no space".into()) } else { Ok(()) };
                        if result.is_ok() {
                            self.disk = (!text.is_empty()).then(|| text.into_bytes());
                        }
                        inputs.push_back(Input::IntentsKept { revision, result });
                    }
                    Effect::Check { id, .. } => {
                        let n = (0..3).find(|n| server(*n) == id.real).unwrap();
                        let found = if self.up[n] { Found::good("as told") } else { Found::bad("as told") };
                        inputs.push_back(Input::Checked { id, found });
                    }
                    Effect::ReadConfiguration { id, ask } => {
                        let read = Ok(Box::new(config(self.file)));
                        inputs.push_back(Input::Configured { id, ask, read });
                    }
                    Effect::Reply { id, reply } => self.replies.push((id, reply)),
                    _ => {}
                }
            }
            self.records.extend(self.engine.take_records());
            if let Some(node) = self.engine.take_node_record() {
                self.node = node;
            }
            self.events.extend(self.engine.take_events());
        }
    }

    /// A kernel's table.
    fn change(&mut self, step: &Change) {
        let destinations = |table: &mut BTreeMap<_, ObservedService>| table.remove(&key()).unwrap_or_default();
        let mut service = destinations(&mut self.table);
        match step {
            Change::AddService(_, s) | Change::EditService(_, s) => service.scheduler = s.scheduler.name().into(),
            Change::RemoveService(_) => return,
            Change::AddDestination(_, to, d) | Change::EditDestination(_, to, d) => {
                let entry = service.destinations.entry(*to).or_insert_with(ObservedDestination::default);
                (entry.forwarding, entry.weight) = (Some(d.forwarding), d.weight);
            }
            Change::RemoveDestination(_, to) => drop(service.destinations.remove(to)),
            Change::ResetConnections(_, to) => {
                assert!(service.destinations.contains_key(to), "only what is there is reset");
                let n = (0..3).find(|n| server(*n) == *to).unwrap();
                self.active[n] = 0;
                service.destinations.get_mut(to).unwrap().weight = 0;
            }
            other => panic!("{other}"),
        }
        self.table.insert(key(), service);
    }

    fn observed(&self) -> ObservedTable {
        let mut table = ObservedTable { services: self.table.clone(), ..ObservedTable::default() };
        for n in 0..3 {
            let service = table.services.get_mut(&key());
            if let Some(entry) = service.and_then(|s| s.destinations.get_mut(&server(n))) {
                entry.active = self.active[n];
            }
        }
        table
    }

    /// Lets time pass; the table is read each second.
    fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            let due = self.engine.deadline().map(|at| self.born + Duration::from_micros(at.as_micros()));
            let next = due.unwrap_or(Duration::MAX).min(self.read_at);
            if next > end {
                break;
            }
            self.now = self.now.max(next);
            if self.read_at <= self.now {
                self.read_at = self.now + seconds(1);
                self.feed(Input::Table(self.observed()));
            }
            if due.is_some_and(|at| at <= self.now) {
                self.feed(Input::Deadline);
            }
        }
        self.now = end;
    }

    /// Every check has run, and the table has been read.
    fn settle(&mut self) {
        self.pass(seconds(5));
    }

    fn ask(&mut self, command: Command) -> Reply {
        self.asked += 1;
        let actor = Actor { user: "ann".into(), from: "test".into() };
        let (id, reason) = (self.asked, Some("CHG-7".to_owned()));
        self.feed(Input::Command { id, ask: Ask { reason, actor, ..Ask::new(command) } });
        let at = self.replies.iter().position(|(of, _)| *of == id).expect("every command is answered");
        self.replies.swap_remove(at).1
    }

    fn reload(&mut self, file: File) {
        self.file = file;
        self.ask(Command::Reload { dry_run: false });
    }

    /// The engine is killed, and a guard starts the next one.
    fn crash(&mut self) {
        self.now += Duration::from_millis(50);
        let legacy = Legacy {
            routers: self.records.values().cloned().collect(),
            node: self.node.clone(),
            silence: Duration::from_millis(50),
            now: self.at(),
            lives: 1,
            planned: false,
        };
        self.records.clear();
        self.engine = make(self.file, WALL + u64::try_from(self.born.as_micros()).unwrap(), Some(legacy));
    }

    /// The machine starts again after a while, with an empty table.
    fn reboot(&mut self, off: Duration) {
        self.now += off;
        self.born = self.now;
        self.table.clear();
        self.active = [0; 3];
        self.records.clear();
        self.engine = make(self.file, WALL + u64::try_from(self.now.as_micros()).unwrap(), None);
        let read = Ok(self.disk.clone());
        self.feed(Input::IntentsRead(read));
    }

    fn snapshot(&mut self) -> Snapshot {
        let now = self.at();
        self.engine.snapshot(now)
    }

    fn real(&mut self, n: usize) -> crate::status::Real {
        let snapshot = self.snapshot();
        snapshot.services[0].reals.iter().find(|r| r.id == server(n)).unwrap().clone()
    }

    fn weight(&self, n: usize) -> Option<u32> {
        self.table.get(&key())?.destinations.get(&server(n)).map(|d| d.weight)
    }

    fn said(&self, text: &str) -> bool {
        self.events.iter().any(|e| e.text.contains(text))
    }
}

fn drain(n: usize, deadline_seconds: Option<u32>, then: AtDeadline) -> Command {
    Command::Drain { real: server(n), service: None, deadline_seconds, then, ignore_persistence: false }
}

fn back(n: usize, slow_start_seconds: Option<u32>) -> Command {
    Command::Return { real: server(n), service: None, slow_start_seconds }
}

fn maint(n: usize) -> Command {
    Command::Maint { real: server(n), service: None }
}

fn weight(n: usize, weight: u32) -> Command {
    Command::Weight { real: server(n), service: None, weight }
}

#[derive(Clone, Debug)]
enum Deed {
    Drain(usize),
    Maint(usize),
    Return(usize),
    Weight(usize, u32),
    Health(usize, bool),
    Reload(File),
    Connections(usize, u32),
    Crash,
    Reboot,
}

/// The orders of one server as a person would keep them in mind.
#[derive(Clone, Copy, Default, Debug)]
struct Mind {
    out: Option<bool>,
    weight: Option<u32>,
}

fn deed() -> impl Strategy<Value = Deed> {
    let n = 0..3_usize;
    let maybe = || prop::option::weighted(0.8, 1..40_u32);
    prop_oneof![
        3 => n.clone().prop_map(Deed::Drain),
        1 => n.clone().prop_map(Deed::Maint),
        2 => n.clone().prop_map(Deed::Return),
        2 => (n.clone(), 0..50_u32).prop_map(|(n, w)| Deed::Weight(n, w)),
        2 => (n.clone(), any::<bool>()).prop_map(|(n, up)| Deed::Health(n, up)),
        2 => [maybe(), maybe(), maybe()].prop_map(Deed::Reload),
        2 => (n, 0..4_u32).prop_map(|(n, c)| Deed::Connections(n, c)),
        1 => Just(Deed::Crash),
        1 => Just(Deed::Reboot),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Three layers, each from its own hand: whatever happens in whatever order, the table holds what follows from the
    /// file, the checks and the orders, and from nothing else.
    #[test]
    fn the_table_follows_from_file_checks_and_orders(deeds in prop::collection::vec(deed(), 1..30)) {
        let mut bench = Bench::new();
        let mut mind = [Mind::default(); 3];
        for deed in deeds {
            match deed.clone() {
                Deed::Drain(n) => {
                    let is_accepted = matches!(bench.ask(drain(n, None, AtDeadline::Ask)), Reply::Accepted { .. });
                    prop_assert_eq!(is_accepted, bench.file[n].is_some() && mind[n].out.is_none());
                    if is_accepted {
                        mind[n].out = Some(false);
                    }
                }
                Deed::Maint(n) => {
                    let is_accepted = matches!(bench.ask(maint(n)), Reply::Accepted { .. });
                    prop_assert_eq!(is_accepted, bench.file[n].is_some() && mind[n].out != Some(true));
                    if is_accepted {
                        mind[n].out = Some(true);
                    }
                }
                Deed::Return(n) => {
                    // Also of a server that the file has no more.
                    let is_accepted = matches!(bench.ask(back(n, None)), Reply::Accepted { .. });
                    prop_assert_eq!(is_accepted, mind[n].out.is_some() || mind[n].weight.is_some());
                    mind[n] = Mind::default();
                }
                Deed::Weight(n, w) => {
                    if matches!(bench.ask(weight(n, w)), Reply::Accepted { .. }) {
                        mind[n].weight = Some(w);
                    }
                }
                Deed::Health(n, up) => bench.up[n] = up,
                Deed::Reload(file) => bench.reload(file),
                Deed::Connections(n, count) => bench.active[n] = count,
                Deed::Crash => bench.crash(),
                Deed::Reboot => bench.reboot(seconds(30)),
            }
            bench.settle();
            for (n, of) in mind.iter().enumerate() {
                let expected = match (bench.file[n], bench.up[n], of.out) {
                    (None, ..) | (_, false, _) | (_, _, Some(true)) => None,
                    (_, _, Some(false)) => Some(0),
                    (Some(file), true, None) => Some(of.weight.unwrap_or(file)),
                };
                prop_assert_eq!(bench.weight(n), expected, "{:?} after {:?}: {:?}", server(n), deed, of);
            }
            let orders: usize = mind.iter().map(|m| usize::from(m.out.is_some()) + usize::from(m.weight.is_some())).sum();
            prop_assert_eq!(bench.snapshot().intents.orders.len(), orders);
            let read = bench.disk.as_deref().map(Orders::read).unwrap_or_default();
            prop_assert_eq!(read.orders.iter().count(), orders);
        }
    }
}

#[test]
fn a_drain_is_never_forgotten_and_its_end_is_told_once_with_its_time() {
    let mut bench = Bench::new();
    bench.active[0] = 2;
    bench.settle();
    bench.ask(drain(0, None, AtDeadline::Ask));
    bench.pass(seconds(10));
    bench.crash();
    bench.pass(seconds(10));
    assert_eq!((bench.weight(0), bench.real(0).admin), (Some(0), Admin::Drain));
    assert_eq!(bench.real(0).drain.unwrap().active_at_start, Some(2));
    bench.active[0] = 0;
    bench.pass(seconds(3));
    bench.crash();
    bench.pass(seconds(3));
    bench.reboot(seconds(3600));
    bench.settle();
    let told: Vec<_> = bench.events.iter().filter(|e| e.text.contains("DRAINED")).map(|e| e.text.clone()).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("DRAINED after 20.") || told[0].contains("DRAINED after 21."), "{told:?}");
    let real = bench.real(0);
    assert_eq!((real.admin, real.weight_kernel), (Admin::Drained, Some(0)));
    // It began an hour before this engine's clock.
    let snapshot = bench.snapshot();
    assert!(real.drain.unwrap().age(snapshot.at) > seconds(3600));
    assert!(bench.said("still in force: drain 198.51.100.1:80 of tcp/192.0.2.10:80"));
}

/// The server, its admin state and its weight after a deadline of 30 s with one connection left.
fn after_deadline(then: AtDeadline) -> Bench {
    let mut bench = Bench::new();
    bench.active[0] = 1;
    bench.settle();
    bench.ask(drain(0, Some(30), then));
    bench.pass(seconds(29));
    assert_eq!((bench.weight(0), bench.active[0]), (Some(0), 1));
    assert!(!bench.said("is over"));
    bench.pass(seconds(5));
    assert!(bench.said("the time to drain 198.51.100.1:80 of tcp/192.0.2.10:80 is over: 1 connections are left"));
    bench
}

#[test]
fn at_the_deadline_happens_what_was_asked_for() {
    let mut asks = after_deadline(AtDeadline::Ask);
    assert_eq!((asks.weight(0), asks.active[0]), (Some(0), 1));
    assert!(asks.snapshot().findings.iter().any(|f| f.kind == "drain-overdue"));
    let waits = after_deadline(AtDeadline::Wait);
    assert_eq!((waits.weight(0), waits.active[0]), (Some(0), 1));
    let mut resets = after_deadline(AtDeadline::Reset);
    assert_eq!((resets.weight(0), resets.active[0]), (Some(0), 0));
    assert_eq!(resets.real(0).admin, Admin::Drained);
    let mut returns = after_deadline(AtDeadline::Return);
    assert_eq!((returns.weight(0), returns.active[0]), (Some(10), 1));
    assert_eq!((returns.real(0).admin, returns.disk), (Admin::Ready, None));
}

#[test]
fn a_deadline_passes_also_while_nobody_runs() {
    let mut bench = Bench::new();
    bench.ask(drain(0, Some(30), AtDeadline::Return));
    // Nothing was observed in between, so it was not drained.
    bench.reboot(seconds(60));
    bench.active[0] = 1;
    bench.settle();
    assert_eq!((bench.real(0).admin, bench.weight(0)), (Admin::Ready, Some(10)));
}

#[test]
fn a_drained_server_is_not_touched_by_its_deadline() {
    let mut bench = Bench::new();
    bench.ask(drain(0, Some(30), AtDeadline::Return));
    bench.pass(seconds(60));
    assert_eq!((bench.real(0).admin, bench.weight(0)), (Admin::Drained, Some(0)));
}

#[test]
fn a_drain_gets_another_deadline_and_keeps_its_beginning() {
    let mut bench = Bench::new();
    bench.active[0] = 1;
    bench.ask(drain(0, None, AtDeadline::Ask));
    bench.pass(seconds(10));
    assert!(matches!(bench.ask(drain(0, None, AtDeadline::Ask)), Reply::Rejected { .. }));
    assert!(matches!(bench.ask(drain(0, Some(5), AtDeadline::Reset)), Reply::Accepted { .. }));
    let at = bench.at();
    assert!(bench.real(0).drain.unwrap().age(at) >= seconds(10));
    bench.pass(seconds(7));
    assert_eq!(bench.active[0], 0);
    for foolish in [0, 700_000] {
        assert!(matches!(bench.ask(drain(1, Some(foolish), AtDeadline::Ask)), Reply::Rejected { .. }));
    }
}

#[test]
fn the_rest_is_reset_on_demand_and_only_of_what_drains() {
    let mut bench = Bench::new();
    bench.active = [3, 3, 3];
    bench.settle();
    let reset = |n| Command::Reset { real: server(n), service: None };
    assert!(matches!(bench.ask(reset(0)), Reply::Rejected { .. }));
    bench.ask(drain(0, None, AtDeadline::Ask));
    bench.settle();
    assert!(matches!(bench.ask(reset(0)), Reply::Accepted { .. }));
    bench.settle();
    assert_eq!(bench.active, [0, 3, 3]);
    assert_eq!(bench.real(0).admin, Admin::Drained);
}

#[test]
fn maintenance_resets_and_leaves_the_table_also_after_a_reboot() {
    let mut bench = Bench::new();
    bench.active = [3, 3, 3];
    bench.settle();
    bench.ask(maint(1));
    bench.settle();
    assert_eq!((bench.active, bench.weight(1)), ([3, 0, 3], None));
    assert_eq!(bench.real(1).admin, Admin::Maint);
    assert!(matches!(bench.ask(drain(1, None, AtDeadline::Ask)), Reply::Rejected { .. }));
    bench.reboot(seconds(100));
    bench.settle();
    assert_eq!((bench.weight(1), bench.real(1).admin), (None, Admin::Maint));
    bench.ask(back(1, None));
    bench.settle();
    assert_eq!(bench.weight(1), Some(20));
}

#[test]
fn a_slow_start_goes_on_over_restarts_and_leaves_nothing() {
    let mut bench = Bench::new();
    bench.ask(drain(1, None, AtDeadline::Ask));
    bench.settle();
    bench.ask(back(1, Some(100)));
    bench.pass(seconds(1));
    assert_eq!(bench.weight(1), Some(2));
    bench.pass(seconds(50));
    assert_eq!(bench.weight(1), Some(12));
    bench.crash();
    bench.pass(seconds(10));
    assert_eq!(bench.weight(1), Some(14));
    bench.reboot(seconds(20));
    bench.settle();
    assert_eq!((bench.weight(1), bench.real(1).rising.unwrap().step), (Some(18), 9));
    bench.pass(seconds(20));
    assert_eq!((bench.weight(1), bench.disk.clone()), (Some(20), None));
    assert!(bench.said("has its whole weight again"));
}

#[test]
fn a_command_is_answered_when_it_is_on_disk_and_says_so_if_it_is_not() {
    let mut bench = Bench::new();
    bench.disk_fails = true;
    let Reply::Accepted { text, .. } = bench.ask(drain(0, None, AtDeadline::Ask)) else { panic!() };
    assert!(text.contains("not on disk") && text.contains("no space"), "{text}");
    assert!(bench.snapshot().intents.problem.is_some());
    bench.disk_fails = false;
    let Reply::Accepted { text, .. } = bench.ask(drain(1, None, AtDeadline::Ask)) else { panic!() };
    assert!(!text.contains("disk"), "{text}");
    assert_eq!(bench.snapshot().intents.problem, None);
    assert_eq!(Orders::read(bench.disk.as_ref().unwrap()).orders.iter().count(), 2, "the first one, too");
}

#[test]
fn a_disk_that_does_not_answer_keeps_nobody_waiting() {
    let mut bench = Bench::new();
    let now = bench.at();
    let actor = Actor::default();
    let ask = Ask { actor, ..Ask::new(drain(0, None, AtDeadline::Ask)) };
    let effects = bench.engine.handle(now, Input::Command { id: 77, ask });
    assert!(effects.iter().any(|e| matches!(e, Effect::Table(_))), "the table does not wait");
    assert!(!effects.iter().any(|e| matches!(e, Effect::Reply { .. })));
    let at = now + PATIENCE;
    let effects = bench.engine.handle(at, Input::Deadline);
    let reply = effects.iter().find_map(|e| if let Effect::Reply { id: 77, reply } = e { Some(reply) } else { None });
    let Some(Reply::Accepted { text, .. }) = reply else { panic!("{effects:?}") };
    assert!(text.contains("the disk has not taken it"), "{text}");
}

#[test]
fn holds_are_in_force_again_after_a_reboot() {
    let mut bench = Bench::new();
    bench.ask(Command::Demote { instance: "A".into(), seen: None, mode: DemoteMode::Yield });
    bench.reboot(seconds(100));
    let hold = bench.snapshot().instances[0].hold.clone().expect("still demoted");
    assert_eq!((hold.kind, hold.by.user.as_str(), hold.reason.as_deref()), (HoldKind::Demoted, "ann", Some("CHG-7")));
    assert_eq!(bench.snapshot().instances[0].effective_priority, 1);
    bench.ask(Command::Restore { instance: "A".into() });
    assert_eq!(bench.disk, None);
    bench.reboot(seconds(1));
    assert_eq!(bench.snapshot().instances[0].hold, None);
}

#[test]
fn a_torn_journal_is_told_and_what_is_whole_is_in_force() {
    let mut bench = Bench::new();
    bench.ask(drain(0, None, AtDeadline::Ask));
    bench.ask(drain(1, None, AtDeadline::Ask));
    let mut torn = bench.disk.clone().unwrap();
    torn.truncate(torn.len() - 20);
    bench.disk = Some(torn);
    bench.reboot(seconds(1));
    bench.settle();
    assert_eq!([bench.weight(0), bench.weight(1)], [Some(0), Some(20)]);
    let alarm = bench.events.iter().find(|e| e.severity == Severity::Alarm && e.kind == "intent").unwrap();
    assert!(alarm.cause.as_ref().unwrap().contains("line 3"), "{alarm:?}");
    assert!(bench.snapshot().intents.problem.unwrap().contains("damaged"));
}

#[test]
fn a_journal_that_is_read_late_still_counts() {
    let mut bench = Bench::new();
    bench.ask(drain(0, None, AtDeadline::Ask));
    bench.ask(Command::Demote { instance: "A".into(), seen: None, mode: DemoteMode::Yield });
    let disk = bench.disk.take();
    bench.reboot(seconds(1));
    bench.settle();
    assert_eq!(bench.weight(0), Some(10));
    bench.feed(Input::IntentsRead(Ok(disk)));
    bench.settle();
    assert_eq!(bench.weight(0), Some(0));
    assert!(bench.snapshot().instances[0].hold.is_some());
}
