//! What the screen says is so: staleness, splits, unknowns, states without colour.

use crate::fixture::{AT, Console, DARK, at, snapshot};
use crate::pictures::split;
use ratatui::layout::Size;
use std::sync::Arc;
use vipdeck::console::facts;
use vipdeck::console::model::Link;
use vipdeck::console::screens::window_title;
use vipdeck::console::state::State;
use vipdeck::console::theme::{self, Depth};
use vipdeck::console::update::{Effect, Msg};
use vipdeck::status::{BfdSession, BfdState, Mode, Role, Track};

const LIVE_GLYPHS: [State; 3] = [State::Master, State::Backup, State::Held];

#[test]
fn a_snapshot_older_than_three_seconds_is_stale_whatever_the_link_says() {
    let mut console = Console::live(DARK);
    console.pass(2_900_000);
    assert!(!console.screen().contains("STALE"));
    console.pass(200_000);
    let screen = console.screen();
    assert!(screen.contains("? STALE 3 s"), "{screen}");
    for state in LIVE_GLYPHS {
        assert!(!screen.contains(state.glyph()), "{screen}");
    }
}

#[test]
fn a_lost_link_is_stale_at_once() {
    let mut console = Console::live(DARK);
    console.tell(Msg::Link { node: 0, link: Link::Lost { since: 1_000_000, why: "reset".into() } });
    let screen = console.screen();
    assert!(screen.contains("STALE") && screen.contains("1/2 nodes fresh"), "{screen}");
}

#[test]
fn a_paused_virtual_clock_makes_nothing_stale() {
    let mut console = Console::staged(DARK, Mode::Lab);
    let mut stage = crate::fixture::stage(true);
    stage.clock.as_mut().unwrap().paused = true;
    console.tell(Msg::Stage(stage));
    console.pass(60_000_000);
    let screen = console.screen();
    assert!(!screen.contains("STALE") && screen.contains("PAUSED"), "{screen}");
}

#[test]
fn a_crashed_machine_is_dead_on_screen() {
    let mut console = Console::staged(DARK, Mode::Lab);
    let mut stage = crate::fixture::stage(true);
    stage.nodes[0].alive = false;
    console.tell(Msg::Stage(stage));
    assert!(console.screen().contains("╳ DEAD"));
}

#[test]
fn a_handover_seen_from_two_moments_is_no_split() {
    let mut console = Console::live(DARK);
    let mut second = snapshot(2);
    second.instances[0].state = Role::Master;
    second.instances[0].since = at(AT - 10_000);
    console.pass(500_000);
    // lvs1's last word is older than lvs2's turn.
    console.tell(Msg::Snapshot { node: 1, snapshot: Some(Arc::new(second)) });
    assert!(!console.screen().contains("SPLIT"));
    let split = split(DARK);
    assert!(split.screen().contains("‼ SPLIT"));
    assert!(window_title(&split.model).ends_with("SPLIT"));
}

#[test]
fn no_master_is_an_alarm_only_if_everybody_was_heard() {
    let mut first = snapshot(1);
    first.instances[0].state = Role::Fault;
    first.instances[0].faults = vec!["eth0 is down".into()];
    let mut console = Console::live(DARK);
    console.show(first.clone(), snapshot(2));
    assert!(console.screen().contains("no MASTER of VI_1"));
    console.tell(Msg::Link { node: 1, link: Link::Lost { since: 0, why: "reset".into() } });
    assert!(!console.screen().contains("no MASTER of VI_1"), "lvs2 may be MASTER: nobody knows");
}

// console-design 1.2 19
#[test]
fn a_master_that_is_only_heard_is_named_as_heard() {
    let mut console = Console::live(DARK);
    console.tell(Msg::Link { node: 0, link: Link::Lost { since: 0, why: "reset".into() } });
    let screen = console.screen();
    assert!(screen.contains("heard by lvs2: lvs1 10.0.0.1 is MASTER at 150"), "{screen}");
    assert!(screen.contains("lvs1, heard") && screen.contains("2/2 VIPs one owner each"), "{screen}");
    console.pass(2_900_000);
    console.show(snapshot(1), snapshot(2));
    // A router that is none of ours: nobody but lvs2 is attached.
    let mut alone = snapshot(2);
    alone.instances.truncate(1);
    let mut first = snapshot(1);
    first.instances.clear();
    console.tell(Msg::Link { node: 0, link: Link::Live });
    console.show(first, alone);
    assert!(facts::alarms(&console.model.live).is_empty());
    assert!(console.screen().contains("10.0.0.1, he"), "{}", console.screen());
}

#[test]
fn what_is_not_known_is_a_dash() {
    let mut console = Console::live(DARK);
    let mut first = snapshot(1);
    for real in &mut first.services[0].reals {
        (real.active, real.inactive, real.rate, real.weight_kernel) = (None, None, None, None);
        real.rates.clear();
    }
    console.show(first, snapshot(2));
    console.keys("3");
    let row = console.screen().lines().find(|l| l.contains("10.0.0.11:80")).unwrap().to_owned();
    assert!(row.matches('–').count() >= 4 && !row.contains(" 0 "), "{row}");
}

#[test]
fn the_first_line_names_engines_of_another_version() {
    let mut console = Console::live(DARK);
    let (mut first, mut second) = (snapshot(1), snapshot(2));
    first.api += 1;
    first.node.version = "9.0.0".into();
    first.unread = vec!["instances[0].moon: unknown".into()];
    first.instances[0].state = Role::Newer("ORACLE".to_owned().into());
    second.api -= 1;
    second.node.version = "0.0.9".into();
    console.tell(Msg::Resize(Size { width: 200, height: 50 }));
    console.show(first, second);
    let screen = console.screen();
    let line = screen.lines().next().unwrap();
    assert!(line.contains("lvs1: newer engine 9.0.0, 1 fact not understood"), "{line}");
    assert!(line.contains("lvs2: older engine 0.0.9"), "{line}");
    assert!(screen.contains("※ ORACLE"), "{screen}");
}

#[test]
fn without_colour_every_state_of_a_column_looks_different() {
    for theme in theme::all(Depth::None).unwrap() {
        let mut seen = std::collections::BTreeSet::new();
        for state in State::ALL {
            let style = theme.style(state.ink());
            assert!(style.fg.is_none() && style.bg.is_none());
            assert!(seen.insert((state.label(), format!("{:?}", style.add_modifier))));
        }
    }
}

#[test]
fn ascii_means_ascii_in_every_cell() {
    let look = crate::fixture::Look { ascii: true, ..DARK };
    for keys in ["", "2", "3", "4", "?", "D", "<Enter>", "3jW"] {
        let mut console = Console::staged(look, Mode::Lab);
        console.keys(keys);
        let screen = console.screen();
        let bad: Vec<char> = screen.chars().filter(|c| !c.is_ascii()).collect();
        assert!(bad.is_empty(), "{keys}: {bad:?}");
        // A question mark elsewhere would be a character without a stand-in.
        assert!(!screen.replace("? help", "").replace("  ?  ", "").contains('?'), "{keys}\n{screen}");
    }
}

#[test]
fn the_balancer_is_named_wherever_services_are() {
    let mut console = Console::live(DARK);
    let (mut first, mut second) = (snapshot(1), snapshot(2));
    for snapshot in [&mut first, &mut second] {
        snapshot.node.dataplane.kind = vipdeck::status::DataplaneKind::Balancer;
    }
    console.show(first, second);
    for view in ["1", "3"] {
        console.keys(view);
        assert!(console.screen().contains("balancer"));
    }
}

#[test]
fn frozen_counts_what_it_hides_and_refuses_verbs() {
    let mut console = Console::live(DARK);
    console.keys("f");
    let mut second = snapshot(2);
    second.instances[0].effective_priority = 77;
    console.show(snapshot(1), second);
    let screen = console.screen();
    assert!(screen.contains("2 changes while frozen") && !screen.contains("BACKUP 77"), "{screen}");
    console.keys("D");
    assert!(console.model.modal.is_none() && console.screen().contains("frozen"));
    console.keys("f");
    assert!(console.screen().contains("BACKUP 77"));
}

#[test]
fn a_row_is_copied_as_json() {
    let mut console = Console::live(DARK);
    console.keys("y");
    let Some(Effect::Copy(json)) = console.effects.pop() else { panic!("nothing copied") };
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(value["instance"], "VI_1");
    assert_eq!(value["nodes"][0]["reported"]["effective_priority"], 150);
}

#[test]
fn missed_events_are_counted_and_a_restart_is_not_a_gap() {
    let mut console = Console::live(DARK);
    let mut late = (*crate::fixture::events(1)[2]).clone();
    late.seq = 10;
    console.tell(Msg::Events { node: 0, events: vec![Arc::new(late.clone())] });
    assert_eq!(console.model.live.nodes[0].missed, 6);
    late.seq = 1;
    late.wall_us += 5_000_000;
    console.tell(Msg::Snapshot { node: 0, snapshot: None });
    console.tell(Msg::Events { node: 0, events: vec![Arc::new(late)] });
    assert_eq!(console.model.live.nodes[0].missed, 6);
    assert_eq!(console.model.live.nodes[0].events.len(), 5);
}

#[test]
fn the_clock_of_the_loop_is_quick_only_when_something_moves() {
    let mut console = Console::live(DARK);
    assert_eq!(console.model.tick(), 100_000);
    console.keys("4");
    assert_eq!(console.model.tick(), 1_000_000);
    console.keys("3");
    assert_eq!(console.model.tick(), 250_000);
}

#[test]
fn a_click_selects_the_row_under_it() {
    use crossterm::event::{KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
    let mut console = Console::live(DARK);
    let y = console.screen().lines().position(|l| l.contains("VI_2")).unwrap() as u16;
    let kind = MouseEventKind::Down(MouseButton::Left);
    console.tell(Msg::Mouse(MouseEvent { kind, column: 10, row: y, modifiers: KeyModifiers::NONE }));
    assert!(console.screen().lines().any(|l| l.contains("▸ VI_2")));
}

#[test]
fn the_alarm_list_of_a_healthy_cluster_is_empty() {
    assert!(facts::alarms(&Console::live(DARK).model.live).is_empty());
}

#[test]
fn a_filter_is_always_in_sight_and_goes_with_esc() {
    let mut console = Console::live(DARK);
    console.keys("/vi_2<Enter>");
    let screen = console.screen();
    assert!(screen.contains("/vi_2") && !screen.contains("VI_1        51"), "{screen}");
    console.keys("D");
    assert!(console.screen().contains("Demote lvs2 in VI_2"), "the verb acts on the row that is left");
    console.keys("<Esc><Esc>");
    assert!(console.model.filter.is_empty() && console.screen().contains("VI_1        51"));
}

#[test]
fn a_picture_of_the_screen_is_svg() {
    let console = Console::staged(DARK, Mode::Lab);
    let svg = vipdeck::console::picture::svg(&console.buffer(), console.model.theme().unwrap());
    assert!(svg.starts_with("<svg") && svg.contains("MASTER") && svg.trim_end().ends_with("</svg>"));
}

#[test]
fn a_session_that_an_instance_tracks_is_among_its_details() {
    let session = BfdSession {
        name: "gateway".into(),
        tracked_by: vec!["VI_1".into()],
        neighbor: "192.168.10.1".parse().unwrap(),
        multihop: false,
        passive: false,
        at: Some(at(AT)),
        state: BfdState::Down,
        good: false,
        since: at(AT - 12_000_000),
        cause: "nothing heard for 160 ms, detection time 150 ms".into(),
        diagnostic: "control detection time expired".into(),
        remote_state: None,
        remote_diagnostic: None,
        discriminator: 5,
        remote_discriminator: 0,
        tx_interval: std::time::Duration::from_secs(1),
        rx_interval: None,
        detection: None,
        heard_at: Some(at(AT - 12_160_000)),
        sent: 1034,
        received: 1022,
        ups: 1,
        downs: 1,
    };
    let mut first = snapshot(1);
    first.bfd.sessions = vec![session.clone(), BfdSession { name: "other".into(), tracked_by: vec![], ..session }];
    let track = Track { kind: "bfd".into(), name: "gateway".into(), weight: -30, reverse: false };
    first.instances[0].tracks = vec![track];
    let mut console = Console::live(DARK);
    console.show(first, snapshot(2));
    let screen = console.keys("<Enter>").screen();
    assert!(screen.contains("gateway (weight -30): 192.168.10.1 Down for 12 s, nothing heard for 160 ms"), "{screen}");
    assert!(screen.contains("it is not heard") && screen.contains("left Up 1 times"), "{screen}");
    assert!(!screen.contains("other ("), "{screen}");
}
