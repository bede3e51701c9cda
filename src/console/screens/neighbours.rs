//! Neighbours on the wire: who is heard on each link of each node, and whether it goes together with ours.
//!
//! ```text
//!   SENDER              VRID  VER  PRIO  EVERY    LAST       ADVERTS  LOST  AUTH  VIPS         VERDICT
//! ▾ lvs1 eth0 IPv4 · hears 224.0.0.18 · VRID 1 is free
//!     10.0.0.2 lvs2       51  v2    150  1.00 s   0.42 s         722     0  none  10.0.0.20    ✓ fits VI_1
//!     10.0.0.9           100  v3    120  1.00 s   0.10 s          12     0  none  10.0.0.77    ≈ heard
//! ```

use super::super::model::{Model, Pane, Picture, RowId};
use super::super::rows::{self, WireLine};
use super::super::state::State;
use super::super::text;
use super::super::wire;
use super::canvas::{Canvas, Line, dim, first_shown, line_of, t, title};
use super::details::fact;
use crate::net::{Family, LinkName};
use crate::status::{Neighbour, WireLink};
use ratatui::layout::Rect;

/// A column that may be left out: its heading, its width, and whether it is a number.
type Column = (&'static str, usize, bool);

/// In the order of the screen.
const COLUMNS: [Column; 8] = [
    ("VER", 5, false),
    ("PRIO", 6, true),
    ("EVERY", 10, false),
    ("LAST", 11, false),
    ("ADVERTS", 10, true),
    ("LOST", 7, true),
    ("AUTH", 7, false),
    ("VIPS", 17, false),
];

/// What goes first when the room is short.
const DROPS: [&str; 8] = ["AUTH", "EVERY", "ADVERTS", "VIPS", "VER", "LOST", "PRIO", "LAST"];

/// IPv6 is cut in the middle.
const SENDER: usize = 22;
const VRID: usize = 6;
/// The longest state word with its glyph, and a little of why.
const VERDICT: usize = 30;

/// The columns that are shown: those that the operator left, as far as they fit.
fn fit(model: &Model, width: usize) -> Vec<Column> {
    let mut columns: Vec<Column> =
        COLUMNS.into_iter().filter(|(name, ..)| model.shows(Pane::Neighbours, name)).collect();
    for name in DROPS {
        let taken: usize = columns.iter().map(|(_, width, _)| width).sum();
        if 2 + SENDER + VRID + VERDICT + taken <= width {
            break;
        }
        columns.retain(|(dropped, ..)| *dropped != name);
    }
    columns
}

pub(super) fn draw(canvas: &mut Canvas, area: Rect) {
    let model = canvas.model;
    let picture = model.shown();
    let untold: u64 =
        picture.nodes.iter().enumerate().filter_map(|(n, _)| picture.fresh(n)).map(|s| s.wire.untold).sum();
    let right = if untold > 0 {
        format!("{} adverts of more senders than are listed", text::count(untold))
    } else {
        "heard by the nodes; who is silent cannot be seen".into()
    };
    let inner = canvas.pane(area, &[title("Neighbours on the wire")], &[dim(right)], Some(Pane::Neighbours));
    let columns = fit(model, usize::from(inner.width));
    header(canvas, line_of(inner, 0), &columns);
    let lines = rows::neighbours(model, &model.filter.to_lowercase());
    if lines.is_empty() {
        let why =
            if model.filter.is_empty() { "no fresh node listens anywhere" } else { "the filter lets nobody through" };
        canvas.put(line_of(inner, 1), &[dim(format!("  {why}"))]);
    }
    let room = usize::from(inner.height).saturating_sub(1);
    let selected = lines.iter().position(|l| model.selected.get(&Pane::Neighbours) == Some(&l.row));
    let top = first_shown(lines.len(), room, selected);
    for (i, l) in lines.iter().skip(top).take(room).enumerate() {
        let line = match l.neighbour {
            Some(neighbour) => row(picture, l.node, neighbour, &columns),
            None => heading(model, l),
        };
        canvas.row(line_of(inner, i + 1), Pane::Neighbours, &l.row, line);
    }
    canvas.more(inner, top, lines.len().saturating_sub(top + room));
}

fn header(canvas: &mut Canvas, area: Rect, columns: &[Column]) {
    let model = canvas.model;
    let head = |name: &str| model.head(Pane::Neighbours, name);
    let mut line =
        vec![dim(format!("  {}", text::left(&head("SENDER"), SENDER))), dim(text::left(&head("VRID"), VRID))];
    line.extend(columns.iter().map(|(name, width, is_number)| dim(cell(&head(name), *width, *is_number))));
    line.push(dim(head("VERDICT")));
    canvas.put(area, &line);
}

fn cell(text: &str, width: usize, is_number: bool) -> String {
    if is_number { format!("{}  ", text::right(text, width - 2)) } else { text::left(text, width) }
}

/// A link, what is listened to on it, and a VRID that nobody uses there.
fn heading(model: &Model, line: &WireLine) -> Line {
    let picture = model.shown();
    let name = picture.nodes.get(line.node).map_or("", |v| v.name());
    let WireLink { link, family, .. } = line.link;
    let folded = if model.folded.contains(&line.row) {
        let heard = picture.fresh(line.node).map_or(0, |s| {
            s.wire.neighbours.iter().filter(|n| n.link == *link && Family::of(n.address) == *family).count()
        });
        format!("▸ {} folded  ", text::plural(heard, "sender"))
    } else {
        "▾ ".into()
    };
    vec![
        dim(folded),
        title(format!("{name} {link} {family}")),
        dim(format!("  {}; ", hears(line.link))),
        t(free(line.link)),
    ]
}

fn hears(link: &WireLink) -> String {
    match link.groups.as_slice() {
        [] => "hears only what is sent to it alone".into(),
        groups => format!("hears {}", groups.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
    }
}

fn free(link: &WireLink) -> String {
    link.free_vrid.map_or("no VRID is free".into(), |vrid| format!("VRID {vrid} is free"))
}

fn row(picture: &Picture, node: usize, n: &Neighbour, columns: &[Column]) -> Line {
    let state = wire::state(picture, node, n);
    let view = picture.nodes.get(node);
    let ago = view.map_or("–".into(), |view| text::span(picture.age(view, n.at)));
    let mut line = vec![
        t(format!("  {}", text::left(&text::cut_middle(&sender(picture, n), SENDER - 3), SENDER - 2))),
        t(format!("{:>4}  ", n.vrid)),
    ];
    line.extend(columns.iter().map(|(name, width, is_number)| {
        let text = match *name {
            "VER" => format!("v{}", n.version),
            "PRIO" => n.priority.to_string(),
            "EVERY" if n.interval.is_zero() => "–".into(),
            "EVERY" => text::took(n.interval.as_micros()),
            "LAST" => ago.clone(),
            "ADVERTS" => text::count(n.adverts),
            "LOST" => text::count(n.lost),
            "AUTH" => n.auth.to_string(),
            _ => text::cut_middle(&n.vips(), width - 2),
        };
        dim(cell(&text, *width, *is_number))
    }));
    line.push((state.ink(), format!("{} ", state.label())));
    line.push(match state {
        State::Heard => dim(""),
        State::Silent if n.conflict.is_none() => dim(""),
        State::Silent => dim(format!("before, {}", n.relation())),
        _ => dim(n.relation()),
    });
    line
}

/// Its address, and the node that has it if one of those that are asked does.
fn sender(picture: &Picture, n: &Neighbour) -> String {
    wire::node_at(picture, n.address).map_or_else(|| n.address.to_string(), |name| format!("{} {name}", n.address))
}

/// Everything known of somebody heard, and what cannot be known.
pub(super) fn lines(model: &Model, node: usize, row: &RowId, width: usize) -> Vec<Line> {
    let picture = model.shown();
    let (Some(n), Some(view)) = (wire::neighbour(picture, row), picture.nodes.get(node)) else {
        return vec![vec![dim("it is not heard any more")]];
    };
    let state = wire::state(picture, node, n);
    let mut lines = vec![vec![
        title(sender(picture, n)),
        t("  "),
        (state.ink(), state.label()),
        t("  "),
        dim(format!("heard by {} on {}", view.name(), n.link)),
    ]];
    lines.extend(fact("with ours", &n.relation(), width));
    let to = if n.multicast { "to a group" } else { "to this node alone" };
    let every = if n.interval.is_zero() { "–".into() } else { text::took(n.interval.as_micros()) };
    let said = format!("VRRPv{}, priority {}, every {every}, {to}, authentication {}", n.version, n.priority, n.auth);
    lines.extend(fact("advertises", &said, width));
    lines.extend(fact("addresses", &n.vips(), width));
    let ago = |at| text::span(picture.age(view, at));
    let counts = format!(
        "{} since {} ago, the last {} ago, {} lost",
        text::count(n.adverts),
        ago(n.first),
        ago(n.at),
        text::count(n.lost)
    );
    lines.extend(fact("adverts", &counts, width));
    for (name, heard) in wire::heard_by(picture, node, n.vrid, n.address) {
        let text = format!("{name}, too: {} adverts, {} lost", text::count(heard.adverts), text::count(heard.lost));
        lines.extend(fact("heard by", &text, width));
    }
    if wire::node_at(picture, n.address).is_none() {
        let unknown = "no node that is asked has this address: its state beside MASTER, its backups, its trackers, its \
                       preemption and its name cannot be known from adverts";
        lines.extend(fact("not known", unknown, width));
    }
    lines
}

/// Everything known of a link.
pub(super) fn link_lines(model: &Model, node: usize, (name, family): (&LinkName, Family), width: usize) -> Vec<Line> {
    let found = model.shown().fresh(node).and_then(|s| {
        let link = s.wire.links.iter().find(|l| l.link == *name && l.family == family)?;
        Some((s, link))
    });
    let Some((snapshot, link)) = found else { return vec![vec![dim("no adverts are listened for there any more")]] };
    let mut lines = fact("listens", &hears(link), width);
    let since = "by what was heard since the engine started: a group that is silent, or that speaks unicast to others, is not \
                 seen";
    lines.extend(fact("free VRID", &format!("{}, {since}", free(link)), width));
    let mut vrids: Vec<u8> = snapshot.wire.neighbours.iter().filter(|n| n.link == *name).map(|n| n.vrid).collect();
    vrids.dedup();
    let heard: Vec<String> = vrids.iter().map(ToString::to_string).collect();
    lines.extend(fact("heard", &if heard.is_empty() { "nobody".into() } else { heard.join(", ") }, width));
    lines
}
