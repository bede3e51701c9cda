//! The adverts of the selected instance, node by node: sent, heard from whom, refused and why, and the priority's sum.
//!
//! ```text
//! lvs1  ● MASTER 150 = 150 base
//!   sends   722 from 10.0.0.1; lvs2 heard 722
//! lvs2  ○ BACKUP 100 = 100 base
//!   sends   none, from 10.0.0.2
//!   hears   lvs1 10.0.0.1: 722, 0 lost, last 0.42 s ago, priority 150, every 1.00 s
//! ```

use super::super::facts::{self, Row};
use super::super::model::{Freshness, Model, NodeView, Pane, Picture};
use super::super::state::State;
use super::super::text;
use super::super::theme::Ink;
use super::super::wire;
use super::canvas::{Canvas, Line, dim, t, title};
use crate::status::{Instance, Neighbour, PacketErrors};
use ratatui::layout::Rect;

pub(super) fn draw(canvas: &mut Canvas, area: Rect) {
    let model = canvas.model;
    let rows = facts::rows(model.shown());
    let Some(row) = rows.iter().find(|r| Some(&r.id) == model.selected.get(&Pane::Matrix)) else {
        canvas.pane(area, &[title("Adverts")], &[dim("no instance selected")], None);
        return;
    };
    let member = row.members.iter().flatten().next();
    let kind = member.map_or(String::new(), |i| format!(" · VRRPv{} · {}", i.version, i.interface));
    let heading = [title(row.name), dim(format!(" · VRID {}{kind}", row.vrid))];
    let inner = canvas.pane(area, &heading, &[dim("adverts, by the word of each node")], None);
    let inner = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };
    canvas.lines(inner, &lines(model, row, usize::from(inner.width)));
}

/// How high the pane wants to be.
pub(super) fn height(model: &Model) -> u16 {
    let rows = facts::rows(model.shown());
    let row = rows.iter().find(|r| Some(&r.id) == model.selected.get(&Pane::Matrix));
    let lines = |i: &Instance| 2 + i.heard.len().max(1) + usize::from(i.adverts_refused > 0);
    let wanted: usize = row.map_or(1, |r| r.members.iter().flatten().map(|i| lines(i)).sum());
    wanted.min(40) as u16 + 2
}

fn lines(model: &Model, row: &Row, width: usize) -> Vec<Line> {
    let picture = model.shown();
    let mut lines = Vec::new();
    for (node, view) in picture.nodes.iter().enumerate() {
        let state = row.state(picture, node);
        let name = text::left(&text::cut_middle(view.name(), 12), 13);
        let mut line: Line = vec![title(name), (state.ink(), state.label())];
        let Some(instance) = row.members.get(node).copied().flatten() else {
            lines.push(line);
            continue;
        };
        if let Freshness::Stale(age) = picture.freshness(node) {
            line.push((Ink::Stale, format!("  what follows is {} old", text::age(age))));
        } else {
            let sum = format!(" {} = {}", instance.effective_priority, facts::sum(instance));
            line.push(dim(text::cut(&sum, width.saturating_sub(13 + text::width(&state.label())))));
        }
        lines.push(line);
        lines.push(vec![dim("  sends   "), t(sends(picture, node, instance))]);
        lines.extend(hears(picture, row, node, view, instance));
        if instance.adverts_refused > 0 {
            let why = format!("{}: {}", text::count(instance.adverts_refused), reasons(&instance.packets));
            lines.push(vec![dim("  refused "), (Ink::Warn, text::cut(&why, width.saturating_sub(10)))]);
        }
    }
    lines
}

/// What it sent, and how much of it arrived where.
fn sends(picture: &Picture, node: usize, instance: &Instance) -> String {
    let from = instance.source.map_or("no address to send from".to_owned(), |a| format!("from {a}"));
    if instance.adverts_sent == 0 {
        return format!("none so far, {from}");
    }
    let arrived = instance.source.map_or_else(Vec::new, |source| {
        let heard = wire::heard_by(picture, node, instance.vrid, source);
        heard.map(|(name, n)| format!("{name} heard {}", text::count(n.adverts))).collect()
    });
    let arrived = if arrived.is_empty() { String::new() } else { format!("; {}", text::listing(&arrived)) };
    let every = text::took(instance.advert_interval.as_micros());
    format!("{} {from}, every {every}{arrived}", text::count(instance.adverts_sent))
}

/// Whom it hears; by an engine that does not count them, only who that is.
fn hears(picture: &Picture, row: &Row, node: usize, view: &NodeView, instance: &Instance) -> Vec<Line> {
    let snapshot = view.snapshot.as_deref();
    let counted: Vec<&Neighbour> = snapshot.into_iter().flat_map(|s| wire::heard_for(s, &instance.name)).collect();
    let name = |address| match wire::node_at(picture, address).or_else(|| row.sender(picture, address)) {
        Some(name) => format!("{name} {address}"),
        None => format!("{address} (heard only)"),
    };
    let line = |ink, text: String| vec![dim("  hears   "), (ink, text)];
    if counted.is_empty() {
        let known = instance.heard.iter().map(|h| {
            let ago = text::span(picture.age(view, h.at));
            let every = text::took(h.interval.as_micros());
            line(Ink::Text, format!("{}: priority {}, every {every}, last {ago} ago", name(h.address), h.priority))
        });
        let known: Vec<Line> = known.collect();
        return if known.is_empty() { vec![line(Ink::Dim, "nobody".into())] } else { known };
    }
    let told = counted.into_iter().map(|n| {
        let state = wire::state(picture, node, n);
        let ago = text::span(picture.age(view, n.at));
        let every = text::took(n.interval.as_micros());
        let (adverts, lost) = (text::count(n.adverts), text::count(n.lost));
        let said = format!("{adverts}, {lost} lost, last {ago} ago, priority {}, every {every}", n.priority);
        match (state, &n.conflict) {
            (State::Collides, Some(why)) => line(state.ink(), format!("{} COLLIDES: {why}; {said}", name(n.address))),
            _ => {
                line(if state == State::Silent { Ink::Dim } else { Ink::Text }, format!("{}: {said}", name(n.address)))
            }
        }
    });
    told.collect()
}

/// Why adverts were not used, the most frequent first.
fn reasons(packets: &PacketErrors) -> String {
    let mut counts = [
        (packets.auth_failure, "wrong password"),
        (packets.auth_type, "another auth_type"),
        (packets.invalid_auth_type, "no such auth_type"),
        (packets.version, "another version"),
        (packets.interval, "another interval"),
        (packets.ttl, "TTL"),
        (packets.checksum, "checksum"),
        (packets.length, "length"),
        (packets.invalid_type, "type"),
        (packets.peer, "no peer"),
        (packets.auth_ext_missing, "not signed"),
        (packets.auth_ext_malformed, "signature malformed"),
        (packets.auth_ext_unknown_key, "unknown key"),
        (packets.auth_ext_invalid_hmac, "wrong signature"),
        (packets.auth_ext_stale, "signature too old"),
        (packets.auth_ext_replay, "repeated"),
    ];
    counts.sort_by_key(|(n, _)| std::cmp::Reverse(*n));
    let parts = counts.iter().take_while(|(n, _)| *n > 0).map(|(n, why)| format!("{why} {}", text::count(*n)));
    parts.collect::<Vec<_>>().join(", ")
}
