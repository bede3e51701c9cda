//! Config: a node's file with its problems at their lines, against another node's or against the disk's.

use super::super::model::{Freshness, Model, NodeView, Pane, RowId};
use super::super::papers::{Against, Numbered, Preview, SheetLine};
use super::super::rows;
use super::super::text;
use super::super::theme::Ink;
use super::canvas::{Canvas, Line, dim, first_shown, line_of, t, title};
use super::frame::time_of;
use crate::status::{DiskState, Gravity, Problem};
use ratatui::layout::Rect;

pub(super) fn draw(canvas: &mut Canvas, area: Rect) {
    let model = canvas.model;
    let below = match &model.papers.preview {
        Some(preview) if preview.node == model.papers.node => (preview.lines.len() as u16 + 2).clamp(3, 8),
        _ => 5,
    };
    let below = if area.height >= 18 && !model.zoomed { below } else { 0 };
    let list = Rect { height: area.height - below, ..area };
    sheet(canvas, list);
    if below > 0 {
        let at = Rect { y: list.bottom(), height: below, ..area };
        match &model.papers.preview {
            Some(preview) if preview.node == model.papers.node => preview_pane(canvas, at, preview),
            _ => selected(canvas, at),
        }
    }
}

fn name(model: &Model, node: usize) -> &str {
    model.shown().nodes.get(node).map_or("?", NodeView::name)
}

fn sheet(canvas: &mut Canvas, area: Rect) {
    let model = canvas.model;
    let inner = canvas.pane(area, &heading(model), &[dim(standing(model, area.width))], Some(Pane::Paper));
    let shown = rows::of(model, Pane::Paper);
    let room = usize::from(inner.height);
    let selected = model.selected.get(&Pane::Paper);
    let top = first_shown(shown.len(), room, shown.iter().position(|r| Some(r) == selected));
    if shown.is_empty() {
        let why = if model.filter.is_empty() { "nothing is known yet" } else { "the filter lets no line through" };
        canvas.put(line_of(inner, 0), &[dim(format!("  {why}"))]);
    }
    for (i, row) in shown.iter().skip(top).take(room).enumerate() {
        let RowId::Paper(at) = row else { continue };
        let Some(line) = model.papers.sheet.lines.get(*at) else { continue };
        let drawn = drawn(model, line, usize::from(inner.width).saturating_sub(2));
        canvas.row(line_of(inner, i), Pane::Paper, row, drawn);
    }
    canvas.more(inner, top, shown.len().saturating_sub(top + room));
}

/// Whose file, against what, and how fresh the word is.
fn heading(model: &Model) -> Line {
    let node = model.papers.node;
    let mut line = vec![title(name(model, node))];
    match model.papers.against {
        Against::Nothing => {}
        Against::Disk => line.push(t(" running │ on the disk")),
        Against::Node(other) => line.push(title(format!(" │ {}", name(model, other)))),
    }
    let both = [Some(node), if let Against::Node(other) = model.papers.against { Some(other) } else { None }];
    for node in both.into_iter().flatten() {
        match model.shown().freshness(node) {
            Freshness::Fresh => {}
            Freshness::Stale(age) => {
                line.push((Ink::Stale, format!("  ? {} STALE {}", name(model, node), text::age(age))));
            }
            Freshness::Dead => line.push((Ink::Dead, format!("  ✗ {} DEAD", name(model, node)))),
            Freshness::Never => line.push((Ink::Stale, format!("  ? no word of {}", name(model, node)))),
        }
    }
    if model.papers.against == Against::Nothing
        && let Some(report) = model.shown().nodes.get(node).and_then(|n| n.config.as_ref())
    {
        line.push(dim(format!("  {}", text::cut_middle(&report.main, usize::from(model.size.width / 3).min(40)))));
    }
    line
}

/// What there is to say in a few words.
fn standing(model: &Model, width: u16) -> String {
    let sheet = &model.papers.sheet;
    let mut parts = Vec::new();
    if model.papers.against != Against::Nothing {
        parts.push(format!("{} differ", text::plural(sheet.differ, "line")));
    }
    match (model.papers.against, sheet.errors, sheet.problems) {
        (Against::Node(_), 0, 0) => parts.push("nothing that must not".into()),
        (Against::Node(_), errors, problems) if errors == problems => parts.push(format!("{errors} must not")),
        (Against::Node(_), errors, problems) => {
            parts.push(format!("{errors} must not, {} to look at", problems - errors));
        }
        (_, _, 0) => parts.push("no problem".into()),
        (_, _, problems) => parts.push(text::plural(problems, "problem")),
    }
    let view = model.shown().nodes.get(model.papers.node);
    if let Some(report) = view.and_then(|v| v.config.as_ref()) {
        if model.papers.against == Against::Nothing {
            parts.push(format!("loaded {}", time_of(model, report.loaded_us, false)));
        }
        // The snapshot is younger than the report.
        let told = view.and_then(|v| v.snapshot.as_ref()?.configuration.as_ref()?.disk.as_ref()).map(|d| &d.state);
        match told.or(report.state.as_ref()) {
            Some(DiskState::Same) if matches!(model.papers.against, Against::Node(_)) => {}
            Some(DiskState::Same) => parts.push("same on disk".into()),
            Some(DiskState::Rewritten) => parts.push("disk: same meaning".into()),
            Some(DiskState::Differs) => parts.push("DISK DIFFERS".into()),
            Some(DiskState::Broken { .. }) => parts.push("DISK HAS ERRORS".into()),
            Some(DiskState::Unreadable { .. }) => parts.push("DISK UNREADABLE".into()),
            None => parts.push("disk not looked at".into()),
        }
        if report.masked {
            parts.push("passwords hidden".into());
        }
    }
    // The first two matter most, and what is wrong with the disk.
    let matters = |(at, part): &(usize, String)| *at < 2 || part.starts_with("DISK") || width >= 100;
    let kept: Vec<String> = parts.into_iter().enumerate().filter(matters).map(|(_, part)| part).collect();
    kept.join(", ")
}

const fn ink(gravity: Gravity) -> Ink {
    match gravity {
        Gravity::Error => Ink::Fault,
        Gravity::Warning => Ink::Warn,
        Gravity::Note => Ink::Dim,
    }
}

fn mark(gravity: Option<Gravity>) -> (Ink, String) {
    match gravity {
        Some(Gravity::Error) => (Ink::Fault, "✗".into()),
        Some(Gravity::Warning) => (Ink::Warn, "!".into()),
        Some(Gravity::Note) => (Ink::Dim, "i".into()),
        None => t(" "),
    }
}

fn drawn(model: &Model, line: &SheetLine, width: usize) -> Line {
    match line {
        SheetLine::File(path) => vec![dim("── "), title(text::cut_middle(path, width.saturating_sub(3)))],
        SheetLine::Note(note) => vec![(Ink::Warn, format!("  {note}"))],
        SheetLine::Skipped(count) => vec![dim(format!("  ⋮ {} the same (z shows all)", text::plural(*count, "line")))],
        SheetLine::Problem(problem) => problem_line(problem, width),
        SheetLine::Text { left, right, same, gravity } => {
            let ink = match (*same, *gravity) {
                (true, _) => Ink::Text,
                (false, Some(Gravity::Error)) => Ink::Fault,
                (false, _) => Ink::Warn,
            };
            let mut out = vec![mark(*gravity)];
            match model.papers.against {
                Against::Nothing => out.extend(numbered(left.as_ref(), ink, width.saturating_sub(1))),
                _ if width >= 96 => {
                    let half = (width - 3) / 2;
                    out.extend(numbered(left.as_ref(), ink, half));
                    out.push(if *same { dim("│") } else { (ink, "≠".into()) });
                    out.extend(numbered(right.as_ref(), ink, half));
                }
                _ => {
                    let (sign, side) = match (left, right, same) {
                        (_, _, true) => (" ", left.as_ref()),
                        (Some(_), ..) => ("-", left.as_ref()),
                        _ => ("+", right.as_ref()),
                    };
                    out.push((ink, sign.to_owned()));
                    out.extend(numbered(side, ink, width.saturating_sub(2)));
                }
            }
            out
        }
    }
}

/// A number and a text, in so many cells.
fn numbered(line: Option<&Numbered>, ink: Ink, width: usize) -> Line {
    let Some(line) = line else { return vec![t(" ".repeat(width))] };
    let room = width.saturating_sub(7);
    vec![dim(format!("{:>5}  ", line.line)), (ink, text::left(&text::cut(&line.text, room), room))]
}

fn problem_line(problem: &Problem, width: usize) -> Line {
    let head = format!("        ╰ {}[{}]: ", problem.severity, problem.id);
    let room = width.saturating_sub(text::width(&head));
    vec![(ink(problem.severity), head), t(text::cut(&problem.message, room))]
}

/// The selected line in full.
fn selected(canvas: &mut Canvas, area: Rect) {
    let model = canvas.model;
    let inner = canvas.pane(area, &[title("Selected")], &[dim("n N next, v against, L reload preview")], None);
    let inner = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };
    let Some(RowId::Paper(at)) = model.selected.get(&Pane::Paper) else { return };
    for (i, line) in lines(model, *at, usize::from(inner.width)).iter().enumerate() {
        canvas.put(line_of(inner, i), line);
    }
}

/// Everything about one line, also for the details.
pub(super) fn lines(model: &Model, at: usize, width: usize) -> Vec<Line> {
    let wrapped = |ink: Ink, text: &str| -> Vec<Line> {
        text::wrap(text, width).into_iter().map(|part| vec![(ink, part)]).collect()
    };
    let Some(line) = model.papers.sheet.lines.get(at) else { return Vec::new() };
    match line {
        SheetLine::Problem(problem) => {
            let head = format!("{}[{}]: {}", problem.severity, problem.id, problem.message);
            let mut out = wrapped(ink(problem.severity), &head);
            for help in &problem.help {
                out.extend(wrapped(Ink::Text, &format!("help: {help}")));
            }
            for label in &problem.labels {
                let said = if label.text.is_empty() { String::new() } else { format!("  {}", label.text) };
                out.extend(wrapped(Ink::Dim, &format!("{}:{}:{}{said}", label.file, label.line, label.column)));
            }
            out
        }
        SheetLine::Text { left, right, .. } => {
            let sides = [(left, model.papers.node), (right, other(model))];
            let sides = sides.into_iter().filter_map(|(line, node)| Some((line.as_ref()?, node)));
            sides
                .flat_map(|(line, node)| {
                    let whose = if model.papers.against == Against::Disk { "" } else { name(model, node) };
                    wrapped(Ink::Text, format!("{whose} {}: {}", line.line, line.text.trim()).trim())
                })
                .collect()
        }
        SheetLine::File(text) | SheetLine::Note(text) => wrapped(Ink::Text, text),
        SheetLine::Skipped(count) => wrapped(Ink::Dim, &format!("{} are the same", text::plural(*count, "line"))),
    }
}

const fn other(model: &Model) -> usize {
    match model.papers.against {
        Against::Node(other) => other,
        Against::Nothing | Against::Disk => model.papers.node,
    }
}

fn preview_pane(canvas: &mut Canvas, area: Rect, preview: &Preview) {
    let model = canvas.model;
    let asked = format!("asked at {}, L asks again", time_of(model, preview.wall_us, false));
    let head = format!("A reload of {} would change", name(model, preview.node));
    let inner = canvas.pane(area, &[title(head)], &[dim(asked)], None);
    let room = usize::from(inner.height);
    for (i, line) in preview.lines.iter().take(room).enumerate() {
        let moves = line.contains("may ") || line.contains("removed") || line.contains("leaves");
        canvas.put(line_of(inner, i), &[(if moves { Ink::Warn } else { Ink::Text }, format!(" {line}"))]);
    }
    canvas.more(inner, 0, preview.lines.len().saturating_sub(room));
}
