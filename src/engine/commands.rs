//! An operator's commands: accepted or rejected with a reason, never ignored.

use super::core::Engine;
use super::effect::Effect;
use super::router::HeldBy;
use crate::status::{Ask, Command, Reply, Role, Severity, Slot, Subject};
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
            Command::Note { text } => Ok(self.note(now, &ask, text.as_deref())),
            Command::CheckNow { real, service } => self.check_now(now, *real, *service).inspect(|_| {
                let text = ask.command.to_string();
                self.log.add(now, subject(&ask.command), Severity::Info, "command", text, Some(by(&ask, "")));
            }),
            Command::Drain { real, service, .. }
            | Command::Maint { real, service }
            | Command::Reset { real, service }
            | Command::Return { real, service, .. }
            | Command::Weight { real, service, .. } => self.on_real(now, &ask, *real, *service, effects),
        };
        let reason = match result {
            Ok(text) => return self.accept(now, id, text, effects),
            Err(reason) => {
                let text = format!("rejected: {}", ask.command);
                self.log.add(now, subject(&ask.command), Severity::Notice, "command", text, Some(by(&ask, &reason)));
                reason
            }
        };
        effects.push(Effect::Reply { id, reply: Reply::Rejected { reason } });
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
            if input == vrrp::Input::Restore && self.lift_order(&Slot::Hold(name.to_owned())).is_some() {
                return Ok(format!("{name}: lifted; the configuration has no such instance"));
            }
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
            let member = router.machine.spec().name.clone();
            router.held_by = (!lifts).then(|| HeldBy { since: now, by: ask.actor.clone(), reason: ask.reason.clone() });
            self.order_hold(now, &member, &input, ask);
        }
        let text = ask.command.to_string();
        self.log.add(now, Subject::Instance(name.to_owned()), Severity::Notice, "command", text, Some(by(ask, "")));
        for member in members {
            self.drive(now, member, input.clone(), effects);
        }
        Ok(self.consequence(index, name, role))
    }

    /// What an operator wants to be found on the timeline.
    fn note(&mut self, now: Instant, ask: &Ask, text: Option<&str>) -> String {
        let (kind, said) = text.map_or(("mark", "marked"), |text| ("remark", text));
        self.log.add(now, Subject::Node, Severity::Notice, kind, said, Some(by(ask, "")));
        format!("{} has it on its timeline", self.name)
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
}

pub(super) fn by(ask: &Ask, rejection: &str) -> String {
    let reason = ask.reason.as_ref().map(|r| format!(": {r}")).unwrap_or_default();
    let rejection = if rejection.is_empty() { String::new() } else { format!(" — {rejection}") };
    format!("{}{reason}{rejection}", ask.actor)
}

fn subject(command: &Command) -> Subject {
    match command {
        Command::Demote { instance, .. } | Command::Restore { instance } | Command::Takeover { instance, .. } => {
            Subject::Instance(instance.clone())
        }
        Command::Reload { .. } | Command::Restart {} | Command::Note { .. } => Subject::Node,
        Command::Drain { real, service, .. }
        | Command::CheckNow { real, service }
        | Command::Maint { real, service }
        | Command::Reset { real, service }
        | Command::Return { real, service, .. }
        | Command::Weight { real, service, .. } => service.map_or(Subject::Node, |key| Subject::Real(key, *real)),
    }
}
