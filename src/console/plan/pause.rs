//! No automatic preemption for a while, and its end.

use super::{Check, Live, Plan, Risk, cancel_or, name};
use crate::console::facts;
use crate::console::model::{Freshness, Picture};
use crate::console::text;
use crate::status::Role;

pub(super) fn plan(picture: &Picture, resume: bool) -> Plan {
    let nodes: Vec<usize> = (0..picture.nodes.len()).filter(|n| picture.is_fresh(*n)).collect();
    let names: Vec<String> = nodes.iter().map(|n| name(picture, *n).to_owned()).collect();
    let on = text::listing(&names);
    let waiting = preempting(picture);
    let mut plan = Plan { scale: text::plural(nodes.len(), "node"), name: "preemption".into(), ..Plan::default() };
    for node in (0..picture.nodes.len()).filter(|n| !picture.is_fresh(*n)) {
        if picture.freshness(node) != Freshness::Dead {
            let text = format!("{} cannot be told: it goes on as it is", name(picture, node));
            plan.checks.push(Check::warn(text).with(Live::Word(node)));
        }
    }
    if nodes.is_empty() {
        plan.checks.push(Check::stop("there is no fresh word of any node"));
    }
    if resume {
        plan.title = "Resume preemption".into();
        plan.buttons = cancel_or("Resume preemption");
        plan.effect = format!("preemption is on again on {on}; {}", moves(&waiting));
        plan.steps.push(format!("{on}  preempt again, where their files say so"));
        plan.steps.push(moves(&waiting));
        plan.undo.push("Undo (u) pauses it again; addresses that moved stay where they are.".into());
        let least = if waiting.is_empty() { Risk::Low } else { Risk::Medium };
        return plan.classed(least).told(nodes);
    }
    plan.title = "Pause preemption on every node".into();
    plan.buttons = cancel_or("Pause preemption");
    plan.effect = format!("no node takes addresses from a living MASTER of lower priority ({on})");
    plan.steps.push(format!("{on}  take no addresses from a living MASTER of lower priority"));
    plan.steps.push("a MASTER that falls silent or resigns is replaced all the same".into());
    plan.steps.push("the order of priorities stays; T still moves addresses".into());
    plan.undo.push(format!("Undo (u): paused → as configured; {}.", moves(&waiting)));
    plan.classed(Risk::Medium).told(nodes)
}

/// "VI_1 to lvs1": the addresses that a resumed preemption would move.
fn preempting(picture: &Picture) -> Vec<String> {
    let rows = facts::rows(picture);
    let mut out = Vec::new();
    for row in &rows {
        let (Some((from, master)), Some((to, next))) = (row.master(picture), row.stand_in(picture, None)) else {
            continue;
        };
        let is_higher = next.effective_priority > master.effective_priority;
        if from != to && next.state == Role::Backup && next.preempt && is_higher {
            out.push(format!("{} to {}", row.name, name(picture, to)));
        }
    }
    out
}

fn moves(waiting: &[String]) -> String {
    if waiting.is_empty() {
        "as things stand no address moves then".into()
    } else {
        format!("then the addresses move: {}", text::listing(waiting))
    }
}
