//! keepalived_check.data: virtual services, their real servers and what is known of them.

use super::Dump;
use super::data::Lines;
use crate::kernel::{Forwarding, ServiceKey};
use crate::lvs::{RealSpec, ServiceSpec};
use crate::net::Family;
use crate::status::{Real, Service, Verdict};

/// The text of keepalived_check.data.
pub fn services(dump: &Dump) -> String {
    let mut lines = Lines::default();
    lines.section("LVS Topology");
    for spec in &dump.config.services {
        let status = dump.snapshot.service(&spec.key);
        lines.part("Virtual server");
        lines.head(name(spec));
        service(spec, status, &mut lines);
        for real in &spec.reals {
            let known = status.and_then(|s| s.reals.iter().find(|r| r.id == real.key));
            server(real, known, &mut lines);
        }
    }
    lines.text()
}

fn name(spec: &ServiceSpec) -> String {
    match (&spec.group, &spec.key) {
        (Some(group), _) => format!("VS GROUP = [{}]:{}", group.name, 0),
        (None, ServiceKey::Address { address, .. }) => format!("VS VIP = {}, VPORT = {}", address.ip(), address.port()),
        (None, ServiceKey::Mark { mark, .. }) => format!("VS FWMARK = {mark}"),
    }
}

const fn on(is_on: bool) -> &'static str {
    if is_on { "ON" } else { "OFF" }
}

const fn enabled(is_on: bool) -> &'static str {
    if is_on { "enabled" } else { "disabled" }
}

const fn yes(is_so: bool) -> &'static str {
    if is_so { "yes" } else { "no" }
}

const fn method(forwarding: Forwarding) -> &'static str {
    match forwarding {
        Forwarding::Nat => "NAT",
        Forwarding::Dr => "DR",
        Forwarding::Tun(_) => "TUN",
    }
}

fn service(spec: &ServiceSpec, status: Option<&Service>, lines: &mut Lines) {
    let family = if spec.key.family() == Family::V4 { "inet" } else { "inet6" };
    lines.line(format_args!("Address family = {family}"));
    lines.line(format_args!("lvs_sched = {}", spec.scheduler));
    for (number, flag) in [(1, spec.flags.first), (2, spec.flags.second), (3, spec.flags.third)] {
        lines.line(format_args!("flag-{number} = {}", enabled(flag)));
    }
    lines.line(format_args!("One packet scheduling = {}", enabled(spec.one_packet)));
    if let Some(persistence) = &spec.persistence {
        lines.line(format_args!("persistence timeout = {}", persistence.timeout));
    }
    let protocol = spec.key.protocol().map_or("none".to_owned(), |protocol| protocol.to_string().to_uppercase());
    lines.line(format_args!("protocol = {protocol}"));
    lines.line(format_args!("omega is {}", on(spec.omega)));
    lines.line(format_args!("quorum = {}, hysteresis = {}", spec.quorum, spec.hysteresis));
    lines.line(format_args!("Using smtp notification = {}", yes(spec.smtp_alert)));
    lines.line(format_args!("default forwarding method = {}", method(spec.forwarding)));
    if let Some(sorry) = &spec.sorry {
        let protocol = spec.key.protocol().map_or("none".to_owned(), |protocol| protocol.to_string());
        lines.line(format_args!("sorry server = [{}]:{protocol}:{}", sorry.key.ip(), sorry.key.port()));
        lines.inner(format_args!("forwarding method = {}", method(sorry.forwarding)));
        lines.inner(format_args!("Inhibit on failure is {}", on(sorry.inhibit)));
    }
    let alive = status.is_some_and(|s| s.reals.iter().any(|r| r.health.verdict != Verdict::Down));
    lines.line(format_args!("alive = {}", u8::from(alive)));
}

fn server(spec: &RealSpec, status: Option<&Real>, lines: &mut Lines) {
    let effective = status.and_then(|r| r.weight_effective).unwrap_or(0);
    lines.inner_part("Real server");
    let (ip, port, weight) = (spec.key.ip(), spec.key.port(), spec.weight);
    lines.line(format_args!("RIP = {ip}, RPORT = {port}, WEIGHT = {weight} EFF WEIGHT = {effective}"));
    lines.line(format_args!("forwarding method = {}", method(spec.forwarding)));
    lines.line(format_args!("Alpha is {}", on(spec.checks.iter().any(|check| check.alpha))));
    lines.line(format_args!("connection limit range = {} -> {}", spec.lower, spec.upper));
    lines.line(format_args!("Inhibit on failure is {}", on(spec.inhibit_on_failure)));
    lines.line(format_args!("Using smtp notification = {}", yes(spec.smtp_alert)));
    let down = status.is_some_and(|r| r.health.verdict == Verdict::Down);
    lines.line(format_args!("alive = {}", u8::from(!down)));
    for check in &spec.checks {
        lines.line(format_args!("Keepalive method = {}", check.method.name()));
        lines.inner(format_args!("Delay loop = {} us", check.period.as_micros()));
        lines.inner(format_args!("Retries = {}", check.retry));
        lines.inner(format_args!("Delay before retry = {} us", check.delay_before_retry.as_micros()));
        lines.inner(format_args!("Warmup = {} us", check.warmup.as_micros()));
    }
}
