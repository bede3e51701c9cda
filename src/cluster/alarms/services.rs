//! Alarms of virtual services, by the word of the nodes that serve them.

use super::{Seen, alarm};
use crate::kernel::ServiceKey;
use crate::status::{Alarm, AlarmKind, Real, Service, Severity, Snapshot, Verdict};
use std::collections::BTreeSet;

pub(super) fn judge(nodes: &[Seen], found: &mut Vec<Alarm>) {
    let fresh = || nodes.iter().filter_map(|n| Some((n.name, n.fresh()?)));
    let is_served = |s: &Service| s.serving == Some(true);
    let served: BTreeSet<ServiceKey> =
        fresh().flat_map(|(_, s)| s.services.iter().filter(|s| is_served(s)).map(|s| s.id)).collect();
    for (name, snapshot) in fresh() {
        for service in snapshot.services.iter().filter(|s| is_served(s) || !served.contains(&s.id)) {
            of_service(name, snapshot, service, found);
        }
    }
}

/// Virtual servers that two nodes have in another shape, by the digests of what they must have in common.
pub(super) fn differ(nodes: &[Seen]) -> Vec<Alarm> {
    let told: Vec<_> = nodes.iter().filter_map(|n| Some((n, n.fresh()?, n.fresh()?.configuration.as_ref()?))).collect();
    let Some(((first, one, ours), rest)) = told.split_first() else { return Vec::new() };
    let mut found = Vec::new();
    for (other, two, theirs) in rest {
        for (what, digest) in ours.shared.iter().filter(|(what, _)| !what.starts_with("VRID ")) {
            if theirs.shared.get(what).is_none_or(|d| d == digest) {
                continue;
            }
            let loaded = one.wall_of(ours.loaded_at).max(two.wall_of(theirs.loaded_at));
            found.push(Alarm {
                text: format!("{what} is not the same on {} and {}", first.name, other.name),
                meaning: "after a failover clients meet another service".into(),
                advice: "make the files agree, then L reloads; 6 Config shows what differs".into(),
                since_us: Some(loaded),
                ..alarm(AlarmKind::Configuration, Severity::Warning, what, &[first.name, other.name])
            });
        }
    }
    found
}

fn of_service(name: &str, snapshot: &Snapshot, service: &Service, found: &mut Vec<Alarm>) {
    let is_good = |r: &&Real| r.health.verdict != Verdict::Down;
    let (id, of) = (service.id, service.reals.len());
    let good = service.reals.iter().filter(is_good).count();
    if good == of && service.quorum.is_none_or(|q| q.up) {
        return;
    }
    let since = |r: &Real| snapshot.wall_of(r.health.since);
    let lost = service.quorum.filter(|q| !q.up);
    if good == 0 && of > 0 || lost.is_some() {
        let sorry = service.sorry.filter(|s| s.serving).map(|s| format!("the sorry server {} answers", s.id));
        let short = lost.filter(|_| good > 0).map(|q| format!(", weight {} of the {} needed", q.weight, q.needed));
        let what = if good == 0 { "has no server left" } else { "is below its quorum" };
        let quorum = lost.map(|q| snapshot.wall_of(q.since));
        found.push(Alarm {
            text: format!("{id} {what}: {good} of {of} up{}", short.unwrap_or_default()),
            meaning: sorry.unwrap_or_else(|| "clients get no answer".into()),
            advice: "3 Services shows what each check found; C checks a server now".into(),
            since_us: quorum.or_else(|| service.reals.iter().map(since).max()),
            ..alarm(AlarmKind::BelowQuorum, Severity::Alarm, &format!("{id}@{name}"), &[name])
        });
        return;
    }
    for real in service.reals.iter().filter(|r| !is_good(r)) {
        let why = real.health.last.as_ref().map_or(String::new(), |l| format!(", {}", l.detail));
        found.push(Alarm {
            text: format!("{} is DOWN in {id}{why}; {good} of {of} left", real.id),
            meaning: "the others have its share".into(),
            advice: "look at the server; C checks it now".into(),
            since_us: Some(since(real)),
            ..alarm(AlarmKind::ServerDown, Severity::Warning, &format!("{}:{id}@{name}", real.id), &[name])
        });
    }
}
