//! What operators ask for, with its end: fences, holds, pauses, what must be kept, undoing, locks.

use crate::cluster::Cluster;
use std::time::Duration;
use vipdeck::sim::World;
use vipdeck::status::{
    Action, ActionState, Actor, Admin, Ask, AtDeadline, AtExpiry, Command, DemoteMode, HoldKind, Reply, Role, Snapshot,
};

fn demote(mode: DemoteMode) -> Command {
    Command::Demote { instance: "VI_1".into(), seen: None, mode }
}

fn takeover() -> Command {
    Command::Takeover { instance: "VI_1".into(), seen: None }
}

fn restore() -> Command {
    Command::Restore { instance: "VI_1".into() }
}

fn undo(id: u64) -> Command {
    Command::Undo { id: Some(id) }
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

impl Cluster {
    fn snapshot(&mut self, host: usize) -> Snapshot {
        self.world.snapshot(host).unwrap()
    }

    fn action(&mut self, host: usize, id: u64) -> Action {
        self.snapshot(host).actions.into_iter().find(|a| a.id == id).unwrap()
    }

    /// Runs on, with an owner at every moment.
    fn owned(&mut self, span: Duration) {
        self.watch(span, |c| assert!(!c.holders().is_empty(), "nobody at {}", c.world.now()));
    }

    fn kinds(&mut self, host: usize) -> Vec<String> {
        self.world.take_events(host).into_iter().map(|e| e.kind).collect()
    }
}

#[test]
fn a_fence_of_the_only_node_heard_is_refused_with_the_line_that_forces_it() {
    let mut cluster = Cluster::settled(1, &[150, 100]);
    let refusal = cluster.command(0, demote(DemoteMode::Fence)).unwrap_err();
    assert!(refusal.contains("without an owner"), "{refusal}");
    assert!(refusal.ends_with("vipdeck demote VI_1 --mode fence --force"), "{refusal}");
    assert!(cluster.snapshot(0).instances[0].hold.is_none() && cluster.snapshot(0).actions.is_empty());
    // By force nobody owns the addresses once nobody has come.
    cluster.world.crash(1);
    cluster.ask(0, Ask { force: true, ..Ask::new(demote(DemoteMode::Fence)) }).unwrap();
    cluster.world.run_for(seconds(3));
    assert_eq!(cluster.holders(), [0], "a successor has the time that the protocol gives it");
    cluster.world.run_for(seconds(2));
    assert_eq!(cluster.holders(), [] as [usize; 0]);
    assert!(cluster.command(0, restore()).is_ok());
    cluster.world.run_for(seconds(5));
    assert_eq!(cluster.holders(), [0]);
}

#[test]
fn a_fence_whose_stand_in_was_seen_and_dies_keeps_the_address_until_somebody_is_heard() {
    let mut cluster = Cluster::settled(1, &[150, 100]);
    cluster.world.crash(1);
    let ask = Ask { stand_in: Some("node1".into()), ..Ask::new(demote(DemoteMode::Fence)) };
    assert_eq!(ask.to_string(), "demote VI_1 --mode fence --stand-in node1");
    cluster.ask(0, ask).unwrap();
    cluster.owned(seconds(20));
    assert_eq!(cluster.holders(), [0]);
    cluster.world.revive(1);
    cluster.owned(seconds(20));
    assert_eq!(cluster.holders(), [1]);
}

#[test]
fn a_fenced_node_never_takes_over_until_restored_and_its_next_engine_neither() {
    let mut cluster = Cluster::settled(1, &[150, 100]);
    cluster.demote(0).unwrap();
    cluster.owned(seconds(2));
    let text = cluster.command(0, demote(DemoteMode::Fence)).unwrap();
    assert!(text.contains("never takes over"), "{text}");
    cluster.world.end_engine(0, Duration::from_millis(20));
    cluster.owned(seconds(1));
    let hold = cluster.snapshot(0).instances[0].hold.clone().unwrap();
    assert_eq!((hold.kind, hold.mode), (HoldKind::Demoted, DemoteMode::Fence));
    cluster.world.take_events(0);
    cluster.world.crash(1);
    cluster.world.run_for(seconds(20));
    assert_eq!((cluster.holders(), cluster.role(0)), (Vec::new(), Some(Role::Backup)));
    assert_eq!(cluster.kinds(0).iter().filter(|k| *k == "fenced-alone").count(), 1, "said once");
    assert!(cluster.snapshot(0).findings.iter().any(|f| f.kind == "fenced-alone"));
    cluster.restore(0).unwrap();
    cluster.world.run_for(seconds(5));
    assert_eq!(cluster.holders(), [0]);
}

#[test]
fn a_fence_that_nobody_answers_waits_for_a_successor() {
    let mut cluster = Cluster::settled(1, &[150, 100]);
    cluster.takeover(1).unwrap();
    cluster.world.run_for(seconds(2));
    cluster.restore(1).unwrap();
    cluster.world.run_for(seconds(6));
    assert_eq!(cluster.holders(), [0]);
    cluster.world.crash(1);
    cluster.command(0, demote(DemoteMode::Fence)).unwrap();
    cluster.watch(seconds(10), |c| assert_eq!(c.holders(), [0]));
    cluster.world.revive(1);
    cluster.owned(seconds(6));
    assert_eq!(cluster.holders(), [1], "now it has one");
    cluster.world.crash(1);
    cluster.world.run_for(seconds(10));
    assert_eq!(cluster.holders(), [] as [usize; 0], "and stays away");
}

#[test]
fn a_pause_leaves_a_living_master_alone_and_replaces_a_dead_one() {
    let mut cluster = Cluster::settled(1, &[150, 100]);
    cluster.demote(0).unwrap();
    cluster.owned(seconds(2));
    cluster.command(0, Command::Pause {}).unwrap();
    assert!(cluster.command(0, Command::Pause {}).is_err(), "twice");
    cluster.restore(0).unwrap();
    cluster.watch(seconds(20), |c| assert_eq!(c.holders(), [1]));
    assert!(cluster.snapshot(0).intents.paused.is_some());
    cluster.world.end_engine(0, Duration::from_millis(20));
    cluster.watch(seconds(10), |c| assert_eq!(c.holders(), [1]));
    cluster.world.crash(1);
    cluster.world.run_for(seconds(5));
    assert_eq!(cluster.holders(), [0]);
    cluster.command(0, Command::Resume {}).unwrap();
    assert!(cluster.snapshot(0).intents.paused.is_none());
}

#[test]
fn a_pause_ends_by_itself() {
    let mut cluster = Cluster::settled(1, &[150, 100]);
    cluster.demote(0).unwrap();
    cluster.owned(seconds(2));
    cluster.ask(0, Ask { hold_seconds: Some(10), ..Ask::new(Command::Pause {}) }).unwrap();
    cluster.restore(0).unwrap();
    cluster.watch(seconds(9), |c| assert_eq!(c.holders(), [1]));
    cluster.owned(seconds(6));
    assert_eq!(cluster.holders(), [0]);
}

#[test]
fn a_hold_that_is_over_asks_or_is_lifted() {
    let mut cluster = Cluster::settled(1, &[150, 100]);
    let ask = |at_expiry| Ask { hold_seconds: Some(10), at_expiry, ..Ask::new(demote(DemoteMode::Yield)) };
    let (text, _) = cluster.ask(0, ask(None)).unwrap();
    assert!(text.contains("for 10 s, then an alarm asks"), "{text}");
    cluster.owned(Duration::from_millis(9900));
    let hold = cluster.snapshot(0).instances[0].hold.clone().unwrap();
    assert!(!hold.expired && hold.expires_at.is_some());
    cluster.owned(seconds(20));
    assert_eq!(cluster.holders(), [1], "still held");
    let snapshot = cluster.snapshot(0);
    assert!(snapshot.instances[0].hold.as_ref().unwrap().expired);
    let finding = snapshot.findings.iter().find(|f| f.kind == "hold-expired").unwrap();
    assert!(finding.text.contains("still held") && finding.text.contains("vipdeck restore VI_1"), "{finding:?}");
    // Longer, and then by itself.
    let (text, action) = cluster.ask(0, ask(Some(AtExpiry::Restore))).unwrap();
    assert!(text.contains("lifted by itself"), "{text}");
    assert!(!cluster.snapshot(0).findings.iter().any(|f| f.kind == "hold-expired"));
    cluster.world.end_engine(0, Duration::from_millis(20));
    cluster.owned(seconds(16));
    assert_eq!(cluster.holders(), [0]);
    assert!(cluster.snapshot(0).instances[0].hold.is_none());
    assert_eq!(cluster.action(0, action.unwrap()).state, ActionState::Ended);
}

#[test]
fn what_nobody_keeps_takes_itself_back_also_after_a_restart() {
    for ends in [false, true] {
        let mut cluster = Cluster::settled(1, &[150, 100]);
        let ask = || Ask { keep_seconds: Some(10), ..Ask::new(demote(DemoteMode::Yield)) };
        let (text, id) = cluster.ask(0, ask()).unwrap();
        let id = id.unwrap();
        assert!(text.contains("taken back in 10 s unless it is kept: vipdeck keep 1"), "{text}");
        cluster.owned(seconds(5));
        if ends {
            cluster.world.end_engine(0, Duration::from_millis(20));
        }
        cluster.owned(seconds(4));
        assert_eq!(cluster.holders(), [1]);
        cluster.owned(seconds(6));
        assert_eq!(cluster.holders(), [0]);
        assert_eq!(cluster.action(0, id).state, ActionState::Reverted);
        assert!(cluster.command(0, Command::Keep { id }).unwrap_err().contains("nobody kept it"));
        // Kept, it stays.
        let (_, id) = cluster.ask(0, ask()).unwrap();
        cluster.owned(seconds(3));
        cluster.command(0, Command::Keep { id: id.unwrap() }).unwrap();
        assert!(cluster.command(0, Command::Keep { id: id.unwrap() }).is_err());
        cluster.owned(seconds(20));
        assert_eq!(cluster.holders(), [1]);
    }
}

// The table of undoing, a test a row.

#[test]
fn undo_of_a_demotion_brings_the_addresses_back_where_preempt_is_on() {
    let mut cluster = Cluster::settled(1, &[150, 100]);
    let (_, id) = cluster.ask(0, Ask::new(demote(DemoteMode::Yield))).unwrap();
    cluster.owned(seconds(5));
    let action = cluster.action(0, id.unwrap());
    assert!(action.gives_back.unwrap().contains("come back at once"));
    assert!(action.since.iter().any(|line| line.starts_with("VI_1 MASTER → BACKUP after 0.0 s")), "{:?}", action.since);
    let text = cluster.command(0, Command::Undo { id: None }).unwrap();
    assert!(text.contains("`demote VI_1` of test is undone"), "{text}");
    cluster.owned(seconds(5));
    assert_eq!(cluster.holders(), [0]);
    assert_eq!(cluster.action(0, 1).state, ActionState::Undone);
    assert!(cluster.command(0, Command::Undo { id: None }).is_err(), "nothing is left");
    // Undoing is an action itself.
    cluster.command(0, undo(2)).unwrap();
    cluster.owned(seconds(5));
    assert_eq!(cluster.holders(), [1]);
}

#[test]
fn undo_of_a_demotion_leaves_the_addresses_where_preempt_is_off() {
    let mut cluster = Cluster::build(1, &[150, 100], |config| config.instances[0].preempt = false);
    cluster.world.run_for(Duration::from_millis(10_300));
    cluster.demote(0).unwrap();
    cluster.owned(seconds(5));
    let action = cluster.action(0, 1);
    assert!(action.gives_back.unwrap().contains("stay where they are"));
    assert!(action.does_not.unwrap().contains("vipdeck takeover VI_1"));
    cluster.command(0, undo(1)).unwrap();
    cluster.watch(seconds(10), |c| assert_eq!(c.holders(), [1]));
    let snapshot = cluster.snapshot(0);
    assert_eq!((snapshot.instances[0].effective_priority, snapshot.instances[0].hold.is_none()), (150, true));
}

#[test]
fn undo_of_a_takeover_lifts_the_override_alone() {
    let mut cluster = Cluster::build(1, &[150, 100], |config| config.instances[0].preempt = false);
    cluster.world.run_for(Duration::from_millis(10_300));
    cluster.takeover(1).unwrap();
    cluster.owned(seconds(3));
    let action = cluster.action(1, 1);
    assert!(action.does_not.unwrap().contains("unless another node preempts"));
    cluster.command(1, undo(1)).unwrap();
    cluster.watch(seconds(10), |c| assert_eq!(c.holders(), [1]));
    assert_eq!(cluster.snapshot(1).instances[0].effective_priority, 100);
    cluster.takeover(0).unwrap();
    cluster.owned(seconds(2));
    assert_eq!(cluster.holders(), [0], "a takeover there does");
}

#[test]
fn undo_of_pause_and_resume_and_of_a_restore() {
    let mut cluster = Cluster::settled(1, &[150, 100]);
    cluster.command(0, Command::Pause {}).unwrap();
    cluster.command(0, Command::Resume {}).unwrap();
    cluster.command(0, Command::Undo { id: None }).unwrap();
    assert!(cluster.snapshot(0).intents.paused.is_some(), "resume is undone");
    cluster.command(0, undo(3)).unwrap();
    assert!(cluster.snapshot(0).intents.paused.is_none());
    cluster.demote(0).unwrap();
    cluster.owned(seconds(3));
    let (_, id) = cluster.ask(0, Ask::new(restore())).unwrap();
    cluster.owned(seconds(5));
    assert_eq!(cluster.holders(), [0]);
    // What came later stands: the demotion is superseded.
    let refusal = cluster.command(0, undo(id.unwrap() - 1)).unwrap_err();
    assert!(refusal.contains("`restore VI_1` of test came later"), "{refusal}");
    cluster.command(0, undo(id.unwrap())).unwrap();
    cluster.owned(seconds(5));
    assert_eq!(cluster.holders(), [1]);
}

#[test]
fn undo_of_a_reload_runs_the_configuration_of_before_and_leaves_the_file() {
    let mut cluster = Cluster::settled(1, &[150, 100]);
    let mut config = cluster.world.hosts[0].configuration().clone();
    config.instances[0].priority = 90;
    cluster.reload(0, config.clone()).unwrap();
    cluster.owned(seconds(5));
    assert_eq!(cluster.holders(), [1]);
    let text = cluster.command(0, Command::Undo { id: None }).unwrap();
    assert!(text.contains("the file is left as it is") && text.contains("90 → 150"), "{text}");
    cluster.owned(seconds(6));
    assert_eq!(cluster.holders(), [0]);
    assert_eq!(cluster.action(0, 1).state, ActionState::Undone);
    assert_eq!(cluster.world.hosts[0].configuration().instances[0].priority, 90, "the file");
    // Unkept, a reload takes itself back, also in the next engine.
    let ask = Ask { keep_seconds: Some(10), ..Ask::new(Command::Reload { dry_run: false }) };
    cluster.ask(0, ask).unwrap();
    cluster.owned(seconds(5));
    cluster.world.end_engine(0, Duration::from_millis(20));
    cluster.owned(seconds(1));
    assert_eq!(cluster.snapshot(0).instances[0].base_priority, 90, "a crash does not decide");
    cluster.owned(seconds(10));
    assert_eq!((cluster.snapshot(0).instances[0].base_priority, cluster.holders()), (150, vec![0]));
    assert!(cluster.kinds(0).contains(&"keep".to_owned()));
}

/// A cluster with virtual services, and one of its servers.
fn services() -> (World, Command) {
    let mut world = vipdeck::sim::scenario("dual-master-dr", 1, 0).unwrap();
    world.run_for(seconds(12));
    let real = world.snapshot(0).unwrap().services[0].reals[0].id;
    let drain = Command::Drain {
        real,
        service: None,
        deadline_seconds: None,
        then: AtDeadline::Ask,
        ignore_persistence: false,
    };
    (world, drain)
}

fn told(world: &mut World, ask: Ask) -> Result<(String, Option<u64>), String> {
    match world.command(0, Ask { actor: Actor { user: "ann".into(), from: "test".into() }, ..ask }).unwrap() {
        Reply::Accepted { text, action } => Ok((text, action)),
        Reply::Rejected { reason } => Err(reason),
    }
}

#[test]
fn undo_of_a_drain_gives_the_old_weight_in_steps() {
    let (mut world, drain) = services();
    let real = |world: &mut World| world.snapshot(0).unwrap().services[0].reals[0].clone();
    let before = real(&mut world).weight_kernel;
    assert!(before.is_some_and(|w| w > 0));
    told(&mut world, Ask::new(drain)).unwrap();
    world.run_for(seconds(3));
    assert_eq!(real(&mut world).weight_kernel, Some(0));
    let (text, _) = told(&mut world, Ask::new(Command::Undo { id: None })).unwrap();
    assert!(text.contains("does not bring back clients that went elsewhere"), "{text}");
    world.run_for(seconds(2));
    assert_eq!(real(&mut world).admin, Admin::Ready);
    world.run_for(seconds(35));
    assert_eq!((real(&mut world).weight_kernel, real(&mut world).rising), (before, None));
}

#[test]
fn undo_of_weight_maint_and_reset() {
    let (mut world, drain) = services();
    let (real, _) = drain.real().unwrap();
    let seen = |world: &mut World| world.snapshot(0).unwrap().services[0].reals[0].clone();
    let configured = seen(&mut world).weight_configured;
    for weight in [7, 9] {
        told(&mut world, Ask::new(Command::Weight { real, service: None, weight })).unwrap();
    }
    told(&mut world, Ask::new(undo(2))).unwrap();
    assert_eq!(seen(&mut world).weight_asked, Some(7), "the one before");
    told(&mut world, Ask::new(undo(1))).unwrap();
    assert_eq!((seen(&mut world).weight_asked, seen(&mut world).weight_effective), (None, Some(configured)));
    told(&mut world, Ask::new(Command::Maint { real, service: None })).unwrap();
    assert_eq!(seen(&mut world).admin, Admin::Maint);
    told(&mut world, Ask::new(Command::Undo { id: None })).unwrap();
    assert_eq!(seen(&mut world).admin, Admin::Ready);
    told(&mut world, Ask::new(drain)).unwrap();
    let (_, id) = told(&mut world, Ask::new(Command::Reset { real, service: None })).unwrap();
    assert_eq!(id, None, "there is nothing to undo");
    let last = world.snapshot(0).unwrap().actions.pop().unwrap();
    assert_eq!((last.verb.as_str(), last.gives_back), ("reset", None));
    assert!(last.does_not.unwrap().contains("cannot be had back"));
}

#[test]
fn a_drain_with_an_end_is_lifted_with_a_slow_start() {
    let (mut world, drain) = services();
    let ask = Ask { hold_seconds: Some(5), at_expiry: Some(AtExpiry::Restore), ..Ask::new(drain) };
    assert_eq!(ask.to_string().split_once(" --").unwrap().1, "hold 5s --at-expiry restore");
    told(&mut world, ask).unwrap();
    world.run_for(seconds(3));
    let real = |world: &mut World| world.snapshot(0).unwrap().services[0].reals[0].clone();
    assert_ne!(real(&mut world).admin, Admin::Ready);
    world.run_for(seconds(4));
    assert_eq!(real(&mut world).admin, Admin::Ready);
}

#[test]
fn a_lock_keeps_others_away_until_it_ends() {
    let mut cluster = Cluster::settled(1, &[150, 100]);
    let of = |command: Command, session: &str| Ask { session: Some(session.into()), ..Ask::new(command) };
    let lock = |on: &str| Command::Lock { on: on.into(), plan: Some("demote VI_1".into()), seconds: None };
    cluster.ask(0, of(lock("VI_1"), "lb-a:1")).unwrap();
    cluster.world.run_for(seconds(10));
    let refusal = cluster.ask(0, of(demote(DemoteMode::Yield), "lb-a:2")).unwrap_err();
    for part in ["VI_1 is locked by test (test), lb-a:1 since 10 s", "about to `demote VI_1`", "demote VI_1 --force"] {
        assert!(refusal.contains(part), "{refusal}");
    }
    assert!(cluster.ask(0, of(lock("VI_1"), "lb-a:2")).is_err());
    assert!(cluster.ask(0, of(Command::DemoteAll { mode: DemoteMode::Yield }, "lb-a:2")).is_err(), "all has VI_1");
    assert!(cluster.ask(0, of(Command::Unlock { on: "VI_1".into() }, "lb-a:2")).is_err());
    assert!(cluster.ask(0, of(lock("VI_9"), "lb-a:2")).is_err(), "no such thing");
    assert!(cluster.ask(0, of(Command::Pause {}, "lb-a:2")).is_ok(), "something else");
    // Renewed while a question is open.
    cluster.ask(0, of(lock("VI_1"), "lb-a:1")).unwrap();
    cluster.world.run_for(seconds(55));
    assert_eq!(cluster.snapshot(0).locks.len(), 1);
    assert!(cluster.ask(0, of(takeover(), "lb-a:2")).is_err());
    // A console that has died.
    cluster.world.run_for(seconds(6));
    assert!(cluster.snapshot(0).locks.is_empty());
    cluster.ask(0, of(takeover(), "lb-a:2")).unwrap();
    // Its own command passes and ends it; force goes over it, and is logged.
    cluster.ask(0, of(lock("VI_1"), "lb-a:1")).unwrap();
    cluster.ask(0, of(restore(), "lb-a:1")).unwrap();
    assert!(cluster.snapshot(0).locks.is_empty());
    cluster.ask(0, of(lock("VI_1"), "lb-a:1")).unwrap();
    cluster.world.take_events(0);
    let ask = of(demote(DemoteMode::Yield), "lb-a:2");
    cluster.ask(0, Ask { force: true, ..ask }).unwrap();
    assert!(cluster.world.take_events(0).iter().any(|e| e.text == "demote VI_1 --force"));
}

#[test]
fn a_node_steps_down_and_comes_back_as_a_whole() {
    let mut world = vipdeck::sim::scenario("dual-master-dr", 1, 0).unwrap();
    world.run_for(seconds(10));
    let masters = |world: &mut World, host: usize| {
        world.snapshot(host).unwrap().instances.iter().filter(|i| i.state == Role::Master).count()
    };
    assert!(masters(&mut world, 0) > 0);
    let all = world.snapshot(0).unwrap().instances.len();
    let (_, id) = told(&mut world, Ask::new(Command::DemoteAll { mode: DemoteMode::Yield })).unwrap();
    world.run_for(seconds(5));
    assert_eq!((masters(&mut world, 0), masters(&mut world, 1)), (0, all));
    assert_eq!(world.snapshot(0).unwrap().actions.len(), 1, "one action");
    told(&mut world, Ask::new(undo(id.unwrap()))).unwrap();
    assert!(world.snapshot(0).unwrap().instances.iter().all(|i| i.hold.is_none()));
}

#[test]
fn an_announcement_is_for_whoever_holds_the_addresses() {
    let mut cluster = Cluster::settled(1, &[150, 100]);
    let announce = || Command::Announce { instance: "VI_1".into() };
    let before = cluster.snapshot(0).instances[0].announcements_sent;
    let text = cluster.command(0, announce()).unwrap();
    assert!(text.contains("announced now, 5 times"), "{text}");
    cluster.world.run_for(seconds(1));
    assert_eq!(cluster.snapshot(0).instances[0].announcements_sent, before + 5);
    assert!(cluster.command(1, announce()).unwrap_err().contains("BACKUP"));
    assert!(cluster.snapshot(0).actions.is_empty(), "nothing to undo");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let mut cluster = Cluster::settled(1, &[150, 100]);
    let asks = [
        Ask { hold_seconds: Some(60), ..Ask::new(restore()) },
        Ask { at_expiry: Some(AtExpiry::Stay), ..Ask::new(demote(DemoteMode::Yield)) },
        Ask { hold_seconds: Some(0), ..Ask::new(demote(DemoteMode::Yield)) },
        Ask { keep_seconds: Some(5), ..Ask::new(Command::Announce { instance: "VI_1".into() }) },
        Ask { keep_seconds: Some(90_000), ..Ask::new(demote(DemoteMode::Yield)) },
        Ask::new(undo(7)),
        Ask::new(Command::Keep { id: 7 }),
        Ask::new(Command::Undo { id: None }),
        Ask::new(Command::Resume {}),
        Ask::new(Command::Unlock { on: "VI_1".into() }),
    ];
    for ask in asks {
        let line = ask.to_string();
        assert!(cluster.ask(0, ask).is_err(), "{line}");
    }
    assert!(cluster.snapshot(0).actions.is_empty());
}
