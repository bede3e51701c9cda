//! A stored picture of every question, at every size.

use crate::fixture::{Console, DARK, Look, WALL, action, down, draining, hold, snapshot};
use crate::risks::after_a_demotion;
use vipdeck::console::model::Link;
use vipdeck::console::update::{About, Answer, Msg};
use vipdeck::status::{HoldKind, Reply, Role};

fn at_every_size(name: &str, make: impl Fn(Look) -> Console) {
    for (width, height) in [(120, 36), (100, 30), (80, 24), (60, 16)] {
        let console = make(DARK.size(width, height));
        insta::assert_snapshot!(format!("{name}_{width}x{height}"), console.screen());
    }
}

fn keyed(look: Look, keys: &str) -> Console {
    let mut console = Console::live(look);
    console.keys(keys);
    console
}

#[test]
fn demote() {
    at_every_size("demote", |look| keyed(look, "D~kernel patch<Tab>"));
    at_every_size("demote_high", |look| {
        let mut console = Console::live(look);
        console.tell(Msg::Link { node: 1, link: Link::Lost { since: 0, why: "gone".into() } });
        console.keys("D~lvs1");
        console
    });
    at_every_size("demote_refused", |look| {
        let mut console = Console::live(look);
        console.tell(Msg::Link { node: 0, link: Link::Lost { since: 0, why: "gone".into() } });
        console.keys("lD");
        console
    });
    at_every_size("demote_changed", |look| {
        let mut console = keyed(look, "D~patch<Tab>");
        let mut second = snapshot(2);
        second.instances[0].effective_priority = 80;
        console.show(snapshot(1), second);
        console
    });
    at_every_size("demote_backup_line", |look| keyed(look, "llD"));
}

#[test]
fn take_over_and_restore() {
    at_every_size("takeover", |look| keyed(look, "T"));
    at_every_size("restore", |look| {
        let mut console = after_a_demotion(look);
        let (mut first, mut second) = (snapshot(1), snapshot(2));
        first.instances[0].state = Role::Backup;
        first.instances[0].hold = Some(hold(HoldKind::Demoted));
        second.instances[0].state = Role::Master;
        console.show(first, second);
        console.keys("R");
        console
    });
}

#[test]
fn servers() {
    at_every_size("drain_line", |look| keyed(look, "3jD"));
    at_every_size("drain", |look| keyed(look, "3jD~<Tab><Tab><Tab>10m"));
    at_every_size("drain_last", |look| {
        let mut console = Console::live(look);
        let mut first = snapshot(1);
        down(&mut first.services[0].reals[1]);
        console.show(first, snapshot(2));
        console.keys("3jD");
        console
    });
    at_every_size("maint", |look| keyed(look, "3jM"));
    at_every_size("weight_line", |look| keyed(look, "3jW"));
    at_every_size("weight", |look| keyed(look, "3jW~0"));
    let drained = |look, keys: &str| {
        let mut console = Console::live(look);
        let mut first = snapshot(1);
        draining(&mut first.services[0].reals[0], 5);
        console.show(first, snapshot(2));
        console.keys(keys);
        console
    };
    at_every_size("reset", |look| drained(look, "3jK"));
    at_every_size("return_line", |look| drained(look, "3jR"));
    at_every_size("return", |look| drained(look, "3jR~<Tab>"));
}

#[test]
fn the_whole_cluster() {
    at_every_size("pause", |look| keyed(look, "P"));
    at_every_size("reload", |look| {
        let mut console = Console::live(look);
        let text = "this would change: VI_1: priority 150 → 90 (may lose MASTER to a higher priority); VI_3: removed";
        let answer = Answer::Reply(Reply::accepted(text));
        console.tell(Msg::Reply { about: About::Preview { node: 0 }, answer });
        console
    });
}

#[test]
fn several_rows() {
    at_every_size("demote_several", |look| keyed(look, "<Space><Space>D"));
    at_every_size("drain_several", |look| keyed(look, "3j<Space><Space>D"));
}

#[test]
fn keep_and_undo() {
    let unkept = |look, keys: &str| {
        let mut console = after_a_demotion(look);
        let (mut first, mut second) = (snapshot(1), snapshot(2));
        first.instances[0].state = Role::Backup;
        first.instances[0].hold = Some(hold(HoldKind::Demoted));
        second.instances[0].state = Role::Master;
        first.actions = vec![
            action(5, "drain", "10.0.0.12:80", "drain 10.0.0.12:80 of tcp/10.0.0.20:80 --hold 8h"),
            action(7, "demote", "VI_1", "demote VI_1 --hold 30m --keep-within 1m"),
        ];
        first.actions[0].at_us -= 600_000_000;
        first.actions[1].keep_until_us = Some(WALL + 47_500_000);
        first.actions[1].since = vec!["lvs2 took 10.0.0.20/24".into()];
        let mut other = action(2, "drain", "10.0.0.12:80", "drain 10.0.0.12:80 of tcp/10.0.0.20:80 --hold 8h");
        other.at_us -= 599_000_000;
        second.actions = vec![other];
        console.show(first, second);
        console.pass(2_500_000);
        console.keys(keys);
        console
    };
    at_every_size("keep_banner", |look| unkept(look, ""));
    at_every_size("undo", |look| unkept(look, "u"));
    at_every_size("changes", |look| unkept(look, "U"));
    at_every_size("leave_unkept", |look| unkept(look, "q"));
}
