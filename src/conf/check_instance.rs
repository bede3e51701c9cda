//! One instance: its draft and the defaults become a spec.

use super::check_authentication::{About, authentication};
use super::check_links::{self, Given};
use super::check_routing;
use super::check_strict;
use super::check_trackers::{Weights, defined_by};
use super::diagnostic::Diagnostic;
use super::keywords::global;
use super::keywords::instance::{Draft, Track, Vip};
use super::keywords::options::Options;
use super::lower::Cx;
use super::names::Names;
use super::source::{Span, Spanned};
use super::suggest;
use crate::kernel::Address;
use crate::net::{Family, LinkName};
use crate::time::Duration;
use crate::vrrp::{
    Auth, ChecksumStyle, GROUP_V4, GROUP_V6, Notify, Peer, Peering, Spec, Track as Tracked, Tracker, Unicast, Version,
    Vrid,
};
use std::net::IpAddr;

/// The spec of one instance and where its id is written.
#[expect(clippy::too_many_lines, reason = "one line a field")]
pub(super) fn instance(
    cx: &mut Cx<'_>,
    mut draft: Draft,
    globals: &global::Draft,
    weights: &Weights,
    names: &Names<'_>,
    given: &mut Given,
) -> Option<(Spec, Span)> {
    let name = draft.name.clone();
    required(cx, &draft, draft.link.is_none(), "interface", "eth0");
    required(cx, &draft, draft.vrid.is_none(), "virtual_router_id", "51");
    let options = std::mem::take(&mut draft.options).or(&globals.options);
    let strict = options.strict.as_ref().filter(|s| s.value).map(|s| s.span);
    let family = family(&draft);
    let version = version(cx, &draft, &options, family, strict);
    let priority = priority(cx, &draft);
    let interval = interval(cx, &draft, version);
    let preempt = preempt(cx, &draft, priority);
    let preempt_delay = preempt_delay(cx, &draft, preempt, priority, strict);
    let source = source(cx, &draft, family);
    let auth = authentication(cx, &draft, &About { version, family, interval, strict });
    let mut tracked = tracks(cx, &draft, weights, priority);
    tracked.extend(link_tracks(cx, &draft, priority));
    let routes = check_routing::routes(cx, names, &draft.routes);
    let accept = check_strict::accept(cx, &draft, version, priority, strict);
    if let Some(strict) = strict {
        check_strict::conforms(cx, &draft, family, priority, strict);
    }
    let (link, vrid) = (draft.link.take()?, draft.vrid.take()?);
    let id = u8::try_from(vrid.value).ok().and_then(|id| Vrid::new(id).ok())?;
    let is_strict = strict.is_some();
    let peering = peering(cx, &draft, globals, &options, family);
    let unicast = matches!(peering, Peering::Unicast(_));
    let of = check_links::Of { link: &link.value, family, vrid: id, unicast, strict };
    let virtual_link = given.own(cx, &draft, globals, of);
    let address_links = given.of_addresses(cx, &draft, globals, of);
    let place = |vip: &Vip| check_links::of_vip(vip, &draft, of, virtual_link.as_ref(), &address_links);
    let (addresses, excluded) = addresses(cx, &draft, &place, family, is_strict);
    let spec = Spec {
        family,
        version,
        priority,
        interval,
        wishes_master: ((draft.master.is_some() && !is_strict) || priority == 255) && !matches!(auth, Auth::Ah(_)),
        preempt,
        preempt_delay,
        auth,
        source: source.or_else(|| virtual_link.as_ref().and_then(check_links::address)),
        track_source: draft.track_source,
        peering,
        addresses,
        excluded,
        routes,
        promote_secondaries: draft.promote_secondaries,
        garp: options.garp(is_strict, &globals.options),
        tracks: tracked,
        track_link: !draft.ignore_link,
        down_adverts: if is_strict { 3 } else { options.down_adverts.unwrap_or(3) },
        strict: is_strict,
        accept,
        virtual_link,
        address_links,
        checksum: ChecksumStyle {
            v3_as_v2: options.v3_checksum_as_v2.unwrap_or(false),
            old_unicast: draft.old_checksum.unwrap_or_default(),
        },
        skip_check_adv_addr: options.skip_check_adv_addr.unwrap_or(false),
        lower_prio_no_advert: is_strict || options.lower_prio_no_advert.unwrap_or(false),
        higher_prio_send_advert: !is_strict && options.higher_prio_send_advert.unwrap_or(false),
        owner_ignore_adverts: priority == 255 && (is_strict || options.owner_ignore_adverts.unwrap_or(false)),
        timer_expired_backup: slept(cx, &draft, preempt),
        notify: Notify {
            priority_changes: options.priority_changes.unwrap_or(false),
            smtp_alert: options.smtp_alert.or(globals.mail.alert_vrrp()).unwrap_or(false),
            ..with_user(draft.notify.clone(), globals)
        },
        ..Spec::new(&name.value, link.value.clone(), id)
    };
    Some((spec, vrid.span))
}

/// Scripts without a user of their own run as `script_user`.
pub(super) fn with_user(notify: Notify, globals: &global::Draft) -> Notify {
    let own = |command: Option<crate::vrrp::Command>| {
        command.map(|c| crate::vrrp::Command { user: c.user.or_else(|| globals.script_user.clone()), ..c })
    };
    Notify {
        any: own(notify.any),
        master: own(notify.master),
        backup: own(notify.backup),
        fault: own(notify.fault),
        stop: own(notify.stop),
        deleted: notify.deleted.map(own),
        master_rx_lower_pri: own(notify.master_rx_lower_pri),
        ..notify
    }
}

/// As keepalived deduces it: what is written in IPv6 makes the instance one of IPv6.
fn family(draft: &Draft) -> Family {
    let first = draft.addresses.first().map(|vip| vip.net.value.addr());
    let source = draft.source.as_ref().map(|s| s.value);
    let peer = draft.peers.first().map(|(peer, ..)| peer.value);
    match first.or(source).or(peer) {
        Some(address) => Family::of(address),
        None if draft.native_ipv6.is_some() => Family::V6,
        None => Family::V4,
    }
}

fn version(cx: &mut Cx<'_>, draft: &Draft, options: &Options, family: Family, strict: Option<Span>) -> Version {
    match (&options.version, family) {
        (Some(version), Family::V6) if version.value == 2 => {
            if let Some(strict) = strict {
                let message = format!("vrrp_instance `{}`: VRRPv2 knows no IPv6", draft.name.value);
                cx.report(
                    Diagnostic::warning("vrrp-version", message)
                        .at(version.span, "version 3 is used")
                        .at(strict, "because of this"),
                );
                return Version::V3;
            }
            Version::V2
        }
        (Some(version), _) if version.value == 3 => Version::V3,
        (None, Family::V6) => Version::V3,
        _ => Version::V2,
    }
}

/// `preempt_delay` goes with neither `nopreempt` nor an owner nor strict mode.
fn preempt_delay(cx: &mut Cx<'_>, draft: &Draft, preempt: bool, priority: u8, strict: Option<Span>) -> Duration {
    let Some(delay) = draft.preempt_delay.as_ref().filter(|delay| delay.value > Duration::ZERO) else {
        return Duration::ZERO;
    };
    let because = match (draft.nopreempt.filter(|_| !preempt), draft.master, strict) {
        (Some(nopreempt), ..) => Some((nopreempt, "`nopreempt`")),
        (None, Some(state), _) => Some((state, "`state MASTER`")),
        (None, None, Some(strict)) => Some((strict, "strict mode")),
        (None, None, None) if priority == 255 => draft.priority.as_ref().map(|p| (p.span, "priority 255")),
        (None, None, None) => None,
    };
    let Some((place, what)) = because else { return delay.value };
    cx.report(
        Diagnostic::warning("preempt-delay-cleared", format!("`preempt_delay` does not go with {what}"))
            .at(delay.span, "ignored, as keepalived does")
            .at(place, "because of this"),
    );
    Duration::ZERO
}

fn slept(cx: &mut Cx<'_>, draft: &Draft, preempt: bool) -> Option<u8> {
    let slept = draft.slept.as_ref()?;
    if preempt {
        cx.report(
            Diagnostic::warning("needs-nopreempt", "`timer_expired_backup` needs `nopreempt`")
                .at(slept.span, "ignored, as keepalived does"),
        );
        return None;
    }
    u8::try_from(slept.value).ok()
}

fn peering(cx: &mut Cx<'_>, draft: &Draft, globals: &global::Draft, options: &Options, family: Family) -> Peering {
    let fits = |cx: &mut Cx<'_>, address: &Spanned<IpAddr>, what: &str| {
        let fits = Family::of(address.value) == family;
        if !fits {
            let message = format!("vrrp_instance `{}` speaks {family}", draft.name.value);
            cx.report(
                Diagnostic::error("bad-address", message).at(address.span, format!("{what} of the other family")),
            );
        }
        fits
    };
    let mut peers = Vec::new();
    for (address, min_ttl, max_ttl) in &draft.peers {
        if fits(cx, address, "a peer") {
            peers.push(Peer { address: address.value, min_ttl: *min_ttl, max_ttl: *max_ttl });
        }
    }
    if !peers.is_empty() || draft.no_peer.is_some() {
        let check_source = options.check_unicast_source.unwrap_or(false);
        return Peering::Unicast(Unicast { peers, check_source, hop_limit: draft.unicast_ttl.unwrap_or(255) });
    }
    if let Some(span) = draft.unicast {
        cx.report(
            Diagnostic::warning("no-peers", "`unicast_peer` names nobody: adverts go to the multicast group")
                .at(span, "as keepalived does")
                .help("write the other nodes' addresses here, or `unicast_fault_no_peer` if none is a fault"),
        );
    }
    let global = if family == Family::V4 { &globals.group4 } else { &globals.group6 };
    let written = draft.group.as_ref().or(global.as_ref());
    let default = if family == Family::V4 { GROUP_V4 } else { GROUP_V6 };
    let Some(group) = written else { return Peering::Multicast(default) };
    if !group.value.is_multicast() {
        let message = format!("{} is no multicast address", group.value);
        cx.report(Diagnostic::error("bad-address", message).at(group.span, "adverts go to a group"));
        return Peering::Multicast(default);
    }
    if fits(cx, group, "a group") { Peering::Multicast(group.value) } else { Peering::Multicast(default) }
}

fn link_tracks(cx: &mut Cx<'_>, draft: &Draft, priority: u8) -> Vec<Tracked> {
    let mut tracks: Vec<Tracked> = Vec::new();
    for Track { name, weight, .. } in &draft.links {
        let (weight, reverse) = weight.unwrap_or((0, false));
        if let Err(error) = LinkName::new(&name.value) {
            cx.report(Diagnostic::error("bad-interface", error.to_string()).at(name.span, "an interface name"));
        } else if draft.link.as_ref().is_some_and(|link| link.value.as_str() == name.value) {
            cx.report(
                Diagnostic::warning("own-interface", format!("{} is this instance's own interface", name.value))
                    .at(name.span, "ignored: it is tracked anyhow, and its failure is a fault"),
            );
        } else if tracks.iter().any(|other| other.name == name.value) {
            let message = format!("`{}` is tracked twice", name.value);
            cx.report(Diagnostic::warning("duplicate-track", message).at(name.span, "this one is ignored"));
        } else if priority == 255 && weight != 0 {
            cx.report(owner_weight(name.span));
        } else {
            tracks.push(Tracked { kind: Tracker::Interface, name: name.value.clone(), weight, reverse });
        }
    }
    tracks
}

fn owner_weight(span: Span) -> Diagnostic {
    Diagnostic::warning("owner-weight", "priority 255 does not change, so a weight has no effect")
        .at(span, "not tracked, as keepalived does")
        .help("use a priority below 255, or weight 0 so that a failure is a fault")
}

fn required(cx: &mut Cx<'_>, draft: &Draft, missing: bool, keyword: &str, example: &str) {
    if missing && !draft.failed.contains(keyword) {
        let message = format!("vrrp_instance `{}` has no {keyword}", draft.name.value);
        cx.report(
            Diagnostic::error("missing-keyword", message)
                .at(draft.name.span, "")
                .help(format!("add a line such as `{keyword} {example}`")),
        );
    }
}

fn priority(cx: &mut Cx<'_>, draft: &Draft) -> u8 {
    let written = draft.priority.as_ref().and_then(|p| u8::try_from(p.value).ok());
    match (written, draft.master) {
        (Some(priority), _) => priority,
        (None, None) => 100,
        (None, Some(state)) => {
            cx.report(
                Diagnostic::warning("implied-owner", "`state MASTER` without a priority means priority 255")
                    .at(state, "as keepalived has it: this node owns the addresses")
                    .help("write the priority you mean"),
            );
            255
        }
    }
}

fn interval(cx: &mut Cx<'_>, draft: &Draft, version: Version) -> Duration {
    let Some(interval) = &draft.interval else { return Duration::from_secs(1) };
    if version == Version::V3 {
        return interval_v3(cx, interval);
    }
    if interval.value.subsec_micros() != 0 {
        let whole = (interval.value.as_secs_f64().round() as u64).max(1);
        cx.report(
            Diagnostic::error("advert-fraction", "VRRPv2 counts its interval in whole seconds")
                .at(interval.span, format!("keepalived would use {whole}"))
                .help(format!("write `advert_int {whole}`, the same on all nodes")),
        );
        return Duration::from_secs(whole);
    }
    interval.value
}

/// Hundredths of a second, twelve bits of them (RFC 9568, 5.2.7).
fn interval_v3(cx: &mut Cx<'_>, interval: &Spanned<Duration>) -> Duration {
    let centis = (interval.value.as_secs_f64() * 100.0).round().clamp(1.0, 4095.0) as u64;
    let used = Duration::from_millis(centis * 10);
    if used != interval.value {
        cx.report(
            Diagnostic::warning("advert-rounded", "VRRPv3 counts its interval in hundredths of a second, up to 40.95")
                .at(interval.span, format!("{} is used", used.as_secs_f64())),
        );
    }
    used
}

fn preempt(cx: &mut Cx<'_>, draft: &Draft, priority: u8) -> bool {
    let Some(nopreempt) = draft.nopreempt else { return true };
    let because = match (draft.master, priority) {
        (Some(state), _) => Some((state, "`state MASTER`")),
        (None, 255) => draft.priority.as_ref().map(|p| (p.span, "priority 255")),
        _ => None,
    };
    let Some((place, what)) = because else { return false };
    cx.report(
        Diagnostic::warning("nopreempt-cleared", format!("`nopreempt` does not go with {what}"))
            .at(nopreempt, "ignored, as keepalived does")
            .at(place, "because of this")
            .help("write `state BACKUP` on all nodes to use nopreempt"),
    );
    true
}

fn source(cx: &mut Cx<'_>, draft: &Draft, family: Family) -> Option<IpAddr> {
    let source = draft.source.as_ref()?;
    if Family::of(source.value) != family {
        let message = format!("vrrp_instance `{}` speaks {family}", draft.name.value);
        cx.report(Diagnostic::error("bad-address", message).at(source.span, "a source address of the other family"));
        return None;
    }
    Some(source.value)
}

/// The addresses in adverts, and those that only move with them.
fn addresses(
    cx: &mut Cx<'_>,
    draft: &Draft,
    link: &dyn Fn(&Vip) -> LinkName,
    family: Family,
    strict: bool,
) -> (Vec<Address>, Vec<Address>) {
    let (mut addresses, mut excluded) = (Vec::new(), Vec::new());
    for vip in &draft.addresses {
        if Family::of(vip.net.value.addr()) != family {
            let message = format!("{} is not {family}, which this instance speaks", vip.net.value.addr());
            cx.report(
                Diagnostic::warning("other-family", message)
                    .at(vip.net.span, "ignored, as keepalived does")
                    .help("virtual_ipaddress_excluded takes addresses of any family"),
            );
        } else if addresses.len() == 255 {
            // The count field of an advert is one byte (RFC 9568, 5.2.5).
            let message = "an advert carries 255 addresses";
            cx.report(
                Diagnostic::warning("too-many-addresses", message)
                    .at(vip.net.span, "moved to virtual_ipaddress_excluded, as keepalived does"),
            );
            add(cx, vip, link, &addresses, &mut excluded);
        } else {
            let others = std::mem::take(&mut addresses);
            let mut more = Vec::new();
            add(cx, vip, link, &others, &mut more);
            addresses = others;
            addresses.extend(more);
        }
    }
    for vip in &draft.excluded {
        add(cx, vip, link, &addresses, &mut excluded);
    }
    if draft.addresses.is_empty() && !draft.no_addresses && !strict {
        let message = format!("vrrp_instance `{}` moves no address", draft.name.value);
        cx.report(
            Diagnostic::warning("no-addresses", message)
                .at(draft.name.span, "")
                .help("add a `virtual_ipaddress { }`, or `no_virtual_ipaddress` if that is meant"),
        );
    }
    (addresses, excluded)
}

fn add(cx: &mut Cx<'_>, vip: &Vip, link: &dyn Fn(&Vip) -> LinkName, others: &[Address], into: &mut Vec<Address>) {
    let address = vip.address(link(vip));
    if let Some(group) = &vip.track_group {
        let problem = Diagnostic::warning("misplaced", "`track_group` belongs to static addresses");
        cx.report(problem.at(group.span, "ignored: this one moves with the instance anyhow"));
    }
    if others.iter().chain(into.iter()).any(|other| other.net.addr() == address.net.addr()) {
        let message = format!("{} is written twice", address.net.addr());
        cx.report(Diagnostic::warning("duplicate-address", message).at(vip.net.span, "this one is ignored"));
    } else {
        into.push(address);
    }
}

fn tracks(cx: &mut Cx<'_>, draft: &Draft, weights: &Weights, priority: u8) -> Vec<Tracked> {
    let mut tracks: Vec<Tracked> = Vec::new();
    let lists = [
        (Tracker::Script, &draft.scripts),
        (Tracker::File, &draft.files),
        (Tracker::Process, &draft.processes),
        (Tracker::Bfd, &draft.bfds),
    ];
    for (kind, track) in lists.into_iter().flat_map(|(kind, list)| list.iter().map(move |track| (kind, track))) {
        let Track { name, weight, below_comment } = track;
        let Some(default) = weights.get(&(kind, name.value.clone())) else {
            cx.report(undefined(kind, name, weights, *below_comment));
            continue;
        };
        let (weight, reverse) = weight.unwrap_or(*default);
        if tracks.iter().any(|other| other.kind == kind && other.name == name.value) {
            let message = format!("`{}` is tracked twice", name.value);
            cx.report(Diagnostic::warning("duplicate-track", message).at(name.span, "this one is ignored"));
        } else if priority == 255 && weight != 0 {
            cx.report(owner_weight(name.span));
        } else {
            let weight = within(cx, kind, weight, name.span);
            tracks.push(Tracked { kind, name: name.value.clone(), weight, reverse });
        }
    }
    tracks
}

/// What is added is at most 253; the number in a file may be multiplied by 254, so that −1 is a fault.
pub(super) fn within(cx: &mut Cx<'_>, kind: Tracker, weight: i32, span: Span) -> i32 {
    let used = weight.clamp(-253, 253);
    if kind == Tracker::File || used == weight {
        return weight;
    }
    let message = format!("a weight of {weight} counts as {used}");
    cx.report(Diagnostic::warning("weight-cut", message).at(span, "as in keepalived"));
    used
}

pub(super) fn undefined(kind: Tracker, name: &Spanned<String>, weights: &Weights, below_comment: bool) -> Diagnostic {
    let near = suggest::nearest(&name.value, weights.keys().filter(|(k, _)| *k == kind).map(|(_, name)| name.as_str()));
    let block = defined_by(kind);
    if below_comment && near.is_none() && !name.value.is_ascii() {
        return Diagnostic::warning("wrapped-comment", "this line is probably the rest of the comment above")
            .at(name.span, "ignored")
            .help("a comment ends with its line: put a `#` in front of this one, or join the two");
    }
    let problem = Diagnostic::error(undefined_id(kind), format!("no {block} is named `{}`", name.value))
        .at(name.span, "keepalived would run without it");
    match near {
        Some(near) => problem.help(format!("did you mean `{near}`?")),
        None if below_comment => problem.help("if this is the rest of the comment above, put a `#` in front of it"),
        None => problem.help(format!("define it: `{block} {} {{ … }}`", name.value)),
    }
}

const fn undefined_id(kind: Tracker) -> &'static str {
    match kind {
        Tracker::Script => "undefined-script",
        Tracker::Interface => "undefined-interface",
        Tracker::File => "undefined-file",
        Tracker::Process => "undefined-process",
        Tracker::Bfd => "undefined-bfd",
    }
}
