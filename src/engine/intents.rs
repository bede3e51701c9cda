//! Operator intent: what was asked of real servers and instances stays in force over reloads, restarts and failovers,
//! until it is lifted.
//!
//! The orders are the truth; what a real server or a router carries of them is made from them. They go to the next
//! engine in the guard's memory, and to every later one through the journal; a command is answered once it is there.

use super::actions::Before;
use super::core::Engine;
use super::effect::Effect;
use super::holds::{hold_in, input_of};
use super::orders::Orders;
use super::router::{HeldBy, Router};
use crate::kernel::{Change, DestinationKey, Scheduler, ServiceKey};
use crate::lvs::{self, Drain, Intent, Reset};
use crate::status::{
    Ask, Asked, AtDeadline, DataplaneKind, Finding, IntentView, Intents, Order, Reply, Severity, Slot, Subject,
};
use crate::time::{Duration, Instant, earliest};
use crate::vrrp::{self, Hold, Instance};

/// A command waits no longer than this for its order to be on disk.
const PATIENCE: Duration = Duration::from_secs(3);

/// What an engine keeps beside the orders themselves.
#[derive(Clone, Debug, Default)]
pub(super) struct Overlay {
    pub(super) orders: Orders,
    /// The journal's file; none: this engine keeps none.
    journal: Option<String>,
    /// Why what is in force is not on disk, and since when.
    problem: Option<String>,
    problem_since: Instant,
    /// What of the journal could not be read at the start; until an operator has given an order since.
    damage: Option<String>,
    /// Answers that wait for the journal.
    waiting: Vec<Waiting>,
    /// The orders have changed since they were handed over.
    pub(super) changed: bool,
    /// What the orders were before the command that is carried out.
    pub(super) recording: Option<Vec<Before>>,
    /// The action whose file is read again because nobody kept it.
    pub(super) reverting: Option<u64>,
    /// The configuration before the present one can be had.
    pub(super) keeps_files: bool,
    /// Who asked for the restart that is prepared.
    pub(super) restarting: Option<Ask>,
    /// What the kernel was told last of clients that stick to servers of weight 0.
    templates_expire: bool,
}

#[derive(Clone, Debug)]
struct Waiting {
    revision: u64,
    id: u64,
    reply: Reply,
    until: Instant,
}

impl Overlay {
    fn trouble(&self) -> Option<&String> {
        self.problem.as_ref().or(self.damage.as_ref())
    }
}

impl Engine {
    pub(super) fn wall_us(&self, now: Instant) -> u64 {
        self.log.wall_zero_us().saturating_add(now.as_micros())
    }

    /// A moment of the wall clock on this engine's clock; what lies before its start is the second part.
    pub(super) fn since_wall(&self, now: Instant, wall_us: u64) -> (Instant, Duration) {
        let ago = self.wall_us(now).saturating_sub(wall_us);
        let before = ago.saturating_sub(now.as_micros());
        (Instant::from_micros(now.as_micros().saturating_sub(ago)), Duration::from_micros(before))
    }

    /// A later moment of the wall clock.
    pub(super) fn later(&self, wall_us: u64) -> Instant {
        Instant::from_micros(wall_us.saturating_sub(self.log.wall_zero_us()))
    }

    /// Puts an order in place of the one before.
    pub(super) fn set_order(&mut self, order: Order) {
        self.overlay.record(&order.asked.slot());
        self.overlay.orders.set(order);
        self.overlay.changed = true;
    }

    pub(super) fn lift_order(&mut self, slot: &Slot) -> Option<Order> {
        if self.overlay.orders.get(slot).is_some() {
            self.overlay.record(slot);
        }
        let lifted = self.overlay.orders.lift(slot);
        self.overlay.changed |= lifted.is_some();
        lifted
    }

    /// What the orders say of one real server, with what was found out meanwhile of the drain it carries.
    fn intent_of(&self, now: Instant, key: ServiceKey, to: DestinationKey, carried: &Intent) -> Intent {
        let orders = &self.overlay.orders;
        let drain = orders.get(&Slot::Out(key, to)).map(|order| {
            let (since, before) = self.since_wall(now, order.since_us);
            let fresh = || Drain::new(since, before);
            let maint = matches!(order.asked, Asked::Maint { .. });
            let mut drain = carried.drain.clone().filter(|d| d.maint == maint).unwrap_or_else(fresh);
            if let Asked::Drain { ignore_persistence, drained_us, .. } = order.asked {
                drain.ignores_persistence = ignore_persistence;
                drain.drained_at = drain.drained_at.or_else(|| Some(self.since_wall(now, drained_us?).0));
            } else if !drain.maint {
                drain.maint = true;
                drain.ignores_persistence = true;
                drain.reset = Reset::Wanted;
            }
            drain
        });
        let weight = orders.get(&Slot::Weight(key, to)).and_then(|order| {
            let Asked::Weight { weight, .. } = order.asked else { return None };
            Some(weight)
        });
        let rising = orders.get(&Slot::Rising(key, to)).and_then(|order| {
            let Asked::SlowStart { seconds, .. } = order.asked else { return None };
            let (since, before) = self.since_wall(now, order.since_us);
            Some(lvs::Rising::new(now, since, before, Duration::from_secs(seconds.into())))
        });
        Intent { drain, weight, rising: rising.filter(|_| orders.get(&Slot::Out(key, to)).is_none()) }
    }

    /// Lays the orders over every real server; after a reload also over those that are new.
    pub(super) fn lay_over(&mut self, now: Instant) {
        let places: Vec<_> =
            self.services.iter().flat_map(|s| s.reals.iter().map(|r| (s.spec.key, r.spec.key))).collect();
        for (key, to) in places {
            self.lay_over_one(now, key, to);
        }
    }

    pub(super) fn lay_over_one(&mut self, now: Instant, key: ServiceKey, to: DestinationKey) {
        let Some(carried) = self.real(key, to).map(|r| r.intent.clone()) else { return };
        let intent = self.intent_of(now, key, to, &carried);
        let Some(real) = self.real_mut(key, to) else { return };
        real.intent = intent;
        if let (Some(drain), None) = (&mut real.intent.drain, &carried.drain) {
            drain.active_at_start = real.observed.map(|o| o.active);
        }
    }

    pub(super) fn real(&self, key: ServiceKey, to: DestinationKey) -> Option<&lvs::Real> {
        let service = self.services.iter().find(|s| s.spec.key == key)?;
        service.reals.iter().find(|r| r.spec.key == to)
    }

    pub(super) fn real_mut(&mut self, key: ServiceKey, to: DestinationKey) -> Option<&mut lvs::Real> {
        let service = self.services.iter_mut().find(|s| s.spec.key == key)?;
        service.reals.iter_mut().find(|r| r.spec.key == to)
    }

    /// Holds an instance if an order says so, of one that has just come into the configuration.
    pub(super) fn hold_of(&self, now: Instant, instance: &str) -> Option<(Hold, HeldBy)> {
        let order = self.overlay.orders.get(&Slot::Hold(instance.to_owned()))?;
        let hold = hold_in(&order.asked)?;
        let since = self.since_wall(now, order.since_us).0;
        Some((hold, HeldBy { since, by: order.by.clone(), reason: order.reason.clone() }))
    }

    /// What [`Effect::KeepConfiguration`] gives is kept, and can be had back.
    pub const fn keep_configurations(&mut self) {
        self.overlay.keeps_files = true;
    }

    /// Keeps a journal from now on, in this file.
    pub fn keep_journal(&mut self, path: String) {
        self.overlay.journal = Some(path);
    }

    /// Takes the journal that engines before this one wrote, best before anything else happens. `read` is what was in
    /// the file, none if there is none.
    pub fn recall(&mut self, now: Instant, read: Result<Option<Vec<u8>>, String>, effects: &mut Vec<Effect>) {
        let path = self.overlay.journal.clone().unwrap_or_default();
        let bytes = match read {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return,
            Err(why) => {
                let text = format!(
                    "the journal of operator intent cannot be read: drains and holds of before are not known ({path})"
                );
                self.log.add(now, Subject::Node, Severity::Alarm, "intent", text.clone(), Some(why.clone()));
                self.overlay.damage = Some(format!("{text}: {why}"));
                self.overlay.problem_since = now;
                return;
            }
        };
        let read = Orders::read(&bytes);
        if !read.damage.is_empty() {
            let kept = read.orders.iter().count();
            let text =
                format!("the journal of operator intent is damaged: {kept} orders are read, look at {path}.damaged");
            let cause = read.damage.join("; ");
            self.log.add(now, Subject::Node, Severity::Alarm, "intent", text.clone(), Some(cause.clone()));
            self.overlay.damage = Some(format!("{text}: {cause}"));
            self.overlay.problem_since = now;
        }
        // What a guard has kept is newer, or the same.
        let known = self.overlay.orders.revision;
        if known == 0 || known < read.orders.revision {
            self.overlay.orders = read.orders;
            self.overlay.orders.deeds.forget_files();
            self.lay_over(now);
            self.lay_pause();
            self.hold_again(now, effects);
            self.tell_orders(now);
            self.node_unkept = true;
            self.settle_table(effects);
        }
    }

    /// Says what is in force from before.
    fn tell_orders(&mut self, now: Instant) {
        for order in self.overlay.orders.iter().cloned().collect::<Vec<_>>() {
            let ago = Duration::from_micros(self.wall_us(now).saturating_sub(order.since_us));
            let asked = &order.asked;
            let text = if self.is_in_force(asked) {
                format!("still in force: {asked}")
            } else {
                format!("waits for the configuration to have it: {asked}")
            };
            let why = order.reason.as_ref().map(|r| format!(": {r}")).unwrap_or_default();
            let cause = format!("{} asked for it {} ago{why}", order.by, span(ago));
            self.log.add(now, subject(asked), Severity::Notice, "intent", text, Some(cause));
        }
    }

    /// Lays holds over routers that have none yet.
    fn hold_again(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        for index in 0..self.routers.len() {
            let Some(router) = self.routers.get(index).filter(|r| r.held_by.is_none()) else { continue };
            let name = router.machine.spec().name.clone();
            let Some((hold, by)) = self.hold_of(now, &name) else { continue };
            let Some(router) = self.routers.get_mut(index) else { continue };
            router.held_by = Some(by);
            let input = input_of(Some(hold), false);
            if *router.machine.state() == vrrp::State::Init {
                router.machine = router.machine.clone().held(Some(hold));
            } else if router.machine.permits(&input).is_ok() {
                self.drive(now, index, input, effects);
            }
        }
    }

    /// The router of a new instance, held if an order for its name waits.
    pub(super) fn held_from_before(&self, now: Instant, machine: Instance) -> Router {
        let held = self.hold_of(now, &machine.spec().name);
        let mut router = Router::new(machine.held(held.as_ref().map(|(hold, _)| *hold)));
        router.machine.set_paused(self.is_paused());
        router.held_by = held.map(|(_, by)| by);
        router
    }

    fn is_in_force(&self, asked: &Asked) -> bool {
        match (asked.real(), asked.instance()) {
            (Some((key, to)), _) => self.real(key, to).is_some(),
            (None, Some(name)) => self.routers.iter().any(|r| r.machine.spec().name == name),
            (None, None) => matches!(asked, Asked::Pause {}),
        }
    }

    /// Answers a command that was accepted: at once, or once what it changed of the orders is on disk.
    pub(super) fn accept(
        &mut self,
        now: Instant,
        id: u64,
        (text, action): (String, Option<u64>),
        effects: &mut Vec<Effect>,
    ) {
        let reply = Reply::Accepted { text, action };
        if self.overlay.changed {
            self.overlay.damage = None;
        }
        if self.keep_orders(effects) && self.overlay.journal.is_some() {
            let revision = self.overlay.orders.revision;
            self.overlay.waiting.push(Waiting { revision, id, reply, until: now + PATIENCE });
        } else {
            effects.push(Effect::Reply { id, reply });
        }
    }

    /// Hands the orders over if they have changed: to the next engine and to the journal.
    pub(super) fn keep_orders(&mut self, effects: &mut Vec<Effect>) -> bool {
        if !std::mem::take(&mut self.overlay.changed) {
            return false;
        }
        let orders = &mut self.overlay.orders;
        orders.revision += 1;
        self.node_unkept = true;
        if self.overlay.journal.is_some() {
            let nothing = orders.is_empty() && !orders.deeds.must_be_kept();
            let text = if nothing { String::new() } else { orders.text() };
            effects.push(Effect::KeepIntents { revision: orders.revision, text });
        }
        true
    }

    /// The journal is written, or cannot be.
    pub(super) fn intents_kept(
        &mut self,
        now: Instant,
        revision: u64,
        result: Result<(), String>,
        effects: &mut Vec<Effect>,
    ) {
        let (done, waiting) =
            std::mem::take(&mut self.overlay.waiting).into_iter().partition(|w| w.revision <= revision);
        self.overlay.waiting = waiting;
        let problem = result.err().map(|why| format!("not on disk, lost when this machine restarts: {why}"));
        for Waiting { id, mut reply, .. } in done {
            if let (Reply::Accepted { text, .. }, Some(why)) = (&mut reply, &problem) {
                text.push_str("; but ");
                text.push_str(why);
            }
            effects.push(Effect::Reply { id, reply });
        }
        if let Some(why) = &problem
            && self.overlay.problem.as_ref() != Some(why)
        {
            let text = "operator intent cannot be journalled".to_owned();
            self.log.add(now, Subject::Node, Severity::Alarm, "intent", text, Some(why.clone()));
        }
        if problem.is_some() && self.overlay.problem.is_none() {
            self.overlay.problem_since = now;
        }
        self.overlay.problem = problem;
    }

    /// When the next drain's time is over, the next step of a slow start is due, or an answer can wait no longer.
    pub(super) fn intents_due(&self) -> Option<Instant> {
        if self.overlay.orders.is_empty() && self.overlay.waiting.is_empty() && self.keep_due().is_none() {
            return None;
        }
        let drains = self.overlay.orders.iter().filter_map(|o| {
            let Asked::Drain { deadline_us, overdue: false, .. } = o.asked else { return None };
            deadline_us.map(|at| self.later(at))
        });
        let reals = self.services.iter().flat_map(|s| &s.reals);
        let rising = reals.filter_map(|r| r.intent.rising.as_ref().map(lvs::Rising::next_at));
        let answers = self.overlay.waiting.iter().map(|w| w.until);
        let ends = self.overlay.orders.iter().filter(|o| !o.expired).filter_map(|o| o.expires_us);
        let ends = ends.map(|at| self.later(at)).chain(self.keep_due());
        drains.chain(rising).chain(answers).chain(ends).map(Some).fold(None, earliest)
    }

    /// What is due of all that.
    pub(super) fn settle_intents(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        if self.intents_due().is_none_or(|at| at > now) {
            return;
        }
        let (late, waiting) = std::mem::take(&mut self.overlay.waiting).into_iter().partition(|w| w.until <= now);
        self.overlay.waiting = waiting;
        for Waiting { id, mut reply, .. } in late {
            if let Reply::Accepted { text, .. } = &mut reply {
                text.push_str("; but the disk has not taken it within 3 s");
            }
            effects.push(Effect::Reply { id, reply });
        }
        self.end_slow_starts(now);
        self.end_drains(now);
        self.end_holds(now, effects);
        self.revert_unkept(now, effects);
        self.keep_orders(effects);
        self.settle_table(effects);
    }

    fn end_slow_starts(&mut self, now: Instant) {
        let mut whole = Vec::new();
        for service in &mut self.services {
            for real in &mut service.reals {
                if real.intent.rising.as_mut().is_some_and(|rising| rising.advance(now)) {
                    real.intent.rising = None;
                    whole.push((service.spec.key, real.spec.key));
                }
            }
        }
        for (key, to) in whole {
            self.lift_order(&Slot::Rising(key, to));
            let weight = self.real(key, to).and_then(lvs::Real::desired_weight);
            let text = match weight {
                Some(weight) => format!("{to} has its whole weight again in {key}: {weight}"),
                None => format!("the slow start of {to} in {key} is over; it is out of the table while it is DOWN"),
            };
            self.log.add(now, Subject::Real(key, to), Severity::Notice, "drain", text, None);
        }
    }

    fn end_drains(&mut self, now: Instant) {
        let wall_us = self.wall_us(now);
        let mut over = Vec::new();
        let Overlay { orders, changed, .. } = &mut self.overlay;
        for order in orders.iter_mut() {
            if let Asked::Drain { service, real, deadline_us: Some(at), then, overdue, drained_us, .. } =
                &mut order.asked
                && *at <= wall_us
                && !*overdue
            {
                *overdue = true;
                *changed = true;
                if drained_us.is_none() {
                    over.push((*service, *real, *then));
                }
            }
        }
        for (key, to, then) in over {
            let left = self.real(key, to).and_then(|r| r.observed).map(|o| (o.active, o.persistent));
            let left = match left {
                Some((active, 0)) => format!("{active} connections are left"),
                Some((active, sticky)) => {
                    format!("{active} connections and {sticky} clients that stick to it are left")
                }
                None => "what is left is not known".into(),
            };
            let (severity, next) = match then {
                AtDeadline::Ask => (
                    Severity::Alarm,
                    format!(
                        "`vipdeck reset {to}` ends them, `vipdeck drain {to} --deadline …` waits longer, `vipdeck return {to}` gives up"
                    ),
                ),
                AtDeadline::Wait => (Severity::Notice, "the drain goes on".into()),
                AtDeadline::Reset => (Severity::Notice, "they are reset".into()),
                AtDeadline::Return => (Severity::Warning, "it is put back into service".into()),
            };
            let text = format!("the time to drain {to} of {key} is over: {left}");
            self.log.add(now, Subject::Real(key, to), severity, "drain", text, Some(next));
            match then {
                AtDeadline::Ask | AtDeadline::Wait => {}
                AtDeadline::Reset => {
                    if let Some(drain) = self.real_mut(key, to).and_then(|r| r.intent.drain.as_mut()) {
                        drain.reset = Reset::Wanted;
                    }
                }
                AtDeadline::Return => {
                    self.lift_order(&Slot::Out(key, to));
                    self.lay_over_one(now, key, to);
                }
            }
        }
    }

    /// Where there is nothing in the table, there is nothing to reset.
    pub(super) fn forget_resets(&mut self) {
        for real in self.services.iter_mut().flat_map(|s| &mut s.reals).filter(|r| r.observed.is_none()) {
            if let Some(drain) = real.intent.drain.as_mut().filter(|d| d.reset == Reset::Wanted) {
                drain.reset = Reset::Done;
            }
        }
    }

    /// Steps beside the table's entries: connections to be reset, and whether clients may leave drained servers.
    pub(super) fn intent_steps(&mut self) -> Vec<Change> {
        let mut steps = Vec::new();
        let mut expire = false;
        for service in &mut self.services {
            for real in &mut service.reals {
                let Some(drain) = &mut real.intent.drain else { continue };
                expire |= drain.ignores_persistence && service.spec.persistence.is_some();
                if drain.reset == Reset::Wanted {
                    drain.reset = Reset::Done;
                    let entries = service.spec.entries().iter();
                    steps.extend(entries.map(|entry| Change::ResetConnections(*entry, real.spec.key_in(entry))));
                }
            }
        }
        expire &= !self.stopping;
        if expire != self.overlay.templates_expire {
            self.overlay.templates_expire = expire;
            steps.insert(0, Change::ExpireTemplates(expire));
        }
        steps
    }

    /// A step of these failed: it is tried again with the rest of the table.
    pub(super) fn intent_step_failed(&mut self, change: &Change) {
        if let Change::ExpireTemplates(expire) = change {
            self.overlay.templates_expire = !*expire;
        }
        let Change::ResetConnections(entry, to) = change else { return };
        for service in self.services.iter_mut().filter(|s| s.spec.entries().contains(entry)) {
            let reals = service.reals.iter_mut().filter(|r| r.spec.key_in(entry) == *to);
            for drain in reals.filter_map(|r| r.intent.drain.as_mut()) {
                drain.reset = Reset::Wanted;
            }
        }
    }

    /// After each reading of the table: `drained` have just become empty, others may have connections again, and
    /// some are late.
    pub(super) fn follow_drains(
        &mut self,
        now: Instant,
        drained: &[(ServiceKey, DestinationKey)],
        effects: &mut Vec<Effect>,
    ) {
        if self.overlay.orders.is_empty() {
            return;
        }
        for (key, to) in drained {
            let Some(drain) = self.real(*key, *to).and_then(|r| r.intent.drain.clone()) else { continue };
            // Whoever does not serve has no connections, whatever the one who does may have.
            let service = self.services.iter().find(|s| s.spec.key == *key);
            if service.and_then(|s| self.serves(s)) == Some(false) {
                let text =
                    format!("{to} takes no connection in {key} on this node, which does not serve it at present");
                self.log.add(now, Subject::Real(*key, *to), Severity::Info, "drain", text, None);
                continue;
            }
            let text = format!("{to} is DRAINED after {}: no connection is left in {key}", span(drain.age(now)));
            let began = drain.active_at_start.map(|n| format!("it began with {n} connections"));
            self.log.add(now, Subject::Real(*key, *to), Severity::Notice, "drain", text, began);
        }
        self.note_drained(now);
        self.note_overdue(now);
        self.keep_orders(effects);
    }

    /// Whether a server is drained outlives the engine.
    fn note_drained(&mut self, now: Instant) {
        let wall_us = self.wall_us(now);
        let Self { overlay: Overlay { orders, changed, .. }, services, .. } = self;
        for order in orders.iter_mut() {
            let Asked::Drain { service, real, drained_us, .. } = &mut order.asked else { continue };
            let reals = services.iter().filter(|s| s.spec.key == *service).flat_map(|s| &s.reals);
            let drain = reals.filter(|r| r.spec.key == *real && r.observed.is_some());
            for drain in drain.filter_map(|r| r.intent.drain.as_ref()) {
                if drain.drained_at.is_some() != drained_us.is_some() {
                    *drained_us = drain.drained_at.map(|_| wall_us);
                    *changed = true;
                }
            }
        }
    }

    /// A drain whose time is over and that waits for an operator is a finding until somebody decides.
    fn note_overdue(&mut self, now: Instant) {
        for order in self.overlay.orders.iter() {
            let Asked::Drain { service, real, then: AtDeadline::Ask, overdue: true, drained_us: None, .. } =
                &order.asked
            else {
                continue;
            };
            let text = format!(
                "{real} of {service} still has connections after the time it was given to drain: \
                 reset them, give it more time, or return it"
            );
            self.findings.raise(now, "drain-overdue", Severity::Alarm, &real.to_string(), text);
        }
    }

    /// That the journal is not as it should be stays a finding for as long as it is so.
    pub(super) fn intent_finding(&self, now: Instant) -> Option<Finding> {
        let text = self.overlay.trouble()?.clone();
        let (kind, subject) = ("intent-journal".to_owned(), "node".to_owned());
        let since = self.overlay.problem_since;
        Some(Finding { kind, severity: Severity::Alarm, subject, text, since, last: now, count: 1 })
    }

    /// For the snapshot.
    pub(super) fn intents_view(&self) -> Intents {
        let view = |o: &Order| IntentView { order: o.clone(), in_force: self.is_in_force(&o.asked) };
        let orders = self.overlay.orders.iter().filter(|o| o.asked.slot() != Slot::Pause);
        Intents {
            orders: orders.map(view).collect(),
            paused: self.overlay.orders.get(&Slot::Pause).map(view),
            journal: self.overlay.journal.clone(),
            problem: self.overlay.trouble().cloned(),
        }
    }

    /// The order that keeps a real server out of service.
    pub(super) fn out_order(&self, key: ServiceKey, to: DestinationKey) -> Option<&Order> {
        self.overlay.orders.get(&Slot::Out(key, to))
    }

    /// How long before this engine's clock a drain ended.
    pub(super) fn drained_before(&self, now: Instant, order: &Order) -> Duration {
        let Asked::Drain { drained_us: Some(at), .. } = order.asked else { return Duration::ZERO };
        self.since_wall(now, at).1
    }

    /// When a drain's time is over.
    pub(super) fn deadline_of(&self, order: &Order) -> Option<Instant> {
        let Asked::Drain { deadline_us, .. } = order.asked else { return None };
        deadline_us.map(|at| self.later(at))
    }

    /// What a drain of this server does not do, in the words of the answer.
    pub(super) fn drain_caveats(&self, key: ServiceKey, ignore_persistence: bool) -> String {
        let Some(service) = self.services.iter().find(|s| s.spec.key == key) else { return String::new() };
        let by_kernel = self.dataplane.kind == DataplaneKind::Ipvs;
        let mut text = Vec::new();
        if service.spec.persistence.is_some() && by_kernel {
            text.push(if ignore_persistence {
                "; clients that stick to any server of weight 0 are sent elsewhere".to_owned()
            } else {
                "; clients that stick to it still come back (--ignore-persistence sends them elsewhere)".to_owned()
            });
        }
        // `sh-fallback` and `mh-fallback` are the first flag of their schedulers.
        if matches!(service.spec.scheduler, Scheduler::Sh | Scheduler::Mh) && !service.spec.flags.first && by_kernel {
            let scheduler = service.spec.scheduler;
            text.push(format!(
                "; the kernel's {scheduler} refuses the clients it would send here, without {scheduler}-fallback"
            ));
        }
        text.concat()
    }
}

/// What an order is about.
pub(super) fn subject(asked: &Asked) -> Subject {
    match (asked.real(), asked.instance()) {
        (Some((key, to)), _) => Subject::Real(key, to),
        (None, Some(name)) => Subject::Instance(name.to_owned()),
        (None, None) => Subject::Node,
    }
}

/// As people say it.
pub(super) fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{:.1} s", duration.as_secs_f64()),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
#[path = "intents_tests.rs"]
mod tests;
