//! `w` and `x`: why something is so, and what would happen if.

use crate::fixture::{AT, Console, DARK, at, down, hold, snapshot};
use vipdeck::console::update::{Effect, Msg};
use vipdeck::status::{HoldKind, Reason, Role, Term, Track};

macro_rules! picture {
    ($name:literal, $console:expr) => {
        insta::assert_snapshot!($name, $console.screen())
    };
}

#[test]
fn why_an_instance_is_as_it_is() {
    picture!("why_120x36", Console::live(DARK).keys("w"));
    picture!("why_80x24", Console::live(DARK.size(80, 24)).keys("w"));
    picture!("why_60x16", Console::live(DARK.size(60, 16)).keys("w"));
}

#[test]
fn what_if_a_node_died() {
    picture!("what_if_120x36", Console::live(DARK).keys("x"));
    picture!("what_if_80x24", Console::live(DARK.size(80, 24)).keys("x"));
    picture!("what_if_60x16", Console::live(DARK.size(60, 16)).keys("x"));
    picture!("what_if_demoted_120x36", Console::live(DARK).keys("xjjjj"));
}

#[test]
fn why_a_server_is_down_and_what_if_the_last_one_went() {
    let mut console = Console::live(DARK);
    let mut first = snapshot(1);
    down(&mut first.services[0].reals[0]);
    first.services[0].reals[0].health.reasons = [
        Reason::follows(at(AT - 9_000_000), "3 failures in a row turn it"),
        Reason::input(at(AT - 9_000_000), "check", "TCP_CHECK: connection refused"),
    ]
    .into();
    console.show(first, snapshot(2));
    console.keys("3jw");
    picture!("why_server_120x36", console);
    console.keys("<Esc>jx");
    picture!("what_if_server_120x36", console);
}

#[test]
fn the_reason_a_node_is_not_master_takes_one_key() {
    let mut console = Console::live(DARK);
    let keys = "w";
    console.keys(keys);
    let screen = console.screen();
    assert!(screen.contains("VI_1 is not MASTER here"), "{screen}");
    assert!(screen.contains("10.0.0.1 is MASTER at priority 150, ours is 100"), "{screen}");
    assert!(screen.contains("advert of 10.0.0.1") && screen.contains("[advert]"), "{screen}");
    assert_eq!(keys.len(), 1);
}

/// Whatever keeps a node from being MASTER, its reason is on screen and ends in something from outside.
type Change<'a> = &'a dyn Fn(&mut vipdeck::status::Snapshot);

#[test]
fn every_reason_not_to_be_master_is_told() {
    let hold_back = |s: &mut vipdeck::status::Snapshot| s.instances[0].hold = Some(hold(HoldKind::Demoted));
    let fault = |s: &mut vipdeck::status::Snapshot| {
        s.instances[0].state = Role::Fault;
        s.instances[0].faults = vec!["eth0 is down".into()];
        s.node.links = vec![vipdeck::status::LinkState {
            name: vipdeck::net::LinkName::new("eth0").unwrap(),
            up: Some(false),
            counts_at: None,
            reasons: [Reason::input(at(AT - 5_000_000), "link", "the kernel told: eth0 is down")].into(),
            mac: None,
            addresses: vec![],
        }];
    };
    let tracker = |s: &mut vipdeck::status::Snapshot| {
        s.instances[0].tracks = vec![Track { kind: "script".into(), name: "chk".into(), weight: -20, reverse: false }];
        s.instances[0].terms.push(Term { label: "script chk".into(), value: -20, note: Some("failing".into()) });
        s.scripts = vec![vipdeck::status::Script {
            name: "chk".into(),
            command: "/bin/chk".into(),
            good: Some(false),
            since: at(AT - 7_000_000),
            streak: 0,
            needed: 1,
            last: None,
            next_at: None,
            running: false,
            reasons: [Reason::input(at(AT - 7_000_000), "script", "script chk: exit status 1")].into(),
        }];
    };
    let cases: [(Change, [&str; 2]); 3] = [
        (&hold_back, ["it is held at priority 1 until restored", "kernel patch"]),
        (&fault, ["eth0 is down", "the kernel told: eth0 is down"]),
        (&tracker, ["-20 for script chk: failing", "script chk: exit status 1"]),
    ];
    for (change, expected) in cases {
        let mut console = Console::live(DARK);
        let mut second = snapshot(2);
        change(&mut second);
        console.show(snapshot(1), second);
        console.keys("llw");
        let screen = console.screen();
        for text in expected {
            assert!(screen.contains(text), "{text}\n{screen}");
        }
    }
}

/// Looking asks for nothing: no key of either pop-up reaches an engine.
#[test]
fn neither_changes_anything() {
    let mut console = Console::live(DARK);
    for keys in ["w", "jjGgg", "<Esc>", "x", "jjjjkkGgg", "<Enter>", "<Esc>"] {
        console.keys(keys);
        assert!(!console.effects.iter().any(|e| matches!(e, Effect::Send { .. })), "{keys}");
    }
}

#[test]
fn the_answer_follows_the_cluster_while_it_is_open() {
    let mut console = Console::live(DARK);
    console.keys("x");
    assert!(console.screen().contains("lvs2 serves after"), "{}", console.screen());
    let mut second = snapshot(2);
    second.instances[0].state = Role::Fault;
    second.instances[0].master_down_at = None;
    second.instances[0].faults = vec!["eth0 is down".into()];
    second.instances[0].election.as_mut().unwrap().own_faults = vec!["eth0 is down".into()];
    console.tell(Msg::Snapshot { node: 1, snapshot: Some(std::sync::Arc::new(second)) });
    assert!(console.screen().contains("NOBODY serves"), "{}", console.screen());
}
