//! Alarms of one virtual router: split, no MASTER, one-way adverts, what differs, flapping, faults.

use super::{Seen, Told, Trust, alarm, listing};
use crate::cluster::routers::{Router, nets, vips_in_short};
use crate::status::{Alarm, AlarmKind, AtExpiry, Instance, Role, Severity, Snapshot};
use crate::time::Instant;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Both have been MASTER for so long at the same moment, in microseconds: less is a hand-over seen from two moments.
const MARGIN: u64 = 100_000;
/// So many changes of hands, with no longer pause than this between two of them, are flapping.
const FLAPS: usize = 4;
const FLAP_PAUSE_US: u64 = 300_000_000;
/// So long before its end a hold is an alarm.
const SOON_US: u64 = 300_000_000;
/// Beside version, interval and addresses.
const SAME: [&str; 2] = ["authentication", "mcast_dst_ip"];

/// A member whose node can be believed.
#[derive(Clone, Copy)]
struct Member<'a> {
    node: &'a Seen<'a>,
    snapshot: &'a Snapshot,
    instance: &'a Instance,
}

pub(super) fn judge(nodes: &[Seen], router: &Router, told: &mut Told, found: &mut Vec<Alarm>) {
    let places = router.members.iter().zip(nodes);
    let members: Vec<Member> = places
        .filter_map(|(place, node)| {
            let snapshot = node.fresh()?;
            Some(Member { node, snapshot, instance: snapshot.instances.get((*place)?)? })
        })
        .collect();
    let masters: Vec<Member> = members.iter().copied().filter(|m| m.instance.state == Role::Master).collect();
    found.extend(split(router, &masters, told));
    found.extend(no_master(nodes, router, &members));
    // One that hears nobody does not stay BACKUP.
    for (from, to) in pairs(&masters, &masters) {
        found.extend(one_way(router, from, to));
    }
    found.extend(differs(router, &members));
    found.extend(flapping(router, &members));
    found.extend(members.iter().filter_map(ends_soon));
    found.extend(members.iter().filter(|m| m.instance.state == Role::Fault).map(fault));
}

fn split(router: &Router, masters: &[Member], told: &mut Told) -> Option<Alarm> {
    let spans: Vec<(u64, u64)> = masters
        .iter()
        .filter(|m| !m.instance.yielding)
        .map(|m| (m.node.moment(m.snapshot, m.instance.since), m.node.received))
        .collect();
    let overlap =
        |i: usize, a: &(u64, u64)| spans.iter().skip(i + 1).any(|b| a.0.max(b.0).saturating_add(MARGIN) < a.1.min(b.1));
    if !spans.iter().enumerate().any(|(i, a)| overlap(i, a)) {
        return None;
    }
    let names: Vec<&str> = masters.iter().map(|m| m.node.name).collect();
    told.split.extend(masters.iter().map(|m| m.instance.name.clone()));
    told.split.extend(router.vips.iter().map(|v| v.addr().to_string()));
    let at: Vec<String> = masters.iter().filter_map(at_mac).collect();
    let macs = if at.is_empty() { String::new() } else { format!("; {}", at.join(", ")) };
    let deaf = pairs(masters, masters).iter().all(|(from, to)| hears(to, from).is_none());
    let wire = if deaf { ", and neither hears the other" } else { "" };
    let text =
        format!("{} are both MASTER of {} ({}){wire}{macs}", listing(&names), router.name, vips_in_short(&router.vips));
    Some(Alarm {
        text,
        meaning: "clients may reach either".into(),
        advice: "look at the link between them; D demotes the one that is not to serve".into(),
        since_us: masters.iter().map(|m| m.snapshot.wall_of(m.instance.since)).max(),
        ..alarm(AlarmKind::Split, Severity::Alarm, &router.name, &names)
    })
}

/// "lb-a at 02:00:00:00:00:01".
fn at_mac(member: &Member) -> Option<String> {
    let own = member.instance.virtual_links.first().and_then(|l| l.mac);
    let links = &member.snapshot.node.links;
    let mac = own.or_else(|| links.iter().find(|l| l.name == member.instance.interface)?.mac)?;
    Some(format!("{} at {mac}", member.node.name))
}

/// Only if every node that could be MASTER has said that it is not, and none hears one. One node alone cannot know.
fn no_master(nodes: &[Seen], router: &Router, members: &[Member]) -> Option<Alarm> {
    let known = nodes.iter().all(|n| matches!(n.trust, Trust::Fresh | Trust::Dead));
    let several = router.members.iter().flatten().count() > 1;
    let served =
        members.iter().any(|m| m.instance.state == Role::Master) || members.iter().any(|m| hears_one(m, members));
    if !known || !several || served {
        return None;
    }
    let lost = |m: &Member| {
        let left = m.instance.transitions.iter().rfind(|t| t.from == Role::Master);
        left.map(|t| m.snapshot.wall_of(t.at))
    };
    let began = members.iter().map(|m| m.snapshot.wall_of(m.snapshot.node.started_at)).max();
    let names: Vec<&str> = members.iter().map(|m| m.node.name).collect();
    Some(Alarm {
        text: format!("no MASTER of {}: nobody answers for {}", router.name, vips_in_short(&router.vips)),
        meaning: "clients get no answer".into(),
        advice: "Enter shows why each node is not MASTER".into(),
        since_us: members.iter().filter_map(lost).max().or(began),
        ..alarm(AlarmKind::NoMaster, Severity::Alarm, &router.name, &names)
    })
}

/// Whether a BACKUP hears a MASTER that none of the others is; its word is good for as long as it would itself wait.
fn hears_one(member: &Member, members: &[Member]) -> bool {
    let is_other = |address: IpAddr| members.iter().all(|m| m.instance.source != Some(address));
    let heard = member.instance.master.as_ref();
    member.instance.state == Role::Backup
        && heard.is_some_and(|h| {
            h.priority > 0 && is_other(h.address) && member.snapshot.at.since(h.at) < member.instance.master_down
        })
}

/// Every one of the first with every other of the second.
fn pairs<'a>(froms: &[Member<'a>], tos: &[Member<'a>]) -> Vec<(Member<'a>, Member<'a>)> {
    let same = |a: &Member, b: &Member| std::ptr::eq(a.instance, b.instance);
    froms.iter().flat_map(|f| tos.iter().filter(|t| !same(f, t)).map(|t| (*f, *t))).collect()
}

/// When `by` last heard `of`, if that is not longer ago than it would wait for a MASTER.
fn hears(by: &Member, of: &Member) -> Option<Instant> {
    let heard = last_heard(by, of)?;
    (by.snapshot.at.since(heard) < by.instance.master_down).then_some(heard)
}

fn last_heard(by: &Member, of: &Member) -> Option<Instant> {
    let source = of.instance.source?;
    by.instance.heard.iter().find(|h| h.address == source).map(|h| h.at)
}

/// `from` advertises and hears `to`, which does not hear it.
fn one_way(router: &Router, from: Member, to: Member) -> Option<Alarm> {
    let settled = from.snapshot.at.since(from.instance.since) > to.instance.master_down;
    if !settled || hears(&to, &from).is_some() {
        return None;
    }
    hears(&from, &to)?;
    let (a, b) = (from.node.name, to.node.name);
    // It would have heard the next one within this.
    let lost = last_heard(&to, &from).map(|at| to.snapshot.wall_of(at + to.instance.advert_interval));
    Some(Alarm {
        text: format!(
            "{a} hears {b}'s adverts of {}, and {b} does not hear {a}'s ({} sent)",
            router.name, from.instance.adverts_sent
        ),
        meaning: "both believe that they must serve".into(),
        advice: format!("look for a filter on {b}'s side: firewall, switch port, VLAN, multicast snooping"),
        since_us: lost.or_else(|| Some(from.snapshot.wall_of(from.instance.since))),
        ..alarm(AlarmKind::OneWay, Severity::Alarm, &format!("{}:{a}>{b}", router.name), &[a, b])
    })
}

/// What two members must have in common and have not.
fn differs(router: &Router, members: &[Member]) -> Option<Alarm> {
    let (first, rest) = members.split_first()?;
    let other = rest.iter().find_map(|m| Some((m, difference(first, m)?)));
    let (other, what) = other?;
    let names = [first.node.name, other.node.name];
    Some(Alarm {
        text: format!("{} differs: {what}", router.name),
        meaning: "the nodes may not understand each other when it counts".into(),
        advice: "make the files agree, then L reloads; `vipdeck check --cluster` compares them".into(),
        since_us: loaded(first).zip(loaded(other)).map(|(a, b)| a.max(b)),
        ..alarm(AlarmKind::Configuration, Severity::Warning, &router.name, &names)
    })
}

/// When the configuration that runs was read.
fn loaded(member: &Member) -> Option<u64> {
    Some(member.snapshot.wall_of(member.snapshot.configuration.as_ref()?.loaded_at))
}

/// Whether what the nodes must have in common has the same digest, where both tell one.
fn digests_differ(a: &Member, b: &Member) -> Option<String> {
    let (ours, theirs) = (a.snapshot.configuration.as_ref()?, b.snapshot.configuration.as_ref()?);
    let prefix = format!("VRID {} ", a.instance.vrid);
    let mut names = ours.shared.iter().filter(|(name, _)| name.starts_with(&prefix));
    let differs = names.any(|(name, digest)| theirs.shared.get(name).is_some_and(|d| d != digest));
    let same_vrid = a.instance.vrid == b.instance.vrid;
    (differs && same_vrid)
        .then(|| format!("what {} and {} must have in common is not the same", a.node.name, b.node.name))
}

fn difference(a: &Member, b: &Member) -> Option<String> {
    let told = |what: &str, one: &str, two: &str| {
        (one != two).then(|| format!("{what} is {one} on {} and {two} on {}", a.node.name, b.node.name))
    };
    let (x, y) = (a.instance, b.instance);
    let seconds = |i: &Instance| format!("{} s", i.advert_interval.as_secs_f64());
    told("version", &x.version.to_string(), &y.version.to_string())
        .or_else(|| told("advert_int", &seconds(x), &seconds(y)))
        .or_else(|| SAME.iter().find_map(|name| told(name, value(a, name)?, value(b, name)?)))
        .or_else(|| addresses_differ(a, b))
        .or_else(|| digests_differ(a, b))
}

fn value<'a>(member: &Member<'a>, name: &str) -> Option<&'a str> {
    let mut all = member.instance.settings.iter().chain(&member.snapshot.defaults);
    all.find(|s| s.name == name).map(|s| &*s.value)
}

fn addresses_differ(a: &Member, b: &Member) -> Option<String> {
    let (x, y): (BTreeSet<_>, BTreeSet<_>) =
        (nets(a.instance).into_iter().collect(), nets(b.instance).into_iter().collect());
    let only = |net: &crate::net::IpNet, node: &str| format!("{net} is only on {node}");
    let first = x.difference(&y).next().map(|net| only(net, a.node.name));
    first.or_else(|| y.difference(&x).next().map(|net| only(net, b.node.name)))
}

fn flapping(router: &Router, members: &[Member]) -> Option<Alarm> {
    let taken = members.iter().flat_map(|m| {
        let to_master = m.instance.transitions.iter().filter(|t| t.to == Role::Master);
        to_master.map(|t| m.snapshot.wall_of(t.at))
    });
    let mut taken: Vec<u64> = taken.collect();
    taken.sort_unstable_by(|a, b| b.cmp(a));
    let mut later = members.iter().map(|m| m.snapshot.wall_us).max()?;
    let goes_on = |at: &u64| {
        let pause = later.saturating_sub(*at);
        later = *at;
        pause < FLAP_PAUSE_US
    };
    let run: Vec<u64> = taken.into_iter().take_while(goes_on).collect();
    if run.len() < FLAPS {
        return None;
    }
    let names: Vec<&str> = members.iter().map(|m| m.node.name).collect();
    Some(Alarm {
        text: format!("{} is flapping: it changed hands {} times", router.name, run.len()),
        meaning: "connections break at each change".into(),
        advice: "4 Timeline shows why; P or nopreempt keeps it where it is".into(),
        since_us: run.last().copied(),
        ..alarm(AlarmKind::Flapping, Severity::Warning, &router.name, &names)
    })
}

/// A hold that is about to end.
fn ends_soon(member: &Member) -> Option<Alarm> {
    let hold = member.instance.hold.as_ref().filter(|h| !h.expired)?;
    let at = hold.expires_at?;
    // Of a short one the last quarter.
    let soon = SOON_US.min(at.as_micros().saturating_sub(hold.since.as_micros()) / 4);
    let begins = Instant::from_micros(at.as_micros().saturating_sub(soon));
    if member.snapshot.at < begins {
        return None;
    }
    let (name, instance) = (member.node.name, member.instance.name.as_str());
    let then = match hold.at_expiry {
        AtExpiry::Restore => "it is restored by itself then",
        AtExpiry::Stay => "it stays held then, and asks",
    };
    Some(Alarm {
        text: format!("the hold of {instance} on {name} by {} is about to end", hold.by.user),
        meaning: then.into(),
        advice: "D holds it for longer, R lifts it now".into(),
        since_us: Some(member.snapshot.wall_of(begins)),
        ..alarm(AlarmKind::Hold, Severity::Warning, &format!("{instance}@{name}"), &[name])
    })
}

fn fault(member: &Member) -> Alarm {
    let (name, instance) = (member.node.name, member.instance);
    let why = instance.faults.first().map_or("no reason given", String::as_str);
    Alarm {
        text: format!("{name} {} is in FAULT: {why}", instance.name),
        meaning: "it cannot take over".into(),
        advice: "repair what it names; Enter shows all that the instance tracks".into(),
        since_us: Some(member.snapshot.wall_of(instance.since)),
        ..alarm(AlarmKind::Fault, Severity::Warning, &format!("{}@{name}", instance.name), &[name])
    }
}
