//! File descriptors: every session needs some, and the rest of the program must never be left without.

use crate::sys::limits;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// How many the balancer may have open.
#[derive(Debug)]
pub(super) struct Descriptors {
    limit: u64,
    most: u64,
    used: AtomicU64,
}

/// Some of them, given back when dropped.
#[derive(Debug)]
pub(super) struct Permit {
    from: Arc<Descriptors>,
    count: u64,
}

impl Descriptors {
    /// Raises the process's limit as far as it goes.
    pub(super) fn of_this_process() -> io::Result<Self> {
        Ok(Self::within(limits::raise_open_files(WANTED)?))
    }

    fn within(limit: u64) -> Self {
        Self { limit, most: limit.saturating_sub(RESERVED), used: AtomicU64::new(0) }
    }

    pub(super) fn take(self: &Arc<Self>, count: u64) -> Option<Permit> {
        self.take_below(count, self.most)
    }

    /// For what helps but is not needed: only while there are plenty.
    pub(super) fn take_if_plenty(self: &Arc<Self>, count: u64) -> Option<Permit> {
        self.take_below(count, self.most / 4 * 3)
    }

    fn take_below(self: &Arc<Self>, count: u64, most: u64) -> Option<Permit> {
        let more = |used: u64| used.checked_add(count).filter(|sum| *sum <= most);
        self.used.fetch_update(Relaxed, Relaxed, more).ok()?;
        Some(Permit { from: self.clone(), count })
    }

    /// What to tell when there are none left.
    pub(super) fn exhausted(&self) -> String {
        format!(
            "{} of this process's {} file descriptors (LimitNOFILE) are in use by connections, two each; new ones wait",
            self.used.load(Relaxed),
            self.limit
        )
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.from.used.fetch_sub(self.count, Relaxed);
    }
}

/// For a hundred thousand connections.
const WANTED: u64 = 262_144;

/// For engine, checks, scripts, consoles and listeners.
const RESERVED: u64 = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_reserved_is_never_given_away() {
        let few = Arc::new(Descriptors::within(RESERVED + 8));
        let first = few.take(2).unwrap();
        let rest: Vec<_> = std::iter::from_fn(|| few.take(2)).collect();
        assert_eq!(rest.len(), 3);
        assert!(few.exhausted().starts_with("8 of this process's 520 "), "{}", few.exhausted());
        drop(first);
        assert!(few.take_if_plenty(2).is_none());
        assert!(few.take(2).is_some());
        assert!(Arc::new(Descriptors::within(100)).take(1).is_none());
    }
}
