//! Stored pictures of each screen at each size.

use crate::fixture::{AT, Console, DARK, Look, at, down, draining, hold, neighbour, snapshot, stage};
use std::sync::Arc;
use std::time::Duration;
use vipdeck::console::model::Link;
use vipdeck::console::theme::Depth;
use vipdeck::console::update::Msg;
use vipdeck::status::{Admin, AtDeadline, AuthSeen, HoldKind, Mode, Neighbour, Rising, Role, ServerState};

const MONO: Look = Look { theme: "mono", depth: Depth::None, ..DARK };
const ASCII: Look = Look { ascii: true, ..MONO };

macro_rules! picture {
    ($name:expr, $console:expr) => {
        insta::assert_snapshot!($name, $console.screen())
    };
}

#[test]
fn overview_of_a_healthy_cluster() {
    picture!("overview_120x36", Console::live(DARK));
    picture!("overview_100x30", Console::live(DARK.size(100, 30)));
    picture!("overview_80x24", Console::live(DARK.size(80, 24)));
    picture!("overview_60x16", Console::live(DARK.size(60, 16)));
    picture!("overview_50x12", Console::live(DARK.size(50, 12)));
    picture!("overview_ascii_120x36", Console::live(ASCII));
    picture!("overview_ascii_80x24", Console::live(ASCII.size(80, 24)));
}

#[test]
fn the_demo_has_a_stage() {
    picture!("demo_120x36", Console::staged(DARK, Mode::Lab));
    picture!("demo_100x30", Console::staged(DARK.size(100, 30), Mode::Lab));
    picture!("demo_80x24", Console::staged(DARK.size(80, 24), Mode::Lab));
    picture!("demo_stage_80x24", Console::staged(DARK.size(80, 24), Mode::Lab).keys("<Tab><Tab>"));
    picture!("demo_60x16", Console::staged(DARK.size(60, 16), Mode::Lab));
}

/// lvs1 crashed, lvs2 took over, one web server is stopped.
#[test]
fn a_crashed_node_and_a_stopped_server() {
    let mut console = Console::staged(DARK, Mode::Lab);
    let mut stage = stage(true);
    stage.nodes[0].alive = false;
    stage.servers[0].state = ServerState::Stopped;
    stage.clients[0].outage_now = Some(std::time::Duration::from_millis(840));
    let mut second = snapshot(2);
    second.instances[0].state = Role::Master;
    second.instances[0].next_advert_at = Some(at(AT + 300_000));
    second.instances[0].vips[0].present = vipdeck::status::Presence::Yes;
    for service in &mut second.services {
        service.serving = Some(true);
        down(&mut service.reals[0]);
    }
    console.tell(Msg::Stage(stage));
    console.tell(Msg::Link { node: 0, link: Link::Lost { since: 900_000, why: "the engine ended".into() } });
    console.tell(Msg::Snapshot { node: 1, snapshot: Some(Arc::new(second)) });
    picture!("crashed_120x36", console);
    console.keys("3");
    picture!("crashed_services_120x36", console);
}

#[test]
fn instances() {
    picture!("instances_120x36", Console::live(DARK).keys("2"));
    picture!("instances_100x30", strangers(DARK.size(100, 30)).keys("2"));
    for (width, height) in [(80, 24), (60, 16)] {
        let mut console = strangers(DARK.size(width, height));
        picture!(format!("instances_{width}x{height}"), console.keys("2"));
        picture!(format!("neighbours_{width}x{height}"), console.keys("<Tab>"));
    }
    picture!("instances_50x12", Console::live(DARK.size(50, 12)).keys("2"));
    picture!("neighbours_120x36", strangers(DARK).keys("2<Tab>jjj"));
    picture!("neighbours_ascii_120x36", strangers(ASCII).keys("2<Tab>jjj"));
    picture!("neighbours_folded_120x36", strangers(DARK).keys("2<Tab>h"));
    picture!("neighbour_120x36", strangers(DARK).keys("2<Tab>jjj<Enter>"));
    picture!("wire_link_80x24", strangers(DARK.size(80, 24)).keys("2<Tab><Enter>"));
}

/// A router with a VRID of its own, one that collides with VI_1, and one that has gone silent.
fn strangers(look: Look) -> Console {
    let mut console = Console::live(look);
    let (mut first, second) = (snapshot(1), snapshot(2));
    let stranger = Neighbour { version: 3, priority: 120, lost: 3, ..neighbour(100, 9, None) };
    let collides = Neighbour {
        version: 3,
        counts: false,
        auth: AuthSeen::Unknown,
        conflict: Some("it speaks VRRPv3, ours is VRRPv2; both may become MASTER".into()),
        ..neighbour(51, 8, Some("VI_1".into()))
    };
    let silent = Neighbour { at: at(AT - 95_000_000), ..neighbour(77, 7, None) };
    first.wire.neighbours.extend([stranger, collides, silent]);
    console.show(first, second);
    console
}

#[test]
fn lists_and_the_palette_at_each_size() {
    for (width, height) in [(120, 36), (80, 24), (60, 16)] {
        let size = |keys: &str| {
            let mut console = Console::live(DARK.size(width, height));
            console.keys(keys);
            console
        };
        picture!(format!("sort_{width}x{height}"), size("3sjj"));
        picture!(format!("columns_{width}x{height}"), size("3cj<Space>"));
        picture!(format!("palette_{width}x{height}"), size(":"));
        picture!(format!("palette_found_{width}x{height}"), size(":inst"));
    }
    picture!("palette_ascii_80x24", Console::live(ASCII.size(80, 24)).keys(":go v"));
    picture!("sorted_marked_folded_120x36", Console::live(DARK).keys("3s<Down><Enter>hjj<Space><Space>"));
}

#[test]
fn services() {
    picture!("services_120x36", Console::live(DARK).keys("3"));
    picture!("services_80x24", Console::live(DARK.size(80, 24)).keys("3"));
    picture!("services_60x16", Console::live(DARK.size(60, 16)).keys("3"));
}

#[test]
fn a_drain_from_its_beginning_to_drained() {
    let mut console = Console::live(DARK);
    let mut first = snapshot(1);
    draining(&mut first.services[0].reals[0], 5);
    console.show(first.clone(), snapshot(2));
    console.keys("3j");
    picture!("drain_120x36", console);
    draining(&mut first.services[0].reals[0], 0);
    console.show(first, snapshot(2));
    picture!("drained_120x36", console);
    console.keys("1");
    picture!("drained_overview_120x36", console);
}

#[test]
fn deadlines_sticky_clients_maintenance_and_slow_start() {
    let mut console = Console::live(DARK);
    let (mut first, mut second) = (snapshot(1), snapshot(2));
    first.services[0].persistence = Some(300);
    let [real, rising] = first.services[0].reals.as_mut_slice() else { panic!() };
    draining(real, 5);
    real.sticky = Some(41);
    real.drain.as_mut().unwrap().deadline_at = Some(first.at + Duration::from_secs(540));
    real.drain.as_mut().unwrap().then = AtDeadline::Reset;
    let (over, left) = (Duration::from_secs(60), Duration::from_secs(35));
    rising.rising = Some(Rising { step: 5, steps: 10, over, left });
    rising.weight_effective = Some(5);
    rising.weight_kernel = Some(5);
    draining(&mut second.services[1].reals[0], 0);
    second.services[1].reals[0].admin = Admin::Maint;
    console.show(first.clone(), second.clone());
    console.keys("3j");
    picture!("deadline_120x36", console);
    let drain = first.services[0].reals[0].drain.as_mut().unwrap();
    (drain.deadline_at, drain.overdue) = (Some(first.at), true);
    (drain.then, drain.ending_per_second, drain.empty_in) = (AtDeadline::Ask, None, None);
    console.show(first, second);
    console.keys("D");
    picture!("deadline_question_120x36", console);
    console.keys("<Esc>");
    picture!("overdue_120x36", console);
}

#[test]
fn a_stale_node_is_never_drawn_as_live() {
    let mut console = Console::live(DARK);
    console.tell(Msg::Link { node: 0, link: Link::Lost { since: 1_000_000, why: "connection refused".into() } });
    console.pass(12_300_000);
    console.tell(Msg::Snapshot { node: 1, snapshot: Some(Arc::new(snapshot(2))) });
    picture!("stale_120x36", console);
    console.keys("<Enter>");
    picture!("stale_details_120x36", console);
}

#[test]
fn two_masters_are_a_split_and_loud() {
    picture!("split_120x36", split(DARK));
    picture!("split_80x24", split(DARK.size(80, 24)));
    picture!("split_ascii_60x16", split(ASCII.size(60, 16)));
}

pub(crate) fn split(look: Look) -> Console {
    let mut console = Console::live(look);
    let mut second = snapshot(2);
    second.instances[0].state = Role::Master;
    second.instances[0].since = at(AT - 3_000_000);
    second.instances[0].next_advert_at = Some(at(AT + 300_000));
    second.instances[0].vips[0].present = vipdeck::status::Presence::Yes;
    console.pass(1_000_000);
    console.show(snapshot(1), second);
    console
}

#[test]
fn timeline_details_help_filter() {
    picture!("timeline_120x36", Console::live(DARK).keys("4"));
    picture!("timeline_80x24", Console::live(DARK.size(80, 24)).keys("4"));
    picture!("timeline_filtered_120x36", Console::live(DARK).keys("4/master<Enter>"));
    picture!("details_120x36", Console::live(DARK).keys("<Enter>"));
    picture!("details_server_80x24", Console::live(DARK.size(80, 24)).keys("3j<Enter>"));
    picture!("help_120x36", Console::staged(DARK, Mode::Lab).keys("?"));
    picture!("frozen_80x24", {
        let mut console = Console::live(DARK.size(80, 24));
        console.keys("f");
        console.show(snapshot(1), snapshot(2));
        console
    });
}

#[test]
fn questions_beside_those_of_the_cluster() {
    picture!("demote_ascii_80x24", Console::live(ASCII.size(80, 24)).keys("D"));
    picture!("crash_question_120x36", Console::staged(DARK, Mode::Live).keys("X"));
    let mut console = Console::live(DARK);
    console.model.owns_engine = true;
    picture!("leave_question_120x36", console.keys("q"));
}

#[test]
fn a_held_node() {
    let mut console = Console::live(DARK);
    let (mut first, mut second) = (snapshot(1), snapshot(2));
    first.instances[0].state = Role::Backup;
    first.instances[0].hold = Some(hold(HoldKind::Demoted));
    first.instances[0].effective_priority = 1;
    first.instances[0].terms.push(vipdeck::status::Term { label: "demoted".into(), value: -149, note: None });
    first.instances[0].vips[0].present = vipdeck::status::Presence::No;
    first.instances[0].next_advert_at = None;
    first.instances[0].master_down_at = Some(at(AT + 3_500_000));
    second.instances[0].state = Role::Master;
    second.instances[0].master_down_at = None;
    second.instances[0].next_advert_at = Some(at(AT + 300_000));
    second.instances[0].vips[0].present = vipdeck::status::Presence::Yes;
    console.show(first, second);
    picture!("held_120x36", console);
    console.keys("R");
    picture!("restore_120x36", console);
}
