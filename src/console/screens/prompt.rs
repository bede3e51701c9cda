//! A line that is typed.

use super::super::prompt::Prompt;
use super::super::text;
use super::super::theme::Ink;
use super::canvas::{Canvas, dim, line_of, t, title};

pub(super) fn draw(canvas: &mut Canvas, prompt: &Prompt) {
    let width = 76.min(canvas.model.size.width.saturating_sub(4));
    let inner = canvas.popup((width, 4), &[title(prompt.title())], &[dim("Enter done, Esc cancel")]);
    let room = usize::from(inner.width).saturating_sub(2);
    // The end is what is being typed.
    let skip = prompt.text.chars().count().saturating_sub(room);
    let shown: String = prompt.text.chars().skip(skip).collect();
    canvas.put(line_of(inner, 0), &[t(shown), (Ink::Field, " ".into())]);
    let below = match &prompt.problem {
        Some(problem) => (Ink::Warn, format!("! {problem}")),
        None => dim(prompt.help()),
    };
    canvas.put(line_of(inner, 1), &[(below.0, text::cut(&below.1, usize::from(inner.width)))]);
}
