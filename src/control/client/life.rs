//! Telling an engine from its successor.

use crate::status::Snapshot;
use crate::time::Instant;

/// Enough of a snapshot to see whether a later one comes from the same run of the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    pid: u32,
    revision: u64,
    at: Instant,
    /// The engine's start on the wall clock.
    start_us: u64,
}

/// The wall clock may be corrected while the engine runs; by more, and it counts as another life, which costs no more
/// than reading the events again.
const CORRECTION_US: u64 = 2_000_000;

impl Life {
    /// Whether `later` can be the same life as this: process, revision, uptime and start agree.
    pub const fn goes_on_in(&self, later: &Self) -> bool {
        self.pid == later.pid
            && self.revision <= later.revision
            && self.at.as_micros() <= later.at.as_micros()
            && self.start_us.abs_diff(later.start_us) <= CORRECTION_US
    }
}

impl From<&Snapshot> for Life {
    fn from(s: &Snapshot) -> Self {
        let start_us = s.wall_us.saturating_sub(s.at.as_micros());
        Self { pid: s.node.pid, revision: s.revision, at: s.at, start_us }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_ends_when_process_revision_uptime_or_start_changes() {
        let at = |seconds: u64| Instant::from_micros(seconds * 1_000_000);
        let life = Life { pid: 1, revision: 50, at: at(10), start_us: 1_000_000_000 };
        assert!(life.goes_on_in(&life));
        assert!(life.goes_on_in(&Life { revision: 51, at: at(11), start_us: 1_000_000_007, ..life }));
        assert!(!life.goes_on_in(&Life { pid: 2, ..life }));
        assert!(!life.goes_on_in(&Life { revision: 49, ..life }));
        assert!(!life.goes_on_in(&Life { at: at(9), ..life }));
        assert!(!life.goes_on_in(&Life { revision: 900, at: at(90), start_us: 1_100_000_000, ..life }), "pid 1 again");
    }
}
