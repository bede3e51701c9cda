//! What is run when a state changes (keepalived.conf(5), notify_*): which commands, with which words, in which order.
//!
//! The commands of one instance are carried out strictly in this order and never overlap; that is up to whoever performs
//! [`Effect::Notify`].

use super::core::Engine;
use super::effect::{Effect, Notice, Topic};
use crate::conf::{FifoKind, FifoSpec, Globals, ProcessOptions};
use crate::health::Outcome;
use crate::status::{Role, Severity, Subject};
use crate::time::{Duration, Instant};
use crate::vrrp::{self, Command, Notify};

/// The states that scripts are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    Master,
    Backup,
    Fault,
    Stop,
    Deleted,
}

impl Told {
    /// None while it has no state yet.
    const fn of(role: Role) -> Option<Self> {
        match role {
            Role::Init | Role::Newer(_) => None,
            Role::Backup => Some(Self::Backup),
            Role::Master => Some(Self::Master),
            Role::Fault => Some(Self::Fault),
        }
    }

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Master => "MASTER",
            Self::Backup => "BACKUP",
            Self::Fault => "FAULT",
            Self::Stop => "STOP",
            Self::Deleted => "DELETED",
        }
    }
}

impl Engine {
    /// An instance took a role. Leaving is told once, at its end: STOP, or DELETED or FAULT of one that a reload removed.
    pub(super) fn notify_instance(&mut self, index: usize, role: Role, effects: &mut Vec<Effect>) {
        let Some(router) = self.routers.get(index) else { return };
        let leaves = router.retiring || self.stopping;
        let told = match role {
            Role::Master => Told::Master,
            Role::Backup if leaves => return,
            Role::Backup => Told::Backup,
            Role::Init if *router.machine.state() != vrrp::State::Stopped => return,
            Role::Init if !router.retiring => Told::Stop,
            Role::Init if router.machine.spec().notify.deleted.is_some() => Told::Deleted,
            Role::Fault | Role::Init | Role::Newer(_) => Told::Fault,
        };
        let spec = router.machine.spec();
        let priority = router.machine.effective_priority();
        self.push(effects, ("INSTANCE", &spec.name), &spec.notify, told, priority);
        self.tell(effects, ("INSTANCE", &spec.name), told.word(), priority);
        if spec.notify.smtp_alert {
            let cause = router.transitions.back().map(|t| t.cause.as_str());
            effects.extend(self.letter("Instance", &spec.name, told, cause));
        }
    }

    /// A sync group took a role; its priority word is 0.
    pub(super) fn notify_group(&self, index: usize, role: Role, effects: &mut Vec<Effect>) {
        let Some(group) = self.groups.get(index) else { return };
        let told = match role {
            Role::Master => Told::Master,
            Role::Backup if self.stopping => return,
            Role::Backup => Told::Backup,
            Role::Fault => Told::Fault,
            Role::Init if self.stopping => Told::Stop,
            Role::Init | Role::Newer(_) => return,
        };
        self.push(effects, ("GROUP", &group.spec.name), &group.spec.notify, told, 0);
        self.tell(effects, ("GROUP", &group.spec.name), told.word(), 0);
        if group.spec.notify.smtp_alert {
            effects.extend(self.letter("Group", &group.spec.name, told, None));
        }
    }

    /// As master, an instance heard a lower priority.
    pub(super) fn notify_lower_priority(&self, index: usize, effects: &mut Vec<Effect>) {
        let Some(machine) = self.routers.get(index).map(|r| &r.machine) else { return };
        let spec = machine.spec();
        if let Some(command) = &spec.notify.master_rx_lower_pri {
            effects.push(self.notice(("INSTANCE", &spec.name), LOWER, command.clone()));
        }
        self.tell(effects, ("INSTANCE", &spec.name), "MASTER_RX_LOWER_PRI", machine.effective_priority());
    }

    /// FIFOs are told another effective priority, if that is asked for; every state but MASTER counts as BACKUP.
    pub(super) fn tell_priority(&mut self, index: usize, effects: &mut Vec<Effect>) {
        let Some(router) = self.routers.get_mut(index) else { return };
        let priority = router.machine.effective_priority();
        if std::mem::replace(&mut router.told_priority, priority) == priority
            || !router.machine.spec().notify.priority_changes
            || *router.machine.state() == vrrp::State::Stopped
        {
            return;
        }
        let is_master = matches!(router.machine.state(), vrrp::State::Master { .. });
        let word = if is_master { "MASTER_PRIORITY" } else { "BACKUP_PRIORITY" };
        let name = router.machine.spec().name.clone();
        self.tell(effects, ("INSTANCE", &name), word, priority);
    }

    /// The FIFOs that [`Effect::Tell`] goes to.
    pub fn fifos(&self) -> &[FifoSpec] {
        &self.globals.notify.fifos
    }

    /// How the program is to run.
    pub fn process_options(&self) -> &ProcessOptions {
        &self.globals.process
    }

    /// What is run once everything is released, and for how long at most.
    pub fn shutdown_script(&self) -> Option<&(Command, Duration)> {
        self.globals.notify.shutdown.as_ref()
    }

    /// After a reload every state is told to the FIFOs again, if that is asked for (`fifo_write_vrrp_states_on_reload`).
    pub(super) fn tell_states_again(&self, effects: &mut Vec<Effect>) {
        if !self.globals.notify.states_on_reload {
            return;
        }
        for router in self.routers.iter().filter(|r| !r.retiring) {
            if let Some(told) = Told::of(Role::from(router.machine.state().role())) {
                let name = &router.machine.spec().name;
                self.tell(effects, ("INSTANCE", name), told.word(), router.machine.effective_priority());
            }
        }
        for group in &self.groups {
            if let Some(told) = Told::of(group.role) {
                self.tell(effects, ("GROUP", &group.spec.name), told.word(), 0);
            }
        }
    }

    /// One line as keepalived writes it.
    fn tell(&self, effects: &mut Vec<Effect>, (kind, name): (&str, &str), state: &str, priority: u8) {
        if self.globals.notify.fifos.iter().any(|f| f.kind != FifoKind::Lvs) {
            effects.push(Effect::Tell(Topic::Vrrp, format!("{kind} \"{name}\" {state} {priority}\n")));
        }
    }

    /// A command has ended, or could not be run.
    pub(super) fn notified(&mut self, now: Instant, notice: &Notice, outcome: Outcome, output: &str) {
        let severity = if outcome.good { Severity::Info } else { Severity::Warning };
        let text = format!("{}: {} after {:.3} s", notice.keyword, outcome.detail, outcome.took.as_secs_f64());
        let mut cause = notice.command.argv.join(" ");
        let said = output.lines().map(str::trim_end).filter(|l| !l.is_empty()).collect::<Vec<_>>();
        if !said.is_empty() {
            cause = format!("{cause}, which said: {}", said.join(" / "));
        }
        self.log.add(now, subject(notice.kind, &notice.name), severity, "notify", text, Some(cause));
    }

    /// Commands of states that were past before their turn came.
    pub(super) fn notify_skipped(&mut self, now: Instant, kind: &str, name: String, count: u64) {
        let text = format!("{count} notify scripts of earlier states were skipped; the last state is told");
        let cause = "they take longer than the states lasted: see how long each of them ran".to_owned();
        self.log.add(now, subject(kind, &name), Severity::Warning, "notify", text, Some(cause));
    }

    /// What a reload would change in what is run, written and mailed, and in how the program runs.
    pub(super) fn notify_changes(&self, after: &Globals) -> Vec<String> {
        let before = &self.globals;
        let differs = [
            (before.notify.fifos != after.notify.fifos, "FIFOs of notify_fifo and its like, or what reads them"),
            (before.notify.mail != after.notify.mail, "mail: whom it goes to, and how"),
            (before.notify.shutdown != after.notify.shutdown, "shutdown_script"),
            (before.process != after.process, "how the program is scheduled"),
        ];
        differs.into_iter().filter(|(is, _)| *is).map(|(_, what)| format!("{what}: changed")).collect()
    }

    /// The script of the state, then `notify` with four words.
    fn push(&self, effects: &mut Vec<Effect>, of: (&'static str, &str), notify: &Notify, told: Told, priority: u8) {
        let (keyword, own) = match told {
            Told::Master => ("notify_master", notify.master.as_ref()),
            Told::Backup => ("notify_backup", notify.backup.as_ref()),
            Told::Fault => ("notify_fault", notify.fault.as_ref()),
            Told::Stop => ("notify_stop", notify.stop.as_ref()),
            Told::Deleted => ("notify_deleted", notify.deleted.as_ref().and_then(Option::as_ref)),
        };
        effects.extend(own.map(|command| self.notice(of, keyword, command.clone())));
        if let Some(any) = &notify.any {
            let mut command = any.clone();
            command.argv.extend([of.0, of.1, told.word()].map(str::to_owned));
            command.argv.push(priority.to_string());
            effects.push(self.notice(of, "notify", command));
        }
    }

    /// Each change of state has an event, so the number of the last one tells changes apart.
    fn notice(&self, (kind, name): (&'static str, &str), keyword: &'static str, command: Command) -> Effect {
        Effect::Notify(Notice { kind, name: name.to_owned(), keyword, command, change: self.log.last_seq() })
    }
}

/// What a master runs when it hears a lower priority.
pub(super) const LOWER: &str = "notify_master_rx_lower_pri";

fn subject(kind: &str, name: &str) -> Subject {
    match kind {
        "INSTANCE" => Subject::Instance(name.to_owned()),
        _ => Subject::Node,
    }
}
