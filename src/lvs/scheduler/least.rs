//! Those that compare the servers' loads: lc, wlc, sed, nq, fo, ovf, twos.

use super::{Request, Server};

pub(super) fn connections(servers: &[impl Server], request: &Request<'_>) -> Option<usize> {
    least(servers, request, load, |_| 1)
}

pub(super) fn weighted_connections(servers: &[impl Server], request: &Request<'_>) -> Option<usize> {
    least(servers, request, load, Server::weight)
}

/// The delay that a further connection would have: one more than the established ones, for its share.
pub(super) fn expected_delay<S: Server>(servers: &[S], request: &Request<'_>) -> Option<usize> {
    least(servers, request, |server| u64::from(server.active()) + 1, S::weight)
}

/// The first that has no established connection; if each has one, the shortest expected delay.
pub(super) fn never_queue(servers: &[impl Server], request: &Request<'_>) -> Option<usize> {
    let idle = servers.iter().position(|server| server.active() == 0 && request.may_have(server));
    idle.or_else(|| expected_delay(servers, request))
}

/// The greatest weight gets everything.
pub(super) fn failover(servers: &[impl Server], request: &Request<'_>) -> Option<usize> {
    heaviest(servers, |server| request.may_have(server))
}

/// The greatest weight of those that have no more established connections than that.
pub(super) fn overflow<S: Server>(servers: &[S], request: &Request<'_>) -> Option<usize> {
    heaviest(servers, |server: &S| request.may_have(server) && server.active() <= server.weight())
}

/// Two are drawn by weight, and the one with less load for its share is taken; the same one may be drawn twice.
pub(super) fn two_choices(
    servers: &[impl Server],
    request: &Request<'_>,
    mut draw: impl FnMut() -> u64,
) -> Option<usize> {
    let eligible = || servers.iter().enumerate().filter(|(_, server)| request.may_have(*server));
    let total: u64 = eligible().map(|(_, server)| u64::from(server.weight())).sum();
    let mut one = || {
        let mut point = draw().checked_rem(total)?;
        eligible().find(|(_, server)| {
            let here = point < server.weight().into();
            point = point.saturating_sub(server.weight().into());
            here
        })
    };
    let (first, second) = (one()?, one()?);
    let is_less = cross(second.1, first.1, |server| server.active().into(), Server::weight);
    Some(if is_less { second.0 } else { first.0 })
}

/// IPVS counts an established connection as 256 others.
pub(super) fn load(server: &impl Server) -> u64 {
    u64::from(server.active()) * 256 + u64::from(server.inactive())
}

/// The least load for its share, the first among equals.
fn least<S: Server>(
    servers: &[S],
    request: &Request<'_>,
    load: impl Fn(&S) -> u64,
    share: impl Fn(&S) -> u32,
) -> Option<usize> {
    let mut best: Option<(usize, &S)> = None;
    for (place, server) in servers.iter().enumerate().filter(|(_, server)| request.may_have(*server)) {
        if best.is_none_or(|(_, best)| cross(server, best, &load, &share)) {
            best = Some((place, server));
        }
    }
    best.map(|(place, _)| place)
}

/// Whether load / share of `a` is less than that of `b`, without a division.
fn cross<S: Server>(a: &S, b: &S, load: impl Fn(&S) -> u64, share: impl Fn(&S) -> u32) -> bool {
    u128::from(load(a)) * u128::from(share(b)) < u128::from(load(b)) * u128::from(share(a))
}

/// The first of the greatest weight.
fn heaviest<S: Server>(servers: &[S], eligible: impl Fn(&S) -> bool) -> Option<usize> {
    let all = servers.iter().enumerate().filter(|(_, server)| eligible(*server));
    all.max_by_key(|(place, server)| (server.weight(), std::cmp::Reverse(*place))).map(|(place, _)| place)
}
