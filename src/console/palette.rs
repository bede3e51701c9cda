//! The palette: everything a key can do, found by name, with the key that does the same. Made from the key table.

use super::action::Action;
use super::keymap::{Context, Entry};
use super::model::{Modal, Model, Pane, RowId, Tone, View};
use super::update::{Effect, act, say, show};
use super::{rows, table};

/// What has been typed, and the line that has the keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Palette {
    pub input: String,
    pub at: usize,
}

/// One line of the palette.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What is typed to get it: `demote`, `go instances`.
    pub name: String,
    pub help: String,
    /// The keys that do the same; empty: none does.
    pub keys: String,
    /// Its short word on the bottom line, by which it is found, too.
    hint: String,
    /// Why it does not work here; none: it does.
    pub elsewhere: Option<&'static str>,
    does: Does,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Does {
    Act(Action),
    Go(View),
    GoRow(RowId),
    Node(usize),
    Theme(usize),
    Sort(Pane, Option<table::Column>),
    Column(Pane, table::Column),
    Filter(String),
    Unmark,
}

/// The lines that fit what has been typed, the best first.
pub fn lines(model: &Model, input: &str) -> Vec<Line> {
    let wanted = input.trim_start().to_lowercase();
    if let Some(text) = input.trim_start().strip_prefix("filter ") {
        return vec![line(
            &format!("filter {text}"),
            "show only the rows that have this text",
            Does::Filter(text.into()),
        )];
    }
    let all = actions(model).into_iter().chain(arguments(model, &wanted));
    let mut scored: Vec<(u32, Line)> = all.filter_map(|l| Some((score(input.trim(), &wanted, &l)?, l))).collect();
    scored.sort_by_key(|(score, line)| (std::cmp::Reverse(*score), line.elsewhere.is_some()));
    scored.into_iter().map(|(_, line)| line).collect()
}

/// Every action of the table that means something outside of questions and lists, each once.
fn actions(model: &Model) -> Vec<Line> {
    let here = model.place();
    let mut lines: Vec<Line> = Vec::new();
    let works = |entry: &&Entry| is_palette(entry) && !(model.view_only && changes(entry.action));
    let (near, far): (Vec<&Entry>, Vec<&Entry>) =
        model.keymap.entries().iter().filter(works).partition(|e| here.contains(&e.context));
    for entry in near.into_iter().chain(far) {
        let name = name(entry.action);
        if lines.iter().any(|l| l.name == name) {
            continue;
        }
        let elsewhere = if here.contains(&entry.context) { None } else { place(entry.context) };
        let (help, keys, hint) = (entry.help.clone(), entry.keys_text(), entry.hint.clone().unwrap_or_default());
        lines.push(Line { name, help, keys, hint, elsewhere, does: Does::Act(entry.action) });
    }
    lines
}

const fn changes(action: Action) -> bool {
    action.is_verb() || action.is_stage()
}

const fn is_palette(entry: &Entry) -> bool {
    let is_movement = matches!(
        entry.action,
        Action::Up | Action::Down | Action::Left | Action::Right | Action::Palette | Action::Drill
    );
    !is_movement
        && matches!(
            entry.context,
            Context::Everywhere
                | Context::Instances
                | Context::Servers
                | Context::Groups
                | Context::Config
                | Context::Log
                | Context::Stage
                | Context::Clock
                | Context::Keep
                | Context::Replay
        )
}

/// Where the keys of a context work.
const fn place(context: Context) -> Option<&'static str> {
    match context {
        Context::Instances => Some("on an instance"),
        Context::Servers => Some("on a real server"),
        Context::Groups => Some("on a service or a link"),
        Context::Config => Some("in the config view"),
        Context::Log => Some("in the log view"),
        Context::Stage => Some("in the demo and the lab"),
        Context::Keep => Some("while something would undo itself"),
        Context::Clock => Some("on the demo's virtual clock"),
        Context::Replay => Some("on a recording"),
        Context::Everywhere
        | Context::Prompt
        | Context::Reading
        | Context::Alarms
        | Context::Question
        | Context::Changes
        | Context::Filter
        | Context::Choosing
        | Context::Palette => None,
    }
}

/// An action's name in the key table.
pub fn name(action: Action) -> String {
    serde_json::to_value(action).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

fn line(name: &str, help: &str, does: Does) -> Line {
    let (name, help) = (name.to_owned(), help.to_owned());
    Line { name, help, keys: String::new(), hint: String::new(), elsewhere: None, does }
}

/// Lines with an argument. Those of rows are many, and come once their verb has been typed.
fn arguments(model: &Model, wanted: &str) -> Vec<Line> {
    let mut lines: Vec<Line> = View::ALL
        .into_iter()
        .map(|view| Line {
            keys: view.number().to_string(),
            ..line(&format!("go {}", view.names().0.to_lowercase()), "the view", Does::Go(view))
        })
        .collect();
    let nodes = model.shown().nodes.iter().enumerate();
    lines.extend(nodes.map(|(n, v)| line(&format!("node {}", v.name()), "verbs act on this node", Does::Node(n))));
    let themes = model.themes.iter().enumerate();
    lines.extend(themes.map(|(n, t)| line(&format!("theme {}", t.name), "colours", Does::Theme(n))));
    let pane = model.pane.table();
    for column in table::columns(pane) {
        let name = column.name.to_lowercase();
        if column.sorts.is_some() {
            let help = "sort the rows; again: the other end first";
            lines.push(line(&format!("sort {name}"), help, Does::Sort(pane, Some(*column))));
        }
        if column.hides {
            let help = if model.shows(pane, column.name) { "leave the column out" } else { "show the column" };
            lines.push(line(&format!("columns {name}"), help, Does::Column(pane, *column)));
        }
    }
    lines.push(line("sort none", "as configured, or the newest first", Does::Sort(pane, None)));
    if !model.marked.is_empty() {
        lines.push(line("unmark", "take every mark away", Does::Unmark));
    }
    if wanted.starts_with("go ") {
        lines.extend(places(model));
    }
    lines
}

/// Instances, services and real servers by name.
fn places(model: &Model) -> Vec<Line> {
    let picture = model.shown();
    let instances =
        super::facts::rows(picture).into_iter().map(|r| (r.name.to_owned(), "the instance".to_owned(), r.id));
    let mut seen = std::collections::BTreeSet::new();
    let services = super::facts::served(picture).into_iter().flat_map(|served| {
        let id = served.service.id;
        let real = move |r: &crate::status::Real| {
            (super::facts::server_name(picture, &r.id), format!("the real server of {id}"), RowId::Real(id, r.id))
        };
        let whole = (id.to_string(), "the service".to_owned(), RowId::Service(id));
        std::iter::once(whole).chain(served.service.reals.iter().map(real))
    });
    let all = instances.chain(services).filter(|(.., row)| seen.insert(row.clone()));
    all.map(|(name, help, row)| line(&format!("go {name}"), &help, Does::GoRow(row))).collect()
}

/// How well a line fits; none: not at all. The letters must come in their order; a name counts more than a key, a hint or
/// a help.
fn score(typed: &str, wanted: &str, line: &Line) -> Option<u32> {
    if wanted.is_empty() {
        return Some(0);
    }
    let name = line.name.to_lowercase();
    if let Some(at) = name.find(wanted) {
        let starts = at == 0 || !name.as_bytes().get(at - 1).is_some_and(u8::is_ascii_alphanumeric);
        return Some(if name == wanted {
            1000
        } else if at == 0 {
            900
        } else if starts {
            800
        } else {
            700
        });
    }
    if line.keys.split(' ').any(|key| key == typed) {
        return Some(650);
    }
    if line.hint.starts_with(wanted) {
        return Some(600);
    }
    if let Some(gaps) = subsequence(wanted, &name) {
        return Some(500u32.saturating_sub(gaps));
    }
    line.help.to_lowercase().contains(wanted).then_some(100)
}

/// How many letters lie between those wanted.
fn subsequence(wanted: &str, name: &str) -> Option<u32> {
    let mut wanted = wanted.chars().filter(|c| !c.is_whitespace()).peekable();
    let (mut gaps, mut started) = (0, false);
    for c in name.chars() {
        if wanted.peek() == Some(&c) {
            wanted.next();
            started = true;
        } else if started && wanted.peek().is_some() {
            gaps += 1;
        }
    }
    wanted.peek().is_none().then_some(gaps)
}

pub(super) fn open(model: &mut Model) {
    model.modal = Some(Modal::Palette(Palette::default()));
}

/// A key in the palette that is no letter.
pub(super) fn press(model: &mut Model, action: Action) -> Vec<Effect> {
    let Some(Modal::Palette(mut palette)) = model.modal.take_if(|m| matches!(m, Modal::Palette(_))) else {
        return Vec::new();
    };
    let all = lines(model, &palette.input);
    let last = all.len().saturating_sub(1);
    match action {
        Action::Up => palette.at = palette.at.saturating_sub(1),
        Action::Down => palette.at = (palette.at + 1).min(last),
        Action::NextField => {
            if let Some(line) = all.get(palette.at) {
                palette = Palette { input: line.name.clone(), at: 0 };
            }
        }
        Action::Press => {
            if let Some(line) = all.into_iter().nth(palette.at) {
                return run(model, line);
            }
            say(model, Tone::Info, format!("{} is nothing that can be done here", palette.input));
            return Vec::new();
        }
        _ => return Vec::new(),
    }
    model.modal = Some(Modal::Palette(palette));
    Vec::new()
}

fn run(model: &mut Model, line: Line) -> Vec<Effect> {
    if let Some(place) = line.elsewhere {
        say(model, Tone::Info, format!("{} works {place}: {}", line.name, line.help));
        return Vec::new();
    }
    match line.does {
        Does::Act(action) => return act(model, action),
        Does::Go(view) => show(model, view),
        Does::GoRow(row) => go(model, row),
        Does::Node(node) => model.column = Some(node),
        Does::Theme(theme) => model.theme = theme,
        Does::Sort(pane, column) => table::sort_by(model, pane, column),
        Does::Column(pane, column) => table::toggle(model, pane, Some(column)),
        Does::Filter(text) => text.trim().clone_into(&mut model.filter),
        Does::Unmark => model.marked.clear(),
    }
    Vec::new()
}

/// To a row, in the first view that has it.
fn go(model: &mut Model, row: RowId) {
    let (view, pane) = match row {
        RowId::Instance(..) if model.view == View::Instances => (View::Instances, Pane::Matrix),
        RowId::Instance(..) => (View::Overview, Pane::Matrix),
        _ => (View::Services, Pane::Servers),
    };
    show(model, view);
    model.pane = pane;
    if let RowId::Real(service, _) = &row {
        model.folded.remove(&RowId::Service(*service));
    }
    if !rows::of(model, pane).contains(&row) {
        model.filter.clear();
    }
    model.selected.insert(pane, row);
}
