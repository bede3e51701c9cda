//! Where screens are drawn: a buffer, the theme's inks, and a note of what lies where for the mouse.

use super::super::action::Action;
use super::super::model::{Model, Pane, RowId, View};
use super::super::state::ascii;
use super::super::text;
use super::super::theme::Ink;
use crate::status::Mode;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::symbols::border;
use ratatui::widgets::{Block, Clear, Widget};

/// Pieces of one line.
pub(super) type Line = Vec<(Ink, String)>;

/// What a click meets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hit {
    Row(Pane, RowId),
    Column(usize),
    Pane(Pane),
    View(View),
    Action(Action),
    Button(usize),
    /// A line of the list of changes.
    Change(usize),
}

pub(super) struct Canvas<'a> {
    pub(super) buf: &'a mut Buffer,
    pub(super) model: &'a Model,
    /// Later ones lie on top.
    pub(super) hits: Vec<(Rect, Hit)>,
    pub(super) cursor: Option<Position>,
}

impl Canvas<'_> {
    pub(super) fn style(&self, ink: Ink) -> Style {
        self.model.theme().map_or_else(Style::new, |t| t.style(ink))
    }

    /// Writes a line and returns the column after it.
    pub(super) fn put(&mut self, area: Rect, line: &[(Ink, String)]) -> u16 {
        let area = area.intersection(self.buf.area);
        if area.is_empty() {
            return area.x;
        }
        let mut x = area.x;
        for (ink, text) in line {
            let room = usize::from(area.right().saturating_sub(x));
            let style = self.style(*ink);
            let cut = text::cut(text, room);
            (x, _) = self.buf.set_stringn(x, area.y, cut, room, style);
        }
        x
    }

    /// Writes a line at the right end of `area`.
    pub(super) fn put_right(&mut self, area: Rect, line: &[(Ink, String)]) {
        let width: usize = line.iter().map(|(_, t)| text::width(t)).sum();
        let skip = area.width.saturating_sub(width as u16);
        self.put(Rect { x: area.x + skip, width: area.width - skip, ..area }, line);
    }

    /// Marks a whole line as the one that has the keys.
    pub(super) fn select(&mut self, area: Rect, has_keys: bool) {
        let style = self.style(Ink::Selected);
        // Without the keys only the marker tells; a highlight in two panes would be two cursors.
        if has_keys {
            self.buf.set_style(area.intersection(self.buf.area), style);
        }
    }

    /// Lines from the top of a pane, and how many more there are.
    pub(super) fn lines(&mut self, inner: Rect, lines: &[Line]) {
        let room = usize::from(inner.height);
        for (i, line) in lines.iter().take(room).enumerate() {
            self.put(line_of(inner, i), line);
        }
        self.more(inner, 0, lines.len().saturating_sub(room));
    }

    /// A row of a pane: the one that has the keys, and the marked ones, are shown as such before `line`.
    pub(super) fn row(&mut self, area: Rect, pane: Pane, row: &RowId, line: Line) {
        let model = self.model;
        let selected = model.selected.get(&pane) == Some(row);
        let has_keys = selected && model.pane == pane;
        if selected {
            self.select(area, has_keys && model.modal.is_none());
        }
        // The panes beside the matrix are about its selected row, also while another pane has the keys.
        let cursor = match () {
            () if has_keys => (Ink::Key, "▸"),
            () if selected && pane == Pane::Matrix => (Ink::Dim, "▸"),
            () => (Ink::Text, " "),
        };
        let mark = if model.marked.contains(row) { "■" } else { " " };
        let mut whole: Line = vec![(cursor.0, cursor.1.to_owned()), (Ink::Held, mark.to_owned())];
        whole.extend(line);
        self.put(area, &whole);
        self.hits.push((area, Hit::Row(pane, row.clone())));
    }

    /// A bordered pane; LAB has double borders.
    pub(super) fn pane(
        &mut self,
        area: Rect,
        title: &[(Ink, String)],
        right: &[(Ink, String)],
        pane: Option<Pane>,
    ) -> Rect {
        let has_keys = pane.is_some_and(|p| p == self.model.pane) && self.model.panes().len() > 1;
        let set = if self.model.world() == Mode::Lab { border::DOUBLE } else { border::PLAIN };
        let style = self.style(if has_keys { Ink::Focus } else { Ink::Border });
        let block = Block::bordered().border_set(set).border_style(style);
        let inner = block.inner(area);
        block.render(area, self.buf);
        let top = Rect { x: area.x + 2, width: area.width.saturating_sub(4), height: 1, ..area };
        let spaced = |line: &[(Ink, String)]| {
            let mut out = vec![(Ink::Border, " ".to_owned())];
            out.extend_from_slice(line);
            out.push((Ink::Border, " ".into()));
            out
        };
        let end = if title.is_empty() { top.x } else { self.put(top, &spaced(title)) };
        let width: usize = right.iter().map(|(_, t)| text::width(t)).sum::<usize>() + 2;
        if !right.is_empty() && usize::from(top.right().saturating_sub(end)) > width {
            self.put_right(top, &spaced(right));
        }
        if let Some(pane) = pane {
            self.hits.push((area, Hit::Pane(pane)));
        }
        Rect { x: inner.x, width: inner.width, ..inner }
    }

    /// A bordered pop-up on cleared ground, in the middle of the screen.
    pub(super) fn popup(&mut self, size: (u16, u16), title: &[(Ink, String)], right: &[(Ink, String)]) -> Rect {
        let all = self.buf.area;
        let (width, height) = (size.0.min(all.width), size.1.min(all.height));
        let area = Rect { x: (all.width - width) / 2, y: (all.height - height) / 2, width, height };
        Clear.render(area, self.buf);
        let inner = self.pane(area, title, right, None);
        Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner }
    }

    /// How many rows do not fit, in the lower border of the pane around `inner`.
    pub(super) fn more(&mut self, inner: Rect, above: usize, below: usize) {
        if above + below == 0 {
            return;
        }
        let arrows = match (above, below) {
            (0, _) => "▾",
            (_, 0) => "▴",
            _ => "▴▾",
        };
        let text = format!(" {} not shown {arrows} ", text::plural(above + below, "row"));
        let line = Rect { y: inner.bottom(), height: 1, x: inner.x, width: inner.width.saturating_sub(1) };
        self.put_right(line, &[(Ink::Dim, text)]);
    }

    /// The last pass for terminals that show ASCII only.
    pub(super) fn finish(&mut self) {
        if !self.model.ascii {
            return;
        }
        for cell in &mut self.buf.content {
            if !cell.symbol().is_ascii() {
                let plain: String = cell.symbol().chars().take(1).map(ascii).collect();
                cell.set_symbol(&plain);
            }
        }
    }
}

/// One line of an area, counted from its top.
pub(super) fn line_of(area: Rect, at: usize) -> Rect {
    let at = at as u16;
    if at < area.height { Rect { y: area.y + at, height: 1, ..area } } else { Rect { width: 0, height: 0, ..area } }
}

/// The first row shown, so that the selected one is in sight.
pub(super) fn first_shown(rows: usize, height: usize, selected: Option<usize>) -> usize {
    let at = selected.unwrap_or(0);
    at.saturating_sub(height / 2).min(rows.saturating_sub(height))
}

pub(super) fn t(text: impl Into<String>) -> (Ink, String) {
    (Ink::Text, text.into())
}

pub(super) fn dim(text: impl Into<String>) -> (Ink, String) {
    (Ink::Dim, text.into())
}

pub(super) fn title(text: impl Into<String>) -> (Ink, String) {
    (Ink::Title, text.into())
}
