//! Which instances of different nodes are one virtual router.

use crate::net::IpNet;
use crate::status::{Instance, Snapshot};
use std::collections::BTreeMap;

/// One virtual router: where each node has its member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Router {
    pub vrid: u8,
    /// As the first node that has it calls it.
    pub name: String,
    /// The addresses, in order, as that node has them.
    pub vips: Vec<IpNet>,
    /// For each node the place in its list of instances.
    pub members: Vec<Option<usize>>,
}

/// The virtual routers of a cluster: the same VRID with an address in common, or with the same name, is the same one.
pub fn routers(nodes: &[Option<&Snapshot>]) -> Vec<Router> {
    let mut routers: Vec<Router> = Vec::new();
    let mut of_vrid: BTreeMap<u8, Vec<usize>> = BTreeMap::new();
    for (node, snapshot) in nodes.iter().enumerate() {
        for (place, instance) in snapshot.iter().flat_map(|s| &s.instances).enumerate() {
            let vips = nets(instance);
            let known = of_vrid.entry(instance.vrid).or_default();
            let same = known.iter().copied().find(|at| {
                routers.get(*at).is_some_and(|r| {
                    let free = r.members.get(node).is_some_and(Option::is_none);
                    free && (r.name == instance.name || r.vips.iter().any(|v| vips.contains(v)))
                })
            });
            if let Some(member) = same.and_then(|at| routers.get_mut(at)?.members.get_mut(node)) {
                *member = Some(place);
                continue;
            }
            let mut members = vec![None; nodes.len()];
            if let Some(member) = members.get_mut(node) {
                *member = Some(place);
            }
            known.push(routers.len());
            routers.push(Router { vrid: instance.vrid, name: instance.name.clone(), vips, members });
        }
    }
    routers
}

/// The addresses of an instance, in order.
pub fn nets(instance: &Instance) -> Vec<IpNet> {
    let mut nets: Vec<IpNet> = instance.vips.iter().map(|v| v.net).collect();
    nets.sort();
    nets
}

/// "10.0.0.20/24 +2".
pub fn vips_in_short(vips: &[IpNet]) -> String {
    match vips {
        [] => "no address".into(),
        [one] => one.to_string(),
        [first, rest @ ..] => format!("{first} +{}", rest.len()),
    }
}
