//! What an engine leaves to its next life, so that its end is not the end of its addresses: who held what, on whose word,
//! and what the trackers had found. Everything else is read anew.

use super::core::Engine;
use super::effect::Effect;
use super::orders::Orders;
use super::router::{HeldBy, Router};
use super::scripts::Script;
use super::trackers::TrackerRecord;
use crate::health::{Check, Standing};
use crate::kernel::{DestinationKey, ServiceKey};
use crate::net::{Family, LinkName};
use crate::status::{Actor, Ask, Reply, Severity, Subject};
use crate::time::{Duration, Instant};
use crate::vrrp::{Hold, Instance, Role, Spec, State, Version, Vrid, Was};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What the engine before this one left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Legacy {
    pub routers: Vec<RouterRecord>,
    pub node: NodeRecord,
    /// How long nothing has been sent or heard.
    pub silence: Duration,
    /// Now, on the clock of the engine before, which goes on.
    pub now: Instant,
    /// How many engines there were before this one.
    pub lives: u32,
    /// An operator asked for it.
    pub planned: bool,
}

/// One virtual router, as it was left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouterRecord {
    link: LinkName,
    family: Family,
    vrid: Vrid,
    version: Version,
    name: String,
    /// None: it held no addresses.
    was: Option<Was>,
    hold: Option<Held>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Held {
    hold: Hold,
    since: Instant,
    by: Actor,
    reason: Option<String>,
}

/// What is not of one router.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRecord {
    /// The verdicts of scripts, by name.
    scripts: BTreeMap<String, (bool, Instant)>,
    /// The BFD sessions whose paths were good, by name.
    #[serde(default)]
    bfds: Vec<String>,
    /// What was known of tracked files and processes.
    #[serde(default)]
    trackers: TrackerRecord,
    /// What operators asked for.
    #[serde(default)]
    orders: Orders,
    /// The checks whose verdicts are not those they begin with.
    #[serde(default)]
    checks: Vec<CheckRecord>,
}

/// A check by its place, with its kind: what a changed file has put there instead has found nothing yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct CheckRecord {
    service: ServiceKey,
    real: DestinationKey,
    index: usize,
    method: String,
    standing: Standing,
}

/// What a router's record depends on.
pub(super) type Mark = (Option<Was>, Option<Hold>);

impl Router {
    fn mark(&self) -> Mark {
        let machine = &self.machine;
        let was = match machine.state() {
            State::Adopting { was } => Some(*was),
            State::Master { .. } => Some(Was::Master(machine.since())),
            state if state.wants_addresses() => Some(Was::Answering),
            State::Init | State::Backup { .. } | State::Fault { .. } | State::Yielding { .. } | State::Stopped => None,
        };
        (was, machine.hold())
    }

    fn record_of(&self) -> RouterRecord {
        let spec = self.machine.spec();
        let (was, hold) = self.mark();
        let held = |hold| {
            let by = self.held_by.as_ref();
            Held {
                hold,
                since: by.map_or(self.machine.since(), |b| b.since),
                by: by.map(|b| b.by.clone()).unwrap_or_default(),
                reason: by.and_then(|b| b.reason.clone()),
            }
        };
        RouterRecord {
            link: spec.link.clone(),
            family: spec.family,
            vrid: spec.vrid,
            version: spec.version,
            name: spec.name.clone(),
            was,
            hold: hold.map(held),
        }
    }
}

impl RouterRecord {
    /// The same for less room.
    #[must_use]
    pub fn without_reason(mut self) -> Self {
        if let Some(held) = &mut self.hold {
            held.reason = None;
        }
        self
    }
}

impl Legacy {
    /// The routers of a new engine, each going on where the one before it was.
    pub(super) fn routers(&self, specs: Vec<Spec>, not_before: Instant) -> Vec<Router> {
        let key = |link: &LinkName, family, vrid: Vrid| (link.clone(), family, vrid.get());
        let mut before: BTreeMap<_, Vec<&RouterRecord>> = BTreeMap::new();
        for record in &self.routers {
            before.entry(key(&record.link, record.family, record.vrid)).or_default().push(record);
        }
        let adopt = |spec: Spec| {
            let same = before.get(&key(&spec.link, spec.family, spec.vrid)).and_then(|records| {
                // Of several with one VRID, as unicast allows, the names tell them apart.
                records.iter().find(|r| r.name == spec.name).or_else(|| records.first().filter(|_| records.len() == 1))
            });
            let Some(record) = same.filter(|r| r.version == spec.version) else {
                return Router::new(Instance::new(spec, self.now).not_before(not_before));
            };
            // After a longer silence somebody else is master, and will be heard.
            let in_time = self.silence < spec.master_down(254, spec.interval);
            let machine = match record.was.filter(|_| in_time) {
                Some(was) => Instance::adopting(spec, self.now, was),
                None => Instance::new(spec, self.now),
            };
            let mut router = Router::new(machine.held(record.hold.as_ref().map(|h| h.hold)));
            let by = |h: &Held| HeldBy { since: h.since, by: h.by.clone(), reason: h.reason.clone() };
            router.held_by = record.hold.as_ref().map(by);
            router
        };
        specs.into_iter().map(adopt).collect()
    }
}

impl Engine {
    /// Takes what is not of one router, and says that this is not the first engine.
    pub(super) fn inherit(&mut self, legacy: &Legacy) {
        for script in &mut self.scripts {
            if let Some((good, since)) = legacy.node.scripts.get(&script.spec.name) {
                script.inherit(*good, *since);
            }
        }
        self.bfds.inherit(&legacy.node.bfds, legacy.now);
        self.trackers.inherit(&legacy.node.trackers);
        self.inherit_checks(&legacy.node.checks);
        self.overlay.orders = legacy.node.orders.clone();
        self.lay_pause();
        self.lay_over(legacy.now);
        let (severity, why) = if legacy.planned {
            (Severity::Notice, "an operator asked for it".to_owned())
        } else {
            let silence = legacy.silence.as_secs_f64();
            (Severity::Alarm, format!("the engine before it ended or hung; nothing was sent for {silence:.3} s"))
        };
        let text = format!("engine started again, {} before it: roles and addresses go on", times(legacy.lives));
        self.log.add(legacy.now, Subject::Node, severity, "restart", text, Some(why));
    }

    /// The routers' records that have changed since the last call, by their places.
    pub fn take_records(&mut self) -> Vec<(usize, RouterRecord)> {
        let unkept = std::mem::take(&mut self.unkept);
        let record = |index: usize| self.routers.get(index).map(|r| (index, r.record_of()));
        unkept.into_iter().filter_map(record).collect()
    }

    /// What is not of one router, if it may have changed since the last call.
    pub fn take_node_record(&mut self) -> Option<NodeRecord> {
        std::mem::take(&mut self.node_unkept).then(|| {
            let of = |s: &Script| s.verdict.good().map(|good| (s.spec.name.clone(), (good, s.since)));
            NodeRecord {
                scripts: self.scripts.iter().filter_map(of).collect(),
                bfds: self.bfds.good(),
                trackers: self.trackers.record(),
                orders: self.overlay.orders.clone(),
                checks: self.check_records(),
            }
        })
    }

    fn check_records(&self) -> Vec<CheckRecord> {
        let reals = self.services.iter().flat_map(|s| s.reals.iter().map(|real| (s.spec.key, real)));
        let checks = reals.flat_map(|(key, real)| real.checks.iter().enumerate().map(move |c| (key, real.spec.key, c)));
        let record = |(service, real, (index, check)): (_, _, (usize, &Check))| {
            let method = check.spec().method.name().to_owned();
            Some(CheckRecord { service, real, index, method, standing: check.standing()? })
        };
        checks.filter_map(record).collect()
    }

    /// A server that was down stays out of the table until it is found to be up.
    fn inherit_checks(&mut self, records: &[CheckRecord]) {
        let records: BTreeMap<_, _> = records.iter().map(|r| ((r.service, r.real, r.index), r)).collect();
        for service in &mut self.services {
            for real in &mut service.reals {
                for (index, check) in real.checks.iter_mut().enumerate() {
                    let same = records.get(&(service.spec.key, real.spec.key, index));
                    if let Some(record) = same.filter(|r| r.method == check.spec().method.name()) {
                        check.inherit(record.standing);
                    }
                }
            }
        }
    }

    /// Notes that a router's record has changed, if it has.
    pub(super) fn mark(&mut self, index: usize) {
        let Some(router) = self.routers.get_mut(index) else { return };
        let mark = router.mark();
        if router.marked != Some(mark) {
            router.marked = Some(mark);
            self.unkept.insert(index);
        }
    }

    /// Asks whether the program, as its file is now, would take the configuration as it is now.
    pub(super) fn prepare_restart(&mut self, now: Instant, id: u64, ask: Ask, effects: &mut Vec<Effect>) {
        if self.stopping {
            let reason = "the engine is stopping".to_owned();
            effects.push(Effect::Reply { id, reply: Reply::Rejected { reason } });
            return;
        }
        self.node_unkept |= std::mem::take(&mut self.checks.unkept);
        let asker = ask.actor.to_string();
        self.log.add(now, Subject::Node, Severity::Notice, "command", "restart asked for", Some(asker));
        self.overlay.restarting = Some(ask);
        effects.push(Effect::PrepareRestart { id });
    }

    /// The answer. Nothing is handed over: the next engine advertises before anybody misses this one.
    pub(super) fn restartable(&mut self, now: Instant, id: u64, able: Result<(), String>, effects: &mut Vec<Effect>) {
        let asked = self.overlay.restarting.take();
        let reply = match able {
            Ok(()) => {
                if let Some(ask) = asked {
                    self.free_own(&ask);
                    let _ = self.finish(now, &ask, String::new());
                    self.keep_orders(effects);
                }
                effects.push(Effect::Restart);
                Reply::accepted("the engine starts again at once; roles and addresses go on")
            }
            Err(reason) => {
                let text = "restart refused: nothing has changed";
                self.log.add(now, Subject::Node, Severity::Warning, "restart", text, Some(reason.clone()));
                Reply::Rejected { reason }
            }
        };
        effects.push(Effect::Reply { id, reply });
    }

    /// Nobody starts this engine again if it dies.
    pub(super) fn guard_lost(&mut self, now: Instant) {
        let text = "the guard process has ended: an engine that dies now is not started again";
        if self.findings.raise(now, "unguarded", Severity::Alarm, "node", format!("{text}; restart the service")) {
            self.log.add(now, Subject::Node, Severity::Alarm, "unguarded", text, None);
        }
    }

    /// How things are, for whoever lists services.
    pub fn in_a_sentence(&self) -> String {
        let count = |role| self.routers.iter().filter(|r| r.machine.state().role() == role).count();
        let (all, master, fault) = (self.routers.len(), count(Role::Master), count(Role::Fault));
        let fault = if fault > 0 { format!(", {fault} in FAULT") } else { String::new() };
        format!("MASTER of {master} of {all} instances{fault}")
    }

    /// Whether a router waits for its link before it goes on.
    pub fn is_adopting(&self) -> bool {
        self.routers.iter().any(|r| matches!(r.machine.state(), State::Adopting { .. }))
    }

    /// How long this engine may do nothing before its adverts would be missed.
    pub fn patience(&self) -> Duration {
        self.routers.iter().map(|r| r.machine.spec().interval).min().unwrap_or(Duration::from_secs(1))
    }
}

fn times(lives: u32) -> String {
    if lives == 1 { "one".to_owned() } else { lives.to_string() }
}
