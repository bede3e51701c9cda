//! The events not yet taken by the runtime.

use super::origin::Origin;
use crate::status::{Event, Reasons, Severity, Subject};
use crate::time::Instant;

#[derive(Clone, Debug)]
pub(super) struct Log {
    node: String,
    /// The wall clock at instant zero, microseconds since 1970.
    wall_zero_us: u64,
    last_seq: u64,
    pending: Vec<Event>,
    /// What the engine is doing something about: every event of now follows from it.
    origin: Origin,
}

impl Log {
    pub(super) const fn new(node: String, wall_zero_us: u64) -> Self {
        Self { node, wall_zero_us, last_seq: 0, pending: Vec::new(), origin: Origin::Start }
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
        let reasons = self.origin.reasons(at);
        self.add_with(at, subject, severity, kind, text, (cause, reasons));
    }

    /// With a chain of its own.
    pub(super) fn add_with(
        &mut self,
        at: Instant,
        subject: Subject,
        severity: Severity,
        kind: &str,
        text: impl Into<String>,
        (cause, reasons): (Option<String>, Reasons),
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
            reasons,
        });
    }

    pub(super) fn set_origin(&mut self, origin: Origin) -> Origin {
        std::mem::replace(&mut self.origin, origin)
    }

    pub(super) const fn origin(&self) -> &Origin {
        &self.origin
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
