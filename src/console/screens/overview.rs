//! Overview: who is master, the selected instance, the services, the stage, the events.
//!
//! ```text
//! ┌ Who is master ───────────────────────────────┐
//! ├ VI_1 ───────────────┐┌ Services ─────────────┤
//! │ timers, sum         ││ servers               │
//! │                     │├ Stage ────────────────┤   demo and lab only
//! ├ Events ─────────────┴┴───────────────────────┤
//! ```

use super::super::facts;
use super::super::model::{Pane, Room};
use super::super::text;
use super::super::theme::Ink;
use super::canvas::{Canvas, Line, dim, line_of, t};
use super::{config, instance, log, matrix, neighbours, services, stage, timeline};
use ratatui::layout::Rect;

pub(super) fn draw(canvas: &mut Canvas, area: Rect) {
    let model = canvas.model;
    if model.zoomed {
        return one(canvas, model.pane, area);
    }
    let head = matrix::height(model).min(area.height / 2);
    let (top, rest) = split(area, head);
    match model.room() {
        Room::Full => {
            matrix::draw(canvas, top);
            let (middle, bottom) = split(rest, wanted(canvas).max(10).min(rest.height.saturating_sub(5)));
            full(canvas, middle);
            timeline::events(canvas, bottom, Pane::Events);
        }
        Room::Medium => {
            matrix::draw(canvas, top);
            let (middle, bottom) = split(rest, rest.height.saturating_sub(events_height(rest.height)));
            if model.has_stage {
                let (left, right) = halves(middle);
                services::summary(canvas, left);
                stage::draw(canvas, right);
            } else {
                let (left, right) = halves(middle);
                instance::draw(canvas, left);
                services::summary(canvas, right);
            }
            timeline::events(canvas, bottom, Pane::Events);
        }
        Room::Narrow => {
            matrix::draw(canvas, top);
            match model.pane {
                Pane::Matrix => instance::draw(canvas, rest),
                pane => one(canvas, pane, rest),
            }
        }
        Room::Strip | Room::TooSmall => strip(canvas, area),
    }
}

/// How high the middle wants to be: the events have the rest.
fn wanted(canvas: &Canvas) -> u16 {
    /// The lines of the instance pane beside two for each node.
    const INSTANCE: usize = 10;
    let model = canvas.model;
    let servers = super::super::rows::of(model, Pane::Summary).len().max(1) as u16 + 2;
    let instance = (model.shown().nodes.len() * 2 + INSTANCE) as u16;
    let stage = if model.has_stage { stage::height(model) } else { 0 };
    instance.max(servers + stage)
}

fn full(canvas: &mut Canvas, area: Rect) {
    let (left, right) = halves(area);
    instance::draw(canvas, left);
    if canvas.model.has_stage {
        let wanted = stage::height(canvas.model);
        let (upper, lower) = split(right, right.height.saturating_sub(wanted.min(right.height * 3 / 5)));
        services::summary(canvas, upper);
        stage::draw(canvas, lower);
    } else {
        services::summary(canvas, right);
    }
}

/// One pane alone.
fn one(canvas: &mut Canvas, pane: Pane, area: Rect) {
    match pane {
        Pane::Matrix => {
            let (top, rest) = split(area, matrix::height(canvas.model).min(area.height / 2));
            matrix::draw(canvas, top);
            instance::draw(canvas, rest);
        }
        Pane::Summary | Pane::Servers => services::summary(canvas, area),
        Pane::Stage => stage::draw(canvas, area),
        Pane::Neighbours => neighbours::draw(canvas, area),
        Pane::Events | Pane::History => timeline::events(canvas, area, pane),
        // Not panes of this view.
        Pane::Paper => config::draw(canvas, area),
        Pane::Log => log::draw(canvas, area),
    }
}

/// The smallest screen that is one: a line for each instance, each alarm, and the panes by Tab.
fn strip(canvas: &mut Canvas, area: Rect) {
    let model = canvas.model;
    let picture = model.shown();
    let alarms = facts::alarms(picture);
    let head = matrix::height(model).min(area.height.saturating_sub(4));
    let (top, rest) = split(area, head);
    matrix::draw(canvas, top);
    if model.pane != Pane::Matrix {
        return one(canvas, model.pane, rest);
    }
    let services = facts::served(picture);
    let (room, count) = (usize::from(rest.height), alarms.len() + services.len());
    // The last line is for the count of what does not fit.
    let shown = if count > room { room.saturating_sub(1) } else { count };
    let alarms = alarms.iter().map(|alarm| {
        let (mark, ink) = if alarm.acknowledged.is_some() { ("✓", Ink::Dim) } else { ("!", Ink::Warn) };
        vec![(ink, format!(" {mark} {}", super::alarms::sentence(model, alarm)))]
    });
    for (i, line) in alarms.chain(services.iter().map(service_line)).take(shown).enumerate() {
        canvas.put(line_of(rest, i), &line);
    }
    if count > shown {
        canvas.put(line_of(rest, shown), &[dim(format!(" {} not shown ▾", text::plural(count - shown, "line")))]);
    }
}

fn service_line(served: &facts::Served) -> Line {
    let up = served.service.reals.iter().filter(|r| facts::is_good(r)).count();
    let count = format!("{up}/{} up", served.service.reals.len());
    let at = if served.service.serving == Some(true) { "served by" } else { "ready on" };
    let plane = served.snapshot.node.dataplane.kind;
    vec![
        t(format!(" {} ", text::left(&served.service.id.to_string(), 24))),
        t(text::left(&count, 8)),
        dim(format!("{at} {}, {plane}", served.view.name())),
    ]
}

fn events_height(room: u16) -> u16 {
    (room / 3).clamp(4, 9)
}

pub(super) fn split(area: Rect, at: u16) -> (Rect, Rect) {
    let at = at.min(area.height);
    (Rect { height: at, ..area }, Rect { y: area.y + at, height: area.height - at, ..area })
}

fn halves(area: Rect) -> (Rect, Rect) {
    let left = area.width / 2 + area.width % 2;
    (Rect { width: left, ..area }, Rect { x: area.x + left, width: area.width - left, ..area })
}
