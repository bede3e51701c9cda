//! What follows from the snapshots of all nodes: who is master, who would be next, what is wrong. Pure functions of a
//! [`Picture`]; nothing here is remembered.

use super::model::{Freshness, Link, Model, NodeView, Picture, RowId};
use super::state::State;
use super::text;
use crate::cluster::{self, Router, Seen, Trust};
use crate::kernel::{DestinationKey, ServiceKey};
use crate::net::IpNet;
use crate::status::{
    Action, Admin, Alarm, Heard, HoldKind, Instance, Lock, Presence, Real, Role, Service, Snapshot, Verdict,
};
use crate::time::Instant;
use std::net::IpAddr;
use std::sync::Arc;

/// One virtual router with what each node says of it.
#[derive(Debug)]
pub struct Row<'a> {
    pub id: RowId,
    pub name: &'a str,
    pub vrid: u8,
    pub vips: Vec<IpNet>,
    /// One for each node; none: the node has no such instance, or has said nothing.
    pub members: Vec<Option<&'a Instance>>,
}

/// The virtual routers of the cluster.
pub fn rows(picture: &Picture) -> Vec<Row<'_>> {
    let routers = picture.memo.routers(picture);
    routers.iter().filter_map(|router| row(picture, router)).collect()
}

fn row<'a>(picture: &'a Picture, router: &Router) -> Option<Row<'a>> {
    let at = |(node, place): (&'a NodeView, &Option<usize>)| node.snapshot.as_ref()?.instances.get((*place)?);
    let members: Vec<Option<&Instance>> = picture.nodes.iter().zip(&router.members).map(at).collect();
    let name = members.iter().flatten().next()?.name.as_str();
    let id = RowId::Instance(router.vrid, router.name.clone());
    Some(Row { id, name, vrid: router.vrid, vips: router.vips.clone(), members })
}

impl<'a> Row<'a> {
    /// The member on `node`, if the node can be believed.
    pub fn fresh(&self, picture: &Picture, node: usize) -> Option<&'a Instance> {
        self.members.get(node).copied().flatten().filter(|_| picture.is_fresh(node))
    }

    /// Every believable member with its node.
    pub fn all_fresh(&self, picture: &Picture) -> Vec<(usize, &'a Instance)> {
        (0..self.members.len()).filter_map(|n| Some((n, self.fresh(picture, n)?))).collect()
    }

    /// The nodes that say MASTER and can be believed.
    pub fn masters(&self, picture: &Picture) -> Vec<(usize, &'a Instance)> {
        self.all_fresh(picture).into_iter().filter(|(_, i)| i.state == Role::Master).collect()
    }

    /// The one MASTER; none if there is none or more than one.
    pub fn master(&self, picture: &Picture) -> Option<(usize, &'a Instance)> {
        match self.masters(picture).as_slice() {
            [one] => Some(*one),
            _ => None,
        }
    }

    /// A MASTER that a believable BACKUP hears on the wire, with the BACKUP: a node that cannot be asked, or a router
    /// that is none of ours. Its word is good for as long as the BACKUP itself would wait.
    pub fn heard_master(&self, picture: &Picture) -> Option<(usize, &'a Heard)> {
        self.all_fresh(picture).into_iter().find_map(|(node, instance)| {
            let heard = instance.master.as_ref().filter(|h| h.priority > 0 && instance.state == Role::Backup)?;
            // What a node that can be believed says of itself stands above what another heard of it before.
            if self.all_fresh(picture).iter().any(|(_, i)| i.source == Some(heard.address)) {
                return None;
            }
            let age = picture.age(picture.nodes.get(node)?, heard.at);
            (u128::from(age) < instance.master_down.as_micros()).then_some((node, heard))
        })
    }

    /// The name of the node that sends from `address`, also of one that is stale.
    pub fn sender(&self, picture: &'a Picture, address: IpAddr) -> Option<&'a str> {
        let node = self.members.iter().position(|m| m.is_some_and(|i| i.source == Some(address)))?;
        picture.nodes.get(node).map(NodeView::name)
    }

    /// Who would take over from `from`: the BACKUP with the highest effective priority, then the higher address.
    pub fn stand_in(&self, picture: &Picture, from: Option<usize>) -> Option<(usize, &'a Instance)> {
        let backups = self.all_fresh(picture).into_iter().filter(|(n, i)| Some(*n) != from && i.state == Role::Backup);
        backups.max_by_key(|(_, i)| (i.effective_priority, i.source))
    }

    /// Two nodes that have been MASTER at the same moment: both snapshots were made after both had become it.
    pub fn is_split(&self, picture: &Picture) -> bool {
        const MARGIN: u64 = 100_000;
        let masters: Vec<(u64, u64)> = self
            .masters(picture)
            .into_iter()
            .filter(|(_, i)| !i.yielding)
            .filter_map(|(n, i)| {
                let view = picture.nodes.get(n)?;
                let at = view.snapshot.as_ref()?.at;
                let since = u64::try_from(at.since(i.since).as_micros()).unwrap_or(0);
                Some((view.received.saturating_sub(since), view.received))
            })
            .collect();
        masters
            .iter()
            .enumerate()
            .any(|(i, a)| masters.iter().skip(i + 1).any(|b| a.0.max(b.0).saturating_add(MARGIN) < a.1.min(b.1)))
    }

    pub fn state(&self, picture: &Picture, node: usize) -> State {
        match (picture.freshness(node), self.members.get(node).copied().flatten()) {
            (Freshness::Dead, _) => State::Dead,
            (Freshness::Never, _) => State::Unknown,
            (_, None) => State::Absent,
            (Freshness::Stale(_), Some(_)) => State::Stale,
            (Freshness::Fresh, Some(i)) if i.state == Role::Master && self.is_split(picture) => State::Split,
            (Freshness::Fresh, Some(i)) => state_of(i),
        }
    }

    /// Who has the addresses, by the word of the nodes' kernels.
    pub fn owners(&self, picture: &Picture) -> Vec<usize> {
        let has = |i: &Instance| i.vips.iter().any(|v| v.present == Presence::Yes);
        self.all_fresh(picture).into_iter().filter(|(_, i)| has(i)).map(|(n, _)| n).collect()
    }

    /// Whether every node that could have the addresses has said whether it has.
    pub fn all_known(&self, picture: &Picture) -> bool {
        (0..self.members.len()).all(|n| match picture.freshness(n) {
            Freshness::Fresh | Freshness::Dead => true,
            Freshness::Stale(_) | Freshness::Never => false,
        })
    }

    /// When the addresses moved last, with the node whose clock says so. What a node becomes just after its start is no
    /// failover.
    pub fn last_failover(&self, picture: &Picture) -> Option<(usize, Instant)> {
        const STARTING: std::time::Duration = std::time::Duration::from_secs(30);
        let members = self.members.iter().enumerate().filter_map(|(n, i)| Some((n, (*i)?)));
        let moves = members.flat_map(|(n, i)| {
            let started = picture.nodes.get(n).and_then(|v| v.snapshot.as_ref()).map(|s| s.node.started_at);
            let is_late = move |at: &Instant| started.is_none_or(|s| at.since(s) > STARTING);
            let to_master = i.transitions.iter().filter(|t| t.to == Role::Master).map(|t| t.at);
            to_master.filter(is_late).map(move |at| (n, at))
        });
        moves.min_by_key(|(n, at)| picture.nodes.get(*n).map_or(u64::MAX, |view| picture.age(view, *at)))
    }

    /// How often the addresses changed hands, as far as the nodes remember; none: nobody is there to ask.
    pub fn flips(&self, picture: &Picture) -> Option<usize> {
        let fresh = self.all_fresh(picture);
        let taken = fresh.iter().flat_map(|(_, i)| &i.transitions).filter(|t| t.to == Role::Master).count();
        (!fresh.is_empty()).then(|| taken.saturating_sub(1))
    }

    pub fn vip(&self) -> String {
        cluster::vips_in_short(&self.vips)
    }
}

/// The nodes whose engine is of another version than this program, and what was not understood of them.
pub fn skews(picture: &Picture) -> Vec<String> {
    let told = |view: &NodeView| {
        let snapshot = view.snapshot.as_ref()?;
        let skew = snapshot.skew()?;
        let unread = match snapshot.unread.len() {
            0 => String::new(),
            count => format!(", {} not understood", text::plural(count, "fact")),
        };
        Some(format!("{}: {skew} engine {}{unread}", view.name(), snapshot.node.version))
    };
    picture.nodes.iter().filter_map(told).collect()
}

/// The state of an instance whose node can be believed.
pub fn state_of(instance: &Instance) -> State {
    let demoted = instance.hold.as_ref().is_some_and(|h| h.kind == HoldKind::Demoted);
    match instance.state {
        _ if instance.yielding => State::Yielding,
        Role::Master => State::Master,
        Role::Backup if demoted => State::Held,
        Role::Backup => State::Backup,
        Role::Init => State::Init,
        Role::Fault => State::Fault,
        Role::Newer(word) => State::Newer(word),
    }
}

pub const fn health_of(real: &Real) -> State {
    match real.health.verdict {
        Verdict::Up if real.health.failing > 0 => State::Falling,
        Verdict::Up => State::Up,
        Verdict::Down => State::Down,
        Verdict::Unchecked => State::Unchecked,
        Verdict::NoCheck => State::NoCheck,
        Verdict::Newer(word) => State::Newer(word),
    }
}

pub const fn admin_of(real: &Real) -> State {
    match real.admin {
        Admin::Ready if real.rising.is_some() => State::Rising,
        Admin::Ready => State::Ready,
        Admin::Maint => State::Maint,
        Admin::Drain => State::Drain,
        Admin::Drained => State::Drained,
        Admin::Newer(word) => State::Newer(word),
    }
}

/// Counted as good: not down.
pub fn is_good(real: &Real) -> bool {
    real.health.verdict != Verdict::Down
}

/// One virtual service as one node tells it.
#[derive(Clone, Copy, Debug)]
pub struct Served<'a> {
    pub node: usize,
    pub view: &'a NodeView,
    pub snapshot: &'a Snapshot,
    pub service: &'a Service,
}

/// Every virtual service by the word of the nodes that serve it; of one that nobody serves, by the word of each node
/// that has it.
pub fn served(picture: &Picture) -> Vec<Served<'_>> {
    let mut all: Vec<Served> = Vec::new();
    for (node, view) in picture.nodes.iter().enumerate() {
        let Some(snapshot) = picture.fresh(node) else { continue };
        all.extend(snapshot.services.iter().map(|service| Served { node, view, snapshot, service }));
    }
    all.sort_by_key(|s| s.service.id);
    let of_key = all.chunk_by(|a, b| a.service.id == b.service.id);
    let told = of_key.flat_map(|same| {
        let serving = same.iter().any(|s| s.service.serving == Some(true));
        same.iter().filter(move |s| !serving || s.service.serving == Some(true)).copied()
    });
    told.collect()
}

/// The real server by the word of the node that serves it, or else of any that has it.
pub fn real<'a>(picture: &'a Picture, service: &ServiceKey, real: &DestinationKey) -> Option<(Served<'a>, &'a Real)> {
    served(picture).into_iter().find(|s| s.service.id == *service).and_then(|s| {
        let found = s.service.reals.iter().find(|r| r.id == *real)?;
        Some((s, found))
    })
}

/// The nodes whose tables have this real server, in this service or in any.
pub fn holders(picture: &Picture, service: Option<&ServiceKey>, real: &DestinationKey) -> Vec<usize> {
    let has = |s: &Service| service.is_none_or(|k| s.id == *k) && s.reals.iter().any(|r| r.id == *real);
    (0..picture.nodes.len()).filter(|n| picture.fresh(*n).is_some_and(|s| s.services.iter().any(has))).collect()
}

/// The other nodes that would give a server that is out of service here new connections, by name.
pub fn in_service_elsewhere(picture: &Picture, served: &Served, real: &Real) -> Vec<String> {
    let is_in = |snapshot: &Snapshot| {
        let service = snapshot.service(&served.service.id);
        service.and_then(|s| s.reals.iter().find(|r| r.id == real.id)).is_some_and(|r| r.drain.is_none())
    };
    let others = picture.nodes.iter().enumerate().filter(|(node, _)| *node != served.node);
    others.filter(|(node, _)| picture.fresh(*node).is_some_and(is_in)).map(|(_, view)| view.name().to_owned()).collect()
}

/// A change by its number on one node, as far as the node can be believed.
pub fn action(picture: &Picture, node: usize, id: u64) -> Option<&Action> {
    picture.fresh(node)?.actions.iter().find(|a| a.id == id)
}

/// Who else is about to act on what, by the word of the nodes, each told once.
pub fn locks_of_others(model: &Model) -> Vec<(usize, &Lock)> {
    let mut all: Vec<(usize, &Lock)> = Vec::new();
    for node in 0..model.live.nodes.len() {
        let snapshot = model.live.fresh(node);
        for lock in snapshot.iter().flat_map(|s| &s.locks) {
            let is_mine = lock.session.as_deref() == Some(&model.session);
            let is_told = all.iter().any(|(_, l)| l.session == lock.session && l.on == lock.on && l.by == lock.by);
            if !is_mine && !is_told {
                all.push((node, lock));
            }
        }
    }
    all
}

/// The stage's name of a real server, else its address.
pub fn server_name(picture: &Picture, real: &DestinationKey) -> String {
    let named = picture.stage.iter().flat_map(|s| &s.stage.servers).find(|s| s.address == *real);
    named.map_or_else(|| real.to_string(), |s| s.name.clone())
}

/// Everything that is wrong or degraded, the worst first.
pub fn alarms(picture: &Picture) -> Arc<[Alarm]> {
    let trusts: Vec<(String, Freshness, &str)> =
        picture.nodes.iter().map(|n| (n.name().to_owned(), picture.freshness_of(n), why(&n.link))).collect();
    let key = trusts.iter().zip(&picture.nodes);
    let key = key.map(|((name, fresh, why), n)| (name.clone(), format!("{} {why}", word(*fresh)), n.received));
    picture.memo.alarms(picture, key.collect(), || {
        let seen = trusts.iter().zip(&picture.nodes).map(|((name, fresh, why), node)| Seen {
            name,
            snapshot: node.snapshot.as_deref(),
            received: node.received,
            trust: match (fresh, &node.link) {
                (Freshness::Fresh, _) => Trust::Fresh,
                (Freshness::Stale(_), _) => Trust::Stale(why),
                (Freshness::Dead, _) => Trust::Dead,
                (Freshness::Never, Link::Lost { .. }) => Trust::Never(Some(why)),
                (Freshness::Never, _) => Trust::Never(None),
            },
        });
        let mut alarms = cluster::alarms(&seen.collect::<Vec<_>>());
        name_servers(picture, &mut alarms);
        alarms
    })
}

/// Without the age, which changes all the time.
const fn word(freshness: Freshness) -> &'static str {
    match freshness {
        Freshness::Fresh => "fresh",
        Freshness::Stale(_) => "stale",
        Freshness::Dead => "dead",
        Freshness::Never => "never",
    }
}

fn why(link: &Link) -> &str {
    match link {
        Link::Lost { why, .. } => why,
        Link::Connecting => "connecting",
        Link::Live => "",
    }
}

/// On a stage servers have names.
fn name_servers(picture: &Picture, alarms: &mut [Alarm]) {
    for server in picture.stage.iter().flat_map(|s| &s.stage.servers) {
        let address = format!("{} ", server.address);
        for alarm in alarms.iter_mut().filter(|a| a.text.starts_with(&address)) {
            alarm.text.replace_range(..address.len() - 1, &server.name);
        }
    }
}

/// The priority as a sum: `100 base − 20 script chk_web (failing)`.
pub fn sum(instance: &Instance) -> String {
    let mut out = String::new();
    for (i, term) in instance.terms.iter().enumerate() {
        let sign = match (i, term.value < 0) {
            (0, false) => "",
            (0, true) => "−",
            (_, false) => " + ",
            (_, true) => " − ",
        };
        out.push_str(sign);
        out.push_str(&term.value.unsigned_abs().to_string());
        out.push(' ');
        out.push_str(&term.label);
        if let Some(note) = &term.note {
            out.extend([" (", note, ")"]);
        }
    }
    out
}
