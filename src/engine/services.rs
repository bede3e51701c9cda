//! Virtual services: checks, and the table as it is and as it should be.

use super::core::Engine;
use super::effect::{CheckId, Effect};
use crate::health::Outcome;
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
    pub(super) fn start_checks(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        if self.stopping {
            return;
        }
        for service in self.services.iter_mut().filter(|s| s.deadline().is_some_and(|at| at <= now)) {
            for real in &mut service.reals {
                for (index, check) in real.checks.iter_mut().enumerate() {
                    if check.start(now) {
                        let id = CheckId { service: service.spec.key, real: real.spec.key, index };
                        effects.push(Effect::Check { id, method: check.spec().method.clone() });
                    }
                }
            }
        }
    }

    pub(super) fn checked(&mut self, now: Instant, id: CheckId, outcome: Outcome, effects: &mut Vec<Effect>) {
        let service = self.services.iter_mut().find(|s| s.spec.key == id.service);
        let Some(real) = service.and_then(|s| s.reals.iter_mut().find(|r| r.spec.key == id.real)) else { return };
        let was_up = real.is_up();
        let detail = outcome.detail.clone();
        // A check that a reload has replaced meanwhile is not running.
        let Some(check) = real.checks.get_mut(id.index).filter(|c| c.deadline().is_none()) else { return };
        let method = check.spec().method.name();
        let _ = check.finish(now, outcome);
        let is_up = real.is_up();
        if was_up == is_up {
            return;
        }
        let (severity, text) = if is_up {
            (Severity::Notice, format!("{} is UP in {}", id.real, id.service))
        } else {
            (Severity::Warning, format!("{} is DOWN in {}", id.real, id.service))
        };
        let subject = Subject::Real(id.service, id.real);
        self.log.add(now, subject, severity, "check", text, Some(format!("{method}: {detail}")));
        self.tell_real(id, is_up, effects);
        self.settle_table(effects);
        self.note_left(now, id);
    }

    /// Says so when a service has no server left.
    fn note_left(&mut self, now: Instant, id: CheckId) {
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
        if self.table.busy || waits {
            return;
        }
        let Some(observed) = self.table.observed.take() else { return };
        self.forget_resets(&observed);
        let ours = |key: &_| self.services.iter().any(|s| s.spec.key == *key) || self.left_services.contains(key);
        let mut steps = plan_table(&self.desired_table(), &observed, ours);
        // What is in maintenance is reset while it is still there, and leaves with the next batch.
        steps.extend(self.intent_steps());
        self.table.observed = Some(observed);
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
            self.intent_step_failed(&change);
            self.counters.change_errors += 1;
            let text = format!("could not {change}");
            let subject = change.to_string();
            if self.findings.raise(now, "change-failed", Severity::Alarm, &subject, format!("{text}: {error}")) {
                self.log.add(now, Subject::Node, Severity::Alarm, "table", text, Some(error));
            }
        }
    }

    pub(super) fn table_read(&mut self, now: Instant, observed: ObservedTable, effects: &mut Vec<Effect>) {
        let mut drained = Vec::new();
        for service in &mut self.services {
            let key = service.spec.key;
            let empty = service.observe(now, observed.services.get(&key));
            drained.extend(empty.iter().filter_map(|index| Some((key, service.reals.get(*index)?.spec.key))));
        }
        self.follow_drains(now, &drained, effects);
        if std::mem::take(&mut self.table.written) {
            self.table.busy = false;
        }
        self.table.observed = Some(observed);
        self.table.observed_at = Some(now);
        self.settle_table(effects);
    }
}
