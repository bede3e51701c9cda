//! From the key to what is sent: the fewest keys, locks, keep-or-revert, arming, answers told one by one.

use crate::fixture::{AT, Console, DARK, WALL, action, actor, at, draining, key, snapshot, web};
use crate::questions::{commands, is_asking, is_quiet};
use crate::risks::after_a_demotion;
use vipdeck::console::model::{Modal, Tone};
use vipdeck::console::update::{About, Answer, Effect, Msg};
use vipdeck::status::{Ask, AtDeadline, Command, DemoteMode, Lock, Mode, Reply, Role};

fn asks(console: &Console) -> Vec<(usize, Ask)> {
    let sent = console.effects.iter().filter_map(|e| match e {
        Effect::Send { node, ask, about: About::Command { .. } } => Some((*node, (**ask).clone())),
        _ => None,
    });
    sent.collect()
}

/// What was locked and freed: node, and what.
fn locks(console: &mut Console) -> Vec<(usize, Command)> {
    let sent = std::mem::take(&mut console.effects);
    let of = |e: Effect| match e {
        Effect::Send { node, ask, about: About::Lock } => Some((node, ask.command)),
        _ => None,
    };
    sent.into_iter().filter_map(of).collect()
}

fn answer(console: &mut Console, node: usize, reply: Answer) {
    let is_it = |e: &Effect| matches!(e, Effect::Send { node: n, about: About::Command { .. }, .. } if *n == node);
    let place = console.effects.iter().position(is_it).unwrap();
    let Effect::Send { about, .. } = console.effects.remove(place) else { panic!("not sent") };
    console.tell(Msg::Reply { about, answer: reply });
}

/// Presses, besides the letters of the reason.
fn presses(keys: &str) -> usize {
    let (mut rest, mut count) = (keys, 0);
    while let Some(c) = rest.chars().next() {
        rest = match rest.strip_prefix('<').and_then(|r| r.split_once('>')) {
            Some((_, after)) => after,
            None => &rest[c.len_utf8()..],
        };
        count += usize::from(c != '~');
    }
    count
}

#[test]
fn demoting_for_half_an_hour_with_a_reason_takes_three_keys_beside_the_reason() {
    let (before, reason, after) = ("D~", "kernel patch CHG-1042", "<Tab><Enter>");
    let mut console = Console::live(DARK);
    console.keys(before).keys(reason).keys(after);
    let (node, ask) = asks(&console).remove(0);
    assert_eq!((node, ask.hold_seconds, ask.keep_seconds), (0, Some(1800), Some(60)));
    assert_eq!((ask.reason.as_deref(), ask.force), (Some(reason), false));
    assert_eq!(presses(before) + presses(after), 3);
    // The equal command line was in the question.
    let mut console = Console::live(DARK);
    console.keys(before).keys("CHG");
    let line = "vipdeck demote VI_1 --hold 30m --keep-within 1m --at lvs1 --reason 'CHG'";
    assert!(console.screen().contains(line), "{}", console.screen());
}

#[test]
fn draining_a_server_takes_two_keys_and_drained_is_told() {
    let keys = "D~y";
    let mut console = Console::live(DARK);
    console.keys("3j").keys(keys);
    assert_eq!(asks(&console).len(), 2, "both nodes are told");
    assert_eq!(presses(keys), 2);
    let (mut first, mut second) = (snapshot(1), snapshot(2));
    draining(&mut first.services[0].reals[0], 0);
    draining(&mut second.services[0].reals[0], 0);
    console.show(first, second);
    assert!(console.screen().contains("DRAINED"), "{}", console.screen());
}

#[test]
fn fields_are_sent_as_they_stand() {
    let mut console = Console::live(DARK);
    // Cancel, reason, button, mode, hold, afterwards, revert.
    console.keys("D~patch<Tab><Tab><Space><Tab>2h<Tab><Space><Tab><Space><S-Tab><S-Tab><S-Tab><S-Tab><Enter>");
    let (_, ask) = asks(&console).remove(0);
    let seen = Some(Role::Master);
    assert_eq!(ask.command, Command::Demote { instance: "VI_1".into(), seen, mode: DemoteMode::Fence });
    assert_eq!((ask.hold_seconds, ask.keep_seconds), (Some(7200), None));
    assert_eq!(ask.at_expiry, Some(vipdeck::status::AtExpiry::Restore));
    assert_eq!((ask.stand_in.as_deref(), ask.force), (Some("lvs2"), false), "the addresses stay until it is heard");
    // No end must be chosen.
    for (typed, sent) in [("<Backspace><Backspace><Backspace>", 0), ("never", 1)] {
        let mut console = Console::live(DARK);
        console.keys("D~patch<Tab><Tab><Tab>").keys(typed).keys("<S-Tab><S-Tab><Enter>");
        assert_eq!(asks(&console).len(), sent, "{}", console.screen());
        assert!(sent == 0 || asks(&console)[0].1.hold_seconds.is_none());
        assert!(sent == 1 || console.screen().contains("`never`"), "{}", console.screen());
    }
}

#[test]
fn a_question_of_medium_risk_locks_its_subject_on_every_node_and_frees_it() {
    let mut console = Console::live(DARK);
    console.model.session = "here:1".into();
    console.keys("D");
    let lock = |seconds| Command::Lock { on: "VI_1".into(), plan: Some("Demote lvs1 in VI_1".into()), seconds };
    assert_eq!(locks(&mut console), [(0, lock(Some(60))), (1, lock(Some(60)))]);
    // It is asked for again before it ends, as long as the question is open.
    let live_on = |console: &mut Console, seconds: u64| {
        for _ in 0..seconds {
            console.pass(1_000_000);
            console.show(snapshot(1), snapshot(2));
        }
    };
    live_on(&mut console, 15);
    assert!(locks(&mut console).is_empty());
    live_on(&mut console, 10);
    assert_eq!(locks(&mut console), [(0, lock(Some(60))), (1, lock(Some(60)))]);
    console.keys("<Esc>");
    let unlock = Command::Unlock { on: "VI_1".into() };
    let freed = locks(&mut console);
    assert!(freed.contains(&(0, unlock.clone())) && freed.contains(&(1, unlock)), "{freed:?}");
    // A low risk is one line, and nobody need know.
    console.show(snapshot(1), snapshot(2));
    console.keys("3jD~");
    assert!(locks(&mut console).is_empty());
}

#[test]
fn what_is_sent_stays_locked_until_it_is_answered() {
    let mut console = Console::live(DARK);
    console.keys("D~patch<Tab><Enter>");
    let is_unlock = |e: &Effect| matches!(e, Effect::Send { ask, .. } if matches!(ask.command, Command::Unlock { .. }));
    assert!(!console.effects.iter().any(is_unlock));
    answer(&mut console, 0, Answer::Reply(Reply::accepted("done")));
    // The engine that did it has freed it by itself; the other has not.
    assert_eq!(console.effects.iter().filter(|e| is_unlock(e)).count(), 1);
}

#[test]
fn a_lock_that_is_not_given_refuses_the_question() {
    let mut console = Console::live(DARK);
    console.keys("D~");
    let reason = "VI_1 is locked by ops2 (local socket) since 3 s, about to `takeover VI_1`".to_owned();
    console.tell(Msg::Reply { about: About::Lock, answer: Answer::Reply(Reply::Rejected { reason }) });
    let screen = console.screen();
    assert!(screen.contains("REFUSED") && screen.contains("locked by ops2"), "{screen}");
    console.keys("~patch<Tab><Enter>");
    assert!(asks(&console).is_empty());
}

#[test]
fn my_own_lock_is_no_obstacle_and_that_of_my_other_console_is() {
    let lock = |session: &str| Lock {
        on: "VI_1".into(),
        by: actor(),
        session: Some(session.into()),
        reason: None,
        plan: None,
        since: at(AT - 1_000_000),
        expires_at: at(AT + 50_000_000),
    };
    for (session, is_refused) in [("here:1", false), ("here:2", true)] {
        let mut console = Console::live(DARK);
        console.model.session = "here:1".into();
        let mut first = snapshot(1);
        first.locks = vec![lock(session)];
        console.show(first, snapshot(2));
        console.keys("D");
        assert_eq!(console.screen().contains("REFUSED"), is_refused, "{}", console.screen());
    }
}

#[test]
fn an_unkept_change_asks_and_enter_keeps_it() {
    let mut console = after_a_demotion(DARK);
    let unkept = |console: &mut Console, left: u64| {
        let (mut first, second) = (snapshot(1), snapshot(2));
        first.actions = vec![action(7, "demote", "VI_1", "demote VI_1 --hold 30m")];
        first.actions[0].keep_until_us = Some(WALL + left);
        console.show(first, second);
    };
    unkept(&mut console, 47_500_000);
    console.pass(2_500_000);
    assert!(console.screen().contains("keep? 45 s"), "{}", console.screen());
    // Leaving says so, too.
    console.keys("q");
    assert!(is_asking(&console) && console.screen().contains("undoes itself in time"), "{}", console.screen());
    console.keys("~<Enter><Enter>");
    assert_eq!(commands(&console), [(0, Command::Keep { id: 7 }, None)]);
    // A lost answer is told as such, and the banner stays until the node says that it is kept.
    answer(&mut console, 0, Answer::LinkLost);
    assert!(console.screen().contains("what became of the command is not known"));
    unkept(&mut console, 30_000_000);
    console.pass(2_500_000);
    assert!(console.screen().contains("keep? "), "{}", console.screen());
    // Esc puts it away; Enter means details again, and the list still has it.
    console.keys("<Esc>");
    assert!(!console.model.asks_to_keep());
    console.keys("<Enter>");
    assert!(matches!(console.model.modal, Some(Modal::Details { .. })));
    console.keys("<Esc>U");
    assert!(console.screen().contains("keep? 2"), "{}", console.screen());
    console.effects.clear();
    console.keys("K");
    assert_eq!(commands(&console), [(0, Command::Keep { id: 7 }, None)]);
}

#[test]
fn armed_verbs_ask_and_others_explain_themselves() {
    let mut console = Console::live(DARK);
    console.model.needs_arming = true;
    for keys in ["D", "3jD", "jC", "P", "u", "1L"] {
        console.keys(keys);
        assert!(!is_asking(&console) && is_quiet(&console), "{keys}");
        assert!(console.screen().contains("A arms"), "{keys}: {}", console.screen());
    }
    console.keys("1A");
    console.pass(28_000_000);
    assert!(console.screen().contains("ARMED 04:32"), "{}", console.screen());
    console.show(snapshot(1), snapshot(2));
    console.keys("D");
    assert!(is_asking(&console));
    // Five minutes are over while the question is open: nothing is sent.
    console.keys("~patch<Tab>");
    console.pass(300_000_000);
    console.show(snapshot(1), snapshot(2));
    console.keys("~patch<Tab><Enter>");
    assert!(asks(&console).is_empty(), "{}", console.screen());
    console.keys("<Esc>AA");
    assert!(!console.model.is_armed() && console.model.modal.is_none(), "disarming is never asked");
    // In the demo nothing is real.
    let mut demo = Console::staged(DARK, Mode::Lab);
    demo.model.needs_arming = true;
    demo.keys("D");
    assert!(is_asking(&demo));
}

#[test]
fn view_only_takes_every_new_verb_away() {
    let mut console = after_a_demotion(DARK);
    let mut first = snapshot(1);
    first.actions = vec![action(7, "demote", "VI_1", "demote VI_1")];
    first.actions[0].keep_until_us = Some(WALL + 40_000_000);
    console.show(first, snapshot(2));
    console.model.view_only = true;
    for keys in ["P", "B", "u", "<Enter>", "Uu", "<Esc>UK", "<Esc>3jC", "M"] {
        console.keys(keys);
        assert!(!is_asking(&console) && is_quiet(&console), "{keys}: {}", console.screen());
        console.keys("<Esc>");
    }
}

#[test]
fn an_announcement_goes_out_at_once_from_whoever_is_master() {
    let mut console = Console::live(DARK);
    console.keys("jB");
    assert_eq!(commands(&console), [(1, Command::Announce { instance: "VI_2".into() }, None)]);
    assert!(!is_asking(&console));
}

#[test]
fn a_pause_is_told_to_every_node() {
    let mut console = Console::live(DARK);
    console.keys("P~maintenance<Tab><Enter>");
    let told: Vec<_> = asks(&console).into_iter().map(|(n, a)| (n, a.command, a.hold_seconds)).collect();
    assert_eq!(told, [(0, Command::Pause {}, Some(1800)), (1, Command::Pause {}, Some(1800))]);
}

#[test]
fn half_an_answer_is_told_as_half() {
    let mut console = Console::live(DARK);
    console.keys("3jD~y");
    answer(&mut console, 0, Answer::Reply(Reply::accepted("weight 1 → 0")));
    assert!(console.screen().contains("1 of 2 done, 1 still to be answered"), "{}", console.screen());
    // What comes in between asks for nothing else.
    console.keys("D~y");
    assert!(console.screen().contains("still to come"), "{}", console.screen());
    answer(&mut console, 1, Answer::LinkLost);
    let message = console.model.message.clone().unwrap();
    assert_eq!(message.tone, Tone::Bad);
    assert!(message.text.contains("1 of 2 done, 1 NOT: 10.0.0.11:80 on lvs2: the link was lost"), "{message:?}");
    // The state is watched: the mark stays until it has changed.
    assert!(console.model.asked.iter().any(|a| a.node == 1));
    let mut second = snapshot(2);
    draining(&mut second.services[0].reals[0], 2);
    console.show(snapshot(1), second);
    assert!(!console.model.asked.iter().any(|a| a.node == 1));
}

#[test]
fn a_priority_that_changes_while_the_dialog_is_open_sends_nothing() {
    let mut console = Console::live(DARK);
    console.keys("D~patch<Tab>");
    let mut second = snapshot(2);
    (second.instances[0].effective_priority, second.instances[0].base_priority) = (90, 90);
    console.show(snapshot(1), second);
    let screen = console.screen();
    assert!(screen.contains("CHANGED") && screen.contains("priority 90"), "{screen}");
    // The press that was on its way meets the guard, the next one Cancel.
    console.keys("<Enter>");
    assert!(is_asking(&console) && asks(&console).is_empty());
    console.keys("~<Enter>");
    assert!(!is_asking(&console) && asks(&console).is_empty());
}

#[test]
fn a_node_that_goes_silent_by_time_alone_changes_the_plan() {
    let mut console = Console::live(DARK);
    console.keys("D~patch<Tab>");
    console.pass(4_000_000);
    console.keys("<Enter>~<Enter>");
    assert!(asks(&console).is_empty(), "{}", console.screen());
}

#[test]
fn a_server_that_is_drained_has_a_deadline_where_one_is_typed() {
    let mut console = Console::live(DARK);
    console.keys("3jD~<Tab><Tab><Tab>10m<Tab><Space><Space>y");
    let (service, then) = (Some(key(1)), AtDeadline::Reset);
    let drain = Command::Drain { real: web(1), service, deadline_seconds: Some(600), then, ignore_persistence: false };
    assert_eq!(asks(&console)[0].1.command, drain);
}

/// Both instances are marked: one question, told one after the other.
#[test]
fn several_marked_rows_are_one_question_and_are_told_one_after_the_other() {
    let mut console = Console::live(DARK);
    console.keys("<Space><Space>D");
    let screen = console.screen();
    assert!(screen.contains("Demote 2: VI_1 and VI_2") && screen.contains("MEDIUM"), "{screen}");
    assert!(screen.contains("--at lvs1") && screen.contains("--at lvs2"), "{screen}");
    console.keys("~patch<Tab><Enter>");
    let first = asks(&console);
    assert_eq!((first.len(), first[0].0), (1, 0), "the second waits for the answer of the first");
    let reason = "VI_1 is BACKUP on lvs1 now: look again, then ask again".to_owned();
    answer(&mut console, 0, Answer::Reply(Reply::Rejected { reason }));
    assert!(console.screen().contains("demote: 0 of 2 done, 1 NOT: VI_1 on lvs1: rejected"), "{}", console.screen());
    let second = asks(&console);
    assert_eq!((second.len(), second[0].0), (1, 1));
    answer(&mut console, 1, Answer::Reply(Reply::accepted("VI_2: priority 0 sent")));
    let told = console.model.message.clone().unwrap();
    assert!(told.tone == Tone::Bad && told.text.contains("1 of 2 done, 1 NOT"), "{told:?}");
    assert!(told.text.contains("done: VI_2 on lvs2"), "{told:?}");
    assert!(console.model.marked.is_empty());
}

/// One of two may go, and so may the other, but not both.
#[test]
fn the_risk_of_several_is_that_of_all_together() {
    let mut console = Console::live(DARK);
    console.keys("3j<Space><Space>D");
    let screen = console.screen();
    assert!(screen.contains("HIGH risk") && screen.contains("last server of tcp/10.0.0.20:80"), "{screen}");
    // The number is typed: the names are many.
    console.keys("~<Tab>2<Tab>both<Tab><Enter>");
    assert_eq!(asks(&console).len(), 2, "the first of them on both nodes: {}", console.screen());
    assert!(asks(&console).iter().all(|(_, a)| a.command.real().map(|(real, _)| real) == Some(web(1))));
    // A row that the verb does not fit is no reason to do half of it.
    let mut console = Console::live(DARK);
    console.keys("<Space>3j<Space>D");
    assert!(!is_asking(&console) && console.screen().contains("select a"), "{}", console.screen());
}
