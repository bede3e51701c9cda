//! The events not yet taken by the runtime.

use crate::status::{Event, Severity, Subject};
use crate::time::Instant;

#[derive(Clone, Debug)]
pub(super) struct Log {
    node: String,
    /// The wall clock at instant zero, microseconds since 1970.
    wall_zero_us: u64,
    last_seq: u64,
    pending: Vec<Event>,
}

impl Log {
    pub(super) const fn new(node: String, wall_zero_us: u64) -> Self {
        Self { node, wall_zero_us, last_seq: 0, pending: Vec::new() }
    }

    pub(super) fn add(
        &mut self,
        at: Instant,
        subject: Subject,
        severity: Severity,
        kind: &str,
        text: impl Into<String>,
        cause: Option<String>,
    ) {
        self.last_seq += 1;
        self.pending.push(Event {
            seq: self.last_seq,
            at,
            wall_us: self.wall_zero_us + at.as_micros(),
            node: self.node.clone(),
            subject,
            severity,
            kind: kind.to_owned(),
            text: text.into(),
            cause,
        });
    }

    pub(super) const fn last_seq(&self) -> u64 {
        self.last_seq
    }

    pub(super) fn take(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.pending)
    }

    pub(super) const fn set_wall_zero(&mut self, wall_zero_us: u64) {
        self.wall_zero_us = wall_zero_us;
    }

    pub(super) const fn wall_zero_us(&self) -> u64 {
        self.wall_zero_us
    }
}
