//! Addresses, routes and rules as keepalived prints them.

use crate::kernel::{Address, Encap, Hop, Metric, Place, Realms, Route, RouteKind, Rule, RuleAction, Scope};
use crate::net::{IpNet, LinkName};
use crate::vrrp::Spec;
use std::fmt::Write;

/// Words one after the other.
#[derive(Default)]
struct Words(String);

impl Words {
    fn add(&mut self, word: impl AsRef<str>) {
        if !self.0.is_empty() {
            self.0.push(' ');
        }
        self.0.push_str(word.as_ref());
    }

    fn when(&mut self, is_so: bool, word: &str) {
        if is_so {
            self.add(word);
        }
    }

    fn named<T: ToString>(&mut self, name: &str, value: Option<T>) {
        if let Some(value) = value {
            self.add(format!("{name} {}", value.to_string()));
        }
    }
}

/// `set`: the kernel has it.
pub(super) fn address(address: &Address, spec: Option<&Spec>, set: bool) -> String {
    let mut words = Words::default();
    words.add(short(&address.net));
    words.named("brd", address.broadcast);
    words.named("dev", Some(link(&address.link, spec)));
    words.named("scope", Some(scope(address.scope)));
    words.named("label", address.label.as_deref());
    words.named("peer", address.peer);
    let flags = address.flags;
    words.when(flags.home, "home");
    words.when(flags.dad, "-nodad");
    words.when(flags.mngtmpaddr, "mngtmpaddr");
    words.when(flags.noprefixroute, "noprefixroute");
    words.when(flags.autojoin, "autojoin");
    if matches!(address.net, IpNet::V6(_)) {
        match address.preferred {
            Some(0) => words.add("deprecated"),
            Some(seconds) => words.named("preferred_lft", Some(seconds)),
            None => words.add("preferred_lft forever"),
        }
    } else {
        words.named("preferred_lft", address.preferred);
    }
    words.when(!address.tracked, "no_track");
    words.when(set, "set");
    words.0
}

/// A virtual link with the one below it.
fn link(name: &LinkName, spec: Option<&Spec>) -> String {
    let own = spec.and_then(|spec| spec.virtual_links().find(|own| own.name == *name));
    own.map_or_else(|| name.to_string(), |own| format!("{name}@{}", own.base))
}

fn scope(scope: Scope) -> String {
    match scope {
        Scope::Global => "global".into(),
        Scope::Site => "site".into(),
        Scope::Link => "link".into(),
        Scope::Host => "host".into(),
        Scope::Other(number) => number.to_string(),
    }
}

/// Without the length of a single address.
fn short(net: &IpNet) -> String {
    if net.prefix_len() == net.max_prefix_len() { net.addr().to_string() } else { net.to_string() }
}

pub(super) fn route(route: &Route) -> String {
    let mut words = Words::default();
    let leads = route.kind.leads_somewhere();
    words.add(match route.place {
        _ if !leads => "add",
        Place::Prepend => "prepend",
        Place::Append => "append",
        Place::Alone => "add",
    });
    words.when(route.kind != RouteKind::Unicast, route.kind.name());
    words.add(short(&route.to));
    words.named("from", route.from.as_ref().map(short));
    words.named("tos", Some(route.tos).filter(|tos| *tos != 0));
    words.named("src", route.source);
    let one = if let [one] = route.hops.as_slice() { Some(one) } else { None };
    if let Some(hop) = one {
        way(hop, &mut words);
    }
    words.named("table", Some(route.table).filter(|table| *table != crate::kernel::MAIN_TABLE));
    words.named("proto", Some(route.protocol));
    words.named("scope", Some(route.scope.number()).filter(|scope| *scope != 0));
    words.named("metric", route.metric);
    words.when(one.is_some_and(|hop| hop.onlink), "onlink");
    words.named("realms", route.realms.map(realms));
    metrics(route, &mut words);
    words.named("expires", route.expires.map(|seconds| format!("{seconds}sec")));
    words.named("pref", route.preference.map(preference));
    words.named("ttl-propagate", route.ttl_propagate.map(|on| if on { "enabled" } else { "disabled" }));
    for hop in route.hops.iter().filter(|_| one.is_none()) {
        words.add("nexthop");
        way(hop, &mut words);
        words.named("weight", hop.weight);
        words.when(hop.onlink, "onlink");
        words.named("realms", hop.realms.map(realms));
    }
    // Without one link of its own keepalived does not watch a route.
    words.when(!route.tracked || one.is_none_or(|hop| hop.link.is_none()), "no_track");
    words.0
}

fn way(hop: &Hop, words: &mut Words) {
    if let Some(via) = hop.via {
        words.add(format!("via {} {via}", if via.is_ipv4() { "inet" } else { "inet6" }));
    }
    words.named("dev", hop.link.as_ref());
    match &hop.encap {
        Some(Encap::Mpls(labels)) => {
            let labels: Vec<String> = labels.iter().map(ToString::to_string).collect();
            words.named("encap mpls", Some(labels.join("/")));
        }
        Some(Encap::Ip(options) | Encap::Ip6(options)) => {
            words.add(if matches!(hop.encap, Some(Encap::Ip(_))) { "encap ip" } else { "encap ip6" });
            words.named("id", options.id);
            words.named("dst", options.dst);
            words.named("src", options.src);
        }
        Some(Encap::Ila(_)) => words.add("encap ila"),
        Some(Encap::Other) | None => {}
    }
}

fn realms(realms: Realms) -> String {
    if realms.from == 0 { realms.to.to_string() } else { format!("{}/{}", realms.from, realms.to) }
}

fn preference(number: u8) -> String {
    match number {
        0 => "medium".into(),
        1 => "high".into(),
        3 => "low".into(),
        other => other.to_string(),
    }
}

fn metrics(route: &Route, words: &mut Words) {
    let names = [
        (Metric::Mtu, "mtu", 1),
        (Metric::Window, "window", 1),
        (Metric::Rtt, "rtt", 8),
        (Metric::RttVar, "rttvar", 4),
        (Metric::SsThresh, "ssthresh", 1),
        (Metric::Cwnd, "cwnd", 1),
        (Metric::AdvMss, "advmss", 1),
        (Metric::Reordering, "reordering", 1),
        (Metric::HopLimit, "hoplimit", 1),
        (Metric::InitCwnd, "initcwnd", 1),
        (Metric::RtoMin, "rto_min", 1),
        (Metric::InitRwnd, "initrwnd", 1),
        (Metric::Features, "features", 1),
        (Metric::QuickAck, "quickack", 1),
        (Metric::FastopenNoCookie, "fastopen_no_cookie", 1),
    ];
    for (metric, name, unit) in names {
        let Some(value) = route.metrics.values.get(&metric) else { continue };
        let lock = if route.metrics.locked.contains(&metric) { "lock " } else { "" };
        words.add(format!("{name} {lock}{}", value / unit));
    }
    if let Some((name, locked)) = &route.metrics.congestion {
        words.add(format!("congctl {}{name}", if *locked { "lock " } else { "" }));
    }
}

pub(super) fn rule(rule: &Rule) -> String {
    let mut words = Words::default();
    words.when(rule.inverted, "not");
    words.named("from", Some(rule.from.as_ref().map_or_else(|| "all".into(), short)));
    words.named("to", rule.to.as_ref().map(short));
    words.named("priority", Some(rule.priority));
    words.add(format!("tos 0x{:x}", rule.tos));
    words.named("fwmark", rule.mark.map(mark));
    words.named("iif", rule.input.as_ref());
    words.named("oif", rule.output.as_ref());
    words.named("suppress_prefixlen", rule.suppress_length);
    words.named("suppress_ifgroup", rule.suppress_group);
    words.named("tunnel-id", rule.tunnel);
    words.named("uidrange", rule.users.map(range));
    words.when(rule.action == RuleAction::L3mdev, "l3mdev");
    words.named("protocol", Some(rule.protocol).filter(|protocol| *protocol != 0));
    words.named("ipproto", rule.ip_protocol);
    words.named("sport", rule.source_ports.map(range));
    words.named("dport", rule.destination_ports.map(range));
    words.named("realms", rule.realms.map(realms));
    match rule.action {
        RuleAction::Lookup(table) => words.named("lookup", Some(table)),
        RuleAction::L3mdev => words.add("lookup 0"),
        RuleAction::Goto(target) => words.named("goto", Some(target)),
        RuleAction::Nop => words.add("nop"),
        RuleAction::Blackhole => words.add("type blackhole"),
        RuleAction::Unreachable => words.add("type unreachable"),
        RuleAction::Prohibit => words.add("type prohibit"),
    }
    words.when(!rule.tracked, "no_track");
    words.0
}

fn mark((mark, mask): (u32, u32)) -> String {
    let mut text = format!("0x{mark:x}");
    if mask != u32::MAX {
        let _ = write!(text, "/0x{mask:x}");
    }
    text
}

fn range<T: ToString>((first, last): (T, T)) -> String {
    format!("{}-{}", first.to_string(), last.to_string())
}
