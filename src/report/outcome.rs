//! Whether what a command asked for has come about, judged from snapshots alone.

use crate::status::{Action, ActionState, Admin, CheckStatus, Command, HoldKind, Instance, Real, Role, Snapshot};
use crate::time::{Duration, Instant};

/// A snapshot may be older than the answer to the command: for so long, what is missing in it counts as not yet there.
const GRACE: Duration = Duration::from_secs(2);

/// The state of things after a command, with a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Done(String),
    /// Something else has come about.
    Different(String),
    /// Not yet, and what is missing.
    Waiting(String),
}

/// Follows one command through the snapshots after it was accepted.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    command: Command,
    began: Option<Instant>,
    /// The process that ran the engine when it was first seen.
    engine: Option<u32>,
    /// What was asked has been seen in a snapshot.
    is_applied: bool,
    /// A demoted instance has begun to yield, or has left MASTER.
    has_yielded: bool,
    /// Of a command for the whole node, one for each instance.
    each: Vec<Watch>,
}

impl Watch {
    pub(super) fn new(command: Command) -> Self {
        Self { command, began: None, engine: None, is_applied: false, has_yielded: false, each: Vec::new() }
    }

    pub(super) fn judge(&mut self, s: &Snapshot) -> Outcome {
        let began = *self.began.get_or_insert(s.at);
        let is_settled = s.at.since(began) >= GRACE;
        match self.command.clone() {
            Command::Demote { instance, .. } => self.on_instance(s, &instance, |w, i| w.demoted(s, i, is_settled)),
            Command::Takeover { instance, .. } => self.on_instance(s, &instance, |w, i| w.taken_over(i, is_settled)),
            Command::Restore { instance } => self.on_instance(s, &instance, |_, i| match &i.hold {
                None => Outcome::Done(format!("{} is {}, priority {}", i.name, i.state, i.effective_priority)),
                Some(_) => Outcome::Waiting(format!("{} is still held", i.name)),
            }),
            Command::DemoteAll { mode } => self.on_each(s, |instance| Command::Demote { instance, seen: None, mode }),
            Command::RestoreAll {} => self.on_each(s, |instance| Command::Restore { instance }),
            Command::Pause {} => paused(s, true, is_settled),
            Command::Resume {} => paused(s, false, is_settled),
            Command::Undo { id } => undone(s, id, is_settled),
            // Carried out when it is answered.
            Command::Reload { .. }
            | Command::Note { .. }
            | Command::Acknowledge { .. }
            | Command::Announce { .. }
            | Command::Keep { .. }
            | Command::Lock { .. }
            | Command::Unlock { .. } => Outcome::Done("as answered".into()),
            Command::Restart {} => self.restarted(s),
            // The end of a drain, however it came about; a reset has one, too.
            Command::Drain { real, service, .. } | Command::Reset { real, service } => {
                let reals = reals(s, |r| r.id == real, service);
                self.drained(&reals, is_settled)
            }
            Command::Maint { real, service } => {
                let reals = reals(s, |r| r.id == real, service);
                self.in_maintenance(&reals, is_settled)
            }
            Command::Return { real, service, .. } => {
                let reals = reals(s, |r| r.id == real, service);
                self.weighed(&reals, None, is_settled)
            }
            Command::CheckNow { real, service } => {
                let reals = reals(s, |r| r.id == real, service);
                checked(&reals, began)
            }
            Command::Weight { real, service, weight } => {
                let reals = reals(s, |r| r.id == real, service);
                self.weighed(&reals, Some(weight), is_settled)
            }
        }
    }

    /// Every instance that can be held: done once all are.
    fn on_each(&mut self, s: &Snapshot, command: impl Fn(String) -> Command) -> Outcome {
        if self.each.is_empty() {
            let names = s.instances.iter().filter(|i| i.base_priority < 255).map(|i| i.name.clone());
            self.each = names.map(|name| Self::new(command(name))).collect();
        }
        let outcomes: Vec<_> = self.each.iter_mut().map(|w| w.judge(s)).collect();
        let texts = |wanted: fn(&Outcome) -> Option<&String>| {
            let texts: Vec<_> = outcomes.iter().filter_map(wanted).cloned().collect();
            (!texts.is_empty()).then(|| texts.join("; "))
        };
        let different = texts(|o| if let Outcome::Different(text) = o { Some(text) } else { None });
        let waiting = texts(|o| if let Outcome::Waiting(text) = o { Some(text) } else { None });
        let done = texts(|o| if let Outcome::Done(text) = o { Some(text) } else { None });
        match (waiting, different) {
            (Some(text), _) => Outcome::Waiting(text),
            (None, Some(text)) => Outcome::Different(text),
            (None, None) => Outcome::Done(done.unwrap_or_else(|| "there is no instance".into())),
        }
    }

    /// The first snapshot may be of the engine before, or already of the next.
    fn restarted(&mut self, s: &Snapshot) -> Outcome {
        let node = &s.node;
        let before = *self.engine.get_or_insert(node.engine_pid);
        let fresh = node.restarts > 0 && s.age(node.started_at) < GRACE;
        if (node.engine_pid != before || fresh) && s.instances.iter().all(|i| i.state != Role::Init) {
            return Outcome::Done(format!("engine pid {} goes on, vipdeck {}", node.engine_pid, node.version));
        }
        Outcome::Waiting(format!("engine pid {before} has not been followed yet"))
    }

    fn on_instance(
        &mut self,
        s: &Snapshot,
        name: &str,
        judge: impl FnOnce(&mut Self, &Instance) -> Outcome,
    ) -> Outcome {
        match s.instance(name) {
            Some(instance) => judge(self, instance),
            None => Outcome::Different(format!("there is no instance {name} any more")),
        }
    }

    /// The sentence if the hold that was asked for is not, or no longer, there.
    fn missing_hold(&mut self, i: &Instance, kind: HoldKind, is_settled: bool) -> Option<Outcome> {
        match &i.hold {
            Some(hold) if hold.kind == kind => {
                self.is_applied = true;
                None
            }
            _ if !self.is_applied && !is_settled => Some(Outcome::Waiting("not seen in the status yet".into())),
            Some(hold) => Some(Outcome::Different(format!("{} asked for something else meanwhile", hold.by))),
            None => Some(Outcome::Different("it was lifted meanwhile".into())),
        }
    }

    fn demoted(&mut self, s: &Snapshot, i: &Instance, is_settled: bool) -> Outcome {
        if let Some(outcome) = self.missing_hold(i, HoldKind::Demoted, is_settled) {
            return outcome;
        }
        if i.state == Role::Master {
            let still_trying = i.yielding || !(self.has_yielded || is_settled);
            self.has_yielded |= i.yielding;
            return if still_trying {
                Outcome::Waiting(format!("{} is MASTER until a successor is heard", i.name))
            } else {
                Outcome::Different(format!(
                    "nobody took over: {} stays MASTER, at priority {}",
                    i.name, i.effective_priority
                ))
            };
        }
        self.has_yielded = true;
        match &i.master {
            Some(heard) if heard.priority > 0 && s.age(heard.at) <= i.master_down => Outcome::Done(format!(
                "{} is {}; MASTER is {}, priority {}",
                i.name, i.state, heard.address, heard.priority
            )),
            _ => Outcome::Waiting(format!("{} is {}, and no MASTER is heard yet", i.name, i.state)),
        }
    }

    fn taken_over(&mut self, i: &Instance, is_settled: bool) -> Outcome {
        if let Some(outcome) = self.missing_hold(i, HoldKind::Takeover, is_settled) {
            return outcome;
        }
        match i.state {
            Role::Master => Outcome::Done(format!("{} is MASTER, priority {}", i.name, i.effective_priority)),
            Role::Fault => Outcome::Different(format!("{} is in FAULT: {}", i.name, i.faults.join(", "))),
            Role::Init | Role::Backup | Role::Newer(_) => Outcome::Waiting(format!("{} is {}", i.name, i.state)),
        }
    }

    fn drained(&mut self, reals: &[&Real], is_settled: bool) -> Outcome {
        if reals.is_empty() {
            return Outcome::Different("the real server is gone from the configuration".into());
        }
        let ready = reals.iter().filter(|r| r.admin == Admin::Ready).count();
        if ready > 0 && (self.is_applied || is_settled) {
            return Outcome::Different("it was put back into service meanwhile".into());
        }
        if ready > 0 {
            return Outcome::Waiting("not seen in the status yet".into());
        }
        self.is_applied = true;
        if reals.iter().all(|r| matches!(r.admin, Admin::Drained | Admin::Maint)) {
            return Outcome::Done(format!("drained in {}", services(reals)));
        }
        let left: Option<u32> = reals.iter().map(|r| r.active).sum();
        Outcome::Waiting(match left {
            Some(left) => format!("{left} connections are left"),
            None => "how many connections are left is not known".into(),
        })
    }

    fn in_maintenance(&mut self, reals: &[&Real], is_settled: bool) -> Outcome {
        if reals.is_empty() {
            return Outcome::Different("the real server is gone from the configuration".into());
        }
        if reals.iter().any(|r| r.admin != Admin::Maint) {
            return if self.is_applied || is_settled {
                Outcome::Different("somebody asked for something else meanwhile".into())
            } else {
                Outcome::Waiting("not seen in the status yet".into())
            };
        }
        self.is_applied = true;
        if reals.iter().any(|r| r.weight_kernel.is_some()) {
            return Outcome::Waiting("it is still in the table".into());
        }
        Outcome::Done(format!("out of the table of {}", services(reals)))
    }

    /// `asked` is the operator's weight; none: that of the file, and in service.
    fn weighed(&mut self, reals: &[&Real], asked: Option<u32>, is_settled: bool) -> Outcome {
        if reals.is_empty() {
            return Outcome::Different("the real server is gone from the configuration".into());
        }
        let is_as_asked = |r: &Real| match asked {
            Some(_) => r.weight_asked == asked,
            None => r.weight_asked.is_none() && r.admin == Admin::Ready,
        };
        if !reals.iter().all(|r| is_as_asked(r)) {
            return if self.is_applied || is_settled {
                Outcome::Different("somebody asked for something else meanwhile".into())
            } else {
                Outcome::Waiting("not seen in the status yet".into())
            };
        }
        self.is_applied = true;
        if let Some(real) = reals.iter().find(|r| r.weight_kernel != r.weight_effective) {
            let (has, wanted) = (out_or(real.weight_kernel), out_or(real.weight_effective));
            return Outcome::Waiting(format!("the table has weight {has}, to be {wanted}"));
        }
        Outcome::Done(match reals.first().and_then(|r| r.weight_kernel) {
            Some(weight) => format!("weight {weight} in {}", services(reals)),
            None => "as asked; it is out of the table while its check fails".into(),
        })
    }
}

/// `began`: what ended before was not asked for.
fn checked(reals: &[&Real], began: Instant) -> Outcome {
    if reals.is_empty() {
        return Outcome::Different("the real server is gone from the configuration".into());
    }
    // What runs at no time of its own is not asked.
    let asked = |c: &&CheckStatus| !c.suspended && !["BFD_CHECK", "FILE_CHECK"].contains(&c.method.as_str());
    let checks: Vec<_> = reals.iter().flat_map(|r| &r.checks).filter(asked).collect();
    let late = checks.iter().find(|c| c.running || c.last.as_ref().is_none_or(|last| last.at < began));
    if let Some(check) = late {
        return Outcome::Waiting(format!("{} of {} has not ended yet", check.method, check.target));
    }
    let word = |good: bool| if good { "passed" } else { "failed" };
    let told =
        |c: &&CheckStatus| c.last.as_ref().map(|l| format!("{} {}: {}", c.method, word(l.found.good), l.found.text()));
    let text = checks.iter().filter_map(told).collect::<Vec<_>>().join("; ");
    let is_good = checks.iter().all(|c| c.last.as_ref().is_some_and(|l| l.found.good));
    if is_good { Outcome::Done(text) } else { Outcome::Different(text) }
}

fn out_or(weight: Option<u32>) -> String {
    weight.map_or_else(|| "none (out of the table)".into(), |w| w.to_string())
}

fn services(reals: &[&Real]) -> String {
    if reals.len() == 1 { "1 virtual service".into() } else { format!("{} virtual services", reals.len()) }
}

fn reals(s: &Snapshot, is_meant: impl Fn(&Real) -> bool, service: Option<crate::kernel::ServiceKey>) -> Vec<&Real> {
    let services = s.services.iter().filter(|v| service.is_none_or(|key| v.id == key));
    services.flat_map(|v| &v.reals).filter(|r| is_meant(r)).collect()
}

/// Whether preemption is paused, or not, as was asked for.
fn paused(s: &Snapshot, wanted: bool, is_settled: bool) -> Outcome {
    match s.intents.paused.is_some() == wanted {
        true if wanted => Outcome::Done("preemption is paused".into()),
        true => Outcome::Done("preemption is as in the file".into()),
        false if is_settled => Outcome::Different("somebody asked for something else meanwhile".into()),
        false => Outcome::Waiting("not seen in the status yet".into()),
    }
}

/// Whether an action, or the last one, is shown as taken back.
fn undone(s: &Snapshot, id: Option<u64>, is_settled: bool) -> Outcome {
    let is_undone = |a: &&Action| a.state == ActionState::Undone && id.is_none_or(|id| a.id == id);
    match s.actions.iter().rev().find(is_undone) {
        Some(action) => Outcome::Done(format!("action {} is undone: {}", action.id, action.line)),
        None if is_settled => Outcome::Different("it is not shown as undone".into()),
        None => Outcome::Waiting("not seen in the status yet".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::{Actor, DemoteMode, Heard, Hold};
    use serde_json::{Value, json};

    fn instance() -> Value {
        let span = json!({ "secs": 1, "nanos": 0 });
        json!({
            "name": "VI_1", "vrid": 51, "interface": "eth0", "version": 2, "state": "MASTER", "since": 0, "hold": null,
            "yielding": false, "base_priority": 150, "effective_priority": 150, "terms": [], "preempt": true,
            "source": null, "advert_interval": span, "skew": span, "master_down": { "secs": 3, "nanos": 0 },
            "master": null, "heard": [], "next_advert_at": null, "master_down_at": null, "announce_at": null,
            "vips": [], "faults": [], "transitions": [], "transitions_total": 0, "adverts_sent": 0,
            "adverts_heard": 0, "adverts_refused": 0, "announcements_sent": 0,
        })
    }

    fn real() -> Value {
        json!({
            "id": "192.0.2.21:80", "forwarding": "dr", "weight_configured": 1, "weight_asked": null,
            "weight_effective": 1, "weight_kernel": 1, "admin": "ready", "drain": null, "active": 3, "inactive": null,
            "rate": null, "rates": [], "connections_total": null, "bytes_in": null, "bytes_out": null,
            "packets_in": null, "packets_out": null, "counted_at": null,
            "health": { "verdict": "up", "since": 0, "method": null, "last": null, "failing": 0, "retry": 0,
                        "next_at": null },
        })
    }

    /// One instance, and one real server in two virtual services.
    fn snapshot() -> Snapshot {
        let span = json!({ "secs": 0, "nanos": 0 });
        let service = |id: &str| {
            json!({ "id": id, "scheduler": "rr", "forwarding": "dr", "persistence": null, "present": true,
                    "serving": true, "instance": null, "reals": [real()] })
        };
        let whole = json!({
            "schema": 1, "revision": 1, "at": 10_000_000, "wall_us": 0, "scripts": [], "findings": [], "last_event": 0,
            "node": { "name": "lvs1", "version": "0", "pid": 1, "uptime": span, "config": "", "links": [],
                      "dataplane": { "kind": "ipvs", "note": null }, "stopping": false },
            "instances": [instance()],
            "services": [service("tcp/192.0.2.10:80"), service("tcp/192.0.2.20:80")],
            "counters": { "malformed": 0, "unknown_vrid": 0, "send_errors": 0, "change_errors": 0, "late_wakeups": 0,
                          "worst_lateness": span },
        });
        serde_json::from_value(whole).unwrap()
    }

    fn hold(kind: HoldKind) -> Hold {
        Hold::new(kind, Instant::ZERO, Actor { user: "ann".into(), from: "lab".into() }, None)
    }

    fn word(outcome: &Outcome) -> &'static str {
        match outcome {
            Outcome::Done(_) => "done",
            Outcome::Different(_) => "different",
            Outcome::Waiting(_) => "waiting",
        }
    }

    /// Gives each state to the watch, each `step` after the one before, and says what it makes of them.
    fn judged(command: Command, step: Duration, changes: &[&dyn Fn(&mut Snapshot)]) -> Vec<&'static str> {
        let mut watch = Watch::new(command);
        let mut s = snapshot();
        let judge = |change: &&dyn Fn(&mut Snapshot)| {
            s.at = s.at + step;
            change(&mut s);
            word(&watch.judge(&s))
        };
        changes.iter().map(judge).collect()
    }

    fn first(s: &mut Snapshot) -> &mut Instance {
        s.instances.first_mut().unwrap()
    }

    fn hear(s: &mut Snapshot, at: Instant, priority: u8) {
        let address = "192.0.2.12".parse().unwrap();
        first(s).master = Some(Heard { address, priority, at, interval: Duration::from_secs(1) });
    }

    const SOON: Duration = Duration::from_millis(100);

    fn demote() -> Command {
        Command::Demote { instance: "VI_1".into(), seen: None, mode: DemoteMode::Yield }
    }

    fn yields(s: &mut Snapshot) {
        first(s).hold = Some(hold(HoldKind::Demoted));
        first(s).yielding = true;
    }

    fn steps_down(s: &mut Snapshot) {
        first(s).state = Role::Backup;
        first(s).yielding = false;
    }

    #[test]
    fn a_demotion_is_done_when_a_successor_is_heard() {
        let heard = |s: &mut Snapshot| hear(s, s.at, 100);
        let seen = judged(demote(), SOON, &[&|_| (), &yields, &steps_down, &heard]);
        assert_eq!(seen, ["waiting", "waiting", "waiting", "done"]);
    }

    #[test]
    fn a_master_that_was_heard_long_ago_or_resigns_is_no_successor() {
        let long_ago = |s: &mut Snapshot| hear(s, Instant::ZERO, 100);
        let resigns = |s: &mut Snapshot| hear(s, s.at, 0);
        let seen = judged(demote(), SOON, &[&yields, &steps_down, &long_ago, &resigns]);
        assert_eq!(seen, ["waiting"; 4]);
    }

    #[test]
    fn a_demoted_master_that_no_longer_yields_has_no_successor() {
        let ends = |s: &mut Snapshot| first(s).yielding = false;
        assert_eq!(judged(demote(), SOON, &[&yields, &ends]), ["waiting", "different"]);
        let comes_back = |s: &mut Snapshot| first(s).state = Role::Master;
        assert_eq!(judged(demote(), SOON, &[&yields, &steps_down, &comes_back]), ["waiting", "waiting", "different"]);
    }

    #[test]
    fn what_somebody_else_lifts_is_different() {
        let lifted = |s: &mut Snapshot| first(s).hold = None;
        let taken = |s: &mut Snapshot| first(s).hold = Some(hold(HoldKind::Takeover));
        assert_eq!(judged(demote(), SOON, &[&yields, &lifted]), ["waiting", "different"]);
        assert_eq!(judged(demote(), SOON, &[&yields, &taken]), ["waiting", "different"]);
        let old_news = judged(demote(), Duration::from_millis(900), &[&|_| (), &|_| (), &|_| (), &|_| ()]);
        assert_eq!(old_news, ["waiting", "waiting", "waiting", "different"], "an old snapshot has a while");
        let gone = |s: &mut Snapshot| s.instances.clear();
        assert_eq!(judged(demote(), SOON, &[&gone]), ["different"]);
    }

    #[test]
    fn a_takeover_in_fault_does_not_come_about() {
        let takeover = || Command::Takeover { instance: "VI_1".into(), seen: None };
        let taken = |state: Role| {
            move |s: &mut Snapshot| {
                first(s).hold = Some(hold(HoldKind::Takeover));
                first(s).state = state;
            }
        };
        let seen = judged(takeover(), SOON, &[&taken(Role::Backup), &taken(Role::Master)]);
        assert_eq!(seen, ["waiting", "done"]);
        assert_eq!(judged(takeover(), SOON, &[&taken(Role::Fault)]), ["different"]);
    }

    fn each(s: &mut Snapshot, change: impl Fn(&mut Real)) {
        s.services.iter_mut().flat_map(|v| &mut v.reals).for_each(change);
    }

    #[test]
    fn a_drain_is_done_when_the_last_service_is_drained() {
        let drain = |service: Option<&str>| Command::Drain {
            deadline_seconds: None,
            then: crate::status::AtDeadline::Ask,
            ignore_persistence: false,
            real: "192.0.2.21:80".parse().unwrap(),
            service: service.map(|s| s.parse().unwrap()),
        };
        let begins = |s: &mut Snapshot| each(s, |r| r.admin = Admin::Drain);
        let half = |s: &mut Snapshot| {
            s.services.first_mut().unwrap().reals.iter_mut().for_each(|r| r.admin = Admin::Drained);
        };
        let all = |s: &mut Snapshot| each(s, |r| r.admin = Admin::Drained);
        let seen = judged(drain(None), SOON, &[&|_| (), &begins, &half, &all]);
        assert_eq!(seen, ["waiting", "waiting", "waiting", "done"]);
        let seen = judged(drain(Some("tcp/192.0.2.10:80")), SOON, &[&begins, &half]);
        assert_eq!(seen, ["waiting", "done"], "only that service counts");
        let returned = |s: &mut Snapshot| each(s, |r| r.admin = Admin::Ready);
        assert_eq!(judged(drain(None), SOON, &[&begins, &returned]), ["waiting", "different"]);
        let gone = |s: &mut Snapshot| s.services.clear();
        assert_eq!(judged(drain(None), SOON, &[&gone]), ["different"]);
    }

    #[test]
    fn a_weight_is_done_when_the_table_has_it() {
        let command = Command::Weight { real: "192.0.2.21:80".parse().unwrap(), service: None, weight: 5 };
        let asked = |s: &mut Snapshot| {
            each(s, |r| {
                r.weight_asked = Some(5);
                r.weight_effective = Some(5);
            });
        };
        let written = |s: &mut Snapshot| each(s, |r| r.weight_kernel = Some(5));
        let other = |s: &mut Snapshot| each(s, |r| r.weight_asked = Some(7));
        let seen = judged(command.clone(), SOON, &[&|_| (), &asked, &written]);
        assert_eq!(seen, ["waiting", "waiting", "done"]);
        assert_eq!(judged(command, SOON, &[&asked, &other]), ["waiting", "different"]);
    }
}
