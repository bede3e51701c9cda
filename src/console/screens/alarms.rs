//! The list of alarms: a line for each, and the chosen one as what, since when, what it means, what to do.
//!
//! ```text
//! ┌ Alarms ────────────────────────────────────────── ! acknowledge  Esc back ┐
//! │ ▸! SPLIT         12:04:31  lvs1 and lvs2 are both MASTER of VI_1 (10.0.0.… │
//! │  ✓ SERVER DOWN   11:52:07  web2 is DOWN in tcp/10.0.0.20:80, connection r… │
//! ```

use super::super::alarms;
use super::super::model::Model;
use super::super::text;
use super::super::theme::Ink;
use super::canvas::{Canvas, Line, dim, first_shown, line_of, t, title};
use super::details;
use super::frame::time_of;
use crate::status::{Alarm, Severity};
use ratatui::layout::Rect;

pub(super) fn draw(canvas: &mut Canvas) {
    let model = canvas.model;
    let (list, at) = alarms::chosen(model);
    let width = details::width(model);
    let below = list.get(at).map_or_else(Vec::new, |a| explained(model, a, width));
    let most = details::height(model);
    let room = most.saturating_sub(below.len() + 1).clamp(1, list.len().max(1));
    let height = (room + below.len() + 1).min(most);
    let hint = if model.view_only { "Esc back" } else { "! acknowledge  Esc back" };
    let inner = canvas.popup((width as u16 + 4, height as u16 + 2), &[title("Alarms")], &[dim(hint)]);
    if list.is_empty() {
        canvas.put(line_of(inner, 0), &[(Ink::Good, "✓ nothing is wrong".into())]);
    }
    let top = first_shown(list.len(), room, Some(at));
    for (i, alarm) in list.iter().enumerate().skip(top).take(room) {
        let place = line_of(inner, i - top);
        if i == at {
            canvas.select(place, true);
        }
        canvas.put(place, &line(model, alarm, i == at));
    }
    let hidden = list.len().saturating_sub(room);
    if hidden > 0 {
        let text = format!("{} not shown", text::plural(hidden, "alarm"));
        canvas.put_right(line_of(inner, room), &[dim(text)]);
    }
    for (i, line) in below.iter().enumerate() {
        canvas.put(Rect { y: inner.y + room as u16 + 1 + i as u16, height: 1, ..inner }.intersection(inner), line);
    }
}

fn line(model: &Model, alarm: &Alarm, chosen: bool) -> Line {
    let (mark, ink) = if alarm.acknowledged.is_some() { ("✓", Ink::Dim) } else { ("!", ink(alarm)) };
    vec![
        (Ink::Key, if chosen { "▸".into() } else { " ".into() }),
        (ink, format!("{mark} {}", text::left(alarm.kind.word(), 13))),
        dim(format!("{}  ", text::left(&when(model, alarm).unwrap_or_else(|| "–".into()), 12))),
        (if alarm.acknowledged.is_some() { Ink::Dim } else { Ink::Text }, alarm.text.clone()),
    ]
}

pub(super) fn ink(alarm: &Alarm) -> Ink {
    match (&alarm.acknowledged, alarm.severity) {
        (Some(_), _) => Ink::Dim,
        (None, Severity::Alarm) => Ink::Split,
        (None, _) => Ink::Warn,
    }
}

fn explained(model: &Model, alarm: &Alarm, width: usize) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut fact = |label: &str, text: &str| {
        for (i, part) in text::wrap(text, width.saturating_sub(12).max(10)).into_iter().enumerate() {
            lines.push(vec![dim(text::left(if i == 0 { label } else { "" }, 12)), t(part)]);
        }
    };
    fact("what", &alarm.text);
    fact("since", &when(model, alarm).unwrap_or_else(|| "nobody can say: it was so when it was looked at".into()));
    for (label, text) in [("means", &alarm.meaning), ("to do", &alarm.advice)] {
        if !text.is_empty() {
            fact(label, text);
        }
    }
    if let Some(seen) = &alarm.acknowledged {
        let why = seen.reason.as_ref().map_or(String::new(), |r| format!(": {r}"));
        fact("seen", &format!("acknowledged by {} at {}{why}", seen.by, time_of(model, seen.at_us, false)));
    }
    fact("name", &alarm.id);
    lines
}

/// When it began: the time of day, with the day if that is not today.
pub(super) fn when(model: &Model, alarm: &Alarm) -> Option<String> {
    const DAY: u64 = 86_400_000_000;
    let since = alarm.since_us?;
    let time = time_of(model, since, false);
    let now = model.shown().wall_us;
    if now.saturating_sub(since) < DAY {
        return Some(time);
    }
    let stamp = jiff::Timestamp::from_microsecond(i64::try_from(since).ok()?).ok()?;
    let date = stamp.to_zoned(model.zone.clone()).strftime("%d %b %H:%M").to_string();
    Some(date)
}

/// As one sentence: what, since when, what it means.
pub(super) fn sentence(model: &Model, alarm: &Alarm) -> String {
    let since = when(model, alarm).map_or(String::new(), |at| format!(", since {at}"));
    let meaning = if alarm.meaning.is_empty() { String::new() } else { format!("; {}", alarm.meaning) };
    let word = alarm.kind.word();
    let word = if alarm.text.contains(word) { String::new() } else { format!("{word}: ") };
    format!("{word}{}{since}{meaning}", alarm.text)
}
