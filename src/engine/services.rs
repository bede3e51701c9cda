//! Virtual services: their checks, and what comes of the results.

use super::core::Engine;
use super::effect::{CheckId, Effect};
use crate::health::Outcome;
use crate::lvs;
use crate::status::{Severity, Subject};
use crate::time::Instant;

impl Engine {
    pub(super) fn start_checks(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        if self.stopping {
            return;
        }
        for place in 0..self.services.len() {
            let due = |s: &&lvs::Service| s.deadline().is_some_and(|at| at <= now) && !self.is_suspended(s);
            if self.services.get(place).filter(due).is_none() {
                continue;
            }
            let Some(service) = self.services.get_mut(place) else { continue };
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

    /// Whether its checks wait for its address (`ha_suspend`).
    pub(super) fn is_suspended(&self, service: &lvs::Service) -> bool {
        let here = |ip| self.links.values().any(|link| link.addresses.keys().any(|net| net.addr() == ip));
        service.spec.ha_suspend && !service.spec.key.ip().is_some_and(here)
    }

    pub(super) fn checked(&mut self, now: Instant, id: CheckId, outcome: Outcome, effects: &mut Vec<Effect>) {
        let service = self.services.iter_mut().find(|s| s.spec.key == id.service);
        let Some(real) = service.and_then(|s| s.reals.iter_mut().find(|r| r.spec.key == id.real)) else { return };
        let was_up = real.is_up();
        let detail = outcome.detail.clone();
        // A check that a reload has replaced meanwhile is not running.
        let Some(check) = real.checks.get_mut(id.index).filter(|c| c.deadline().is_none()) else { return };
        let method = check.spec().method.name();
        let first = check.good().is_none();
        let failed = !outcome.good;
        let turned = check.finish(now, outcome);
        let is_up = real.is_up();
        // The first failure of one that was down from the start is told, too.
        if was_up == is_up && (is_up || !turned || !first) {
            if failed && self.globals.lvs.log_all_failures {
                let text = format!("{} failed a check of {}", id.real, id.service);
                let cause = Some(format!("{method}: {detail}"));
                self.log.add(now, Subject::Real(id.service, id.real), Severity::Info, "check", text, cause);
            }
            return;
        }
        let (severity, text) = if is_up {
            (Severity::Notice, format!("{} is UP in {}", id.real, id.service))
        } else {
            (Severity::Warning, format!("{} is DOWN in {}", id.real, id.service))
        };
        let subject = Subject::Real(id.service, id.real);
        self.log.add(now, subject, severity, "check", text, Some(format!("{method}: {detail}")));
        self.real_changed(id, is_up, (method, &detail), effects);
        self.settle_quorums(now, effects);
        self.settle_table(effects);
        self.note_left(now, id);
    }

    /// Says so when a service has no server left.
    fn note_left(&mut self, now: Instant, id: CheckId) {
        let Some(service) = self.services.iter().find(|s| s.spec.key == id.service) else { return };
        let usable = service.reals.iter().filter(|r| service.desired_weight(r).is_some_and(|w| w > 0)).count();
        if usable == 0 && !service.is_sorry() {
            let text = format!("{} has no real server left: its clients get no answer", id.service);
            self.log.add(now, Subject::Service(id.service), Severity::Alarm, "service", text, None);
        }
    }
}
