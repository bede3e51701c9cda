//! Sync groups: members exist and belong to one group, and weights of trackers count only where that is asked for.

use super::check_instance::{undefined, with_user, within};
use super::check_trackers::{FILE_WEIGHT, Weights};
use super::diagnostic::Diagnostic;
use super::keywords::global;
use super::keywords::group::Draft;
use super::keywords::instance::Track;
use super::lower::Cx;
use super::source::Span;
use super::suggest;
use crate::vrrp::{GroupSpec, Notify, Spec, Track as Tracked, Tracker};
use std::collections::{BTreeMap, BTreeSet};

/// The groups; trackers of a group are given to its members.
pub(super) fn groups(
    cx: &mut Cx<'_>,
    drafts: Vec<Draft>,
    instances: &mut [Spec],
    (weights, plain): (&Weights, &BTreeSet<String>),
    globals: &global::Draft,
) -> Vec<GroupSpec> {
    let mut groups: Vec<GroupSpec> = Vec::new();
    let mut taken: BTreeMap<String, (String, Span)> = BTreeMap::new();
    for draft in drafts {
        let name = draft.name.value.clone();
        if groups.iter().any(|g| g.name == name) {
            let message = format!("a second vrrp_sync_group named `{name}`");
            cx.report(Diagnostic::error("duplicate-group", message).at(draft.name.span, "defined again"));
            continue;
        }
        let members = members(cx, &draft, instances, &mut taken);
        if members.is_empty() {
            let message = format!("vrrp_sync_group `{name}` has no members");
            cx.report(
                Diagnostic::warning("empty-group", message)
                    .at(draft.name.span, "ignored, as keepalived does")
                    .help("name instances: `group { VI_1 VI_2 }`"),
            );
            continue;
        }
        if members.len() == 1 {
            let message = format!("vrrp_sync_group `{name}` has one member");
            cx.report(Diagnostic::note("one-member", message).at(draft.name.span, "it changes state alone anyhow"));
        }
        track(cx, &draft, &members, instances, (weights, plain));
        for spec in instances.iter_mut().filter(|i| members.contains(&i.name)) {
            spec.notify.priority_changes |= draft.priority_changes.unwrap_or(false);
        }
        let notify = Notify {
            smtp_alert: draft.smtp_alert.or(globals.mail.alert_vrrp()).unwrap_or(false),
            ..with_user(draft.notify, globals)
        };
        groups.push(GroupSpec { name, members, notify });
    }
    groups
}

fn members(
    cx: &mut Cx<'_>,
    draft: &Draft,
    instances: &[Spec],
    taken: &mut BTreeMap<String, (String, Span)>,
) -> Vec<String> {
    let mut members = Vec::new();
    for member in &draft.members {
        let name = &member.value;
        if !instances.iter().any(|i| i.name == *name) {
            let message = format!("no vrrp_instance is named `{name}`");
            let problem = Diagnostic::error("undefined-instance", message).at(member.span, "keepalived ignores it");
            let near = suggest::nearest(name, instances.iter().map(|i| i.name.as_str()));
            cx.report(match near {
                Some(near) => problem.help(format!("did you mean `{near}`?")),
                None => problem.help("name an instance of this file"),
            });
        } else if let Some((other, before)) = taken.get(name) {
            let message = format!("`{name}` is in vrrp_sync_group `{other}` already");
            cx.report(
                Diagnostic::error("two-groups", message).at(member.span, "ignored here").at(*before, "it is here"),
            );
        } else {
            taken.insert(name.clone(), (draft.name.value.clone(), member.span));
            members.push(name.clone());
        }
    }
    members
}

/// Gives the group's trackers to the members; without `sync_group_tracking_weight` no weight changes a priority, for
/// members could then part.
fn track(
    cx: &mut Cx<'_>,
    draft: &Draft,
    members: &[String],
    instances: &mut [Spec],
    (weights, plain): (&Weights, &BTreeSet<String>),
) {
    let mut shared = Vec::new();
    let lists = [
        (Tracker::Script, &draft.scripts),
        (Tracker::File, &draft.files),
        (Tracker::Process, &draft.processes),
        (Tracker::Bfd, &draft.bfds),
    ];
    for (kind, track) in lists.into_iter().flat_map(|(kind, list)| list.iter().map(move |track| (kind, track))) {
        let Track { name, weight, below_comment } = track;
        match weights.get(&(kind, name.value.clone())) {
            None => cx.report(undefined(kind, name, weights, *below_comment)),
            Some(default) => {
                let (weight, reverse) = weight.unwrap_or(*default);
                shared.push((kind, name, (within(cx, kind, weight, name.span), reverse)));
            }
        }
    }
    shared.extend(draft.links.iter().map(|t| (Tracker::Interface, &t.name, t.weight.unwrap_or((0, false)))));
    for spec in instances.iter_mut().filter(|i| members.contains(&i.name)) {
        for (kind, name, (weight, reverse)) in &shared {
            let track = Tracked { kind: *kind, name: name.value.clone(), weight: *weight, reverse: *reverse };
            match spec.tracks.iter_mut().find(|t| t.kind == *kind && t.name == name.value) {
                // The group's weight counts unless a failure is a fault of the instance.
                Some(own) if own.weight != 0 => *own = track,
                Some(_) => {}
                None => spec.tracks.push(track),
            }
        }
        if draft.weights.is_some() || members.len() < 2 {
            continue;
        }
        let name = spec.name.clone();
        spec.tracks.retain_mut(|track| {
            // Nobody wrote a weight: the number in the file is a fault or none.
            let default = track.kind == Tracker::File && plain.contains(&track.name);
            if default && (track.weight, track.reverse) == FILE_WEIGHT {
                track.weight = 0;
            }
            if track.weight == 0 {
                return true;
            }
            let message = format!(
                "the weight of {} `{}` does not count in `{name}`: it is in sync group `{}`",
                track.kind, track.name, draft.name.value
            );
            cx.report(
                Diagnostic::warning("group-weight", message)
                    .at(draft.name.span, "without sync_group_tracking_weight")
                    .help("write `sync_group_tracking_weight` in the group, or weight 0 so that a failure is a fault"),
            );
            // keepalived drops the script, and keeps an interface without its weight.
            track.weight = 0;
            track.kind == Tracker::Interface
        });
    }
}
