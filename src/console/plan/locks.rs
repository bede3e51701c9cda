//! Who else is about to act on the same thing.

use super::{Check, name};
use crate::console::facts::{self, Row};
use crate::console::model::Model;
use crate::console::question::{Item, Subject};
use crate::status::Lock;

/// The lock of somebody else that stands in the way, with the node that says so; or that there is none.
pub(super) fn check(model: &Model, items: &[Item]) -> Check {
    let found = facts::locks_of_others(model)
        .into_iter()
        .find(|(node, lock)| items.iter().any(|item| stands_in_the_way(model, *node, lock, item)));
    match found {
        Some((node, lock)) => {
            let plan = lock.plan.as_ref().map_or(String::new(), |p| format!(": {p}"));
            let why = lock.reason.as_ref().map_or(String::new(), |r| format!(" (\"{r}\")"));
            Check::stop(format!("{} has a plan open on {}{plan}{why}", lock.by, lock.on))
                .with(super::Live::Since(node, lock.since))
        }
        None => Check::good("no other operator has a plan open for this"),
    }
}

fn stands_in_the_way(model: &Model, node: usize, lock: &Lock, item: &Item) -> bool {
    let is = |on: &str| lock.on == on;
    match &item.subject {
        Subject::Instance { node: own, instance, .. } => {
            let rows = facts::rows(&model.live);
            let has =
                |r: &Row, n: usize, name: &str| r.members.get(n).copied().flatten().is_some_and(|i| i.name == name);
            let same = rows.iter().any(|r| has(r, *own, instance) && has(r, node, &lock.on));
            same || ((is("all") || is("node")) && node == *own)
        }
        Subject::Real { real, .. } => is(&real.to_string()),
        Subject::Reload { node: own, .. } => is("node") && node == *own,
        Subject::Pause { .. } => is("node") || is("all"),
        Subject::Undo { told } => {
            told.iter().any(|(n, id)| *n == node && facts::action(&model.live, *n, *id).is_some_and(|a| is(&a.on)))
        }
        Subject::Stage(_) | Subject::Leave => false,
    }
}

/// As one sentence: who has what open.
pub(in crate::console) fn sentence(model: &Model) -> Option<String> {
    let all = facts::locks_of_others(model);
    let (node, lock) = all.first()?;
    let plan = lock.plan.as_deref().unwrap_or(&lock.on);
    Some(format!("{} has a plan open on {}: {plan}", lock.by, name(&model.live, *node)))
}
