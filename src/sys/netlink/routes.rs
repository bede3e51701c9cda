//! Routes as rtnetlink has them: to messages and back.

use crate::kernel::{Encap, Hop, MAIN_TABLE, Metric, Metrics, Place, Realms, Route, RouteKind, Scope, TunnelOptions};
use crate::net::{IpNet, LinkName};
use netlink_packet_core::{DefaultNla, NLM_F_ACK, NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::route::{
    MplsLabel, RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteIp6Tunnel, RouteIp6TunnelFlags,
    RouteIpTunnel, RouteIpTunnelFlags, RouteLwEnCapType, RouteLwTunnelEncap, RouteMessage, RouteMetric,
    RouteMplsIpTunnel, RouteMplsTtlPropagation, RouteNextHop, RouteNextHopFlags, RoutePreference, RouteProtocol,
    RouteRealm, RouteScope, RouteType, RouteVia,
};
use nix::net::if_::if_indextoname;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// `ILA_ATTR_LOCATOR`, which the packet crate does not know.
const ILA_LOCATOR: u16 = 1;
/// `RTAX_FEATURE_ECN` (linux/rtnetlink.h).
const ECN: u32 = 1;

/// With what flags a route is added.
pub(super) const fn addition(place: Place) -> u16 {
    NLM_F_ACK
        | NLM_F_CREATE
        | match place {
            Place::Prepend => 0,
            Place::Append => NLM_F_APPEND,
            Place::Alone => NLM_F_EXCL,
        }
}

/// The message that adds a route, or names the one to remove. `index` finds a link's number.
pub(super) fn message<E>(route: &Route, index: impl Fn(&LinkName) -> Result<u32, E>) -> Result<RouteMessage, E> {
    let mut message = RouteMessage::default();
    let header = &mut message.header;
    header.address_family = if route.is_ipv6() { AddressFamily::Inet6 } else { AddressFamily::Inet };
    header.destination_prefix_length = route.to.prefix_len();
    header.source_prefix_length = route.from.map_or(0, |from| from.prefix_len());
    header.tos = route.tos;
    header.protocol = RouteProtocol::from(route.protocol);
    header.scope = RouteScope::from(route.scope.number());
    header.kind = kind_number(route.kind);
    // Tables beyond a byte stand in the attribute alone.
    header.table = u8::try_from(route.table).unwrap_or(RouteHeader::RT_TABLE_UNSPEC);
    let out = &mut message.attributes;
    out.push(RouteAttribute::Table(route.table));
    if route.to.prefix_len() > 0 {
        out.push(RouteAttribute::Destination(route.to.addr().into_route()));
    }
    if let Some(from) = route.from {
        out.push(RouteAttribute::Source(from.addr().into_route()));
    }
    out.extend(route.metric.map(RouteAttribute::Priority));
    out.extend(route.source.map(|source| RouteAttribute::PrefSource(source.into_route())));
    out.extend(route.realms.map(|realms| RouteAttribute::Realm(realm(realms))));
    out.extend(route.preference.map(|preference| RouteAttribute::Preference(RoutePreference::from(preference))));
    out.extend(route.expires.map(RouteAttribute::Expires));
    let propagation = |on: bool| if on { RouteMplsTtlPropagation::Enabled } else { RouteMplsTtlPropagation::Disabled };
    out.extend(route.ttl_propagate.map(|on| RouteAttribute::TtlPropagate(propagation(on))));
    let metrics = metrics(&route.metrics);
    if !metrics.is_empty() {
        out.push(RouteAttribute::Metrics(metrics));
    }
    match route.hops.as_slice() {
        [one] if one.weight.is_none() => {
            out.extend(one.link.as_ref().map(&index).transpose()?.map(RouteAttribute::Oif));
            out.extend(way(one, route.is_ipv6()));
            if one.onlink {
                message.header.flags |= RouteFlags::Onlink;
            }
        }
        [] => {}
        several => {
            let hops: Result<Vec<_>, E> = several.iter().map(|hop| next_hop(hop, route.is_ipv6(), &index)).collect();
            out.push(RouteAttribute::MultiPath(hops?));
        }
    }
    Ok(message)
}

fn next_hop<E>(hop: &Hop, ipv6: bool, index: impl Fn(&LinkName) -> Result<u32, E>) -> Result<RouteNextHop, E> {
    let mut next = RouteNextHop::default();
    next.interface_index = hop.link.as_ref().map(index).transpose()?.unwrap_or(0);
    next.hops = hop.weight.map_or(0, |weight| u8::try_from(weight.saturating_sub(1)).unwrap_or(u8::MAX));
    if hop.onlink {
        next.flags |= RouteNextHopFlags::Onlink;
    }
    next.attributes = way(hop, ipv6);
    Ok(next)
}

/// Gateway, realms and tunnel of one hop.
fn way(hop: &Hop, ipv6: bool) -> Vec<RouteAttribute> {
    let mut out = Vec::new();
    out.extend(hop.via.map(|via| match via {
        // An IPv4 route by an IPv6 gateway.
        IpAddr::V6(via) if !ipv6 => RouteAttribute::Via(RouteVia::Inet6(via)),
        via => RouteAttribute::Gateway(via.into_route()),
    }));
    out.extend(hop.realms.map(|realms| RouteAttribute::Realm(realm(realms))));
    if let Some(encap) = &hop.encap {
        let (kind, options) = encapsulation(encap);
        out.push(RouteAttribute::EncapType(kind));
        out.push(RouteAttribute::Encap(options));
    }
    out
}

fn encapsulation(encap: &Encap) -> (RouteLwEnCapType, Vec<RouteLwTunnelEncap>) {
    match encap {
        Encap::Ip(options) => {
            let v4 = |ip: IpAddr| if let IpAddr::V4(ip) = ip { ip } else { Ipv4Addr::UNSPECIFIED };
            let all = [
                options.id.map(RouteIpTunnel::Id),
                options.dst.map(|ip| RouteIpTunnel::Destination(v4(ip))),
                options.src.map(|ip| RouteIpTunnel::Source(v4(ip))),
                options.tos.map(RouteIpTunnel::Tos),
                options.ttl.map(RouteIpTunnel::Ttl),
                options.flags.map(|bits| RouteIpTunnel::Flags(RouteIpTunnelFlags::from_bits_retain(bits))),
            ];
            (RouteLwEnCapType::Ip, all.into_iter().flatten().map(RouteLwTunnelEncap::Ip).collect())
        }
        Encap::Ip6(options) => {
            let v6 = |ip: IpAddr| if let IpAddr::V6(ip) = ip { ip } else { Ipv6Addr::UNSPECIFIED };
            let all = [
                options.id.map(RouteIp6Tunnel::Id),
                options.dst.map(|ip| RouteIp6Tunnel::Destination(v6(ip))),
                options.src.map(|ip| RouteIp6Tunnel::Source(v6(ip))),
                options.tos.map(RouteIp6Tunnel::Tc),
                options.ttl.map(RouteIp6Tunnel::Hoplimit),
                options.flags.map(|bits| RouteIp6Tunnel::Flags(RouteIp6TunnelFlags::from_bits_retain(bits))),
            ];
            (RouteLwEnCapType::Ip6, all.into_iter().flatten().map(RouteLwTunnelEncap::Ip6).collect())
        }
        Encap::Mpls(labels) => {
            let last = labels.len().saturating_sub(1);
            let label = |(place, label): (usize, &u32)| MplsLabel {
                label: *label,
                traffic_class: 0,
                bottom_of_stack: place == last,
                ttl: 0,
            };
            let stack = labels.iter().enumerate().map(label).collect();
            let stack = RouteLwTunnelEncap::Mpls(RouteMplsIpTunnel::Destination(stack));
            (RouteLwEnCapType::Mpls, vec![stack])
        }
        Encap::Ila(locator) => {
            let locator = DefaultNla::new(ILA_LOCATOR, locator.to_be_bytes().to_vec());
            (RouteLwEnCapType::Ila, vec![RouteLwTunnelEncap::Other(locator)])
        }
        Encap::Other => (RouteLwEnCapType::None, Vec::new()),
    }
}

fn metrics(metrics: &Metrics) -> Vec<RouteMetric> {
    let mut out: Vec<RouteMetric> = metrics.values.iter().map(|(metric, value)| of_kernel(*metric, *value)).collect();
    let congestion_locked = metrics.congestion.as_ref().is_some_and(|(_, locked)| *locked);
    let lock = metrics.locked.iter().fold(0, |bits, metric| bits | 1 << number(*metric));
    let lock = if congestion_locked { lock | 1 << CC_ALGO } else { lock };
    if lock != 0 {
        out.push(RouteMetric::Lock(lock));
    }
    out.extend(metrics.congestion.iter().map(|(name, _)| RouteMetric::CcAlgo(name.clone())));
    out
}

/// `RTAX_CC_ALGO`.
const CC_ALGO: u32 = 16;

const METRICS: [Metric; 15] = [
    Metric::Mtu,
    Metric::Window,
    Metric::Rtt,
    Metric::RttVar,
    Metric::SsThresh,
    Metric::Cwnd,
    Metric::AdvMss,
    Metric::Reordering,
    Metric::HopLimit,
    Metric::InitCwnd,
    Metric::Features,
    Metric::RtoMin,
    Metric::InitRwnd,
    Metric::QuickAck,
    Metric::FastopenNoCookie,
];

/// `RTAX_*` (linux/rtnetlink.h).
const fn number(metric: Metric) -> u32 {
    match metric {
        Metric::Mtu => 2,
        Metric::Window => 3,
        Metric::Rtt => 4,
        Metric::RttVar => 5,
        Metric::SsThresh => 6,
        Metric::Cwnd => 7,
        Metric::AdvMss => 8,
        Metric::Reordering => 9,
        Metric::HopLimit => 10,
        Metric::InitCwnd => 11,
        Metric::Features => 12,
        Metric::RtoMin => 13,
        Metric::InitRwnd => 14,
        Metric::QuickAck => 15,
        Metric::FastopenNoCookie => 17,
    }
}

const fn of_kernel(metric: Metric, value: u32) -> RouteMetric {
    match metric {
        Metric::Mtu => RouteMetric::Mtu(value),
        Metric::Window => RouteMetric::Window(value),
        Metric::Rtt => RouteMetric::Rtt(value),
        Metric::RttVar => RouteMetric::RttVar(value),
        Metric::SsThresh => RouteMetric::SsThresh(value),
        Metric::Cwnd => RouteMetric::Cwnd(value),
        Metric::AdvMss => RouteMetric::Advmss(value),
        Metric::Reordering => RouteMetric::Reordering(value),
        Metric::HopLimit => RouteMetric::Hoplimit(value),
        Metric::InitCwnd => RouteMetric::InitCwnd(value),
        Metric::Features => RouteMetric::Features(value),
        Metric::RtoMin => RouteMetric::RtoMin(value),
        Metric::InitRwnd => RouteMetric::InitRwnd(value),
        Metric::QuickAck => RouteMetric::QuickAck(value),
        Metric::FastopenNoCookie => RouteMetric::FastopenNoCookie(value),
    }
}

fn kind_number(kind: RouteKind) -> RouteType {
    match kind {
        RouteKind::Unicast => RouteType::Unicast,
        RouteKind::Local => RouteType::Local,
        RouteKind::Broadcast => RouteType::Broadcast,
        RouteKind::Anycast => RouteType::Anycast,
        RouteKind::Multicast => RouteType::Multicast,
        RouteKind::Throw => RouteType::Throw,
        RouteKind::Unreachable => RouteType::Unreachable,
        RouteKind::Prohibit => RouteType::Prohibit,
        RouteKind::Blackhole => RouteType::BlackHole,
    }
}

const fn realm(realms: Realms) -> RouteRealm {
    RouteRealm { source: realms.from, destination: realms.to }
}

/// Addresses as the packet crate has them.
trait IntoRoute {
    fn into_route(self) -> RouteAddress;
}

impl IntoRoute for IpAddr {
    fn into_route(self) -> RouteAddress {
        match self {
            Self::V4(ip) => RouteAddress::Inet(ip),
            Self::V6(ip) => RouteAddress::Inet6(ip),
        }
    }
}

/// A route as the kernel reports it; none: of a kind or a family that is never ours.
pub(super) fn read(message: &RouteMessage) -> Option<Route> {
    let header = &message.header;
    let kind = RouteKind::ALL.into_iter().find(|kind| kind_number(*kind) == header.kind)?;
    let nowhere: IpAddr = match header.address_family {
        AddressFamily::Inet => Ipv4Addr::UNSPECIFIED.into(),
        AddressFamily::Inet6 => Ipv6Addr::UNSPECIFIED.into(),
        _ => return None,
    };
    let mut to = nowhere;
    let mut from = None;
    let mut table = u32::from(header.table);
    let mut route = Route::new(IpNet::new(nowhere, 0).ok()?);
    let mut one = Hop { onlink: header.flags.contains(RouteFlags::Onlink), ..Hop::default() };
    let mut has_way = false;
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Destination(address) => to = ip(address)?,
            RouteAttribute::Source(address) => from = ip(address),
            RouteAttribute::Table(number) => table = *number,
            RouteAttribute::Priority(metric) => route.metric = Some(*metric),
            RouteAttribute::PrefSource(address) => route.source = ip(address),
            RouteAttribute::Realm(realm) => route.realms = Some(Realms { from: realm.source, to: realm.destination }),
            RouteAttribute::Preference(preference) => route.preference = Some(u8::from(*preference)),
            RouteAttribute::Metrics(metrics) => route.metrics = read_metrics(metrics),
            RouteAttribute::MultiPath(hops) => route.hops = hops.iter().map(read_hop).collect(),
            RouteAttribute::Oif(_) | RouteAttribute::Gateway(_) | RouteAttribute::Via(_) => {
                has_way = true;
                read_way(attribute, &mut one);
            }
            other => read_way(other, &mut one),
        }
    }
    if has_way && route.hops.is_empty() {
        route.hops.push(one);
    }
    route.kind = kind;
    route.to = IpNet::new(to, header.destination_prefix_length).ok()?;
    route.from = match from {
        Some(from) => Some(IpNet::new(from, header.source_prefix_length).ok()?),
        None => None,
    };
    (route.tos, route.table) = (header.tos, if table == 0 { MAIN_TABLE } else { table });
    route.protocol = u8::from(header.protocol);
    route.scope = scope(u8::from(header.scope));
    Some(route)
}

fn scope(number: u8) -> Scope {
    match number {
        0 => Scope::Global,
        200 => Scope::Site,
        253 => Scope::Link,
        254 => Scope::Host,
        other => Scope::Other(other),
    }
}

fn read_hop(next: &RouteNextHop) -> Hop {
    let mut hop = Hop {
        link: name_of(next.interface_index),
        onlink: next.flags.contains(RouteNextHopFlags::Onlink),
        weight: Some(u16::from(next.hops) + 1),
        ..Hop::default()
    };
    for attribute in &next.attributes {
        read_way(attribute, &mut hop);
    }
    hop
}

fn read_way(attribute: &RouteAttribute, hop: &mut Hop) {
    match attribute {
        RouteAttribute::Oif(index) => hop.link = name_of(*index),
        RouteAttribute::Gateway(address) => hop.via = ip(address),
        RouteAttribute::Via(RouteVia::Inet(address)) => hop.via = Some((*address).into()),
        RouteAttribute::Via(RouteVia::Inet6(address)) => hop.via = Some((*address).into()),
        RouteAttribute::Realm(realm) => hop.realms = Some(Realms { from: realm.source, to: realm.destination }),
        RouteAttribute::EncapType(kind) => {
            hop.encap = Some(match kind {
                RouteLwEnCapType::Ip => Encap::Ip(TunnelOptions::default()),
                RouteLwEnCapType::Ip6 => Encap::Ip6(TunnelOptions::default()),
                RouteLwEnCapType::Mpls => Encap::Mpls(Vec::new()),
                RouteLwEnCapType::Ila => Encap::Ila(0),
                _ => Encap::Other,
            });
        }
        _ => {}
    }
}

fn read_metrics(metrics: &[RouteMetric]) -> Metrics {
    let mut read = Metrics::default();
    let mut lock = 0;
    for metric in metrics {
        match metric {
            RouteMetric::Lock(bits) => lock = *bits,
            RouteMetric::CcAlgo(name) => read.congestion = Some((name.clone(), false)),
            // What the congestion control algorithm sets for itself is not the user's.
            RouteMetric::Features(bits) => drop(read.values.insert(Metric::Features, bits & ECN)),
            other => {
                let known = METRICS.into_iter().find_map(|m| value_of(m, other).map(|value| (m, value)));
                read.values.extend(known);
            }
        }
    }
    read.locked = METRICS.into_iter().filter(|m| lock & 1 << number(*m) != 0).collect();
    if let Some((_, locked)) = &mut read.congestion {
        *locked = lock & 1 << CC_ALGO != 0;
    }
    read
}

/// The value, if `metric` is the one looked for.
fn value_of(looked_for: Metric, metric: &RouteMetric) -> Option<u32> {
    let value = match metric {
        RouteMetric::Mtu(value)
        | RouteMetric::Window(value)
        | RouteMetric::Rtt(value)
        | RouteMetric::RttVar(value)
        | RouteMetric::SsThresh(value)
        | RouteMetric::Cwnd(value)
        | RouteMetric::Advmss(value)
        | RouteMetric::Reordering(value)
        | RouteMetric::Hoplimit(value)
        | RouteMetric::InitCwnd(value)
        | RouteMetric::RtoMin(value)
        | RouteMetric::InitRwnd(value)
        | RouteMetric::QuickAck(value)
        | RouteMetric::FastopenNoCookie(value) => *value,
        _ => return None,
    };
    (of_kernel(looked_for, value) == *metric).then_some(value)
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(ip) => Some((*ip).into()),
        RouteAddress::Inet6(ip) => Some((*ip).into()),
        _ => None,
    }
}

fn name_of(index: u32) -> Option<LinkName> {
    LinkName::new(if_indextoname(index).ok()?.to_str().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_survives_the_way_to_the_kernel_and_back() {
        let lo = Hop { link: LinkName::new("lo").ok(), ..Hop::default() };
        let via = |gateway: &str, weight| Hop { via: gateway.parse().ok(), weight, ..lo.clone() };
        let mut plain = Route::new("10.1.0.0/16".parse().unwrap());
        plain.hops = vec![via("10.0.0.2", None)];
        (plain.table, plain.metric, plain.tos, plain.source) = (1000, Some(7), 0x10, "10.0.0.9".parse().ok());
        plain.realms = Some(Realms { from: 3, to: 4 });
        plain.metrics.values = METRICS.into_iter().map(|m| (m, if m == Metric::Features { ECN } else { 9 })).collect();
        plain.metrics.locked = vec![Metric::Mtu, Metric::Cwnd];
        plain.metrics.congestion = Some(("cubic".into(), true));
        let mut several = Route::new("2001:db8::/32".parse().unwrap());
        several.hops = vec![via("fe80::1", Some(1)), via("fe80::2", Some(256))];
        (several.from, several.preference) = ("2001:db8:9::/48".parse().ok(), Some(1));
        several.scope = Scope::Global;
        let mut mixed = Route::new("10.2.0.0/16".parse().unwrap());
        mixed.hops = vec![Hop { onlink: true, ..via("fe80::1", None) }];
        let nowhere = Route { kind: RouteKind::Blackhole, ..Route::new("0.0.0.0/0".parse().unwrap()) };
        for route in [plain, several, mixed, nowhere] {
            let message = message(&route, |link| nix::net::if_::if_nametoindex(link.as_str())).unwrap();
            let back = read(&message).unwrap();
            assert!(route.is(&back), "{route:?}\n{back:?}");
            assert_eq!(back.realms.or(route.realms), route.realms);
        }
    }
}
