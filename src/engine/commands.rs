//! An operator's commands: accepted or rejected with a reason, never ignored.

use super::core::Engine;
use super::effect::Effect;
use super::holds::{end_of, unfit};
use crate::status::{Ask, Command, DemoteMode, Reply, Severity, Subject};
use crate::time::Instant;
use crate::vrrp::Hold;

impl Engine {
    pub(super) fn command(&mut self, now: Instant, id: u64, mut ask: Ask, effects: &mut Vec<Effect>) {
        ask.command = self.resolved(&ask.command).unwrap_or(ask.command);
        let refusal = unfit(&ask).or_else(|| self.locked(now, &ask).filter(|_| !ask.force));
        if refusal.is_none() && matches!(ask.command, Command::Reload { .. }) {
            return self.read_configuration(now, id, ask, effects);
        }
        if refusal.is_none() && matches!(ask.command, Command::Restart {}) {
            return self.prepare_restart(now, id, ask, effects);
        }
        self.begin();
        let result = match refusal {
            Some(reason) => Err(reason),
            None => self.obey(now, id, &ask, effects),
        };
        match result {
            // A file is read first.
            Ok(None) => self.forget(),
            Ok(Some(text)) => {
                self.free_own(&ask);
                let answer = self.finish(now, &ask, text);
                self.accept(now, id, answer, effects);
            }
            Err(reason) => {
                self.forget();
                let text = format!("rejected: {ask}");
                self.log.add(now, subject(&ask.command), Severity::Notice, "command", text, Some(by(&ask, &reason)));
                effects.push(Effect::Reply { id, reply: Reply::Rejected { reason } });
            }
        }
    }

    /// What happens now, in a sentence; none: a file has to be read first.
    fn obey(&mut self, now: Instant, id: u64, ask: &Ask, effects: &mut Vec<Effect>) -> Result<Option<String>, String> {
        let demoted = |mode| match mode {
            DemoteMode::Yield => Hold::Demoted,
            DemoteMode::Fence => Hold::Fenced,
        };
        let held = |text: String| format!("{text}; {}", end_of(ask));
        let text = match &ask.command {
            Command::Demote { instance, seen, mode } => {
                self.on_instance(now, ask, (instance, *seen), Some(demoted(*mode)), effects).map(held)
            }
            Command::DemoteAll { mode } => self.on_all(now, ask, Some(demoted(*mode)), effects).map(held),
            Command::Takeover { instance, seen } => {
                self.on_instance(now, ask, (instance, *seen), Some(Hold::Takeover), effects).map(held)
            }
            Command::Restore { instance } => self.on_instance(now, ask, (instance, None), None, effects),
            Command::RestoreAll {} => self.on_all(now, ask, None, effects),
            Command::Pause {} => self.pause(now, ask).map(held),
            Command::Resume {} => self.resume(now, ask),
            Command::Announce { instance } => self.announce_now(now, ask, instance, effects),
            Command::Keep { id } => self.keep_action(now, *id, ask),
            Command::Undo { .. } => return self.undo(now, id, ask, effects),
            Command::Lock { .. } => self.lock(now, ask),
            Command::Unlock { on } => self.unlock(now, ask, on),
            Command::Note { text } => Ok(self.note(now, ask, text.as_deref())),
            Command::Acknowledge { alarm, since_us } => self.acknowledge(now, ask, alarm, *since_us),
            Command::CheckNow { real, service } => self.check_now(now, *real, *service).inspect(|_| {
                let text = ask.command.to_string();
                self.log.add(now, subject(&ask.command), Severity::Info, "command", text, Some(by(ask, "")));
            }),
            Command::Drain { real, service, .. }
            | Command::Maint { real, service }
            | Command::Weight { real, service, .. }
            | Command::Reset { real, service }
            | Command::Return { real, service, .. } => self
                .on_real(now, ask, *real, *service, effects)
                .map(|text| if ask.hold_seconds.is_some() { held(text) } else { text }),
            Command::Reload { .. } | Command::Restart {} => Err("it is done elsewhere".into()),
        };
        text.map(Some)
    }

    /// What an operator wants to be found on the timeline.
    fn note(&mut self, now: Instant, ask: &Ask, text: Option<&str>) -> String {
        let (kind, said) = text.map_or(("mark", "marked"), |text| ("remark", text));
        self.log.add(now, Subject::Node, Severity::Notice, kind, said, Some(by(ask, "")));
        format!("{} has it on its timeline", self.name)
    }
}

/// A command with who asked for it and why.
pub(super) fn asked(ask: &Ask) -> String {
    format!("{}, asked by {}", ask.command, by(ask, ""))
}

pub(super) fn by(ask: &Ask, rejection: &str) -> String {
    let reason = ask.reason.as_ref().map(|r| format!(": {r}")).unwrap_or_default();
    let rejection = if rejection.is_empty() { String::new() } else { format!(" — {rejection}") };
    format!("{}{reason}{rejection}", ask.actor)
}

pub(super) fn subject(command: &Command) -> Subject {
    match (command.real(), command.instance()) {
        (Some((real, Some(key))), _) => Subject::Real(key, real),
        (None, Some(name)) => Subject::Instance(name.to_owned()),
        (Some((_, None)) | None, _) => Subject::Node,
    }
}
