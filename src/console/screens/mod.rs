//! Pictures of the model. They change nothing and ask no clock.
//!
//! `frame` draws what every screen has (first line, tabs, message, hints), the others one screen or pane each.

mod adverts;
mod alarms;
mod canvas;
mod changes;
mod choose;
mod config;
mod details;
mod fields;
mod frame;
mod help;
mod instance;
mod instances;
mod log;
mod matrix;
mod neighbours;
mod overview;
mod prompt;
mod question;
mod scrubber;
mod services;
mod small;
mod stage;
mod timeline;
mod tracks;
mod why;

pub use canvas::Hit;
pub(super) use question::scroll_limit as question_scroll_limit;

use super::model::{Modal, Model, Room, View};
use canvas::Canvas;
use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

/// Draws everything.
pub fn draw(model: &Model, frame: &mut Frame) {
    let cursor = paint(model, frame.buffer_mut()).1;
    if let Some(at) = cursor {
        frame.set_cursor_position(at);
    }
}

/// What lies at a cell.
pub(super) fn hit(model: &Model, x: u16, y: u16) -> Option<Hit> {
    let mut buffer = Buffer::empty(Rect { x: 0, y: 0, width: model.size.width, height: model.size.height });
    let (hits, _) = paint(model, &mut buffer);
    hits.into_iter().rev().find(|(area, _)| area.contains(Position { x, y })).map(|(_, hit)| hit)
}

/// How far the open pop-up can be scrolled.
pub(super) fn scroll_limit(model: &Model) -> usize {
    let lines = match &model.modal {
        Some(Modal::Help { .. }) => help::lines(model).len(),
        Some(Modal::Details { row, .. }) => details::lines(model, row, details::width(model)).len(),
        Some(Modal::Why { row, .. }) => why::lines(model, row, details::width(model)).len(),
        _ => 0,
    };
    lines.saturating_sub(details::height(model))
}

/// The text of the window's title: the mode and the worst state.
pub fn window_title(model: &Model) -> String {
    let alarms = super::facts::alarms(&model.live);
    let (new, seen): (Vec<_>, Vec<_>) = alarms.iter().partition(|a| a.acknowledged.is_none());
    let worst = match (new.as_slice(), seen.as_slice()) {
        ([], []) => "ok".to_owned(),
        ([], [worst, ..]) => format!("{} (acknowledged)", worst.kind.word()),
        ([worst], _) => worst.kind.word().to_owned(),
        ([worst, rest @ ..], _) => format!("{} (+{})", worst.kind.word(), rest.len()),
    };
    format!("vipdeck {} {}: {worst}", model.mode, model.title)
}

fn paint(model: &Model, buf: &mut Buffer) -> (Vec<(Rect, Hit)>, Option<Position>) {
    let mut canvas = Canvas { buf, model, hits: Vec::new(), cursor: None };
    let base = canvas.style(super::theme::Ink::Text);
    let all = canvas.buf.area;
    canvas.buf.set_style(all, base);
    // Between a resize and its message the terminal may be smaller than the model thinks.
    let shrunk = all.width < model.size.width || all.height < model.size.height;
    if shrunk || model.room() == Room::TooSmall {
        small::draw(&mut canvas, all);
    } else {
        let body = frame::draw(&mut canvas, all);
        match model.view {
            View::Overview => overview::draw(&mut canvas, body),
            View::Instances => instances::draw(&mut canvas, body),
            View::Services => services::draw(&mut canvas, body),
            View::Timeline => timeline::draw(&mut canvas, body),
            View::Config => config::draw(&mut canvas, body),
            View::Log => log::draw(&mut canvas, body),
        }
        match &model.modal {
            Some(Modal::Help { scroll }) => help::draw(&mut canvas, *scroll),
            Some(Modal::Details { row, scroll }) => details::draw(&mut canvas, row, *scroll),
            Some(Modal::Why { row, scroll }) => why::draw(&mut canvas, row, *scroll),
            Some(Modal::WhatIf(open)) => why::what_if(&mut canvas, open),
            Some(Modal::Prompt(open)) => prompt::draw(&mut canvas, open),
            Some(Modal::Alarms { .. }) => alarms::draw(&mut canvas),
            Some(Modal::Choose(open)) => choose::columns(&mut canvas, *open),
            Some(Modal::Palette(open)) => choose::palette(&mut canvas, open),
            Some(Modal::Question(open)) => question::draw(&mut canvas, open),
            Some(Modal::Changes { selected }) => changes::draw(&mut canvas, *selected),
            None => {}
        }
    }
    canvas.finish();
    (canvas.hits, canvas.cursor)
}
