//! Lists over the screen: the columns of a table, and the palette.

use super::super::palette::{self, Palette};
use super::super::table::{self, Choice, Choose};
use super::super::text;
use super::super::theme::Ink;
use super::canvas::{Canvas, Line, dim, first_shown, line_of, t, title};
use ratatui::layout::{Position, Rect};

pub(super) fn columns(canvas: &mut Canvas, open: Choose) {
    let lines = table::lines(canvas.model, open);
    let heading = match open.what {
        Choice::Sort => "Sort by",
        Choice::Columns => "Columns",
    };
    let inner = canvas.popup((40, lines.len() as u16 + 2), &[title(heading)], &[dim("Enter  Esc back")]);
    let texts = lines.into_iter().map(|(text, _)| vec![t(text)]).collect();
    list(canvas, inner, texts, open.at);
}

/// Lines of which one has the keys.
fn list(canvas: &mut Canvas, inner: Rect, lines: Vec<Line>, at: usize) {
    let (room, count) = (usize::from(inner.height), lines.len());
    let top = first_shown(count, room, Some(at));
    for (i, line) in lines.into_iter().enumerate().skip(top).take(room) {
        let area = line_of(inner, i - top);
        canvas.select(area, i == at);
        let mut whole: Line = vec![(Ink::Key, if i == at { "▸ ".into() } else { "  ".into() })];
        whole.extend(line);
        canvas.put(area, &whole);
    }
    canvas.more(inner, top, count.saturating_sub(top + room));
}

pub(super) fn palette(canvas: &mut Canvas, open: &Palette) {
    let model = canvas.model;
    let all = palette::lines(model, &open.input);
    let (width, height) = (model.size.width.saturating_sub(6).min(100), model.size.height.saturating_sub(4).min(18));
    let right = format!("{} fit", all.len());
    let inner = canvas.popup((width, height), &[title("Command")], &[dim(right)]);
    let input = line_of(inner, 0);
    let end = canvas.put(input, &[(Ink::Key, ":".into()), (Ink::Title, open.input.clone())]);
    canvas.cursor = Some(Position { x: end.min(inner.right().saturating_sub(1)), y: input.y });
    let rest = Rect { y: inner.y + 1, height: inner.height.saturating_sub(1), ..inner };
    if all.is_empty() {
        canvas.put(line_of(rest, 0), &[dim("  nothing fits; Esc closes")]);
    }
    let name = all.iter().map(|l| text::width(&l.name)).max().unwrap_or(0).clamp(8, usize::from(inner.width) / 3);
    let room = usize::from(inner.width).saturating_sub(name + 4 + 13);
    let lines = all.iter().map(|l| {
        let (ink, help) = match l.elsewhere {
            None => (Ink::Text, l.help.clone()),
            Some(place) => (Ink::Dim, format!("{place}: {}", l.help)),
        };
        vec![
            (ink, format!("{}  ", text::left(&text::cut_middle(&l.name, name), name))),
            dim(text::left(&help, room)),
            (Ink::Key, format!(" {}", text::right(&l.keys, 11))),
        ]
    });
    let lines: Vec<Line> = lines.collect();
    list(canvas, rest, lines, open.at);
}
