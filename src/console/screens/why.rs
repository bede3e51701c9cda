//! Why a row is as it is, and what would happen if: two pop-ups that change nothing.

use super::super::facts;
use super::super::foresee::WhatIf;
use super::super::model::{Freshness, Link, Model, NodeView, Picture, RowId};
use super::super::text;
use super::super::theme::Ink;
use super::canvas::{Canvas, Line, dim, line_of, t, title};
use super::details::{height, width};
use super::frame::time_of;
use crate::status::{Reason, Subject};
use crate::why::{self, Answer};

pub(super) fn draw(canvas: &mut Canvas, row: &RowId, scroll: usize) {
    let lines = lines(canvas.model, row, width(canvas.model));
    let heading = format!("Why: {}", name(row));
    pop_up(canvas, &lines, scroll, (&heading, "Esc back"));
}

fn pop_up(canvas: &mut Canvas, lines: &[Line], scroll: usize, (heading, keys): (&str, &str)) {
    let model = canvas.model;
    let size = (width(model) as u16 + 4, lines.len().min(height(model)) as u16 + 2);
    let inner = canvas.popup(size, &[title(heading)], &[dim(keys)]);
    let shown = usize::from(inner.height);
    for (i, line) in lines.iter().skip(scroll).take(shown).enumerate() {
        canvas.put(line_of(inner, i), line);
    }
    canvas.more(inner, scroll.min(lines.len()), lines.len().saturating_sub(scroll + shown));
}

fn name(row: &RowId) -> String {
    match row {
        RowId::Instance(_, name) | RowId::StageNode(name) | RowId::StageServer(name) => name.clone(),
        RowId::Service(key) => key.to_string(),
        RowId::Real(service, real) => format!("{real} of {service}"),
        RowId::Wire(_, link, _) => link.to_string(),
        RowId::Neighbour(_, _, vrid, address) => format!("{address}, VRID {vrid}"),
        RowId::Event(..) => "this event".into(),
        RowId::Paper(_) => "the configuration".into(),
        RowId::Audit(..) | RowId::Change(..) => "what was asked".into(),
    }
}

pub(super) fn lines(model: &Model, row: &RowId, width: usize) -> Vec<Line> {
    let picture = model.shown();
    if let RowId::Event(node, wall, seq) = row {
        let events = picture.nodes.get(*node).into_iter().flat_map(|view| &view.events);
        let Some(event) = events.into_iter().find(|e| (e.wall_us, e.seq) == (*wall, *seq)) else {
            return vec![vec![dim("it is not kept any more")]];
        };
        let wall_of = |reason: &Reason| event.wall_us - event.at.as_micros() + reason.at.as_micros();
        return answer(model, &why::of_event(event), wall_of, width);
    }
    let mut lines: Vec<Line> = Vec::new();
    for (node, subject) in subjects(model, row) {
        let Some(view) = picture.nodes.get(node) else { continue };
        lines.push(vec![title(view.name().to_owned()), t("  "), word(picture, node)]);
        lines.extend(of_node(model, view, &subject, width));
        if picture.freshness(node) != Freshness::Fresh {
            lines.extend(freshness(model, view, width));
        }
        lines.push(Vec::new());
    }
    lines.pop();
    if lines.is_empty() { vec![vec![dim("no node has said a word of it")]] } else { lines }
}

/// What to ask each node, the chosen one alone.
fn subjects(model: &Model, row: &RowId) -> Vec<(usize, Subject)> {
    let picture = model.shown();
    let mut all: Vec<(usize, Subject)> = match row {
        RowId::Instance(..) => {
            let rows = facts::rows(picture);
            let found = rows.iter().find(|r| r.id == *row);
            let members = found.into_iter().flat_map(|r| r.members.iter().enumerate());
            members.filter_map(|(n, i)| Some((n, Subject::Instance(i.as_ref()?.name.clone())))).collect()
        }
        RowId::Service(key) => facts::served(picture)
            .iter()
            .filter(|s| s.service.id == *key)
            .map(|s| (s.node, Subject::Service(*key)))
            .collect(),
        RowId::Real(key, real) => {
            facts::real(picture, key, real).map(|(s, _)| (s.node, Subject::Real(*key, *real))).into_iter().collect()
        }
        RowId::StageServer(name) => {
            let server = picture.stage.iter().flat_map(|s| &s.stage.servers).find(|s| s.name == *name);
            let served = facts::served(picture);
            let of = |address| {
                let has = |s: &&facts::Served| s.service.reals.iter().any(|r| r.id == address);
                served.iter().find(has).map(|s| (s.node, Subject::Real(s.service.id, address)))
            };
            server.and_then(|s| of(s.address)).into_iter().collect()
        }
        RowId::StageNode(name) => {
            let node = picture.nodes.iter().position(|n| n.name() == name);
            node.map(|n| (n, Subject::Node)).into_iter().collect()
        }
        RowId::Wire(node, ..)
        | RowId::Neighbour(node, ..)
        | RowId::Event(node, ..)
        | RowId::Audit(node, _)
        | RowId::Change(node, _) => vec![(*node, Subject::Node)],
        RowId::Paper(_) => vec![(model.papers.node, Subject::Node)],
    };
    // Whoever is not MASTER is asked about at night.
    if let Some(column) = model.column.filter(|c| all.iter().any(|(n, _)| n == c)) {
        all.retain(|(n, _)| *n == column);
    }
    all
}

fn word(picture: &Picture, node: usize) -> (Ink, String) {
    match picture.freshness(node) {
        Freshness::Fresh => dim("reported"),
        Freshness::Stale(age) => (Ink::Stale, format!("STALE, its last word {} ago", text::age(age))),
        Freshness::Dead => (Ink::Fault, "crashed; its last word before".into()),
        Freshness::Never => dim("has not said a word"),
    }
}

/// Why a node cannot be believed: what the console saw of the link to it.
fn freshness(model: &Model, view: &NodeView, width: usize) -> Vec<Line> {
    let picture = model.shown();
    let why = match &view.link {
        Link::Lost { why, since } => {
            let ago = text::age(picture.at.saturating_sub(*since));
            format!("the link to it was lost {ago} ago: {why}  [link]")
        }
        Link::Connecting => "the console is connecting, and nothing has come yet  [link]".into(),
        Link::Live => "the link stands, and nothing comes through it  [silence]".into(),
    };
    let mut lines = vec![vec![(Ink::Warn, format!("{} is not fresh", view.name()))]];
    lines.extend(
        text::wrap(&why, width.saturating_sub(4).max(10)).into_iter().map(|part| vec![t(format!("    {part}"))]),
    );
    lines
}

fn of_node(model: &Model, view: &NodeView, subject: &Subject, width: usize) -> Vec<Line> {
    let Some(why) = view.snapshot.as_deref().and_then(|s| why::of(s, subject)) else { return Vec::new() };
    why.answers.iter().flat_map(|a| answer(model, a, |reason| why.wall_of(reason.at), width)).collect()
}

/// A fact, and below it what it follows from.
fn answer(model: &Model, answer: &Answer, wall_of: impl Fn(&Reason) -> u64, width: usize) -> Vec<Line> {
    const TIME: usize = 16;
    let fact = text::wrap(&answer.fact, width.max(10)).into_iter();
    let mut lines: Vec<Line> = fact.map(|part| vec![(Ink::Text, part)]).collect();
    for reason in &answer.chain {
        let kind = reason.input.as_ref().map(|kind| format!("  [{kind}]")).unwrap_or_default();
        let when = time_of(model, wall_of(reason), true);
        let parts = text::wrap(&format!("{}{kind}", reason.text), width.saturating_sub(TIME).max(10));
        for (i, part) in parts.into_iter().enumerate() {
            let left = if i == 0 { format!("  {when}") } else { String::new() };
            let ink = if reason.input.is_some() { Ink::Title } else { Ink::Text };
            lines.push(vec![dim(text::left(&left, TIME)), (ink, part)]);
        }
    }
    lines
}

pub(super) fn what_if(canvas: &mut Canvas, open: &WhatIf) {
    let model = canvas.model;
    let width = width(model);
    let room = height(model);
    let most = (room / 3).max(3);
    let first = open.at.saturating_sub(most / 2).min(open.choices.len().saturating_sub(most));
    let mut lines: Vec<Line> = Vec::new();
    for (i, choice) in open.choices.iter().enumerate().skip(first).take(most) {
        let (ink, mark) = if i == open.at { (Ink::Selected, "▸") } else { (Ink::Text, " ") };
        lines.push(vec![(ink, text::left(&text::cut(&format!("{mark} if {choice}"), width), width))]);
    }
    if open.choices.len() > most {
        lines.push(vec![dim(format!("  {} of {} questions", most, open.choices.len()))]);
    }
    lines.push(Vec::new());
    let wrapped = |ink: Ink, start: &str, text: &str| -> Vec<Line> {
        let parts = text::wrap(text, width.saturating_sub(2).max(10)).into_iter().enumerate();
        parts.map(|(i, part)| vec![(ink, format!("{}{part}", if i == 0 { start } else { "  " }))]).collect()
    };
    match &open.answer {
        Err(why) => lines.extend(wrapped(Ink::Warn, "! ", why)),
        Ok(forecast) => {
            for outcome in &forecast.instances {
                let ink = match outcome.after.len() {
                    1 if outcome.before == outcome.after => Ink::Dim,
                    1 => Ink::Text,
                    _ => Ink::Fault,
                };
                lines.extend(wrapped(ink, "  ", &outcome.to_string()));
            }
            for service in &forecast.services {
                let ink = if service.quorum && service.takes > 0 { Ink::Text } else { Ink::Fault };
                lines.extend(wrapped(ink, "  ", &service.to_string()));
            }
            for text in &forecast.uncertain {
                lines.extend(wrapped(Ink::Warn, "? ", text));
            }
        }
    }
    let shown = room.saturating_sub(2);
    if lines.len() > shown {
        let hidden = lines.len() - shown + 1;
        lines.truncate(shown.saturating_sub(1));
        lines.push(vec![dim(format!("  {hidden} lines do not fit: vipdeck what-if shows all"))]);
    }
    let at = time_of(model, open.wall_us, false);
    lines.push(vec![dim(text::cut(
        &format!("worked out from the state at {at} with the timers; nothing was changed"),
        width,
    ))]);
    pop_up(canvas, &lines, 0, ("What if", "↑↓ choose  Esc back"));
}
