//! Writing: a ring of packed parts, each of which can be read by itself.

use super::line::{Fed, Header, Moment};
use super::pack::packed;
use super::patch::difference;
use crate::status::{Event, Snapshot};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};
use std::collections::VecDeque;
use std::sync::Arc;

/// How much is kept, and how long the parts are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Microseconds.
    pub span: u64,
    /// Bytes of what is packed.
    pub bytes: usize,
    /// A part is at least so long, in microseconds, and at most four times as long: what is shorter costs room, what is
    /// longer costs time to step back.
    pub part: u64,
}

/// A closed part.
#[derive(Clone, Debug)]
pub struct Piece {
    pub from: Moment,
    pub until: Moment,
    pub bytes: Arc<[u8]>,
    events: Vec<(usize, Arc<Event>)>,
}

/// How many events from before its first part a recording holds, for each node.
const PAST: usize = 2000;
/// A part is not cut before its changes are so much longer than the state it opened with.
const WORTH: usize = 2;
/// And is cut when they are as long as this, in bytes, whatever its age.
const LONGEST: usize = 8 * 1024 * 1024;

#[derive(Debug)]
pub struct Writer {
    limits: Limits,
    closed: VecDeque<Piece>,
    bytes: usize,
    /// The lines of the part that is being written.
    open: Vec<u8>,
    opened: Option<Moment>,
    last: Moment,
    /// How long the state that it opened with is.
    head: usize,
    events: Vec<(usize, Arc<Event>)>,
    past: Vec<VecDeque<Arc<Event>>>,
    nodes: Vec<Box<RawValue>>,
    stage: Box<RawValue>,
}

/// The first member of a recording.
pub fn head(header: &Header) -> Vec<u8> {
    packed(&first(header))
}

fn first(header: &Header) -> Vec<u8> {
    // Numbers and texts only: there is nothing in it that has no JSON.
    let mut text = serde_json::to_vec(header).unwrap_or_default();
    text.push(b'\n');
    text
}

fn line(out: &mut Vec<u8>, moment: Moment, tag: &str, value: &impl Serialize) {
    let Moment { at, wall } = moment;
    out.extend(format!("{{\"at\":{at},\"wall\":{wall},\"{tag}\":").into_bytes());
    if serde_json::to_writer(&mut *out, value).is_err() {
        out.extend(b"null");
    }
    out.extend(b"}\n");
}

fn raw(value: &impl Serialize) -> Box<RawValue> {
    to_raw_value(value).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

/// What changed from one state to the next, also if nothing did; none: one of them is no state.
fn change(old: &RawValue, new: &RawValue) -> Option<Value> {
    let is_state = old.get().starts_with('{') && new.get().starts_with('{');
    is_state.then(|| difference(old, new).unwrap_or_else(|| Value::Object(serde_json::Map::new())))
}

impl Writer {
    pub fn new(limits: Limits, nodes: usize) -> Self {
        Self {
            limits,
            closed: VecDeque::new(),
            bytes: 0,
            open: Vec::new(),
            opened: None,
            last: Moment::default(),
            head: 0,
            events: Vec::new(),
            past: vec![VecDeque::new(); nodes],
            nodes: vec![RawValue::NULL.to_owned(); nodes],
            stage: RawValue::NULL.to_owned(),
        }
    }

    /// Takes what was fed; `picture` is what the recorder knew before, asked for where a new part begins.
    pub fn push(&mut self, moment: Moment, fed: &Fed, picture: impl FnOnce() -> Value) {
        if self.is_due(moment) {
            self.close();
        }
        if self.opened.is_none() {
            self.begin(moment, &picture());
        }
        self.last = moment;
        match fed {
            Fed::Snapshot { node, snapshot } => self.snapshot(moment, *node, snapshot.as_deref()),
            Fed::Events { node, events } => {
                line(&mut self.open, moment, "events", &(node, events));
                self.events.extend(events.iter().map(|e| (*node, e.clone())));
            }
            Fed::Link { node, link } => line(&mut self.open, moment, "link", &(node, link)),
            Fed::Stage(stage) => {
                let new = raw(stage);
                match change(&self.stage, &new) {
                    Some(change) => line(&mut self.open, moment, "scene", &change),
                    None => line(&mut self.open, moment, "stage", &new),
                }
                self.stage = new;
            }
            Fed::Clock { node, offset } => line(&mut self.open, moment, "clock", &(node, offset)),
            Fed::Note(event) => line(&mut self.open, moment, "note", event),
        }
    }

    fn snapshot(&mut self, moment: Moment, node: usize, snapshot: Option<&Snapshot>) {
        let Some(old) = self.nodes.get_mut(node) else { return };
        let new = snapshot.map_or_else(|| RawValue::NULL.to_owned(), raw);
        match change(old, &new) {
            Some(change) => line(&mut self.open, moment, "diff", &(node, change)),
            None => line(&mut self.open, moment, "full", &(node, &new)),
        }
        *old = new;
    }

    fn is_due(&self, moment: Moment) -> bool {
        let Some(opened) = self.opened else { return false };
        let age = moment.at.saturating_sub(opened.at);
        let changes = self.open.len().saturating_sub(self.head);
        // A clock that went back is another engine's life.
        moment.at < self.last.at
            || (age >= self.limits.part && changes >= WORTH * self.head)
            || age >= 4 * self.limits.part
            || changes >= LONGEST.max(WORTH * self.head)
    }

    fn begin(&mut self, moment: Moment, picture: &Value) {
        #[derive(Serialize)]
        struct Open<'a> {
            nodes: &'a [Box<RawValue>],
            stage: &'a RawValue,
            picture: &'a Value,
        }
        let open = Open { nodes: &self.nodes, stage: &self.stage, picture };
        line(&mut self.open, moment, "open", &open);
        self.head = self.open.len();
        self.opened = Some(moment);
    }

    /// Ends the part that is being written; the next one begins with the whole state.
    pub fn close(&mut self) {
        let Some(from) = self.opened.take() else { return };
        let bytes: Arc<[u8]> = packed(&std::mem::take(&mut self.open)).into();
        self.bytes += bytes.len();
        self.closed.push_back(Piece { from, until: self.last, bytes, events: std::mem::take(&mut self.events) });
        while self.closed.len() > 1 && self.is_too_much() {
            self.forget();
        }
    }

    fn is_too_much(&self) -> bool {
        let second = self.closed.get(1).map_or(0, |p| p.from.wall);
        self.bytes > self.limits.bytes || second + self.limits.span < self.last.wall
    }

    /// The oldest part goes; its events stay as the past.
    fn forget(&mut self) {
        let Some(oldest) = self.closed.pop_front() else { return };
        self.bytes -= oldest.bytes.len();
        for (node, event) in oldest.events {
            let Some(past) = self.past.get_mut(node) else { continue };
            if past.len() == PAST {
                past.pop_front();
            }
            past.push_back(event);
        }
    }

    /// Takes a part that an engine before this one has left.
    pub fn adopt(&mut self, from: Moment, until: Moment, bytes: Vec<u8>) {
        self.bytes += bytes.len();
        self.closed.push_back(Piece { from, until, bytes: bytes.into(), events: Vec::new() });
        self.last = until;
    }

    /// The moment of the last thing that was written; none: there is nothing.
    pub fn last(&self) -> Option<Moment> {
        (self.opened.is_some() || !self.closed.is_empty()).then_some(self.last)
    }

    /// Every closed part, the oldest first.
    pub fn pieces(&self) -> impl DoubleEndedIterator<Item = &Piece> {
        self.closed.iter()
    }

    /// Bytes in memory: packed parts, the lines that are to be, and what changes are changes of.
    pub fn size(&self) -> usize {
        self.bytes + self.open.capacity() + self.nodes.iter().map(|n| n.get().len()).sum::<usize>()
    }

    /// The whole recording from `since` on (microseconds since 1970), in pieces; it goes on afterwards.
    pub fn recording(&self, header: &Header, since: u64) -> Vec<Arc<[u8]>> {
        let skipped = self.closed.iter().take_while(|p| p.until.wall < since);
        let skipped = skipped.count();
        let mut text = first(header);
        for (node, past) in self.past.iter().enumerate() {
            let older = self.closed.iter().take(skipped).flat_map(|p| &p.events).filter(|(n, _)| *n == node);
            let all: Vec<_> = past.iter().chain(older.map(|(_, e)| e)).collect();
            let kept = all.get(all.len().saturating_sub(PAST)..).unwrap_or_default();
            if !kept.is_empty() {
                line(&mut text, Moment::default(), "past", &(node, kept));
            }
        }
        let mut pieces: Vec<Arc<[u8]>> = vec![packed(&text).into()];
        pieces.extend(self.closed.iter().skip(skipped).map(|p| p.bytes.clone()));
        if self.opened.is_some() {
            pieces.push(packed(&self.open).into());
        }
        pieces
    }
}
