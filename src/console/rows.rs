//! The rows of each pane, filtered, sorted and folded, and the selection that moves along them by id.

use super::facts::{self, Row, Served};
use super::model::{Model, NodeView, Pane, Picture, RowId};
use super::papers::Source;
use super::table::{self, First, Key};
use super::wire;
use crate::net::Family;
use crate::status::{Action, AuditEntry, Event, Neighbour, Real, Role, WireLink};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The rows of a pane that the filter lets through.
pub(super) fn of(model: &Model, pane: Pane) -> Vec<RowId> {
    with(model, pane, &model.filter.to_lowercase())
}

/// How many rows a pane has without the filter.
pub(super) fn total(model: &Model, pane: Pane) -> usize {
    with(model, pane, "").len()
}

fn with(model: &Model, pane: Pane, filter: &str) -> Vec<RowId> {
    match pane {
        Pane::Matrix => instances(model, filter).into_iter().map(|r| r.id).collect(),
        Pane::Summary | Pane::Servers => {
            let lines = servers(model, filter);
            // Where nobody serves, several nodes tell of the same service.
            let mut services = BTreeSet::new();
            let is_told_twice =
                !lines.iter().filter(|l| l.real.is_none()).all(|l| services.insert(l.served.service.id));
            let mut seen = BTreeSet::new();
            let is_new = |row: &RowId| !is_told_twice || seen.insert(row.clone());
            lines.into_iter().map(|line| line.row).filter(is_new).collect()
        }
        Pane::Neighbours => neighbours(model, filter).into_iter().map(|line| line.row).collect(),
        Pane::Paper => {
            let lines = model.papers.sheet.lines.iter().enumerate();
            lines.filter(|(_, line)| passes(filter, || line.words())).map(|(at, _)| RowId::Paper(at)).collect()
        }
        Pane::Log => log(model, filter).iter().map(LogLine::row).collect(),
        Pane::Stage => {
            let stage = model.shown().stage.iter();
            let nodes = stage.clone().flat_map(|s| &s.stage.nodes).map(|n| RowId::StageNode(n.name.clone()));
            nodes.chain(stage.flat_map(|s| &s.stage.servers).map(|s| RowId::StageServer(s.name.clone()))).collect()
        }
        Pane::Events | Pane::History => {
            let event = |(node, event): (usize, &Arc<Event>)| RowId::Event(node, event.wall_us, event.seq);
            history(model, filter).into_iter().map(event).collect()
        }
    }
}

/// Whether a row's text has the filter in it; without one nothing is written out.
fn passes(filter: &str, text: impl FnOnce() -> String) -> bool {
    filter.is_empty() || text().to_lowercase().contains(filter)
}

/// The virtual routers.
pub(super) fn instances<'p>(model: &'p Model, filter: &str) -> Vec<Row<'p>> {
    let picture = model.shown();
    let rows = facts::rows(picture);
    let rows = rows.into_iter().filter(|r| passes(filter, || instance_text(picture, r))).collect();
    table::sort(rows, model.sort(Pane::Matrix), |row, column| instance_key(picture, row, column))
}

fn instance_text(picture: &Picture, row: &Row) -> String {
    let states = (0..row.members.len()).map(|n| row.state(picture, n).word()).collect::<Vec<_>>().join(" ");
    let vips: Vec<String> = row.vips.iter().map(ToString::to_string).collect();
    format!("{} {} {} {states}", row.name, row.vrid, vips.join(" "))
}

fn instance_key(picture: &Picture, row: &Row, column: &str) -> Option<Key> {
    let name = |node: usize| picture.nodes.get(node).map(|view| Key::Text(view.name().to_owned()));
    match column {
        "INSTANCE" => Some(Key::Text(row.name.to_lowercase())),
        "VRID" => Some(Key::Number(row.vrid.into())),
        "VIPS" => row.vips.first().map(|vip| Key::Text(format!("{:?}", vip.addr()))),
        // The worst first: two owners, none, a member in fault or without a word, a hold.
        "STATE" => {
            let members = row.all_fresh(picture);
            let any = |of: &dyn Fn(&crate::status::Instance) -> bool| members.iter().any(|(_, i)| of(i));
            Some(Key::Number(match () {
                () if row.is_split(picture) => 5,
                () if row.master(picture).is_none() && row.heard_master(picture).is_none() => 4,
                () if any(&|i| i.state == Role::Fault) => 3,
                () if members.len() < row.members.iter().flatten().count() => 2,
                () if any(&|i| i.hold.is_some()) => 1,
                () => 0,
            }))
        }
        "OWNER" => row.owners(picture).first().and_then(|node| name(*node)),
        "SINCE" => {
            let (node, instance) = row.master(picture)?;
            Some(Key::Number(picture.age(picture.nodes.get(node)?, instance.since)))
        }
        "FLIPS" => row.flips(picture).map(|n| Key::Number(n as u64)),
        _ => None,
    }
}

/// A line among the services: a service, or one of its real servers.
pub(super) struct ServiceLine<'p> {
    pub(super) row: RowId,
    pub(super) served: Served<'p>,
    /// None: the service itself.
    pub(super) real: Option<&'p Real>,
}

/// Each service of each node that serves it, with its real servers unless they are folded away. A service whose own
/// text passes the filter brings all its servers along.
pub(super) fn servers<'p>(model: &'p Model, filter: &str) -> Vec<ServiceLine<'p>> {
    let picture = model.shown();
    let sort = model.sort(Pane::Servers);
    let served = table::sort(facts::served(picture), sort, |s, column| match column {
        "SERVER" => None,
        // Of a service: all its servers together.
        _ => s.service.reals.iter().filter_map(|r| real_key(picture, r, column)).reduce(more),
    });
    let mut lines = Vec::new();
    for served in served {
        let service = served.service;
        let whole =
            passes(filter, || format!("{} {} {}", service.id, service.scheduler, served.view.name()).to_lowercase());
        let shown = service.reals.iter().filter(|r| whole || passes(filter, || real_text(picture, r))).collect();
        let reals: Vec<&Real> = table::sort(shown, sort, |r, column| real_key(picture, r, column));
        if !whole && reals.is_empty() {
            continue;
        }
        let row = RowId::Service(service.id);
        // What is looked for is shown, also in a folded service.
        let folded = model.folded.contains(&row) && (filter.is_empty() || whole);
        lines.push(ServiceLine { row, served, real: None });
        if !folded {
            let line = |real: &'p Real| ServiceLine { row: RowId::Real(service.id, real.id), served, real: Some(real) };
            lines.extend(reals.into_iter().map(line));
        }
    }
    lines
}

fn more(a: Key, b: Key) -> Key {
    match (a, b) {
        (Key::Number(a), Key::Number(b)) => Key::Number(a + b),
        (a, b) => a.max(b),
    }
}

fn real_text(picture: &Picture, real: &Real) -> String {
    let words = (facts::health_of(real).word(), facts::admin_of(real).word());
    format!("{} {} {} {}", facts::server_name(picture, &real.id), real.id, words.0, words.1)
}

fn real_key(picture: &Picture, real: &Real, column: &str) -> Option<Key> {
    let number = |value: Option<u32>| value.map(|n| Key::Number(n.into()));
    match column {
        "SERVER" => Some(Key::Text(facts::server_name(picture, &real.id))),
        "FWD" => Some(Key::Text(real.forwarding.name().to_owned())),
        "WEIGHT" => number(real.weight_kernel),
        "HEALTH" => Some(Key::Number(u64::from(!facts::is_good(real)) * 2 + u64::from(real.health.failing > 0))),
        "ADMIN" => Some(Key::Number(u64::from(real.drain.is_some()) * 2 + u64::from(real.weight_asked.is_some()))),
        "ACTIVE" => number(real.active),
        "INACT" => number(real.inactive),
        "CONN/S" => real.rate.map(|rate| Key::Number((rate * 10.0) as u64)),
        _ => None,
    }
}

/// A line of the wire: a link, or somebody heard on it.
pub(super) struct WireLine<'p> {
    pub(super) row: RowId,
    pub(super) node: usize,
    pub(super) link: &'p WireLink,
    /// None: the link itself.
    pub(super) neighbour: Option<&'p Neighbour>,
}

/// Each link of each node that can be believed, with everyone heard there unless they are folded away.
pub(super) fn neighbours<'p>(model: &'p Model, filter: &str) -> Vec<WireLine<'p>> {
    let picture = model.shown();
    let sort = model.sort(Pane::Neighbours);
    let mut lines = Vec::new();
    for (node, view) in picture.nodes.iter().enumerate() {
        let Some(told) = picture.fresh(node).map(|snapshot| &snapshot.wire) else { continue };
        for link in &told.links {
            let whole = passes(filter, || format!("{} {} {}", view.name(), link.link, link.family));
            let here = |n: &&Neighbour| n.link == link.link && Family::of(n.address) == link.family;
            let there = told.neighbours.iter().filter(here);
            let shown = there.filter(|n| whole || passes(filter, || neighbour_text(picture, node, n))).collect();
            let heard: Vec<&Neighbour> = table::sort(shown, sort, |n, column| neighbour_key(picture, node, n, column));
            if !whole && heard.is_empty() {
                continue;
            }
            let row = RowId::Wire(node, link.link.clone(), link.family);
            let folded = model.folded.contains(&row) && (filter.is_empty() || whole);
            lines.push(WireLine { row, node, link, neighbour: None });
            if !folded {
                lines.extend(heard.into_iter().map(|n| WireLine {
                    row: RowId::Neighbour(node, n.link.clone(), n.vrid, n.address),
                    node,
                    link,
                    neighbour: Some(n),
                }));
            }
        }
    }
    lines
}

fn neighbour_text(picture: &Picture, node: usize, n: &Neighbour) -> String {
    let sender = wire::node_at(picture, n.address).unwrap_or_default();
    let ours = n.instance.as_deref().unwrap_or_default();
    let state = wire::state(picture, node, n).word();
    let vips = n.addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    format!("{} {sender} {} {ours} {state} {vips} {}", n.address, n.vrid, n.conflict.as_deref().unwrap_or_default())
}

fn neighbour_key(picture: &Picture, node: usize, n: &Neighbour, column: &str) -> Option<Key> {
    let micros = |d: std::time::Duration| u64::try_from(d.as_micros()).unwrap_or(u64::MAX);
    match column {
        "SENDER" => Some(Key::Text(format!("{:?}", n.address))),
        "VRID" => Some(Key::Number(n.vrid.into())),
        "VER" => Some(Key::Number(n.version.into())),
        "PRIO" => Some(Key::Number(n.priority.into())),
        "EVERY" => Some(Key::Number(micros(n.interval))),
        "LAST" => Some(Key::Number(picture.age(picture.nodes.get(node)?, n.at))),
        "ADVERTS" => Some(Key::Number(n.adverts)),
        "LOST" => Some(Key::Number(n.lost)),
        "AUTH" => Some(Key::Text(n.auth.to_string())),
        "VIPS" => n.addresses.first().map(|a| Key::Text(a.to_string())),
        "VERDICT" => Some(Key::Number(u64::from(n.conflict.is_some()) * 2 + u64::from(n.instance.is_none()))),
        _ => None,
    }
}

/// The events of all nodes on one wall clock, the newest first.
pub(super) fn history<'p>(model: &'p Model, filter: &str) -> Vec<(usize, &'p Arc<Event>)> {
    let picture = model.shown();
    let nodes = picture.nodes.iter().enumerate();
    // Each node's own are in order already: sorting is quick then.
    let all = nodes.flat_map(|(n, view)| view.events.iter().rev().map(move |e| (n, e)));
    let all = all.chain(picture.notes.iter().rev().map(|e| (usize::MAX, e)));
    let text = |e: &Event| {
        let cause = e.cause.as_deref().unwrap_or("");
        format!("{} {} {} {} {} {cause}", e.node, e.subject, e.kind, e.severity, e.text)
    };
    let mut events: Vec<_> = all.filter(|(_, e)| passes(filter, || text(e))).collect();
    let at = |n: usize, e: &Event| super::clocks::corrected(picture, n, e.wall_us);
    events.sort_by_key(|(n, e)| (std::cmp::Reverse(at(*n, e)), *n, std::cmp::Reverse(e.seq)));
    table::sort(events, model.sort(Pane::History), |(n, e), column| match column {
        "TIME" => Some(Key::Number(at(*n, e))),
        "NODE" => Some(Key::Text(e.node.clone())),
        "SUBJECT" => Some(Key::Text(e.subject.to_string())),
        "SEVERITY" => Some(Key::Number(e.severity as u64)),
        _ => None,
    })
}

/// A line of the log view.
pub(super) enum LogLine<'p> {
    Audit(usize, &'p AuditEntry),
    Change(usize, &'p Action),
    Event(usize, &'p Event),
}

impl LogLine<'_> {
    pub(super) fn row(&self) -> RowId {
        match self {
            Self::Audit(node, entry) => RowId::Audit(*node, entry.seq),
            Self::Change(node, action) => RowId::Change(*node, action.id),
            Self::Event(node, event) => RowId::Event(*node, event.wall_us, event.seq),
        }
    }

    pub(super) fn wall_us(&self) -> u64 {
        match self {
            Self::Audit(_, entry) => entry.wall_us,
            Self::Change(_, action) => action.at_us,
            Self::Event(_, event) => event.wall_us,
        }
    }

    pub(super) fn node(&self, model: &Model) -> String {
        let (Self::Audit(node, _) | Self::Change(node, _) | Self::Event(node, _)) = self;
        model.shown().nodes.get(*node).map_or("?", |view| view.name()).to_owned()
    }
}

/// The chosen log of all nodes on one wall clock, the newest first.
pub(super) fn log<'p>(model: &'p Model, filter: &str) -> Vec<LogLine<'p>> {
    let nodes = || model.shown().nodes.iter().enumerate();
    let mut lines: Vec<LogLine> = match model.papers.source {
        Source::Engine => {
            return history(model, filter).into_iter().map(|(node, event)| LogLine::Event(node, event)).collect();
        }
        Source::Audit => {
            let of = |(n, view): (usize, &'p NodeView)| {
                view.audit.iter().flat_map(|audit| &audit.entries).map(move |entry| LogLine::Audit(n, entry)).collect()
            };
            nodes().flat_map::<Vec<_>, _>(of).collect()
        }
        Source::Changes => {
            let of = |(n, view): (usize, &'p NodeView)| {
                view.snapshot.iter().flat_map(|s| &s.actions).map(move |action| LogLine::Change(n, action)).collect()
            };
            nodes().flat_map::<Vec<_>, _>(of).collect()
        }
    };
    lines.retain(|line| passes(filter, || log_text(line)));
    lines.sort_by_key(|line| std::cmp::Reverse((line.wall_us(), line.row())));
    lines
}

fn log_text(line: &LogLine) -> String {
    match line {
        LogLine::Audit(_, e) => {
            let reason = e.reason.as_deref().unwrap_or("");
            format!("{} {} {} {} {} {reason}", e.node, e.actor, e.command, e.result, e.answer)
        }
        LogLine::Change(_, a) => format!("{} {} {:?} {}", a.by, a.line, a.state, a.reason.as_deref().unwrap_or("")),
        LogLine::Event(_, e) => e.text.clone(),
    }
}

/// Whether the first row of a pane is always the newest event.
fn is_newest_first(model: &Model, pane: Pane) -> bool {
    let by = model.sort(pane).is_none_or(|sort| sort.column == "TIME" && sort.first == First::Largest);
    pane == Pane::Log || matches!(pane, Pane::Events | Pane::History) && by
}

/// After anything: every pane has a selected row if it has rows at all.
pub(super) fn keep_selection(model: &mut Model) {
    let mut panes = model.panes();
    if !panes.contains(&model.pane) {
        model.pane = panes.first().copied().unwrap_or(Pane::Matrix);
    }
    panes.dedup();
    for pane in panes {
        let follows = is_newest_first(model, pane) && model.follows;
        // Of thousands of events the newest is found without putting them in order.
        let is_events = follows && pane != Pane::Log && model.filter.is_empty();
        let rows = if is_events { newest(model).into_iter().collect() } else { of(model, pane) };
        let kept = model.selected.get(&pane).filter(|r| !follows && rows.contains(r)).cloned();
        match kept.or_else(|| rows.into_iter().next()) {
            Some(row) => drop(model.selected.insert(pane, row)),
            None => drop(model.selected.remove(&pane)),
        }
    }
}

/// As the first of [`history`].
fn newest(model: &Model) -> Option<RowId> {
    let picture = model.shown();
    let last = picture.nodes.iter().enumerate().filter_map(|(n, view)| {
        let e = view.events.back()?;
        Some((super::clocks::corrected(picture, n, e.wall_us), std::cmp::Reverse(n), e))
    });
    let (_, std::cmp::Reverse(node), e) = last.max_by_key(|(at, node, _)| (*at, *node))?;
    Some(RowId::Event(node, e.wall_us, e.seq))
}

/// Forgets marks of rows that are not there any more, whatever the filter shows.
pub(super) fn keep_marks(model: &mut Model) {
    if model.marked.is_empty() {
        return;
    }
    let marked = std::mem::take(&mut model.marked);
    let picture = model.shown();
    let has_instances = marked.iter().any(|row| matches!(row, RowId::Instance(..)));
    let instances: BTreeSet<RowId> =
        if has_instances { facts::rows(picture).into_iter().map(|r| r.id).collect() } else { BTreeSet::new() };
    model.marked = marked.into_iter().filter(|row| instances.contains(row) || exists(picture, row)).collect();
}

fn exists(picture: &Picture, row: &RowId) -> bool {
    match row {
        // Instances all at once by [`keep_marks`]; the others are not marked.
        RowId::Instance(..) | RowId::Paper(_) | RowId::Change(..) => false,
        RowId::Service(key) => picture.nodes.iter().flat_map(|n| &n.snapshot).any(|s| s.service(key).is_some()),
        RowId::Real(key, real) => {
            let mut services = picture.nodes.iter().flat_map(|n| &n.snapshot).filter_map(|s| s.service(key));
            services.any(|s| s.reals.iter().any(|r| r.id == *real))
        }
        RowId::StageNode(_) | RowId::StageServer(_) | RowId::Event(..) | RowId::Audit(..) => true,
        RowId::Wire(node, link, family) => {
            let snapshot = picture.nodes.get(*node).and_then(|n| n.snapshot.as_ref());
            snapshot.is_some_and(|s| s.wire.links.iter().any(|l| l.link == *link && l.family == *family))
        }
        RowId::Neighbour(..) => wire::neighbour(picture, row).is_some(),
    }
}

/// Marks the row that has the keys, or takes the mark away, and goes on to the next.
pub(super) fn mark(model: &mut Model) {
    let Some(row) = model.row().cloned() else { return };
    if !model.marked.remove(&row) {
        model.marked.insert(row);
    }
    step(model, 1);
}

/// The group of a row: itself, or what it lies below.
fn group(row: &RowId, model: &Model) -> Option<RowId> {
    match row {
        RowId::Service(_) | RowId::Wire(..) => Some(row.clone()),
        RowId::Real(service, _) => Some(RowId::Service(*service)),
        RowId::Neighbour(node, link, _, address) => {
            let family = Family::of(*address);
            let row = RowId::Wire(*node, link.clone(), family);
            exists(model.shown(), &row).then_some(row)
        }
        _ => None,
    }
}

/// Hides the rows of the group that has the keys, or shows them. False: there was nothing to do.
pub(super) fn fold(model: &mut Model, hide: bool) -> bool {
    let Some(group) = model.row().and_then(|row| group(row, model)) else { return false };
    if hide {
        model.selected.insert(model.pane, group.clone());
        model.folded.insert(group)
    } else {
        model.folded.remove(&group)
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
    if matches!(model.pane, Pane::Events | Pane::History | Pane::Log) {
        model.follows = at == 0;
    }
    if let Some(row) = rows.get(at) {
        model.selected.insert(model.pane, row.clone());
    }
}

pub(super) fn half_page(model: &Model) -> usize {
    usize::from(model.size.height / 3).max(1)
}

/// Everything known about rows, as `y` copies it: of one an object, of several an array.
pub(super) fn as_json(model: &Model, rows: &[RowId]) -> Option<String> {
    let mut values: Vec<Value> = rows.iter().filter_map(|row| value(model, row)).collect();
    let value = if values.len() == 1 { values.pop()? } else { Value::Array(values) };
    let is_empty = value.as_array().is_some_and(Vec::is_empty);
    serde_json::to_string_pretty(&value).ok().filter(|_| !is_empty)
}

fn value(model: &Model, row: &RowId) -> Option<Value> {
    let picture = model.shown();
    let name = |node: usize| picture.nodes.get(node).map_or("", |v| v.name());
    Some(match row {
        RowId::Instance(..) => {
            let rows = facts::rows(picture);
            let found = rows.iter().find(|r| r.id == *row)?;
            let members: Vec<Value> = (0..found.members.len())
                .filter_map(|n| Some((n, found.members.get(n).copied().flatten()?)))
                .map(|(n, instance)| json!({"node": name(n), "fresh": picture.is_fresh(n), "reported": instance}))
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
        RowId::Wire(node, link, family) => {
            let heard_there = &picture.nodes.get(*node)?.snapshot.as_ref()?.wire;
            let found = heard_there.links.iter().find(|l| l.link == *link && l.family == *family)?;
            let is_there = |n: &&Neighbour| n.link == *link && Family::of(n.address) == *family;
            let heard: Vec<&Neighbour> = heard_there.neighbours.iter().filter(is_there).collect();
            json!({"node": name(*node), "fresh": picture.is_fresh(*node), "link": found, "heard": heard})
        }
        RowId::Neighbour(node, ..) => {
            let heard = wire::neighbour(picture, row)?;
            json!({"node": name(*node), "fresh": picture.is_fresh(*node), "heard": heard})
        }
        RowId::Event(node, wall, seq) => {
            json!(**picture.event(*node, *wall, *seq)?)
        }
        RowId::Audit(node, seq) => {
            let audit = picture.nodes.get(*node)?.audit.as_ref()?;
            json!(**audit.entries.iter().find(|e| e.seq == *seq)?)
        }
        RowId::Change(node, id) => {
            let actions = &picture.nodes.get(*node)?.snapshot.as_ref()?.actions;
            json!({"node": name(*node), "change": actions.iter().find(|a| a.id == *id)?})
        }
        RowId::Paper(at) => model.papers.value(*at)?,
    })
}
