//! What happened in a span of time, for people (Markdown) and for machines (JSON): the same facts.

use super::owners::{Owner, Span, Track, gaps, overlaps, owners};
use crate::recording::{Fed, Link, Moment, Recording};
use crate::status::{Event, Role, Severity, Snapshot, Subject};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The shape of the JSON; it grows when a field changes its meaning.
const SCHEMA: u32 = 1;

#[derive(Debug, Serialize)]
pub struct Story {
    pub schema: u32,
    pub title: String,
    pub mode: crate::status::Mode,
    /// By the wall clocks of the nodes, microseconds since 1970.
    #[serde(flatten)]
    pub span: Span,
    pub from: String,
    pub until: String,
    pub nodes: Vec<Node>,
    pub instances: Vec<Instance>,
    /// Checks that changed their verdict.
    pub checks: Vec<Line>,
    pub drains: Vec<Line>,
    /// What operators asked for: who and why.
    pub commands: Vec<Line>,
    pub notes: Vec<Line>,
    /// Warnings and alarms of other kinds.
    pub alarms: Vec<Line>,
    /// Why the recording is not whole.
    pub damage: Option<String>,
}

#[derive(Debug, Default, Serialize)]
pub struct Node {
    pub name: String,
    pub version: String,
    /// How many snapshots it is known by, and the longest time between two of them.
    pub snapshots: u64,
    pub longest_silence_us: u64,
    /// How often the link to it was lost.
    pub lost: u64,
}

#[derive(Debug, Serialize)]
pub struct Instance {
    pub name: String,
    pub vrid: u8,
    pub owners: Vec<Owner>,
    pub transitions: Vec<Line>,
    pub outages: Vec<Outage>,
    /// In all.
    pub outage_us: u64,
    pub duplicates: Vec<Duplicate>,
    pub duplicate_us: u64,
}

/// Nobody was MASTER, as far as the nodes say.
#[derive(Debug, Serialize)]
pub struct Outage {
    #[serde(flatten)]
    pub span: Span,
    pub from: String,
    pub before: Option<String>,
    pub after: Option<String>,
    /// The owner before fell silent: it may have served for a while longer.
    pub at_most: bool,
}

/// Two were.
#[derive(Debug, Serialize)]
pub struct Duplicate {
    #[serde(flatten)]
    pub span: Span,
    pub from: String,
    pub nodes: [String; 2],
    /// One of them was handing over: it answers until its successor does.
    pub handover: bool,
}

/// An event.
#[derive(Debug, Serialize)]
pub struct Line {
    pub at: String,
    pub wall_us: u64,
    pub node: String,
    pub subject: String,
    pub text: String,
    pub cause: Option<String>,
}

/// Only what happened from, and until; microseconds since 1970.
pub type Bounds = (Option<u64>, Option<u64>);

#[derive(Default)]
struct Gathered {
    nodes: Vec<Node>,
    heard: Vec<u64>,
    /// From the first word to the last, on the clocks of the nodes: in the demo they are not the console's.
    span: Span,
    tracks: BTreeMap<(u8, String), BTreeMap<String, Track>>,
    /// By node, number, wall clock, so that none counts twice.
    events: BTreeMap<(u64, String, u64), Arc<Event>>,
}

impl Story {
    pub fn of(recording: &Recording, bounds: Bounds) -> Self {
        let mut it = Gathered::default();
        it.nodes.resize_with(recording.header.nodes.len(), Node::default);
        it.heard.resize(recording.header.nodes.len(), 0);
        for (node, label) in it.nodes.iter_mut().zip(&recording.header.nodes) {
            node.name.clone_from(label);
        }
        for entry in recording.feeds() {
            it.take(entry.moment, entry.what);
        }
        for tracks in it.tracks.values_mut() {
            for track in tracks.values_mut() {
                track.ends(it.span.until_us);
            }
        }
        let from_us = bounds.0.unwrap_or(0).max(it.span.from_us);
        let until_us = bounds.1.unwrap_or(u64::MAX).min(it.span.until_us);
        let all = Span { from_us, until_us: until_us.max(from_us) };
        it.events.retain(|(wall, ..), _| (all.from_us..=all.until_us).contains(wall));
        it.told(recording, all)
    }
}

impl Gathered {
    fn take(&mut self, moment: Moment, fed: Fed) {
        match fed {
            Fed::Snapshot { node, snapshot: Some(snapshot) } => self.snapshot(node, &snapshot),
            Fed::Snapshot { node, snapshot: None } => self.lost(node),
            Fed::Events { events, .. } => {
                let keyed = events.into_iter().map(|e| ((e.wall_us, e.node.clone(), e.seq), e));
                self.events.extend(keyed);
            }
            Fed::Link { node, link: Link::Lost { .. } } => {
                if let Some(node) = self.nodes.get_mut(node) {
                    node.lost += 1;
                }
                self.lost(node);
            }
            Fed::Note(note) => drop(self.events.insert((moment.wall, note.node.clone(), note.seq), note)),
            Fed::Link { .. } | Fed::Clock { .. } | Fed::Stage(_) => {}
        }
    }

    fn snapshot(&mut self, node: usize, s: &Snapshot) {
        let from_us = if self.span.from_us == 0 { s.wall_us } else { self.span.from_us.min(s.wall_us) };
        self.span = Span { from_us, until_us: self.span.until_us.max(s.wall_us) };
        if let (Some(known), Some(heard)) = (self.nodes.get_mut(node), self.heard.get_mut(node)) {
            known.name.clone_from(&s.node.name);
            known.version.clone_from(&s.node.version);
            known.snapshots += 1;
            let before = std::mem::replace(heard, s.wall_us);
            let silence = if before == 0 { 0 } else { s.wall_us.saturating_sub(before) };
            known.longest_silence_us = known.longest_silence_us.max(silence);
        }
        for instance in &s.instances {
            let tracks = self.tracks.entry((instance.vrid, instance.name.clone())).or_default();
            let track = tracks.entry(s.node.name.clone()).or_default();
            track.said(s.wall_us, instance.state == Role::Master, s.wall_of(instance.since));
        }
    }

    fn lost(&mut self, node: usize) {
        let Some(name) = self.nodes.get(node).map(|n| n.name.clone()) else { return };
        self.tracks.values_mut().filter_map(|tracks| tracks.get_mut(&name)).for_each(Track::lost);
    }

    fn told(self, recording: &Recording, span: Span) -> Story {
        let of = |is_meant: &dyn Fn(&Event) -> bool| -> Vec<Line> {
            self.events.values().filter(|e| is_meant(e)).map(|e| Line::of(e)).collect()
        };
        let handovers: BTreeSet<u64> =
            self.events.values().filter(|e| e.kind == "handover").map(|e| e.wall_us).collect();
        let instances = self.tracks.iter().map(|((vrid, name), tracks)| {
            let is_own = |e: &Event| e.kind == "state" && e.subject == Subject::Instance(name.clone());
            Instance::of(*vrid, name, owners(tracks, &span), of(&is_own), span, &handovers)
        });
        let instances = instances.collect();
        let listed = ["state", "check", "drain", "command", "remark", "mark"];
        Story {
            schema: SCHEMA,
            title: recording.header.title.clone(),
            mode: recording.header.mode,
            span,
            from: time(span.from_us),
            until: time(span.until_us),
            instances,
            checks: of(&|e| e.kind == "check" && e.severity > Severity::Info),
            drains: of(&|e| e.kind == "drain"),
            commands: of(&|e| e.kind == "command"),
            notes: of(&|e| matches!(e.kind.as_str(), "remark" | "mark")),
            alarms: of(&|e| e.severity >= Severity::Warning && !listed.contains(&e.kind.as_str())),
            damage: recording.damage.as_ref().map(ToString::to_string),
            nodes: self.nodes,
        }
    }
}

impl Instance {
    fn of(
        vrid: u8,
        name: &str,
        owners: Vec<Owner>,
        transitions: Vec<Line>,
        all: Span,
        handovers: &BTreeSet<u64>,
    ) -> Self {
        /// From the word that it hands over to its end.
        const HANDOVER: u64 = 3_000_000;
        let outages: Vec<Outage> = gaps(&owners, &all)
            .into_iter()
            .map(|span| {
                let before = owners.iter().filter(|o| o.span.until_us <= span.from_us).max_by_key(|o| o.span.until_us);
                let after = owners.iter().find(|o| o.span.from_us >= span.until_us);
                Outage {
                    span,
                    from: time(span.from_us),
                    before: before.map(|o| o.node.clone()),
                    after: after.map(|o| o.node.clone()),
                    at_most: before.is_some_and(|o| o.fell_silent),
                }
            })
            .collect();
        let duplicates: Vec<Duplicate> = overlaps(&owners)
            .into_iter()
            .map(|(span, nodes)| {
                let about = span.from_us.saturating_sub(HANDOVER)..=span.until_us.saturating_add(HANDOVER);
                let handover = span.length() < HANDOVER && handovers.range(about).next().is_some();
                Duplicate { span, from: time(span.from_us), nodes, handover }
            })
            .collect();
        Self {
            name: name.to_owned(),
            vrid,
            transitions,
            outage_us: outages.iter().map(|o| o.span.length()).sum(),
            duplicate_us: duplicates.iter().filter(|d| !d.handover).map(|d| d.span.length()).sum(),
            owners,
            outages,
            duplicates,
        }
    }
}

impl Line {
    fn of(event: &Event) -> Self {
        Self {
            at: time(event.wall_us),
            wall_us: event.wall_us,
            node: event.node.clone(),
            subject: event.subject.to_string(),
            text: event.text.clone(),
            cause: event.cause.clone(),
        }
    }
}

/// RFC 3339, UTC, microseconds.
fn time(wall_us: u64) -> String {
    let stamp = i64::try_from(wall_us).ok().and_then(|w| jiff::Timestamp::from_microsecond(w).ok());
    stamp.map_or_else(|| format!("{wall_us} us"), |t| t.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string())
}
