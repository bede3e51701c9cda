//! Reading: an index of the parts, each unpacked when it is wanted.

use super::line::{Brief, FORMAT, Fed, Header, Line, Link, MAGIC, Moment, Open, What};
use super::pack::unpacked;
use super::patch::apply;
use crate::status::{Event, Snapshot, Stage};
use serde::Deserialize;
use serde_json::Value;
use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// A recording as it lies in its file.
#[derive(Debug)]
pub struct Recording {
    pub header: Header,
    pub parts: Vec<Part>,
    /// All events and notes, in the order in which they came; of notes the node is none.
    pub events: Vec<Entry<(Option<usize>, Arc<Event>)>>,
    /// Why the end is missing.
    pub damage: Option<Damage>,
    bytes: Vec<u8>,
}

/// One part: from its first line to its last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    pub from: Moment,
    pub until: Moment,
    place: Range<usize>,
    lines: usize,
    /// How many of [`Recording::events`] came before it.
    pub events_before: usize,
}

/// Something at its moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry<T> {
    pub moment: Moment,
    pub what: T,
}

/// The state that a part begins with.
#[derive(Clone, Debug)]
pub struct Opened {
    pub snapshots: Vec<Option<Arc<Snapshot>>>,
    pub stage: Option<Stage>,
    pub picture: Value,
}

/// A part, unpacked.
#[derive(Debug)]
pub struct Played {
    pub opened: Opened,
    pub entries: Vec<Entry<Fed>>,
}

/// Where a recording can no longer be read, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Of the part that is damaged, in the file.
    pub byte: usize,
    /// In the part; 0: before its first.
    pub line: usize,
    pub why: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "part at byte {}, line {}: {}", self.byte, self.line, self.why)
    }
}

/// Nothing of it can be played.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    #[error("this is no recording of vipdeck: {0}")]
    Foreign(String),
    #[error("written by a newer vipdeck ({version}, format {format}); this one reads format {FORMAT}")]
    Newer { version: String, format: u64 },
    #[error("nothing is recorded in it")]
    Empty,
    #[error("nothing in it can be played: {0}")]
    Damaged(Damage),
}

impl Recording {
    /// Reads what there is; of a damaged one all that lies before the damage.
    pub fn read(bytes: Vec<u8>) -> Result<Self, Unreadable> {
        let head = unpacked(&bytes);
        let text = String::from_utf8_lossy(&head.text).into_owned();
        let mut lines = text.lines();
        let header = header(lines.next().unwrap_or_default(), head.damage.as_deref())?;
        let mut it = Self { header, parts: Vec::new(), events: Vec::new(), damage: None, bytes };
        for (number, text) in lines.enumerate() {
            let Ok(brief) = serde_json::from_str::<Brief>(text) else {
                return Err(Unreadable::Damaged(Damage {
                    byte: 0,
                    line: number + 2,
                    why: "not a line of ours".into(),
                }));
            };
            it.note(brief);
        }
        let mut at = head.length.max(1);
        if let Some(why) = head.damage {
            it.damage = Some(Damage { byte: 0, line: 0, why });
        }
        while at < it.bytes.len() && it.damage.is_none() {
            at = it.index(at);
        }
        match (it.parts.is_empty(), it.damage) {
            (true, None) => Err(Unreadable::Empty),
            (true, Some(damage)) => Err(Unreadable::Damaged(damage)),
            (false, damage) => Ok(Self { damage, ..it }),
        }
    }

    fn note(&mut self, brief: Brief) {
        let moment = brief.moment();
        let of = |(node, events): (usize, Vec<Arc<Event>>)| {
            events.into_iter().map(move |e| Entry { moment, what: (Some(node), e) })
        };
        self.events.extend(brief.past.into_iter().flat_map(of));
        self.events.extend(brief.events.into_iter().flat_map(of));
        self.events.extend(brief.note.map(|e| Entry { moment, what: (None, e) }));
    }

    /// Takes the part at `at` into the index and returns where the next one begins.
    fn index(&mut self, at: usize) -> usize {
        let member = unpacked(self.bytes.get(at..).unwrap_or_default());
        let end = at + member.length.max(1);
        let events_before = self.events.len();
        let (mut first, mut last, mut lines) = (None, Moment::default(), 0);
        let mut damage = member.damage;
        for text in whole_lines(&member.text, damage.is_some()) {
            let brief = match serde_json::from_slice::<Brief>(text) {
                Ok(brief) if first.is_none_or(|_| brief.at >= last.at) => brief,
                Ok(_) => {
                    damage = Some("its clock goes back".into());
                    break;
                }
                Err(error) => {
                    damage = Some(error.to_string());
                    break;
                }
            };
            lines += 1;
            last = brief.moment();
            first.get_or_insert(last);
            self.note(brief);
        }
        if let Some(from) = first {
            self.parts.push(Part { from, until: last, place: at..end, lines, events_before });
        }
        self.damage = damage.map(|why| Damage { byte: at, line: lines + 1, why });
        end
    }

    /// When it begins and ends.
    pub fn span(&self) -> (Moment, Moment) {
        let first = self.parts.first().map_or(Moment::default(), |p| p.from);
        let last = self.parts.last().map_or(first, |p| p.until);
        (first, last)
    }

    /// Unpacks one part.
    pub fn play(&self, part: &Part) -> Result<Played, Damage> {
        let member = unpacked(self.bytes.get(part.place.clone()).unwrap_or_default());
        let mut state = State::default();
        let (mut opened, mut entries) = (None, Vec::new());
        for (number, text) in whole_lines(&member.text, true).take(part.lines).enumerate() {
            let failed = |why: String| Damage { byte: part.place.start, line: number + 1, why };
            let line: Line = serde_json::from_slice(text).map_err(|e| failed(e.to_string()))?;
            match (line.what, &opened) {
                (What::Open(open), None) => opened = Some(state.open(open).map_err(failed)?),
                (_, None) => return Err(failed("it does not begin with the state".into())),
                (what, Some(_)) => {
                    let what = state.take(what).map_err(failed)?;
                    entries.push(Entry { moment: line.moment, what });
                }
            }
        }
        let opened = opened.ok_or_else(|| Damage { byte: part.place.start, line: 1, why: "it is empty".into() })?;
        Ok(Played { opened, entries })
    }
}

/// Everything that is in a recording as a console is fed it from its beginning, unpacked part by part.
pub struct Feeds<'r> {
    recording: &'r Recording,
    part: usize,
    waiting: VecDeque<Entry<Fed>>,
}

impl Recording {
    pub fn feeds(&self) -> Feeds<'_> {
        Feeds { recording: self, part: 0, waiting: VecDeque::new() }
    }

    /// What brings a console to where the first part begins.
    fn beginning(&self, opened: &Opened) -> Vec<Fed> {
        let links = opened.picture.get("nodes").and_then(Value::as_array);
        let past = self.parts.first().map_or(0, |p| p.events_before);
        let mut feeds: Vec<Fed> = opened.stage.clone().map(Fed::Stage).into_iter().collect();
        for node in 0..self.header.nodes.len() {
            let link = links.and_then(|l| Link::deserialize(l.get(node)?.get("link")?).ok());
            // An engine's own journal knows of no link.
            feeds.push(Fed::Link { node, link: link.unwrap_or(Link::Live) });
            let events = self.events.iter().take(past).filter(|e| e.what.0 == Some(node));
            let events: Vec<_> = events.map(|e| e.what.1.clone()).collect();
            if !events.is_empty() {
                feeds.push(Fed::Events { node, events });
            }
            let snapshot = opened.snapshots.get(node).cloned().flatten();
            feeds.extend(snapshot.map(|s| Fed::Snapshot { node, snapshot: Some(s) }));
        }
        feeds
    }
}

impl Iterator for Feeds<'_> {
    type Item = Entry<Fed>;

    fn next(&mut self) -> Option<Entry<Fed>> {
        while self.waiting.is_empty() {
            let part = self.recording.parts.get(self.part)?;
            // What cannot be read inside a part has been told of where the file was opened.
            if let Ok(played) = self.recording.play(part) {
                if self.part == 0 {
                    let beginning = self.recording.beginning(&played.opened).into_iter();
                    self.waiting.extend(beginning.map(|what| Entry { moment: part.from, what }));
                }
                self.waiting.extend(played.entries);
            }
            self.part += 1;
        }
        self.waiting.pop_front()
    }
}

fn header(text: &str, damage: Option<&str>) -> Result<Header, Unreadable> {
    let foreign = |why: &str| Unreadable::Foreign(why.to_owned());
    if text.is_empty() {
        return Err(foreign(damage.unwrap_or("its first line is empty")));
    }
    let value: Value = serde_json::from_str(text).map_err(|e| foreign(&format!("its first line: {e}")))?;
    if value.get("vipdeck").and_then(Value::as_str) != Some(MAGIC) {
        return Err(foreign("its first line does not say so"));
    }
    let format = value.get("format").and_then(Value::as_u64).unwrap_or(0);
    if format > u64::from(FORMAT) {
        let version = value.get("version").and_then(Value::as_str).unwrap_or("?");
        let version = version.chars().filter(|c| !c.is_control()).take(40).collect();
        return Err(Unreadable::Newer { version, format });
    }
    Header::deserialize(value).map_err(|e| foreign(&format!("its first line: {e}")))
}

/// Lines that end; of a part that is not damaged the last one as well.
fn whole_lines(text: &[u8], cut: bool) -> impl Iterator<Item = &[u8]> {
    let lines = text.split_inclusive(|b| *b == b'\n');
    lines.filter(move |l| !cut || l.ends_with(b"\n")).map(<[u8]>::trim_ascii_end).filter(|l| !l.is_empty())
}

/// The values that changes are changes of.
#[derive(Default)]
struct State {
    nodes: Vec<Value>,
    stage: Value,
}

impl State {
    fn open(&mut self, open: Open) -> Result<Opened, String> {
        let snapshots = open.nodes.iter().map(snapshot).collect::<Result<_, _>>()?;
        let stage = if open.stage.is_null() { None } else { Some(scene(&open.stage)?) };
        (self.nodes, self.stage) = (open.nodes, open.stage);
        Ok(Opened { snapshots, stage, picture: open.picture })
    }

    fn take(&mut self, what: What) -> Result<Fed, String> {
        Ok(match what {
            What::Open(_) => return Err("the state a second time".into()),
            What::Full(node, value) => {
                *self.node(node)? = value;
                Fed::Snapshot { node, snapshot: snapshot(self.node(node)?)? }
            }
            What::Diff(node, change) => {
                let value = self.node(node)?;
                apply(value, change).map_err(|e| e.to_string())?;
                Fed::Snapshot { node, snapshot: snapshot(value)? }
            }
            What::Events(node, events) => {
                self.node(node)?;
                Fed::Events { node, events }
            }
            What::Link(node, link) => {
                self.node(node)?;
                Fed::Link { node, link }
            }
            What::Clock(node, offset) => {
                self.node(node)?;
                Fed::Clock { node, offset }
            }
            What::Stage(value) => {
                self.stage = value;
                Fed::Stage(scene(&self.stage)?)
            }
            What::Scene(change) => {
                apply(&mut self.stage, change).map_err(|e| e.to_string())?;
                Fed::Stage(scene(&self.stage)?)
            }
            What::Note(event) => Fed::Note(event),
        })
    }

    fn node(&mut self, node: usize) -> Result<&mut Value, String> {
        self.nodes.get_mut(node).ok_or_else(|| format!("node {node}, of which the recording has none"))
    }
}

fn snapshot(value: &Value) -> Result<Option<Arc<Snapshot>>, String> {
    if value.is_null() {
        return Ok(None);
    }
    // Of a newer engine, what is understood of it.
    let read = Snapshot::deserialize(value).or_else(|_| Snapshot::read(&value.to_string()));
    read.map(|s| Some(Arc::new(s))).map_err(|e| format!("a snapshot: {e}"))
}

fn scene(value: &Value) -> Result<Stage, String> {
    Stage::deserialize(value).map_err(|e| format!("the stage: {e}"))
}
