//! The keys that work here and now, from the table that handles them.

use super::super::keymap::Context;
use super::super::model::Model;
use super::super::text;
use super::super::theme::Ink;
use super::canvas::{Canvas, Line, dim, line_of, t, title};
use super::details;

pub(super) fn draw(canvas: &mut Canvas, scroll: usize) {
    let model = canvas.model;
    let lines = lines(model);
    let size = (details::width(model) as u16 + 4, details::height(model).min(lines.len()) as u16 + 2);
    let inner = canvas.popup(size, &[title("Keys that work here")], &[dim("Esc back")]);
    let shown = usize::from(inner.height);
    for (i, line) in lines.iter().skip(scroll).take(shown).enumerate() {
        canvas.put(line_of(inner, i), line);
    }
    canvas.more(inner, scroll.min(lines.len()), lines.len().saturating_sub(scroll + shown));
}

/// Grouped by context, the nearest first.
pub(super) fn lines(model: &Model) -> Vec<Line> {
    let contexts = model.place();
    let mut lines: Vec<Line> = vec![
        vec![dim("Lower case looks, upper case changes: every verb asks first, with Cancel in focus.")],
        Vec::new(),
    ];
    let mut last = None;
    for entry in model.keymap.here(&contexts) {
        if model.view_only && (entry.action.is_verb() || entry.action.is_stage()) {
            continue;
        }
        if last != Some(entry.context) {
            if last.is_some() {
                lines.push(Vec::new());
            }
            lines.push(vec![title(heading(entry.context))]);
            last = Some(entry.context);
        }
        lines.push(vec![(Ink::Key, format!("  {}", text::left(&entry.keys_text(), 14))), t(entry.help.clone())]);
    }
    lines
}

const fn heading(context: Context) -> &'static str {
    match context {
        Context::Everywhere => "Looking",
        Context::Instances => "On an instance",
        Context::Servers => "On a real server",
        Context::Config => "In the config view",
        Context::Log => "In the log view",
        Context::Alarms => "In the list of alarms",
        Context::Stage => "On the stage",
        Context::Clock => "The virtual clock",
        Context::Replay => "The recording",
        Context::Prompt => "While typing a note or a time",
        Context::Reading => "While reading",
        Context::Question => "In a question",
        Context::Changes => "In the list of changes",
        Context::Keep => "While something would undo itself",
        Context::Filter => "While typing a filter",
        Context::Groups => "On rows with others below them",
        Context::Choosing => "In a list of columns",
        Context::Palette => "In the palette",
    }
}
