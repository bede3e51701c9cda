//! Log: who asked for what on all nodes, what of it can be undone, and what the engines said; the newest first.

use super::super::model::{Model, Pane, RowId};
use super::super::papers::Source;
use super::super::rows::{self, LogLine};
use super::super::text;
use super::super::theme::Ink;
use super::canvas::{Canvas, Line, dim, first_shown, line_of, t, title};
use super::frame::time_of;
use super::{details, timeline};
use crate::status::{Action, AuditEntry, AuditResult, Event};
use ratatui::layout::Rect;

pub(super) fn draw(canvas: &mut Canvas, area: Rect) {
    let below = if area.height >= 18 && !canvas.model.zoomed { 7 } else { 0 };
    let list = Rect { height: area.height - below, ..area };
    entries(canvas, list);
    if below > 0 {
        selected(canvas, Rect { y: list.bottom(), height: below, ..area });
    }
}

fn entries(canvas: &mut Canvas, area: Rect) {
    let model = canvas.model;
    let lines = rows::log(model, &model.filter.to_lowercase());
    let follows = if model.follows { ", follows the newest" } else { ", gg follows the newest" };
    let right = format!("{}{}{follows}", text::plural(lines.len(), "line"), earlier(model));
    let mut tabs: Line = Vec::new();
    for source in Source::ALL {
        let on = source == model.papers.source;
        let name = source.name();
        tabs.push(if on { title(format!("[{name}]")) } else { dim(format!(" {name} ")) });
    }
    let inner = canvas.pane(area, &tabs, &[dim(right)], Some(Pane::Log));
    if lines.is_empty() {
        canvas.put(line_of(inner, 0), &[dim(format!("  {}", nothing(model)))]);
    }
    let room = usize::from(inner.height);
    let selected = model.selected.get(&Pane::Log);
    let top = first_shown(lines.len(), room, lines.iter().position(|l| Some(&l.row()) == selected));
    let shown = || lines.iter().skip(top).take(room);
    let node = shown().map(|l| text::width(&l.node(model))).max().unwrap_or(0).min(12);
    for (i, line) in shown().enumerate() {
        let mut parts = vec![dim(format!("{}  ", time_of(model, line.wall_us(), area.width >= 80)))];
        parts.push(t(format!("{}  ", text::left(&text::cut_middle(&line.node(model), node), node))));
        parts.extend(match line {
            LogLine::Audit(_, entry) => audit(entry, usize::from(area.width)),
            LogLine::Change(_, action) => change(action, usize::from(area.width)),
            LogLine::Event(_, event) => said(event),
        });
        canvas.row(line_of(inner, i), Pane::Log, &line.row(), parts);
    }
    canvas.more(inner, top, lines.len().saturating_sub(top + room));
}

/// Whether the log goes back further than what is here.
fn earlier(model: &Model) -> &'static str {
    let has = model.papers.source == Source::Audit
        && model.shown().nodes.iter().flat_map(|n| &n.audit).any(|audit| audit.earlier);
    if has { ", older ones in the nodes' files" } else { "" }
}

fn nothing(model: &Model) -> &'static str {
    match (model.filter.is_empty(), model.papers.source) {
        (false, _) => "the filter lets no line through",
        (true, Source::Audit) => "nobody has asked for anything yet",
        (true, Source::Changes) => "nothing has been changed that a node remembers",
        (true, Source::Engine) => "nothing has happened yet",
    }
}

fn audit(entry: &AuditEntry, width: usize) -> Line {
    let (ink, mark) = match entry.result {
        AuditResult::Accepted => (Ink::Good, "✓"),
        AuditResult::Rejected => (Ink::Fault, "✗"),
        AuditResult::Unanswered => (Ink::Stale, "?"),
    };
    let who = if width < 100 { entry.actor.user.clone() } else { entry.actor.to_string() };
    let reason = entry.reason.as_deref().map(|r| format!("  {r}")).unwrap_or_default();
    let answer = if entry.result == AuditResult::Accepted { String::new() } else { format!("  {}", entry.answer) };
    vec![
        (ink, format!("{mark} ")),
        dim(format!("{}  ", text::left(&text::cut_middle(&who, 24), if width < 100 { 8 } else { 20 }))),
        t(entry.command.clone()),
        (ink, answer),
        dim(reason),
    ]
}

fn change(action: &Action, width: usize) -> Line {
    let can = action.gives_back.is_some();
    let (ink, mark) = if can { (Ink::Held, "↶") } else { (Ink::Dim, " ") };
    let who = text::left(&text::cut_middle(&action.by.user, 12), if width < 100 { 8 } else { 12 });
    let state = format!("  {:?}", action.state).to_lowercase();
    let undo = match (&action.gives_back, &action.does_not) {
        (Some(gives), _) => format!("  undo: {gives}"),
        (None, Some(why)) => format!("  {why}"),
        (None, None) => String::new(),
    };
    vec![(ink, format!("{mark} ")), dim(format!("{who}  ")), t(action.line.clone()), dim(state), (ink, undo)]
}

fn said(event: &Event) -> Line {
    let ink = timeline::ink(event.severity);
    let cause = event.cause.as_deref().map(|c| format!("  {c}")).unwrap_or_default();
    let severity = text::left(&event.severity.to_string(), 7);
    vec![(ink, format!("{severity}  ")), dim(format!("{}  ", event.subject)), (ink, event.text.clone()), dim(cause)]
}

fn selected(canvas: &mut Canvas, area: Rect) {
    let model = canvas.model;
    let hint = match model.papers.source {
        Source::Changes => "v next log, U undo",
        Source::Audit | Source::Engine => "v next log, Enter everything, y copies JSON",
    };
    let inner = canvas.pane(area, &[title("Selected")], &[dim(hint)], None);
    let inner = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };
    let Some(row) = model.selected.get(&Pane::Log) else { return };
    for (i, line) in details::lines(model, row, usize::from(inner.width)).iter().enumerate() {
        canvas.put(line_of(inner, i), line);
    }
}

/// Everything about an entry of the audit log.
pub(super) fn audit_lines(model: &Model, entry: &AuditEntry, width: usize) -> Vec<Line> {
    let mut out = details::fact("asked", &format!("{} of {}", entry.command, entry.node), width);
    out.extend(details::fact("by", &entry.actor.to_string(), width));
    out.extend(details::fact("at", &time_of(model, entry.wall_us, true), width));
    out.extend(details::fact("why", entry.reason.as_deref().unwrap_or("- (no reason was given)"), width));
    out.extend(details::fact("result", &format!("{}: {}", entry.result, entry.answer), width));
    out.extend(details::fact("took", &text::took(u128::from(entry.took_us)), width));
    out.extend(details::fact("number", &entry.seq.to_string(), width));
    out
}

/// Everything about a change.
pub(super) fn change_lines(model: &Model, action: &Action, width: usize) -> Vec<Line> {
    let mut out = details::fact("done", &action.line, width);
    out.extend(details::fact("by", &action.by.to_string(), width));
    out.extend(details::fact("at", &time_of(model, action.at_us, true), width));
    out.extend(details::fact("why", action.reason.as_deref().unwrap_or("- (no reason was given)"), width));
    out.extend(details::fact("undo", action.gives_back.as_deref().unwrap_or("- (it cannot be undone)"), width));
    if let Some(not) = &action.does_not {
        out.extend(details::fact("not", not, width));
    }
    for since in &action.since {
        out.extend(details::fact("since then", since, width));
    }
    out
}

/// The row of a log's line, for the details and for copies.
pub(super) fn entry<'m>(model: &'m Model, row: &RowId) -> Option<&'m AuditEntry> {
    let RowId::Audit(node, seq) = row else { return None };
    let audit = model.shown().nodes.get(*node)?.audit.as_ref()?;
    audit.entries.iter().find(|e| e.seq == *seq).map(|e| &**e)
}

pub(super) fn action<'m>(model: &'m Model, row: &RowId) -> Option<&'m Action> {
    let RowId::Change(node, id) = row else { return None };
    model.shown().nodes.get(*node)?.snapshot.as_ref()?.actions.iter().find(|a| a.id == *id)
}
