//! Taking a change back: the engine says what undo gives back and what it cannot; what moves is worked out here.

use super::{Check, Live, Plan, Risk, cancel_or, gone, handover, name};
use crate::console::facts;
use crate::console::fields::Wish;
use crate::console::model::Model;
use crate::console::question::InstanceVerb;
use crate::console::text;
use crate::status::{Action, ActionState, Hold};

pub(super) fn plan(model: &Model, told: &[(usize, u64)], wish: Wish) -> Plan {
    let picture = &model.live;
    let known: Vec<(usize, &Action)> =
        told.iter().filter_map(|(n, id)| Some((*n, facts::action(picture, *n, *id)?))).collect();
    let Some((_, first)) = known.first() else { return gone("no node that can be asked knows this change any more") };
    let mut plan = Plan {
        title: format!("Undo: {}", first.line),
        name: first.on.clone(),
        scale: format!("{}, done by {}", text::plural(known.len(), "node"), first.by.user),
        buttons: cancel_or(format!("Undo {}", first.verb)),
        ..Plan::default()
    };
    let mut least = Risk::Low;
    for (node, action) in &known {
        let me = name(picture, *node);
        match (&action.gives_back, action.state) {
            (Some(back), ActionState::Done) => plan.steps.push(format!("{me}  gives back {back}")),
            (_, state) if state != ActionState::Done => {
                plan.checks.push(Check::stop(format!("{me}: it is {state} already")));
            }
            _ => {
                let why = action.does_not.as_deref().unwrap_or("it cannot be undone");
                plan.checks.push(Check::stop(format!("{me}: {why}")));
            }
        }
        plan.checks.extend(action.since.iter().map(|s| Check::warn(format!("since then on {me}: {s}"))));
        let moved = moves(model, *node, action, wish);
        least = least.max(moved.risk.unwrap_or(Risk::Low));
        plan.steps.extend(moved.steps);
        plan.checks.extend(moved.checks);
        if !picture.is_fresh(*node) {
            plan.checks.push(Check::stop(format!("{me} cannot be asked")).with(Live::Word(*node)));
        }
    }
    if let Some(not) = first.does_not.as_ref().filter(|_| first.gives_back.is_some()) {
        plan.undo.push(format!("It does not: {not}."));
    }
    plan.effect = format!("undo {}: {}", first.line, plan.steps.join("; "));
    let nodes: Vec<usize> = known.iter().map(|(n, _)| *n).collect();
    plan.classed(least).told(nodes)
}

/// What lifting a hold does to the addresses, as `restore` would say it.
fn moves(model: &Model, node: usize, action: &Action, wish: Wish) -> Plan {
    let instance = model.live.fresh(node).and_then(|s| s.instance(&action.on));
    let held: Option<&Hold> = instance.and_then(|i| i.hold.as_ref());
    match (action.verb.as_str(), held) {
        ("demote" | "takeover", Some(_)) => handover::plan(model, InstanceVerb::Restore, node, &action.on, wish),
        ("demote" | "takeover" | "restore" | "pause" | "resume", _) => {
            Plan { risk: Some(Risk::Medium), ..Plan::default() }
        }
        _ => Plan::default(),
    }
}
