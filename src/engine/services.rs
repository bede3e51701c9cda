//! Virtual services: the table as it is and as it should be.

use super::core::Engine;
use super::effect::{CheckId, Effect};
use crate::kernel::{Change, ObservedTable, Table, plan_table};
use crate::lvs::{self, desired_table};
use crate::status::{Severity, Subject};
use crate::time::{Duration, Instant};

/// A table that could not be written whole is tried again after this.
const RETRY: Duration = Duration::from_secs(1);

/// What is known of the table. Changes go out in one batch at a time: the next is planned against what was read back
/// after the last.
#[derive(Clone, Debug, Default)]
pub(super) struct TableState {
    pub(super) observed: Option<ObservedTable>,
    pub(super) observed_at: Option<Instant>,
    /// A batch is out, and the table has not been read back after it.
    busy: bool,
    /// The batch is written: the next reading shows it.
    written: bool,
    failed: bool,
    /// The batch that is out, or was last, removes everything.
    clearing: bool,
    pub(super) retry_at: Option<Instant>,
}

impl TableState {
    /// Whether nothing of ours is left in it, as far as it can be known.
    pub(super) fn is_cleared(&self, services: &[lvs::Service]) -> bool {
        let left = |observed: &ObservedTable| services.iter().any(|s| observed.services.contains_key(&s.spec.key));
        !self.busy && ((self.clearing && self.failed) || !self.observed.as_ref().is_some_and(left))
    }
}

impl Engine {
    /// Says so when a service has no server left.
    pub(super) fn note_left(&mut self, now: Instant, id: CheckId) {
        let Some(service) = self.services.iter().find(|s| s.spec.key == id.service) else { return };
        let usable = service.reals.iter().filter(|r| r.desired_weight().is_some_and(|w| w > 0)).count();
        if usable == 0 {
            let text = format!("{} has no real server left: its clients get no answer", id.service);
            self.log.add(now, Subject::Service(id.service), Severity::Alarm, "service", text, None);
        }
    }

    /// The table that should exist: none of it once the engine has handed everything over.
    fn desired_table(&self) -> Table {
        if self.has_handed_over() { Table::default() } else { desired_table(self.services.iter()) }
    }

    pub(super) fn settle_table(&mut self, effects: &mut Vec<Effect>) {
        let clearing = self.has_handed_over();
        let waits = self.table.retry_at.is_some() && !clearing;
        let Some(observed) = &self.table.observed else { return };
        if self.table.busy || waits {
            return;
        }
        let ours = |key: &_| self.services.iter().any(|s| s.spec.key == *key) || self.left_services.contains(key);
        let steps = plan_table(&self.desired_table(), observed, ours);
        if !steps.is_empty() {
            self.table.busy = true;
            self.table.clearing = clearing;
            effects.push(Effect::Table(steps));
        }
    }

    pub(super) fn table_done(&mut self, now: Instant, failures: Vec<(Change, String)>) {
        self.table.written = true;
        self.table.failed = !failures.is_empty();
        if self.table.failed {
            self.table.retry_at = Some(now + RETRY);
        }
        for (change, error) in failures {
            self.counters.change_errors += 1;
            let text = format!("could not {change}");
            let subject = change.to_string();
            if self.findings.raise(now, "change-failed", Severity::Alarm, &subject, format!("{text}: {error}")) {
                self.log.add(now, Subject::Node, Severity::Alarm, "table", text, Some(error));
            }
        }
    }

    pub(super) fn table_read(&mut self, now: Instant, observed: ObservedTable, effects: &mut Vec<Effect>) {
        for service in &mut self.services {
            let key = service.spec.key;
            for index in service.observe(now, observed.services.get(&key)) {
                let Some(real) = service.reals.get(index) else { continue };
                let text = format!("{} is DRAINED: no connection is left in {key}", real.spec.key);
                self.log.add(now, Subject::Real(key, real.spec.key), Severity::Notice, "drain", text, None);
            }
        }
        if std::mem::take(&mut self.table.written) {
            self.table.busy = false;
        }
        self.table.observed = Some(observed);
        self.table.observed_at = Some(now);
        self.settle_table(effects);
    }
}
