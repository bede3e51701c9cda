//! Routes (ip-route(8)): as a configuration wants them and as the kernel reports them.

use super::state::Scope;
use crate::net::{IpNet, LinkName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

/// The protocol number that marks routes and rules as ours, the one keepalived uses (`RTPROT_KEEPALIVED`).
pub const OUR_PROTOCOL: u8 = 18;
/// Where routes go and are looked up without a `table` (`RT_TABLE_MAIN`).
pub const MAIN_TABLE: u32 = 254;
/// The metric the kernel gives an IPv6 route without one (`IP6_RT_PRIO_USER`).
const IPV6_METRIC: u32 = 1024;

/// A route. Wanted, what is not written is none or its default; reported, what the kernel has filled in stands there,
/// too: [`Route::is`] compares the two.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Route {
    pub kind: RouteKind,
    /// Host bits are clear; the default route has length 0.
    pub to: IpNet,
    /// Only for packets from there (IPv6).
    pub from: Option<IpNet>,
    pub tos: u8,
    pub table: u32,
    pub metric: Option<u32>,
    /// Who made it (`rt_protos`): ours, unless the file says otherwise and `no_track`.
    pub protocol: u8,
    pub scope: Scope,
    /// The ways there; none for kinds that lead nowhere, several for a multipath route.
    pub hops: Vec<Hop>,
    /// The source address of packets that have none yet (`src`).
    pub source: Option<IpAddr>,
    pub realms: Option<Realms>,
    pub metrics: Metrics,
    /// The preference of RFC 4191: 3 low, 0 medium, 1 high (IPv6).
    pub preference: Option<u8>,
    /// Seconds after which the kernel removes it (IPv6).
    pub expires: Option<u32>,
    pub ttl_propagate: Option<bool>,
    pub place: Place,
    /// Watched, and put back when somebody else removes it (not `no_track`).
    pub tracked: bool,
}

/// What becomes of a packet (rtnetlink(7), `rtm_type`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RouteKind {
    #[default]
    Unicast,
    Local,
    Broadcast,
    Anycast,
    Multicast,
    Throw,
    Unreachable,
    Prohibit,
    Blackhole,
}

impl RouteKind {
    pub const ALL: [Self; 9] = [
        Self::Unicast,
        Self::Local,
        Self::Broadcast,
        Self::Anycast,
        Self::Multicast,
        Self::Throw,
        Self::Unreachable,
        Self::Prohibit,
        Self::Blackhole,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Unicast => "unicast",
            Self::Local => "local",
            Self::Broadcast => "broadcast",
            Self::Anycast => "anycast",
            Self::Multicast => "multicast",
            Self::Throw => "throw",
            Self::Unreachable => "unreachable",
            Self::Prohibit => "prohibit",
            Self::Blackhole => "blackhole",
        }
    }

    /// Whether a packet goes out somewhere.
    pub const fn leads_somewhere(self) -> bool {
        !matches!(self, Self::Throw | Self::Unreachable | Self::Prohibit | Self::Blackhole)
    }
}

/// One way to the destination.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Hop {
    pub via: Option<IpAddr>,
    pub link: Option<LinkName>,
    /// The gateway is on the link, whatever its address says.
    pub onlink: bool,
    /// 1 to 256, among several ways.
    pub weight: Option<u16>,
    pub realms: Option<Realms>,
    pub encap: Option<Encap>,
}

/// Routing realms (rt_realms).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Realms {
    pub from: u16,
    pub to: u16,
}

/// A light-weight tunnel (ip-route(8), ENCAP).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Encap {
    Ip(TunnelOptions),
    Ip6(TunnelOptions),
    /// The labels, the outermost first.
    Mpls(Vec<u32>),
    Ila(u64),
    /// Reported by the kernel, and none of the above.
    Other,
}

/// Options of `encap ip` and `encap ip6`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TunnelOptions {
    pub id: Option<u64>,
    pub dst: Option<IpAddr>,
    pub src: Option<IpAddr>,
    /// `tos`, and `tc` of IPv6.
    pub tos: Option<u8>,
    /// `ttl`, and `hoplimit` of IPv6.
    pub ttl: Option<u8>,
    pub flags: Option<u16>,
}

/// Settings of TCP and of paths for whoever takes this route.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Metrics {
    /// In the kernel's units.
    pub values: BTreeMap<Metric, u32>,
    /// Those that path discovery does not change (`lock`).
    pub locked: Vec<Metric>,
    /// The congestion control algorithm, and whether it is locked (`congctl`).
    pub congestion: Option<(String, bool)>,
}

/// A metric of a route (rtnetlink(7), `RTAX_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Metric {
    Mtu,
    Window,
    /// Eighths of a millisecond.
    Rtt,
    /// Quarters of a millisecond.
    RttVar,
    SsThresh,
    Cwnd,
    AdvMss,
    Reordering,
    HopLimit,
    InitCwnd,
    Features,
    /// Milliseconds.
    RtoMin,
    InitRwnd,
    QuickAck,
    FastopenNoCookie,
}

/// Where a route goes among others with the same destination, TOS and metric.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Place {
    /// Before them (keepalived's default).
    #[default]
    Prepend,
    Append,
    /// Nowhere: it is an error if there is one (`add`).
    Alone,
}

/// What the kernel finds a route by, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RouteKey {
    table: u32,
    to: IpNet,
    from: Option<IpNet>,
    tos: u8,
    metric: u32,
    protocol: u8,
}

impl Route {
    /// A route with every default and no way there yet.
    pub fn new(to: IpNet) -> Self {
        Self {
            kind: RouteKind::Unicast,
            to: to.trunc(),
            from: None,
            tos: 0,
            table: MAIN_TABLE,
            metric: None,
            protocol: OUR_PROTOCOL,
            scope: Scope::Global,
            hops: Vec::new(),
            source: None,
            realms: None,
            metrics: Metrics::default(),
            preference: None,
            expires: None,
            ttl_propagate: None,
            place: Place::Prepend,
            tracked: true,
        }
    }

    pub const fn is_ipv6(&self) -> bool {
        matches!(self.to, IpNet::V6(_))
    }

    pub fn key(&self) -> RouteKey {
        let default = if self.is_ipv6() { IPV6_METRIC } else { 0 };
        RouteKey {
            table: self.table,
            to: self.to,
            from: self.from,
            tos: self.tos,
            metric: self.metric.filter(|metric| *metric > 0).unwrap_or(default),
            protocol: self.protocol,
        }
    }

    /// Whether `seen`, as the kernel reports it, is this route: what is not written here may be anything.
    pub fn is(&self, seen: &Self) -> bool {
        let unasked = |wanted: Option<u8>, seen: Option<u8>| wanted.is_none_or(|w| seen == Some(w));
        self.key() == seen.key()
            && self.kind == seen.kind
            && (self.is_ipv6() || self.scope == seen.scope)
            && self.source == seen.source
            && (self.realms.is_none() || self.realms == seen.realms)
            && self.metrics.effective() == seen.metrics.effective()
            && unasked(self.preference, seen.preference)
            && self.takes_the_ways_of(seen)
    }

    /// IPv6 knows one multipath route where several routes were added; IPv4 keeps them apart, in their order.
    fn takes_the_ways_of(&self, seen: &Self) -> bool {
        if !self.kind.leads_somewhere() {
            return true;
        }
        if self.is_ipv6() {
            return self.hops.iter().all(|hop| seen.hops.iter().any(|s| hop.is(s)));
        }
        self.hops.len() == seen.hops.len() && self.hops.iter().zip(&seen.hops).all(|(hop, s)| hop.is(s))
    }

    /// The links it names.
    pub fn links(&self) -> impl Iterator<Item = &LinkName> {
        self.hops.iter().filter_map(|hop| hop.link.as_ref())
    }
}

impl Hop {
    fn is(&self, seen: &Self) -> bool {
        let same_kind = |a: &Encap, b: &Encap| std::mem::discriminant(a) == std::mem::discriminant(b);
        let encap = match (&self.encap, &seen.encap) {
            (None, None) => true,
            (Some(wanted), Some(seen)) => same_kind(wanted, seen),
            _ => false,
        };
        self.via == seen.via
            && (self.link.is_none() || self.link == seen.link)
            && (!self.onlink || seen.onlink)
            && self.weight.is_none_or(|weight| seen.weight.unwrap_or(1) == weight)
            && encap
    }
}

impl Metrics {
    /// What the kernel keeps: zero is none.
    fn effective(&self) -> impl PartialEq {
        let values: BTreeMap<_, _> = self.values.iter().filter(|(_, v)| **v != 0).map(|(m, v)| (*m, *v)).collect();
        let mut locked = self.locked.clone();
        locked.sort_unstable();
        (values, locked, self.congestion.clone())
    }
}

/// As ip-route(8) would print it, without metrics.
impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.kind != RouteKind::Unicast {
            write!(f, "{} ", self.kind.name())?;
        }
        match self.to.prefix_len() {
            0 => f.write_str("default")?,
            length if length == self.to.max_prefix_len() => write!(f, "{}", self.to.addr())?,
            _ => write!(f, "{}", self.to)?,
        }
        if let Some(from) = self.from {
            write!(f, " from {from}")?;
        }
        if self.tos != 0 {
            write!(f, " tos {:#04x}", self.tos)?;
        }
        match self.hops.as_slice() {
            [one] => write!(f, "{one}")?,
            several => several.iter().try_for_each(|hop| write!(f, " nexthop{hop}"))?,
        }
        if self.table != MAIN_TABLE {
            write!(f, " table {}", self.table)?;
        }
        if let Some(source) = self.source {
            write!(f, " src {source}")?;
        }
        self.metric.map_or(Ok(()), |metric| write!(f, " metric {metric}"))
    }
}

impl fmt::Display for Hop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(via) = self.via {
            write!(f, " via {via}")?;
        }
        if let Some(link) = &self.link {
            write!(f, " dev {link}")?;
        }
        self.weight.map_or(Ok(()), |weight| write!(f, " weight {weight}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(to: &str, via: Option<&str>, link: Option<&str>) -> Route {
        let hop = Hop {
            via: via.map(|v| v.parse().unwrap()),
            link: link.map(|l| LinkName::new(l).unwrap()),
            ..Hop::default()
        };
        Route { hops: vec![hop], ..Route::new(to.parse().unwrap()) }
    }

    #[test]
    fn what_is_not_written_may_be_anything() {
        let wanted = route("10.1.0.0/16", Some("10.0.0.2"), None);
        assert!(wanted.is(&route("10.1.0.0/16", Some("10.0.0.2"), Some("eth0"))));
        assert!(!wanted.is(&route("10.1.0.0/16", Some("10.0.0.3"), Some("eth0"))));
        let mut other = route("10.1.0.0/16", Some("10.0.0.2"), Some("eth0"));
        other.protocol = 4;
        assert!(!wanted.is(&other), "somebody else's");
        let mut with_mtu = wanted.clone();
        with_mtu.metrics.values.insert(Metric::Mtu, 1400);
        assert!(!with_mtu.is(&wanted) && !wanted.is(&with_mtu));
    }

    #[test]
    fn an_ipv6_route_has_a_metric_and_may_be_one_way_of_several() {
        let wanted = route("2001:db8::/48", Some("fe80::1"), Some("eth0"));
        let mut seen = route("2001:db8::/48", Some("fe80::1"), Some("eth0"));
        seen.metric = Some(1024);
        seen.preference = Some(0);
        seen.hops.push(Hop { via: Some("fe80::2".parse().unwrap()), ..seen.hops[0].clone() });
        assert!(wanted.is(&seen));
        seen.metric = Some(5);
        assert!(!wanted.is(&seen));
    }

    #[test]
    fn a_route_prints_as_ip_route_has_it() {
        let mut all = route("10.1.0.0/16", Some("10.0.0.2"), Some("eth0"));
        (all.table, all.metric, all.source) = (100, Some(5), "10.0.0.9".parse().ok());
        assert_eq!(all.to_string(), "10.1.0.0/16 via 10.0.0.2 dev eth0 table 100 src 10.0.0.9 metric 5");
        let nowhere = Route { kind: RouteKind::Blackhole, ..Route::new("0.0.0.0/0".parse().unwrap()) };
        assert_eq!(nowhere.to_string(), "blackhole default");
    }
}
