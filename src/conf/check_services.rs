//! Virtual servers: from drafts to specs.

use super::check_entries::{Entries, Groups};
use super::diagnostic::Diagnostic;
use super::keywords::check::Tcp;
use super::keywords::global;
use super::keywords::server::{Draft, Real, Times};
use super::lower::Cx;
use super::source::Span;
use crate::health;
use crate::kernel::{DestinationKey, Forwarding, Protocol, Scheduler, ServiceKey};
use crate::lvs::{RealSpec, ServiceSpec, Sorry};
use crate::net::Family;
use crate::time::Duration;
use crate::vrrp::Command;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

pub(super) fn services(
    cx: &mut Cx<'_>,
    drafts: Vec<Draft>,
    groups: &Groups,
    globals: &global::Draft,
) -> Vec<ServiceSpec> {
    let mut first: BTreeMap<ServiceKey, Span> = BTreeMap::new();
    let mut services = Vec::new();
    for draft in drafts {
        let span = draft.span;
        let Some(service) = service(cx, draft, groups, globals) else { continue };
        let again = service.entries().iter().find_map(|key| first.get(key).map(|before| (*key, *before)));
        if let Some((key, before)) = again {
            cx.report(
                Diagnostic::error("duplicate-service", format!("a second virtual_server {}", key.place()))
                    .at(span, "defined again")
                    .at(before, "first defined here")
                    .help("put all its real servers into one block"),
            );
        } else {
            first.extend(service.entries().iter().map(|key| (*key, span)));
            services.push(service);
        }
    }
    services
}

fn service(cx: &mut Cx<'_>, draft: Draft, groups: &Groups, globals: &global::Draft) -> Option<ServiceSpec> {
    let entries = groups.entries(cx, &draft)?;
    let key = entries.key()?;
    if draft.forwarding.is_none() {
        defaulted(cx, &draft, ["lb_kind", "lvs_method"], "NAT");
    }
    if draft.scheduler.is_none() {
        defaulted(cx, &draft, ["lb_algo", "lvs_sched"], "wlc");
    }
    let forwarding = draft.forwarding.unwrap_or_default();
    let reals = reals(cx, &draft, &entries, globals);
    if draft.reals.is_empty() {
        cx.report(
            Diagnostic::warning("no-real-server", format!("virtual_server {} has no real server", key.place()))
                .at(draft.span, "ignored, as keepalived does")
                .help("add a `real_server ADDRESS PORT { }` to it"),
        );
        return None;
    }
    let (quorum, hysteresis) = quorum(cx, &draft, &reals);
    let persistence = entries.persistence(cx, &draft);
    let one_packet = one_packet(cx, &draft, &key);
    let ha_suspend = ha_suspend(cx, &draft, &entries);
    let command = |command: &Option<Command>| command.clone().map(|command| as_user(command, globals));
    Some(ServiceSpec {
        group: entries.group,
        scheduler: draft.scheduler.and_then(|word| word.parse().ok()).unwrap_or(Scheduler::Wlc),
        flags: draft.flags,
        one_packet,
        forwarding,
        persistence,
        reals,
        sorry: draft.sorry.as_ref().map(|sorry| Sorry {
            key: SocketAddr::new(sorry.address.value, sorry.port.unwrap_or(0)),
            forwarding: sorry.method.or(sorry.forwarding).unwrap_or(forwarding),
            inhibit: sorry.inhibit,
        }),
        quorum,
        hysteresis,
        omega: draft.omega,
        ha_suspend,
        quorum_up: command(&draft.quorum_up),
        quorum_down: command(&draft.quorum_down),
        smtp_alert: globals.mail.alert_checker(draft.smtp_alert, false),
        ..ServiceSpec::new(key)
    })
}

/// Without a user of its own a command runs as `script_user`.
fn as_user(command: Command, globals: &global::Draft) -> Command {
    Command { user: command.user.or_else(|| globals.script_user.clone()), ..command }
}

fn defaulted(cx: &mut Cx<'_>, draft: &Draft, keywords: [&str; 2], value: &str) {
    if keywords.iter().any(|keyword| draft.failed.contains(keyword)) {
        return;
    }
    let [keyword, _] = keywords;
    cx.report(
        Diagnostic::warning("default-used", format!("virtual_server without `{keyword}`"))
            .at(draft.span, format!("{value} is used, as in keepalived"))
            .help(format!("add `{keyword} {value}`, or what you mean")),
    );
}

/// Both as they can be met.
fn quorum(cx: &mut Cx<'_>, draft: &Draft, reals: &[RealSpec]) -> (u32, u32) {
    let number = |value: i64| u32::try_from(value).unwrap_or(u32::MAX);
    let total = reals.iter().fold(0_u32, |sum, real| sum.saturating_add(real.weight));
    let mut quorum = draft.quorum.as_ref().map_or(1, |q| number(q.value));
    if let Some(written) = draft.quorum.as_ref().filter(|_| quorum > total && total > 0) {
        cx.report(
            Diagnostic::warning("quorum-too-high", format!("the real servers weigh {total} together"))
                .at(written.span, format!("{total} is used, as in keepalived: with less it could never be reached"))
                .help("lower it, or give the real servers more weight"),
        );
        quorum = total;
    }
    let mut hysteresis = draft.hysteresis.as_ref().map_or(0, |h| number(h.value));
    if let Some(written) = draft.hysteresis.as_ref().filter(|_| hysteresis >= quorum) {
        hysteresis = quorum.saturating_sub(1);
        cx.report(
            Diagnostic::warning("hysteresis-too-high", "hysteresis must be less than quorum")
                .at(written.span, format!("{hysteresis} is used, as in keepalived")),
        );
    }
    (quorum, hysteresis)
}

fn one_packet(cx: &mut Cx<'_>, draft: &Draft, key: &ServiceKey) -> bool {
    let Some(span) = draft.one_packet else { return false };
    // Of a mark's packets only those count that are UDP, as the file says.
    let written = draft.protocol.as_ref().is_some_and(|word| word.value == "UDP");
    let is_udp = written || key.protocol() == Some(Protocol::Udp);
    if !is_udp {
        cx.report(Diagnostic::warning("flag-ignored", "`ops` is for UDP only").at(span, "ignored, as keepalived does"));
    }
    is_udp
}

fn ha_suspend(cx: &mut Cx<'_>, draft: &Draft, entries: &Entries) -> bool {
    let Some(span) = draft.ha_suspend else { return false };
    let has_address = entries.group.is_none() && entries.key().is_some_and(|key| key.ip().is_some());
    if !has_address {
        cx.report(
            Diagnostic::warning("flag-ignored", "`ha_suspend` needs a virtual server with one address")
                .at(span, "ignored, as keepalived does: the checks run always"),
        );
    }
    has_address
}

fn reals(cx: &mut Cx<'_>, draft: &Draft, entries: &Entries, globals: &global::Draft) -> Vec<RealSpec> {
    let mut first: BTreeMap<DestinationKey, Span> = BTreeMap::new();
    let mut reals = Vec::new();
    for real in &draft.reals {
        let Some(spec) = real_spec(cx, draft, real, entries, globals) else { continue };
        if let Some(before) = first.get(&spec.key) {
            cx.report(
                Diagnostic::warning("duplicate-real-server", format!("a second real_server {}", spec.key))
                    .at(real.span, "ignored, as keepalived does")
                    .at(*before, "first defined here"),
            );
        } else {
            first.insert(spec.key, real.span);
            reals.push(spec);
        }
    }
    reals
}

fn real_spec(
    cx: &mut Cx<'_>,
    draft: &Draft,
    real: &Real,
    entries: &Entries,
    globals: &global::Draft,
) -> Option<RealSpec> {
    let key = entries.key()?;
    let forwarding = real.method.or(real.forwarding).or(draft.forwarding).unwrap_or_default();
    let tunnel = matches!(forwarding, Forwarding::Tun(_));
    if Family::of(real.address.value) != key.family() && !tunnel {
        let message = "a real server of another address family than its virtual server";
        cx.report(
            Diagnostic::error("bad-address", message)
                .at(real.address.span, "only a tunnel leads there")
                .at(draft.span, "of this"),
        );
        return None;
    }
    let port = port(cx, real, entries, forwarding);
    // A checker that is refused is an error already.
    if real.checks.is_empty() && real.failed.is_empty() {
        cx.report(
            Diagnostic::note("no-check", format!("real_server {}:{port} is not checked", real.address.value))
                .at(real.span, "counts as up always")
                .help("add a `TCP_CHECK { }` to it"),
        );
    }
    let checks = real.checks.iter().map(|check| check_spec(check, real, draft, port)).collect();
    let (upper, lower) = thresholds(cx, real);
    let command = |command: &Option<Command>| command.clone().map(|command| as_user(command, globals));
    Some(RealSpec {
        weight: real.weight.or(draft.weight).unwrap_or(1),
        upper,
        lower,
        inhibit_on_failure: real.inhibit_on_failure.unwrap_or(draft.inhibit_on_failure),
        checks,
        notify_up: command(&real.notify_up),
        notify_down: command(&real.notify_down),
        smtp_alert: globals.mail.alert_checker(real.smtp_alert, true),
        ..RealSpec::new(SocketAddr::new(real.address.value, port), forwarding)
    })
}

/// IPVS refuses a lower one above the upper one; keepalived then goes on without the server.
fn thresholds(cx: &mut Cx<'_>, real: &Real) -> (u32, u32) {
    let number = |value: i64| u32::try_from(value).unwrap_or(0);
    let [upper, lower] = [&real.upper, &real.lower].map(|t| t.as_ref().map_or(0, |t| number(t.value)));
    if let Some(written) = real.lower.as_ref().filter(|_| lower > upper) {
        cx.report(
            Diagnostic::error("bad-threshold", "lthreshold is greater than uthreshold")
                .at(written.span, "the kernel refuses such a server")
                .help("set uthreshold, and lthreshold to less"),
        );
    }
    (upper, lower)
}

/// The port it is known by: its own with NAT, else that of the (first) entry.
fn port(cx: &mut Cx<'_>, real: &Real, entries: &Entries, forwarding: Forwarding) -> u16 {
    let service = entries.key().map_or(0, |key| key.port());
    let is_mark = entries.key().is_some_and(|key| key.ip().is_none());
    match (real.port, forwarding.keeps_port()) {
        (None, keeps) => {
            let port = if entries.group.is_some() && !keeps { 0 } else { service };
            if real.checks.iter().any(|check| check.port.is_none()) {
                let problem = if service == 0 {
                    Diagnostic::error("no-port", "real_server without a port, and so nothing to check")
                        .at(real.span, "keepalived would check port 0")
                } else {
                    Diagnostic::warning("no-port", "real_server without a port")
                        .at(real.span, format!("checked on {service}; keepalived would check port 0"))
                };
                cx.report(problem.help(format!("write `real_server {} PORT`", real.address.value)));
            }
            port
        }
        (Some(port), true) if port != service => {
            // An entry of a group may well be of another port than the server is checked on.
            if entries.group.is_none() && !is_mark {
                let name = forwarding.name();
                cx.report(
                    Diagnostic::warning("port-ignored", format!("{name} leaves the port of a packet as it is"))
                        .at(real.span, format!("port {service} of the virtual server is used, as keepalived does"))
                        .help(format!("write {service} here, or use `lb_kind NAT`")),
                );
            }
            service
        }
        (Some(port), _) => port,
    }
}

fn check_spec(check: &Tcp, real: &Real, draft: &Draft, port: u16) -> health::Spec {
    let layers = [check.times, real.times, draft.times];
    let time = |get: fn(&Times) -> Option<Duration>| layers.iter().find_map(get);
    let address: IpAddr = check.address.as_ref().map_or(real.address.value, |a| a.value);
    // keepalived copies the port of the line, which DR replaces only in the table.
    let target = SocketAddr::new(address, check.port.or(real.port).unwrap_or(port));
    let period = time(|t| t.delay_loop).unwrap_or(Duration::from_secs(60));
    health::Spec {
        method: health::Method::Tcp { target, timeout: time(|t| t.connect_timeout).unwrap_or(Duration::from_secs(5)) },
        period,
        retry: layers.iter().find_map(|t| t.retry).unwrap_or(1),
        delay_before_retry: time(|t| t.delay_before_retry).unwrap_or(Duration::from_secs(1)),
        warmup: time(|t| t.warmup).unwrap_or(period),
        alpha: layers.iter().find_map(|t| t.alpha).unwrap_or(false),
    }
}
