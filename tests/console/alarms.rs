//! Alarms: each kind from the smallest evidence for it, the list, acknowledging, telling aloud.

use crate::fixture::{AT, Console, DARK, WALL, actor, at, down, snapshot};
use crate::pictures::split;
use std::time::Duration;
use vipdeck::cluster::{Seen, Trust, alarms};
use vipdeck::console::facts;
use vipdeck::console::model::Link;
use vipdeck::console::screens::window_title;
use vipdeck::console::update::{Effect, Msg};
use vipdeck::status::{
    Acknowledged, Alarm, AlarmKind, CheckResult, Command, Finding, Heard, LinkState, Presence, Role, Script, Severity,
    Snapshot, Transition,
};

const RECEIVED: u64 = 10_000_000_000;

fn judged(snapshots: &[Snapshot]) -> Vec<Alarm> {
    let seen = |s| Seen { name: node(s), snapshot: Some(s), received: RECEIVED, trust: Trust::Fresh };
    alarms(&snapshots.iter().map(seen).collect::<Vec<_>>())
}

fn node(snapshot: &Snapshot) -> &str {
    &snapshot.node.name
}

fn kinds(alarms: &[Alarm]) -> Vec<AlarmKind> {
    alarms.iter().map(|a| a.kind).collect()
}

fn wall(at_us: u64) -> Option<u64> {
    Some(WALL - AT + at_us)
}

fn both() -> [Snapshot; 2] {
    [snapshot(1), snapshot(2)]
}

/// Both are MASTER of VI_1 for ten seconds; neither hears the other.
fn two_masters() -> [Snapshot; 2] {
    let [mut first, mut second] = both();
    for (n, s) in [&mut first, &mut second].into_iter().enumerate() {
        let mac = format!("02:00:00:00:00:0{}", n + 1).parse().unwrap();
        let name = crate::fixture::link();
        s.node.links = vec![LinkState {
            name,
            up: Some(true),
            counts_at: None,
            mac: Some(mac),
            addresses: vec![],
            reasons: std::sync::Arc::default(),
        }];
    }
    let master = &mut second.instances[0];
    (master.state, master.since, master.master) = (Role::Master, at(AT - 10_000_000), None);
    master.heard.clear();
    master.vips[0].present = Presence::Yes;
    [first, second]
}

#[test]
fn a_healthy_cluster_has_none() {
    assert_eq!(judged(&both()), []);
}

// console-design 1.2 3
#[test]
fn two_masters_are_a_split_with_both_hardware_addresses_and_its_true_beginning() {
    let found = judged(&two_masters());
    assert_eq!(kinds(&found), [AlarmKind::Split]);
    let split = &found[0];
    assert_eq!((split.id.as_str(), split.severity), ("split:VI_1", Severity::Alarm));
    assert_eq!(split.since_us, wall(AT - 10_000_000));
    for part in ["lvs1 and lvs2", "neither hears the other", "lvs1 at 02:00:00:00:00:01", "lvs2 at 02:00:00:00:00:02"] {
        assert!(split.text.contains(part), "{}", split.text);
    }
}

#[test]
fn what_the_split_says_is_not_said_again_by_findings() {
    let mut nodes = two_masters();
    let finding = |kind: &str, subject: &str| Finding {
        kind: kind.into(),
        severity: Severity::Alarm,
        subject: subject.into(),
        text: "as told".into(),
        since: at(AT - 9_000_000),
        last: at(AT),
        count: 1,
    };
    nodes[0].findings = vec![finding("two-masters", "VI_1"), finding("duplicate-address", "10.0.0.20")];
    assert_eq!(kinds(&judged(&nodes)), [AlarmKind::Split]);
    // A rival that is none of ours is known from the wire alone.
    let mut nodes = both();
    nodes[0].findings = vec![finding("duplicate-address", "10.0.0.20")];
    let found = judged(&nodes);
    assert_eq!((kinds(&found), found[0].since_us), (vec![AlarmKind::Split], wall(AT - 9_000_000)));
}

#[test]
fn one_hears_the_other_and_is_not_heard() {
    let mut nodes = two_masters();
    let source = nodes[1].instances[0].source.unwrap();
    let interval = Duration::from_secs(1);
    nodes[0].instances[0].heard = vec![Heard { address: source, priority: 100, at: at(AT - 300_000), interval }];
    let found = judged(&nodes);
    let one_way: Vec<&Alarm> = found.iter().filter(|a| a.kind == AlarmKind::OneWay).collect();
    let [one] = one_way.as_slice() else { panic!("{found:?}") };
    assert!(one.text.contains("lvs1 hears lvs2's adverts of VI_1, and lvs2 does not hear lvs1's"), "{}", one.text);
    assert!(!found[0].text.contains("neither hears"), "{}", found[0].text);
    // Once lvs2 hears lvs1, too, it is only a split.
    let source = nodes[0].instances[0].source.unwrap();
    nodes[1].instances[0].heard = vec![Heard { address: source, priority: 150, at: at(AT - 300_000), interval }];
    assert_eq!(kinds(&judged(&nodes)), [AlarmKind::Split]);
}

#[test]
fn no_master_began_when_the_last_one_left() {
    let mut nodes = both();
    for s in &mut nodes {
        let i = &mut s.instances[0];
        (i.state, i.master, i.faults) = (Role::Fault, None, vec!["eth0 is down".into()]);
        i.heard.clear();
    }
    let left = Transition {
        at: at(AT - 5_000_000),
        from: Role::Master,
        to: Role::Fault,
        cause: "eth0".into(),
        reasons: std::sync::Arc::default(),
    };
    nodes[0].instances[0].transitions.push(left);
    let found = judged(&nodes);
    assert_eq!(kinds(&found), [AlarmKind::NoMaster, AlarmKind::Fault, AlarmKind::Fault]);
    assert_eq!(found[0].since_us, wall(AT - 5_000_000));
    // One node alone cannot know that there is none.
    assert_eq!(kinds(&judged(&nodes[..1])), [AlarmKind::Fault]);
}

#[test]
fn what_must_be_the_same_and_is_not_is_named_with_both_values() {
    let mut nodes = both();
    nodes[1].instances[0].advert_interval = Duration::from_secs(2);
    let found = judged(&nodes);
    assert_eq!(kinds(&found), [AlarmKind::Configuration]);
    assert!(found[0].text.contains("advert_int is 1 s on lvs1 and 2 s on lvs2"), "{}", found[0].text);
    let mut nodes = both();
    let other = nodes[1].instances[1].vips[0].clone();
    nodes[1].instances[0].vips.push(other);
    let found = judged(&nodes);
    assert!(found[0].text.contains("10.0.0.21/24 is only on lvs2"), "{}", found[0].text);
}

#[test]
fn a_hold_that_is_about_to_end_is_an_alarm_since_its_last_quarter() {
    let mut nodes = both();
    let mut hold = crate::fixture::hold(vipdeck::status::HoldKind::Demoted);
    // A hold of four minutes, of which 63 seconds are over.
    hold.expires_at = Some(at(AT - 63_000_000 + 240_000_000));
    nodes[1].instances[0].hold = Some(hold.clone());
    assert_eq!(judged(&nodes), []);
    hold.since = at(AT - 200_000_000);
    hold.expires_at = Some(at(AT + 40_000_000));
    nodes[1].instances[0].hold = Some(hold);
    let found = judged(&nodes);
    assert_eq!((kinds(&found), found[0].since_us), (vec![AlarmKind::Hold], wall(AT - 20_000_000)));
    assert!(found[0].text.contains("VI_1 on lvs2 by ops1 is about to end"), "{}", found[0].text);
}

#[test]
fn a_router_that_goes_to_and_fro_is_flapping_since_it_began_to() {
    let mut nodes = both();
    let took = |s: u64| Transition {
        at: at(s * 1_000_000),
        from: Role::Backup,
        to: Role::Master,
        cause: "x".into(),
        reasons: std::sync::Arc::default(),
    };
    nodes[0].instances[0].transitions = vec![took(3), took(600), took(700)];
    nodes[1].instances[0].transitions = vec![took(650)];
    assert_eq!(judged(&nodes), [], "three in 125 seconds");
    nodes[1].instances[0].transitions.push(took(720));
    let found = judged(&nodes);
    assert_eq!((kinds(&found), found[0].since_us), (vec![AlarmKind::Flapping], wall(600_000_000)));
}

// console-design 1.2 14
#[test]
fn own_lateness_drift_and_a_script_that_cannot_run_are_said_as_such() {
    let mut nodes = both();
    let finding = |kind: &str, subject: &str, text: &str| Finding {
        kind: kind.into(),
        severity: Severity::Warning,
        subject: subject.into(),
        text: text.into(),
        since: at(AT - 1_000_000),
        last: at(AT),
        count: 1,
    };
    nodes[0].findings = vec![
        finding("own-lateness", "node", "this engine woke 2.000 s late: the process was stopped or starved"),
        finding("table-drift", "table", "somebody else changed the table; repaired: x"),
        finding("wrong-password", "VI_1", "192.0.2.9: wrong password"),
    ];
    nodes[1].scripts = vec![Script {
        name: "chk_web".into(),
        command: "/usr/bin/nothing".into(),
        good: Some(false),
        since: at(AT - 8_000_000),
        streak: 0,
        needed: 3,
        last: Some(CheckResult {
            at: at(AT),
            good: false,
            detail: "cannot run: No such file or directory".into(),
            took: Duration::ZERO,
        }),
        next_at: None,
        running: false,
        reasons: std::sync::Arc::default(),
    }];
    let found = judged(&nodes);
    assert_eq!(kinds(&found), [AlarmKind::Script, AlarmKind::Drift, AlarmKind::Late, AlarmKind::Finding]);
    assert_eq!(found[0].since_us, wall(AT - 8_000_000));
    assert!(found[2].text.contains("woke 2.000 s late") && found[2].meaning.contains("own doing"), "{:?}", found[2]);
}

#[test]
fn a_service_without_servers_weighs_more_than_a_server_that_is_down() {
    let mut nodes = both();
    down(&mut nodes[0].services[0].reals[0]);
    let found = judged(&nodes);
    assert_eq!((kinds(&found), found[0].since_us), (vec![AlarmKind::ServerDown], wall(AT - 9_000_000)));
    down(&mut nodes[0].services[0].reals[1]);
    assert_eq!(kinds(&judged(&nodes)), [AlarmKind::BelowQuorum]);
}

#[test]
fn an_acknowledged_alarm_is_silent_and_in_sight_and_a_new_occurrence_is_new() {
    let mut nodes = two_masters();
    let since = judged(&nodes)[0].since_us;
    let seen = Acknowledged {
        alarm: "split:VI_1".into(),
        since_us: since,
        by: actor(),
        at_us: WALL,
        reason: Some("CHG-7".into()),
    };
    nodes[1].acknowledged = vec![seen.clone()];
    assert_eq!(judged(&nodes)[0].acknowledged, Some(seen));
    let mut console = Console::live(DARK);
    let [first, second] = nodes.clone();
    console.show(first, second);
    let screen = console.screen();
    assert!(screen.contains("✓ 1 alarm seen") && screen.contains("acknowledged SPLIT: lvs1 and lvs2"), "{screen}");
    assert!(window_title(&console.model).ends_with("SPLIT (acknowledged)"));
    assert!(console.keys("!").screen().contains("acknowledged by ops1 (local socket)"));
    nodes[1].instances[0].since = at(AT - 1_000_000);
    assert_eq!(judged(&nodes)[0].acknowledged, None);
}

#[test]
fn two_presses_acknowledge_and_every_node_is_told() {
    let mut console = split(DARK);
    console.effects.clear();
    let screen = console.keys("!").screen();
    for part in ["Alarms", "▸! SPLIT", "means", "clients may reach either", "to do", "split:VI_1"] {
        assert!(screen.contains(part), "{part}\n{screen}");
    }
    console.keys("!");
    let told: Vec<(usize, String)> = console
        .effects
        .iter()
        .filter_map(|e| match e {
            Effect::Send { node, ask, .. } => match &ask.command {
                Command::Acknowledge { alarm, since_us } => {
                    assert!(since_us.is_some());
                    Some((*node, alarm.clone()))
                }
                _ => None,
            },
            _ => None,
        })
        .collect();
    assert_eq!(told, [(0, "split:VI_1".into()), (1, "split:VI_1".into())]);
    console.keys("<Esc>");
    assert!(console.model.modal.is_none());
}

#[test]
fn view_only_shows_the_list_and_acknowledges_nothing() {
    let mut console = Console::live(DARK);
    console.model.view_only = true;
    let [first, second] = two_masters();
    console.show(first, second);
    console.effects.clear();
    console.keys("!!");
    assert!(!console.effects.iter().any(|e| matches!(e, Effect::Send { .. })));
}

#[test]
fn each_new_alarm_rings_once() {
    let rings = |console: &Console| console.effects.iter().filter(|e| matches!(e, Effect::Ring { .. })).count();
    let mut console = Console::live(DARK);
    console.pass(2_500_000);
    console.show(snapshot(1), snapshot(2));
    console.effects.clear();
    let [first, second] = two_masters();
    console.show(first.clone(), second.clone());
    assert_eq!(rings(&console), 1);
    console.pass(100_000);
    console.show(first, second);
    assert_eq!(rings(&console), 1, "the same alarm is no news");
    console.tell(Msg::Link { node: 1, link: Link::Lost { since: 0, why: "reset".into() } });
    assert_eq!(rings(&console), 2, "lvs2 is stale");
    console.show(snapshot(1), snapshot(2));
    console.tell(Msg::Link { node: 1, link: Link::Live });
    assert!(facts::alarms(&console.model.live).is_empty());
    console.tell(Msg::Link { node: 1, link: Link::Lost { since: 0, why: "reset".into() } });
    assert_eq!(rings(&console), 3, "it was gone and is back");
    // By time alone.
    console.tell(Msg::Link { node: 1, link: Link::Live });
    console.show(snapshot(1), snapshot(2));
    console.pass(3_100_000);
    assert!(rings(&console) >= 4);
}

#[test]
fn what_is_wrong_when_the_console_opens_is_shown_and_is_no_news() {
    let console = split(DARK);
    assert!(!console.effects.iter().any(|e| matches!(e, Effect::Ring { .. })));
    assert!(console.screen().contains("SPLIT:"));
}
