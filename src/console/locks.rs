//! While a question of medium or high risk is open, its subject is locked: others see who plans what, and are refused.
//! The locks follow from what is open; nothing opens or closes them by itself.

use super::model::{Modal, Model};
use super::plan::Risk;
use super::question::Question;
use super::update::{About, Answer, Effect};
use crate::status::{Ask, Command, Reply};

/// How long a lock holds without a word of its console, in seconds: one that dies gives way soon.
const SECONDS: u32 = 60;

/// When it is asked for again, in microseconds.
const RENEWED_AFTER: u64 = 20_000_000;

/// For how long a refusal stands until the nodes' own word of the other's lock is here, in microseconds.
const REFUSED_FOR: u64 = 3_000_000;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Locks {
    /// Node, and what is locked there.
    held: Vec<(usize, String)>,
    /// When they were asked for last.
    at: u64,
    refused: Option<(u64, String)>,
}

impl Locks {
    /// The engine has freed it itself.
    pub(super) fn freed(&mut self, node: usize, on: &str) {
        self.held.retain(|(n, o)| (*n, o.as_str()) != (node, on));
    }

    /// Why a lock was not given just now.
    pub fn refused(&self) -> Option<&str> {
        self.refused.as_ref().map(|(_, why)| why.as_str())
    }
}

/// Asks for what should be locked and is not, again for what is, and gives up the rest.
pub(super) fn follow(model: &mut Model) -> Vec<Effect> {
    let now = model.now;
    model.locks.refused.take_if(|(at, _)| now.saturating_sub(*at) > REFUSED_FOR);
    let wanted = match &model.modal {
        Some(Modal::Question(question)) if is_locking(question) => question.subjects_to_lock(model),
        // What is being done stays locked until the last answer.
        _ if model.batch.is_some() => model.locks.held.clone(),
        _ => Vec::new(),
    };
    let is_due = now.saturating_sub(model.locks.at) > RENEWED_AFTER;
    let held = std::mem::take(&mut model.locks.held);
    let mut effects: Vec<Effect> =
        held.iter().filter(|l| !wanted.contains(l)).map(|(node, on)| unlock(model, *node, on)).collect();
    let asked: Vec<&(usize, String)> = wanted.iter().filter(|l| is_due || !held.contains(l)).collect();
    if !asked.is_empty() {
        model.locks.at = now;
    }
    effects.extend(asked.into_iter().map(|(node, on)| lock(model, *node, on)));
    model.locks.held = wanted;
    effects
}

fn is_locking(question: &Question) -> bool {
    question.subject().is_command() && matches!(question.plan.risk, Some(Risk::Medium | Risk::High))
}

fn lock(model: &Model, node: usize, on: &str) -> Effect {
    let (plan, reason) = match &model.modal {
        Some(Modal::Question(question)) => (Some(question.plan.title.clone()), question.fields.reason()),
        _ => (None, None),
    };
    let mut ask = Ask::new(Command::Lock { on: on.to_owned(), plan, seconds: Some(SECONDS) });
    ask.reason = reason;
    send(model, node, ask)
}

fn unlock(model: &Model, node: usize, on: &str) -> Effect {
    send(model, node, Ask::new(Command::Unlock { on: on.to_owned() }))
}

fn send(model: &Model, node: usize, mut ask: Ask) -> Effect {
    ask.session = Some(model.session.clone());
    Effect::Send { node, ask: Box::new(ask), about: About::Lock }
}

/// Only a refusal matters: a lock that was lost on the way ends by itself.
pub(super) fn answered(model: &mut Model, answer: &Answer) {
    let Answer::Reply(Reply::Rejected { reason }) = answer else { return };
    // An engine that knows no locks is no reason to do nothing.
    if !reason.contains("unknown variant") {
        model.locks.refused = Some((model.now, reason.clone()));
    }
    if let Some(Modal::Question(mut question)) = model.modal.take_if(|m| matches!(m, Modal::Question(_))) {
        question.refresh(model);
        model.modal = Some(Modal::Question(question));
    }
}
