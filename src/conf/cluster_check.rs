//! What differs between the nodes of a cluster and must not, and whether a failure on one moves the addresses to another.
//!
//! Nodes are compared by virtual router: family and `virtual_router_id`, on the same link if a node has several.

use super::cluster_priorities::{preemption, priorities, weights};
use super::diagnostic::Diagnostic;
use super::index::Index;
use super::model::Config;
use super::source::Span;
use crate::lvs::ServiceSpec;
use crate::vrrp::{Auth, Hmac, HmacMode, Peering, Spec, Version};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// One node's file.
#[derive(Clone, Debug)]
pub struct Node {
    /// For people: the node's `router_id`, or its file.
    pub name: String,
    pub config: Config,
    pub index: Index,
}

/// An instance of a node.
#[derive(Clone, Copy)]
pub(super) struct Member<'a> {
    pub node: &'a Node,
    pub spec: &'a Spec,
}

impl Member<'_> {
    pub(super) fn place(&self, keyword: &str) -> Option<Span> {
        self.node.index.place("vrrp_instance", &self.spec.name, keyword)
    }

    /// `VI_1 of lvs1`.
    pub(super) fn called(&self) -> String {
        format!("`{}` of {}", self.spec.name, self.node.name)
    }
}

/// Compares the nodes of one cluster; needs at least two.
pub fn compare(nodes: &[Node]) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    router_ids(nodes, &mut found);
    let (routers, alone) = routers(nodes);
    for members in &routers {
        if let Some((first, rest)) = members.split_first() {
            for other in rest {
                pair(first, other, &mut found);
            }
        }
        unicast(members, &mut found);
        priorities(members, &mut found);
        weights(members, &mut found);
        preemption(members, &mut found);
    }
    for member in &alone {
        lonely(member, nodes, &mut found);
    }
    services(nodes, &mut found);
    groups(nodes, &mut found);
    found
}

/// The virtual routers that more than one node has, and the instances that only one has.
fn routers(nodes: &[Node]) -> (Vec<Vec<Member<'_>>>, Vec<Member<'_>>) {
    let mut routers: Vec<Vec<Member<'_>>> = Vec::new();
    for node in nodes {
        for spec in &node.config.instances {
            let member = Member { node, spec };
            let same = |other: &Vec<Member<'_>>| {
                other.first().is_some_and(|m| m.spec.vrid == spec.vrid && m.spec.family == spec.family)
                    && other.iter().all(|m| m.node.name != node.name)
            };
            let on_link = routers.iter().position(|r| same(r) && r.iter().any(|m| m.spec.link == spec.link));
            // Links may have other names on other nodes; a second router of that id here tells them apart.
            let only = node.config.instances.iter().filter(|s| s.vrid == spec.vrid && s.family == spec.family).count();
            let any = || routers.iter().position(&same).filter(|_| only == 1);
            match on_link.or_else(any) {
                Some(at) => routers.get_mut(at).into_iter().for_each(|router| router.push(member)),
                None => routers.push(vec![member]),
            }
        }
    }
    let (routers, alone): (Vec<_>, Vec<_>) = routers.into_iter().partition(|members| members.len() > 1);
    (routers, alone.into_iter().flatten().collect())
}

pub(super) fn differs(
    id: &'static str,
    message: String,
    here: (&Member<'_>, &str),
    there: (&Member<'_>, &str),
) -> Diagnostic {
    let mut problem = Diagnostic::error(id, message);
    if let Some(place) = here.0.place(here.1) {
        problem = problem.at(place, format!("in {}", here.0.called()));
    }
    if let Some(place) = there.0.place(there.1) {
        problem = problem.at(place, format!("in {}", there.0.called()));
    }
    problem
}

/// What two nodes of one virtual router must have in common.
fn pair(first: &Member<'_>, other: &Member<'_>, found: &mut Vec<Diagnostic>) {
    let (a, b) = (first.spec, other.spec);
    let both = format!("{} and {}", first.called(), other.called());
    if a.version != b.version {
        let message = format!("{both} speak different versions: {} and {}", a.version.number(), b.version.number());
        let problem = differs("version-differs", message, (other, "version"), (first, "version"));
        found.push(problem.help("they drop each other's adverts and are both MASTER: write the same version"));
    } else if a.interval != b.interval {
        let message = format!("{both} have different intervals: {:?} and {:?}", a.interval, b.interval);
        let problem = differs("interval-differs", message, (other, "advert_int"), (first, "advert_int"));
        found.push(if a.version == Version::V2 {
            problem.help("VRRPv2 drops adverts of another interval, so both are MASTER: write the same advert_int")
        } else {
            warning(problem).help("in VRRPv3 a backup learns the master's, so it changes with the master")
        });
    }
    if !agree(&a.auth, &b.auth) {
        let what = if kind(&a.auth) == kind(&b.auth) {
            "have different passwords or keys".to_owned()
        } else {
            format!("authenticate differently: {} and {}", kind(&a.auth), kind(&b.auth))
        };
        let message = format!("{both} {what}");
        let problem = differs("authentication-differs", message, (other, "authentication"), (first, "authentication"));
        found.push(problem.help("they drop each other's adverts and are both MASTER"));
    }
    addresses(first, other, &both, found);
    match (&a.peering, &b.peering) {
        (Peering::Multicast(x), Peering::Multicast(y)) if x != y => {
            let message = format!("{both} send to different groups: {x} and {y}");
            found.push(
                differs("group-differs", message, (other, "vrrp_mcast_group4"), (first, "vrrp_mcast_group4"))
                    .help("they do not hear each other and are both MASTER"),
            );
        }
        (Peering::Multicast(_), Peering::Unicast(_)) | (Peering::Unicast(_), Peering::Multicast(_)) => {
            let message = format!("{both}: one sends to peers, the other to a group");
            found.push(
                differs("peering-differs", message, (other, "unicast_peer"), (first, "unicast_peer"))
                    .help("write unicast_peer on all nodes, or on none"),
            );
        }
        _ => {}
    }
}

pub(super) fn warning(problem: Diagnostic) -> Diagnostic {
    Diagnostic { severity: super::Severity::Warning, ..problem }
}

pub(super) fn note(problem: Diagnostic) -> Diagnostic {
    Diagnostic { severity: super::Severity::Note, ..problem }
}

/// Whether each takes the other's adverts.
fn agree(a: &Auth, b: &Auth) -> bool {
    match (a, b) {
        (Auth::Hmac(a), Auth::Hmac(b)) => takes(a, b) && takes(b, a),
        // To a keepalived that does not know signatures, a signed advert is too long.
        (Auth::Hmac(hmac), Auth::None) | (Auth::None, Auth::Hmac(hmac)) => hmac.mode == HmacMode::ReceiveOnly,
        _ => a == b,
    }
}

fn takes(receiver: &Hmac, sender: &Hmac) -> bool {
    if sender.mode == HmacMode::ReceiveOnly {
        return receiver.mode != HmacMode::Enforce;
    }
    let key = |hmac: &Hmac| hmac.keys.iter().find(|key| key.id == sender.active).cloned();
    key(receiver).is_some_and(|key_there| Some(key_there) == key(sender))
}

fn kind(auth: &Auth) -> &'static str {
    match auth {
        Auth::None => "not at all",
        Auth::Pass(_) => "PASS",
        Auth::Ah(_) => "AH",
        Auth::Hmac(_) => "HMAC",
    }
}

/// The addresses that move must be the same everywhere, or some are lost on the way.
fn addresses(first: &Member<'_>, other: &Member<'_>, both: &str, found: &mut Vec<Diagnostic>) {
    let set = |spec: &Spec| spec.all_addresses().map(|a| a.net.addr()).collect::<BTreeSet<IpAddr>>();
    let (a, b) = (set(first.spec), set(other.spec));
    let list = |addresses: BTreeSet<&IpAddr>| addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let (only_a, only_b) = (a.difference(&b).collect::<BTreeSet<_>>(), b.difference(&a).collect::<BTreeSet<_>>());
    if only_a.is_empty() && only_b.is_empty() {
        return;
    }
    let mut parts = Vec::new();
    for (member, only) in [(first, only_a), (other, only_b)] {
        if !only.is_empty() {
            parts.push(format!("only {} has {}", member.called(), list(only)));
        }
    }
    let message = format!("{both} move different addresses: {}", parts.join("; "));
    let keyword = "virtual_ipaddress";
    let problem = differs("addresses-differ", message, (other, keyword), (first, keyword));
    found.push(problem.help("an address that only one node has is gone while another is MASTER"));
}

/// Unicast peers must name each other.
fn unicast(members: &[Member<'_>], found: &mut Vec<Diagnostic>) {
    for member in members {
        let Peering::Unicast(unicast) = &member.spec.peering else { continue };
        for other in members.iter().filter(|other| other.node.name != member.node.name) {
            let Some(source) = other.spec.source else { continue };
            if unicast.peers.iter().all(|peer| peer.address != source) {
                let message = format!("{} does not name {} ({source}) as its peer", member.called(), other.called());
                found.push(
                    differs("peer-missing", message, (member, "unicast_peer"), (other, "unicast_src_ip"))
                        .help(format!("without its adverts {} becomes MASTER too: add {source}", other.called())),
                );
            }
        }
        if let Some(own) = member.spec.source
            && unicast.peers.iter().any(|peer| peer.address == own)
        {
            let message = format!("{} names itself ({own}) as a peer", member.called());
            found.push(warning(differs("peer-is-self", message, (member, "unicast_peer"), (member, "unicast_src_ip"))));
        }
    }
}

/// An instance that no other node has: its id differs there, or it is missing.
fn lonely(member: &Member<'_>, nodes: &[Node], found: &mut Vec<Diagnostic>) {
    for node in nodes.iter().filter(|node| node.name != member.node.name) {
        let twin = node.config.instances.iter().find(|s| s.name == member.spec.name);
        match twin {
            // Told once, at the later of the two.
            Some(spec) if nodes.iter().position(|n| n.name == node.name) < position(nodes, member) => {
                found.push(another_router(member, &Member { node, spec }));
            }
            Some(_) => {}
            None => {
                let message = format!("{} has no virtual router {} ({})", node.name, member.spec.vrid, member.called());
                let mut problem = Diagnostic::warning("instance-missing", message);
                if let Some(place) = member.place("virtual_router_id") {
                    problem = problem.at(place, "nobody takes over from this one");
                }
                found.push(problem);
            }
        }
    }
}

/// Instances of one name that are two virtual routers.
fn another_router(member: &Member<'_>, other: &Member<'_>) -> Diagnostic {
    let both = format!("{} and {}", member.called(), other.called());
    let (here, there) = (member.spec, other.spec);
    let (id, keyword, message) = if here.vrid == there.vrid {
        ("family-differs", "virtual_ipaddress", format!("one of {both} is of IPv4, the other of IPv6"))
    } else {
        ("vrid-differs", "virtual_router_id", format!("{both} have different ids: {} and {}", here.vrid, there.vrid))
    };
    differs(id, message, (member, keyword), (other, keyword))
        .help("they are two virtual routers, and both are MASTER of their addresses")
}

fn position(nodes: &[Node], member: &Member<'_>) -> Option<usize> {
    nodes.iter().position(|node| node.name == member.node.name)
}

fn router_ids(nodes: &[Node], found: &mut Vec<Diagnostic>) {
    let mut first: BTreeMap<&str, &Node> = BTreeMap::new();
    for node in nodes {
        let Some(id) = node.config.router_id.as_deref() else { continue };
        let Some(other) = first.insert(id, node) else { continue };
        let mut problem = Diagnostic::warning("same-router-id", format!("two nodes have the router_id `{id}`"));
        for node in [node, other] {
            if let Some(place) = node.index.place("global_defs", "", "router_id") {
                problem = problem.at(place, "");
            }
        }
        found.push(problem.help("it names the node in messages: give each node its own"));
    }
}

/// Virtual servers that are not the same on all nodes change with the master.
fn services(nodes: &[Node], found: &mut Vec<Diagnostic>) {
    let Some((first, rest)) = nodes.split_first() else { return };
    let by_key = |node: &Node| -> BTreeMap<String, ServiceSpec> {
        node.config.services.iter().map(|s| (s.key.to_string(), s.clone())).collect()
    };
    let ours = by_key(first);
    for other in rest {
        let theirs = by_key(other);
        let keys: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
        for key in keys {
            let what = match (ours.get(key), theirs.get(key)) {
                (Some(a), Some(b)) if a == b => continue,
                (Some(a), Some(b)) => service_difference(a, b),
                (Some(_), None) => format!("only {} has it", first.name),
                _ => format!("only {} has it", other.name),
            };
            let message = format!("virtual server {key} differs between {} and {}: {what}", first.name, other.name);
            let mut problem = Diagnostic::warning("service-differs", message);
            let name = key.split_once('/').map_or(key.as_str(), |(_, rest)| rest).replacen(':', " ", 1);
            for node in [other, first] {
                if let Some(place) = node.index.place("virtual_server", &name, "") {
                    problem = problem.at(place, format!("on {}", node.name));
                }
            }
            found.push(problem.help("the service changes when the addresses move: write the same on all nodes"));
        }
    }
}

fn service_difference(a: &ServiceSpec, b: &ServiceSpec) -> String {
    if a.scheduler != b.scheduler {
        return "another scheduler".into();
    }
    if a.persistence != b.persistence {
        return "another persistence".into();
    }
    let keys = |s: &ServiceSpec| s.reals.iter().map(|r| r.key.to_string()).collect::<BTreeSet<_>>();
    let (x, y) = (keys(a), keys(b));
    let apart: Vec<_> = x.symmetric_difference(&y).cloned().collect();
    if apart.is_empty() {
        return "weights, forwarding or checks of real servers".into();
    }
    format!("real server {}", apart.join(", "))
}

/// Sync groups of one name must hold the same instances.
fn groups(nodes: &[Node], found: &mut Vec<Diagnostic>) {
    let Some((first, rest)) = nodes.split_first() else { return };
    for other in rest {
        for group in &other.config.groups {
            let Some(ours) = first.config.groups.iter().find(|g| g.name == group.name) else { continue };
            let set = |members: &[String]| members.iter().cloned().collect::<BTreeSet<_>>();
            let apart: Vec<_> = set(&ours.members).symmetric_difference(&set(&group.members)).cloned().collect();
            if apart.is_empty() {
                continue;
            }
            let message =
                format!("vrrp_sync_group `{}` has other members on {}: {}", group.name, other.name, apart.join(", "));
            let mut problem = Diagnostic::warning("group-members-differ", message);
            for node in [other, first] {
                if let Some(place) = node.index.place("vrrp_sync_group", &group.name, "group") {
                    problem = problem.at(place, format!("on {}", node.name));
                }
            }
            found.push(problem.help("instances that move together on one node would not on the other"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::LinkName;
    use crate::vrrp::{Peer, Unicast, Vrid};

    fn node(name: &str, change: impl Fn(&mut Spec)) -> Node {
        let mut spec = Spec::new("A", LinkName::new("eth0").unwrap(), Vrid::new(1).unwrap());
        spec.priority = if name == "one" { 150 } else { 100 };
        change(&mut spec);
        let config = Config { instances: vec![spec], ..Config::default() };
        Node { name: name.into(), config, index: Index::default() }
    }

    fn unicast(own: &str, peers: &[&str]) -> impl Fn(&mut Spec) {
        let peer = |address: &&str| Peer { address: address.parse().unwrap(), min_ttl: 0, max_ttl: 255 };
        let peers: Vec<Peer> = peers.iter().map(peer).collect();
        let own: IpAddr = own.parse().unwrap();
        move |spec| {
            spec.source = Some(own);
            let peers = peers.clone();
            spec.peering = Peering::Unicast(Unicast { peers, check_source: false, hop_limit: 255 });
        }
    }

    fn ids(nodes: &[Node]) -> Vec<&'static str> {
        compare(nodes).iter().map(|d| d.id).collect()
    }

    #[test]
    fn unicast_peers_must_name_each_other() {
        let one = || node("one", unicast("192.0.2.1", &["192.0.2.2"]));
        assert_eq!(ids(&[one(), node("two", unicast("192.0.2.2", &["192.0.2.1"]))]), [""; 0]);
        assert_eq!(ids(&[one(), node("two", unicast("192.0.2.2", &["192.0.2.9"]))]), ["peer-missing"]);
        assert_eq!(ids(&[one(), node("two", unicast("192.0.2.2", &["192.0.2.1", "192.0.2.2"]))]), ["peer-is-self"]);
        assert_eq!(ids(&[one(), node("two", |_| {})]), ["peering-differs"]);
    }

    #[test]
    fn versions_groups_and_intervals_must_agree() {
        let with = |change: fn(&mut Spec)| ids(&[node("one", |_| {}), node("two", change)]);
        assert_eq!(with(|spec| spec.version = Version::V3), ["version-differs"]);
        assert_eq!(with(|spec| spec.peering = Peering::Multicast("224.0.0.19".parse().unwrap())), ["group-differs"]);
        assert_eq!(with(|spec| spec.interval = crate::time::Duration::from_secs(2)), ["interval-differs"]);
        // The same id in the other family is another virtual router.
        assert_eq!(with(|spec| spec.family = crate::net::Family::V6), ["family-differs"]);
        // On a link of another name it is the same one.
        assert_eq!(with(|spec| spec.link = LinkName::new("ens3").unwrap()), [""; 0]);
    }
}
