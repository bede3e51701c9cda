//! Who owned an instance's addresses when, from what its nodes said of themselves.

use serde::Serialize;
use std::collections::BTreeMap;

/// Silence of a node after which what it said last is no longer believed, in microseconds; of one that speaks more
/// rarely, twice its longest.
const SILENCE: u64 = 3_000_000;

/// The wall clock is corrected now and then: moments so near each other are the same, in microseconds.
const NEAR: u64 = 1_000_000;

/// From one moment to another, microseconds since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Span {
    pub from_us: u64,
    pub until_us: u64,
}

impl Span {
    pub const fn length(&self) -> u64 {
        self.until_us.saturating_sub(self.from_us)
    }

    /// What of it lies in another one; none: nothing.
    pub(super) fn within(&self, other: &Self) -> Option<Self> {
        let (from_us, until_us) = (self.from_us.max(other.from_us), self.until_us.min(other.until_us));
        (from_us < until_us).then_some(Self { from_us, until_us })
    }
}

/// One node's ownership.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Owner {
    pub node: String,
    #[serde(flatten)]
    pub span: Span,
    /// The node fell silent as MASTER: until when it was one is not known.
    pub fell_silent: bool,
}

/// What one node said of one instance.
#[derive(Debug, Default)]
pub(super) struct Track {
    /// Since when it is MASTER.
    master: Option<u64>,
    heard: u64,
    /// The longest time between two words.
    pace: u64,
    spans: Vec<(Span, bool)>,
}

impl Track {
    /// It said at `now` that it is MASTER, or not, since `since`.
    pub(super) fn said(&mut self, now: u64, is_master: bool, since: u64) {
        if self.heard > 0 {
            self.pace = self.pace.max(now.saturating_sub(self.heard));
        }
        match (self.master, is_master) {
            // It was lost from sight and is the MASTER that it was.
            (None, true)
                if self.spans.last().is_some_and(|(s, silent)| *silent && s.from_us.abs_diff(since) < NEAR) =>
            {
                self.master = self.spans.pop().map(|(span, _)| span.from_us);
            }
            // It has begun anew since it was heard last: what was before has ended by then.
            (Some(from), true) if since > self.heard && since > from + NEAR => {
                self.end(from, self.heard, true);
                self.master = Some(since);
            }
            (None, true) => self.master = Some(since),
            (Some(from), false) => {
                self.end(from, since.clamp(self.heard, now), false);
                self.master = None;
            }
            _ => {}
        }
        self.heard = now;
    }

    /// At the end of the recording.
    pub(super) fn ends(&mut self, now: u64) {
        if let Some(from) = self.master.take() {
            let is_silent = now.saturating_sub(self.heard) > SILENCE.max(2 * self.pace);
            self.end(from, if is_silent { self.heard } else { now }, is_silent);
        }
    }

    /// Nothing more is heard of it.
    pub(super) fn lost(&mut self) {
        if let Some(from) = self.master.take() {
            self.end(from, self.heard, true);
        }
    }

    fn end(&mut self, from_us: u64, until_us: u64, fell_silent: bool) {
        self.spans.push((Span { from_us, until_us: until_us.max(from_us) }, fell_silent));
    }
}

/// Everybody's ownership in a span, in order.
pub(super) fn owners(tracks: &BTreeMap<String, Track>, all: &Span) -> Vec<Owner> {
    let mut owners: Vec<Owner> = tracks
        .iter()
        .flat_map(|(node, track)| track.spans.iter().map(move |(span, silent)| (node, span, *silent)))
        .filter_map(|(node, span, silent)| {
            let within = span.within(all)?;
            let fell_silent = silent && within.until_us == span.until_us;
            Some(Owner { node: node.clone(), span: within, fell_silent })
        })
        .collect();
    owners.sort_by_key(|o| o.span);
    owners
}

/// When nobody owned it.
pub(super) fn gaps(owners: &[Owner], all: &Span) -> Vec<Span> {
    let mut until = all.from_us;
    let mut gaps = Vec::new();
    for owner in owners {
        if owner.span.from_us > until {
            gaps.push(Span { from_us: until, until_us: owner.span.from_us });
        }
        until = until.max(owner.span.until_us);
    }
    if until < all.until_us {
        gaps.push(Span { from_us: until, until_us: all.until_us });
    }
    gaps
}

/// When two nodes did at once, and which.
pub(super) fn overlaps(owners: &[Owner]) -> Vec<(Span, [String; 2])> {
    let mut found = Vec::new();
    for (n, one) in owners.iter().enumerate() {
        for other in owners.iter().skip(n + 1).filter(|o| o.node != one.node) {
            found.extend(one.span.within(&other.span).map(|s| (s, [one.node.clone(), other.node.clone()])));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn track(said: &[(u64, bool, u64)], end: u64) -> Track {
        let mut track = Track::default();
        for (now, is_master, since) in said {
            track.said(now * 1_000_000, *is_master, since * 1_000_000);
        }
        track.ends(end * 1_000_000);
        track
    }

    fn seconds(spans: &[Span]) -> Vec<(u64, u64)> {
        spans.iter().map(|s| (s.from_us / 1_000_000, s.until_us / 1_000_000)).collect()
    }

    #[test]
    fn a_crash_is_a_gap_from_the_last_word_to_the_successor() {
        let all = Span { from_us: 100_000_000, until_us: 200_000_000 };
        let tracks = [
            ("a".to_owned(), track(&[(100, true, 50), (119, true, 50), (120, true, 50)], 200)),
            ("b".to_owned(), track(&[(100, false, 50), (125, true, 124), (199, true, 124)], 200)),
        ];
        let owners = owners(&tracks.into(), &all);
        assert_eq!(
            owners.iter().map(|o| (o.node.as_str(), o.fell_silent)).collect::<Vec<_>>(),
            [("a", true), ("b", false)]
        );
        assert_eq!(seconds(&gaps(&owners, &all)), [(120, 124)]);
        assert!(overlaps(&owners).is_empty());
    }

    #[test]
    fn two_at_once_are_found_with_their_time() {
        let all = Span { from_us: 0, until_us: 60_000_000 };
        let tracks = [
            ("a".to_owned(), track(&[(1, true, 0), (30, false, 29), (60, false, 29)], 60)),
            ("b".to_owned(), track(&[(1, false, 0), (21, true, 20), (60, true, 20)], 60)),
        ];
        let owners = owners(&tracks.into(), &all);
        let twice = overlaps(&owners);
        assert_eq!(seconds(&twice.iter().map(|(s, _)| *s).collect::<Vec<_>>()), [(20, 29)]);
        assert_eq!(gaps(&owners, &all), []);
    }

    #[test]
    fn a_restart_between_two_words_ends_what_was_before() {
        let track = track(&[(10, true, 5), (20, true, 18)], 21);
        let spans: Vec<_> = track.spans.iter().map(|(s, _)| *s).collect();
        assert_eq!(seconds(&spans), [(5, 10), (18, 21)]);
    }
}
