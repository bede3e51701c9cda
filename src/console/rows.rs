//! The rows of each pane, filtered, and the selection that moves along them by id.

use super::facts::{self, Row, Served};
use super::model::{Model, Pane, Picture, RowId};
use crate::status::Event;
use serde_json::{Value, json};
use std::sync::Arc;

/// The rows of a pane that the filter lets through.
pub(super) fn of(model: &Model, pane: Pane) -> Vec<RowId> {
    let picture = model.shown();
    let filter = model.filter.to_lowercase();
    match pane {
        Pane::Matrix => {
            let rows = facts::rows(picture);
            rows.into_iter().filter(|r| passes(&filter, &instance_text(picture, r))).map(|r| r.id).collect()
        }
        Pane::Summary | Pane::Servers => {
            let mut out: Vec<RowId> = Vec::new();
            for served in facts::served(picture) {
                let rows = service_rows(picture, &served, &filter);
                out.extend(rows.into_iter().filter(|r| !out.contains(r)).collect::<Vec<_>>());
            }
            out
        }
        Pane::Stage => {
            let stage = picture.stage.iter();
            let nodes = stage.clone().flat_map(|s| &s.stage.nodes).map(|n| RowId::StageNode(n.name.clone()));
            nodes.chain(stage.flat_map(|s| &s.stage.servers).map(|s| RowId::StageServer(s.name.clone()))).collect()
        }
        Pane::Events | Pane::History => {
            history(model).into_iter().map(|(node, event)| RowId::Event(node, event.wall_us, event.seq)).collect()
        }
    }
}

/// A service and its real servers, as far as the filter lets them through: a service whose own text matches brings
/// all its servers along.
pub(super) fn service_rows(picture: &Picture, served: &Served, filter: &str) -> Vec<RowId> {
    let service = served.service;
    let whole = passes(filter, &format!("{} {} {}", service.id, service.scheduler, served.view.name()).to_lowercase());
    let reals: Vec<RowId> = service
        .reals
        .iter()
        .filter(|r| {
            let words = (facts::health_of(r).word(), facts::admin_of(r).word());
            let name = facts::server_name(picture, &r.id);
            whole || passes(filter, &format!("{name} {} {} {}", r.id, words.0, words.1).to_lowercase())
        })
        .map(|r| RowId::Real(service.id, r.id))
        .collect();
    if !whole && reals.is_empty() {
        return Vec::new();
    }
    std::iter::once(RowId::Service(service.id)).chain(reals).collect()
}

fn passes(filter: &str, text: &str) -> bool {
    filter.is_empty() || text.contains(filter)
}

fn instance_text(picture: &Picture, row: &Row) -> String {
    let states = (0..row.members.len()).map(|n| row.state(picture, n).word()).collect::<Vec<_>>().join(" ");
    let vips: Vec<String> = row.vips.iter().map(ToString::to_string).collect();
    format!("{} {} {} {states}", row.name, row.vrid, vips.join(" ")).to_lowercase()
}

/// The events of all nodes that the filter lets through, on one wall clock, the newest first.
pub(super) fn history(model: &Model) -> Vec<(usize, &Arc<Event>)> {
    let filter = model.filter.to_lowercase();
    let nodes = model.shown().nodes.iter().enumerate();
    let notes = model.shown().notes.iter().map(|e| (usize::MAX, e));
    let all = nodes.flat_map(|(n, view)| view.events.iter().map(move |e| (n, e))).chain(notes);
    let mut events: Vec<_> = all
        .filter(|(_, e)| {
            let cause = e.cause.as_deref().unwrap_or("");
            filter.is_empty()
                || format!("{} {} {} {} {} {cause}", e.node, e.subject, e.kind, e.severity, e.text)
                    .to_lowercase()
                    .contains(&filter)
        })
        .collect();
    events.sort_by_key(|(n, e)| (std::cmp::Reverse(e.wall_us), *n, std::cmp::Reverse(e.seq)));
    events
}

/// After anything: every pane has a selected row if it has rows at all.
pub(super) fn keep_selection(model: &mut Model) {
    let mut panes = model.panes();
    if !panes.contains(&model.pane) {
        model.pane = panes.first().copied().unwrap_or(Pane::Matrix);
    }
    panes.dedup();
    for pane in panes {
        let rows = of(model, pane);
        let follows = matches!(pane, Pane::Events | Pane::History) && model.follows;
        let kept = model.selected.get(&pane).filter(|r| !follows && rows.contains(r)).cloned();
        match kept.or_else(|| rows.into_iter().next()) {
            Some(row) => drop(model.selected.insert(pane, row)),
            None => drop(model.selected.remove(&pane)),
        }
    }
}

/// Moves the selection of the pane that has the keys, and stops at the ends.
pub(super) fn step(model: &mut Model, by: isize) {
    let rows = of(model, model.pane);
    let at = position(model, &rows);
    select(model, &rows, at.saturating_add_signed(by).min(rows.len().saturating_sub(1)));
}

/// As [`step`], round the ends.
pub(super) fn step_wrapping(model: &mut Model, by: isize) {
    let rows = of(model, model.pane);
    let at = position(model, &rows) as isize;
    select(model, &rows, (at + by).rem_euclid(rows.len().max(1) as isize) as usize);
}

fn position(model: &Model, rows: &[RowId]) -> usize {
    model.row().and_then(|r| rows.iter().position(|x| x == r)).unwrap_or(0)
}

fn select(model: &mut Model, rows: &[RowId], at: usize) {
    if matches!(model.pane, Pane::Events | Pane::History) {
        model.follows = at == 0;
    }
    if let Some(row) = rows.get(at) {
        model.selected.insert(model.pane, row.clone());
    }
}

pub(super) fn half_page(model: &Model) -> usize {
    usize::from(model.size.height / 3).max(1)
}

/// Everything known about a row, as `y` copies it.
pub(super) fn as_json(model: &Model, row: &RowId) -> Option<String> {
    let picture = model.shown();
    let value = match row {
        RowId::Instance(..) => {
            let rows = facts::rows(picture);
            let found = rows.iter().find(|r| r.id == *row)?;
            let members: Vec<Value> = (0..found.members.len())
                .filter_map(|n| Some((n, found.members.get(n).copied().flatten()?)))
                .map(|(n, instance)| {
                    let name = picture.nodes.get(n).map_or("", |v| v.name());
                    json!({"node": name, "fresh": picture.is_fresh(n), "reported": instance})
                })
                .collect();
            json!({"instance": found.name, "vrid": found.vrid, "nodes": members})
        }
        RowId::Service(key) => {
            let of_key = facts::served(picture).into_iter().filter(|s| s.service.id == *key);
            let all: Vec<Value> = of_key.map(|s| json!({"node": s.view.name(), "reported": s.service})).collect();
            json!({"service": key, "nodes": all})
        }
        RowId::Real(key, real) => {
            let (served, found) = facts::real(picture, key, real)?;
            json!({"service": key, "node": served.view.name(), "reported": found})
        }
        RowId::StageNode(name) => json!(picture.stage_node(name)?),
        RowId::StageServer(name) => json!(picture.stage.as_ref()?.stage.servers.iter().find(|s| s.name == *name)?),
        RowId::Event(node, wall, seq) => {
            json!(**picture.event(*node, *wall, *seq)?)
        }
    };
    serde_json::to_string_pretty(&value).ok()
}
