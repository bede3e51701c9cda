//! A question: the plan, the checks, the fields, the same as a command, the buttons; of a low risk one line.

use super::super::model::{Model, Room};
use super::super::plan::{Check, Mark, Risk};
use super::super::question::{Field, Question, Subject};
use super::super::text;
use super::super::theme::Ink;
use super::canvas::{Canvas, Hit, Line, dim, line_of, t, title};
use super::fields;
use crate::status::Mode;
use ratatui::layout::{Position, Rect};
use ratatui::widgets::{Clear, Widget};

/// The widest a question gets.
const WIDTH: u16 = 104;

pub(super) fn draw(canvas: &mut Canvas, question: &Question) {
    if question.is_line() { line(canvas, question) } else { dialog(canvas, question) }
}

/// Over the message line, and over as much above it as a long sentence needs.
fn line(canvas: &mut Canvas, question: &Question) {
    let model = canvas.model;
    let all = canvas.buf.area;
    let width = usize::from(all.width).saturating_sub(4);
    let plan = &question.plan;
    let mut lines: Vec<Line> = Vec::new();
    if question.changed {
        lines.push(vec![(Ink::Split, " CHANGED ".into()), t(" the cluster changed while this was open")]);
    }
    lines.extend(text::wrap(&format!("{}.", plan.effect), width).into_iter().map(|l| vec![title(l)]));
    for check in plan.checks.iter().filter(|c| c.mark > Mark::Good) {
        lines.extend(check_lines(model, check, width));
    }
    for (field, line) in fields::lines(model, question, width) {
        if field == Field::Weight {
            lines.push(line);
        }
    }
    let keys = [("y", "does it"), ("Tab", "all of it"), ("Esc", "cancels")];
    let hint: Line =
        keys.iter().flat_map(|(k, what)| [(Ink::Key, format!("{k} ")), dim(format!("{what}  "))]).collect();
    let hint_width: usize = hint.iter().map(|(_, t)| text::width(t)).sum();
    match lines.last_mut() {
        Some(last) if last.iter().map(|(_, t)| text::width(t)).sum::<usize>() + hint_width + 2 <= width => {
            last.push(t("  "));
            last.extend(hint);
        }
        _ => lines.push(hint),
    }
    let below = if model.room() >= Room::Medium { 2 } else { 1 };
    let height = (lines.len() as u16).min(all.height.saturating_sub(below));
    let area = Rect { y: all.height.saturating_sub(below + height), height, ..all };
    Clear.render(area, canvas.buf);
    let base = canvas.style(Ink::Text);
    canvas.buf.set_style(area, base);
    for (i, line) in lines.iter().enumerate() {
        let mark = if i == 0 { " ▸ " } else { "   " };
        let mut whole = vec![(Ink::Key, mark.to_owned())];
        whole.extend(line.iter().cloned());
        put_field(canvas, line_of(area, i), &whole, question.focus.is_value());
    }
}

/// Writes a line, and puts the cursor into its field that has the keys.
fn put_field(canvas: &mut Canvas, at: Rect, line: &[(Ink, String)], takes_text: bool) {
    canvas.put(at, line);
    let Some(place) = line.iter().position(|(ink, _)| *ink == Ink::Field).filter(|_| takes_text) else { return };
    let before: usize = line.iter().take(place + 1).map(|(_, t)| text::width(t)).sum();
    let x = (at.x + before as u16).saturating_sub(2).min(at.right().saturating_sub(1));
    canvas.cursor = Some(Position { x, y: at.y });
}

fn dialog(canvas: &mut Canvas, question: &Question) {
    let model = canvas.model;
    let (width, inner_width) = widths(model);
    let body = body(model, question, inner_width);
    let fields = fields::lines(model, question, inner_width);
    let full = body.len() + fields.len() + 2;
    let height = (full as u16 + 2).min(model.size.height);
    let room = usize::from(width).saturating_sub(text::width(&question.plan.title) + 10);
    let mut right = risk(question, room);
    if question.changed {
        right.insert(0, (Ink::Split, " CHANGED ".into()));
        right.insert(1, t(" "));
    }
    let inner = canvas.popup((width, height), &[title(question.plan.title.clone())], &right);
    // The fields and buttons are always in sight; the end of a long plan gives way.
    let room = usize::from(inner.height).saturating_sub(fields.len() + 2);
    let cut = body.len() > room;
    let shown = if cut { room.saturating_sub(1) } else { room };
    let first = question.scroll.min(body.len().saturating_sub(shown));
    for (i, line) in body.iter().skip(first).take(shown).enumerate() {
        canvas.put(line_of(inner, i), line);
    }
    if cut {
        let left = body.len() - shown;
        let text = format!("({} more: PgDn PgUp)", text::plural(left, "line"));
        canvas.put(line_of(inner, shown), &[dim(text)]);
    }
    let start = body.len().min(room);
    for (i, (field, line)) in fields.iter().enumerate() {
        let has_keys = *field == question.focus || line.iter().any(|(ink, _)| *ink == Ink::Field);
        put_field(canvas, line_of(inner, start + i), line, has_keys && takes_text(question.focus));
    }
    buttons(canvas, line_of(inner, usize::from(inner.height).saturating_sub(1)), question);
}

const fn takes_text(field: Field) -> bool {
    field.is_text() || field.is_value() || matches!(field, Field::Keep)
}

fn widths(model: &Model) -> (u16, usize) {
    let width = WIDTH.min(model.size.width.saturating_sub(2));
    (width, usize::from(width.saturating_sub(4)))
}

/// How far the plan can be scrolled.
pub(in crate::console) fn scroll_limit(model: &Model, question: &Question) -> usize {
    let (_, width) = widths(model);
    let fields = fields::lines(model, question, width).len();
    let room = usize::from(model.size.height).saturating_sub(fields + 5);
    body(model, question, width).len().saturating_sub(room)
}

/// The class, and how much it is about where there is room.
fn risk(question: &Question, room: usize) -> Line {
    let (ink, word) = match question.plan.risk {
        Some(Risk::Low) => (Ink::Dim, "low risk: y does it"),
        Some(Risk::Medium) => (Ink::Warn, "MEDIUM risk"),
        Some(Risk::High) => (Ink::Split, " HIGH risk "),
        Some(Risk::Refused) => (Ink::Split, " REFUSED "),
        None => (Ink::Dim, "nothing has been done yet"),
    };
    let mut line = vec![(ink, word.to_owned())];
    let scale = format!(": {}", question.plan.scale);
    if !question.plan.scale.is_empty() && text::width(word) + text::width(&scale) <= room {
        line.push((if ink == Ink::Dim { Ink::Dim } else { Ink::Warn }, scale));
    }
    line
}

fn body(model: &Model, question: &Question, width: usize) -> Vec<Line> {
    let plan = &question.plan;
    let is_red = plan.risk >= Some(Risk::High);
    let mut lines = if is_red { checks(model, question, width) } else { Vec::new() };
    if !question.is_refused() {
        lines.extend(steps(question, width));
    }
    if !is_red {
        lines.extend(checks(model, question, width));
    }
    for note in &plan.notes {
        lines.extend(text::wrap(note, width).into_iter().map(|l| vec![dim(l)]));
    }
    lines.extend(command(model, question, width));
    if !question.is_refused() {
        let undo = plan.undo.join(" ");
        lines.extend(text::wrap(&undo, width).into_iter().filter(|l| !l.is_empty()).map(|l| vec![t(l)]));
    }
    lines.push(Vec::new());
    lines
}

fn steps(question: &Question, width: usize) -> Vec<Line> {
    let plan = &question.plan;
    let intro = match question.subject() {
        Subject::Leave => "What each answer does",
        Subject::Reload { .. } => "What the node says would change (nothing has been changed)",
        _ if width < 90 => "What will happen (from the state on screen; nothing has been sent)",
        _ => "What will happen (worked out from the state on screen; nothing has been sent)",
    };
    let mut lines = Vec::new();
    if !plan.steps.is_empty() {
        lines.push(vec![dim(intro)]);
    }
    // Who does it stands in a column of its own.
    let split =
        |step: &str| step.split_once("  ").map_or((String::new(), step.to_owned()), |(w, s)| (w.into(), s.into()));
    let steps: Vec<(String, String)> = plan.steps.iter().map(|s| split(s)).collect();
    let column = steps.iter().map(|(who, _)| text::width(who)).max().map_or(0, |w| if w == 0 { 0 } else { w + 2 });
    for (i, (who, step)) in steps.iter().enumerate() {
        for (j, part) in text::wrap(step, width.saturating_sub(5 + column)).into_iter().enumerate() {
            let (number, who) = if j == 0 { (format!("{:>3}  ", i + 1), who.as_str()) } else { ("     ".into(), "") };
            lines.push(vec![(Ink::Key, number), title(text::left(who, column)), t(part)]);
        }
    }
    lines
}

fn checks(model: &Model, question: &Question, width: usize) -> Vec<Line> {
    let plan = &question.plan;
    let heading = if question.is_refused() { "Why it is not done from here" } else { "Checks" };
    let mut lines = Vec::new();
    if !plan.checks.is_empty() {
        lines.push(vec![dim(heading)]);
    }
    lines.extend(plan.checks.iter().flat_map(|check| check_lines(model, check, width)));
    lines
}

fn check_lines(model: &Model, check: &Check, width: usize) -> Vec<Line> {
    let (mark_ink, ink) = match check.mark {
        Mark::Good => (Ink::Good, Ink::Text),
        Mark::Warn => (Ink::Warn, Ink::Warn),
        Mark::Bad | Mark::Stop => (Ink::Fault, Ink::Fault),
    };
    let live = check.live.map_or(String::new(), |live| format!(" ({})", live.text(&model.live)));
    let parts = text::wrap(&format!("{}{live}", check.text), width.saturating_sub(5));
    let line = |(i, part): (usize, String)| {
        let mark = if i == 0 { format!("  {}  ", check.mark.glyph()) } else { "     ".into() };
        vec![(mark_ink, mark), (ink, part)]
    };
    parts.into_iter().enumerate().map(line).collect()
}

/// The same as a command: in the demo there is no engine that a command line could reach.
fn command(model: &Model, question: &Question, width: usize) -> Vec<Line> {
    let commands = question.command_lines(model);
    let intro = match model.mode {
        _ if question.is_refused() => "What would do it all the same, by your own hand:",
        Mode::Lab => "On a real cluster this is:",
        Mode::Live | Mode::Replay => "The same as a command:",
    };
    let mut lines = Vec::new();
    if !commands.is_empty() {
        lines.push(vec![dim(intro)]);
    }
    for command in commands {
        lines.extend(
            text::wrap(&command, width.saturating_sub(2)).into_iter().map(|l| vec![(Ink::Key, format!("  {l}"))]),
        );
    }
    lines
}

fn buttons(canvas: &mut Canvas, area: Rect, question: &Question) {
    let mut x = area.x + 2;
    for (i, label) in question.plan.buttons.iter().enumerate() {
        let on = question.focus == Field::Button(i);
        let (ink, text) =
            if on { (Ink::Field, format!("[[ {label} ]]")) } else { (Ink::Text, format!(" [ {label} ] ")) };
        let at = Rect { x, width: (text::width(&text) as u16).min(area.right().saturating_sub(x)), ..area };
        canvas.put(at, &[(ink, text)]);
        canvas.hits.push((at, Hit::Button(i)));
        x = at.right() + 2;
    }
    let hint = "Tab moves, Enter presses, Esc cancels";
    if usize::from(area.right().saturating_sub(x)) > text::width(hint) {
        canvas.put_right(area, &[dim(hint)]);
    }
}
