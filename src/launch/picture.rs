//! `vipdeck demo --picture FILE`: one screen of the virtual cluster as SVG, drawn by the same code as in a terminal.

use crate::console::keymap::Keymap;
use crate::console::model::{Link, Model, Setup};
use crate::console::theme::{self, Depth};
use crate::console::update::{Msg, update};
use crate::console::{picture, screens};
use crate::sim::World;
use crate::status::{Mode, Stage};
use anyhow::{Context, anyhow};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::layout::Size;
use std::path::Path;
use std::sync::Arc;

/// The size that shows everything.
const SIZE: Size = Size { width: 120, height: 36 };

pub(super) fn write(file: &Path, world: &mut World, stage: &Stage) -> anyhow::Result<()> {
    let mut model = Model::new(Setup {
        title: stage.scenario.clone(),
        mode: Mode::Lab,
        owns_engine: false,
        view_only: false,
        ascii: false,
        has_stage: true,
        labels: world.hosts.iter().map(|host| host.name.clone()).collect(),
        themes: theme::all(Depth::Rgb)?,
        theme: "dark".into(),
        keymap: Keymap::load(None).map_err(|error| anyhow!("key table: {error}"))?,
        zone: jiff::tz::TimeZone::UTC,
        size: SIZE,
    })
    .map_err(anyhow::Error::msg)?;
    for msg in news(world, stage) {
        // Nobody presses a key, so nothing is asked for.
        let _ = update(&mut model, msg);
    }
    let mut terminal = Terminal::new(TestBackend::new(SIZE.width, SIZE.height)).context("draw the picture")?;
    terminal.draw(|frame| screens::draw(&model, frame)).context("draw the picture")?;
    let theme = model.theme().context("the theme")?;
    std::fs::write(file, picture::svg(terminal.backend().buffer(), theme))
        .with_context(|| format!("write {}", file.display()))
}

/// What a console would have been told so far.
fn news(world: &mut World, stage: &Stage) -> Vec<Msg> {
    let mut news = vec![Msg::Stage(stage.clone())];
    for node in 0..world.hosts.len() {
        let events = world.take_events(node).into_iter().map(Arc::new).collect();
        let snapshot = world.snapshot(node).map(Arc::new);
        let wall_us = snapshot.as_ref().map_or(0, |s| s.wall_us);
        news.push(Msg::Tick { now: 1, wall_us });
        news.push(Msg::Link { node, link: Link::Live });
        news.push(Msg::Events { node, events });
        news.push(Msg::Snapshot { node, snapshot });
    }
    news
}
