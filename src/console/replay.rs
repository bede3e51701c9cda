//! A recording in place of the feeds: where it is played, and how it goes on.
//!
//! The model is fed what the recording says, at the moments it says; so its pictures are those of then. Nothing from
//! after the moment is known to it. Stepping back begins at the state that the part opens with.

use super::action::Action;
use super::intake::{data, feed};
use super::model::{EVENTS_KEPT, Modal, Model, NodeView, Picture, StageView, Tone};
use super::prompt::{Kind, Prompt};
use super::rows;
use super::update::say;
use crate::recording::{Damage, Entry, Link, Moment, Played, Recording};
use crate::status::{Event, Mode, Severity};
use jiff::civil;
use serde::Deserialize;
use std::collections::VecDeque;
use std::sync::Arc;

/// Speeds to choose from.
const SPEEDS: [f64; 9] = [0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 60.0, 300.0];
const NORMAL: usize = 3;
/// Parts that stay unpacked, for steps back and forth.
const UNPACKED: usize = 3;

/// Something to go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    pub at: u64,
    pub severity: Severity,
    /// An operator's note or mark.
    pub is_note: bool,
}

#[derive(Debug)]
pub struct Replay {
    recording: Arc<Recording>,
    /// Where it comes from, as the operator named it.
    pub file: String,
    marks: Vec<Mark>,
    /// On the recording's clock.
    at: u64,
    playing: bool,
    speed: usize,
    /// The console's own clock when it was last looked at.
    seen: Option<u64>,
    /// The part that is played, and how many of its entries have been.
    part: usize,
    done: usize,
    unpacked: VecDeque<(usize, Arc<Played>)>,
}

impl Replay {
    pub fn new(recording: Arc<Recording>, file: String) -> Self {
        let marks = marks(&recording);
        let at = recording.span().0.at;
        let unpacked = VecDeque::new();
        Self { recording, file, marks, at, playing: false, speed: NORMAL, seen: None, part: 0, done: 0, unpacked }
    }

    pub fn recording(&self) -> &Recording {
        &self.recording
    }

    pub const fn is_playing(&self) -> bool {
        self.playing
    }

    pub fn speed(&self) -> f64 {
        SPEEDS.get(self.speed).copied().unwrap_or(1.0)
    }

    pub const fn at(&self) -> u64 {
        self.at
    }

    /// Where something happened.
    pub fn marks(&self) -> &[Mark] {
        &self.marks
    }

    fn unpack(&mut self, part: usize) -> Result<Arc<Played>, Damage> {
        if let Some((_, played)) = self.unpacked.iter().find(|(p, _)| *p == part) {
            return Ok(played.clone());
        }
        let nowhere = || Damage { byte: 0, line: 0, why: "it has no such part".into() };
        let place = self.recording.parts.get(part).ok_or_else(nowhere)?;
        let played = Arc::new(self.recording.play(place)?);
        if self.unpacked.len() == UNPACKED {
            self.unpacked.pop_front();
        }
        self.unpacked.push_back((part, played.clone()));
        Ok(played)
    }

    /// The part that has the moment.
    fn part_at(&self, at: u64) -> usize {
        self.recording.parts.partition_point(|p| p.from.at <= at).saturating_sub(1)
    }

    /// The moment on both clocks: the wall's as it was at the last thing before.
    fn moment(&mut self, at: u64) -> Result<Moment, Damage> {
        let part = self.part_at(at);
        let played = self.unpack(part)?;
        let from = self.recording.parts.get(part).map_or(Moment::default(), |p| p.from);
        let before = played.entries.partition_point(|e| e.moment.at <= at);
        let last = before.checked_sub(1).and_then(|b| played.entries.get(b)).map_or(from, |e| e.moment);
        Ok(Moment { at, wall: last.wall + at.saturating_sub(last.at) })
    }
}

/// What an operator would go to: changes of state, what they asked for, what they noted, and everything that is worse.
fn marks(recording: &Recording) -> Vec<Mark> {
    let of_note = |e: &&Entry<(Option<usize>, Arc<Event>)>| {
        let event = &e.what.1;
        let is_told = matches!(event.kind.as_str(), "state" | "command" | "remark" | "mark" | "start");
        e.moment != Moment::default() && (is_told || event.severity >= Severity::Warning)
    };
    let mut marks: Vec<Mark> = Vec::new();
    for Entry { moment, what: (_, event) } in recording.events.iter().filter(of_note) {
        let is_note = matches!(event.kind.as_str(), "remark" | "mark");
        match marks.last_mut().filter(|m| m.at == moment.at) {
            Some(mark) => {
                mark.severity = mark.severity.max(event.severity);
                mark.is_note |= is_note;
            }
            None => marks.push(Mark { at: moment.at, severity: event.severity, is_note }),
        }
    }
    marks
}

/// Lays a recording into the model, at its beginning.
pub fn begin(model: &mut Model, replay: Replay) {
    let header = &replay.recording.header;
    model.title.clone_from(&header.title);
    model.mode = Mode::Replay;
    model.view_only = true;
    model.has_stage = header.has_stage;
    let at = replay.at;
    let damage = replay.recording.damage.clone();
    model.replay = Some(Box::new(replay));
    seek(model, at);
    if let Some(damage) = damage {
        say(model, Tone::Bad, format!("not whole: it plays as far as it goes; {damage}"));
    }
}

/// Time has passed at the console.
pub(super) fn pass(model: &mut Model, now: u64) {
    let Some(replay) = &mut model.replay else { return };
    let passed = now.saturating_sub(replay.seen.replace(now).unwrap_or(now));
    if !replay.playing {
        return;
    }
    let target = replay.at + (passed as f64 * replay.speed()) as u64;
    let end = replay.recording.span().1.at;
    if target >= end {
        replay.playing = false;
        seek(model, end);
        say(model, Tone::Info, "the end of the recording");
    } else {
        seek(model, target);
    }
}

pub(super) fn act(model: &mut Model, action: Action) {
    let Some(replay) = &mut model.replay else {
        return say(model, Tone::Info, "that moves a recording: vipdeck replay FILE shows one");
    };
    let (at, (from, until)) = (replay.at, replay.recording.span());
    let target = match action {
        Action::PlayPause => {
            replay.playing = !replay.playing && at < until.at;
            return;
        }
        Action::PlaySlower | Action::PlayFaster => {
            let by = if action == Action::PlayFaster { 1 } else { -1 };
            replay.speed = replay.speed.saturating_add_signed(by).min(SPEEDS.len() - 1);
            let text = format!("speed ×{}", replay.speed());
            return say(model, Tone::Info, text);
        }
        Action::GoTo => {
            model.modal = Some(Modal::Prompt(Prompt::new(Kind::GoTo)));
            return;
        }
        Action::NextChange => replay.marks.iter().map(|m| m.at).find(|m| *m > at),
        Action::PreviousChange => replay.marks.iter().map(|m| m.at).rfind(|m| *m < at),
        Action::PlayStep => replay.next(at),
        _ => replay.before(at),
    };
    replay.playing = false;
    match target {
        Some(target) => {
            model.message = None;
            seek(model, target);
        }
        None if matches!(action, Action::NextChange | Action::PlayStep) => {
            seek(model, until.at);
            say(model, Tone::Info, "the end of the recording");
        }
        None => {
            seek(model, from.at);
            say(model, Tone::Info, "the beginning of the recording");
        }
    }
}

impl Replay {
    /// The next moment at which something came.
    fn next(&mut self, at: u64) -> Option<u64> {
        let part = self.part_at(at);
        let played = self.unpack(part).ok()?;
        let after = played.entries.partition_point(|e| e.moment.at <= at);
        let here = played.entries.get(after).map(|e| e.moment.at);
        here.or_else(|| self.recording.parts.get(part + 1).map(|p| p.from.at))
    }

    fn before(&mut self, at: u64) -> Option<u64> {
        let part = self.part_at(at.checked_sub(1)?);
        let played = self.unpack(part).ok()?;
        let before = played.entries.partition_point(|e| e.moment.at < at);
        let last = before.checked_sub(1).and_then(|b| played.entries.get(b)).map(|e| e.moment.at);
        last.or_else(|| self.recording.parts.get(part).map(|p| p.from.at).filter(|from| *from < at))
    }
}

/// To the moment `at`: on from where it is, or anew from the state that its part opens with.
pub fn seek(model: &mut Model, at: u64) {
    // Out of the model, so that the model can be fed from it.
    let Some(mut replay) = model.replay.take() else { return };
    let (from, until) = replay.recording.span();
    let at = at.clamp(from.at, until.at);
    // An alarm of then rings no bell now.
    let _ = data(model, |model| {
        if let Err(damage) = reach(model, &mut replay, at) {
            replay.playing = false;
            say(model, Tone::Bad, format!("it cannot be played further: {damage}"));
        }
    });
    if let Some(frozen) = &mut model.frozen {
        // As many as were fed, not as often as it was looked at.
        frozen.changes = frozen.changes.saturating_sub(1);
    }
    model.replay = Some(replay);
    rows::keep_selection(model);
}

fn reach(model: &mut Model, replay: &mut Replay, at: u64) -> Result<(), Damage> {
    let part = replay.part_at(at);
    let is_on = replay.seen_any(model) && part == replay.part && at >= replay.at;
    let played = replay.unpack(part)?;
    if !is_on {
        open(model, replay, part, &played);
        replay.part = part;
        replay.done = 0;
    }
    for entry in played.entries.iter().skip(replay.done).take_while(|e| e.moment.at <= at) {
        replay.done += 1;
        let shown = entry.what.clone();
        feed(model, entry.moment, shown);
        if let Some(frozen) = &mut model.frozen {
            frozen.changes += 1;
        }
    }
    replay.at = at;
    let moment = replay.moment(at)?;
    (model.now, model.wall_us) = (moment.at, moment.wall);
    (model.live.at, model.live.wall_us) = (moment.at, moment.wall);
    model.message.take_if(|m| m.at > at);
    Ok(())
}

impl Replay {
    /// Whether the model holds a state of this recording yet.
    fn seen_any(&self, model: &Model) -> bool {
        model.live.nodes.len() == self.recording.header.nodes.len() && model.live.wall_us > 0
    }
}

/// The state that a part opens with.
fn open(model: &mut Model, replay: &Replay, part: usize, played: &Played) {
    let recording = &replay.recording;
    let (from, before) = recording.parts.get(part).map_or_else(Default::default, |p| (p.from, p.events_before));
    let opened = &played.opened;
    let mut picture = Picture::deserialize(&opened.picture).unwrap_or_default();
    picture.nodes.resize_with(recording.header.nodes.len(), NodeView::default);
    for (node, (view, label)) in picture.nodes.iter_mut().zip(&recording.header.nodes).enumerate() {
        view.snapshot = opened.snapshots.get(node).cloned().flatten();
        if view.label.is_empty() {
            view.label.clone_from(label);
            // An engine's own journal knows of no link.
            view.link = Link::Live;
            (view.received, view.received_console) = (from.at, from.at);
            view.called = view.snapshot.as_ref().map(|s| s.node.name.clone());
        }
        view.events = past(recording, before, Some(node));
    }
    picture.notes = past(recording, before, None);
    if picture.stage.is_none() {
        picture.stage = opened.stage.clone().map(|stage| StageView { stage, received: from.at });
    }
    model.live = picture;
    (model.now, model.wall_us) = (from.at, from.wall);
    (model.live.at, model.live.wall_us) = (from.at, from.wall);
}

/// The last of the events before a part that a console keeps.
fn past(recording: &Recording, before: usize, node: Option<usize>) -> VecDeque<Arc<Event>> {
    let events = recording.events.iter().take(before).rev().filter(|e| e.what.0 == node);
    let mut kept: VecDeque<_> = events.take(EVENTS_KEPT).map(|e| e.what.1.clone()).collect();
    kept.make_contiguous().reverse();
    kept
}

pub(super) fn go_to(model: &mut Model, text: &str) -> Result<(), String> {
    let Some(replay) = &model.replay else { return Err("this is no recording".into()) };
    let (from, until) = replay.recording.span();
    let wall = typed(text, model.wall_us, &model.zone)?;
    let zone = &model.zone;
    let local = |wall| super::text::date_time(wall, zone);
    if wall < from.wall || wall > until.wall {
        return Err(format!("the recording is from {} to {}", local(from.wall), local(until.wall)));
    }
    // The wall's clock may have been set meanwhile: the part says how it stood.
    let part = replay.recording.parts.iter().rev().find(|p| p.from.wall <= wall);
    let at = part.map_or(from.at, |p| p.from.at + (wall - p.from.wall));
    if let Some(replay) = &mut model.replay {
        replay.playing = false;
    }
    model.message = None;
    seek(model, at);
    Ok(())
}

/// A moment as somebody types it, near the moment `wall`.
fn typed(text: &str, wall: u64, zone: &jiff::tz::TimeZone) -> Result<u64, String> {
    let not = || format!("`{text}` is no time: 12:04:31, 12:04, +30s, -5m, 2026-11-28 12:04");
    if let Some(span) = text.strip_prefix('+') {
        return Ok(wall + seconds(span).ok_or_else(not)?);
    }
    if let Some(span) = text.strip_prefix('-') {
        return Ok(wall.saturating_sub(seconds(span).ok_or_else(not)?));
    }
    let stamp = jiff::Timestamp::from_microsecond(i64::try_from(wall).unwrap_or(0)).map_err(|e| e.to_string())?;
    let date_time = text.parse::<civil::DateTime>().ok().filter(|_| text.contains('-'));
    let time = || {
        text.parse::<civil::Time>()
            .ok()
            .filter(|_| text.contains(':'))
            .map(|t| stamp.to_zoned(zone.clone()).date().to_datetime(t))
    };
    let moment = date_time.or_else(time).ok_or_else(not)?.to_zoned(zone.clone()).map_err(|e| e.to_string())?;
    u64::try_from(moment.timestamp().as_microsecond()).map_err(|e| e.to_string())
}

/// Microseconds: `30`, `0.5s`, `5m`, `2h`.
fn seconds(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text.get(digits.len()..)? {
        "" | "s" => 1e6,
        "ms" => 1e3,
        "m" | "min" => 6e7,
        "h" => 3.6e9,
        _ => return None,
    };
    let number: f64 = digits.parse().ok()?;
    (number >= 0.0 && number.is_finite()).then_some((number * unit) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::tz::TimeZone;

    #[test]
    fn a_time_may_be_typed_in_many_ways() {
        // 2026-11-22 12:04:31 UTC.
        const WALL: u64 = 1_795_349_071_000_000;
        let read = |text: &str| typed(text, WALL, &TimeZone::UTC).map(|w| (w as i64 - WALL as i64) / 1000);
        for (text, offset) in [
            ("12:04:31", 0),
            ("12:04:32.5", 1500),
            ("12:05", 29_000),
            ("+30", 30_000),
            ("+1.5s", 1500),
            ("-5m", -300_000),
            ("-1h", -3_600_000),
            ("2026-11-22 12:04:30", -1000),
            ("2026-11-21T12:04:31", -86_400_000),
        ] {
            assert_eq!(read(text), Ok(offset), "{text}");
        }
        for text in ["", "noon", "25:00", "+", "+5d", "-x", "12", "2026-13-01 00:00"] {
            assert!(read(text).unwrap_err().contains("is no time"), "{text}");
        }
    }
}
