//! Holds: demotions, takeovers and the pause of preemption, with their ends, laid over the routers.

use super::commands::by;
use super::core::Engine;
use super::effect::Effect;
use super::real_commands::same_end;
use super::router::Router;
use crate::status::{
    Ask, Asked, AtExpiry, Command, DemoteMode, Finding, Hold, HoldKind, Order, Role, Severity, Slot, Subject,
};
use crate::time::{Duration, Instant};
use crate::vrrp::{self, State};
use std::collections::BTreeSet;

/// A hold of a year is one without an end.
const LONGEST_HOLD: u32 = 366 * 24 * 3600;
const LONGEST_KEEP: u32 = 24 * 3600;

/// What makes a router held, or free.
pub(super) const fn input_of(hold: Option<vrrp::Hold>, force: bool) -> vrrp::Input {
    match hold {
        None => vrrp::Input::Restore,
        Some(vrrp::Hold::Demoted) => vrrp::Input::Demote,
        Some(vrrp::Hold::Fenced) => vrrp::Input::Fence { force },
        Some(vrrp::Hold::Takeover) => vrrp::Input::Takeover,
    }
}

/// The hold that an order is.
pub(super) const fn hold_in(asked: &Asked) -> Option<vrrp::Hold> {
    match asked {
        Asked::Demote { mode: DemoteMode::Yield, .. } => Some(vrrp::Hold::Demoted),
        Asked::Demote { mode: DemoteMode::Fence, .. } => Some(vrrp::Hold::Fenced),
        Asked::Takeover { .. } => Some(vrrp::Hold::Takeover),
        Asked::Drain { .. }
        | Asked::Maint { .. }
        | Asked::Weight { .. }
        | Asked::SlowStart { .. }
        | Asked::Pause {} => None,
    }
}

/// Why the end or the condition of a command makes no sense, whatever there is.
pub(super) fn unfit(ask: &Ask) -> Option<String> {
    use Command as C;
    let (command, verb) = (&ask.command, ask.command.verb());
    let holds = matches!(
        command,
        C::Demote { .. }
            | C::DemoteAll { .. }
            | C::Takeover { .. }
            | C::Drain { .. }
            | C::Maint { .. }
            | C::Weight { .. }
            | C::Pause {}
    );
    let undone = matches!(
        command,
        C::Restore { .. }
            | C::RestoreAll {}
            | C::Resume {}
            | C::Return { .. }
            | C::Undo { .. }
            | C::Reload { dry_run: false }
    );
    let range = |what: &str, seconds: Option<u32>, most: u32| {
        seconds.filter(|s| *s == 0 || *s > most).map(|s| format!("{what} is 1 to {most} s, not {s}"))
    };
    if !holds && (ask.hold_seconds.is_some() || ask.at_expiry.is_some()) {
        return Some(format!("{verb} holds nothing, so it has no end"));
    }
    if ask.at_expiry.is_some() && ask.hold_seconds.is_none() {
        return Some("without an end nothing happens at it: give --hold, too".into());
    }
    if !holds && !undone && ask.keep_seconds.is_some() {
        return Some(format!("{verb} cannot be taken back, so it cannot wait to be kept"));
    }
    range("a hold", ask.hold_seconds, LONGEST_HOLD)
        .or_else(|| range("the time to keep", ask.keep_seconds, LONGEST_KEEP))
}

/// The end of what was asked for, in the words of the answer.
pub(super) fn end_of(ask: &Ask) -> String {
    let pauses = matches!(ask.command, Command::Pause {});
    let usual = if pauses { AtExpiry::Restore } else { AtExpiry::Stay };
    match (ask.hold_seconds, ask.at_expiry.unwrap_or(usual)) {
        (None, _) => "without an end".into(),
        (Some(s), AtExpiry::Stay) => format!("for {s} s, then an alarm asks"),
        (Some(s), AtExpiry::Restore) => format!("for {s} s, then it is lifted by itself"),
    }
}

impl Engine {
    /// An order as a command asks for it.
    pub(super) fn order(&self, now: Instant, ask: &Ask, asked: Asked) -> Order {
        let since_us = self.wall_us(now);
        let usual = if matches!(asked, Asked::Pause {}) { AtExpiry::Restore } else { AtExpiry::Stay };
        let ends = !matches!(asked, Asked::SlowStart { .. });
        Order {
            asked,
            since_us,
            by: ask.actor.clone(),
            reason: ask.reason.clone(),
            expires_us: ask.hold_seconds.filter(|_| ends).map(|s| since_us.saturating_add(u64::from(s) * 1_000_000)),
            at_expiry: ask.at_expiry.unwrap_or(usual),
            expired: false,
            action: Some(self.overlay.next_action()),
        }
    }

    /// Puts an order, or none, in its place, and lays that over what it is about.
    pub(super) fn put(&mut self, now: Instant, slot: &Slot, order: Option<Order>, effects: &mut Vec<Effect>) {
        match order {
            Some(order) => self.set_order(order),
            None => drop(self.lift_order(slot)),
        }
        match slot {
            Slot::Out(key, to) | Slot::Weight(key, to) | Slot::Rising(key, to) => self.lay_over_one(now, *key, *to),
            Slot::Hold(name) => self.lay_hold(now, name, false, effects),
            Slot::Pause => self.lay_pause(),
        }
    }

    fn named(&self, name: &str) -> Option<usize> {
        self.routers.iter().position(|r| r.machine.spec().name == name)
    }

    /// Makes a router held as its order says, or free.
    fn lay_hold(&mut self, now: Instant, name: &str, force: bool, effects: &mut Vec<Effect>) {
        let Some(index) = self.named(name) else { return };
        let (hold, by) = self.hold_of(now, name).unzip();
        let Some(router) = self.routers.get_mut(index) else { return };
        router.held_by = by;
        self.unkept.insert(index);
        if self.routers.get(index).is_some_and(|r| r.machine.hold() != hold || (force && hold.is_some())) {
            self.drive(now, index, input_of(hold, force), effects);
        }
    }

    pub(super) fn is_paused(&self) -> bool {
        self.overlay.orders.get(&Slot::Pause).is_some()
    }

    /// Tells every router whether preemption is paused.
    pub(super) fn lay_pause(&mut self) {
        let paused = self.is_paused();
        self.routers.iter_mut().for_each(|r| r.machine.set_paused(paused));
    }

    /// Whether an instance may be held so now, or be freed; one that is not there may.
    pub(super) fn may_hold(&self, name: &str, order: Option<&Order>) -> Result<(), String> {
        let Some(router) = self.named(name).and_then(|index| self.routers.get(index)) else { return Ok(()) };
        let hold = order.and_then(|o| hold_in(&o.asked));
        if router.machine.hold() == hold {
            return Ok(());
        }
        let refused = |refusal| format!("{name} on {}: {refusal}", self.name);
        router.machine.permits(&input_of(hold, false)).map_err(refused)
    }

    pub(super) fn on_instance(
        &mut self,
        now: Instant,
        ask: &Ask,
        (name, seen): (&str, Option<Role>),
        hold: Option<vrrp::Hold>,
        effects: &mut Vec<Effect>,
    ) -> Result<String, String> {
        let Some(index) = self.named(name) else {
            if hold.is_none() && self.lift_order(&Slot::Hold(name.to_owned())).is_some() {
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
            self.permits(now, ask, router, hold)?;
        }
        let names: Vec<_> =
            members.iter().filter_map(|m| self.routers.get(*m)).map(|r| r.machine.spec().name.clone()).collect();
        for name in &names {
            self.order_hold(now, name, hold, ask);
        }
        let text = ask.to_string();
        self.log.add(now, Subject::Instance(name.to_owned()), Severity::Notice, "command", text, Some(by(ask, "")));
        for name in &names {
            self.lay_hold(now, name, ask.force, effects);
        }
        Ok(self.consequence(index, name, role))
    }

    /// Whether one router may be held so; the same hold again only with another end.
    fn permits(&self, now: Instant, ask: &Ask, router: &Router, hold: Option<vrrp::Hold>) -> Result<(), String> {
        let name = &router.machine.spec().name;
        let refused = |refusal: vrrp::Refusal| format!("{name} on {}: {refusal}", self.name);
        let input = input_of(hold, ask.force);
        if hold.is_some() && router.machine.hold() == hold {
            let order = self.overlay.orders.get(&Slot::Hold(name.clone()));
            let asked = order.map_or(Asked::Pause {}, |o| o.asked.clone());
            let changes = order.is_none_or(|order| !same_end(order, &self.order(now, ask, asked)));
            return if changes { Ok(()) } else { router.machine.permits(&input).map_err(refused) };
        }
        router.machine.permits(&input).map_err(refused)?;
        match self.leaves_nobody(now, router, hold).filter(|_| !ask.force && ask.stand_in.is_none()) {
            Some(why) => Err(format!("{why}; or force it: vipdeck {}", Ask { force: true, ..ask.clone() })),
            None => Ok(()),
        }
    }

    /// Why a fence would leave the addresses without an owner, as far as is known here.
    fn leaves_nobody(&self, now: Instant, router: &Router, hold: Option<vrrp::Hold>) -> Option<String> {
        if hold != Some(vrrp::Hold::Fenced) {
            return None;
        }
        let machine = &router.machine;
        let alone = match machine.state() {
            State::Master { .. } | State::Yielding { .. } => router.speakers.is_empty(),
            State::Fault { .. } | State::Stopped => false,
            State::Init | State::Adopting { .. } | State::Backup { .. } => {
                machine.master().is_none_or(|m| now.since(m.at) > machine.master_down())
            }
        };
        let name = &machine.spec().name;
        alone.then(|| {
            format!(
                "no other router is heard for {name} on {}: fenced, it would leave its addresses without an owner. \
                 Demote it without --mode fence, and fence it once a successor is heard",
                self.name
            )
        })
    }

    /// Holds and their end are orders, too: they are in force again after a start.
    fn order_hold(&mut self, now: Instant, instance: &str, hold: Option<vrrp::Hold>, ask: &Ask) {
        let slot = Slot::Hold(instance.to_owned());
        let instance = instance.to_owned();
        let asked = match hold {
            None => return drop(self.lift_order(&slot)),
            Some(vrrp::Hold::Demoted) => Asked::Demote { instance, mode: DemoteMode::Yield },
            Some(vrrp::Hold::Fenced) => Asked::Demote { instance, mode: DemoteMode::Fence },
            Some(vrrp::Hold::Takeover) => Asked::Takeover { instance },
        };
        let mut order = self.order(now, ask, asked);
        // The same for longer began when it began.
        if let Some(before) = self.overlay.orders.get(&slot).filter(|before| before.asked == order.asked) {
            order.since_us = before.since_us;
        }
        self.set_order(order);
    }

    /// Every instance of the node, each sync group as one; those that refuse stay as they are, and are named.
    pub(super) fn on_all(
        &mut self,
        now: Instant,
        ask: &Ask,
        hold: Option<vrrp::Hold>,
        effects: &mut Vec<Effect>,
    ) -> Result<String, String> {
        let mut seen = BTreeSet::new();
        let (mut done, mut refused) = (Vec::new(), Vec::new());
        for index in 0..self.routers.len() {
            if !seen.insert(index) {
                continue;
            }
            seen.extend(self.together_with(index));
            let Some(name) = self.routers.get(index).map(|r| r.machine.spec().name.clone()) else { continue };
            match self.on_instance(now, ask, (&name, None), hold, effects) {
                Ok(text) => done.push(text),
                Err(reason) => refused.push(reason),
            }
        }
        match (done.is_empty(), refused.is_empty()) {
            (true, true) => Err(format!("{} has no instance", self.name)),
            (true, false) => Err(refused.join("; ")),
            (false, true) => Ok(done.join("; ")),
            (false, false) => Ok(format!("{}; but not all: {}", done.join("; "), refused.join("; "))),
        }
    }

    pub(super) fn pause(&mut self, now: Instant, ask: &Ask) -> Result<String, String> {
        let order = self.order(now, ask, Asked::Pause {});
        if self.overlay.orders.get(&Slot::Pause).is_some_and(|before| same_end(before, &order)) {
            return Err("preemption is paused already".into());
        }
        self.set_order(order);
        self.lay_pause();
        self.log.add(now, Subject::Node, Severity::Notice, "command", ask.to_string(), Some(by(ask, "")));
        Ok("no instance here takes over from a living master of lower priority; one that falls silent or resigns is \
            still replaced"
            .into())
    }

    pub(super) fn resume(&mut self, now: Instant, ask: &Ask) -> Result<String, String> {
        if self.lift_order(&Slot::Pause).is_none() {
            return Err("preemption is not paused".into());
        }
        self.lay_pause();
        self.log.add(now, Subject::Node, Severity::Notice, "command", ask.to_string(), Some(by(ask, "")));
        Ok("instances preempt again, as the file says".into())
    }

    pub(super) fn announce_now(
        &mut self,
        now: Instant,
        ask: &Ask,
        name: &str,
        effects: &mut Vec<Effect>,
    ) -> Result<String, String> {
        let index = self.named(name).ok_or_else(|| format!("{} has no instance {name}", self.name))?;
        let Some(router) = self.routers.get(index) else { return Err("no such instance".into()) };
        let role = Role::from(router.machine.state().role());
        if role != Role::Master {
            return Err(format!("{name} is {role} on {}: only the MASTER announces its addresses", self.name));
        }
        let repeat = router.machine.spec().garp.repeat.max(1);
        let held = router.machine.spec().all_addresses().filter(|a| self.holds(a)).count();
        if held == 0 {
            return Err(format!("{name} is MASTER on {} and has no address on its link: look at status", self.name));
        }
        self.announce_all(now, index, repeat, effects);
        let text = ask.to_string();
        self.log.add(now, Subject::Instance(name.to_owned()), Severity::Notice, "command", text, Some(by(ask, "")));
        let addresses = if held == 1 { "its address is" } else { "its addresses are" };
        Ok(format!("{name}: {addresses} announced now, {repeat} times each ({held} on the link)"))
    }

    /// What follows from an accepted command, in a sentence.
    fn consequence(&self, index: usize, name: &str, before: Role) -> String {
        let Some(router) = self.routers.get(index) else { return String::new() };
        let priority = router.machine.effective_priority();
        let fenced = match (router.machine.hold(), router.machine.state()) {
            (Some(vrrp::Hold::Fenced), State::Yielding { .. }) => "; once a successor is heard, it never takes over",
            (Some(vrrp::Hold::Fenced), _) => "; it never takes over",
            _ => "",
        };
        let text = match (router.machine.state(), before) {
            (State::Yielding { .. }, _) => format!(
                "{name}: priority 0 sent; the addresses stay here until a successor is heard, then priority {priority}"
            ),
            (State::Master { .. }, Role::Master) => format!("{name}: MASTER, now at priority {priority}"),
            (State::Master { .. }, _) => format!("{name}: MASTER now, at priority {priority}"),
            _ => format!("{name}: {before}, now at priority {priority}"),
        };
        text + fenced
    }

    /// For the snapshot.
    pub(super) fn hold(&self, router: &Router) -> Option<Hold> {
        let hold = router.machine.hold()?;
        let held = router.held_by.as_ref()?;
        let order = self.overlay.orders.get(&Slot::Hold(router.machine.spec().name.clone()));
        Some(Hold {
            kind: if hold == vrrp::Hold::Takeover { HoldKind::Takeover } else { HoldKind::Demoted },
            since: held.since,
            by: held.by.clone(),
            reason: held.reason.clone(),
            mode: if hold == vrrp::Hold::Fenced { DemoteMode::Fence } else { DemoteMode::Yield },
            expires_at: order.and_then(|o| o.expires_us).map(|at| self.later(at)),
            at_expiry: order.map(|o| o.at_expiry).unwrap_or_default(),
            expired: order.is_some_and(|o| o.expired),
        })
    }

    /// A hold whose time is over stays a finding until somebody decides.
    pub(super) fn expired_findings(&self, now: Instant) -> Vec<Finding> {
        let expired = self.overlay.orders.iter().filter(|o| o.expired);
        let finding = |o: &Order| {
            let since = o.expires_us.map_or(now, |at| self.later(at));
            let lifting = super::actions::lifting(&o.asked);
            let over = Duration::from_micros(self.wall_us(now).saturating_sub(o.expires_us.unwrap_or_default()));
            let text = format!(
                "hold expired {} ago, still held: {} by {}; `vipdeck {lifting}` lifts it",
                super::intents::span(over),
                o.asked,
                o.by.user
            );
            let subject = super::intents::subject(&o.asked).to_string();
            let (kind, severity) = ("hold-expired".to_owned(), Severity::Alarm);
            Finding { kind, severity, subject, text, since, last: now, count: 1 }
        };
        expired.map(finding).collect()
    }
}
