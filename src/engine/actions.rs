//! What operators did: each accepted command with what it takes to undo it, and the timers of those that must be kept.
//!
//! Nearly everything an operator can ask for is an order, so what was in force before is all that undoing needs.

use super::core::Engine;
use super::effect::Effect;
use super::intents::{Overlay, span, subject};
use crate::status::{Action, ActionState, Actor, Ask, Asked, Command, Order, Severity, Slot, Subject};
use crate::time::{Duration, Instant, earliest};
use crate::vrrp::State;
use serde::{Deserialize, Serialize};

/// So many are remembered.
const REMEMBERED: usize = 32;
/// A server that an undone drain brings back gets its weight in steps over this time.
const SLOW_START: u32 = 30;
/// Lines of what has happened since, at most.
const SINCE: usize = 8;
/// A command that nobody gave: its answer is for nobody.
pub(super) const NOBODY: u64 = u64::MAX;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Deeds {
    last: u64,
    list: Vec<Deed>,
}

/// One action, as far as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Deed {
    id: u64,
    command: Command,
    line: String,
    by: Actor,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    at_us: u64,
    /// Done, undone or reverted.
    state: ActionState,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    keep_until_us: Option<u64>,
    before: Vec<Before>,
    /// Whether the configuration of before can be had.
    #[serde(default)]
    file: bool,
}

/// What was in force before in one place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Before {
    slot: Slot,
    order: Option<Order>,
    /// The action has put an order there, and has not only lifted one.
    set: bool,
}

impl Deeds {
    /// Whether one takes itself back: that must outlive the machine. The rest of the list outlives the engine only,
    /// unless orders are in force.
    pub(super) fn must_be_kept(&self) -> bool {
        self.list.iter().any(|d| d.is_done() && d.keep_until_us.is_some())
    }

    /// The configuration of before is not at hand any more.
    pub(super) fn forget_files(&mut self) {
        self.list.iter_mut().for_each(|deed| deed.file = false);
    }

    fn get(&self, id: u64) -> Option<&Deed> {
        self.list.iter().find(|d| d.id == id)
    }

    fn get_mut(&mut self, id: u64) -> Option<&mut Deed> {
        self.list.iter_mut().find(|d| d.id == id)
    }
}

impl Deed {
    fn is_done(&self) -> bool {
        self.state == ActionState::Done
    }

    fn touches(&self, slot: &Slot) -> bool {
        self.before.iter().any(|b| b.slot == *slot)
    }

    /// What the configuration depends on is changed by whoever reads it anew.
    fn reads_file(&self) -> bool {
        self.file || matches!(self.command, Command::Reload { .. } | Command::Restart {})
    }

    /// What it is about, for the event log.
    fn subject(&self) -> Subject {
        self.command.instance().map_or(Subject::Node, |name| Subject::Instance(name.to_owned()))
    }
}

impl Overlay {
    /// Notes what is in force in a place before a command changes it.
    pub(super) fn record(&mut self, slot: &Slot) {
        let order = self.orders.get(slot).cloned();
        if let Some(before) = self.recording.as_mut().filter(|before| before.iter().all(|b| b.slot != *slot)) {
            before.push(Before { slot: slot.clone(), order, set: false });
        }
    }

    /// The number of the action that is carried out, or of the next one.
    pub(super) const fn next_action(&self) -> u64 {
        self.orders.deeds.last + 1
    }
}

impl Engine {
    /// From now on what is changed is part of one action.
    pub(super) fn begin(&mut self) {
        self.overlay.recording = Some(Vec::new());
    }

    /// It came to nothing.
    pub(super) fn forget(&mut self) {
        self.overlay.recording = None;
    }

    /// The action is done: what it takes to undo it is kept, and what is said of that.
    pub(super) fn finish(&mut self, now: Instant, ask: &Ask, text: String) -> (String, Option<u64>) {
        let mut before = self.overlay.recording.take().unwrap_or_default();
        let undoes_file = matches!(ask.command, Command::Undo { .. }) && before.is_empty();
        let reads = matches!(ask.command, Command::Reload { .. }) || undoes_file;
        let file = reads && self.overlay.keeps_files;
        let is_listed =
            reads || !before.is_empty() || matches!(ask.command, Command::Reset { .. } | Command::Restart {});
        if !is_listed {
            return (text, None);
        }
        let can_undo = file || !before.is_empty();
        let (id, at_us) = (self.overlay.next_action(), self.wall_us(now));
        for place in &mut before {
            place.set = self.overlay.orders.get(&place.slot).is_some_and(|o| o.action == Some(id));
        }
        let keep_until_us = ask.keep_seconds.map(|s| at_us.saturating_add(u64::from(s) * 1_000_000));
        let deeds = &mut self.overlay.orders.deeds;
        deeds.last = id;
        let (command, line) = (ask.command.clone(), ask.to_string());
        let (by, reason) = (ask.actor.clone(), ask.reason.clone());
        let state = ActionState::Done;
        deeds.list.push(Deed { id, command, line, by, reason, at_us, state, keep_until_us, before, file });
        while deeds.list.len() > REMEMBERED {
            // What is still to be kept or taken back goes last.
            let oldest = deeds.list.iter().position(|d| d.keep_until_us.is_none()).unwrap_or(0);
            deeds.list.remove(oldest);
        }
        self.overlay.changed = true;
        self.node_unkept = true;
        let keep = ask
            .keep_seconds
            .map_or(String::new(), |s| format!("; it is taken back in {s} s unless it is kept: vipdeck keep {id}"));
        (format!("{text}{keep}"), can_undo.then_some(id))
    }

    /// Why an order that a place got from an action, or lost by it, is not the action's any more; none: it is.
    fn gone(&self, deed: &Deed, place: &Before) -> Option<String> {
        let later = self.overlay.orders.deeds.list.iter().rev();
        // What came later and was taken back is as if it had not been.
        let undoes_later = |d: &Deed| matches!(d.command, Command::Undo { id: Some(id) } if id > deed.id);
        let mut later = later.take_while(|d| d.id != deed.id).filter(|d| d.is_done() && !undoes_later(d));
        let later = later.find(|d| d.touches(&place.slot));
        if let Some(later) = later {
            return Some(format!("`{}` of {} came later (action {})", later.line, later.by.user, later.id));
        }
        let order = self.overlay.orders.get(&place.slot);
        // A slow start ends by itself, and nothing is lost with it.
        let is_over = place.set && order.is_none_or(|o| o.action != Some(deed.id));
        is_over.then(|| "it is over by itself".to_owned())
    }

    /// The places in which an action still stands; none: why.
    fn standing<'d>(&self, deed: &'d Deed, force: bool) -> Result<Vec<&'d Before>, String> {
        let mut why = "nothing of it is left".to_owned();
        let mut standing = Vec::new();
        for place in &deed.before {
            match self.gone(deed, place) {
                Some(gone) if !force => why = gone,
                _ => standing.push(place),
            }
        }
        if standing.is_empty() && !deed.before.is_empty() { Err(why) } else { Ok(standing) }
    }

    fn file_was_read_since(&self, deed: &Deed) -> Option<&Deed> {
        let later = self.overlay.orders.deeds.list.iter().rev();
        later.take_while(|d| d.id != deed.id).find(|d| d.is_done() && d.reads_file())
    }

    /// Why an action cannot be undone now; none: it can.
    fn cannot_undo(&self, deed: &Deed, force: bool) -> Option<String> {
        match (&deed.command, deed.state) {
            (_, ActionState::Undone | ActionState::Reverted) => return Some("it has been taken back already".into()),
            (Command::Reset { .. }, _) => return Some("connections that were reset cannot be had back".into()),
            (Command::Restart {}, _) => return Some("a restart cannot be undone".into()),
            _ => {}
        }
        if deed.before.is_empty() {
            if !deed.file {
                return Some("the configuration of before is not kept: no guard, or the engine started anew".into());
            }
            return self.file_was_read_since(deed).map(|later| {
                format!("only the last configuration is kept, and `{}` came later (action {})", later.line, later.id)
            });
        }
        self.standing(deed, force).err()
    }

    /// Undoes an action, or the last that can be; what follows, in a sentence. None: a file has to be read first.
    pub(super) fn undo(
        &mut self,
        now: Instant,
        id: u64,
        ask: &Ask,
        effects: &mut Vec<Effect>,
    ) -> Result<Option<String>, String> {
        let Some(Command::Undo { id: Some(which) }) = self.resolved(&ask.command) else {
            return Err("there is nothing that could be undone: see vipdeck changes".into());
        };
        let Some(deed) = self.overlay.orders.deeds.get(which).cloned() else {
            return Err(format!("{} knows no action {which}: see vipdeck changes", self.name));
        };
        if let Some(why) = self.cannot_undo(&deed, ask.force) {
            return Err(format!("action {which}, `{}`, cannot be undone: {why}", deed.line));
        }
        if deed.before.is_empty() {
            let command = Command::Undo { id: Some(which) };
            effects.push(Effect::ReadConfiguration { id, ask: Ask { command, ..ask.clone() } });
            return Ok(None);
        }
        let (gives, not) = self.meaning(&deed);
        self.put_back(now, &deed, ask.force, effects)?;
        self.settle_undone(which, ActionState::Undone);
        let text = format!("undone: {}", deed.line);
        let cause = super::commands::by(ask, "");
        self.log.add(now, deed.subject(), Severity::Notice, "undo", text, Some(cause));
        Ok(Some(format!("`{}` of {} is undone: {gives}; it does not {not}", deed.line, deed.by.user)))
    }

    /// An action is taken back; if that was an undoing itself, what that had taken back stands again.
    pub(super) fn settle_undone(&mut self, id: u64, state: ActionState) {
        let deeds = &mut self.overlay.orders.deeds;
        let Some(deed) = deeds.get_mut(id) else { return };
        (deed.state, deed.keep_until_us) = (state, None);
        if let Command::Undo { id: Some(undone) } = deed.command
            && let Some(again) = deeds.get_mut(undone)
        {
            again.state = ActionState::Done;
        }
        self.overlay.changed = true;
    }

    /// Everything that stands of it back as it was.
    fn put_back(&mut self, now: Instant, deed: &Deed, force: bool, effects: &mut Vec<Effect>) -> Result<(), String> {
        let places: Vec<Before> = self.standing(deed, force)?.into_iter().cloned().collect();
        for place in &places {
            if let Slot::Hold(name) = &place.slot {
                self.may_hold(name, place.order.as_ref())?;
            }
        }
        for Before { slot, order, .. } in places {
            let comes_back = match (&slot, &order) {
                (Slot::Out(key, to), None) if self.overlay.orders.get(&slot).is_some() => Some((*key, *to)),
                _ => None,
            };
            self.put(now, &slot, order, effects);
            if let Some((service, real)) = comes_back {
                let asked = Asked::SlowStart { service, real, seconds: SLOW_START };
                let order = Order { action: None, ..self.order(now, &Ask::new(deed.command.clone()), asked) };
                self.put(now, &Slot::Rising(service, real), Some(order), effects);
            }
        }
        let _ = self.settle_quorums(now, effects);
        self.settle_table(effects);
        Ok(())
    }

    /// A command on an action with the action's number in it.
    pub(super) fn resolved(&self, command: &Command) -> Option<Command> {
        if !matches!(command, Command::Undo { id: None }) {
            return Some(command.clone());
        }
        let done = self.overlay.orders.deeds.list.iter().rev();
        let mut last = done.filter(|d| d.is_done() && !matches!(d.command, Command::Undo { .. }));
        let last = last.find(|d| self.cannot_undo(d, false).is_none())?;
        Some(Command::Undo { id: Some(last.id) })
    }

    /// What an undoing is about.
    pub(super) fn undone_on(&self, id: u64) -> Option<String> {
        self.overlay.orders.deeds.get(id).map(|d| d.command.on())
    }

    pub(super) fn keep_action(&mut self, now: Instant, id: u64, ask: &Ask) -> Result<String, String> {
        let wall_us = self.wall_us(now);
        let Some(deed) = self.overlay.orders.deeds.get_mut(id) else {
            return Err(format!("{} knows no action {id}: see vipdeck changes", self.name));
        };
        match (deed.state, deed.keep_until_us) {
            (ActionState::Reverted, _) => {
                Err(format!("`{}` was taken back already: nobody kept it in time", deed.line))
            }
            (ActionState::Undone, _) => Err(format!("`{}` was undone already", deed.line)),
            (_, None) => Err(format!("`{}` stays anyhow: it has no time to be kept in", deed.line)),
            (_, Some(until)) => {
                deed.keep_until_us = None;
                let (line, subject) = (deed.line.clone(), deed.subject());
                let left = span(Duration::from_micros(until.saturating_sub(wall_us)));
                self.overlay.changed = true;
                let cause = super::commands::by(ask, "");
                self.log.add(now, subject, Severity::Notice, "keep", format!("kept: {line}"), Some(cause));
                Ok(format!("`{line}` is kept; {left} were left"))
            }
        }
    }

    /// When the next action takes itself back.
    pub(super) fn keep_due(&self) -> Option<Instant> {
        let deeds = self.overlay.orders.deeds.list.iter().filter(|d| Some(d.id) != self.overlay.reverting);
        let times = deeds.filter(|d| d.is_done()).filter_map(|d| d.keep_until_us);
        times.map(|at| Some(self.later(at))).fold(None, earliest)
    }

    /// What nobody has kept in its time is taken back, the latest first.
    pub(super) fn revert_unkept(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let wall_us = self.wall_us(now);
        let is_due = |d: &&Deed| d.is_done() && d.keep_until_us.is_some_and(|at| at <= wall_us);
        let due = self.overlay.orders.deeds.list.iter().filter(is_due).filter(|d| Some(d.id) != self.overlay.reverting);
        let mut due: Vec<_> = due.cloned().collect();
        due.reverse();
        for deed in due {
            let actor = Actor { user: "keep timer".into(), from: format!("the engine, for {}", deed.by.user) };
            let ask = Ask { actor, ..Ask::new(Command::Undo { id: Some(deed.id) }) };
            if let Some(why) = self.cannot_undo(&deed, false) {
                self.settle_revert(now, &deed, &ask, Err(why));
            } else if deed.before.is_empty() {
                self.overlay.reverting = Some(deed.id);
                effects.push(Effect::ReadConfiguration { id: NOBODY, ask });
            } else {
                self.begin();
                let (gives, _) = self.meaning(&deed);
                let result = self.put_back(now, &deed, false, effects).map(|()| gives);
                self.settle_revert(now, &deed, &ask, result);
            }
        }
    }

    /// A configuration that was to be taken back has been, or could not be.
    pub(super) fn reverted(&mut self, now: Instant, id: u64, ask: &Ask, result: Result<String, String>) {
        self.overlay.reverting = None;
        let Some(deed) = self.overlay.orders.deeds.get(id).cloned() else { return };
        self.settle_revert(now, &deed, ask, result);
    }

    fn settle_revert(&mut self, now: Instant, deed: &Deed, ask: &Ask, result: Result<String, String>) {
        let line = &deed.line;
        match result {
            Ok(gives) => {
                self.finish(now, ask, String::new());
                self.settle_undone(deed.id, ActionState::Reverted);
                let text = format!("taken back, for nobody kept it in time: {line}");
                let cause = format!("{}: {gives}", deed.by);
                self.log.add(now, deed.subject(), Severity::Warning, "keep", text, Some(cause));
            }
            Err(why) => {
                self.forget();
                if let Some(deed) = self.overlay.orders.deeds.get_mut(deed.id) {
                    deed.keep_until_us = None;
                }
                self.overlay.changed = true;
                let text = format!("not taken back although nobody kept it in time: {line}");
                self.log.add(now, deed.subject(), Severity::Alarm, "keep", text.clone(), Some(why.clone()));
                self.findings.raise(now, "not-reverted", Severity::Alarm, &deed.command.on(), format!("{text}: {why}"));
            }
        }
    }

    /// What undoing gives back, and what it does not do, for the sentence "it gives back …; it does not …".
    fn meaning(&self, deed: &Deed) -> (String, String) {
        let text = |gives: &str, not: &str| (gives.to_owned(), not.to_owned());
        match &deed.command {
            Command::Demote { .. } | Command::DemoteAll { .. } => self.meaning_of_demote(deed),
            Command::Takeover { instance, .. } => (
                "the override of the priority is lifted".into(),
                format!(
                    "send the addresses back, unless another node preempts: `vipdeck takeover {instance}` there does"
                ),
            ),
            Command::Drain { .. } => (
                format!("new clients again, with the weight of before in {SLOW_START} s"),
                "bring back clients that went elsewhere".into(),
            ),
            Command::Maint { .. } => (
                format!("new clients again, with the weight of before in {SLOW_START} s"),
                "bring back the connections that were reset".into(),
            ),
            Command::Weight { .. } => {
                let before = deed.before.iter().find(|b| matches!(b.slot, Slot::Weight(..)));
                let weight = match before.and_then(|b| b.order.as_ref()).map(|o| &o.asked) {
                    Some(Asked::Weight { weight, .. }) => weight.to_string(),
                    _ => "that of the file".to_owned(),
                };
                (format!("the weight of before: {weight}"), "move clients that are connected".into())
            }
            Command::Return { .. } => text("what was in force before: drain, maintenance or weight", "end connections"),
            Command::Restore { .. } | Command::RestoreAll {} => text(
                "what was in force before: a demotion hands the addresses over again",
                "bring back sessions that end with a move",
            ),
            Command::Pause {} => {
                text("automatic preemption as before", "take anything over by itself before an advert")
            }
            Command::Resume {} => text("the pause as it was", "give back what was taken over since"),
            Command::Reload { .. } => text(
                "the configuration that ran before it",
                "change the file: the next reload, or a start, reads that again",
            ),
            Command::Undo { .. } if deed.before.is_empty() => {
                text("the configuration that was taken back", "change the file")
            }
            Command::Undo { .. } => text("what it took back, as it was", "bring back sessions that end with a move"),
            Command::Announce { .. }
            | Command::Acknowledge { .. }
            | Command::Note { .. }
            | Command::CheckNow { .. }
            | Command::Keep { .. }
            | Command::Lock { .. }
            | Command::Unlock { .. }
            | Command::Reset { .. }
            | Command::Restart {} => text("nothing", "change anything"),
        }
    }

    fn meaning_of_demote(&self, deed: &Deed) -> (String, String) {
        let names = deed.before.iter().filter_map(|b| if let Slot::Hold(name) = &b.slot { Some(name) } else { None });
        let machines = names.filter_map(|name| self.routers.iter().find(|r| r.machine.spec().name == *name));
        let mut follow = Vec::new();
        let mut stay = Vec::new();
        for machine in machines.map(|r| &r.machine) {
            let spec = machine.spec();
            let higher = machine.master().is_none_or(|m| spec.priority > m.priority);
            let here = matches!(machine.state(), State::Master { .. } | State::Yielding { .. });
            let comes = here || (spec.preempt && !self.is_paused() && higher);
            if comes { &mut follow } else { &mut stay }.push(spec.name.as_str());
        }
        let moves = match (follow.is_empty(), stay.is_empty()) {
            (false, true) => "the addresses come back at once, or stay if they never left".to_owned(),
            (true, _) => "the addresses stay where they are (preempt is off, paused, or the master is no lower)".into(),
            (false, false) => {
                format!("the addresses of {} come back, those of {} stay", follow.join(", "), stay.join(", "))
            }
        };
        let not = match stay.first() {
            None => "bring back sessions that end with a move".to_owned(),
            Some(name) => format!("move the addresses: `vipdeck takeover {name}` does"),
        };
        (format!("priority and eligibility again, and {moves}"), not)
    }

    /// For the snapshot.
    pub(super) fn actions_view(&self) -> Vec<Action> {
        self.overlay.orders.deeds.list.iter().map(|deed| self.action_view(deed)).collect()
    }

    fn action_view(&self, deed: &Deed) -> Action {
        let why = self.cannot_undo(deed, false);
        let (gives, not) = self.meaning(deed);
        let state = match (deed.state, &why) {
            (ActionState::Done, Some(_)) if deed.before.iter().any(|b| self.gone(deed, b).is_some()) => {
                let over = |b: &Before| self.overlay.orders.get(&b.slot).is_none();
                if deed.before.iter().all(over) && deed.before.iter().any(|b| b.set) {
                    ActionState::Ended
                } else {
                    ActionState::Superseded
                }
            }
            (state, _) => state,
        };
        Action {
            id: deed.id,
            verb: deed.command.verb().to_owned(),
            on: deed.command.on(),
            line: deed.line.clone(),
            by: deed.by.clone(),
            reason: deed.reason.clone(),
            at_us: deed.at_us,
            state,
            keep_until_us: deed.keep_until_us.filter(|_| deed.is_done()),
            gives_back: why.is_none().then_some(gives),
            does_not: Some(why.unwrap_or(not)),
            since: self.since(deed),
        }
    }

    /// What has happened to the same thing since.
    fn since(&self, deed: &Deed) -> Vec<String> {
        let shares = |d: &Deed| d.before.iter().any(|b| deed.touches(&b.slot)) || (d.reads_file() && deed.reads_file());
        let later = self.overlay.orders.deeds.list.iter().filter(|d| d.id > deed.id && shares(d));
        let mut lines: Vec<(u64, String)> =
            later.map(|d| (d.at_us, format!("{} by {} (action {})", d.line, d.by.user, d.id))).collect();
        for place in &deed.before {
            let Slot::Hold(name) = &place.slot else { continue };
            let Some(router) = self.routers.iter().find(|r| r.machine.spec().name == *name) else { continue };
            for t in &router.transitions {
                let at_us = self.wall_us(t.at);
                if at_us >= deed.at_us {
                    let after = span(Duration::from_micros(at_us - deed.at_us));
                    lines.push((at_us, format!("{name} {} → {} after {after}", t.from, t.to)));
                }
            }
        }
        lines.sort_by_key(|(at_us, _)| *at_us);
        let skip = lines.len().saturating_sub(SINCE);
        lines.into_iter().skip(skip).map(|(_, line)| line).collect()
    }

    /// Holds and drains whose time is over: lifted, or an alarm asks.
    pub(super) fn end_holds(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let wall_us = self.wall_us(now);
        let is_due = |o: &&Order| !o.expired && o.expires_us.is_some_and(|at| at <= wall_us);
        let due: Vec<Order> = self.overlay.orders.iter().filter(is_due).cloned().collect();
        for order in due {
            let slot = order.asked.slot();
            let (asked, by) = (order.asked.to_string(), &order.by.user);
            let text = format!("the time of `{asked}` by {by} is over");
            let lifts = order.at_expiry == crate::status::AtExpiry::Restore;
            let may = if let Slot::Hold(name) = &slot { self.may_hold(name, None) } else { Ok(()) };
            if lifts && may.is_ok() {
                self.put(now, &slot, None, effects);
                if let Slot::Out(service, real) = slot {
                    let started = Asked::SlowStart { service, real, seconds: SLOW_START };
                    let rising = Order { asked: started, since_us: wall_us, expires_us: None, ..order.clone() };
                    self.put(now, &Slot::Rising(service, real), Some(rising), effects);
                }
                self.log.add(
                    now,
                    subject(&order.asked),
                    Severity::Notice,
                    "hold",
                    format!("{text}: lifted"),
                    order.reason,
                );
            } else {
                self.put(now, &slot, Some(Order { expired: true, ..order.clone() }), effects);
                let lifting = lifting(&order.asked);
                let cause = format!("`vipdeck {lifting}` lifts it, `vipdeck {asked} --hold 30m` prolongs it");
                let text = format!("{text}, and it is still held");
                self.log.add(now, subject(&order.asked), Severity::Alarm, "hold", text, Some(cause));
            }
        }
    }
}

/// The command that lifts an order.
pub(super) fn lifting(asked: &Asked) -> String {
    match (asked.real(), asked.instance()) {
        (Some((key, to)), _) => format!("return {to} of {key}"),
        (None, Some(name)) => format!("restore {name}"),
        (None, None) => "resume".to_owned(),
    }
}
