//! What an instance tracks: the state of each thing, how old it is, and how it is known.

use super::super::model::{NodeView, Picture};
use super::super::text;
use crate::status::{CheckResult, Instance, LinkState, Script, Snapshot, Track, TrackedFile, TrackedProcess};

/// Each tracker's kind, and a sentence about it.
pub(super) fn lines<'i>(
    picture: &Picture,
    view: &NodeView,
    snapshot: &Snapshot,
    instance: &'i Instance,
) -> Vec<(&'i str, String)> {
    let ages = Ages { picture, view };
    let line = |track: &'i Track| {
        let what = match track.kind.as_str() {
            "script" => snapshot.scripts.iter().find(|s| s.name == track.name).map(|s| ages.script(s)),
            "file" => snapshot.files.iter().find(|f| f.name == track.name).map(|f| ages.file(f)),
            "process" => snapshot.processes.iter().find(|p| p.name == track.name).map(|p| ages.process(p)),
            "interface" => snapshot.node.links.iter().find(|l| l.name.as_str() == track.name).map(|l| ages.link(l)),
            _ => None,
        };
        let what = what.unwrap_or_else(|| "not reported".into());
        (track.kind.as_str(), format!("{} ({}): {what}", track.name, weight(track)))
    };
    instance.tracks.iter().map(line).collect()
}

fn weight(track: &Track) -> String {
    let reverse = if track.reverse { ", reversed" } else { "" };
    match (track.kind.as_str(), track.weight) {
        (_, 0) => format!("no weight{reverse}"),
        ("file", factor) => format!("times {factor}{reverse}"),
        (_, weight) => format!("weight {weight}{reverse}"),
    }
}

struct Ages<'a> {
    picture: &'a Picture,
    view: &'a NodeView,
}

impl Ages<'_> {
    fn ago(&self, at: crate::time::Instant) -> String {
        format!("{} ago", text::age(self.picture.age(self.view, at)))
    }

    fn span(&self, since: crate::time::Instant) -> String {
        format!("for {}", text::age(self.picture.age(self.view, since)))
    }

    fn left(&self, at: crate::time::Instant) -> String {
        format!("in {}", text::age(self.picture.remaining(self.view, at)))
    }

    fn script(&self, script: &Script) -> String {
        let Some(CheckResult { at, detail, .. }) = &script.last else { return "no result yet".into() };
        let word = if script.good == Some(true) { "passing" } else { "failing" };
        let next = match script.next_at {
            _ if script.running => ", runs".into(),
            Some(at) => format!(", next {}", self.left(at)),
            None => String::new(),
        };
        let streak = if script.streak > 0 {
            format!(", {} of {} the other way", script.streak, script.needed)
        } else {
            String::new()
        };
        format!("{word} {}, last {detail} {}{next}{streak}", self.span(script.since), self.ago(*at))
    }

    fn file(&self, file: &TrackedFile) -> String {
        let (Some(value), Some(read_at)) = (file.value, file.read_at) else { return "not read yet".into() };
        let note = file.note.as_ref().map(|note| format!(" ({note})")).unwrap_or_default();
        let how = match &file.polled {
            Some(why) => format!("read every second: {why}"),
            None => "read after each change".into(),
        };
        let since = self.span(file.since);
        format!("{value}{note} {since}, read {} from {}, {how}", self.ago(read_at), file.path)
    }

    fn process(&self, process: &TrackedProcess) -> String {
        let (Some(count), Some(counted_at)) = (process.count, process.counted_at) else {
            return "not counted yet".into();
        };
        let wanted = match process.quorum_max {
            Some(0) => "none may run".into(),
            Some(most) => format!("{} to {most} wanted", process.quorum),
            None => format!("{} wanted", process.quorum),
        };
        let word = if process.good == Some(true) { "enough" } else { "failing" };
        let change = process.changes_at.map(|at| format!(", the other way {}", self.left(at))).unwrap_or_default();
        let how = match &process.polled {
            Some(why) => format!("looked for every second: {why}"),
            None => "the kernel tells of them".into(),
        };
        let (since, counted) = (self.span(process.since), self.ago(counted_at));
        format!("{count} running, {wanted}: {word} {since}{change}; counted {counted}, {how}")
    }

    fn link(&self, link: &LinkState) -> String {
        let word = match link.up {
            Some(true) => "up",
            Some(false) => "down",
            None => "not there",
        };
        let later = link.counts_at.map(|at| format!(", counts {}", self.left(at))).unwrap_or_default();
        format!("{word}{later}")
    }
}
