//! What a command would do, step by step, from the state on screen, with times from the timers.
//!
//! Nothing in a plan moves by itself: two plans differ only if the cluster does, and then the question says so.

use super::facts::{self, Row};
use super::model::{Model, NodeView, Picture};
use super::question::{InstanceVerb, RealVerb, Risk, Subject, Wish};
use super::text;
use crate::kernel::{DestinationKey, ServiceKey};
use crate::status::{
    Admin, AtDeadline, DataplaneKind, HoldKind, Instance, Mode, Real, Role, Service, Snapshot, StageAction,
};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    pub title: String,
    pub risk: Option<Risk>,
    pub steps: Vec<String>,
    pub checks: Vec<Check>,
    pub notes: Vec<String>,
    /// Cancel first.
    pub buttons: Vec<String>,
    /// The nodes that are told.
    pub nodes: Vec<usize>,
    /// Clients stick to the servers of the service.
    pub is_persistent: bool,
}

/// Something that was looked at: whether it speaks for the deed, and what was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    pub good: bool,
    pub text: String,
}

pub(super) fn of(model: &Model, subject: &Subject, wish: Wish) -> Plan {
    let picture = &model.live;
    match subject {
        Subject::Instance { verb, node, instance, .. } => {
            let rows = facts::rows(picture);
            let is_it = |r: &&Row| r.members.get(*node).copied().flatten().is_some_and(|i| i.name == *instance);
            match rows.iter().find(is_it) {
                Some(row) => Handover { picture, row, node: *node }.plan(*verb),
                None => gone(&format!("{instance} is not there any more")),
            }
        }
        Subject::Real { verb, service, real } => real_plan(picture, *verb, service, real, wish),
        Subject::Stage(action) => stage_plan(model, action),
        Subject::Reload { node, preview } => reload_plan(picture, *node, preview),
        Subject::Leave => leave_plan(picture),
    }
}

/// What the weight field starts with: the weight in force.
pub(super) fn weight_now(model: &Model, subject: &Subject) -> String {
    match subject {
        Subject::Real { verb: RealVerb::Weight, service, real } => facts::real(&model.live, service, real)
            .map_or(String::new(), |(_, r)| r.weight_asked.unwrap_or(r.weight_configured).to_string()),
        _ => String::new(),
    }
}

fn gone(what: &str) -> Plan {
    Plan {
        title: "Nothing to do".into(),
        checks: vec![Check { good: false, text: what.into() }],
        buttons: vec!["Cancel".into()],
        ..Plan::default()
    }
}

fn good(text: impl Into<String>) -> Check {
    Check { good: true, text: text.into() }
}

fn bad(text: impl Into<String>) -> Check {
    Check { good: false, text: text.into() }
}

fn seconds(duration: std::time::Duration) -> String {
    text::took(duration.as_micros())
}

/// One virtual router and the node that is told.
struct Handover<'a> {
    picture: &'a Picture,
    row: &'a Row<'a>,
    node: usize,
}

impl<'a> Handover<'a> {
    fn plan(&self, verb: InstanceVerb) -> Plan {
        let Some(own) = self.row.fresh(self.picture, self.node) else {
            return gone(&format!("{} cannot be asked: there is no fresh word of it", self.name(self.node)));
        };
        let mut plan = match verb {
            InstanceVerb::Demote => self.demote(own),
            InstanceVerb::Takeover => self.takeover(own),
            InstanceVerb::Restore => self.restore(own),
        };
        plan.nodes = vec![self.node];
        plan
    }

    fn view(&self, node: usize) -> Option<&'a NodeView> {
        self.picture.nodes.get(node)
    }

    fn name(&self, node: usize) -> &'a str {
        self.view(node).map_or("?", NodeView::name)
    }

    fn demote(&self, own: &Instance) -> Plan {
        let (me, what, vips) = (self.name(self.node), self.row.name, text::plural(own.vips.len(), "VIP"));
        let mut plan = Plan {
            title: format!("Demote {me} in {what}"),
            risk: Some(Risk::Medium),
            buttons: vec!["Cancel".into(), format!("Demote {me}")],
            ..Plan::default()
        };
        if own.state != Role::Master {
            plan.risk = Some(Risk::Low);
            plan.steps.push(format!("{me} stays {}, at priority 1 until restored", own.state));
            plan.checks.push(match self.row.master(self.picture) {
                Some((n, _)) => good(format!("{} is MASTER and keeps {vips}: no address moves", self.name(n))),
                None => bad("no MASTER is known: this does not help to get one"),
            });
            return plan;
        }
        let successor = self.row.stand_in(self.picture, Some(self.node));
        plan.steps
            .push(format!("{me} sends priority 0, keeps {vips} until the successor is heard, stays at priority 1"));
        if let Some((n, next)) = successor {
            // VRRPv3 counts the skew in the interval of the master, which says a short one before it leaves.
            let hasty = std::time::Duration::from_millis(100);
            let skew = match own.version {
                3 if own.advert_interval > hasty => next.skew.mul_f64(hasty.div_duration_f64(own.advert_interval)),
                _ => next.skew,
            };
            let (name, skew) = (self.name(n), seconds(skew));
            plan.steps
                .push(format!("{name} becomes MASTER after {skew} of skew (priority {})", next.effective_priority));
            plan.steps.push(format!("{name} adds {vips} and announces by gratuitous ARP"));
            plan.steps.push(format!("{me} hears {name}, removes {vips}, is HELD"));
            plan.checks.extend(self.fitness(n, next));
        } else {
            let step = "no other node is known to be BACKUP: nobody may take over";
            plan.steps.push(format!("{step}, and {me} then keeps serving"));
            plan.checks.push(bad("no stand-in: what this node cannot see may still answer"));
        }
        plan.checks.extend(self.silent());
        plan.notes.push(match (successor, own.preempt) {
            (None, _) => format!("R lifts it: {me} gets its priority {} back.", own.base_priority),
            (Some((_, next)), true) if own.base_priority > next.effective_priority => {
                format!(
                    "R lifts it: preempt is on, so {me} takes the VIPs back, within {}.",
                    seconds(longest_wait(own))
                )
            }
            (Some((n, _)), true) => {
                format!("R lifts it: the VIPs stay on {}, whose priority is no lower.", self.name(n))
            }
            (Some((n, _)), false) => format!("R lifts it: preempt is off, so the VIPs stay on {}.", self.name(n)),
        });
        plan
    }

    fn takeover(&self, own: &Instance) -> Plan {
        let (me, what, vips) = (self.name(self.node), self.row.name, text::plural(own.vips.len(), "VIP"));
        let mut plan = Plan {
            title: format!("{me} takes over {what}"),
            risk: Some(Risk::Medium),
            buttons: vec!["Cancel".into(), format!("Take over on {me}")],
            ..Plan::default()
        };
        plan.steps.push(format!("{me} goes to priority 254 until restored"));
        if own.state == Role::Master {
            plan.steps.push(format!("{me} is MASTER already: no address moves"));
            return plan;
        }
        plan.steps.push(format!("{me} becomes MASTER at once, adds {vips}, announces by gratuitous ARP"));
        if let Some((n, _)) = self.row.master(self.picture) {
            let name = self.name(n);
            plan.steps.push(format!("{name} hears priority 254, becomes BACKUP, then removes {vips}"));
        }
        plan.checks.extend(self.fitness(self.node, own));
        plan.checks.extend(self.silent());
        plan.notes.push(format!(
            "R lifts it: {me} goes back to priority {}; where preempt is on, the old MASTER returns.",
            own.base_priority
        ));
        plan
    }

    fn restore(&self, own: &Instance) -> Plan {
        let (me, what) = (self.name(self.node), self.row.name);
        let mut plan = Plan {
            title: format!("Restore {me} in {what}"),
            risk: Some(Risk::Low),
            buttons: vec!["Cancel".into(), format!("Restore {me}")],
            ..Plan::default()
        };
        let Some(hold) = &own.hold else {
            plan.checks.push(bad(format!("{me} is neither demoted nor taking over: nothing would change")));
            return plan;
        };
        let was = match hold.kind {
            HoldKind::Demoted => "demotion",
            HoldKind::Takeover => "takeover",
            HoldKind::Newer(word) => word.as_str(),
        };
        let why = hold.reason.as_ref().map_or(String::new(), |r| format!(": {r}"));
        plan.steps.push(format!("the {was} by {} is lifted{why}; priority {} again", hold.by.user, own.base_priority));
        let master = self.row.master(self.picture);
        match (hold.kind, master) {
            (HoldKind::Demoted, Some((n, m)))
                if own.preempt && n != self.node && own.base_priority > m.effective_priority =>
            {
                plan.risk = Some(Risk::Medium);
                let vips = text::plural(own.vips.len(), "VIP");
                let (name, limit) = (self.name(n), seconds(longest_wait(own)));
                plan.steps.push(format!("{me} becomes MASTER within {limit} and takes {vips} from {name}"));
            }
            (HoldKind::Takeover, Some((n, _))) if n == self.node => {
                plan.risk = Some(Risk::Medium);
                match self.row.stand_in(self.picture, Some(self.node)) {
                    Some((b, next)) if next.preempt && next.effective_priority > own.base_priority => {
                        plan.steps.push(format!("{} preempts and becomes MASTER: the VIPs move", self.name(b)));
                    }
                    _ => plan.steps.push(format!("{me} stays MASTER: nobody has a higher priority with preempt on")),
                }
            }
            _ => plan.steps.push("no address moves".into()),
        }
        plan
    }

    /// What is known of the node that will serve.
    fn fitness(&self, node: usize, next: &Instance) -> Vec<Check> {
        let (name, prio) = (self.name(node), next.effective_priority);
        let mut checks = Vec::new();
        if prio < next.base_priority && next.hold.is_none() {
            checks.push(bad(format!("{name} is weakened: priority {prio} = {}", facts::sum(next))));
        } else if next.hold.is_some() {
            checks.push(bad(format!("{name} is held itself, at priority {prio}")));
        } else if next.state == Role::Backup && next.faults.is_empty() {
            checks.push(good(format!("{name} is fresh: BACKUP at its full priority {prio}, no faults")));
        } else {
            let faults = next.faults.join("; ");
            checks.push(bad(format!("{name} is {} ({faults}): it may be refused", next.state)));
        }
        let missing = self.picture.fresh(node).into_iter().flat_map(|s| &s.services);
        let services: Vec<_> = missing.filter(|s| next.vips.iter().any(|v| Some(v.net.addr()) == s.id.ip())).collect();
        for service in services {
            let up = service.reals.iter().filter(|r| facts::is_good(r)).count();
            let text = format!("{name} sees {up} of {} servers of {} up", service.reals.len(), service.id);
            checks.push(Check { good: up == service.reals.len(), text });
        }
        checks
    }

    /// Members that cannot be asked.
    fn silent(&self) -> Vec<Check> {
        let silent = (0..self.row.members.len()).filter(|n| !self.picture.is_fresh(*n));
        silent.map(|n| bad(format!("{} cannot be seen: what it does is not known", self.name(n)))).collect()
    }
}

fn real_plan(picture: &Picture, verb: RealVerb, service: &ServiceKey, id: &DestinationKey, wish: Wish) -> Plan {
    let name = facts::server_name(picture, id);
    let Some((served, real)) = facts::real(picture, service, id) else {
        return gone(&format!("{name} is not in {service} on any fresh node"));
    };
    let nodes = facts::holders(picture, (!wish.everywhere).then_some(service), id);
    let told: Vec<String> = nodes.iter().filter_map(|n| Some(picture.nodes.get(*n)?.name().to_owned())).collect();
    let on = text::listing(&told);
    let others: Vec<&Real> = served.service.reals.iter().filter(|r| r.id != *id && carries(r)).collect();
    let is_persistent = served.service.persistence.is_some();
    let mut plan = Plan { nodes, risk: Some(Risk::Low), is_persistent, ..Plan::default() };
    let place = if wish.everywhere { "every service".to_owned() } else { service.to_string() };
    let now = real.weight_kernel.map_or("–".to_owned(), |w| w.to_string());
    match verb {
        RealVerb::Drain => {
            plan.title = format!("Drain {name} of {place}");
            plan.buttons = vec!["Cancel".into(), format!("Drain {name}")];
            drain_steps(&mut plan, &served, real, &on, wish);
        }
        RealVerb::Maint => {
            plan.title = format!("Maintenance of {name} in {place}");
            plan.buttons = vec!["Cancel".into(), format!("Take {name} down")];
            plan.risk = Some(Risk::Medium);
            plan.steps.push(format!("weight {now} → 0 on {on}: no new connections"));
            plan.steps.push("its open connections are reset: their clients see an error".into());
            plan.steps.push("it leaves the table; health checks go on; R returns it".into());
        }
        RealVerb::Reset => {
            plan.title = format!("Reset the rest of {name} in {place}");
            plan.buttons = vec!["Cancel".into(), "Reset the rest".into()];
            plan.risk = Some(Risk::Medium);
            if real.admin != Admin::Drain && real.admin != Admin::Drained {
                return gone(&format!("{name} does not drain: only what drains is reset (D drains it)"));
            }
            plan.steps
                .push(format!("the connections that {name} still has are reset on {on}: their clients see an error"));
            plan.steps.push("it stays drained: R returns it".into());
            return plan;
        }
        RealVerb::Return => {
            plan.title = format!("Return {name} to {place}");
            plan.buttons = vec!["Cancel".into(), format!("Return {name}")];
            return returned(plan, real, &name, &on, wish);
        }
        RealVerb::Weight => {
            plan.title = format!("Weight of {name} in {place}");
            plan.buttons = vec!["Cancel".into(), "Set weight".into()];
            plan.steps.push(match wish.weight {
                Some(w) => format!("weight {now} → {w} on {on}, until returned"),
                None => "type a weight: a number from 0 to 65535".into(),
            });
            if wish.weight != Some(0) {
                return plan;
            }
            plan.steps.push("weight 0: no new connections, open ones go on".into());
        }
    }
    if others.is_empty() {
        plan.risk = Some(Risk::Medium);
        plan.checks
            .push(bad(format!("{name} is the last server of {service} that takes connections: new clients get none")));
    } else {
        let names: Vec<String> = others.iter().map(|r| facts::server_name(picture, &r.id)).collect();
        plan.checks.push(good(format!(
            "{} of {} still take connections: {}",
            others.len(),
            served.service.reals.len(),
            text::listing(&names)
        )));
    }
    plan
}

fn drain_steps(plan: &mut Plan, served: &facts::Served, real: &Real, on: &str, wish: Wish) {
    let now = real.weight_kernel.map_or("–".to_owned(), |w| w.to_string());
    plan.steps.push(match &real.drain {
        Some(_) => format!("it drains already: it gets this deadline on {on}"),
        None => format!("weight {now} → 0 on {on}: no new connections"),
    });
    // No count here: it moves all the time, and a plan that moves is marked as changed.
    plan.steps.push("open connections go on; DRAINED when none is left".into());
    plan.steps.push(at_deadline(wish));
    plan.steps.push("health checks go on; R returns it".into());
    plan.checks.extend(drain_checks(served.snapshot, served.service, wish));
}

fn returned(mut plan: Plan, real: &Real, name: &str, on: &str, wish: Wish) -> Plan {
    let now = real.weight_kernel.map_or("–".to_owned(), |w| w.to_string());
    let file = real.weight_configured;
    plan.steps.push(match wish.slow_start {
        None => format!("weight {now} → {file} (the file's) on {on}"),
        Some(s) => format!("weight {now} → {file} (the file's) on {on}, in ten steps over {s} s"),
    });
    if wish.slow_start.is_some() && file < 2 {
        plan.checks.push(bad(format!("a weight of {file} has no steps: it is whole at once")));
    }
    plan.checks.push(if facts::is_good(real) {
        good(format!("{name} passes its checks: new connections again"))
    } else {
        bad(format!("{name} is DOWN: it gets no connections until its check passes"))
    });
    plan
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

/// What keeps a drain from ending, or does more than it should.
fn drain_checks(snapshot: &Snapshot, service: &Service, wish: Wish) -> Vec<Check> {
    let mut checks = Vec::new();
    // The balancer sends whoever sticks to a drained server elsewhere, and refuses nobody.
    if snapshot.node.dataplane.kind != DataplaneKind::Ipvs {
        return checks;
    }
    if service.persistence.is_some() && !wish.ignore_persistence {
        checks.push(bad("clients that stick to it still come back, and are DRAINED last"));
    } else if service.persistence.is_some() {
        checks.push(bad("clients that stick to any server of weight 0 on these nodes are sent elsewhere"));
    }
    if service.scheduler.name() == "sh" {
        checks.push(bad("sh without sh-fallback refuses the clients it would send here"));
    }
    checks
}

/// How long a restored router may wait until it takes its addresses back: the silence it counts began before.
fn longest_wait(own: &Instance) -> std::time::Duration {
    own.master_down.saturating_sub(own.skew) + std::time::Duration::from_secs(1)
}

/// Whether new connections go to it.
fn carries(real: &Real) -> bool {
    facts::is_good(real) && real.weight_effective.is_some_and(|w| w > 0)
}

fn stage_plan(model: &Model, action: &StageAction) -> Plan {
    let (title, button, step) = match action {
        StageAction::Crash { node } => (
            format!("Crash {node}"),
            format!("Crash {node}"),
            format!("the engine of {node} gets SIGKILL: no priority 0, and the machine is off the network"),
        ),
        StageAction::ToggleLink { node } => {
            let cut = model.live.stage_node(node).is_some_and(|n| n.cut);
            let verb = if cut { "Heal" } else { "Cut" };
            let effect = if cut {
                format!("{node} hears the others again; the lower priority steps down")
            } else {
                format!("{node} hears nobody and nobody hears it")
            };
            (format!("{verb} the link of {node}"), format!("{verb} the link"), effect)
        }
        other => (format!("{other:?}"), "Do it".into(), "on the stage only".into()),
    };
    let note = if model.mode == Mode::Lab {
        "nothing is real here"
    } else {
        "the lab's own machines; nothing outside is touched"
    };
    Plan {
        title,
        risk: Some(Risk::Medium),
        steps: vec![step],
        notes: vec![note.into()],
        buttons: vec!["Cancel".into(), button],
        ..Plan::default()
    }
}

/// The node has read its file and said what would change; only it can know.
fn reload_plan(picture: &Picture, node: usize, preview: &str) -> Plan {
    let Some(view) = picture.nodes.get(node) else { return gone("the node is not there any more") };
    let name = view.name();
    let moves = preview.contains("may ") || preview.contains("removed") || preview.contains("leaves");
    let file = view.snapshot.as_ref().map_or("its file", |s| s.node.config.as_str());
    Plan {
        title: format!("Reload {name}"),
        risk: Some(if moves { Risk::Medium } else { Risk::Low }),
        steps: preview.trim_start_matches("this would change: ").split("; ").map(str::to_owned).collect(),
        notes: vec![format!("{file} as it was read just now; what does not differ is not touched.")],
        buttons: vec!["Cancel".into(), format!("Reload {name}")],
        nodes: vec![node],
        ..Plan::default()
    }
}

fn leave_plan(picture: &Picture) -> Plan {
    let rows = facts::rows(picture);
    let served: Vec<String> = rows
        .iter()
        .filter(|r| r.all_fresh(picture).iter().any(|(_, i)| i.state == Role::Master))
        .map(|r| r.name.to_owned())
        .collect();
    let stop = if served.is_empty() {
        "Stop the engine: it is MASTER of nothing, no address moves".to_owned()
    } else {
        format!(
            "Stop the engine: priority 0 for {}; addresses go when a successor is heard, or after about a second",
            text::listing(&served)
        )
    };
    Plan {
        title: "Leave the console".into(),
        risk: None,
        steps: vec![
            "Leave it running: the engine goes on without a screen; `vipdeck attach` opens one again".into(),
            stop,
        ],
        buttons: vec!["Cancel".into(), "Leave it running".into(), "Stop the engine".into()],
        ..Plan::default()
    }
}
