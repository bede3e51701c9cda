//! What arrives: snapshots, events, the stage, answers.

use super::model::{EVENTS_KEPT, Message, Modal, Model, NodeView, StageView, Tone};
use super::update::{About, Answer, Effect};
use super::{ask, changes, locks};
use crate::recording::{Fed, Link, Moment};
use crate::status::{ClockOffset, Event, Reply, Snapshot, Stage};
use std::sync::Arc;

/// Takes in what came from a node, and looks again at what depends on it.
pub(super) fn data(model: &mut Model, take: impl FnOnce(&mut Model)) -> Vec<Effect> {
    take(model);
    if let Some(frozen) = &mut model.frozen {
        frozen.changes += 1;
    }
    let asked = std::mem::take(&mut model.asked);
    model.asked = asked.into_iter().filter(|a| ask::looks(model, &a.row, a.node) == a.before).collect();
    if let Some(Modal::Question(mut question)) = model.modal.take_if(|m| matches!(m, Modal::Question(_))) {
        question.refresh(model);
        model.modal = Some(Modal::Question(question));
    }
    super::alarms::ring(model)
}

pub(super) fn take_snapshot(model: &mut Model, node: usize, snapshot: Option<Arc<Snapshot>>) {
    let (clock, now) = (model.live.clock(), model.now);
    let Some(view) = model.live.nodes.get_mut(node) else { return };
    match &snapshot {
        Some(new) => view.called = Some(new.node.name.clone()),
        // The engine was started anew and counts from the start; what it did before stays in the history.
        None => view.last_seq = 0,
    }
    view.snapshot = snapshot;
    view.received = clock;
    view.received_console = now;
}

pub(super) fn take_events(model: &mut Model, node: usize, events: Vec<Arc<Event>>) {
    let Some(view) = model.live.nodes.get_mut(node) else { return };
    for event in events {
        if event.seq <= view.last_seq {
            view.last_seq = 0;
        }
        if view.last_seq > 0 && event.seq > view.last_seq + 1 {
            view.missed += event.seq - view.last_seq - 1;
        }
        view.last_seq = event.seq;
        if view.events.len() == EVENTS_KEPT {
            view.events.pop_front();
        }
        view.events.push_back(event);
    }
}

pub(super) fn take_stage(model: &mut Model, stage: Stage) {
    /// What comes within this time belongs together, whichever came first.
    const TOGETHER: u64 = 50_000;
    model.live.stage = Some(StageView { stage, received: model.now });
    let (clock, now) = (model.live.clock(), model.now);
    for view in &mut model.live.nodes {
        if now.saturating_sub(view.received_console) < TOGETHER {
            view.received = clock;
        }
    }
}

/// A note stays in this console and its recording.
pub(super) fn take_note(model: &mut Model, note: Arc<Event>) {
    if model.live.notes.len() == EVENTS_KEPT {
        model.live.notes.pop_front();
    }
    model.live.notes.push_back(note);
}

/// What a recording says was fed, at its moment.
pub(super) fn feed(model: &mut Model, moment: Moment, fed: Fed) {
    (model.now, model.wall_us) = (moment.at, moment.wall);
    (model.live.at, model.live.wall_us) = (moment.at, moment.wall);
    match fed {
        Fed::Snapshot { node, snapshot } => take_snapshot(model, node, snapshot),
        Fed::Events { node, events } => take_events(model, node, events),
        Fed::Link { node, link } => take_link(model, node, link),
        Fed::Clock { node, offset } => take_clock(model, node, offset),
        Fed::Stage(stage) => take_stage(model, stage),
        Fed::Note(note) => take_note(model, note),
    }
}

pub(super) fn take_clock(model: &mut Model, node: usize, offset: Option<ClockOffset>) {
    if let Some(view) = model.live.nodes.get_mut(node) {
        view.clock = offset;
    }
}

pub(super) fn take_link(model: &mut Model, node: usize, link: Link) {
    if let Some(view) = model.live.nodes.get_mut(node) {
        view.link = link;
    }
}

pub(super) fn on_reply(model: &mut Model, about: &About, answer: Answer) -> Vec<Effect> {
    if let (About::Preview { node }, Answer::Reply(Reply::Accepted { text, .. })) = (about, &answer) {
        super::ask::previewed(model, *node, text.clone());
        return Vec::new();
    }
    if *about == About::Lock {
        locks::answered(model, &answer);
        return Vec::new();
    }
    if let Some(effects) = changes::answered(model, about, &answer) {
        return effects;
    }
    let (good, text) = changes::sentence(&answer);
    let tone = if good { Tone::Good } else { Tone::Bad };
    let text = match about {
        About::Command { node, row, verb } => {
            if tone == Tone::Bad {
                model.asked.retain(|a| !(a.node == *node && a.row == *row));
            }
            let name = model.live.nodes.get(*node).map_or("?", NodeView::name);
            format!("{verb} on {name}: {text}")
        }
        About::Preview { node } => {
            let name = model.live.nodes.get(*node).map_or("?", NodeView::name);
            format!("reload of {name}: {text}")
        }
        About::Note { .. } if tone == Tone::Bad => format!("kept in this console alone: {text}"),
        About::Stage | About::Lock | About::Note { .. } => text,
    };
    // A second node's good news does not cover the first one's bad news.
    let now = model.now;
    let bad_before =
        model.message.as_ref().is_some_and(|m| m.tone == Tone::Bad && now.saturating_sub(m.at) < 1_000_000);
    if tone == Tone::Bad || !bad_before {
        model.message = Some(Message { tone, text, at: now });
    }
    Vec::new()
}
