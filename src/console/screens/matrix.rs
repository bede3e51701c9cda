//! Who is master: instances in rows, nodes in columns.
//!
//! ```text
//!   INSTANCE  VRID  VIPS            lvs1            lvs2            OWNER   SINCE        FLIPS
//! ▸ VI_1        51  10.0.0.20/24    ● MASTER 150    ○ BACKUP 100    lvs1    00:12:04         0
//! ```

use super::super::facts::{self, Row};
use super::super::model::{Freshness, Model, Pane, Picture};
use super::super::rows;
use super::super::state::State;
use super::super::text;
use super::super::theme::Ink;
use super::canvas::{Canvas, Hit, Line, dim, first_shown, line_of, t, title};
use crate::status::DataplaneKind;
use ratatui::layout::Rect;

/// How wide each column is; zero: left out.
struct Columns {
    name: usize,
    vrid: usize,
    vip: usize,
    node: usize,
    owner: usize,
    since: usize,
    flips: usize,
}

impl Columns {
    /// Drops what is worth least until every node has room for its state: flips, VRID, since, owner, addresses.
    fn fit(width: usize, rows: &[Row], model: &Model) -> Self {
        const NODE: usize = 15;
        /// Of so many rows the columns are as wide as they may be: nobody reads them all to find the longest.
        const FEW: usize = 64;
        let nodes = model.shown().nodes.len();
        let longest = |of: fn(&Row) -> usize| {
            if rows.len() > FEW { usize::MAX } else { rows.iter().map(of).max().unwrap_or(0) }
        };
        let mut c = Self {
            name: longest(|r| text::width(r.name)).clamp(8, 18) + 2,
            vrid: 6,
            vip: longest(|r| text::width(&r.vip())).clamp(8, 26) + 2,
            node: NODE,
            owner: 14,
            since: 12,
            flips: 7,
        };
        let hidden = |name: &str, width: &mut usize| {
            if !model.shows(Pane::Matrix, name) {
                *width = 0;
            }
        };
        hidden("VRID", &mut c.vrid);
        hidden("VIPS", &mut c.vip);
        hidden("OWNER", &mut c.owner);
        hidden("SINCE", &mut c.since);
        hidden("FLIPS", &mut c.flips);
        let nodes = nodes.max(1);
        let fits = |c: &Self| c.fixed() + nodes * NODE <= width;
        let drops: [fn(&mut Self); 6] = [
            |c| c.flips = 0,
            |c| c.vrid = 0,
            |c| c.since = 0,
            |c| c.owner = 0,
            |c| c.name = c.name.min(12),
            |c| c.vip = 0,
        ];
        for drop in drops {
            if fits(&c) {
                break;
            }
            drop(&mut c);
        }
        let spare = width.saturating_sub(c.fixed());
        c.node = (spare / nodes).clamp(NODE, 22);
        c
    }

    const fn fixed(&self) -> usize {
        2 + self.name + self.vrid + self.vip + self.owner + self.since + self.flips
    }
}

/// How high the pane wants to be.
pub(super) fn height(model: &Model) -> u16 {
    let rows = facts::rows(model.shown()).len();
    rows.clamp(1, 8) as u16 + 4
}

pub(super) fn draw(canvas: &mut Canvas, area: Rect) {
    let model = canvas.model;
    let picture = model.shown();
    let rows = rows::instances(model, &model.filter.to_lowercase());
    let width = usize::from(area.width.saturating_sub(2));
    let c = Columns::fit(width, &rows, model);
    let (first, shown) = nodes_shown(model, width, &c);
    let hidden = picture.nodes.len() - shown;
    let right = if hidden > 0 {
        format!("{} not shown, ← →", text::plural(hidden, "node"))
    } else {
        "reported by the nodes".into()
    };
    let inner = canvas.pane(area, &[title("Who is master")], &[dim(right)], Some(Pane::Matrix));
    header(canvas, line_of(inner, 0), &c, first..first + shown);
    if rows.is_empty() {
        let why =
            if model.filter.is_empty() { "no instance is known yet" } else { "the filter lets no instance through" };
        canvas.put(line_of(inner, 1), &[dim(format!("  {why}"))]);
    }
    let room = usize::from(inner.height).saturating_sub(2).max(1);
    let selected = rows.iter().position(|r| model.selected.get(&Pane::Matrix) == Some(&r.id));
    let top = first_shown(rows.len(), room, selected);
    for (i, row) in rows.iter().skip(top).take(room).enumerate() {
        let line = line_of(inner, i + 1);
        draw_row(canvas, line, row, &c, first..first + shown);
    }
    canvas.more(inner, top, rows.len().saturating_sub(top + room));
    node_line(canvas, line_of(inner, rows.len().min(room).max(1) + 1), &c, first..first + shown);
}

/// Which node columns fit, so that the chosen one is among them.
fn nodes_shown(model: &Model, width: usize, c: &Columns) -> (usize, usize) {
    let nodes = model.shown().nodes.len();
    let fit = (width.saturating_sub(c.fixed()) / c.node.max(1)).clamp(1, nodes.max(1)).min(nodes);
    let first = model.column.unwrap_or(0).saturating_sub(fit.saturating_sub(1));
    (first.min(nodes - fit), fit)
}

fn header(canvas: &mut Canvas, area: Rect, c: &Columns, nodes: std::ops::Range<usize>) {
    let model = canvas.model;
    let mut line: Line = vec![dim(format!("  {}", text::left(&model.head(Pane::Matrix, "INSTANCE"), c.name)))];
    if c.vrid > 0 {
        line.push(dim(text::left(&model.head(Pane::Matrix, "VRID"), c.vrid)));
    }
    if c.vip > 0 {
        line.push(dim(text::left(&model.head(Pane::Matrix, "VIPS"), c.vip)));
    }
    let before = line.iter().map(|(_, s)| text::width(s)).sum::<usize>();
    for (i, n) in nodes.enumerate() {
        let name = model.shown().nodes.get(n).map_or("", |v| v.name());
        let name = text::cut_middle(name, c.node - 3);
        let chosen = model.column == Some(n);
        let cell = if chosen { format!("[{name}]") } else { name };
        let pad = " ".repeat(c.node.saturating_sub(text::width(&cell)));
        line.push((if chosen { Ink::Field } else { Ink::Title }, cell));
        line.push(t(pad));
        let x = area.x + (before + i * c.node) as u16;
        canvas.hits.push((Rect { x, width: c.node as u16, ..area }, Hit::Column(n)));
    }
    if c.owner > 0 {
        line.push(dim(text::left(&model.head(Pane::Matrix, "OWNER"), c.owner)));
    }
    if c.since > 0 {
        line.push(dim(text::left(&model.head(Pane::Matrix, "SINCE"), c.since)));
    }
    if c.flips > 0 {
        line.push(dim(text::right(&model.head(Pane::Matrix, "FLIPS"), c.flips - 1)));
    }
    canvas.put(area, &line);
}

fn draw_row(canvas: &mut Canvas, area: Rect, row: &Row, c: &Columns, nodes: std::ops::Range<usize>) {
    let model = canvas.model;
    let picture = model.shown();
    let mut line: Line = vec![t(text::left(&text::cut_middle(row.name, c.name - 1), c.name))];
    if c.vrid > 0 {
        line.push(dim(format!("{:>4}  ", row.vrid)));
    }
    if c.vip > 0 {
        line.push(t(text::left(&text::cut_middle(&row.vip(), c.vip - 1), c.vip)));
    }
    for n in nodes {
        line.extend(cell(model, row, n, c.node));
    }
    if c.owner > 0 {
        line.push(owner(picture, row, c.owner));
    }
    if c.since > 0 {
        line.push(t(text::left(&since(picture, row), c.since)));
    }
    if c.flips > 0 {
        let flips = row.flips(picture).map_or("–".into(), |n| n.to_string());
        line.push(dim(text::right(&flips, c.flips - 1)));
    }
    canvas.row(area, Pane::Matrix, &row.id, line);
}

/// One state: the word is never cut, what follows it may be.
pub(super) fn cell(model: &Model, row: &Row, node: usize, width: usize) -> Line {
    let picture = model.shown();
    let state = row.state(picture, node);
    let label = state.label();
    let member = row.members.get(node).copied().flatten();
    let detail = match (state, member) {
        _ if model.asked(&row.id, Some(node)).is_some() => " asked".into(),
        (State::Stale, _) => match picture.freshness(node) {
            Freshness::Stale(age) => format!(" {}", text::age(age)),
            _ => String::new(),
        },
        (State::Dead | State::Absent | State::Unknown, _) | (_, None) => String::new(),
        (_, Some(i)) => {
            let mark = match i.effective_priority.cmp(&i.base_priority) {
                std::cmp::Ordering::Less => "↓",
                std::cmp::Ordering::Equal => "",
                std::cmp::Ordering::Greater => "↑",
            };
            format!(" {}{mark}", i.effective_priority)
        }
    };
    let rest = width.saturating_sub(text::width(&label));
    let detail = if text::width(&detail) < rest { detail } else { String::new() };
    let ink = if model.asked(&row.id, Some(node)).is_some() { Ink::Changing } else { Ink::Text };
    vec![(state.ink(), label), (ink, text::left(&detail, rest))]
}

fn owner(picture: &Picture, row: &Row, width: usize) -> (Ink, String) {
    let names: Vec<&str> = row.owners(picture).iter().filter_map(|n| Some(picture.nodes.get(*n)?.name())).collect();
    let known = row.all_known(picture);
    let heard = row.heard_master(picture).map(|(_, h)| {
        let who = row.sender(picture, h.address).map_or_else(|| h.address.to_string(), str::to_owned);
        format!("{who}, heard")
    });
    let (ink, text) = match names.as_slice() {
        [] if heard.is_some() => (Ink::Text, heard.unwrap_or_default()),
        [] if known => (Ink::Fault, "nobody".to_owned()),
        [] => (Ink::Dim, "–".to_owned()),
        [one] => (Ink::Text, text::cut_middle(one, width - 2)),
        both => (Ink::Warn, format!("‼ {}", both.join("+"))),
    };
    (ink, text::left(&text::cut(&text, width - 1), width))
}

fn since(picture: &Picture, row: &Row) -> String {
    let master = row.master(picture).and_then(|(n, i)| Some((picture.nodes.get(n)?, i)));
    master.map_or("–".into(), |(view, i)| text::age(picture.age(view, i.since)))
}

/// Under the columns: how fresh each node's word is, and what serves there.
fn node_line(canvas: &mut Canvas, area: Rect, c: &Columns, nodes: std::ops::Range<usize>) {
    let picture = canvas.model.shown();
    let mut line: Line = vec![dim(text::left("  node", 2 + c.name + c.vrid + c.vip))];
    for n in nodes {
        let (ink, text) = match picture.freshness(n) {
            Freshness::Fresh => {
                let snapshot = picture.fresh(n);
                let plane = snapshot.map_or(DataplaneKind::None, |s| s.node.dataplane.kind);
                let stopping = snapshot.is_some_and(|s| s.node.stopping);
                let plane = if plane == DataplaneKind::None { String::new() } else { format!(", {plane}") };
                if stopping { (Ink::Warn, "stopping".to_owned()) } else { (Ink::Dim, format!("fresh{plane}")) }
            }
            Freshness::Stale(age) => (Ink::Stale, format!("? {} old", text::age(age))),
            Freshness::Dead => (Ink::Fault, "crashed".into()),
            Freshness::Never => (Ink::Dim, "no word yet".into()),
        };
        line.push((ink, text::left(&text::cut(&text, c.node - 1), c.node)));
    }
    canvas.put(area, &line);
}
