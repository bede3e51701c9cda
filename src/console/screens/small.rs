//! Too small a terminal: one sentence.

use super::super::facts;
use super::super::model::SMALLEST;
use super::super::text;
use super::canvas::{Canvas, line_of, t};
use ratatui::layout::Rect;

pub(super) fn draw(canvas: &mut Canvas, area: Rect) {
    let model = canvas.model;
    let picture = model.shown();
    let mut masters = Vec::new();
    for (n, view) in picture.nodes.iter().enumerate() {
        let rows = facts::rows(picture);
        let of: Vec<&str> =
            rows.iter().filter(|r| r.masters(picture).iter().any(|(m, _)| *m == n)).map(|r| r.name).collect();
        if !of.is_empty() {
            masters.push(format!("{} MASTER of {}", view.name(), of.join(" and ")));
        }
    }
    let who = if masters.is_empty() { "no MASTER known".to_owned() } else { masters.join(", ") };
    let alarms = facts::alarms(picture).len();
    let sentence = format!(
        "{} {}: {who}, {}. Need {}×{}, have {}×{}. q quits.",
        model.mode,
        model.title,
        text::plural(alarms, "alarm"),
        SMALLEST.width,
        SMALLEST.height,
        model.size.width,
        model.size.height
    );
    for (i, line) in text::wrap(&sentence, usize::from(area.width)).into_iter().enumerate() {
        canvas.put(line_of(area, i), &[t(line)]);
    }
}
