//! Drain, maintenance, reset, return, weight of a real server: who still takes connections then.

use super::{Check, Live, Plan, Risk, cancel_or, gone};
use crate::console::facts::{self, Served};
use crate::console::fields::Wish;
use crate::console::model::Picture;
use crate::console::question::{Item, RealVerb, Subject};
use crate::console::text;
use crate::kernel::{DestinationKey, ServiceKey};
use crate::status::{Admin, AtDeadline, DataplaneKind, Real};

pub(super) fn plan(
    picture: &Picture,
    verb: RealVerb,
    service: &ServiceKey,
    id: &DestinationKey,
    all: &[Item],
    wish: Wish,
) -> Plan {
    let name = facts::server_name(picture, id);
    let Some((served, real)) = facts::real(picture, service, id) else {
        return gone(&format!("{name} is not in {service} on any fresh node"));
    };
    let nodes = facts::holders(picture, (!wish.everywhere).then_some(service), id);
    let told: Vec<String> = nodes.iter().map(|n| super::name(picture, *n).to_owned()).collect();
    let place = if wish.everywhere { "every service".to_owned() } else { service.to_string() };
    let deed = Deed { picture, served, real, all, wish, on: text::listing(&told), name, place };
    let plan = match verb {
        RealVerb::Drain => deed.drain(),
        RealVerb::Maint => deed.maint(),
        RealVerb::Reset => deed.reset(),
        RealVerb::Return => deed.returned(),
        RealVerb::Weight => deed.weight(),
    };
    let is_persistent = deed.served.service.persistence.is_some();
    Plan { is_persistent, name: deed.name.clone(), scale: scale(&deed.served, told.len()), ..plan }.told(nodes)
}

fn scale(served: &Served, told: usize) -> String {
    format!("1 of {} servers, told on {}", served.service.reals.len(), text::plural(told, "node"))
}

struct Deed<'a> {
    picture: &'a Picture,
    served: Served<'a>,
    real: &'a Real,
    /// What else is asked for at the same time.
    all: &'a [Item],
    wish: Wish,
    /// The nodes that are told.
    on: String,
    name: String,
    place: String,
}

impl Deed<'_> {
    fn now(&self) -> String {
        self.real.weight_kernel.map_or("–".to_owned(), |w| w.to_string())
    }

    fn drain(&self) -> Plan {
        let Self { name, place, on, .. } = self;
        let (now, file) = (self.now(), self.real.weight_configured);
        let mut plan = Plan {
            title: format!("Drain {name} of {place}"),
            buttons: cancel_or(format!("Drain {name}")),
            effect: format!("drain {name} of {place}: weight {now} → 0 on {on}, open connections go on"),
            ..Plan::default()
        };
        plan.steps.push(match &self.real.drain {
            Some(_) => format!("it drains already: it gets this deadline on {on}"),
            None => format!("weight {now} → 0 on {on}: no new connections"),
        });
        plan.steps.push("open connections go on; DRAINED when none is left: the row and the timeline say so".into());
        plan.steps.push(at_deadline(self.wish));
        plan.steps.push("health checks go on; R returns it".into());
        plan.checks.extend(self.drain_checks());
        plan.checks.extend(self.rest());
        plan.undo.push(format!(
            "Undo (u) gives {name} its weight {file} back: new clients again, in steps. Clients that went elsewhere stay there."
        ));
        plan.classed(Risk::Low)
    }

    fn maint(&self) -> Plan {
        let Self { name, place, on, .. } = self;
        let now = self.now();
        let mut plan = Plan {
            title: format!("Maintenance of {name} in {place}"),
            buttons: cancel_or(format!("Take {name} down")),
            effect: format!("{name} of {place} out at once on {on}: its connections are reset"),
            ..Plan::default()
        };
        plan.steps.push(format!("weight {now} → 0 on {on}: no new connections"));
        plan.steps.push("its open connections are reset: their clients see an error".into());
        plan.steps.push("it leaves the table; health checks go on; R returns it".into());
        plan.checks.push(self.connections());
        plan.checks.extend(self.rest());
        plan.undo.push(format!("Undo (u) returns {name}: new clients again. Connections that were reset stay lost."));
        plan.classed(Risk::Medium)
    }

    fn connections(&self) -> Check {
        let open = Live::Open(self.served.service.id, self.real.id);
        Check::warn("connections that end with an error").with(open)
    }

    fn reset(&self) -> Plan {
        let Self { name, place, on, .. } = self;
        if self.real.admin != Admin::Drain && self.real.admin != Admin::Drained {
            return gone(&format!("{name} does not drain: only what drains is reset (D drains it)"));
        }
        let mut plan = Plan {
            title: format!("Reset the rest of {name} in {place}"),
            buttons: cancel_or("Reset the rest"),
            effect: format!("the connections that {name} of {place} still has are reset on {on}"),
            ..Plan::default()
        };
        plan.steps.push(format!("the connections that {name} still has are reset on {on}: their clients see an error"));
        plan.steps.push("it stays drained: R returns it".into());
        plan.checks.push(self.connections());
        plan.undo.push("Cannot be undone: a connection that was reset is lost.".into());
        plan.classed(Risk::Medium)
    }

    fn returned(&self) -> Plan {
        let Self { name, place, on, .. } = self;
        let (now, file) = (self.now(), self.real.weight_configured);
        let slowly = self.wish.slow_start.map_or(String::new(), |s| format!(", in ten steps over {s} s"));
        let mut plan = Plan {
            title: format!("Return {name} to {place}"),
            buttons: cancel_or(format!("Return {name}")),
            effect: format!("return {name} to {place}: weight {now} → {file} on {on}{slowly}"),
            ..Plan::default()
        };
        plan.steps.push(format!("weight {now} → {file} (the file's) on {on}{slowly}"));
        if self.wish.slow_start.is_some() && file < 2 {
            plan.checks.push(Check::warn(format!("a weight of {file} has no steps: it is whole at once")));
        }
        let word = Live::Word(self.served.node);
        plan.checks.push(if facts::is_good(self.real) {
            Check::good(format!("{name} passes its checks: new connections again")).with(word)
        } else {
            Check::warn(format!("{name} is DOWN: it gets no connections until its check passes")).with(word)
        });
        plan.undo.push("Undo (u) brings what was asked before back: drain, maintenance or weight.".into());
        plan.classed(Risk::Low)
    }

    fn weight(&self) -> Plan {
        let Self { name, place, on, .. } = self;
        let now = self.now();
        let before = self.real.weight_effective.unwrap_or(self.real.weight_configured);
        let mut plan =
            Plan { title: format!("Weight of {name} in {place}"), buttons: cancel_or("Set weight"), ..Plan::default() };
        let Some(weight) = self.wish.weight else {
            plan.effect = "type a weight: a number from 0 to 65535".into();
            plan.steps.push(plan.effect.clone());
            return plan.classed(Risk::Low);
        };
        plan.effect = format!("weight of {name} of {place}: {now} → {weight} on {on}, until returned");
        plan.steps.push(format!("weight {now} → {weight} on {on}, until returned"));
        plan.undo.push(format!("Undo (u) sets the weight back: {weight} → {before}."));
        if weight == 0 {
            plan.steps.push("weight 0: no new connections, open ones go on".into());
            plan.checks.extend(self.rest());
            return plan.classed(Risk::Medium);
        }
        // A change of half or more moves much of the traffic.
        let is_small = u64::from(weight.abs_diff(before)) * 2 < u64::from(before);
        if !is_small {
            plan.checks.push(Check::warn(format!("a change by half or more of {before}: much of the traffic moves")));
        }
        plan.classed(if is_small { Risk::Low } else { Risk::Medium })
    }

    /// Who takes connections when this one, and all that go with it, does not.
    fn rest(&self) -> Vec<Check> {
        let Self { name, served, .. } = self;
        let service = served.service;
        let leaves = |id: &DestinationKey| {
            *id == self.real.id
                || self.all.iter().any(|item| match &item.subject {
                    Subject::Real { verb, service: key, real } => {
                        verb.takes_out() && real == id && (*key == service.id || self.wish.everywhere)
                    }
                    _ => false,
                })
        };
        let others: Vec<&Real> = service.reals.iter().filter(|r| !leaves(&r.id) && carries(r)).collect();
        let word = Live::Word(served.node);
        if others.is_empty() {
            let text =
                format!("{name} is the last server of {} that takes connections: new clients get none", service.id);
            return vec![Check::bad(text).with(word)];
        }
        let names: Vec<String> = others.iter().map(|r| facts::server_name(self.picture, &r.id)).collect();
        let (left, of) = (others.len(), service.reals.len());
        let mut checks =
            vec![Check::good(format!("{left} of {of} still take connections: {}", text::listing(&names))).with(word)];
        let weight: u64 = others.iter().filter_map(|r| r.weight_effective).map(u64::from).sum();
        if let Some(q) = service.quorum.filter(|q| q.up && weight < u64::from(q.needed.saturating_sub(q.hysteresis))) {
            checks.push(Check::bad(format!("weight {weight} would be left: below the quorum of {}", q.needed)));
        }
        checks
    }

    /// What keeps a drain from ending, or does more than it should.
    fn drain_checks(&self) -> Vec<Check> {
        let mut checks = Vec::new();
        let service = self.served.service;
        // The balancer sends whoever sticks to a drained server elsewhere, and refuses nobody.
        if self.served.snapshot.node.dataplane.kind != DataplaneKind::Ipvs {
            return checks;
        }
        if service.persistence.is_some() && !self.wish.ignore_persistence {
            checks.push(Check::warn("clients that stick to it still come back, and are DRAINED last"));
        } else if service.persistence.is_some() {
            checks.push(Check::warn("clients that stick to any server of weight 0 on these nodes are sent elsewhere"));
        }
        if service.scheduler.name() == "sh" {
            checks.push(Check::warn("sh without sh-fallback refuses the clients it would send here"));
        }
        checks
    }
}

fn at_deadline(wish: Wish) -> String {
    let Some(seconds) = wish.deadline else { return "no deadline: it drains until it is empty or returned".into() };
    let then = match wish.then {
        AtDeadline::Ask => "an alarm asks what to do",
        AtDeadline::Wait => "nothing happens, it is only said",
        AtDeadline::Reset => "they are reset",
        AtDeadline::Return => "it is put back into service",
    };
    format!("if connections are left in {seconds} s: {then}")
}

/// Whether new connections go to it.
fn carries(real: &Real) -> bool {
    facts::is_good(real) && real.weight_effective.is_some_and(|w| w > 0)
}
