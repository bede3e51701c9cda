//! Whether what a command asked for has come about, judged from snapshots alone.

use crate::status::{Admin, Command, HoldKind, Instance, Real, Role, Snapshot};
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
    /// What was asked has been seen in a snapshot.
    is_applied: bool,
    /// A demoted instance has begun to yield, or has left MASTER.
    has_yielded: bool,
}

impl Watch {
    pub(super) fn new(command: Command) -> Self {
        Self { command, began: None, is_applied: false, has_yielded: false }
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
            Command::Drain { real, service } => {
                let reals = reals(s, |r| r.id == real, service);
                self.drained(&reals, is_settled)
            }
            Command::Return { real, service } => {
                let reals = reals(s, |r| r.id == real, service);
                self.weighed(&reals, None, is_settled)
            }
            Command::Weight { real, service, weight } => {
                let reals = reals(s, |r| r.id == real, service);
                self.weighed(&reals, Some(weight), is_settled)
            }
        }
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
            Role::Init | Role::Backup => Outcome::Waiting(format!("{} is {}", i.name, i.state)),
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
        if reals.iter().all(|r| r.admin == Admin::Drained) {
            return Outcome::Done(format!("drained in {}", services(reals)));
        }
        let left: Option<u32> = reals.iter().map(|r| r.active).sum();
        Outcome::Waiting(match left {
            Some(left) => format!("{left} connections are left"),
            None => "how many connections are left is not known".into(),
        })
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
