//! Timeline: the events of all nodes on one wall clock, the newest first.

use super::super::clocks;
use super::super::model::{Model, Pane, RowId};
use super::super::rows;
use super::super::text;
use super::super::theme::Ink;
use super::canvas::{Canvas, Line, dim, first_shown, line_of, t, title};
use super::frame::time_of;
use crate::status::{Event, Severity};
use ratatui::layout::Rect;

pub(super) fn draw(canvas: &mut Canvas, area: Rect) {
    let detail = if area.height >= 18 && !canvas.model.zoomed { 6 } else { 0 };
    let list = Rect { height: area.height - detail, ..area };
    events(canvas, list, Pane::History);
    if detail > 0 {
        selected(canvas, Rect { y: list.bottom(), height: detail, ..area });
    }
}

/// The list itself, as the overview shows it too.
pub(super) fn events(canvas: &mut Canvas, area: Rect, pane: Pane) {
    let model = canvas.model;
    let history = rows::history(model, &model.filter.to_lowercase());
    let missed: u64 = model.shown().nodes.iter().map(|n| n.missed).sum();
    let gap = if missed > 0 { format!("{} lost on the way, ", text::count(missed)) } else { String::new() };
    let right = format!("{gap}{}{}", text::plural(history.len(), "event"), order(model));
    let clock = clocks::note(model.shown());
    let name = if pane == Pane::Events || clock.is_empty() {
        vec![title("Events")]
    } else {
        vec![title("Events of all nodes"), dim(format!(" · {clock}"))]
    };
    let inner = canvas.pane(area, &name, &[dim(right)], Some(pane));
    if history.is_empty() {
        let why = if model.filter.is_empty() { "nothing has happened yet" } else { "the filter lets no event through" };
        canvas.put(line_of(inner, 0), &[dim(format!("  {why}"))]);
    }
    let is_selected = |(n, e): &(usize, &std::sync::Arc<Event>)| {
        model.selected.get(&pane) == Some(&RowId::Event(*n, e.wall_us, e.seq))
    };
    let room = usize::from(inner.height);
    let top = first_shown(history.len(), room, history.iter().position(is_selected));
    let longest = |of: fn(&Event) -> usize, most: usize| {
        history.iter().skip(top).take(room).map(|(_, e)| of(e)).max().unwrap_or(0).min(most)
    };
    let shows = |name: &str| model.shows(pane, name);
    let node = longest(|e| text::width(&e.node), 12);
    let subject = longest(|e| text::width(&e.subject.to_string()), if area.width < 100 { 14 } else { 18 });
    let event = longest(|e| text::width(&e.text), usize::from(area.width) * 2 / 5);
    for (i, entry) in history.iter().skip(top).take(room).enumerate() {
        let at = line_of(inner, i);
        let (n, e) = entry;
        let mut line = Line::new();
        if shows("TIME") {
            let wall = clocks::corrected(model.shown(), *n, e.wall_us);
            line.push(dim(format!("{}  ", time_of(model, wall, area.width >= 80))));
        }
        if shows("NODE") {
            line.push(t(format!("{}  ", text::left(&text::cut_middle(&e.node, node), node))));
        }
        if shows("SUBJECT") {
            line.push(dim(format!("{}  ", text::left(&text::cut_middle(&e.subject.to_string(), subject), subject))));
        }
        line.push((ink(e.severity), text::left(&e.text, event)));
        if shows("CAUSE") {
            line.push(dim(format!("  {}", e.cause.as_deref().unwrap_or(""))));
        }
        canvas.row(at, pane, &RowId::Event(entry.0, e.wall_us, e.seq), line);
    }
    canvas.more(inner, top, history.len().saturating_sub(top + room));
}

/// The order of the rows, where no heading can have the arrow.
fn order(model: &Model) -> String {
    match model.sort(Pane::History) {
        None => ", newest first".into(),
        Some(sort) => format!(", {}", model.head(Pane::History, sort.column)),
    }
}

pub(super) const fn ink(severity: Severity) -> Ink {
    match severity {
        Severity::Info => Ink::Dim,
        Severity::Notice => Ink::Text,
        Severity::Warning => Ink::Warn,
        Severity::Alarm => Ink::Fault,
    }
}

/// The selected event in full.
fn selected(canvas: &mut Canvas, area: Rect) {
    let model = canvas.model;
    let inner = canvas.pane(area, &[title("Selected")], &[dim("Enter everything, y copies JSON")], None);
    let inner = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };
    let Some(row) = model.selected.get(&Pane::History) else { return };
    canvas.lines(inner, &super::details::lines(model, row, usize::from(inner.width)));
}
