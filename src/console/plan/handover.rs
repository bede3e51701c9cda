//! Demote, take over, restore: who serves then, from when on, and what speaks against it.

use super::{Check, Live, Plan, Risk, cancel_or, gone, name, seconds};
use crate::cluster::nets;
use crate::console::facts::{self, Row};
use crate::console::fields::Wish;
use crate::console::model::{Freshness, Model, Picture};
use crate::console::question::InstanceVerb;
use crate::console::text;
use crate::status::{DemoteMode, HoldKind, Instance, Mode, Role};
use std::time::Duration;

/// A failover so short ago makes another one dangerous, in microseconds.
const FLAP_WINDOW: u64 = 600_000_000;

pub(super) fn plan(model: &Model, verb: InstanceVerb, node: usize, instance: &str, wish: Wish) -> Plan {
    let picture = &model.live;
    let rows = facts::rows(picture);
    let is_it = |r: &&Row| r.members.get(node).copied().flatten().is_some_and(|i| i.name == instance);
    let Some(row) = rows.iter().find(is_it) else { return gone(&format!("{instance} is not there any more")) };
    let handover = Handover { picture, row, node, wish, is_lab: model.mode == Mode::Lab };
    let me = name(picture, node);
    let mut plan = match (row.fresh(picture, node), verb) {
        (None, _) => handover.unreachable(),
        (Some(own), InstanceVerb::Demote) => handover.demote(own),
        (Some(own), InstanceVerb::Takeover) => handover.takeover(own),
        (Some(own), InstanceVerb::Restore) => handover.restore(own),
    };
    let (title, button) = match verb {
        InstanceVerb::Demote => (format!("Demote {me} in {instance}"), format!("Demote {me}")),
        InstanceVerb::Takeover => (format!("{me} takes over {instance}"), format!("Take over on {me}")),
        InstanceVerb::Restore => (format!("Restore {me} in {instance}"), format!("Restore {me}")),
    };
    let refused = plan.risk == Some(Risk::Refused);
    plan.buttons = if refused { vec!["Cancel".into()] } else { cancel_or(button) };
    Plan { title, name: me.to_owned(), ..plan }.told([node])
}

/// One virtual router and the node that is told.
struct Handover<'a> {
    picture: &'a Picture,
    row: &'a Row<'a>,
    node: usize,
    wish: Wish,
    is_lab: bool,
}

impl<'a> Handover<'a> {
    fn name(&self, node: usize) -> &'a str {
        name(self.picture, node)
    }

    fn is_fence(&self) -> bool {
        self.wish.mode == DemoteMode::Fence
    }

    /// The instances that move with this one: its sync group, or itself alone.
    fn together(&self, own: &Instance) -> Vec<String> {
        let all = self.picture.fresh(self.node).into_iter().flat_map(|s| &s.instances);
        let same = |i: &&Instance| i.name == own.name || (own.group.is_some() && i.group == own.group);
        all.filter(same).map(|i| i.name.clone()).collect()
    }

    /// "1 instance, 2 VIPs", and the same with names.
    fn scale(&self, own: &Instance) -> (String, String, usize) {
        let names = self.together(own);
        let all = self.picture.fresh(self.node).into_iter().flat_map(|s| &s.instances);
        let vips = all.filter(|i| names.contains(&i.name)).map(|i| i.vips.len()).sum();
        let scale = format!("{}, {}", text::plural(names.len(), "instance"), text::plural(vips, "VIP"));
        (scale, text::listing(&names), vips)
    }

    fn unreachable(&self) -> Plan {
        let me = self.name(self.node);
        let word = match self.picture.freshness(self.node) {
            Freshness::Dead => format!("{me} cannot be asked: its machine is crashed"),
            _ => format!("{me} cannot be asked: there is no fresh word of it, and what it does now is not known"),
        };
        let check = Check::stop(word.clone()).with(Live::Word(self.node));
        Plan { effect: word, checks: vec![check], ..Plan::default() }.classed(Risk::Medium)
    }

    fn demote(&self, own: &Instance) -> Plan {
        let me = self.name(self.node);
        let (scale, what, count) = self.scale(own);
        let vips = text::plural(count, "VIP");
        let after = if self.is_fence() { "never takes over until restored" } else { "stays at priority 1" };
        let mut plan = Plan { scale, ..Plan::default() };
        if own.state != Role::Master {
            plan.effect = format!("{what}: {me} stays {} and {after}; no address moves", own.state);
            plan.steps.push(format!("{me}  stays {} and {after}", own.state));
            plan.checks.push(match self.row.master(self.picture) {
                Some((n, _)) => Check::good(format!("{} is MASTER and keeps {vips}: no address moves", self.name(n))),
                None => Check::bad("no MASTER is known: this does not help to get one"),
            });
            plan.checks.extend(self.last_other(own));
            plan.undo.push(format!("Undo (u) gives {me} its priority {} back; no address moves.", own.base_priority));
            return plan.classed(Risk::Low);
        }
        let successor = self.row.stand_in(self.picture, Some(self.node));
        plan.steps
            .push(format!("{me}  {what}: sends priority 0, keeps {vips} until the successor is heard, then {after}"));
        if let Some((n, next)) = successor {
            let (name, skew) = (self.name(n), seconds(skew(own, next)));
            let prio = next.effective_priority;
            plan.steps
                .push(format!("{name}  becomes MASTER after {skew} of skew (VRRPv{}, priority {prio})", own.version));
            plan.steps.push(format!("{name}  adds {vips}: {}", self.announces(n, next)));
            plan.steps.push(format!("{me}  hears {name}, removes {vips}, is HELD"));
            plan.steps.extend(self.bystanders(n));
            plan.effect = format!("{what}: {vips} from {me} to {name} after {skew}; {me} {after}");
            plan.checks.extend(self.fitness(n, next));
            plan.checks.push(self.agreement(own, n, next));
        } else {
            plan.steps.push(format!("no other node is known to be BACKUP: {me} goes on serving at priority 1"));
            plan.effect = format!("{what}: nobody is known to take {vips} from {me}");
            plan.checks.push(self.without_stand_in());
        }
        plan.checks.extend(self.silent(successor.map(|(_, i)| i)));
        plan.checks.push(self.flap(own));
        plan.undo = self.undo_of_demote(own, successor);
        plan.classed(Risk::Medium)
    }

    /// A yielding node without a successor goes on serving; one that is fenced leaves the addresses to nobody.
    fn without_stand_in(&self) -> Check {
        let me = self.name(self.node);
        if self.is_fence() {
            Check::stop(format!("no stand-in is known: {me} fenced would leave the addresses without any owner"))
        } else {
            Check::bad(format!("no stand-in: {me} is the last fit node (what it cannot see may still answer)"))
        }
    }

    /// Of a BACKUP that is demoted: whether the MASTER has anybody else then.
    fn last_other(&self, own: &Instance) -> Option<Check> {
        let (n, _) = self.row.master(self.picture)?;
        let others = self.row.all_fresh(self.picture);
        let is_other = |(m, i): &(usize, &Instance)| *m != n && i.name == own.name && *m != self.node;
        let fit = others.iter().filter(|o| is_other(o)).any(|(_, i)| i.state == Role::Backup && i.hold.is_none());
        let text = format!("while it is held {} has no stand-in at its full priority", self.name(n));
        (!fit).then(|| Check::warn(text))
    }

    /// How the successor tells the network: at once, and again.
    fn announces(&self, node: usize, next: &Instance) -> String {
        let snapshot = self.picture.fresh(node);
        let value = |name: &str| {
            let settings = snapshot.into_iter().flat_map(|s| s.settings(next));
            settings.filter(|s| s.name == name).map(|s| s.value.to_string()).last()
        };
        let first =
            value("garp_master_repeat").map_or("gratuitous ARP/NA".to_owned(), |n| format!("{n} GARP/NA at once"));
        match value("garp_master_delay") {
            Some(delay) if delay != "0" => format!("{first}, again after {delay} s"),
            _ => first,
        }
    }

    /// What becomes of the nodes that neither give nor take.
    fn bystanders(&self, successor: usize) -> Vec<String> {
        let all = self.row.all_fresh(self.picture).into_iter();
        let rest = all.filter(|(n, _)| *n != self.node && *n != successor);
        rest.map(|(n, i)| {
            let why = if i.effective_priority == i.base_priority {
                format!("priority {}", i.effective_priority)
            } else {
                format!("priority {}", facts::sum(i))
            };
            format!("{}  stays {} ({why})", self.name(n), i.state)
        })
        .collect()
    }

    fn undo_of_demote(&self, own: &Instance, successor: Option<(usize, &Instance)>) -> Vec<String> {
        let me = self.name(self.node);
        let lifts = format!("Undo (u) lifts the hold and gives {me} its priority {} back.", own.base_priority);
        let then = match (successor, own.preempt) {
            (None, _) => return vec![lifts],
            (Some((n, next)), true) if own.base_priority > next.effective_priority => format!(
                "Preempt is on: it will move the VIPs again, from {} within {}. Sessions that were reset stay lost.",
                self.name(n),
                seconds(longest_wait(own))
            ),
            (Some((n, _)), true) => format!("The VIPs stay on {}, whose priority is no lower.", self.name(n)),
            (Some((n, _)), false) => {
                format!("Preempt is off: the VIPs stay on {}; T takes them back.", self.name(n))
            }
        };
        vec![lifts, then]
    }

    fn takeover(&self, own: &Instance) -> Plan {
        let me = self.name(self.node);
        let (scale, what, count) = self.scale(own);
        let vips = text::plural(count, "VIP");
        let mut plan = Plan { scale, ..Plan::default() };
        plan.steps.push(format!("{me}  {what}: goes to priority 254 until restored"));
        if own.state == Role::Master {
            plan.steps.push(format!("{me}  is MASTER already: no address moves"));
            plan.effect = format!("{what}: {me} is MASTER already and goes to priority 254");
            plan.undo.push(format!("Undo (u) gives {me} its priority {} back.", own.base_priority));
            return plan.classed(Risk::Low);
        }
        plan.steps.push(format!("{me}  becomes MASTER at once, adds {vips}: {}", self.announces(self.node, own)));
        let master = self.row.master(self.picture);
        let from = master.map_or(String::new(), |(n, _)| format!(" from {}", self.name(n)));
        if let Some((n, _)) = master {
            plan.steps.push(format!("{}  hears priority 254, becomes BACKUP, then removes {vips}", self.name(n)));
        }
        plan.effect = format!("{what}: {me} becomes MASTER at once and takes {vips}{from}");
        plan.checks.extend(self.fitness(self.node, own));
        if let Some((_, from)) = master {
            plan.checks.push(self.agreement(from, self.node, own));
        }
        plan.checks.extend(self.silent(Some(own)));
        plan.checks.push(self.flap(own));
        plan.undo = self.undo_of_takeover(own, master);
        plan.classed(Risk::Medium)
    }

    /// Both nodes' next states.
    fn undo_of_takeover(&self, own: &Instance, master: Option<(usize, &Instance)>) -> Vec<String> {
        let me = self.name(self.node);
        let lifts = format!("Undo (u) lifts our override: {me} is back at priority {}.", own.base_priority);
        let Some((n, old)) = master else { return vec![lifts] };
        let (name, prio) = (self.name(n), old.effective_priority);
        let then = if old.preempt && prio > own.base_priority {
            format!("Then {name} (priority {prio}, preempt on) → MASTER and {me} → BACKUP: the VIPs move again.")
        } else {
            let why = if old.preempt { "no higher priority" } else { "preempt off" };
            format!("Then {me} stays MASTER and {name} stays BACKUP ({why}); T on {name} sends the VIPs back.")
        };
        vec![lifts, then]
    }

    fn restore(&self, own: &Instance) -> Plan {
        let me = self.name(self.node);
        let (scale, what, count) = self.scale(own);
        let mut plan = Plan { scale, ..Plan::default() };
        let Some(hold) = &own.hold else {
            return gone(&format!("{me} is neither demoted nor taking over in {what}: nothing to restore"));
        };
        let was = match hold.kind {
            HoldKind::Demoted => "demotion",
            HoldKind::Takeover => "takeover",
            HoldKind::Newer(word) => word.as_str(),
        };
        let why = hold.reason.as_ref().map_or(String::new(), |r| format!(" (\"{r}\")"));
        let base = own.base_priority;
        plan.steps.push(format!("{me}  {what}: the {was} by {}{why} is lifted; priority {base} again", hold.by.user));
        let vips = text::plural(count, "VIP");
        let master = self.row.master(self.picture);
        let (least, then) = match (hold.kind, master) {
            (HoldKind::Demoted, Some((n, m))) if own.preempt && n != self.node && base > m.effective_priority => {
                let (name, limit) = (self.name(n), seconds(longest_wait(own)));
                plan.checks.push(self.agreement(m, self.node, own));
                plan.checks.extend(self.unfit(own));
                (Risk::Medium, format!("{me}  becomes MASTER within {limit} and takes {vips} from {name}"))
            }
            (HoldKind::Takeover, Some((n, _))) if n == self.node => {
                let next = self.row.stand_in(self.picture, Some(self.node));
                if let Some((b, next)) = next.filter(|(_, n)| n.preempt && n.effective_priority > base) {
                    plan.checks.push(self.agreement(own, b, next));
                    (Risk::Medium, format!("{}  preempts and becomes MASTER: {vips} move", self.name(b)))
                } else {
                    (Risk::Low, format!("{me}  stays MASTER: nobody has a higher priority with preempt on"))
                }
            }
            _ => (Risk::Low, "no address moves".into()),
        };
        plan.effect =
            format!("{what}: the {was} of {me} is lifted, priority {base} again; {}", then.replace("  ", " "));
        plan.steps.push(then);
        plan.undo.push(format!("Undo (u) brings the {was} back, with what that moves."));
        plan.classed(least)
    }

    /// Why the node that gets the addresses back should not.
    fn unfit(&self, own: &Instance) -> Option<Check> {
        let me = self.name(self.node);
        (!own.faults.is_empty()).then(|| Check::bad(format!("{me} has a fault: {}", own.faults.join("; "))))
    }

    /// What is known of the node that will serve.
    fn fitness(&self, node: usize, next: &Instance) -> Vec<Check> {
        let (name, prio) = (self.name(node), next.effective_priority);
        let mut checks = vec![
            match () {
                () if next.state != Role::Backup || !next.faults.is_empty() => {
                    let why =
                        if next.faults.is_empty() { String::new() } else { format!(" ({})", next.faults.join("; ")) };
                    Check::stop(format!("{name} is {}{why}: it would not take the addresses", next.state))
                }
                () if next.hold.is_some() => Check::bad(format!("{name} is held itself, at priority {prio}")),
                () if prio < next.base_priority => {
                    Check::warn(format!("{name} is weakened: priority {prio} = {}", facts::sum(next)))
                }
                () => Check::good(format!("{name} is BACKUP at its full priority {prio}, no faults")),
            }
            .with(Live::Word(node)),
        ];
        let all = self.picture.fresh(node).into_iter().flat_map(|s| &s.services);
        for service in all.filter(|s| next.vips.iter().any(|v| Some(v.net.addr()) == s.id.ip())) {
            let (up, of) = (service.reals.iter().filter(|r| facts::is_good(r)).count(), service.reals.len());
            let lost = of > 0 && (up == 0 || service.quorum.is_some_and(|q| !q.up));
            let text = format!("{name} sees {up} of {of} servers of {} up", service.id);
            checks.push(match () {
                () if lost => Check::bad(format!("{text}: it could not serve it")),
                () if up < of => Check::warn(text),
                () => Check::good(text),
            });
        }
        checks
    }

    /// Whether both sides mean the same virtual router.
    fn agreement(&self, own: &Instance, node: usize, next: &Instance) -> Check {
        let mut differ = Vec::new();
        if nets(own) != nets(next) {
            differ.push("VIPs".to_owned());
        }
        if own.version != next.version {
            differ.push("VRRP version".to_owned());
        }
        if own.advert_interval != next.advert_interval {
            differ.push("advert interval".to_owned());
        }
        let name = self.name(node);
        if differ.is_empty() {
            Check::good(format!("{name} is configured alike: same VIPs, version and interval"))
        } else {
            Check::bad(format!("{name} is configured differently: {}", text::listing(&differ)))
        }
    }

    /// Members that cannot be asked; one that would come before `next` by its last word is more than a gap.
    fn silent(&self, next: Option<&Instance>) -> Vec<Check> {
        let silent = (0..self.row.members.len()).filter(|n| !self.picture.is_fresh(*n) && *n != self.node);
        silent
            .map(|n| {
                let last = self.row.members.get(n).copied().flatten();
                let is_before = |i: &Instance| {
                    let is_standing = i.state == Role::Backup || i.state == Role::Master;
                    is_standing && next.is_none_or(|next| i.effective_priority >= next.effective_priority)
                };
                let name = self.name(n);
                match last.filter(|i| is_before(i) && self.picture.freshness(n) != Freshness::Dead) {
                    Some(i) => Check::bad(format!(
                        "{name} cannot be seen: {} with priority {} by its last word",
                        i.state, i.effective_priority
                    )),
                    None => Check::warn(format!("{name} cannot be seen: what it does is not known")),
                }
                .with(Live::Word(n))
            })
            .collect()
    }

    /// When the addresses moved last.
    fn flap(&self, own: &Instance) -> Check {
        let Some((node, at)) = self.row.last_failover(self.picture) else {
            return Check::good(format!("no failover of {} is known since its nodes started", own.name));
        };
        let Some(view) = self.picture.nodes.get(node) else { return Check::warn("the last failover is not known") };
        let live = Live::Since(node, at);
        match self.picture.age(view, at) {
            age if age >= FLAP_WINDOW => Check::good(format!("last failover of {}", own.name)).with(live),
            // Minutes of the demo pass in seconds, and nothing is at stake there.
            _ if self.is_lab => Check::warn(format!("last failover of {}", own.name)).with(live),
            _ => Check::bad(format!("{} moved less than 10 minutes ago", own.name)).with(live),
        }
    }
}

/// How long the successor waits after priority 0.
fn skew(own: &Instance, next: &Instance) -> Duration {
    // VRRPv3 counts the skew in the interval of the master, which says a short one before it leaves.
    let hasty = Duration::from_millis(100);
    match own.version {
        3 if own.advert_interval > hasty => next.skew.mul_f64(hasty.div_duration_f64(own.advert_interval)),
        _ => next.skew,
    }
}

/// How long a restored router may wait until it takes its addresses back: the silence it counts began before.
fn longest_wait(own: &Instance) -> Duration {
    own.master_down.saturating_sub(own.skew) + Duration::from_secs(1)
}
