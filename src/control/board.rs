//! What an engine publishes: the latest snapshot, and a bounded list of events.

use crate::status::{Event, Snapshot};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// How many events are kept; older ones are dropped, and readers see the gap in the sequence numbers.
pub const EVENTS_KEPT: usize = 4096;

/// Written by one engine, read by any number of consoles. The latest snapshot wins and nobody waits: the writer never
/// blocks on a reader, a reader that is slow misses snapshots but no event within [`EVENTS_KEPT`].
#[derive(Debug)]
pub struct Board {
    snapshot: watch::Sender<Option<Arc<Snapshot>>>,
    events: Mutex<VecDeque<Arc<Event>>>,
}

impl Default for Board {
    fn default() -> Self {
        Self { snapshot: watch::Sender::new(None), events: Mutex::default() }
    }
}

impl Board {
    /// Adds events. Publish the snapshot that counts them afterwards: it is what wakes readers.
    pub fn record(&self, events: impl IntoIterator<Item = Event>) {
        let mut ring = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        for event in events {
            if ring.len() == EVENTS_KEPT {
                ring.pop_front();
            }
            ring.push_back(Arc::new(event));
        }
    }

    pub fn publish(&self, snapshot: Snapshot) {
        self.snapshot.send_replace(Some(Arc::new(snapshot)));
    }

    pub fn latest(&self) -> Option<Arc<Snapshot>> {
        self.snapshot.borrow().clone()
    }

    /// How many wait for snapshots.
    pub fn readers(&self) -> usize {
        self.snapshot.receiver_count()
    }

    /// Wakes at each new snapshot.
    pub fn watch(&self) -> watch::Receiver<Option<Arc<Snapshot>>> {
        self.snapshot.subscribe()
    }

    /// The events after sequence number `seq` that are still kept, oldest first. If the first one is not `seq` + 1,
    /// those between are lost to this reader.
    pub fn events_after(&self, seq: u64) -> Vec<Arc<Event>> {
        let ring = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        let from = ring.partition_point(|e| e.seq <= seq);
        ring.range(from..).cloned().collect()
    }

    /// Forgets everything: the reader's side after its engine was restarted.
    pub fn clear(&self) {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.snapshot.send_replace(None);
    }
}
