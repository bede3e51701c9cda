//! What an engine publishes: the latest snapshot, and a bounded list of events.

use super::clusters::NodeList;
use super::journal::Journal;
use super::records::Records;
use crate::status::{ClockOffset, Event, Snapshot};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

/// How many events are kept; older ones are dropped, and readers see the gap in the sequence numbers.
pub const EVENTS_KEPT: usize = 4096;

/// For a snapshot that is made on request.
const MADE: Duration = Duration::from_secs(1);

/// Written by one engine, read by any number of consoles. The latest snapshot wins and nobody waits: the writer never
/// blocks on a reader, a reader that is slow misses snapshots but no event within [`EVENTS_KEPT`].
#[derive(Debug)]
pub struct Board {
    snapshot: watch::Sender<Option<Arc<Snapshot>>>,
    events: Mutex<VecDeque<Arc<Event>>>,
    /// The newest event's sequence number.
    newest: watch::Sender<u64>,
    /// Snapshots are made only while somebody waits for one.
    on_request: AtomicBool,
    /// Somebody has begun to wait.
    wanted: Notify,
    /// The cluster that the engine belongs to.
    nodes: OnceLock<NodeList>,
    journal: OnceLock<Arc<Journal>>,
    /// How far the node's clock is from the reader's; none: not measured. Only on the reader's side.
    clock: watch::Sender<Option<ClockOffset>>,
    records: Records,
}

impl Default for Board {
    fn default() -> Self {
        Self {
            snapshot: watch::Sender::new(None),
            events: Mutex::default(),
            newest: watch::Sender::new(0),
            on_request: AtomicBool::new(false),
            wanted: Notify::new(),
            nodes: OnceLock::new(),
            journal: OnceLock::new(),
            clock: watch::Sender::new(None),
            records: Records::default(),
        }
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
        let newest = ring.back().map_or(0, |e| e.seq);
        drop(ring);
        self.newest.send_if_modified(|before| std::mem::replace(before, newest) != newest);
    }

    /// The configuration and the audit log.
    pub const fn records(&self) -> &Records {
        &self.records
    }

    pub fn publish(&self, snapshot: Snapshot) {
        self.show(Arc::new(snapshot));
    }

    /// As [`Self::publish`], of one that others hold, too.
    pub fn show(&self, snapshot: Arc<Snapshot>) {
        self.snapshot.send_replace(Some(snapshot));
    }

    /// What `GET /v1/nodes` tells, once.
    pub fn set_nodes(&self, nodes: NodeList) {
        let _ = self.nodes.set(nodes);
    }

    pub fn nodes(&self) -> NodeList {
        self.nodes.get().cloned().unwrap_or_default()
    }

    /// Whether snapshots are made only for those who wait for one.
    pub fn set_on_request(&self, on_request: bool) {
        self.on_request.store(on_request, Ordering::Relaxed);
    }

    pub fn is_on_request(&self) -> bool {
        self.on_request.load(Ordering::Relaxed)
    }

    /// False: there is one already.
    pub fn keep_journal(&self, journal: Arc<Journal>) -> bool {
        self.journal.set(journal).is_ok()
    }

    /// What is kept of what was published here.
    pub fn journal(&self) -> Option<&Arc<Journal>> {
        self.journal.get()
    }

    /// Returns once somebody has begun to wait for a snapshot.
    pub async fn wanted(&self) {
        self.wanted.notified().await;
    }

    /// The latest snapshot; where they are made on request, a new one, unless the engine takes too long over it.
    pub async fn fresh(&self) -> Option<Arc<Snapshot>> {
        if self.is_on_request() {
            let mut snapshots = self.watch();
            let _ = timeout(MADE, snapshots.changed()).await;
        }
        self.latest()
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
        let snapshots = self.snapshot.subscribe();
        self.wanted.notify_one();
        snapshots
    }

    pub fn set_clock(&self, offset: Option<ClockOffset>) {
        self.clock.send_if_modified(|before| std::mem::replace(before, offset) != offset);
    }

    /// Wakes when the node's clock was measured.
    pub fn clock(&self) -> watch::Receiver<Option<ClockOffset>> {
        self.clock.subscribe()
    }

    /// Wakes at each new event.
    pub fn news(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
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
        self.records.clear();
    }
}
