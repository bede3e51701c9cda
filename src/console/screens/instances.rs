//! Instances: who is master, and for the selected instance what each node sends and hears.

use super::super::model::Pane;
use super::canvas::Canvas;
use super::overview::split;
use super::{adverts, matrix};
use ratatui::layout::Rect;

pub(super) fn draw(canvas: &mut Canvas, area: Rect) {
    let zoomed = canvas.model.zoomed && canvas.model.pane == Pane::Matrix;
    let head = if zoomed { area.height } else { matrix::height(canvas.model).min(area.height / 2) };
    let (top, rest) = split(area, head);
    matrix::draw(canvas, top);
    if rest.height >= 3 {
        adverts::draw(canvas, rest);
    }
}
