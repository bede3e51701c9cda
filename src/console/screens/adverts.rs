//! The adverts of the selected instance, node by node: sent, heard from whom, refused and why, and the priority's sum.
//!
//! ```text
//! lvs1  ● MASTER 150 = 150 base        722 sent from 10.0.0.1, every 1.00 s
//! lvs2  ○ BACKUP 100 = 100 base        none sent
//!         hears lvs1 10.0.0.1          priority 150, every 1.00 s, last 0.42 s ago
//! ```

use super::super::facts::{self, Row};
use super::super::model::{Freshness, Model, NodeView, Pane, Picture};
use super::super::text;
use super::super::theme::Ink;
use super::canvas::{Canvas, Line, dim, line_of, t, title};
use crate::status::{Heard, Instance, PacketErrors};
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
    let lines = lines(model, row, usize::from(inner.width));
    for (i, line) in lines.iter().enumerate() {
        canvas.put(line_of(inner, i), line);
    }
    canvas.more(inner, 0, lines.len().saturating_sub(usize::from(inner.height)));
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
        lines.push(vec![t("  sends   "), t(sends(instance))]);
        lines.extend(instance.heard.iter().map(|heard| vec![t("  hears   "), t(hears(picture, row, view, heard))]));
        if instance.adverts_refused > 0 {
            let why = reasons(&instance.packets);
            lines.push(vec![
                t("  refused "),
                (Ink::Warn, text::cut(&format!("{} {why}", text::count(instance.adverts_refused)), width - 10)),
            ]);
        }
    }
    lines
}

fn sends(instance: &Instance) -> String {
    let from = instance.source.map_or("no address to send from".to_owned(), |a| format!("from {a}"));
    let every = text::took(instance.advert_interval.as_micros());
    match instance.adverts_sent {
        0 => format!("none so far, {from}, every {every} as MASTER"),
        sent => format!("{} so far, {from}, every {every} as MASTER", text::count(sent)),
    }
}

fn hears(picture: &Picture, row: &Row, view: &NodeView, heard: &Heard) -> String {
    let who = row.sender(picture, heard.address).map_or_else(String::new, |name| format!("{name} "));
    let ago = text::span(picture.age(view, heard.at));
    let every = text::took(heard.interval.as_micros());
    format!("{who}{} priority {}, every {every}, last {ago} ago", heard.address, heard.priority)
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
