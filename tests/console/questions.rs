//! Verbs ask first, with Cancel in focus, and send exactly what was asked.

use crate::fixture::{Console, DARK, draining, key, snapshot, web};
use vipdeck::console::action::Action;
use vipdeck::console::keymap::Keymap;
use vipdeck::console::model::{Link, Modal, Tone};
use vipdeck::console::update::{About, Answer, Effect, Msg};
use vipdeck::status::{AtDeadline, Command, DemoteMode, Mode, Reply, Role, StageAction};

pub(crate) fn commands(console: &Console) -> Vec<(usize, Command, Option<String>)> {
    let sent = console.effects.iter().filter_map(|e| match e {
        Effect::Send { about: About::Lock, .. } => None,
        Effect::Send { node, ask, .. } => Some((*node, ask.command.clone(), ask.reason.clone())),
        _ => None,
    });
    sent.collect()
}

/// Nothing has been asked for; that a question is open may have been told.
pub(crate) fn is_quiet(console: &Console) -> bool {
    console.effects.iter().all(|e| matches!(e, Effect::Send { about: About::Lock, .. }))
}

pub(crate) fn is_asking(console: &Console) -> bool {
    matches!(console.model.modal, Some(Modal::Question(_)))
}

#[test]
fn every_verb_has_a_question() {
    let map = Keymap::load(None).unwrap();
    // Reload asks the node first: its question is the next test's. A check changes nothing.
    let none = [Action::Reload, Action::CheckNow, Action::Announce, Action::Undo];
    let asks = |action: Action| action.is_verb() && !none.contains(&action);
    for entry in map.entries().iter().filter(|e| asks(e.action)) {
        let on_server =
            matches!(entry.action, Action::Drain | Action::Return | Action::Weight | Action::Maint | Action::Reset);
        let mut console = Console::live(DARK);
        if entry.action == Action::Restore {
            let mut first = snapshot(1);
            first.instances[0].hold = Some(crate::fixture::hold(vipdeck::status::HoldKind::Demoted));
            console.show(first, snapshot(2));
        }
        console.keys(if on_server { "3j" } else { "" }).keys(&entry.keys[0].to_string());
        assert!(is_asking(&console), "{:?}: {:?}", entry.action, console.model.message);
        assert!(is_quiet(&console));
        console.keys("~<Enter>");
        assert!(is_quiet(&console), "Cancel has the keys first: {:?}", entry.action);
        // A held key, a paste that comes as keys: within the first moments nothing counts, in no question.
        console.keys("<Esc>").keys(&entry.keys[0].to_string());
        console.keys("yyyyy<Tab><Enter><Tab><Enter><Enter>");
        console.tell(Msg::Paste("y\ny\n".into()));
        assert!(is_quiet(&console) && is_asking(&console), "{:?}", entry.action);
    }
}

#[test]
fn checks_run_at_once_on_every_node_that_has_the_server() {
    let mut console = Console::live(DARK);
    console.keys("3C");
    assert!(is_quiet(&console), "nothing is selected that could be checked");
    console.keys("jC");
    let asked = Command::CheckNow { real: web(1), service: Some(key(1)) };
    assert_eq!(commands(&console), [(0, asked.clone(), None), (1, asked, None)]);
    assert!(!is_asking(&console));
}

#[test]
fn reload_shows_what_the_node_says_would_change_and_then_asks() {
    let mut console = Console::live(DARK);
    console.keys("L");
    assert!(is_quiet(&console) && console.screen().contains("reload of which node?"), "{}", console.screen());
    console.keys("lL");
    assert_eq!(commands(&console), [(0, Command::Reload { dry_run: true }, None)]);
    console.effects.clear();
    let reply = |reply| Msg::Reply { about: About::Preview { node: 0 }, answer: Answer::Reply(reply) };
    let text = "this would change: VI_1: priority 150 → 90 (may lose MASTER to a higher priority)".to_owned();
    console.tell(reply(Reply::accepted(text)));
    assert!(is_asking(&console));
    let screen = console.screen();
    assert!(screen.contains("Reload lvs1") && screen.contains("priority 150 → 90"), "{screen}");
    console.keys("~y");
    assert!(is_quiet(&console), "an address may move: y is not enough");
    console.keys("CHG-7<Tab><Enter>");
    let why = Some("CHG-7".to_owned());
    assert_eq!(commands(&console), [(0, Command::Reload { dry_run: false }, why)]);
    let reason = "nothing is changed: lvs1.conf: error on line 3".to_owned();
    console.tell(reply(Reply::Rejected { reason }));
    assert!(!is_asking(&console) && console.screen().contains("error on line 3"), "{}", console.screen());
}

#[test]
fn demote_asks_the_master_and_carries_what_was_seen() {
    let mut console = Console::live(DARK);
    console.keys("jD~CHG-7<Tab><Enter>");
    let seen = Some(Role::Master);
    let demote = Command::Demote { instance: "VI_2".into(), seen, mode: DemoteMode::Yield };
    assert_eq!(commands(&console), [(1, demote, Some("CHG-7".into()))]);
    assert!(console.screen().contains("asked"));
}

#[test]
fn a_chosen_column_is_the_node_that_is_asked() {
    let mut console = Console::live(DARK);
    console.keys("llT~patch<Tab><Enter>");
    let seen = Some(Role::Backup);
    assert_eq!(commands(&console), [(1, Command::Takeover { instance: "VI_1".into(), seen }, Some("patch".into()))]);
}

fn drain_of(service: Option<vipdeck::kernel::ServiceKey>) -> Command {
    let then = AtDeadline::Ask;
    Command::Drain { real: web(1), service, deadline_seconds: None, then, ignore_persistence: false }
}

#[test]
fn a_medium_risk_takes_the_button_and_a_low_one_takes_y() {
    let mut console = Console::live(DARK);
    console.keys("D~y");
    assert!(is_asking(&console) && is_quiet(&console));
    console.keys("<Esc>3jD~y");
    let drain = drain_of(Some(key(1)));
    assert_eq!(commands(&console), [(0, drain.clone(), None), (1, drain, None)]);
}

#[test]
fn a_held_key_and_a_paste_confirm_nothing() {
    let mut console = Console::live(DARK);
    console.keys("3jDyyyy<Tab><Enter>");
    console.tell(Msg::Paste("y\ny\n".into()));
    assert!(is_asking(&console) && is_quiet(&console));
}

#[test]
fn a_reason_is_typed_and_sent() {
    let mut console = Console::live(DARK);
    console.keys("D~it's y<Tab><Enter>");
    assert_eq!(commands(&console)[0].2.as_deref(), Some("it's y"));
}

#[test]
fn the_last_server_of_a_service_is_no_low_risk() {
    let mut console = Console::live(DARK);
    let mut first = snapshot(1);
    draining(&mut first.services[0].reals[1], 3);
    console.show(first, snapshot(2));
    console.keys("3jD~y");
    assert!(is_asking(&console) && is_quiet(&console));
    assert!(console.screen().contains("last server"), "{}", console.screen());
}

// console-design 1.2 8
#[test]
fn a_change_behind_the_question_is_marked_and_takes_the_focus_back() {
    let mut console = Console::live(DARK);
    console.keys("D~<Tab>");
    let mut second = snapshot(2);
    second.instances[0].effective_priority = 80;
    console.show(snapshot(1), second);
    assert!(console.screen().contains("CHANGED"));
    console.keys("~<Enter>");
    assert!(is_quiet(&console), "Cancel has the keys again");
}

#[test]
fn a_question_without_a_change_stays_as_it_is() {
    let mut console = Console::live(DARK);
    console.keys("D~patch<Tab>");
    console.pass(500_000);
    console.show(snapshot(1), snapshot(2));
    assert!(!console.screen().contains("CHANGED"));
    console.keys("<Enter>");
    assert_eq!(commands(&console).len(), 1);
}

#[test]
fn without_a_stand_in_the_question_says_so() {
    let mut console = Console::live(DARK);
    console.tell(Msg::Link { node: 1, link: Link::Lost { since: 0, why: "gone".into() } });
    console.keys("D");
    let screen = console.screen();
    assert!(screen.contains("goes on serving at priority 1") && screen.contains("no stand-in"), "{screen}");
}

#[test]
fn the_answer_is_shown_and_a_lost_one_too() {
    let mut console = Console::live(DARK);
    console.keys("D~patch<Tab><Enter>");
    let is_command = |e: &&Effect| matches!(e, Effect::Send { about: About::Command { .. }, .. });
    let about = match console.effects.iter().find(is_command) {
        Some(Effect::Send { about, .. }) => about.clone(),
        other => panic!("{other:?}"),
    };
    let accepted = Answer::Reply(Reply::accepted("lvs1 hands VI_1 over"));
    console.tell(Msg::Reply { about: about.clone(), answer: accepted });
    assert!(console.screen().contains("demote on lvs1: lvs1 hands VI_1 over"));
    console.tell(Msg::Reply { about, answer: Answer::LinkLost });
    assert_eq!(console.model.message.as_ref().unwrap().tone, Tone::Bad);
    assert!(console.screen().contains("what became of the command is not known"));
    assert!(console.model.asked.is_empty());
}

#[test]
fn the_mark_goes_when_the_state_changes() {
    let mut console = Console::live(DARK);
    console.keys("D~patch<Tab><Enter>");
    assert_eq!(console.model.asked.len(), 1);
    let mut first = snapshot(1);
    first.instances[0].yielding = true;
    console.show(first, snapshot(2));
    assert!(console.model.asked.is_empty());
    assert!(console.screen().contains("YIELDS"));
}

#[test]
fn view_only_takes_the_verbs_away_and_says_so() {
    let mut console = Console::live(DARK);
    console.model.view_only = true;
    console.keys("D");
    assert!(!is_asking(&console));
    let screen = console.screen();
    assert!(screen.contains("view only") && screen.contains("VIEW ONLY") && !screen.contains("D demote"), "{screen}");
}

#[test]
fn a_weight_is_a_number() {
    let mut console = Console::live(DARK);
    console.keys("3jW~<Backspace>y");
    assert!(commands(&console).is_empty() && is_asking(&console));
    console.keys("12y");
    assert!(commands(&console).is_empty() && is_asking(&console), "1 → 12 is no small change");
    console.keys("<Tab><Tab>more memory<Tab><Enter>");
    let weight = Command::Weight { real: web(1), service: Some(key(1)), weight: 12 };
    assert_eq!(commands(&console)[0].1, weight);
}

#[test]
fn every_service_is_one_toggle_away() {
    let mut console = Console::live(DARK);
    console.keys("3jD~<Tab><Tab><Tab><Tab><Tab><Space>y");
    assert_eq!(commands(&console)[0].1, drain_of(None));
}

#[test]
fn the_stage_acts_at_once_in_the_demo_and_asks_in_the_lab() {
    let crash = [Effect::Stage(StageAction::Crash { node: "lvs1".into() })];
    let mut demo = Console::staged(DARK, Mode::Lab);
    demo.keys("X");
    assert_eq!(demo.effects, crash);
    let mut lab = Console::staged(DARK, Mode::Live);
    lab.keys("X");
    assert!(is_asking(&lab) && is_quiet(&lab));
    lab.keys("~<Tab><Enter>");
    assert_eq!(lab.effects, crash);
}

#[test]
fn the_clock_belongs_to_the_demo() {
    let mut demo = Console::staged(DARK, Mode::Lab);
    demo.keys("p.[]");
    let clock = [StageAction::TogglePause, StageAction::Step, StageAction::Slower, StageAction::Faster];
    assert_eq!(demo.effects, clock.map(Effect::Stage));
    let mut lab = Console::staged(DARK, Mode::Live);
    lab.keys("p.[]");
    assert!(is_quiet(&lab));
}

#[test]
fn stage_rows_are_what_the_stage_keys_act_on() {
    let mut demo = Console::staged(DARK, Mode::Lab);
    demo.keys("<Tab><Tab>jX|jO");
    let expected = [
        StageAction::Crash { node: "lvs2".into() },
        StageAction::ToggleLink { node: "lvs2".into() },
        StageAction::ToggleServer { server: "web1".into() },
    ];
    assert_eq!(demo.effects, expected.map(Effect::Stage));
}

#[test]
fn leaving_asks_only_whoever_owns_the_engine() {
    use vipdeck::console::Left;
    let mut attached = Console::live(DARK);
    attached.keys("q");
    assert_eq!(attached.effects, [Effect::Leave(Left::Detached)]);
    let mut owner = Console::live(DARK);
    owner.model.owns_engine = true;
    owner.keys("q~<Enter>q~<Tab><Tab><Enter>");
    assert_eq!(owner.effects, [Effect::Leave(Left::StopEngine)]);
}

#[test]
fn below_the_smallest_size_only_quit_works() {
    let mut console = Console::live(DARK.size(50, 12));
    console.keys("D~<Tab><Enter>X2?");
    assert!(is_quiet(&console) && console.model.modal.is_none());
    console.keys("q");
    assert_eq!(console.effects.len(), 1);
}

#[test]
fn a_reply_to_a_stage_key_is_shown() {
    let mut console = Console::staged(DARK, Mode::Lab);
    let answer = Answer::Reply(Reply::Rejected { reason: "lvs1 is crashed already".into() });
    console.tell(Msg::Reply { about: About::Stage, answer });
    assert!(console.screen().contains("rejected: lvs1 is crashed already"));
}
