//! How dangerous a deed is follows from the state on screen; what undo means follows from the configuration.

use crate::fixture::{AT, Console, DARK, Look, action, actor, at, down, draining, hold, snapshot, web};
use std::sync::Arc;
use vipdeck::console::model::{Link, Modal};
use vipdeck::console::plan::{Mark, Plan, Risk};
use vipdeck::console::update::{About, Answer, Effect, Msg};
use vipdeck::status::{
    ActionState, Command, HoldKind, IntentView, Lock, Presence, Quorum, Reply, Role, Snapshot, Transition,
};

fn plan(console: &Console) -> &Plan {
    match &console.model.modal {
        Some(Modal::Question(question)) => &question.plan,
        other => panic!("{other:?}: {:?}", console.model.message),
    }
}

fn risk(console: &Console) -> Risk {
    plan(console).risk.unwrap()
}

/// The worst check, which comes first.
fn worst(console: &Console) -> (Mark, String) {
    let first = plan(console).checks.first().unwrap();
    (first.mark, first.text.clone())
}

fn two(change: impl FnOnce(&mut Snapshot, &mut Snapshot)) -> Console {
    let mut console = Console::live(DARK);
    let (mut first, mut second) = (snapshot(1), snapshot(2));
    change(&mut first, &mut second);
    console.show(first, second);
    console
}

fn moved_ago(snapshot: &mut Snapshot, seconds: u64) {
    let cause = "priority 0 heard".to_owned();
    let then = Transition {
        at: at(AT - seconds * 1_000_000),
        from: Role::Backup,
        to: Role::Master,
        cause,
        reasons: Arc::default(),
    };
    snapshot.instances[0].transitions.push(then);
}

#[test]
fn demote_is_low_medium_high_or_refused_by_what_it_does() {
    // A BACKUP moves no address.
    let mut console = two(|_, _| {});
    console.keys("llD");
    assert_eq!(risk(&console), Risk::Low);
    // A MASTER with a fit stand-in.
    let mut console = two(|_, _| {});
    console.keys("D");
    assert_eq!((risk(&console), worst(&console).0), (Risk::Medium, Mark::Good), "{:?}", plan(&console).checks);
    // The stand-in is weakened: to be known, and no more.
    let mut console = two(|_, second| second.instances[0].effective_priority = 80);
    console.keys("D");
    assert_eq!((risk(&console), worst(&console).0), (Risk::Medium, Mark::Warn));
    // The last fit node.
    let mut console = two(|_, second| {
        second.instances[0].state = Role::Fault;
        second.instances[0].faults = vec!["eth0 is down".into()];
    });
    console.keys("D");
    assert_eq!(risk(&console), Risk::High);
    assert!(worst(&console).1.contains("last fit node"), "{:?}", worst(&console));
    // The stand-in is stale.
    let mut console = two(|_, _| {});
    console.tell(Msg::Link { node: 1, link: Link::Lost { since: 0, why: "gone".into() } });
    console.keys("D");
    assert_eq!(risk(&console), Risk::High);
    // The stand-in has another configuration.
    let mut console = two(|_, second| second.instances[0].vips[0].net = "10.0.0.99/24".parse().unwrap());
    console.keys("D");
    assert_eq!(risk(&console), Risk::High);
    assert!(worst(&console).1.contains("configured differently: VIPs"), "{:?}", worst(&console));
    // It could not serve: no server is up there.
    let mut console = two(|_, second| second.services[0].reals.iter_mut().for_each(down));
    console.keys("D");
    assert_eq!(risk(&console), Risk::High);
    assert!(worst(&console).1.contains("sees 0 of 2 servers"), "{:?}", worst(&console));
    // Another failover just before; ten minutes later it is none any more.
    let mut console = two(|first, _| moved_ago(first, 590));
    console.keys("D");
    assert_eq!(risk(&console), Risk::High);
    assert!(worst(&console).1.contains("less than 10 minutes ago"), "{:?}", worst(&console));
    let mut console = two(|first, _| moved_ago(first, 610));
    console.keys("D");
    assert_eq!(risk(&console), Risk::Medium);
    // Fenced without a stand-in the addresses would have no owner: not from here.
    let mut console = two(|_, second| second.instances[0].state = Role::Init);
    console.keys("D~<Tab><Tab><Tab><Tab><Space>");
    assert_eq!(risk(&console), Risk::Refused);
    let screen = console.screen();
    assert!(
        screen.contains("without any owner") && screen.contains("--mode fence") && screen.contains("--force"),
        "{screen}"
    );
    assert_eq!(plan(&console).buttons, ["Cancel"]);
    console.keys("~<Tab>x<Tab><Enter>");
    assert!(crate::questions::is_quiet(&console));
    // Of a node that is stale nothing is known that could be asked for.
    let mut console = two(|_, _| {});
    console.tell(Msg::Link { node: 0, link: Link::Lost { since: 0, why: "gone".into() } });
    console.keys("lD");
    assert_eq!(risk(&console), Risk::Refused);
    assert!(console.screen().contains("vipdeck demote VI_1 --hold 30m"), "{}", console.screen());
}

#[test]
fn a_server_is_low_or_high_by_who_is_left() {
    let mut console = two(|_, _| {});
    console.keys("3jD");
    assert_eq!(risk(&console), Risk::Low);
    let mut console = two(|first, _| draining(&mut first.services[0].reals[1], 3));
    console.keys("3jD");
    assert_eq!(risk(&console), Risk::High, "the last one");
    let mut console = two(|first, _| {
        let (since, hysteresis) = (at(0), 0);
        first.services[0].quorum = Some(Quorum { up: true, since, needed: 2, hysteresis, weight: 2 });
    });
    console.keys("3jD");
    assert_eq!(risk(&console), Risk::High);
    assert!(worst(&console).1.contains("below the quorum of 2"), "{:?}", worst(&console));
    let mut console = two(|_, _| {});
    console.keys("3jM");
    assert_eq!(risk(&console), Risk::Medium, "its connections are reset");
}

#[test]
fn a_weight_is_low_below_half_of_what_it_was() {
    let ten = |first: &mut Snapshot, second: &mut Snapshot| {
        for snapshot in [first, second] {
            let real = &mut snapshot.services[0].reals[0];
            (real.weight_configured, real.weight_effective, real.weight_kernel) = (10, Some(10), Some(10));
        }
    };
    for (typed, expected) in
        [("14", Risk::Low), ("6", Risk::Low), ("5", Risk::Medium), ("15", Risk::Medium), ("0", Risk::Medium)]
    {
        let mut console = two(ten);
        console.keys("3jW~").keys(typed);
        assert_eq!(risk(&console), expected, "10 → {typed}");
    }
}

#[test]
fn a_high_risk_takes_the_name_and_the_reason() {
    let mut console = two(|_, _| {});
    console.tell(Msg::Link { node: 1, link: Link::Lost { since: 0, why: "gone".into() } });
    console.keys("D~<Tab>lvs2<Tab>patch<Tab><Enter>");
    assert!(crate::questions::is_quiet(&console), "the wrong name");
    assert!(console.screen().contains("type lvs1 to confirm"), "{}", console.screen());
    console.keys("<Backspace>1<Tab><Tab><Enter>");
    assert_eq!(crate::questions::commands(&console).len(), 1, "{}", console.screen());
}

#[test]
fn the_red_checks_come_before_the_plan() {
    let mut console = two(|first, _| moved_ago(first, 60));
    console.keys("D");
    let screen = console.screen();
    assert!(screen.find("10 minutes ago").unwrap() < screen.find("sends priority 0").unwrap(), "{screen}");
}

/// 2.6, one case for each row.
// console-design 1.2 9
#[test]
fn what_undo_means_is_said_in_the_question() {
    let said = |console: &mut Console, keys: &str, expected: &[&str]| {
        console.keys(keys);
        let undo = plan(console).undo.join(" ");
        for words in expected {
            assert!(undo.contains(words), "{keys}: {undo}");
        }
    };
    let mut console = two(|_, _| {});
    said(&mut console, "D", &["priority 150 back", "it will move the VIPs again", "reset stay lost"]);
    let mut console = two(|first, second| {
        first.instances[0].preempt = false;
        second.instances[0].preempt = false;
    });
    said(&mut console, "D", &["priority 150 back", "the VIPs stay on lvs2; T takes them back"]);
    let mut console = two(|_, _| {});
    said(&mut console, "T", &["lifts our override", "lvs1 (priority 150, preempt on) → MASTER and lvs2 → BACKUP"]);
    let mut console = two(|first, _| first.instances[0].preempt = false);
    said(&mut console, "T", &["lvs2 stays MASTER and lvs1 stays BACKUP", "T on lvs1 sends the VIPs back"]);
    let mut console = two(|_, _| {});
    said(&mut console, "3jD", &["its weight 1 back: new clients again", "went elsewhere stay there"]);
    let mut console = two(|first, second| {
        draining(&mut first.services[0].reals[0], 5);
        draining(&mut second.services[0].reals[0], 5);
    });
    said(&mut console, "3jK", &["Cannot be undone"]);
    let mut console = two(|_, _| {});
    said(&mut console, "3jW~5", &["5 → 1"]);
    let mut console = two(|_, _| {});
    said(&mut console, "P", &["paused → as configured", "no address moves then"]);
    let mut console = two(|_, _| {});
    let about = About::Preview { node: 0 };
    let answer = Answer::Reply(Reply::accepted("this would change: VI_1: priority 150 → 90"));
    console.tell(Msg::Reply { about, answer });
    said(&mut console, "", &["runs the configuration of before again", "The file stays as it is"]);
}

fn held(first: &mut Snapshot, second: &mut Snapshot) {
    first.instances[0].state = Role::Backup;
    first.instances[0].hold = Some(hold(HoldKind::Demoted));
    first.instances[0].effective_priority = 1;
    first.instances[0].vips[0].present = Presence::No;
    first.actions = vec![action(7, "demote", "VI_1", "demote VI_1 --hold 30m")];
    second.instances[0].state = Role::Master;
    second.instances[0].vips[0].present = Presence::Yes;
}

/// A console that has demoted lvs1 and been told so, as action 7.
pub(crate) fn after_a_demotion(look: Look) -> Console {
    let mut console = Console::live(look);
    console.keys("D~kernel patch<Tab><Enter>");
    let sent = console.effects.iter().find_map(|e| match e {
        Effect::Send { about: about @ About::Command { .. }, .. } => Some(about.clone()),
        _ => None,
    });
    let reply = Reply::Accepted { text: "VI_1: priority 0 sent".into(), action: Some(7) };
    console.tell(Msg::Reply { about: sent.unwrap(), answer: Answer::Reply(reply) });
    console.effects.clear();
    let (mut first, mut second) = (snapshot(1), snapshot(2));
    held(&mut first, &mut second);
    console.show(first, second);
    console
}

#[test]
fn undo_is_an_action_of_the_class_of_what_it_moves() {
    let mut console = after_a_demotion(DARK);
    console.keys("u");
    assert_eq!(risk(&console), Risk::Medium, "the addresses move back: {:?}", plan(&console));
    let screen = console.screen();
    assert!(
        screen.contains("Undo: demote VI_1") && screen.contains("lvs1 becomes MASTER")
            || screen.contains("becomes MASTER"),
        "{screen}"
    );
    console.keys("~done<Tab><Enter>");
    let sent = crate::questions::commands(&console);
    assert_eq!(sent, [(0, Command::Undo { id: Some(7) }, Some("done".into()))]);
}

#[test]
fn what_is_undone_already_is_not_undone_again() {
    let mut console = after_a_demotion(DARK);
    let (mut first, second) = (snapshot(1), snapshot(2));
    first.actions = vec![action(7, "demote", "VI_1", "demote VI_1 --hold 30m")];
    first.actions[0].state = ActionState::Reverted;
    console.show(first, second);
    console.keys("u");
    assert!(console.model.modal.is_none() && console.screen().contains("nothing from this console can be undone"));
    // An engine that was started anew counts from the start again: the same number is another action.
    let mut first = snapshot(1);
    first.actions = vec![action(7, "takeover", "VI_2", "takeover VI_2")];
    console.show(first, snapshot(2));
    console.keys("u");
    assert!(console.model.modal.is_none());
    // The list has it all the same, and says what happened since.
    console.keys("U");
    assert!(console.screen().contains("takeover VI_2"), "{}", console.screen());
}

#[test]
fn a_pause_that_holds_back_a_preemption_says_what_moves_when_it_ends() {
    let mut console = two(|first, second| {
        held(first, second);
        first.instances[0].hold = None;
        first.instances[0].effective_priority = 150;
        let order = vipdeck::status::Order {
            asked: vipdeck::status::Asked::Pause {},
            since_us: 0,
            by: actor(),
            reason: None,
            expires_us: None,
            at_expiry: vipdeck::status::AtExpiry::Restore,
            expired: false,
            action: None,
        };
        for snapshot in [first, second] {
            snapshot.intents.paused = Some(IntentView { order: order.clone(), in_force: true });
        }
    });
    console.keys("P");
    assert_eq!(risk(&console), Risk::Medium);
    assert!(plan(&console).title.starts_with("Resume"));
    assert!(console.screen().contains("VI_1 to lvs1"), "{}", console.screen());
}

#[test]
fn the_lock_of_another_operator_refuses_and_names_who_and_what() {
    let lock = Lock {
        on: web(1).to_string(),
        by: actor(),
        session: Some("other:1".into()),
        reason: Some("disk".into()),
        plan: Some("Drain web1".into()),
        since: at(AT - 12_000_000),
        expires_at: at(AT + 40_000_000),
    };
    let mut console = two(|first, _| first.locks = vec![lock]);
    assert!(console.screen().contains("ops1 (local socket) has a plan open"), "{}", console.screen());
    console.keys("3jD");
    assert_eq!(risk(&console), Risk::Refused);
    let screen = console.screen();
    assert!(
        screen.contains("ops1 (local socket) has a plan open on 10.0.0.11:80: Drain web1")
            && screen.contains("--force"),
        "{screen}"
    );
    // When it is gone the question goes on, from Cancel.
    console.show(snapshot(1), snapshot(2));
    assert_eq!(risk(&console), Risk::Low);
    assert!(console.screen().contains("CHANGED"));
}
