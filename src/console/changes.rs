//! What this console asked for: what is on its way, what has come of it, and what of it can be kept or undone.

use super::ask;
use super::facts;
use super::model::{Asked, Model, NodeView, Picture, RowId, Tone};
use super::text;
use super::update::{About, Answer, Effect, say};
use crate::status::{Action, ActionState, Ask, Command, Reply};

/// Several commands of one question: the items one after the other, the nodes of one item together.
#[derive(Clone, Debug)]
pub struct Batch {
    pub verb: &'static str,
    parts: Vec<Part>,
    sent: usize,
}

/// One command to one node.
#[derive(Clone, Debug)]
pub struct Part {
    pub item: usize,
    pub node: usize,
    pub row: RowId,
    pub name: String,
    /// What the subject looked like.
    pub before: String,
    pub ask: Ask,
    /// Good or bad, and a sentence.
    pub answer: Option<(bool, String)>,
}

/// A change that was made from here, with its number on each node that was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub line: String,
    verb: &'static str,
    on: String,
    pub told: Vec<(usize, u64)>,
}

/// A change that undoes itself unless it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToKeep {
    pub line: String,
    pub told: Vec<(usize, u64)>,
    /// Microseconds.
    pub left: u64,
}

/// One line of the list of changes: what several nodes were told at the same time is one.
#[derive(Clone, Debug)]
pub struct Listed<'a> {
    pub nodes: Vec<(usize, &'a Action)>,
}

impl Batch {
    pub const fn new(verb: &'static str, parts: Vec<Part>) -> Self {
        Self { verb, parts, sent: 0 }
    }

    fn is_over(&self) -> bool {
        self.parts.iter().all(|p| p.answer.is_some())
    }

    /// The parts of the next item, once those before it are answered.
    fn next(&mut self) -> &[Part] {
        let start = self.sent;
        if !self.parts.iter().take(start).all(|p| p.answer.is_some()) {
            return &[];
        }
        let rest = self.parts.get(start..).unwrap_or_default();
        let item = rest.first().map(|p| p.item);
        let end = start + rest.iter().take_while(|p| Some(p.item) == item).count();
        self.sent = end;
        self.parts.get(start..end).unwrap_or_default()
    }

    /// Whether all is well so far, and what is to be said.
    fn told(&self, names: impl Fn(usize) -> String) -> (bool, String) {
        let verb = self.verb;
        let called = |p: &Part| format!("{} on {}", p.name, names(p.node));
        if let [one] = self.parts.as_slice() {
            let (good, text) = one.answer.clone().unwrap_or_else(|| (true, "asked".into()));
            return (good, format!("{verb} on {}: {text}", names(one.node)));
        }
        let of = self.parts.len();
        let good: Vec<String> =
            self.parts.iter().filter(|p| p.answer.as_ref().is_some_and(|(g, _)| *g)).map(called).collect();
        let bad: Vec<String> = self
            .parts
            .iter()
            .filter_map(|p| Some((p, p.answer.as_ref().filter(|(good, _)| !good)?)))
            .map(|(p, (_, text))| format!("{}: {text}", called(p)))
            .collect();
        let open = of - good.len() - bad.len();
        let mut text = format!("{verb}: {} of {of} done", good.len());
        if !bad.is_empty() {
            text = format!("{text}, {} NOT: {}", bad.len(), bad.join("; "));
        }
        if open > 0 {
            text = format!("{text}, {open} still to be answered");
        } else if !good.is_empty() {
            text = format!("{text} — done: {}", text::listing(&good));
        }
        (bad.is_empty(), text)
    }
}

/// Sends the first of it.
pub(super) fn begin(model: &mut Model, batch: Batch) -> Vec<Effect> {
    if model.batch.is_some() {
        say(model, Tone::Bad, "nothing was sent: the answers to the last question are still to come");
        return Vec::new();
    }
    model.batch = Some(batch);
    send_next(model)
}

fn send_next(model: &mut Model) -> Vec<Effect> {
    let Some(mut batch) = model.batch.take() else { return Vec::new() };
    let verb = batch.verb;
    let mut effects = Vec::new();
    for part in batch.next() {
        let (node, row) = (part.node, part.row.clone());
        // What the first ones have changed since the question was answered is no sign that this one has worked.
        let before = if part.item == 0 { part.before.clone() } else { ask::looks(model, &row, node) };
        model.asked.push(Asked { node, row: row.clone(), verb, at: model.now, before });
        let about = About::Command { node, row, verb };
        effects.push(Effect::Send { node, ask: Box::new(part.ask.clone()), about });
    }
    model.batch = (!batch.is_over()).then_some(batch);
    effects
}

/// Takes in an answer that belongs to the batch; none: it belongs to something else.
pub(super) fn answered(model: &mut Model, about: &About, answer: &Answer) -> Option<Vec<Effect>> {
    let About::Command { node, row, verb } = about else { return None };
    let mut batch = model.batch.take_if(|b| b.verb == *verb)?;
    let is_it = |p: &&mut Part| p.node == *node && p.row == *row && p.answer.is_none();
    let Some(part) = batch.parts.iter_mut().take(batch.sent).find(is_it) else {
        model.batch = Some(batch);
        return None;
    };
    part.answer = Some(sentence(answer));
    if let (Answer::Reply(Reply::Accepted { action: Some(id), .. }), ask) = (answer, part.ask.clone()) {
        remember(model, verb, *node, *id, &ask);
    }
    // What is done is locked no more: the engine has freed it.
    let on = part.ask.command.on();
    if matches!(answer, Answer::Reply(Reply::Accepted { .. })) {
        model.locks.freed(*node, &on);
    }
    let (good, text) = batch.told(|n| model.live.nodes.get(n).map_or("?", NodeView::name).to_owned());
    if matches!(answer, Answer::Reply(Reply::Rejected { .. }) | Answer::NotSent(_)) {
        model.asked.retain(|a| !(a.node == *node && a.row == *row));
    }
    say(model, if good { Tone::Good } else { Tone::Bad }, text);
    if batch.is_over() {
        return Some(Vec::new());
    }
    model.batch = Some(batch);
    Some(send_next(model))
}

/// Whether it is good news, and the news.
pub(super) fn sentence(answer: &Answer) -> (bool, String) {
    match answer {
        Answer::Reply(Reply::Accepted { text, .. }) => (true, text.clone()),
        Answer::Reply(Reply::Rejected { reason }) => (false, format!("rejected: {reason}")),
        Answer::LinkLost => (false, "the link was lost; what became of the command is not known".into()),
        Answer::NotSent(why) => (false, format!("not sent: {why}")),
    }
}

/// How many changes a console remembers as its own.
const REMEMBERED: usize = 32;

fn remember(model: &mut Model, verb: &'static str, node: usize, id: u64, ask: &Ask) {
    let (line, on) = (ask.command.to_string(), ask.command.on());
    match model.mine.last_mut().filter(|c| c.line == line && c.told.iter().all(|(n, _)| *n != node)) {
        Some(same) => same.told.push((node, id)),
        None => model.mine.push(Change { line, verb, on, told: vec![(node, id)] }),
    }
    model.keep_later = false;
    if model.mine.len() > REMEMBERED {
        model.mine.remove(0);
    }
}

impl Model {
    /// The action as the node tells it now; an engine that counts from the start again means another one.
    fn told_of(&self, change: &Change, node: usize, id: u64) -> Option<&Action> {
        facts::action(&self.live, node, id).filter(|a| a.verb == change.verb && a.on == change.on)
    }

    /// What was changed from here and undoes itself unless it is kept, the newest first.
    pub fn changes_to_keep(&self) -> Vec<ToKeep> {
        let of = |change: &Change| {
            let waiting: Vec<((usize, u64), u64)> = change
                .told
                .iter()
                .filter_map(|(node, id)| {
                    let action = self.told_of(change, *node, *id)?;
                    Some(((*node, *id), reverts_in(&self.live, *node, action)?))
                })
                .collect();
            let left = waiting.iter().map(|(_, left)| *left).min()?;
            let told = waiting.into_iter().map(|(told, _)| told).collect();
            Some(ToKeep { line: change.line.clone(), told, left })
        };
        self.mine.iter().rev().filter_map(of).collect()
    }

    /// The last change from here that can be undone; an undoing is taken back from the list only.
    pub fn last_undoable(&self) -> Option<Vec<(usize, u64)>> {
        self.mine.iter().rev().filter(|c| c.verb != "undo").find_map(|change| {
            let can = |(node, id): &&(usize, u64)| self.told_of(change, *node, *id).is_some_and(can_be_undone);
            let told: Vec<(usize, u64)> = change.told.iter().filter(can).copied().collect();
            (!told.is_empty()).then_some(told)
        })
    }

    /// Every change that the nodes remember, the newest first.
    pub fn changes(&self) -> Vec<Listed<'_>> {
        /// What was told within this time in the same words is one change.
        const TOGETHER: u64 = 5_000_000;
        let mut all: Vec<(usize, &Action)> = Vec::new();
        for node in 0..self.live.nodes.len() {
            all.extend(self.live.fresh(node).into_iter().flat_map(|s| &s.actions).map(|a| (node, a)));
        }
        all.sort_by_key(|(node, a)| (std::cmp::Reverse(a.at_us), *node, std::cmp::Reverse(a.id)));
        let mut out: Vec<Listed> = Vec::new();
        for (node, action) in all {
            let same = |l: &&mut Listed| {
                let alike =
                    |a: &Action| a.line == action.line && a.by.user == action.by.user && a.state == action.state;
                let is_near = l.nodes.iter().all(|(_, a)| alike(a) && a.at_us.abs_diff(action.at_us) < TOGETHER);
                is_near && l.nodes.iter().all(|(n, _)| *n != node)
            };
            match out.iter_mut().find(same) {
                Some(listed) => listed.nodes.push((node, action)),
                None => out.push(Listed { nodes: vec![(node, action)] }),
            }
        }
        out
    }
}

impl Listed<'_> {
    pub fn told(&self) -> Vec<(usize, u64)> {
        self.nodes.iter().map(|(n, a)| (*n, a.id)).collect()
    }
}

pub fn can_be_undone(action: &Action) -> bool {
    action.state == ActionState::Done && action.gives_back.is_some()
}

/// How long until an action undoes itself, in microseconds; none: it does not.
pub fn reverts_in(picture: &Picture, node: usize, action: &Action) -> Option<u64> {
    let at = action.keep_until_us.filter(|_| action.state == ActionState::Done)?;
    let view = picture.nodes.get(node)?;
    let now = view.snapshot.as_ref()?.wall_us + picture.clock().saturating_sub(view.received);
    at.checked_sub(now).filter(|left| *left > 0)
}

/// Keeps these: what was asked for stays.
pub(super) fn keep(model: &mut Model, told: &[(usize, u64)]) -> Vec<Effect> {
    let row = model.row().cloned().unwrap_or(RowId::StageNode(String::new()));
    let parts = told.iter().map(|(node, id)| {
        let mut ask = Ask::new(Command::Keep { id: *id });
        ask.session = Some(model.session.clone());
        let name = facts::action(&model.live, *node, *id).map_or_else(|| id.to_string(), |a| a.line.clone());
        Part { item: 0, node: *node, row: row.clone(), name, before: String::new(), ask, answer: None }
    });
    let batch = Batch::new("keep", parts.collect());
    begin(model, batch)
}
