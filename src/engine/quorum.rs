//! Whether services have enough servers, and who is told of it: scripts, FIFOs, mail, the event list. The order is
//! keepalived's: the real server first, then its service.

use super::core::Engine;
use super::effect::{CheckId, Effect, Letter, Notice, Topic};
use crate::conf::FifoKind;
use crate::kernel::{DestinationKey, ServiceKey};
use crate::lvs::{QuorumChange, Service};
use crate::status::{Reason, Severity, Subject};
use crate::time::Instant;
use crate::vrrp::Command;

impl Engine {
    /// Judges every service; cheap where nothing has changed. Whether something has.
    pub(super) fn settle_quorums(&mut self, now: Instant, effects: &mut Vec<Effect>) -> bool {
        (0..self.services.len()).fold(false, |any, index| self.settle_quorum(now, index, effects) | any)
    }

    /// The same of one.
    pub(super) fn settle_quorum(&mut self, now: Instant, index: usize, effects: &mut Vec<Effect>) -> bool {
        let judged = self.services.get_mut(index).filter(|_| !self.stopping).and_then(|s| s.judge(now));
        if let Some(change) = judged {
            self.quorum_changed(now, index, change, effects);
        }
        judged.is_some()
    }

    fn quorum_changed(&mut self, now: Instant, index: usize, change: QuorumChange, effects: &mut Vec<Effect>) {
        let Some(service) = self.services.get(index) else { return };
        let spec = &service.spec;
        let mut reasons =
            vec![Reason::follows(now, format!("the weights were summed: {}", arithmetic(service, change)))];
        reasons.extend(self.log.origin().reasons(now).iter().cloned());
        self.causes.quorums.insert(spec.key, reasons.into());
        // After a restart of the engine nothing has changed for anybody else.
        if change.first && (self.lives > 0 || (!change.up && spec.sorry.is_none())) {
            return;
        }
        let sum = arithmetic(service, change);
        if !change.first {
            let (severity, text) = match (change.up, &spec.sorry) {
                (true, _) => (Severity::Notice, format!("quorum of {} is reached", spec.key)),
                (false, Some(sorry)) => {
                    (Severity::Alarm, format!("quorum of {} is lost: the sorry server {} serves", spec.key, sorry.key))
                }
                (false, None) => (Severity::Alarm, format!("quorum of {} is lost", spec.key)),
            };
            self.log.add(now, Subject::Service(spec.key), severity, "quorum", text, Some(sum.clone()));
        }
        let command = if change.up { &spec.quorum_up } else { &spec.quorum_down };
        let keyword = if change.up { "quorum_up" } else { "quorum_down" };
        if let Some(command) = command {
            effects.push(self.service_notice("SERVICE", spec.key.to_string(), keyword, command));
        }
        self.tell_service(service, change.up, effects);
        if spec.smtp_alert {
            let word = if change.up { "UP" } else { "DOWN" };
            let line = match (change.first, change.up) {
                (true, true) => format!("Starting with quorum up {sum}"),
                (_, true) => format!("Gained quorum {sum}"),
                (_, false) => format!("Lost quorum {sum}"),
            };
            effects.extend(self.service_letter(format!("Virtualserver {} - {word}", self.end(service)), &line, None));
        }
    }

    /// A real server's verdict has changed: `method` is the check that did it, `detail` what it saw.
    pub(super) fn real_changed(
        &self,
        id: CheckId,
        is_up: bool,
        (method, detail): (&str, &str),
        effects: &mut Vec<Effect>,
    ) {
        let Some(service) = self.services.iter().find(|s| s.spec.key == id.service) else { return };
        let Some(real) = service.reals.iter().find(|r| r.spec.key == id.real) else { return };
        self.tell_real(service, id.real, is_up, effects);
        let (keyword, command) =
            if is_up { ("notify_up", &real.spec.notify_up) } else { ("notify_down", &real.spec.notify_down) };
        if let Some(command) = command {
            effects.push(self.service_notice("REAL", format!("{} of {}", id.real, id.service), keyword, command));
        }
        if real.spec.smtp_alert {
            let word = if is_up { "UP" } else { "DOWN" };
            let subject =
                format!("Realserver {} of virtual server {} - {word}", end(service, id.real), self.end(service));
            let method = method.replace('_', " ");
            let line =
                if is_up { format!("{method} succeed on service") } else { format!("{method} failed on service") };
            effects.extend(self.service_letter(subject, &line, Some(detail)));
        }
    }

    /// The engine ends: with `omega` what serves is told to be down.
    pub(super) fn omega(&self, effects: &mut Vec<Effect>) {
        for service in self.services.iter().filter(|s| s.spec.omega) {
            if let Some(command) = &service.spec.quorum_down {
                effects.push(self.service_notice("SERVICE", service.spec.key.to_string(), "quorum_down", command));
            }
            for real in service.reals.iter().filter(|r| r.is_up()) {
                self.tell_real(service, real.spec.key, false, effects);
                if let Some(command) = &real.spec.notify_down {
                    let name = format!("{} of {}", real.spec.key, service.spec.key);
                    effects.push(self.service_notice("REAL", name, "notify_down", command));
                }
            }
            self.tell_service(service, false, effects);
        }
    }

    fn service_notice(&self, kind: &'static str, name: String, keyword: &'static str, command: &Command) -> Effect {
        Effect::Notify(Notice { kind, name, keyword, command: command.clone(), change: self.log.last_seq() })
    }

    fn tell_real(&self, service: &Service, real: DestinationKey, is_up: bool, effects: &mut Vec<Effect>) {
        if self.tells_services() {
            let (real, of) = (end(service, real), self.end(service));
            effects.push(Effect::Tell(Topic::Lvs, format!("RS {real} {of} {}\n", word(is_up))));
        }
    }

    fn tell_service(&self, service: &Service, is_up: bool, effects: &mut Vec<Effect>) {
        if self.tells_services() {
            effects.push(Effect::Tell(Topic::Lvs, format!("VS {} {}\n", self.end(service), word(is_up))));
        }
    }

    fn tells_services(&self) -> bool {
        self.globals.notify.fifos.iter().any(|f| f.kind != FifoKind::Vrrp)
    }

    fn service_letter(&self, subject: String, line: &str, cause: Option<&str>) -> Option<Effect> {
        self.mail()?;
        let mut body = vec![format!("=> {line} <=")];
        body.extend(cause.map(|cause| format!("Cause: {cause}")));
        Some(Effect::Mail(Letter { subject: format!("[{}] {subject}", self.name), body }))
    }

    /// A service as keepalived names it: `[192.0.2.10]:tcp:80`, `FWM 7`, `[GROUP]:0` with its number among the services
    /// of that group.
    fn end(&self, service: &Service) -> String {
        if let Some(group) = &service.spec.group {
            let same = |s: &&Service| s.spec.group.as_ref().is_some_and(|g| g.name == group.name);
            let index = self.services.iter().filter(same).position(|s| s.spec.key == service.spec.key);
            return format!("[{}]:{}", group.name, index.unwrap_or(0));
        }
        match service.spec.key {
            ServiceKey::Address { address, .. } => end(service, address),
            ServiceKey::Mark { mark, .. } => format!("FWM {mark}"),
        }
    }
}

fn end(service: &Service, address: DestinationKey) -> String {
    let protocol = service.spec.key.protocol().map_or("none".to_owned(), |p| p.to_string());
    format!("[{}]:{protocol}:{}", address.ip(), address.port())
}

const fn word(is_up: bool) -> &'static str {
    if is_up { "UP" } else { "DOWN" }
}

/// `3+1=4 <= 5`: quorum, hysteresis, their sum, and the weight that is up.
fn arithmetic(service: &Service, change: QuorumChange) -> String {
    let (quorum, hysteresis) = (service.spec.quorum, service.spec.hysteresis);
    let QuorumChange { up, threshold, weight, .. } = change;
    if up {
        format!("{quorum}+{hysteresis}={threshold} <= {weight}")
    } else {
        let sign = if change.first { '+' } else { '-' };
        format!("{quorum}{sign}{hysteresis}={threshold} > {weight}")
    }
}
