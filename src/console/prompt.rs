//! A line that is typed: a note for the timeline, or a time to go to.

use super::intake::take_note;
use super::model::{Modal, Model, Tone};
use super::replay;
use super::update::{About, Answer, Effect, say};
use crate::status::{Ask, Command, Event, Reason, Reply, Severity, Subject};
use crate::time::Instant;
use crossterm::event::KeyCode;
use std::sync::Arc;

/// As an engine takes it.
const LONGEST: usize = 500;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    pub kind: Kind,
    pub text: String,
    /// Why the text will not do.
    pub problem: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Note,
    GoTo,
}

impl Prompt {
    pub(super) const fn new(kind: Kind) -> Self {
        Self { kind, text: String::new(), problem: None }
    }

    pub const fn title(&self) -> &'static str {
        match self.kind {
            Kind::Note => "Note for the timeline",
            Kind::GoTo => "Go to a time",
        }
    }

    pub const fn help(&self) -> &'static str {
        match self.kind {
            Kind::Note => "Enter keeps it: an engine, if you may command; else this console",
            Kind::GoTo => "12:04:31  12:04  +30s  -5m  2026-11-28 12:04",
        }
    }

    /// Whether the key was text.
    pub(super) fn typed(&mut self, key: KeyCode) -> bool {
        match key {
            KeyCode::Char(c) if self.text.chars().count() < LONGEST => self.text.push(c),
            KeyCode::Char(_) => {}
            KeyCode::Backspace => drop(self.text.pop()),
            _ => return false,
        }
        self.problem = None;
        true
    }
}

pub(super) fn open_note(model: &mut Model) {
    if model.replay.is_some() {
        return say(model, Tone::Info, "this is a recording: notes are added while it is made");
    }
    model.modal = Some(Modal::Prompt(Prompt::new(Kind::Note)));
}

pub(super) fn enter(model: &mut Model) -> Vec<Effect> {
    let Some(Modal::Prompt(mut prompt)) = model.modal.take_if(|m| matches!(m, Modal::Prompt(_))) else {
        return Vec::new();
    };
    let text = prompt.text.trim().to_owned();
    match prompt.kind {
        // Nothing typed is nothing to keep.
        Kind::Note if text.is_empty() => Vec::new(),
        Kind::Note => send(model, Some(text)),
        Kind::GoTo => {
            if let Err(why) = replay::go_to(model, &text) {
                prompt.problem = Some(why);
                model.modal = Some(Modal::Prompt(prompt));
            }
            Vec::new()
        }
    }
}

/// One engine keeps it and shows it to every console: the MASTER of the chosen row or the first that answers. Without
/// any, or without the right to command, this console does.
pub(super) fn send(model: &mut Model, text: Option<String>) -> Vec<Effect> {
    if model.replay.is_some() {
        say(model, Tone::Info, "this is a recording: moments are marked while it is made");
        return Vec::new();
    }
    let fresh = (0..model.live.nodes.len()).find(|n| model.live.is_fresh(*n));
    let Some(node) = fresh.filter(|_| !model.view_only) else {
        say(model, Tone::Info, "kept in this console alone, and in what o saves");
        return keep(model, text);
    };
    let command = Command::Note { text: text.clone() };
    let ask = Box::new(Ask::new(command));
    vec![Effect::Send { node, ask, about: About::Note { text } }]
}

/// A note that no engine has taken.
pub(super) fn kept(model: &mut Model, about: &About, answer: &Answer) -> Vec<Effect> {
    match (about, answer) {
        (About::Note { .. }, Answer::Reply(Reply::Accepted { .. })) => Vec::new(),
        (About::Note { text }, _) => keep(model, text.clone()),
        _ => Vec::new(),
    }
}

fn keep(model: &mut Model, text: Option<String>) -> Vec<Effect> {
    let note = Arc::new(Event {
        seq: model.live.notes.back().map_or(1, |n| n.seq + 1),
        at: Instant::from_micros(model.now),
        wall_us: model.wall_us,
        node: "console".into(),
        subject: Subject::Node,
        severity: Severity::Notice,
        kind: if text.is_some() { "remark" } else { "mark" }.into(),
        text: text.unwrap_or_else(|| "marked".into()),
        cause: Some("kept in this console alone".into()),
        reasons: [Reason::input(Instant::from_micros(model.now), "operator", "noted in this console")].into(),
    });
    take_note(model, note.clone());
    vec![Effect::Record(note)]
}

pub(super) fn save(model: &mut Model) -> Vec<Effect> {
    if model.replay.is_some() {
        say(model, Tone::Info, "this is a recording: it is a file already");
        return Vec::new();
    }
    vec![Effect::Save]
}
