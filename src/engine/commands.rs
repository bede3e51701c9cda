//! An operator's commands: accepted or rejected with a reason, never ignored.

use super::core::Engine;
use super::effect::Effect;
use super::router::HeldBy;
use crate::kernel::{DestinationKey, ServiceKey};
use crate::lvs;
use crate::status::{Ask, Command, Reply, Role, Severity, Subject};
use crate::time::Instant;
use crate::vrrp;

impl Engine {
    pub(super) fn command(&mut self, now: Instant, id: u64, ask: Ask, effects: &mut Vec<Effect>) {
        let result = match &ask.command {
            Command::Demote { instance, seen } => {
                self.on_instance(now, &ask, instance, *seen, vrrp::Input::Demote, effects)
            }
            Command::Takeover { instance, seen } => {
                self.on_instance(now, &ask, instance, *seen, vrrp::Input::Takeover, effects)
            }
            Command::Restore { instance } => self.on_instance(now, &ask, instance, None, vrrp::Input::Restore, effects),
            Command::Reload { .. } => return self.read_configuration(now, id, ask, effects),
            Command::Restart {} => return self.prepare_restart(now, id, ask, effects),
            Command::Drain { real, service } => self.on_real(now, &ask, *real, *service, Verb::Drain, effects),
            Command::Return { real, service } => self.on_real(now, &ask, *real, *service, Verb::Return, effects),
            Command::Weight { real, service, weight } => {
                self.on_real(now, &ask, *real, *service, Verb::Weight(*weight), effects)
            }
        };
        let reply = match result {
            Ok(text) => Reply::Accepted { text },
            Err(reason) => {
                let text = format!("rejected: {}", ask.command);
                self.log.add(now, subject(&ask.command), Severity::Notice, "command", text, Some(by(&ask, &reason)));
                Reply::Rejected { reason }
            }
        };
        effects.push(Effect::Reply { id, reply });
    }

    fn on_instance(
        &mut self,
        now: Instant,
        ask: &Ask,
        name: &str,
        seen: Option<Role>,
        input: vrrp::Input,
        effects: &mut Vec<Effect>,
    ) -> Result<String, String> {
        let Some(index) = self.routers.iter().position(|r| r.machine.spec().name == name) else {
            let known: Vec<_> = self.routers.iter().map(|r| r.machine.spec().name.as_str()).collect();
            return Err(format!("{} has no instance {name}; it has: {}", self.name, known.join(", ")));
        };
        let Some(router) = self.routers.get(index) else { return Err("no such instance".into()) };
        let role = Role::from(router.machine.state().role());
        if seen.is_some_and(|seen| seen != role) {
            return Err(format!("{name} is {role} on {} now: look again, then ask again", self.name));
        }
        // A sync group moves as a whole, or not at all.
        let members = self.together_with(index);
        for router in members.iter().filter_map(|m| self.routers.get(*m)) {
            let refused = |refusal| format!("{} on {}: {refusal}", router.machine.spec().name, self.name);
            router.machine.permits(&input).map_err(refused)?;
        }
        let lifts = input == vrrp::Input::Restore;
        for member in &members {
            let Some(router) = self.routers.get_mut(*member) else { continue };
            router.held_by = (!lifts).then(|| HeldBy { since: now, by: ask.actor.clone(), reason: ask.reason.clone() });
        }
        let text = ask.command.to_string();
        self.log.add(now, Subject::Instance(name.to_owned()), Severity::Notice, "command", text, Some(by(ask, "")));
        for member in members {
            self.drive(now, member, input.clone(), effects);
        }
        Ok(self.consequence(index, name, role))
    }

    /// What follows from an accepted command, in a sentence.
    fn consequence(&self, index: usize, name: &str, before: Role) -> String {
        let Some(router) = self.routers.get(index) else { return String::new() };
        let priority = router.machine.effective_priority();
        match (router.machine.state(), before) {
            (vrrp::State::Yielding { .. }, _) => format!(
                "{name}: priority 0 sent; the addresses stay here until a successor is heard, then priority {priority}"
            ),
            (vrrp::State::Master { .. }, Role::Master) => format!("{name}: MASTER, now at priority {priority}"),
            (vrrp::State::Master { .. }, _) => format!("{name}: MASTER now, at priority {priority}"),
            _ => format!("{name}: {before}, now at priority {priority}"),
        }
    }

    fn on_real(
        &mut self,
        now: Instant,
        ask: &Ask,
        real: DestinationKey,
        service: Option<ServiceKey>,
        verb: Verb,
        effects: &mut Vec<Effect>,
    ) -> Result<String, String> {
        if self.stopping {
            return Err("the engine is stopping".into());
        }
        let mut done = Vec::new();
        let mut refused = None;
        for s in self.services.iter_mut().filter(|s| service.is_none_or(|key| s.spec.key == key)) {
            let key = s.spec.key;
            let Some(target) = s.reals.iter_mut().find(|r| r.spec.key == real) else { continue };
            match verb.apply(now, target) {
                Ok(()) => done.push(key),
                Err(reason) => refused = Some(format!("{real} of {key}: {reason}")),
            }
        }
        if done.is_empty() {
            let place = service.map(|key| format!(" of {key}")).unwrap_or_default();
            return Err(refused.unwrap_or_else(|| format!("{} has no real server {real}{place}", self.name)));
        }
        self.node_unkept = true;
        for key in &done {
            let text = ask.command.to_string();
            let subject = Subject::Real(*key, real);
            self.log.add(now, subject, Severity::Notice, "command", text, Some(by(ask, "")));
            if matches!(verb, Verb::Return) {
                self.intents_by.remove(&(*key, real));
            } else {
                self.intents_by.insert((*key, real), (ask.actor.clone(), ask.reason.clone()));
            }
        }
        self.settle_quorums(now, effects);
        self.settle_table(effects);
        let services: Vec<_> = done.iter().map(ToString::to_string).collect();
        Ok(format!("{real} of {}: {}", services.join(", "), verb.consequence()))
    }
}

#[derive(Clone, Copy)]
enum Verb {
    Drain,
    Return,
    Weight(u32),
}

impl Verb {
    fn apply(self, now: Instant, real: &mut lvs::Real) -> Result<(), &'static str> {
        match self {
            Self::Drain if real.intent.drain.is_some() => Err("already draining"),
            Self::Drain => {
                real.drain(now);
                Ok(())
            }
            Self::Return if real.intent == lvs::Intent::default() => Err("already as in the file"),
            Self::Return => {
                real.intent = lvs::Intent::default();
                Ok(())
            }
            Self::Weight(weight) if weight > 65_535 => Err("a weight is 0 to 65535"),
            Self::Weight(weight) => {
                real.intent.weight = Some(weight);
                Ok(())
            }
        }
    }

    fn consequence(self) -> String {
        match self {
            Self::Drain => "weight 0, no new connections; open ones go on until they end".into(),
            Self::Return => "back in service with the weight of the file".into(),
            Self::Weight(weight) => format!("weight {weight} until returned"),
        }
    }
}

fn by(ask: &Ask, rejection: &str) -> String {
    let reason = ask.reason.as_ref().map(|r| format!(": {r}")).unwrap_or_default();
    let rejection = if rejection.is_empty() { String::new() } else { format!(" — {rejection}") };
    format!("{}{reason}{rejection}", ask.actor)
}

fn subject(command: &Command) -> Subject {
    match command {
        Command::Demote { instance, .. } | Command::Restore { instance } | Command::Takeover { instance, .. } => {
            Subject::Instance(instance.clone())
        }
        Command::Reload { .. } | Command::Restart {} => Subject::Node,
        Command::Drain { real, service }
        | Command::Return { real, service }
        | Command::Weight { real, service, .. } => service.map_or(Subject::Node, |key| Subject::Real(key, *real)),
    }
}
