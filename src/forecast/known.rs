//! From snapshots to machines.

use super::Hypothesis;
use super::world::{Member, World};
use crate::net::Family;
use crate::status::{self, Heard, HoldKind, Role, Snapshot};
use crate::time::{Duration, Instant};
use crate::vrrp::{
    self, Conditions, GROUP_V4, GROUP_V6, Grouping, Moment, Peer, Peering, Spec, Term, Track, Tracker, Unicast,
    Version, Vrid,
};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Now, on the clock of the forecast: far enough from zero for everything that has been.
const NOW: Instant = Instant::from_micros(1 << 60);

/// One node, as far as it is known.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    pub name: &'a str,
    pub snapshot: Option<&'a Snapshot>,
    /// How long ago the snapshot was made.
    pub age: Duration,
    pub standing: Standing,
}

/// How far a node's word can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Fresh,
    Stale,
    /// It is known not to run.
    Dead,
}

/// A virtual router of the cluster, by the instances that are one.
#[derive(Clone, Debug)]
pub(super) struct RowOf {
    pub(super) name: String,
    pub(super) vrid: u8,
    pub(super) vips: Vec<String>,
    /// Node and instance, by their places.
    at: Vec<(usize, usize)>,
}

/// Virtual routers that sync groups tie to each other, with the world they are in.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) rows: Vec<RowOf>,
    pub(super) world: World,
    /// What may take part and may not: nodes that are stale, routers that fell silent.
    pub(super) doubtful: Vec<(Member, String)>,
    /// What stays uncertain whatever is asked.
    pub(super) notes: Vec<String>,
}

impl Part {
    pub(super) const fn now() -> Instant {
        NOW
    }
}

/// Whether the question is about something that is there.
pub(super) fn check(nodes: &[Known], hypothesis: &Hypothesis) -> Result<(), String> {
    let (Hypothesis::Crash { node }
    | Hypothesis::Cut { node }
    | Hypothesis::Demote { node, .. }
    | Hypothesis::Fail { node, .. }) = hypothesis
    else {
        return Ok(());
    };
    let names: Vec<&str> = nodes.iter().map(|n| n.name).collect();
    let Some(known) = nodes.iter().find(|n| n.name == node) else {
        return Err(format!("there is no node {node}; there are: {}", names.join(", ")));
    };
    let Some(snapshot) = known.snapshot.filter(|_| known.standing == Standing::Fresh) else {
        return Err(format!("there is no fresh word of {node}: what it is now is not known"));
    };
    match hypothesis {
        Hypothesis::Demote { instance, .. } if snapshot.instance(instance).is_none() => {
            Err(format!("{node} has no instance {instance}"))
        }
        Hypothesis::Fail { kind, name, .. } => {
            let tracks = |i: &status::Instance| {
                let own = kind == "interface" && i.interface.as_str() == name;
                own || i.tracks.iter().any(|t| t.name == *name && t.kind == *kind)
            };
            let is_there = snapshot.instances.iter().any(tracks);
            if is_there { Ok(()) } else { Err(format!("no instance of {node} tracks {kind} {name}")) }
        }
        _ => Ok(()),
    }
}

/// The virtual routers of the cluster: the same VRID and family with an address in common, or the same name.
fn rows(nodes: &[Known]) -> Vec<RowOf> {
    let mut rows: Vec<RowOf> = Vec::new();
    let mut of_vrid: BTreeMap<(u8, bool), Vec<usize>> = BTreeMap::new();
    for (node, known) in nodes.iter().enumerate() {
        for (place, i) in known.snapshot.iter().flat_map(|s| s.instances.iter().enumerate()) {
            let vips: Vec<String> = i.vips.iter().map(|v| v.net.to_string()).collect();
            let ipv6 = i.election.as_ref().is_some_and(|e| e.ipv6);
            let of = of_vrid.entry((i.vrid, ipv6)).or_default();
            let same = |r: &RowOf| {
                let is_free = r.at.iter().all(|(n, _)| *n != node);
                is_free && (r.name == i.name || r.vips.iter().any(|v| vips.contains(v)))
            };
            if let Some(row) = of.iter().copied().find(|r| rows.get(*r).is_some_and(same)) {
                if let Some(row) = rows.get_mut(row) {
                    row.at.push((node, place));
                }
                continue;
            }
            of.push(rows.len());
            rows.push(RowOf { name: i.name.clone(), vrid: i.vrid, vips, at: vec![(node, place)] });
        }
    }
    rows
}

/// Rows that share a sync group on any node belong together.
pub(super) fn parts(nodes: &[Known], only: Option<(u8, &str)>) -> Vec<Part> {
    let rows = rows(nodes);
    let mut left: BTreeSet<usize> = (0..rows.len()).collect();
    let mut of_group: BTreeMap<(usize, &str), Vec<usize>> = BTreeMap::new();
    for (index, row) in rows.iter().enumerate() {
        for (node, group) in row.at.iter().filter_map(|at| Some((at.0, instance(nodes, *at)?.group.as_deref()?))) {
            of_group.entry((node, group)).or_default().push(index);
        }
    }
    let mut parts = Vec::new();
    while let Some(first) = left.pop_first() {
        let (mut members, mut open) = (vec![first], vec![first]);
        while let Some(row) = open.pop().and_then(|r| rows.get(r)) {
            let groups = row.at.iter().filter_map(|at| Some((at.0, instance(nodes, *at)?.group.as_deref()?)));
            for tied in groups.filter_map(|key| of_group.get(&key)).flatten() {
                if left.remove(tied) {
                    members.push(*tied);
                    open.push(*tied);
                }
            }
        }
        let of_part: Vec<RowOf> = members.iter().filter_map(|r| rows.get(*r)).cloned().collect();
        let wanted = |(vrid, name): (u8, &str)| {
            let named = |row: &RowOf| row.at.iter().filter_map(|at| instance(nodes, *at)).any(|i| i.name == name);
            of_part.iter().any(|row| row.vrid == vrid && named(row))
        };
        if only.is_none_or(wanted) {
            parts.push(part(nodes, of_part));
        }
    }
    parts
}

fn instance<'a>(nodes: &[Known<'a>], (node, place): (usize, usize)) -> Option<&'a status::Instance> {
    nodes.get(node)?.snapshot?.instances.get(place)
}

fn part(nodes: &[Known], rows: Vec<RowOf>) -> Part {
    let mut part = Part { rows, world: World::default(), doubtful: Vec::new(), notes: Vec::new() };
    for (row, of) in part.rows.clone().iter().enumerate() {
        for (node, place) in &of.at {
            let Some(known) = nodes.get(*node) else { continue };
            let (Some(i), Some(snapshot)) = (instance(nodes, (*node, *place)), known.snapshot) else { continue };
            add(&mut part, row, known, snapshot, i);
        }
    }
    deafness(nodes, &mut part);
    for row in 0..part.rows.len() {
        foreigners(nodes, row, &mut part);
    }
    part.world.now = part.world.members.iter().map(|m| m.known_at).min().unwrap_or(NOW);
    part
}

fn add(part: &mut Part, row: usize, known: &Known, snapshot: &Snapshot, i: &status::Instance) {
    if known.standing == Standing::Dead {
        return;
    }
    let Some(member) = member(known, snapshot, row, i) else {
        let why = if i.election.is_none() { "its engine does not report enough" } else { "it is starting or leaving" };
        part.notes.push(format!("{} on {} is left out: {why}", i.name, known.name));
        return;
    };
    match known.standing {
        Standing::Stale => {
            let text = format!("{} is STALE: whether it would take part in {} is not known", known.name, i.name);
            if let Some(standby) = standby(&member) {
                part.doubtful.push((standby, text));
            }
        }
        Standing::Fresh | Standing::Dead => part.world.members.push(member),
    }
}

/// The same, waiting as a backup: of a node that may or may not be there.
fn standby(member: &Member) -> Option<Member> {
    let machine = &member.machine;
    let role = if machine.conditions().faults.is_empty() { vrrp::Role::Backup } else { vrrp::Role::Fault };
    let moment = Moment {
        role,
        due: Some(NOW + machine.master_down()),
        quiet_since: NOW,
        yields_since: None,
        release_at: None,
        ..machine.moment()
    };
    let grouping = if member.group.is_some() { Grouping::Member { all_owners: false } } else { Grouping::Alone };
    let machine = vrrp::Instance::resume(machine.spec().clone(), machine.conditions().clone(), grouping, moment)?;
    Some(Member { machine, known_at: NOW, ..member.clone() })
}

/// An instance as a machine on the forecast's clock.
fn member(known: &Known, snapshot: &Snapshot, row: usize, i: &status::Instance) -> Option<Member> {
    let e = i.election.as_ref()?;
    let made_at = NOW - known.age;
    let shift = |at: Instant| made_at - snapshot.at.since(at) + at.since(snapshot.at);
    let spec = spec(i)?;
    let whole = conditions(i, &i.faults, &e.waiting);
    let own = conditions(i, &e.own_faults, &e.own_waiting);
    let role = match i.state {
        Role::Init => vrrp::Role::Init,
        Role::Backup => vrrp::Role::Backup,
        Role::Master => vrrp::Role::Master,
        Role::Fault => vrrp::Role::Fault,
        Role::Newer(_) => return None,
    };
    let hold = match i.hold.as_ref().map(|h| h.kind) {
        None => None,
        Some(HoldKind::Takeover) => Some(vrrp::Hold::Takeover),
        Some(HoldKind::Demoted) if i.terms.iter().any(|t| t.label == "fenced") => Some(vrrp::Hold::Fenced),
        Some(HoldKind::Demoted) => Some(vrrp::Hold::Demoted),
        Some(_) => return None,
    };
    let moment = Moment {
        role,
        since: shift(i.since),
        hold,
        barred: e.barred,
        paused: e.paused,
        master: i.master.map(|m| heard(m, shift)),
        not_before: shift(e.not_before),
        master_interval: e.master_interval,
        quiet_since: shift(e.quiet_since),
        resigned: e.resigned,
        preempt_at: e.preempt_at.map(shift),
        ready: e.ready,
        due: i.next_advert_at.or(i.master_down_at).map(shift),
        release_at: e.release_at.map(shift),
        yields_since: e.yields_since.map(shift),
        succeeded: e.succeeded,
        releases: e.releases,
        gave_in: e.gave_in,
        gives_in_at: e.gives_in_at.map(shift),
        adopting: e.adopting,
        stopped: e.stopped || snapshot.node.stopping,
    };
    let machine = vrrp::Instance::resume(spec, whole, grouping(snapshot, i), moment)?;
    Some(Member {
        node: Some(known.name.to_owned()),
        row,
        name: i.name.clone(),
        address: i.source,
        machine,
        known_at: made_at,
        group: i.group.clone(),
        own,
        link: i.interface.to_string(),
        tracks: i.tracks.iter().filter_map(track).collect(),
        peers: e.peers.clone(),
        gone: false,
    })
}

fn grouping(snapshot: &Snapshot, i: &status::Instance) -> Grouping {
    let Some(group) = &i.group else { return Grouping::Alone };
    let members: Vec<_> = snapshot.instances.iter().filter(|o| o.group.as_ref() == Some(group)).collect();
    if members.len() < 2 {
        return Grouping::Alone;
    }
    let is_owner =
        |o: &&status::Instance| o.base_priority == 255 && o.election.as_ref().is_some_and(|e| e.wishes_master);
    Grouping::Member { all_owners: members.iter().all(is_owner) }
}

fn heard(heard: Heard, shift: impl Fn(Instant) -> Instant) -> vrrp::Heard {
    vrrp::Heard { from: heard.address, priority: heard.priority, interval: heard.interval, at: shift(heard.at) }
}

fn spec(i: &status::Instance) -> Option<Spec> {
    let e = i.election.as_ref()?;
    let peer = |address: &IpAddr| Peer { address: *address, min_ttl: 0, max_ttl: 255 };
    let (family, group) = if e.ipv6 { (Family::V6, GROUP_V6) } else { (Family::V4, GROUP_V4) };
    Some(Spec {
        family,
        version: if i.version == 3 { Version::V3 } else { Version::V2 },
        priority: i.base_priority,
        interval: i.advert_interval,
        wishes_master: e.wishes_master,
        preempt: i.preempt,
        preempt_delay: e.preempt_delay,
        peering: if e.peers.is_empty() {
            Peering::Multicast(group)
        } else {
            let peers = e.peers.iter().map(peer).collect();
            Peering::Unicast(Unicast { peers, check_source: false, hop_limit: 255 })
        },
        down_adverts: e.down_adverts,
        lower_prio_no_advert: e.lower_prio_no_advert,
        higher_prio_send_advert: e.higher_prio_send_advert,
        owner_ignore_adverts: e.owner_ignore_adverts,
        ..Spec::new(&i.name, i.interface.clone(), Vrid::new(i.vrid).ok()?)
    })
}

/// Faults are told together with what is waited for; terms without the base, and without what a hold makes of them.
fn conditions(i: &status::Instance, faults: &[String], waiting: &[String]) -> Conditions {
    let made = ["base", "demoted", "fenced", "takeover", "limit", "rival owner"];
    let terms = i.terms.iter().filter(|t| !made.contains(&t.label.as_str()));
    Conditions {
        source: i.source,
        faults: faults.iter().filter(|f| !waiting.contains(f)).cloned().collect(),
        waiting: waiting.to_vec(),
        terms: terms.map(|t| Term { label: t.label.clone(), value: t.value, note: t.note.clone() }).collect(),
    }
}

fn track(track: &status::Track) -> Option<Track> {
    let kind = match track.kind.as_str() {
        "script" => Tracker::Script,
        "interface" => Tracker::Interface,
        "file" => Tracker::File,
        "process" => Tracker::Process,
        "bfd" => Tracker::Bfd,
        _ => return None,
    };
    Some(Track { kind, name: track.name.clone(), weight: track.weight, reverse: track.reverse })
}

/// Who does not hear a master that sends: the wire between them is cut already.
fn deafness(nodes: &[Known], part: &mut Part) {
    let members = &part.world.members;
    let mut deaf = BTreeSet::new();
    for (to, hearer) in members.iter().enumerate() {
        let known = nodes.iter().find(|n| Some(n.name) == hearer.node.as_deref());
        let Some((known, snapshot)) = known.and_then(|k| Some((k, k.snapshot?))) else { continue };
        let Some(i) = snapshot.instance(&hearer.name) else { continue };
        let last = |address| i.heard.iter().find(|h| h.address == address).map(|h| snapshot.at.since(h.at) + known.age);
        for (from, sender) in members.iter().enumerate().filter(|(from, m)| *from != to && m.row == hearer.row) {
            let is_master = matches!(sender.machine.state(), vrrp::State::Master { .. });
            let since = NOW.since(sender.machine.since());
            let patience = hearer.machine.master_down();
            let silent = sender.address.and_then(last).is_none_or(|ago| ago > patience);
            if is_master && since > patience && silent {
                deaf.insert((from, to));
                deaf.insert((to, from));
            }
        }
    }
    part.world.deaf = deaf;
}

/// Routers that are only heard: foreign ones, and nodes that cannot be asked.
fn foreigners(nodes: &[Known], row: usize, part: &mut Part) {
    let ours: Vec<IpAddr> = part.world.members.iter().filter_map(|m| m.address).collect();
    let mut newest: BTreeMap<IpAddr, (Duration, Heard, usize)> = BTreeMap::new();
    for (index, member) in part.world.members.iter().enumerate().filter(|(_, m)| m.row == row) {
        let known = nodes.iter().find(|n| Some(n.name) == member.node.as_deref());
        let Some((known, snapshot)) = known.and_then(|k| Some((k, k.snapshot?))) else { continue };
        for heard in snapshot.instance(&member.name).iter().flat_map(|i| &i.heard) {
            let ago = snapshot.at.since(heard.at) + known.age;
            if !ours.contains(&heard.address) && newest.get(&heard.address).is_none_or(|(before, ..)| ago < *before) {
                newest.insert(heard.address, (ago, *heard, index));
            }
        }
    }
    for (address, (ago, heard, by)) in newest {
        let Some(like) = part.world.members.get(by).cloned() else { continue };
        let dead = nodes.iter().find(|n| {
            let of = |i: &status::Instance| i.source == Some(address);
            n.standing == Standing::Dead && n.snapshot.is_some_and(|s| s.instances.iter().any(of))
        });
        if dead.is_some() || heard.priority == 0 {
            continue;
        }
        let is_master = ago <= like.machine.master_down();
        let Some(foreigner) = foreigner(&like, heard, ago, is_master) else { continue };
        let name = part.rows.get(row).map_or("", |r| r.name.as_str());
        if is_master {
            let text = format!(
                "{address} is only heard, at priority {}: what it tracks is not known ({name})",
                heard.priority
            );
            part.notes.push(text);
            part.world.members.push(foreigner);
        } else if !part.doubtful.iter().any(|(m, _)| m.address == Some(address)) {
            let text = format!(
                "{address} was heard {} s ago at priority {}: whether it would take part in {name} is not known",
                ago.as_secs(),
                heard.priority
            );
            part.doubtful.push((foreigner, text));
        }
    }
}

fn foreigner(like: &Member, heard: Heard, ago: Duration, is_master: bool) -> Option<Member> {
    let spec = Spec { priority: heard.priority, interval: heard.interval, ..like.machine.spec().clone() };
    let conditions = Conditions { source: Some(heard.address), ..Conditions::default() };
    let fresh = vrrp::Instance::new(spec.clone(), NOW);
    let (role, due) = if is_master {
        (vrrp::Role::Master, NOW - ago + heard.interval)
    } else {
        (vrrp::Role::Backup, NOW + spec.master_down(heard.priority, heard.interval))
    };
    let moment =
        Moment { role, due: Some(due.max(NOW)), quiet_since: NOW, not_before: Instant::ZERO, ..fresh.moment() };
    Some(Member {
        node: None,
        name: heard.address.to_string(),
        address: Some(heard.address),
        machine: vrrp::Instance::resume(spec, conditions.clone(), Grouping::Alone, moment)?,
        known_at: NOW,
        group: None,
        own: conditions,
        tracks: Vec::new(),
        peers: Vec::new(),
        ..like.clone()
    })
}
