//! Where in the recording the picture is, with marks where something happened.
//!
//! ```text
//!  ▶ plays  ×2    12:04:31──────●───‼───▲┃··························12:14:31  ● change ‼ alarm ■ note
//! ```

use super::super::replay::Replay;
use super::super::theme::Ink;
use super::canvas::{Canvas, Line, dim, t};
use super::frame::time_of;
use crate::status::Severity;
use ratatui::layout::Rect;

pub(super) fn draw(canvas: &mut Canvas, area: Rect) {
    let model = canvas.model;
    let Some(replay) = &model.replay else { return };
    let (from, until) = replay.recording().span();
    let state = if replay.is_playing() { "▶ plays " } else { "‖ paused" };
    let start: Line = vec![
        (Ink::Key, format!(" {state} ")),
        dim(format!("×{:<4}", replay.speed())),
        t(format!(" {}", time_of(model, from.wall, false))),
    ];
    let end: Line = vec![t(format!("{} ", time_of(model, until.wall, false))), dim(keys(area.width))];
    let width = |line: &Line| line.iter().map(|(_, text)| super::super::text::width(text)).sum::<usize>();
    let room = usize::from(area.width).saturating_sub(width(&start) + width(&end));
    let mut line = start;
    line.extend(bar(replay, room));
    line.extend(end);
    canvas.put(area, &line);
}

/// Where there is no line of hints.
const fn keys(width: u16) -> &'static str {
    match width {
        0..70 => " ? q",
        70..100 => " p . , gt  ? help  q quit",
        _ => " ● change ‼ alarm ■ note",
    }
}

/// One cell for each stretch of time; the worst that happened in it is shown.
fn bar(replay: &Replay, cells: usize) -> Line {
    let (from, until) = replay.recording().span();
    let span = until.at.saturating_sub(from.at).max(1);
    let cell = |at: u64| {
        let share = at.saturating_sub(from.at) as f64 / span as f64;
        ((share * cells as f64) as usize).min(cells.saturating_sub(1))
    };
    let here = cell(replay.at());
    let mut bar: Line = (0..cells).map(|n| if n <= here { (Ink::Bar, "─".into()) } else { dim("·") }).collect();
    let mut worst: Vec<Option<(bool, Severity)>> = vec![None; cells];
    for mark in replay.marks() {
        if let Some(place) = worst.get_mut(cell(mark.at)) {
            *place = (*place).max(Some((mark.is_note, mark.severity)));
        }
    }
    for (place, worst) in bar.iter_mut().zip(&worst) {
        match worst {
            Some((true, _)) => *place = (Ink::Held, "■".into()),
            Some((_, Severity::Alarm)) => *place = (Ink::Fault, "‼".into()),
            Some((_, Severity::Warning)) => *place = (Ink::Warn, "▲".into()),
            Some(_) => *place = (Ink::Title, "●".into()),
            None => {}
        }
    }
    if let Some(place) = bar.get_mut(here) {
        // The marker hides no mark: what lies under it is drawn on its ground.
        let under = if place.1 == "─" { "┃" } else { place.1.as_str() };
        *place = (Ink::Field, under.to_owned());
    }
    bar
}
