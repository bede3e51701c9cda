//! lblc and lblcr: a target has a home, one server or several, until those are overloaded.

use super::{Request, Server, least};
use crate::kernel::DestinationKey;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// The servers that each target has. A virtual service on an address has one target: these two are made for caches
/// behind a mark, whose clients ask for many. A home at its upper threshold gets no more here; the kernel's does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Homes {
    of: BTreeMap<IpAddr, Vec<DestinationKey>>,
}

impl Homes {
    /// lblc: the home; if it takes nothing or is overloaded, the least weighted load is the next home.
    pub(super) fn one(&mut self, servers: &[impl Server], request: &Request<'_>) -> Option<usize> {
        if let Some(place) = self.home(servers, request).filter(|place| !is_overloaded(servers, *place)) {
            return Some(place);
        }
        let chosen = least::weighted_connections(servers, request)?;
        let key = servers.get(chosen)?.key();
        self.of.insert(request.target, vec![key]);
        Some(chosen)
    }

    /// lblcr: the least loaded of the homes; if that one is overloaded, the least weighted load becomes one more. The
    /// kernel takes the busiest away again when nothing was added for a day; here they stay until they take nothing.
    pub(super) fn several(&mut self, servers: &[impl Server], request: &Request<'_>) -> Option<usize> {
        if let Some(place) = self.home(servers, request).filter(|place| !is_overloaded(servers, *place)) {
            return Some(place);
        }
        let chosen = least::weighted_connections(servers, request)?;
        let key = servers.get(chosen)?.key();
        let homes = self.of.entry(request.target).or_default();
        homes.retain(|home| servers.iter().any(|server| server.key() == *home));
        if !homes.contains(&key) {
            homes.push(key);
        }
        Some(chosen)
    }

    fn home(&self, servers: &[impl Server], request: &Request<'_>) -> Option<usize> {
        let homes = self.of.get(&request.target)?;
        let place = |home: &DestinationKey| servers.iter().enumerate().find(|(_, s)| s.key() == *home);
        // The newest first. load / weight, compared without a division.
        let places = homes.iter().rev().filter_map(place).filter(|(_, s)| request.may_have(*s));
        places
            .min_by(|(_, a), (_, b)| {
                let (load_a, load_b) = (u128::from(least::load(*a)), u128::from(least::load(*b)));
                (load_a * u128::from(b.weight())).cmp(&(load_b * u128::from(a.weight())))
            })
            .map(|(place, _)| place)
    }
}

/// It has more established connections than its weight, and somebody has fewer than half of theirs.
fn is_overloaded(servers: &[impl Server], place: usize) -> bool {
    let is_full = servers.get(place).is_some_and(|server| server.active() > server.weight());
    is_full && servers.iter().any(|server| u64::from(server.active()) * 2 < server.weight().into())
}
