//! The columns of each table: what can be hidden, what a table can be sorted by, and what the operator made of it.

use super::action::Action;
use super::model::{Modal, Model, Pane, Tone};
use super::update::say;
use std::cmp::Ordering;
use std::collections::BTreeSet;

/// One column of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    pub name: &'static str,
    /// Whether it may be left out: what a row is, and its state, may not.
    pub hides: bool,
    /// Whether rows can be sorted by it, and if so whether the largest comes first.
    pub sorts: Option<First>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum First {
    Smallest,
    Largest,
}

/// What the operator made of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    pub hidden: BTreeSet<&'static str>,
    /// None: as configured, or the newest first.
    pub sort: Option<Sort>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sort {
    pub column: &'static str,
    pub first: First,
}

/// A list over the screen: the columns of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choose {
    pub pane: Pane,
    pub what: Choice,
    /// The line that has the keys.
    pub at: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    Sort,
    Columns,
}

const fn column(name: &'static str, hides: bool, sorts: Option<First>) -> Column {
    Column { name, hides, sorts }
}

const SMALL: Option<First> = Some(First::Smallest);
const LARGE: Option<First> = Some(First::Largest);

const MATRIX: &[Column] = &[
    column("INSTANCE", false, SMALL),
    column("VRID", true, SMALL),
    column("VIPS", true, SMALL),
    column("STATE", false, LARGE),
    column("OWNER", true, SMALL),
    column("SINCE", true, SMALL),
    column("FLIPS", true, LARGE),
];

const SERVERS: &[Column] = &[
    column("SERVER", false, SMALL),
    column("FWD", true, SMALL),
    column("WEIGHT", true, LARGE),
    column("HEALTH", false, LARGE),
    column("ADMIN", false, LARGE),
    column("ACTIVE", true, LARGE),
    column("INACT", true, LARGE),
    column("CONN/S", true, LARGE),
    column("60 s", true, None),
    column("CHECK", true, None),
];

const NEIGHBOURS: &[Column] = &[
    column("SENDER", false, SMALL),
    column("VRID", false, SMALL),
    column("VER", true, SMALL),
    column("PRIO", true, LARGE),
    column("EVERY", true, SMALL),
    column("LAST", true, SMALL),
    column("ADVERTS", true, LARGE),
    column("LOST", true, LARGE),
    column("AUTH", true, SMALL),
    column("VIPS", true, SMALL),
    column("VERDICT", false, LARGE),
];

const HISTORY: &[Column] = &[
    column("TIME", true, LARGE),
    column("NODE", true, SMALL),
    column("SUBJECT", true, SMALL),
    column("SEVERITY", false, LARGE),
    column("EVENT", false, None),
    column("CAUSE", true, None),
];

/// The columns of a pane; none: it is no table.
pub const fn columns(pane: Pane) -> &'static [Column] {
    match pane.table() {
        Pane::Matrix => MATRIX,
        Pane::Servers => SERVERS,
        Pane::Neighbours => NEIGHBOURS,
        Pane::History => HISTORY,
        Pane::Stage | Pane::Summary | Pane::Events | Pane::Paper | Pane::Log => &[],
    }
}

impl Pane {
    /// The table it shows, or shows a part of.
    #[must_use]
    pub const fn table(self) -> Self {
        match self {
            Self::Summary => Self::Servers,
            Self::Events => Self::History,
            other => other,
        }
    }
}

impl Model {
    /// Whether a column is to be shown, if there is room.
    pub fn shows(&self, pane: Pane, name: &str) -> bool {
        !self.tables.get(&pane.table()).is_some_and(|look| look.hidden.contains(name))
    }

    pub fn sort(&self, pane: Pane) -> Option<Sort> {
        self.tables.get(&pane.table())?.sort
    }

    /// A column's heading, with an arrow if the rows are sorted by it.
    pub fn head(&self, pane: Pane, name: &str) -> String {
        match self.sort(pane).filter(|sort| sort.column == name) {
            Some(Sort { first: First::Smallest, .. }) => format!("{name}▴"),
            Some(Sort { first: First::Largest, .. }) => format!("{name}▾"),
            None => name.to_owned(),
        }
    }
}

/// The lines of the list: each with its text, and what it stands for; none: no sorting.
pub fn lines(model: &Model, choose: Choose) -> Vec<(String, Option<Column>)> {
    let all = columns(choose.pane).iter();
    match choose.what {
        Choice::Sort => {
            let none = if choose.pane.table() == Pane::History { "the newest first" } else { "as configured" };
            let mark = |sorted: bool| if sorted { "•" } else { " " };
            let first = (format!("{} {none}", mark(model.sort(choose.pane).is_none())), None);
            let by = all.filter(|c| c.sorts.is_some()).map(|c| {
                let head = model.head(choose.pane, c.name);
                (format!("{} {head}", mark(head != c.name)), Some(*c))
            });
            std::iter::once(first).chain(by).collect()
        }
        Choice::Columns => all
            .filter(|c| c.hides)
            .map(|c| (format!("[{}] {}", if model.shows(choose.pane, c.name) { "x" } else { " " }, c.name), Some(*c)))
            .collect(),
    }
}

/// Opens the list for the pane that has the keys.
pub(super) fn open(model: &mut Model, what: Choice) {
    let pane = model.pane.table();
    if columns(pane).is_empty() {
        return say(model, Tone::Info, "this pane has no columns; Tab goes to the next one");
    }
    let sorted = model.sort(pane).map(|sort| sort.column);
    let mut choose = Choose { pane, what, at: 0 };
    if what == Choice::Sort {
        let all = lines(model, choose);
        choose.at = all.iter().position(|(_, c)| c.map(|c| c.name) == sorted).unwrap_or(0);
    }
    model.modal = Some(Modal::Choose(choose));
}

/// A key in the list.
pub(super) fn act(model: &mut Model, action: Action) {
    let Some(Modal::Choose(mut choose)) = model.modal.take_if(|m| matches!(m, Modal::Choose(_))) else { return };
    let all = lines(model, choose);
    let last = all.len().saturating_sub(1);
    match action {
        Action::Up => choose.at = choose.at.saturating_sub(1),
        Action::Down => choose.at = (choose.at + 1).min(last),
        Action::Top => choose.at = 0,
        Action::Bottom => choose.at = last,
        Action::Press | Action::Toggle => {
            let column = all.get(choose.at).and_then(|(_, column)| *column);
            match choose.what {
                Choice::Sort => return sort_by(model, choose.pane, column),
                Choice::Columns => toggle(model, choose.pane, column),
            }
        }
        _ => return,
    }
    model.modal = Some(Modal::Choose(choose));
}

/// By a column, its better end first; by the same again, the other end.
pub(super) fn sort_by(model: &mut Model, pane: Pane, column: Option<Column>) {
    let look = model.tables.entry(pane.table()).or_default();
    look.sort = column.and_then(|column| {
        let first = match look.sort {
            Some(Sort { column: same, first: First::Largest }) if same == column.name => First::Smallest,
            Some(Sort { column: same, first: First::Smallest }) if same == column.name => First::Largest,
            _ => column.sorts?,
        };
        Some(Sort { column: column.name, first })
    });
}

pub(super) fn toggle(model: &mut Model, pane: Pane, column: Option<Column>) {
    let Some(column) = column.filter(|c| c.hides) else { return };
    let look = model.tables.entry(pane.table()).or_default();
    if !look.hidden.remove(column.name) {
        look.hidden.insert(column.name);
    }
}

/// What rows are sorted by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Number(u64),
    Text(String),
}

/// Sorts by a key; rows of which it is not known come last, equal ones stay in their order.
pub(super) fn sort<T>(rows: Vec<T>, sort: Option<Sort>, key: impl Fn(&T, &'static str) -> Option<Key>) -> Vec<T> {
    let Some(sort) = sort else { return rows };
    let mut keyed: Vec<(Option<Key>, T)> = rows.into_iter().map(|row| (key(&row, sort.column), row)).collect();
    keyed.sort_by(|(a, _), (b, _)| match (a, b) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (Some(a), Some(b)) if sort.first == First::Largest => b.cmp(a),
        (Some(a), Some(b)) => a.cmp(b),
    });
    keyed.into_iter().map(|(_, row)| row).collect()
}
