//! Priorities across the nodes of a cluster: who is MASTER, and whether a failure changes that.

use super::analysis::{arithmetic, has_fixed_weight, place_of, priority};
use super::cluster_check::{Member, differs, note, warning};
use super::diagnostic::Diagnostic;

/// Each node needs a priority of its own, and one preferred node.
pub(super) fn priorities(members: &[Member<'_>], found: &mut Vec<Diagnostic>) {
    for (index, member) in members.iter().enumerate() {
        for other in members.iter().skip(index + 1) {
            let (a, b) = (member.spec, other.spec);
            if a.priority == b.priority {
                let message =
                    format!("{} and {} have the same priority {}", member.called(), other.called(), a.priority);
                let problem = differs("priority-equal", message, (other, "priority"), (member, "priority"));
                found.push(if a.priority == 255 {
                    problem.help("only one node can own the addresses: give the others less than 255")
                } else {
                    warning(problem).help("the higher source address decides: give each node its own priority")
                });
            }
            if a.wishes_master && b.wishes_master && !(a.priority == 255 && b.priority == 255) {
                let message = format!("{} and {} both say `state MASTER`", member.called(), other.called());
                let problem = differs("two-masters", message, (other, "state"), (member, "state"));
                found.push(warning(problem).help("write `state BACKUP` on all nodes but the preferred one"));
            }
        }
    }
}

/// Whether a failure on the node that is MASTER brings it below one that is not.
pub(super) fn weights(members: &[Member<'_>], found: &mut Vec<Diagnostic>) {
    let Some(top) = members.iter().max_by_key(|m| priority(m.spec, None)) else { return };
    let others = members.iter().filter(|m| m.node.name != top.node.name);
    let Some(next) = others.max_by_key(|m| priority(m.spec, None)) else { return };
    let (good, rival) = (priority(top.spec, None), priority(next.spec, None));
    if good == rival || top.spec.is_owner() {
        return;
    }
    for track in top.spec.tracks.iter().filter(|track| has_fixed_weight(track)) {
        let bad = priority(top.spec, Some(track));
        // What leaves the priority where it is has been told of the file alone.
        if bad == good {
            continue;
        }
        let place = || place_of(&top.node.index, top.spec, track);
        let what = format!("{} `{}` of {}", track.kind, track.name, top.called());
        let sum = arithmetic(top.spec, Some(track));
        let theirs = format!("{}: {}", next.called(), arithmetic(next.spec, None));
        let stays = match bad.cmp(&rival) {
            std::cmp::Ordering::Greater => format!("{sum}, still above {rival}"),
            std::cmp::Ordering::Equal => format!("{sum}, the same as {rival}: the master stays, whatever its address"),
            std::cmp::Ordering::Less => continue,
        };
        let message = format!("a failure of {what} does not move the addresses: {stays}");
        let mut problem = Diagnostic::warning("weight-too-small", message);
        if let Some(place) = place() {
            problem = problem.at(place, format!("the priority goes from {good} to {bad}"));
        }
        if let Some(place) = next.place("priority") {
            problem = problem.at(place, theirs);
        }
        let needed = i32::from(good) - i32::from(rival) + 1;
        found.push(problem.help(format!("it takes {needed} or more; or weight 0, so that a failure is a fault")));
    }
    found.extend(nobody_preempts(members, top, next));
}

/// A lower priority moves nothing where the others do not preempt.
fn nobody_preempts(members: &[Member<'_>], top: &Member<'_>, next: &Member<'_>) -> Option<Diagnostic> {
    let mut others = members.iter().filter(|m| m.node.name != top.node.name);
    let track = top.spec.tracks.iter().find(|track| has_fixed_weight(track))?;
    if others.any(|m| m.spec.preempt) {
        return None;
    }
    let message = format!(
        "a failure of {} `{}` of {} does not move the addresses: every other node has nopreempt",
        track.kind,
        track.name,
        top.called()
    );
    let mut problem = Diagnostic::warning("weight-with-nopreempt", message);
    if let Some(place) = place_of(&top.node.index, top.spec, track) {
        problem = problem.at(place, "only lowers the priority");
    }
    if let Some(place) = next.place("nopreempt") {
        problem = problem.at(place, "leaves a master of lower priority alone");
    }
    Some(problem.help("use weight 0, so that a failure is a fault and the node stops being MASTER"))
}

pub(super) fn preemption(members: &[Member<'_>], found: &mut Vec<Diagnostic>) {
    let Some(lowest) = members.iter().map(|m| priority(m.spec, None)).min() else { return };
    for member in members.iter().filter(|m| !m.spec.preempt) {
        let only = members.iter().filter(|m| priority(m.spec, None) == lowest).count() == 1;
        if priority(member.spec, None) == lowest && only && members.iter().any(|m| m.spec.preempt) {
            let message = format!("`nopreempt` of {} cannot act: no node has a lower priority", member.called());
            let mut problem = Diagnostic::note("nopreempt-idle", message);
            if let Some(place) = member.place("nopreempt") {
                problem = problem.at(place, "there is nobody it would leave alone");
            }
            found.push(problem.help("it is the preferred node that needs nopreempt, to stay BACKUP when it returns"));
        }
    }
    // nopreempt on the preferred node alone is what the manual shows.
    let top = members.iter().max_by_key(|m| priority(m.spec, None)).map(|m| m.node.name.as_str());
    let with = members.iter().find(|m| m.spec.preempt);
    let without = members.iter().find(|m| !m.spec.preempt && Some(m.node.name.as_str()) != top);
    if let (true, Some(a), Some(b)) = (members.len() > 2, with, without) {
        let message = format!("{} preempts and {} does not", a.called(), b.called());
        found.push(note(differs("preempt-differs", message, (b, "nopreempt"), (a, "priority"))));
    }
}
