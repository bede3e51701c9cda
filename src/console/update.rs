//! What happens to the model: the only writer. Effects are values; `app` carries them out.

use super::action::Action;
use super::answer::act_in_question;
use super::changes::{self, reverts_in};
use super::intake::{data, on_reply, take_clock, take_events, take_link, take_note, take_snapshot, take_stage};
use super::keymap::{Found, Key};
use super::model::{Frozen, Link, Message, Modal, Model, Pane, Room, RowId, Tone, View};
use super::papers::Against;
use super::question::{Field, Item, Subject};
use super::table::Choice;
use super::{ask, foresee, locks, palette, papers, prompt, replay, rows, screens, table};
use crate::console::Left;
use crate::control::Audit;
use crate::status::{Ask, ClockOffset, ConfigReport, Event, Reply, Snapshot, Stage, StageAction};
use crossterm::event::{KeyCode, MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Size;
use std::sync::Arc;

/// Everything that can happen to a console.
#[derive(Clone, Debug)]
pub enum Msg {
    /// Time has passed: the console's clock and the wall's.
    Tick {
        now: u64,
        wall_us: u64,
    },
    Key(Key),
    Mouse(MouseEvent),
    Paste(String),
    Resize(Size),
    Snapshot {
        node: usize,
        snapshot: Option<Arc<Snapshot>>,
    },
    Events {
        node: usize,
        events: Vec<Arc<Event>>,
    },
    Link {
        node: usize,
        link: Link,
    },
    /// A node's configuration, if it is another one by now.
    Configuration {
        node: usize,
        report: Option<Arc<ConfigReport>>,
    },
    /// A node's audit log, as far as it is here.
    Audit {
        node: usize,
        audit: Arc<Audit>,
    },
    /// A node's clock was measured.
    Clock {
        node: usize,
        offset: Option<ClockOffset>,
    },
    Stage(Stage),
    /// Of a recording: what was noted in its console.
    Note(Arc<Event>),
    Reply {
        about: About,
        answer: Answer,
    },
    /// What has been seen is in a file: what to say of it.
    Saved(Result<String, String>),
}

/// Which request an answer belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum About {
    Command {
        node: usize,
        row: RowId,
        verb: &'static str,
    },
    /// What a reload would change: the question opens with it.
    Preview {
        node: usize,
    },
    /// Who plans what is told, or told no more.
    Lock,
    Stage,
    /// A note, or a mark without a text.
    Note {
        text: Option<String>,
    },
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Reply(Reply),
    /// No answer came back.
    LinkLost,
    /// It could not even be handed over.
    NotSent(&'static str),
}

/// What the program is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    Send {
        node: usize,
        ask: Box<Ask>,
        about: About,
    },
    Stage(StageAction),
    /// What has been seen, to a file.
    Save,
    /// Into the recording of what has been seen.
    Record(Arc<Event>),
    /// To the terminal's clipboard.
    Copy(String),
    /// A new alarm: the bell, and a notice on the desktop where the settings want one.
    Ring {
        title: String,
        text: String,
    },
    Leave(Left),
}

/// How long a mark `asked` stays if nothing changes, in microseconds.
const ASKED_FOR: u64 = 10_000_000;

/// How long the verbs stay armed, in microseconds.
const ARMED_FOR: u64 = 300_000_000;

/// How old a plan may get, in microseconds.
const PLANNED_FOR: u64 = 250_000;

/// How long a message stays, in microseconds.
const MESSAGE_FOR: u64 = 15_000_000;

pub fn update(model: &mut Model, msg: Msg) -> Vec<Effect> {
    let is_data = matches!(msg, Msg::Snapshot { .. } | Msg::Link { .. } | Msg::Stage(_));
    let mut effects = match msg {
        Msg::Tick { now, wall_us } => {
            tick(model, now, wall_us);
            let mut effects = super::alarms::ring(model);
            effects.extend(locks::follow(model));
            return effects;
        }
        Msg::Key(key) => on_key(model, key),
        Msg::Mouse(event) => on_mouse(model, event),
        Msg::Paste(text) => {
            paste(model, &text);
            Vec::new()
        }
        Msg::Resize(size) => {
            model.size = size;
            Vec::new()
        }
        Msg::Snapshot { node, snapshot } => data(model, |m| take_snapshot(m, node, snapshot)),
        Msg::Events { node, events } => data(model, |m| take_events(m, node, events)),
        Msg::Link { node, link } => data(model, |m| take_link(m, node, link)),
        Msg::Clock { node, offset } => {
            take_clock(model, node, offset);
            Vec::new()
        }
        Msg::Configuration { node, report } => data(model, |m| {
            if let Some(view) = m.live.nodes.get_mut(node) {
                view.config = report;
            }
        }),
        Msg::Audit { node, audit } => data(model, |m| {
            if let Some(view) = m.live.nodes.get_mut(node) {
                view.audit = Some(audit);
            }
        }),
        Msg::Stage(stage) => data(model, |m| take_stage(m, stage)),
        Msg::Note(note) => data(model, |m| take_note(m, note)),
        Msg::Reply { about, answer } => {
            let kept = prompt::kept(model, &about, &answer);
            let mut effects = on_reply(model, &about, answer);
            effects.extend(kept);
            effects
        }
        Msg::Saved(Ok(text)) => {
            say(model, Tone::Good, text);
            Vec::new()
        }
        Msg::Saved(Err(text)) => {
            say(model, Tone::Bad, text);
            Vec::new()
        }
    };
    papers::refresh(model);
    rows::keep_marks(model);
    rows::keep_selection(model);
    foresee::refresh(model, is_data);
    effects.extend(locks::follow(model));
    effects
}

fn tick(model: &mut Model, now: u64, wall_us: u64) {
    if model.replay.is_some() {
        return replay::pass(model, now);
    }
    model.now = now.max(model.now);
    model.wall_us = wall_us;
    model.live.at = model.now;
    model.live.wall_us = wall_us;
    let now = model.now;
    model.message.take_if(|m| now.saturating_sub(m.at) > MESSAGE_FOR);
    model.asked.retain(|a| now.saturating_sub(a.at) < ASKED_FOR);
    model.armed_until.take_if(|until| now >= *until);
    // Time alone makes a node stale: the plan must not wait for the next word to see it.
    if let Some(Modal::Question(mut question)) = model.modal.take_if(|m| matches!(m, Modal::Question(_))) {
        if now.saturating_sub(question.planned) >= PLANNED_FOR {
            question.refresh(model);
        }
        model.modal = Some(Modal::Question(question));
    }
}

pub(super) fn say(model: &mut Model, tone: Tone, text: impl Into<String>) {
    model.message = Some(Message { tone, text: text.into(), at: model.now });
}

fn on_key(model: &mut Model, key: Key) -> Vec<Effect> {
    if model.room() == Room::TooSmall {
        let is_quit = matches!(key.code, KeyCode::Char('q')) || (key.control && key.code == KeyCode::Char('c'));
        // Without room for the question the harmless answer is taken: the engine goes on.
        return if is_quit { vec![Effect::Leave(Left::Detached)] } else { Vec::new() };
    }
    if let Some(Modal::Question(question)) = &model.modal {
        let guarded = model.now.saturating_sub(question.opened) < super::question::GUARD;
        if guarded && key.code != KeyCode::Esc {
            return Vec::new();
        }
    }
    if typed(model, key) {
        return Vec::new();
    }
    model.pending.push(key);
    let contexts = model.contexts();
    let mut found = model.keymap.find(&contexts, &model.pending);
    if found == Found::Nothing && model.pending.len() > 1 {
        model.pending = vec![key];
        found = model.keymap.find(&contexts, &model.pending);
    }
    match found {
        Found::Pending => Vec::new(),
        Found::Nothing => {
            model.pending.clear();
            if matches!(key.code, KeyCode::Char(_)) && model.modal.is_none() {
                explain(model, key);
            }
            Vec::new()
        }
        Found::Action(action) => {
            model.pending.clear();
            act(model, action)
        }
    }
}

/// A key without a meaning here: if it has one elsewhere, says where.
fn explain(model: &mut Model, key: Key) {
    let elsewhere = model.keymap.entries().iter().find(|e| e.keys.iter().any(|k| k.0 == [key]));
    let text = match elsewhere.map(|e| (e.context, &e.help)) {
        Some((super::keymap::Context::Instances, help)) => format!("{key} works on an instance: {help}"),
        Some((super::keymap::Context::Servers, help)) => format!("{key} works on a real server: {help}"),
        Some((super::keymap::Context::Config, help)) => format!("{key} works in the config view (6): {help}"),
        Some((super::keymap::Context::Log, help)) => format!("{key} works in the log view (7): {help}"),
        Some((super::keymap::Context::Stage, _)) => format!("{key} works in the demo and the lab only"),
        Some((super::keymap::Context::Clock, _)) => format!("{key} works on the virtual clock of the demo only"),
        _ => format!("{key} does nothing here; ? shows the keys that do"),
    };
    say(model, Tone::Info, text);
}

/// Text goes to the field or the filter that has the keys.
fn typed(model: &mut Model, key: Key) -> bool {
    if key.control {
        return false;
    }
    if let Some(Modal::Question(mut question)) = model.modal.take_if(|m| matches!(m, Modal::Question(_))) {
        let taken = match key.code {
            KeyCode::Char(c) => question.type_char(model, c),
            KeyCode::Backspace => {
                question.fields.erase(question.focus);
                true
            }
            _ => false,
        };
        if taken {
            question.replan(model);
        }
        model.modal = Some(Modal::Question(question));
        return taken;
    }
    if let Some(Modal::Prompt(prompt)) = &mut model.modal {
        return prompt.typed(key.code);
    }
    if let Some(Modal::Palette(palette)) = &mut model.modal {
        match key.code {
            KeyCode::Char(c) => palette.input.push(c),
            KeyCode::Backspace => drop(palette.input.pop()),
            _ => return false,
        }
        palette.at = 0;
        return true;
    }
    match key.code {
        KeyCode::Char(c) if model.filtering && model.modal.is_none() => model.filter.push(c),
        KeyCode::Backspace if model.filtering && model.modal.is_none() => drop(model.filter.pop()),
        _ => return false,
    }
    true
}

fn paste(model: &mut Model, text: &str) {
    let clean = text.chars().filter(|c| !c.is_control());
    match &mut model.modal {
        Some(Modal::Question(question)) if question.focus == Field::Reason => {
            for c in clean {
                question.fields.type_char(Field::Reason, c);
            }
        }
        Some(Modal::Prompt(prompt)) => clean.for_each(|c| _ = prompt.typed(KeyCode::Char(c))),
        Some(Modal::Palette(palette)) => palette.input.extend(clean),
        None if model.filtering => model.filter.extend(clean),
        _ => {}
    }
}

pub(super) fn act(model: &mut Model, action: Action) -> Vec<Effect> {
    if model.modal.is_some() {
        return act_in_modal(model, action);
    }
    match action {
        Action::Reload => return ask::preview(model),
        Action::CheckNow => return ask::check_now(model),
        Action::Announce => return ask::announce(model),
        Action::Keep => return keep(model),
        Action::Undo => ask::undo_last(model),
        Action::Arm => arm(model),
        _ if action.is_verb() => ask::open(model, action),
        _ if action.is_stage() => return ask::stage(model, action),
        _ if action.is_replay() => replay::act(model, action),
        _ => return look(model, action),
    }
    Vec::new()
}

/// What changes nothing but the picture.
fn look(model: &mut Model, action: Action) -> Vec<Effect> {
    match action {
        Action::Note => prompt::open_note(model),
        Action::MarkMoment => return prompt::send(model, None),
        Action::Save => return prompt::save(model),
        Action::Up => rows::step(model, -1),
        Action::Down => rows::step(model, 1),
        Action::HalfPageUp => rows::step(model, -(rows::half_page(model) as isize)),
        Action::HalfPageDown => rows::step(model, rows::half_page(model) as isize),
        Action::Top => rows::step(model, isize::MIN / 2),
        Action::Bottom => rows::step(model, isize::MAX / 2),
        Action::NextMatch if stops(model) => papers::next_stop(model, 1),
        Action::PreviousMatch if stops(model) => papers::next_stop(model, -1),
        Action::NextMatch => rows::step_wrapping(model, 1),
        Action::PreviousMatch => rows::step_wrapping(model, -1),
        Action::Left if model.view == View::Config => papers::choose_node(model, -1),
        Action::Right if model.view == View::Config => papers::choose_node(model, 1),
        Action::Left => column(model, -1),
        Action::Right => column(model, 1),
        Action::NextPane => next_pane(model, 1),
        Action::PreviousPane => next_pane(model, -1),
        Action::Overview => show(model, View::Overview),
        Action::Instances => show(model, View::Instances),
        Action::Services => show(model, View::Services),
        Action::Timeline => show(model, View::Timeline),
        Action::Config => show(model, View::Config),
        Action::Log => show(model, View::Log),
        Action::Versus => papers::versus(model),
        Action::Source => papers::next_source(model),
        Action::Drill => say(model, Tone::Info, "5 will be drills: there is no such view yet"),
        Action::Sort => table::open(model, Choice::Sort),
        Action::Columns => table::open(model, Choice::Columns),
        Action::Mark => rows::mark(model),
        Action::Fold => drop(rows::fold(model, true)),
        Action::Unfold => drop(rows::fold(model, false)),
        Action::Palette => palette::open(model),
        Action::Filter => model.filtering = true,
        Action::AcceptFilter => model.filtering = false,
        Action::Zoom => model.zoomed = !model.zoomed,
        Action::Theme => {
            model.theme = (model.theme + 1) % model.themes.len().max(1);
            let name = model.theme().map_or(String::new(), |t| t.name.clone());
            say(model, Tone::Info, format!("theme {name}"));
        }
        Action::Changes => model.modal = Some(Modal::Changes { selected: 0 }),
        Action::Help => model.modal = Some(Modal::Help { scroll: 0 }),
        Action::Details => details(model),
        Action::Why => {
            if let Some(row) = model.row().cloned() {
                model.modal = Some(Modal::Why { row, scroll: 0 });
            }
        }
        Action::WhatIf => foresee::open(model),
        Action::Freeze => freeze(model),
        Action::Alarms => model.modal = Some(Modal::Alarms { chosen: None }),
        Action::Back => back(model),
        Action::Copy => return copy(model),
        Action::Leave => return leave(model),
        _ => {}
    }
    Vec::new()
}

/// Whether `n` goes from problem to problem.
fn stops(model: &Model) -> bool {
    model.view == View::Config && model.filter.is_empty()
}

fn act_in_modal(model: &mut Model, action: Action) -> Vec<Effect> {
    let page = usize::from(model.size.height / 2).max(1);
    match (&mut model.modal, action) {
        (Some(Modal::Question(_)), _) => return act_in_question(model, action),
        (Some(Modal::Changes { .. }), Action::Undo | Action::Keep) => return act_on_change(model, action),
        (Some(Modal::Changes { selected }), Action::Up | Action::HalfPageUp) => *selected = selected.saturating_sub(1),
        (Some(Modal::Changes { selected }), Action::Down | Action::HalfPageDown) => *selected += 1,
        (Some(Modal::Changes { selected }), Action::Top) => *selected = 0,
        (Some(Modal::Changes { selected }), Action::Bottom) => *selected = usize::MAX,
        (Some(Modal::Prompt(_)), Action::Press) => return prompt::enter(model),
        (Some(Modal::Alarms { .. }), _) => return super::alarms::act(model, action),
        (_, Action::Back) => model.modal = None,
        (Some(Modal::Choose(_)), _) => table::act(model, action),
        (Some(Modal::Palette(_)), _) => return palette::press(model, action),
        (Some(Modal::Details { .. }), Action::Copy) => return copy(model),
        (Some(Modal::WhatIf(_)), Action::Up) => foresee::choose(model, -1),
        (Some(Modal::WhatIf(_)), Action::Down) => foresee::choose(model, 1),
        (Some(Modal::WhatIf(_)), Action::Top) => foresee::choose(model, isize::MIN / 2),
        (Some(Modal::WhatIf(_)), Action::Bottom) => foresee::choose(model, isize::MAX / 2),
        (Some(Modal::Help { scroll } | Modal::Details { scroll, .. } | Modal::Why { scroll, .. }), action) => {
            *scroll = match action {
                Action::Up => scroll.saturating_sub(1),
                Action::Down => scroll.saturating_add(1),
                Action::HalfPageUp => scroll.saturating_sub(page),
                Action::HalfPageDown => scroll.saturating_add(page),
                Action::Top => 0,
                Action::Bottom => usize::MAX,
                _ => *scroll,
            };
        }
        (Some(Modal::Changes { .. } | Modal::Prompt(_) | Modal::WhatIf(_)) | None, _) => {}
    }
    // What lies behind the end is not remembered: going up must move at once.
    let last = model.changes().len().saturating_sub(1);
    if let Some(Modal::Changes { selected }) = &mut model.modal {
        *selected = (*selected).min(last);
    }
    let limit = screens::scroll_limit(model);
    if let Some(Modal::Help { scroll } | Modal::Details { scroll, .. } | Modal::Why { scroll, .. }) = &mut model.modal {
        *scroll = (*scroll).min(limit);
    }
    Vec::new()
}

/// Undoes the change that has the keys, or keeps it.
fn act_on_change(model: &mut Model, action: Action) -> Vec<Effect> {
    let Some(Modal::Changes { selected }) = model.modal else { return Vec::new() };
    let changes = model.changes();
    let Some(change) = changes.get(selected) else { return Vec::new() };
    let told = change.told();
    if action == Action::Undo {
        ask::undo_listed(model, told);
        return Vec::new();
    }
    let waits = |(n, a): &(usize, &crate::status::Action)| reverts_in(&model.live, *n, a).is_some();
    if !change.nodes.iter().any(waits) {
        say(model, Tone::Info, "this does not undo itself: there is nothing to keep");
        return Vec::new();
    }
    keep_these(model, &told)
}

/// Keeps whatever was changed from here and would undo itself.
fn keep(model: &mut Model) -> Vec<Effect> {
    let told: Vec<(usize, u64)> = model.changes_to_keep().into_iter().flat_map(|c| c.told).collect();
    if told.is_empty() {
        say(model, Tone::Info, "nothing waits to be kept");
        return Vec::new();
    }
    keep_these(model, &told)
}

fn keep_these(model: &mut Model, told: &[(usize, u64)]) -> Vec<Effect> {
    if model.view_only || model.replay.is_some() {
        say(model, Tone::Info, "view only: this console changes nothing");
        return Vec::new();
    }
    changes::keep(model, told)
}

/// Arms the verbs for a while, or takes them away again: that is never asked.
fn arm(model: &mut Model) {
    let text = match (model.needs_arming, model.armed_until) {
        (false, _) => "the verbs need no arming here (arm = true in the settings changes that)",
        (true, Some(_)) => {
            model.armed_until = None;
            "disarmed: the verbs are locked"
        }
        (true, None) => {
            model.armed_until = Some(model.now + ARMED_FOR);
            "armed for 5 minutes: each verb still asks; A disarms"
        }
    };
    say(model, Tone::Info, text);
}

fn column(model: &mut Model, by: isize) {
    let last = model.shown().nodes.len().saturating_sub(1);
    model.column = match model.column {
        None if by > 0 => Some(0),
        None => None,
        Some(0) if by < 0 => None,
        Some(at) => Some(at.saturating_add_signed(by).min(last)),
    };
}

fn next_pane(model: &mut Model, by: isize) {
    let panes = model.panes();
    let at = panes.iter().position(|p| *p == model.pane).unwrap_or(0);
    let next = (at as isize + by).rem_euclid(panes.len().max(1) as isize) as usize;
    model.pane = panes.get(next).copied().unwrap_or(Pane::Matrix);
}

pub(super) fn show(model: &mut Model, view: View) {
    model.view = view;
    model.zoomed = false;
    if let Some(first) = model.panes().first() {
        model.pane = *first;
    }
}

fn details(model: &mut Model) {
    // Deeper into a folded group is its rows.
    if model.row().is_some_and(|row| model.folded.contains(row)) && rows::fold(model, false) {
        return;
    }
    if let Some(row) = model.row().cloned() {
        model.modal = Some(Modal::Details { row, scroll: 0 });
    }
}

fn freeze(model: &mut Model) {
    model.frozen = match model.frozen.take() {
        Some(_) => None,
        None => Some(Frozen { picture: model.live.clone(), changes: 0 }),
    };
}

/// One step towards the plain screen.
fn back(model: &mut Model) {
    if model.filtering || !model.filter.is_empty() {
        model.filtering = false;
        model.filter.clear();
    } else if model.zoomed {
        model.zoomed = false;
    } else if model.frozen.is_some() {
        model.frozen = None;
    } else if model.view == View::Config && model.papers.against != Against::Nothing {
        model.papers.against = Against::Nothing;
    } else if !model.marked.is_empty() {
        model.marked.clear();
    } else if model.column.is_some() {
        model.column = None;
    } else if model.asks_to_keep() {
        model.keep_later = true;
        say(model, Tone::Info, "it undoes itself unless it is kept: U lists it, K there keeps it");
    } else if model.message.take().is_none() {
        model.pane = model.panes().first().copied().unwrap_or(Pane::Matrix);
    }
}

fn copy(model: &mut Model) -> Vec<Effect> {
    let rows = match &model.modal {
        Some(Modal::Details { row, .. }) => vec![row.clone()],
        _ => model.meant(),
    };
    let Some(json) = rows::as_json(model, &rows) else {
        say(model, Tone::Info, "nothing to copy here");
        return Vec::new();
    };
    let what = super::text::plural(rows.len(), "row");
    say(model, Tone::Info, format!("{what} given to the terminal's clipboard: {} bytes of JSON", json.len()));
    vec![Effect::Copy(json)]
}

fn leave(model: &mut Model) -> Vec<Effect> {
    if !model.owns_engine && model.changes_to_keep().is_empty() {
        return vec![Effect::Leave(Left::Detached)];
    }
    let row = RowId::StageNode(String::new());
    ask::ask(model, vec![Item { subject: Subject::Leave, row }]);
    Vec::new()
}

fn on_mouse(model: &mut Model, event: MouseEvent) -> Vec<Effect> {
    match event.kind {
        MouseEventKind::ScrollDown if model.modal.is_none() => rows::step(model, 1),
        MouseEventKind::ScrollUp if model.modal.is_none() => rows::step(model, -1),
        MouseEventKind::ScrollDown => return act_in_modal(model, Action::Down),
        MouseEventKind::ScrollUp => return act_in_modal(model, Action::Up),
        MouseEventKind::Down(MouseButton::Left) => return click(model, event.column, event.row),
        _ => {}
    }
    Vec::new()
}

fn click(model: &mut Model, x: u16, y: u16) -> Vec<Effect> {
    let Some(hit) = screens::hit(model, x, y) else { return Vec::new() };
    match hit {
        screens::Hit::Row(pane, row) if model.modal.is_none() => {
            model.pane = pane;
            model.selected.insert(pane, row);
        }
        screens::Hit::Column(node) if model.modal.is_none() => model.column = Some(node),
        screens::Hit::Pane(pane) if model.modal.is_none() => model.pane = pane,
        screens::Hit::View(view) if model.modal.is_none() => show(model, view),
        screens::Hit::Action(action) if model.modal.is_none() => return act(model, action),
        screens::Hit::Change(at) => {
            if let Some(Modal::Changes { selected }) = &mut model.modal {
                *selected = at;
            }
        }
        // A click goes to the button; pressing it takes the key.
        screens::Hit::Button(button) => {
            if let Some(Modal::Question(question)) = &mut model.modal {
                if button == 0 {
                    model.modal = None;
                } else {
                    question.focus = Field::Button(button);
                }
            }
        }
        _ => {}
    }
    Vec::new()
}
