//! What each part of it takes, in processor time of this thread: other programs do not count.

use crate::load::{self, NODES};
use crate::terminal::thread_cpu;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::layout::Size;
use std::sync::Arc;
use vipdeck::console::keymap::Keymap;
use vipdeck::console::model::{Link, Model, Setup};
use vipdeck::console::screens;
use vipdeck::console::theme::{self, Depth};
use vipdeck::console::update::{Msg, update};
use vipdeck::status::{Change, Mode, Snapshot};

/// Milliseconds of one of `times` runs.
fn each(times: usize, mut work: impl FnMut(usize)) -> f64 {
    let began = thread_cpu();
    (0..times).for_each(&mut work);
    (thread_cpu() - began) * 1000.0 / times as f64
}

fn console(snapshots: &[Arc<Snapshot>]) -> Model {
    let setup = Setup {
        title: "large".into(),
        mode: Mode::Live,
        owns_engine: false,
        view_only: false,
        ascii: false,
        has_stage: false,
        labels: vec!["lvs1".into(), "lvs2".into(), "lvs3".into()],
        themes: theme::all(Depth::Sixteen).unwrap(),
        theme: "dark".into(),
        keymap: Keymap::load(None).unwrap(),
        zone: jiff::tz::TimeZone::UTC,
        size: Size { width: 160, height: 50 },
    };
    let mut model = Model::new(setup).unwrap();
    for (node, snapshot) in snapshots.iter().enumerate() {
        update(&mut model, Msg::Link { node, link: Link::Live });
        let events = (1..=2000).map(|seq| Arc::new(load::event(node as u8 + 1, seq))).collect();
        update(&mut model, Msg::Events { node, events });
        update(&mut model, Msg::Snapshot { node, snapshot: Some(Arc::clone(snapshot)) });
    }
    model
}

#[test]
fn no_part_of_it_is_slow() {
    let snapshots: Vec<Arc<Snapshot>> = (1..=NODES).map(|n| Arc::new(load::snapshot(n))).collect();
    let mut model = console(&snapshots);
    let mut terminal = Terminal::new(TestBackend::new(160, 50)).unwrap();
    let mut worst: f64 = 0.0;
    for (view, key) in
        [("overview", "1"), ("instances", "2"), ("services", "3"), ("timeline", "4"), ("config", "6"), ("log", "7")]
    {
        update(&mut model, Msg::Key(key.parse().unwrap()));
        let press = each(10, |n| {
            update(&mut model, Msg::Key(if n % 4 == 3 { "k" } else { "j" }.parse().unwrap()));
        });
        let draw = each(10, |_| drop(terminal.draw(|frame| screens::draw(&model, frame)).unwrap()));
        let tick = each(10, |n| drop(update(&mut model, Msg::Tick { now: 1000 + n as u64, wall_us: 1 })));
        let other: Vec<Arc<Snapshot>> = snapshots.iter().map(|s| Arc::new(Snapshot::clone(s))).collect();
        let take = each(6, |n| {
            let (node, from) = (n % 3, if n < 3 { &other } else { &snapshots });
            update(&mut model, Msg::Snapshot { node, snapshot: Some(Arc::clone(&from[node])) });
        });
        eprintln!("{view}: key {press:.2} ms, picture {draw:.2} ms, tick {tick:.2} ms, snapshot {take:.2} ms");
        worst = worst.max(press + draw);
    }
    let mut later = Snapshot::clone(&snapshots[0]);
    load::change(&mut later, 7);
    let whole = serde_json::to_string(&*snapshots[0]).unwrap();
    let read_whole = each(1, |_| drop(Snapshot::read(&whole).unwrap()));
    let between = each(4, |_| drop(serde_json::to_string(&Change::between(&snapshots[0], &later)).unwrap()));
    let text = serde_json::to_string(&Change::between(&snapshots[0], &later)).unwrap();
    let mut copy = Snapshot::clone(&snapshots[0]);
    let apply = each(1, |_| serde_json::from_str::<Change>(&text).unwrap().apply(&mut copy).unwrap());
    eprintln!("whole: {} KB, read in {read_whole:.1} ms", whole.len() / 1000);
    eprintln!("change: {} KB, made in {between:.1} ms, read and applied in {apply:.1} ms", text.len() / 1000);
    let bound = if cfg!(debug_assertions) { 60.0 } else { 15.0 };
    assert!(worst < bound, "a key and its picture take {worst:.1} ms");
    assert!(text.len() * 10 < whole.len(), "a change is no tenth of the whole");
}
