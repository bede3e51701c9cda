//! Virtual services: what is said when one has no server left.

use super::core::Engine;
use super::effect::CheckId;
use crate::status::{Severity, Subject};
use crate::time::Instant;

impl Engine {
    /// Says so when a service has no server left.
    pub(super) fn note_left(&mut self, now: Instant, id: CheckId) {
        let Some(service) = self.services.iter().find(|s| s.spec.key == id.service) else { return };
        let usable = service.reals.iter().filter(|r| service.desired_weight(r).is_some_and(|w| w > 0)).count();
        if usable == 0 && !service.is_sorry() {
            let text = format!("{} has no real server left: its clients get no answer", id.service);
            self.log.add(now, Subject::Service(id.service), Severity::Alarm, "service", text, None);
        }
    }
}

#[cfg(test)]
#[path = "services_tests.rs"]
mod tests;
