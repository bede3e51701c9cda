//! Virtual servers: from drafts to specs.

use super::check_checkers;
use super::diagnostic::Diagnostic;
use super::keywords::server::{Draft, Real};
use super::lower::Cx;
use super::source::Span;
use crate::kernel::{DestinationKey, Forwarding, Scheduler, ServiceKey};
use crate::lvs::{RealSpec, ServiceSpec};
use std::collections::BTreeMap;
use std::net::SocketAddr;

pub(super) fn services(cx: &mut Cx<'_>, drafts: Vec<Draft>) -> Vec<ServiceSpec> {
    let mut first: BTreeMap<ServiceKey, Span> = BTreeMap::new();
    let mut services = Vec::new();
    for draft in drafts {
        let span = draft.span;
        let Some(service) = service(cx, draft) else { continue };
        if let Some(before) = first.get(&service.key) {
            cx.report(
                Diagnostic::error("duplicate-service", format!("a second virtual_server {}", service.key.address))
                    .at(span, "defined again")
                    .at(*before, "first defined here")
                    .help("put all its real servers into one block"),
            );
        } else {
            first.insert(service.key, span);
            services.push(service);
        }
    }
    services
}

fn service(cx: &mut Cx<'_>, draft: Draft) -> Option<ServiceSpec> {
    let address = draft.address.value;
    if address.is_ipv6() {
        let message = "an IPv6 virtual server is keepalived's, vipdeck does not support it yet";
        cx.report(Diagnostic::error("not-supported", message).at(draft.address.span, ""));
        return None;
    }
    let Some(port) = draft.port else {
        cx.report(
            Diagnostic::error(
                "not-supported",
                "a service on all ports is keepalived's, vipdeck does not support it yet",
            )
            .at(draft.span, "no port")
            .help(format!("write `virtual_server {address} PORT`")),
        );
        return None;
    };
    protocol(cx, &draft);
    if draft.forwarding.is_none() {
        defaulted(cx, &draft, ["lb_kind", "lvs_method"], "NAT");
    }
    if draft.scheduler.is_none() {
        defaulted(cx, &draft, ["lb_algo", "lvs_sched"], "wlc");
    }
    let forwarding = draft.forwarding.map_or(Forwarding::Nat, forwarding);
    let scheduler = draft.scheduler.and_then(|word| word.parse().ok()).unwrap_or(Scheduler::Wlc);
    if let Some(quorum) = draft.quorum.as_ref().filter(|quorum| quorum.value > 1) {
        cx.report(
            Diagnostic::error("not-supported", "a quorum above 1 is keepalived's, vipdeck does not support it yet")
                .at(quorum.span, "the service would go on below it"),
        );
    }
    let key = ServiceKey::tcp(address, port);
    let reals = reals(cx, &draft, key, forwarding);
    if draft.reals.is_empty() {
        cx.report(
            Diagnostic::warning("no-real-server", format!("virtual_server {} has no real server", key.address))
                .at(draft.span, "ignored, as keepalived does")
                .help("add a `real_server ADDRESS PORT { }` to it"),
        );
        return None;
    }
    Some(ServiceSpec { key, scheduler, forwarding, persistence: draft.persistence, reals })
}

/// Without `protocol` keepalived takes UDP, which nobody means who checks with TCP_CHECK.
fn protocol(cx: &mut Cx<'_>, draft: &Draft) {
    if draft.protocol.is_none() && !draft.failed.contains("protocol") {
        cx.report(
            Diagnostic::error("missing-keyword", "virtual_server without `protocol`")
                .at(draft.span, "keepalived takes UDP then, which vipdeck does not support yet")
                .help("add `protocol TCP`"),
        );
    }
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

fn forwarding(word: &str) -> Forwarding {
    if word == "DR" { Forwarding::Dr } else { Forwarding::Nat }
}

fn reals(cx: &mut Cx<'_>, draft: &Draft, key: ServiceKey, service: Forwarding) -> Vec<RealSpec> {
    let mut first: BTreeMap<DestinationKey, Span> = BTreeMap::new();
    let mut reals = Vec::new();
    for real in &draft.reals {
        let Some(spec) = real_spec(cx, draft, real, key, service) else { continue };
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

fn real_spec(cx: &mut Cx<'_>, draft: &Draft, real: &Real, key: ServiceKey, service: Forwarding) -> Option<RealSpec> {
    if real.address.value.is_ipv6() != key.address.is_ipv6() {
        let message = "a real server of another address family than its virtual server";
        cx.report(
            Diagnostic::error("bad-address", message).at(real.address.span, "").at(draft.address.span, "of this"),
        );
        return None;
    }
    let forwarding = real.forwarding.map_or(service, forwarding);
    let port = port(cx, real, key.address.port(), forwarding);
    // A checker that is refused is an error already.
    if real.checks.is_empty() && real.failed.is_empty() {
        cx.report(
            Diagnostic::note("no-check", format!("real_server {}:{port} is not checked", real.address.value))
                .at(real.span, "counts as up always")
                .help("add a `TCP_CHECK { }` to it"),
        );
    }
    let given = given(real, draft, port);
    let checks = real.checks.iter().filter_map(|check| check_checkers::spec(cx, check, &given)).collect();
    Some(RealSpec {
        key: SocketAddr::new(real.address.value, port),
        forwarding,
        weight: real.weight.or(draft.weight).unwrap_or(1),
        inhibit_on_failure: real.inhibit_on_failure.unwrap_or(draft.inhibit_on_failure),
        checks,
    })
}

fn port(cx: &mut Cx<'_>, real: &Real, service: u16, forwarding: Forwarding) -> u16 {
    match (real.port, forwarding) {
        (None, _) => {
            if !real.checks.is_empty() && real.checks.iter().any(|check| check.port.is_none() && check.kind.has_port())
            {
                cx.report(
                    Diagnostic::warning("no-port", "real_server without a port")
                        .at(real.span, format!("checked on {service}; keepalived would check port 0"))
                        .help(format!("write `real_server {} {service}`", real.address.value)),
                );
            }
            service
        }
        (Some(port), Forwarding::Dr) if port != service => {
            cx.report(
                Diagnostic::warning("port-ignored", "DR leaves the port of a packet as it is")
                    .at(real.span, format!("port {service} of the virtual server is used, as keepalived does"))
                    .help(format!("write {service} here, or use `lb_kind NAT`")),
            );
            service
        }
        (Some(port), _) => port,
    }
}

/// What a checker takes from its real server and its virtual server.
fn given<'d>(real: &'d Real, draft: &'d Draft, port: u16) -> check_checkers::Given<'d> {
    check_checkers::Given {
        address: real.address.value,
        // keepalived copies the port of the line, which DR replaces only in the table.
        port: real.port.unwrap_or(port),
        times: [real.times, draft.times],
        alpha: real.alpha.unwrap_or(draft.alpha),
        ha_suspend: draft.ha_suspend,
        virtualhost: real.virtualhost.as_deref().or(draft.virtualhost.as_deref()),
    }
}
