//! Instances: who is master, what each node sends and hears for the selected instance, and everyone on the wire.
//!
//! ```text
//! ┌ Who is master ──────────────────────────────┐
//! ├ VI_1 · adverts ─────────────────────────────┤
//! ├ Neighbours on the wire ─────────────────────┤   on a narrow screen instead of the adverts, by Tab
//! ```

use super::super::model::{Pane, Room};
use super::canvas::Canvas;
use super::overview::split;
use super::{adverts, matrix, neighbours};
use ratatui::layout::Rect;

pub(super) fn draw(canvas: &mut Canvas, area: Rect) {
    let model = canvas.model;
    let on_wire = model.pane == Pane::Neighbours;
    if model.zoomed && on_wire {
        return neighbours::draw(canvas, area);
    }
    let (top, rest) = split(area, matrix::height(model).min(area.height / 2));
    matrix::draw(canvas, top);
    if model.room() < Room::Medium || model.zoomed {
        return if on_wire { neighbours::draw(canvas, rest) } else { adverts::draw(canvas, rest) };
    }
    let (middle, bottom) = split(rest, adverts::height(model).min(rest.height / 2));
    adverts::draw(canvas, middle);
    neighbours::draw(canvas, bottom);
}
