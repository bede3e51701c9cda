//! The latest snapshot, made from changes without copying the one before it.
//!
//! Whoever reads holds the latest; the one before is soon held by nobody, and becomes the next once the changes since
//! have been carried out on it. If every old one is still held, the latest is copied.

use crate::status::{Change, Misplaced, Snapshot};
use std::sync::Arc;

/// So many old snapshots wait, and so many changes for each.
const SPARES: usize = 2;
const BEHIND: usize = 8;

#[derive(Debug, Default)]
pub(super) struct Rotation {
    latest: Option<Arc<Snapshot>>,
    spares: Vec<(Arc<Snapshot>, Vec<Arc<Change>>)>,
}

impl Rotation {
    pub(super) fn whole(&mut self, snapshot: Snapshot) -> Arc<Snapshot> {
        let latest = Arc::new(snapshot);
        self.spares.clear();
        self.latest = Some(Arc::clone(&latest));
        latest
    }

    pub(super) fn change(&mut self, change: Change) -> Result<Arc<Snapshot>, Misplaced> {
        let before = self.latest.take().filter(|s| s.revision == change.from).ok_or(Misplaced)?;
        let change = Arc::new(change);
        self.spares.push((before, Vec::new()));
        for (_, behind) in &mut self.spares {
            behind.push(Arc::clone(&change));
        }
        let latest = Arc::new(self.next()?);
        self.spares.retain(|(_, behind)| behind.len() < BEHIND);
        let surplus = self.spares.len().saturating_sub(SPARES);
        self.spares.drain(..surplus);
        self.latest = Some(Arc::clone(&latest));
        Ok(latest)
    }

    /// From a spare that nobody else holds, or else from a copy of the newest.
    fn next(&mut self) -> Result<Snapshot, Misplaced> {
        for at in 0..self.spares.len() {
            let (spare, behind) = self.spares.remove(at);
            match Arc::try_unwrap(spare) {
                Ok(mut snapshot) => {
                    behind.iter().try_for_each(|change| change.apply(&mut snapshot))?;
                    return Ok(snapshot);
                }
                Err(held) => self.spares.insert(at, (held, behind)),
            }
        }
        let (newest, behind) = self.spares.last().ok_or(Misplaced)?;
        let mut snapshot = Snapshot::clone(newest);
        behind.iter().try_for_each(|change| change.apply(&mut snapshot))?;
        Ok(snapshot)
    }
}
