//! Tracked files and processes: what is known of each, and what that means for the routers that track them.

use super::core::Engine;
use super::effect::Effect;
use super::origin::Origin;
use crate::conf::{Config, FileSpec, ProcessSpec};
use crate::status::{Reason, Reasons, Severity, Subject, TrackedFile, TrackedProcess};
use crate::time::{Duration, Instant};
use crate::vrrp::{Conditions, Track, Tracker, weigh, weigh_number};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What reading a tracked file came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileReading {
    /// None: no number that can be used; the last one stays.
    pub value: Option<i64>,
    /// Why the number is what it is, where the file does not simply hold it.
    pub note: Option<String>,
    /// Why the file is read every second, where the kernel does not tell of changes.
    pub polled: Option<String>,
}

impl FileReading {
    /// The number at the beginning of a file, as strtol(3) reads it with base 0; without one 0. A number beyond 32 bits
    /// does not count, as in keepalived.
    pub fn of(text: &str) -> Self {
        let noted = |value, note: String| Self { value, note: Some(note), polled: None };
        let shown = || text.trim().chars().take(40).collect::<String>();
        let (number, rest) = leading_number(text.trim_start());
        match number {
            Number::None if text.trim().is_empty() => noted(Some(0), "it is empty".into()),
            Number::None => noted(Some(0), format!("`{}` is no number", shown())),
            Number::TooLarge => noted(None, format!("`{}` is beyond 32 bits: the last number stays", shown())),
            Number::Is(value) if rest.trim().is_empty() => Self { value: Some(value), note: None, polled: None },
            Number::Is(value) => noted(Some(value), format!("`{}` is more than a number", shown())),
        }
    }
}

/// What a text begins with.
enum Number {
    None,
    TooLarge,
    Is(i64),
}

/// A number with its prefix, and what follows it.
fn leading_number(text: &str) -> (Number, &str) {
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, text.get(1..).unwrap_or_default()),
        Some(b'+') => (false, text.get(1..).unwrap_or_default()),
        _ => (false, text),
    };
    let hex = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X"));
    let (radix, digits) = match hex.filter(|rest| rest.starts_with(|c: char| c.is_ascii_hexdigit())) {
        Some(rest) => (16, rest),
        None if digits.starts_with('0') => (8, digits),
        None => (10, digits),
    };
    let end = digits.find(|c: char| !c.is_digit(radix)).unwrap_or(digits.len());
    let (number, rest) = digits.split_at_checked(end).unwrap_or((digits, ""));
    if number.is_empty() {
        return (Number::None, text);
    }
    match i64::from(i32::from_str_radix(number, radix).unwrap_or(i32::MIN)) {
        value if value < 0 => (Number::TooLarge, rest),
        value => (Number::Is(if negative { -value } else { value }), rest),
    }
}

/// What changed the number of processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// A process forked.
    Fork,
    /// A process ended.
    End,
    /// A process became another program or took another name; it counts at once.
    Exec,
    /// All processes were looked at.
    Scan,
}

#[derive(Clone, Debug)]
pub(super) struct File {
    pub(super) spec: FileSpec,
    value: Option<i64>,
    since: Instant,
    last: Option<(Instant, FileReading)>,
}

impl File {
    pub(super) const fn new(spec: FileSpec, now: Instant) -> Self {
        Self { spec, value: None, since: now, last: None }
    }

    fn detail(&self) -> String {
        let value = self.value.map_or("not read yet".to_owned(), |value| value.to_string());
        let note = self.last.as_ref().and_then(|(_, reading)| reading.note.as_deref());
        note.map_or_else(|| value.clone(), |note| format!("{value}: {note}"))
    }

    /// Until it was read the start of a router waits: it may be a fault.
    pub(super) fn contribute(&self, track: &Track, conditions: &mut Conditions) {
        match self.value {
            None => conditions.waiting.push(format!("file {} has not been read yet", self.spec.name)),
            Some(value) => weigh_number(track, value, &self.detail(), conditions),
        }
    }

    pub(super) fn status(&self) -> TrackedFile {
        let reading = self.last.as_ref().map(|(_, reading)| reading);
        TrackedFile {
            name: self.spec.name.clone(),
            path: self.spec.path.display().to_string(),
            value: self.value,
            since: self.since,
            read_at: self.last.as_ref().map(|(at, _)| *at),
            note: reading.and_then(|r| r.note.clone()),
            polled: reading.and_then(|r| r.polled.clone()),
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Process {
    pub(super) spec: ProcessSpec,
    count: Option<u32>,
    counted_at: Instant,
    good: Option<bool>,
    since: Instant,
    /// Another verdict, and when it counts.
    pending: Option<(Instant, bool)>,
    /// The count that turned the verdict, and the one that will when its delay is over.
    reasons: Reasons,
    turns: Reasons,
}

impl Process {
    pub(super) fn new(spec: ProcessSpec, now: Instant) -> Self {
        Self {
            spec,
            count: None,
            counted_at: now,
            good: None,
            since: now,
            pending: None,
            reasons: Reasons::default(),
            turns: Reasons::default(),
        }
    }

    /// Whether the processes that one spec counts are those of another.
    fn is_same(&self, spec: &ProcessSpec) -> bool {
        let what = |s: &ProcessSpec| (s.program.clone(), s.arguments.clone(), s.arguments_match, s.full_command);
        what(&self.spec) == what(spec)
    }

    const fn verdict_of(&self, count: u32) -> bool {
        let most = match self.spec.quorum_max {
            Some(most) => most,
            None => u32::MAX,
        };
        self.spec.quorum <= count && count <= most
    }

    /// Takes a count; true if the verdict changed.
    fn counted(&mut self, now: Instant, count: u32, by: Counted) -> bool {
        let before = self.count.replace(count);
        self.counted_at = now;
        let verdict = self.verdict_of(count);
        if self.good == Some(verdict) {
            self.pending = None;
            return false;
        }
        let grew = before.is_some_and(|before| before < count);
        let delay = match by {
            _ if self.good.is_none() => Duration::ZERO,
            Counted::Exec => Duration::ZERO,
            Counted::Fork => self.spec.fork_delay,
            // What made the difference was not seen.
            Counted::Scan if grew => self.spec.fork_delay,
            Counted::End | Counted::Scan => self.spec.terminate_delay,
        };
        if !delay.is_zero() {
            if self.pending.is_none() {
                self.pending = Some((now + delay, verdict));
                self.turns = counted_now(now, self);
            }
            return false;
        }
        self.turns = counted_now(now, self);
        self.settle(now, verdict);
        true
    }

    fn settle(&mut self, now: Instant, verdict: bool) {
        self.reasons = self.turns.clone();
        self.good = Some(verdict);
        self.since = now;
        self.pending = None;
    }

    fn detail(&self) -> String {
        let running = self.count.unwrap_or(0);
        match self.spec.quorum_max {
            Some(0) => format!("{running} running, none may"),
            Some(most) => format!("{running} running, {} to {most} wanted", self.spec.quorum),
            None => format!("{running} running, {} wanted", self.spec.quorum),
        }
    }

    /// Until they were counted the start of a router waits whose fault too few would be.
    pub(super) fn contribute(&self, track: &Track, conditions: &mut Conditions) {
        match self.good {
            None if track.weight == 0 => {
                conditions.waiting.push(format!("process {} has not been counted yet", self.spec.name));
            }
            None => {}
            Some(good) => weigh(track, good, &self.detail(), conditions),
        }
    }

    pub(super) fn status(&self, scanned: Option<&str>) -> TrackedProcess {
        TrackedProcess {
            name: self.spec.name.clone(),
            command: std::iter::once(&self.spec.program).chain(&self.spec.arguments).cloned().collect(),
            count: self.count,
            counted_at: self.count.map(|_| self.counted_at),
            quorum: self.spec.quorum,
            quorum_max: self.spec.quorum_max,
            good: self.good,
            since: self.since,
            changes_at: self.pending.map(|(at, _)| at),
            reasons: self.reasons.clone(),
            polled: scanned.map(str::to_owned),
        }
    }
}

fn counted_now(now: Instant, process: &Process) -> Reasons {
    [Reason::input(now, "process", format!("processes of {} were counted: {}", process.spec.name, process.detail()))]
        .into()
}

/// What is left of them to the engine after this one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TrackerRecord {
    /// Numbers by name, and since when.
    files: BTreeMap<String, (i64, Instant)>,
    /// How many, whether they are enough, and since when.
    processes: BTreeMap<String, (u32, bool, Instant)>,
}

/// Files and processes of one engine.
#[derive(Clone, Debug, Default)]
pub(super) struct Trackers {
    pub(super) files: Vec<File>,
    pub(super) processes: Vec<Process>,
    /// Why processes are looked for every second, where the kernel does not tell of them.
    pub(super) scanned: Option<String>,
    /// This is not the first engine: files have been made.
    inherited: bool,
}

impl Trackers {
    /// The number in a file; none: it has not been read yet.
    pub(super) fn file_value(&self, name: &str) -> Option<i64> {
        self.files.iter().find(|f| f.spec.name == name).and_then(|f| f.value)
    }

    pub(super) fn record(&self) -> TrackerRecord {
        let number = |f: &File| Some((f.spec.name.clone(), (f.value?, f.since)));
        let verdict = |p: &Process| Some((p.spec.name.clone(), (p.count?, p.good?, p.since)));
        TrackerRecord {
            files: self.files.iter().filter_map(number).collect(),
            processes: self.processes.iter().filter_map(verdict).collect(),
        }
    }

    /// What the engine before knew holds until it is known better.
    pub(super) fn inherit(&mut self, record: &TrackerRecord) {
        self.inherited = true;
        for file in &mut self.files {
            if let Some((value, since)) = record.files.get(&file.spec.name) {
                (file.value, file.since) = (Some(*value), *since);
            }
        }
        for process in &mut self.processes {
            if let Some((count, good, since)) = record.processes.get(&process.spec.name) {
                (process.count, process.good, process.since) = (Some(*count), Some(*good), *since);
                process.reasons = [Reason::input(*since, "start", "found by the engine before this one")].into();
            }
        }
    }

    pub(super) fn new(config: &Config, now: Instant) -> Self {
        let mut trackers = Self::default();
        trackers.reload(now, config);
        trackers
    }

    /// Keeps what is known of those that stay the same.
    pub(super) fn reload(&mut self, now: Instant, config: &Config) {
        let mut before = std::mem::take(&mut self.files);
        for spec in &config.files {
            let same = before.iter().position(|f| f.spec.name == spec.name && f.spec.path == spec.path);
            self.files.push(match same {
                Some(place) => File { spec: spec.clone(), ..before.swap_remove(place) },
                None => File::new(spec.clone(), now),
            });
        }
        let mut before = std::mem::take(&mut self.processes);
        for spec in &config.processes {
            let same = before.iter().position(|p| p.spec.name == spec.name && p.is_same(spec));
            self.processes.push(match same {
                Some(place) => {
                    let mut process = Process { spec: spec.clone(), ..before.swap_remove(place) };
                    // Another quorum counts at once.
                    if let Some(verdict) = process.count.map(|count| process.verdict_of(count))
                        && process.pending.is_none()
                        && process.good != Some(verdict)
                    {
                        process.settle(now, verdict);
                    }
                    process
                }
                None => Process::new(spec.clone(), now),
            });
        }
    }

    /// What a reload would change, a line each.
    pub(super) fn changes(&self, config: &Config, lines: &mut Vec<String>) {
        let files = self.files.iter().map(|f| (&f.spec.name, f)).collect::<Vec<_>>();
        for spec in &config.files {
            match files.iter().find(|(name, _)| **name == spec.name) {
                None => lines.push(format!("track_file {}: new", spec.name)),
                Some((_, file)) if file.spec.path != spec.path => {
                    lines.push(format!("track_file {}: {} is read instead", spec.name, spec.path.display()));
                }
                Some((_, file)) if file.spec != *spec => lines.push(format!("track_file {}: changed", spec.name)),
                Some(_) => {}
            }
        }
        let gone = files.iter().filter(|(name, _)| !config.files.iter().any(|c| c.name == **name));
        lines.extend(gone.map(|(name, _)| format!("track_file {name}: removed")));
        for spec in &config.processes {
            match self.processes.iter().find(|p| p.spec.name == spec.name) {
                None => lines.push(format!("vrrp_track_process {}: new", spec.name)),
                Some(process) if process.spec != *spec => {
                    let kept = if process.is_same(spec) { "its count is kept" } else { "it is counted anew" };
                    lines.push(format!("vrrp_track_process {}: changed, {kept}", spec.name));
                }
                Some(_) => {}
            }
        }
        let gone = self.processes.iter().filter(|p| !config.processes.iter().any(|c| c.name == p.spec.name));
        lines.extend(gone.map(|p| format!("vrrp_track_process {}: removed", p.spec.name)));
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.processes.iter().filter_map(|p| p.pending).map(|(at, _)| at).min()
    }

    /// What a tracker says to a router that tracks it; of other kinds, nothing.
    pub(super) fn contribute(&self, track: &Track, conditions: &mut Conditions) {
        if track.kind == Tracker::File {
            self.files.iter().filter(|f| f.spec.name == track.name).for_each(|f| f.contribute(track, conditions));
        } else if track.kind == Tracker::Process {
            self.processes.iter().filter(|p| p.spec.name == track.name).for_each(|p| p.contribute(track, conditions));
        }
    }
}

impl Engine {
    /// Whether files are to be made that are to be made at the start (`init_file`).
    pub const fn makes_files(&self) -> bool {
        !self.trackers.inherited
    }

    /// The files to be watched.
    pub fn watched_files(&self) -> Vec<FileSpec> {
        self.trackers.files.iter().map(|f| f.spec.clone()).collect()
    }

    /// The processes to be counted.
    pub fn watched_processes(&self) -> Vec<ProcessSpec> {
        self.trackers.processes.iter().map(|p| p.spec.clone()).collect()
    }

    /// A tracked file was read: at the start, after a change, or because its time had come.
    pub(super) fn file_read(&mut self, now: Instant, name: &str, reading: FileReading, effects: &mut Vec<Effect>) {
        let Some(file) = self.trackers.files.iter_mut().find(|f| f.spec.name == name) else { return };
        let before = (file.value, file.last.as_ref().map(|(_, r)| (r.note.clone(), r.polled.clone())));
        let value = reading.value.or(file.value).unwrap_or(0);
        let after = (Some(value), Some((reading.note.clone(), reading.polled.clone())));
        file.last = Some((now, reading));
        if before == after {
            return;
        }
        if file.value != Some(value) {
            file.value = Some(value);
            file.since = now;
        }
        self.node_unkept = true;
        let text = match before.0 {
            Some(old) if old != value => format!("{old} → {value}"),
            Some(_) | None => value.to_string(),
        };
        let (note, polled) = after.1.unwrap_or_default();
        let path = file.spec.path.display();
        let why = note.map_or_else(|| path.to_string(), |note| format!("{path}: {note}"));
        let why = polled.map_or_else(|| why.clone(), |polled| format!("{why}; read every second: {polled}"));
        self.log.add(now, Subject::File(name.to_owned()), Severity::Notice, "file", text, Some(why));
        self.update_trackers_of(now, Tracker::File, name, effects);
        self.file_checked(now, name, value, effects);
    }

    /// Tracked processes were counted.
    pub(super) fn processes_counted(
        &mut self,
        now: Instant,
        counts: Vec<(String, u32)>,
        by: Counted,
        effects: &mut Vec<Effect>,
    ) {
        if let Some(why) = self.trackers.scanned.clone() {
            self.note_scanning(now, &why);
        }
        for (name, count) in counts {
            let Some(process) = self.trackers.processes.iter_mut().find(|p| p.spec.name == name) else { continue };
            let same = process.count == Some(count);
            let changed = process.counted(now, count, by);
            if changed {
                self.note_quorum(now, &name);
            }
            if changed || !same {
                self.update_trackers_of(now, Tracker::Process, &name, effects);
            }
        }
    }

    /// How processes are found: as the kernel tells of them, or by looking every second, with the reason.
    pub(super) fn processes_watched(&mut self, now: Instant, scanned: Option<String>) {
        if let Some(why) = &scanned {
            self.note_scanning(now, why);
        } else if self.trackers.scanned.is_some() {
            let text = "the kernel tells of processes again";
            self.log.add(now, Subject::Node, Severity::Notice, "process", text, None);
        }
        self.trackers.scanned = scanned;
    }

    fn note_scanning(&mut self, now: Instant, why: &str) {
        let text = format!("tracked processes are looked for once a second: {why}");
        if self.findings.raise(now, "processes-scanned", Severity::Warning, "node", text.clone()) {
            self.log.add(now, Subject::Node, Severity::Warning, "process", text, None);
        }
    }

    /// Delays of processes that are over.
    pub(super) fn settle_processes(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let mut due = Vec::new();
        for process in &mut self.trackers.processes {
            if let Some((_, verdict)) = process.pending.filter(|(at, _)| *at <= now) {
                process.settle(now, verdict);
                due.push((process.spec.name.clone(), process.reasons.clone()));
            }
        }
        for (name, reasons) in due {
            let origin = self.log.set_origin(Origin::Recorded(reasons));
            self.note_quorum(now, &name);
            self.update_trackers_of(now, Tracker::Process, &name, effects);
            self.log.set_origin(origin);
        }
    }

    fn note_quorum(&mut self, now: Instant, name: &str) {
        self.node_unkept = true;
        let Some(process) = self.trackers.processes.iter().find(|p| p.spec.name == name) else { return };
        let (severity, word) = match process.good {
            Some(true) => (Severity::Notice, "has its quorum"),
            Some(false) | None => (Severity::Warning, "has no quorum"),
        };
        let detail = process.detail();
        self.log.add(now, Subject::Process(name.to_owned()), severity, "process", word, Some(detail));
    }

    /// The routers that track something learn what it is now.
    pub(super) fn update_trackers_of(&mut self, now: Instant, kind: Tracker, name: &str, effects: &mut Vec<Effect>) {
        for index in 0..self.routers.len() {
            let tracks =
                |r: &super::router::Router| r.machine.spec().tracks.iter().any(|t| t.kind == kind && t.name == name);
            if self.routers.get(index).is_some_and(tracks) {
                self.tracker_changed(now, index, effects);
            }
        }
    }
}

#[cfg(test)]
#[path = "trackers_tests.rs"]
mod tests;
