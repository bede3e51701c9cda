//! A question: the plan, the checks, the fields, the same as a command, the buttons.

use super::super::model::Model;
use super::super::question::{Field, Question, RealVerb, Risk, Subject};
use super::super::text;
use super::super::theme::Ink;
use super::canvas::{Canvas, Hit, Line, dim, line_of, t, title};
use crate::status::Mode;
use ratatui::layout::{Position, Rect};

/// The widest a question gets.
const WIDTH: u16 = 100;

pub(super) fn draw(canvas: &mut Canvas, question: &Question) {
    let model = canvas.model;
    let width = WIDTH.min(model.size.width.saturating_sub(2));
    let inner_width = usize::from(width.saturating_sub(4));
    let body = body(model, question, inner_width);
    let fields = fields(question, inner_width);
    let full = body.len() + fields.len() + 2;
    let height = (full as u16 + 2).min(model.size.height);
    let (ink, risk) = match question.plan.risk {
        Some(Risk::Low) => (Ink::Dim, "low risk: y does it"),
        Some(Risk::Medium) => (Ink::Warn, "MEDIUM risk: Tab, then Enter"),
        None => (Ink::Dim, "nothing has been done yet"),
    };
    let mut right: Line = vec![(ink, risk.into())];
    if question.changed {
        right.insert(0, (Ink::Split, " CHANGED ".into()));
        right.insert(1, t(" "));
    }
    let inner = canvas.popup((width, height), &[title(question.plan.title.clone())], &right);
    // The fields and buttons are always in sight; the end of a long plan gives way.
    let room = usize::from(inner.height).saturating_sub(fields.len() + 2);
    let cut = body.len() > room;
    for (i, line) in body.iter().take(if cut { room.saturating_sub(1) } else { room }).enumerate() {
        canvas.put(line_of(inner, i), line);
    }
    if cut {
        let left = body.len() - room.saturating_sub(1);
        canvas.put(
            line_of(inner, room.saturating_sub(1)),
            &[dim(format!("({} more do not fit)", text::plural(left, "line")))],
        );
    }
    let start = body.len().min(room);
    for (i, (field, line)) in fields.iter().enumerate() {
        let at = line_of(inner, start + i);
        let end = canvas.put(at, line);
        if *field == question.focus
            && matches!(field, Field::Reason | Field::Weight | Field::Deadline | Field::SlowStart)
        {
            canvas.cursor = Some(Position { x: end.min(inner.right().saturating_sub(1)).saturating_sub(2), y: at.y });
        }
    }
    buttons(canvas, line_of(inner, usize::from(inner.height).saturating_sub(1)), question);
}

fn body(model: &Model, question: &Question, width: usize) -> Vec<Line> {
    let plan = &question.plan;
    let mut lines: Vec<Line> = Vec::new();
    let intro = match question.subject {
        Subject::Leave => "What each answer does",
        Subject::Reload { .. } => "What the node says would change (nothing has been changed)",
        _ => "What will happen (from the state on screen; nothing has been sent)",
    };
    if !plan.steps.is_empty() {
        lines.push(vec![dim(intro)]);
    }
    for (i, step) in plan.steps.iter().enumerate() {
        for (j, part) in text::wrap(step, width.saturating_sub(5)).into_iter().enumerate() {
            let number = if j == 0 { format!("  {}  ", i + 1) } else { "     ".into() };
            lines.push(vec![(Ink::Key, number), t(part)]);
        }
    }
    for check in &plan.checks {
        let (ink, mark) = if check.good { (Ink::Good, "✓") } else { (Ink::Warn, "!") };
        for (j, part) in text::wrap(&check.text, width.saturating_sub(5)).into_iter().enumerate() {
            let mark = if j == 0 { format!("  {mark}  ") } else { "     ".into() };
            lines.push(vec![(ink, mark), (if check.good { Ink::Text } else { Ink::Warn }, part)]);
        }
    }
    for note in &plan.notes {
        lines.extend(text::wrap(note, width).into_iter().map(|l| vec![dim(l)]));
    }
    lines.extend(command(model, question, width));
    lines.push(Vec::new());
    lines
}

/// The same as a command: in the demo there is no engine that a command line could reach.
fn command(model: &Model, question: &Question, width: usize) -> Vec<Line> {
    let commands = question.command_lines(model);
    let intro = if model.mode == Mode::Lab { "On a real cluster this is:" } else { "The same as a command:" };
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

fn fields(question: &Question, width: usize) -> Vec<(Field, Line)> {
    let mut out = Vec::new();
    for field in question.fields() {
        let ink = if question.focus == field { Ink::Field } else { Ink::Text };
        let line: Line = match field {
            Field::Button(_) => continue,
            Field::Weight => {
                vec![dim("Weight   "), (ink, format!("[ {} ]", text::left(&question.weight, 5).trim_end()))]
            }
            Field::Deadline => vec![
                dim("Deadline "),
                (ink, format!("[ {} ]", text::left(&question.deadline, 6).trim_end())),
                dim("  90s, 10m, 2h; none: it drains until it is empty"),
            ],
            Field::Then => vec![
                dim("Then     "),
                (ink, format!("[{}]", question.then)),
                dim("  ask, wait, reset the rest, or return; Space"),
            ],
            Field::Persistence => {
                let mark = if question.ignore_persistence { "x" } else { " " };
                vec![
                    dim("Sticky   "),
                    (ink, format!("[{mark}]")),
                    t(" clients that stick to it go elsewhere"),
                    dim("  Space"),
                ]
            }
            Field::SlowStart => vec![
                dim("Slowly   "),
                (ink, format!("[ {} ]", text::left(&question.slow_start, 6).trim_end())),
                dim("  90s, 10m: the weight grows for so long; none: at once"),
            ],
            Field::Reason => {
                let room = width.saturating_sub(30).max(10);
                // The end of a long reason is what is being typed.
                let skip = question.reason.chars().count().saturating_sub(room);
                let tail: String = question.reason.chars().skip(skip).collect();
                vec![dim("Reason   "), (ink, format!("[ {tail} ]")), dim("  goes to the log")]
            }
            Field::Scope => {
                let mark = if question.everywhere { "x" } else { " " };
                let verb = match question.subject {
                    Subject::Real { verb: RealVerb::Weight, .. } => "set it",
                    Subject::Real { verb: RealVerb::Return, .. } => "return it",
                    Subject::Real { verb: RealVerb::Maint, .. } => "take it down",
                    Subject::Real { verb: RealVerb::Reset, .. } => "reset it",
                    _ => "drain it",
                };
                vec![
                    dim("Where    "),
                    (ink, format!("[{mark}]")),
                    t(format!(" {verb} in every service that has this server")),
                    dim("  Space"),
                ]
            }
        };
        out.push((field, line));
    }
    // In the order of Tab the weight comes first, on screen too.
    out.sort_by_key(|(f, _)| !matches!(f, Field::Weight));
    out
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
