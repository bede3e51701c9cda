//! The list of alarms: choosing one, acknowledging it, and telling a new one aloud.

use super::action::Action;
use super::facts;
use super::model::{Message, Modal, Model, RowId, Tone};
use super::update::{About, Effect};
use crate::status::{Alarm, Ask, Command};
use std::sync::Arc;

/// What is wrong when the console opens is in sight, and is no news.
const SETTLED: u64 = 2_000_000;

/// The alarms shown, and the place of the chosen one.
pub(super) fn chosen(model: &Model) -> (Arc<[Alarm]>, usize) {
    let alarms = facts::alarms(model.shown());
    let id = match &model.modal {
        Some(Modal::Alarms { chosen }) => chosen.as_deref(),
        _ => None,
    };
    let at = id.and_then(|id| alarms.iter().position(|a| a.id == id)).unwrap_or(0);
    (alarms, at)
}

pub(super) fn act(model: &mut Model, action: Action) -> Vec<Effect> {
    let (alarms, at) = chosen(model);
    let last = alarms.len().saturating_sub(1);
    let page = usize::from(model.size.height / 3).max(1);
    let to = match action {
        Action::Back => {
            model.modal = None;
            return Vec::new();
        }
        Action::Acknowledge => return acknowledge(model, alarms.get(at)),
        Action::Up => at.saturating_sub(1),
        Action::Down => at + 1,
        Action::HalfPageUp => at.saturating_sub(page),
        Action::HalfPageDown => at + page,
        Action::Top => 0,
        Action::Bottom => last,
        _ => at,
    };
    let chosen = alarms.get(to.min(last)).map(|a| a.id.clone());
    model.modal = Some(Modal::Alarms { chosen });
    Vec::new()
}

/// Every node that answers keeps it, so that every console shows it.
fn acknowledge(model: &mut Model, alarm: Option<&Alarm>) -> Vec<Effect> {
    let mut say = |text: String| model.message = Some(Message { tone: Tone::Info, text, at: model.now });
    let Some(alarm) = alarm else {
        say("there is no alarm to acknowledge".into());
        return Vec::new();
    };
    if let Some(seen) = &alarm.acknowledged {
        say(format!("{} has seen it already", seen.by));
        return Vec::new();
    }
    if model.view_only {
        say("view only: an acknowledgement goes to the nodes' logs under your name".into());
        return Vec::new();
    }
    let command = Command::Acknowledge { alarm: alarm.id.clone(), since_us: alarm.since_us };
    let nodes = (0..model.live.nodes.len()).filter(|n| model.live.is_fresh(*n));
    let effects: Vec<Effect> = nodes
        .map(|node| Effect::Send {
            node,
            ask: Box::new(Ask::new(command.clone())),
            about: About::Command { node, row: RowId::StageNode(String::new()), verb: "acknowledge" },
        })
        .collect();
    if effects.is_empty() {
        say("no node answers that could keep it".into());
    }
    effects
}

/// Tells each new alarm once. One that was gone and is back is new.
pub(super) fn ring(model: &mut Model) -> Vec<Effect> {
    let alarms = facts::alarms(&model.live);
    if model.rung.is_empty() && alarms.is_empty() {
        return Vec::new();
    }
    let is_new = |a: &&Alarm| {
        let known = model.rung.get(&a.id);
        a.acknowledged.is_none() && known.is_none_or(|before| later(*before, a.since_us))
    };
    let new: Vec<&Alarm> = alarms.iter().filter(is_new).collect();
    let effect = new.first().filter(|_| model.now > SETTLED).map(|worst| {
        let more = new.len() - 1;
        let more = if more == 0 { String::new() } else { format!(" (and {more} more)") };
        let title = format!("{} · {}", worst.kind.word(), model.title);
        Effect::Ring { title, text: format!("{}{more}", worst.text) }
    });
    model.rung = alarms.iter().map(|a| (a.id.clone(), a.since_us)).collect();
    effect.into_iter().collect()
}

/// Whether it is another occurrence; a wall clock that was set right by a little makes none.
fn later(before: Option<u64>, now: Option<u64>) -> bool {
    before.zip(now).is_some_and(|(before, now)| now > before.saturating_add(2_000_000))
}
