//! The list of changes: who did what, what has happened since, what undo gives back and what it cannot.

use super::super::changes::{Listed, can_be_undone, reverts_in};
use super::super::model::{Model, NodeView};
use super::super::text;
use super::super::theme::Ink;
use super::canvas::{Canvas, Hit, Line, dim, first_shown, line_of, t, title};
use super::details;
use super::frame::time_of;
use crate::status::ActionState;
use ratatui::layout::Rect;

pub(super) fn draw(canvas: &mut Canvas, selected: usize) {
    let model = canvas.model;
    let changes = model.changes();
    let width = details::width(model);
    let about = changes.get(selected).map_or(Vec::new(), |c| about(model, c, width));
    let all = details::height(model);
    // What is known of the selected one is what counts; the list scrolls above it.
    let listed = changes.len().max(1).min(all.saturating_sub(about.len() + 1).max(3));
    let height = (listed + about.len() + 3).min(all + 2);
    let heading = title("Changes, the newest first");
    let inner = canvas.popup((width as u16 + 4, height as u16), &[heading], &[dim("u undo  K keep  Esc back")]);
    if changes.is_empty() {
        let text = "no node that can be asked remembers a change by an operator";
        canvas.put(line_of(inner, 0), &[dim(text)]);
    }
    let first = first_shown(changes.len(), listed, Some(selected));
    for (i, change) in changes.iter().enumerate().skip(first).take(listed) {
        let at = line_of(inner, i - first);
        canvas.put(at, &row(model, change, i == selected, width));
        canvas.hits.push((at, Hit::Change(i)));
        if i == selected {
            canvas.select(at, true);
        }
    }
    let area = Rect { y: inner.y + listed as u16 + 1, ..inner };
    for (i, line) in about.iter().enumerate() {
        if usize::from(area.y) + i < usize::from(inner.bottom()) {
            canvas.put(Rect { y: area.y + i as u16, height: 1, ..area }, line);
        }
    }
    canvas.more(inner, first, changes.len().saturating_sub(first + listed));
}

fn row(model: &Model, change: &Listed, is_selected: bool, width: usize) -> Line {
    let Some((node, action)) = change.nodes.first() else { return Vec::new() };
    let names: Vec<&str> =
        change.nodes.iter().filter_map(|(n, _)| model.live.nodes.get(*n)).map(NodeView::name).collect();
    let (ink, state) = match reverts_in(&model.live, *node, action) {
        Some(left) => (Ink::Warn, format!("keep? {} s", left / 1_000_000)),
        None if can_be_undone(action) => (Ink::Text, "can be undone".into()),
        None if action.state == ActionState::Done => (Ink::Dim, "no undo".into()),
        None => (Ink::Dim, action.state.to_string()),
    };
    let mark = if is_selected { "▸ " } else { "  " };
    // Who and where are said below, too: in a narrow list what was done comes first.
    let (user, node) = if width < 80 { (0, 0) } else { (10, 14) };
    let room = width.saturating_sub(2 + 10 + user + node + 15);
    vec![
        t(mark),
        dim(text::left(&time_of(model, action.at_us, false), 10)),
        t(text::left(&action.by.user, user)),
        t(text::left(&names.join(","), node)),
        t(text::left(&action.line, room)),
        (ink, text::right(&state, 15)),
    ]
}

fn about(model: &Model, change: &Listed, width: usize) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let names: Vec<&str> =
        change.nodes.iter().filter_map(|(n, _)| model.live.nodes.get(*n)).map(NodeView::name).collect();
    let mut say = |ink: Ink, head: &str, what: &str| {
        for (i, part) in text::wrap(what, width.saturating_sub(13)).into_iter().enumerate() {
            let head = if i == 0 { head } else { "" };
            lines.push(vec![dim(text::left(head, 13)), (ink, part)]);
        }
    };
    for (i, (node, action)) in change.nodes.iter().enumerate() {
        let name = model.live.nodes.get(*node).map_or("?", |n| n.name());
        if i == 0 {
            say(Ink::Text, "who", &format!("{}, on {}", action.by, names.join(" and ")));
            say(Ink::Text, "why", action.reason.as_deref().unwrap_or("no reason was given"));
            let back = action.gives_back.as_deref().unwrap_or("nothing");
            say(Ink::Text, "undo gives", back);
            if let Some(not) = &action.does_not {
                say(Ink::Warn, "it does not", not);
            }
        }
        if let Some(left) = reverts_in(&model.live, *node, action) {
            say(Ink::Warn, "keep?", &format!("{name} undoes it by itself in {} s", left / 1_000_000));
        }
        let since = if action.since.is_empty() { "nothing".to_owned() } else { action.since.join("; ") };
        say(Ink::Text, "since then", &format!("{name}: {since}"));
    }
    lines
}
