//! Drafts to specs: defaults, inheritance, and what one line alone cannot tell.

use super::check_services;
use super::diagnostic::Diagnostic;
use super::keywords::instance::{Authentication, Draft, Track};
use super::keywords::{global, root, script};
use super::lower::Cx;
use super::model::{Config, ScriptSpec};
use super::source::{Program, Span, Spanned};
use super::suggest;
use crate::kernel::Address;
use crate::net::LinkName;
use crate::time::Duration;
use crate::vrrp::{Auth, Garp, Password, Spec, Track as Tracked, Tracker, Vrid};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Puts everything together.
pub(super) fn finish(cx: &mut Cx<'_>, draft: root::Draft) -> Config {
    let root::Draft { globals, scripts, instances, servers } = draft;
    duplicate_names(cx, &instances);
    let strict = instances.iter().filter_map(|i| i.strict.as_ref()).filter(|s| s.value).map(|s| s.span);
    let mut strict = globals.strict.into_iter().chain(strict);
    if let Some(first) = strict.next() {
        let message = "of strict mode only the authentication is acted on: it is dropped";
        let note =
            Diagnostic::note("no-effect", message).at(first, "packets to the addresses are accepted all the same");
        cx.report(strict.fold(note, |note, span| note.at(span, "and here")));
    }
    let tracked: BTreeSet<String> =
        instances.iter().flat_map(|i| i.scripts.iter().map(|track| track.name.value.clone())).collect();
    let weights: BTreeMap<String, (i32, bool)> = scripts.iter().map(|s| (s.name.clone(), s.weight)).collect();
    let scripts = scripts.into_iter().filter_map(|s| script_spec(cx, s, &globals, &tracked)).collect();
    let read: Vec<_> =
        instances.into_iter().filter_map(|i| Some((i.name.span, instance(cx, i, &globals, &weights)?))).collect();
    same_vrid(cx, &read);
    Config {
        router_id: globals.router_id,
        instances: read.into_iter().map(|(_, (spec, _))| spec).collect(),
        scripts,
        services: check_services::services(cx, servers),
        ..Config::default()
    }
}

fn duplicate_names(cx: &mut Cx<'_>, instances: &[Draft]) {
    let mut first: BTreeMap<&str, Span> = BTreeMap::new();
    for instance in instances {
        let Spanned { value, span } = &instance.name;
        if let Some(before) = first.get(value.as_str()) {
            cx.report(
                Diagnostic::error("duplicate-instance", format!("a second vrrp_instance named `{value}`"))
                    .at(*span, "defined again")
                    .at(*before, "first defined here")
                    .help("give it another name, or remove one of them"),
            );
        } else {
            first.insert(value, *span);
        }
    }
}

/// Two virtual routers with one id on one link hear each other's adverts.
fn same_vrid(cx: &mut Cx<'_>, instances: &[(Span, (Spec, Span))]) {
    let mut first: BTreeMap<(&LinkName, Vrid), (&Spec, Span)> = BTreeMap::new();
    for (_, (spec, span)) in instances {
        if let Some((other, before)) = first.get(&(&spec.link, spec.vrid)) {
            let message = format!(
                "`{}` and `{}` both use virtual_router_id {} on {}",
                other.name, spec.name, spec.vrid, spec.link
            );
            cx.report(
                Diagnostic::error("duplicate-vrid", message)
                    .at(*span, format!("in `{}`", spec.name))
                    .at(*before, format!("and in `{}`", other.name))
                    .help("give each virtual router of a link an id of its own"),
            );
        } else {
            first.insert((&spec.link, spec.vrid), (spec, *span));
        }
    }
}

fn script_spec(
    cx: &mut Cx<'_>,
    draft: script::Draft,
    globals: &global::Draft,
    tracked: &BTreeSet<String>,
) -> Option<ScriptSpec> {
    let Some(argv) = draft.argv else {
        if !draft.failed.contains("script") {
            cx.report(
                Diagnostic::error("missing-keyword", format!("vrrp_script `{}` has no `script`", draft.name))
                    .at(draft.span, "")
                    .help("add `script \"COMMAND\"` to it"),
            );
        }
        return None;
    };
    if !tracked.contains(&draft.name) {
        let message = format!("no instance tracks vrrp_script `{}`; it will not run", draft.name);
        cx.report(
            Diagnostic::note("unused-script", message)
                .at(draft.span, "")
                .help(format!("name it in the `track_script` block of an instance: `{}`", draft.name)),
        );
        return None;
    }
    let user = draft.user.or_else(|| globals.script_user.clone());
    let as_root = user.as_ref().is_none_or(|user| user.user == "root");
    if let Some(program) = argv.value.first() {
        let problem = match cx.loader.program(program) {
            Some(Program::Missing) => {
                Some(Diagnostic::note("script-missing", format!("there is no `{program}` on this machine")))
            }
            Some(Program::NotExecutable) => {
                Some(Diagnostic::warning("script-not-executable", format!("`{program}` is not executable")))
            }
            Some(Program::Insecure(part)) if globals.script_security && as_root => {
                let message = format!("`{program}` would run as root, and others may change {}", part.display());
                Some(Diagnostic::error("insecure-script", message).help("enable_script_security forbids that"))
            }
            None | Some(Program::Runs | Program::Insecure(_)) => None,
        };
        if let Some(problem) = problem {
            cx.report(problem.at(argv.span, ""));
        }
    }
    let interval = draft.interval.unwrap_or(Duration::from_secs(1));
    Some(ScriptSpec {
        name: draft.name,
        argv: argv.value,
        interval,
        timeout: draft.timeout.unwrap_or(interval),
        weight: draft.weight.0,
        reverse: draft.weight.1,
        rise: draft.rise,
        fall: draft.fall,
        user,
        init_fail: false,
    })
}

/// The spec of one instance and where its id is written.
fn instance(
    cx: &mut Cx<'_>,
    mut draft: Draft,
    globals: &global::Draft,
    weights: &BTreeMap<String, (i32, bool)>,
) -> Option<(Spec, Span)> {
    let name = draft.name.clone();
    version(cx, &draft, globals);
    required(cx, &draft, draft.link.is_none(), "interface", "eth0");
    required(cx, &draft, draft.vrid.is_none(), "virtual_router_id", "51");
    let priority = priority(cx, &draft);
    let interval = interval(cx, &draft);
    let preempt = preempt(cx, &draft, priority);
    let source = source(cx, &draft);
    let password = password(cx, &draft, globals);
    let scripts = tracks(cx, &draft, weights, priority);
    let (link, vrid) = (draft.link.take()?, draft.vrid.take()?);
    let id = u8::try_from(vrid.value).ok().and_then(|id| Vrid::new(id).ok())?;
    let addresses = addresses(cx, &draft, &link.value);
    let default = Garp::default();
    let spec = Spec {
        priority,
        interval,
        wishes_master: draft.master.is_some() || priority == 255,
        preempt,
        auth: password.map_or(Auth::None, Auth::Pass),
        source,
        addresses,
        garp: Garp {
            repeat: draft.garp_repeat.or(globals.garp_repeat).unwrap_or(default.repeat),
            delay: draft.garp_delay.or(globals.garp_delay).unwrap_or(default.delay),
            ..default
        },
        tracks: scripts,
        down_adverts: draft.down_adverts.or(globals.down_adverts).unwrap_or(3),
        ..Spec::new(&name.value, link.value, id)
    };
    Some((spec, vrid.span))
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

fn version(cx: &mut Cx<'_>, draft: &Draft, globals: &global::Draft) {
    let Some(version) = draft.version.as_ref().or(globals.version.as_ref()).filter(|v| v.value == 3) else { return };
    // Once is enough where it is said for all.
    if cx.diagnostics.iter().any(|d| d.id == "vrrp-version" && d.span() == Some(version.span)) {
        return;
    }
    cx.report(
        Diagnostic::error("vrrp-version", "VRRPv3 is keepalived's, vipdeck does not support it yet")
            .at(version.span, "its packets are not those of VRRPv2")
            .help("write version 2 here and on all nodes of the virtual router"),
    );
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

fn interval(cx: &mut Cx<'_>, draft: &Draft) -> Duration {
    let Some(interval) = &draft.interval else { return Duration::from_secs(1) };
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

fn preempt(cx: &mut Cx<'_>, draft: &Draft, priority: u8) -> bool {
    if let Some(delay) = draft.preempt_delay.as_ref().filter(|delay| delay.value > Duration::ZERO) {
        cx.report(
            Diagnostic::error("not-supported", "`preempt_delay` is keepalived's, vipdeck does not support it yet")
                .at(delay.span, "this node would take over without waiting"),
        );
    }
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

fn source(cx: &mut Cx<'_>, draft: &Draft) -> Option<IpAddr> {
    match draft.source.as_ref()? {
        Spanned { value: address @ IpAddr::V4(_), .. } => Some(*address),
        Spanned { value: IpAddr::V6(_), span } => {
            cx.report(
                Diagnostic::error("bad-address", "the source of VRRPv2 adverts is an IPv4 address")
                    .at(*span, "an IPv6 address"),
            );
            None
        }
    }
}

fn password(cx: &mut Cx<'_>, draft: &Draft, globals: &global::Draft) -> Option<Password> {
    let Authentication { span, pass, password, failed } = draft.authentication.as_ref()?;
    // A word that is refused is an error already.
    let refused = !failed.is_empty();
    let strict = match &draft.strict {
        Some(strict) => strict.value.then_some(strict.span),
        None => globals.strict,
    };
    let incomplete = match (pass, password) {
        (true, Some(_)) => None,
        (true, None) => Some("`auth_pass` is missing"),
        (false, _) => Some("`auth_type` is missing"),
    };
    if let (Some(why), false) = (incomplete, refused) {
        let problem = Diagnostic::warning("no-authentication", format!("adverts are not authenticated: {why}"));
        cx.report(match span {
            Some(span) => problem.at(*span, "").help("write `auth_type PASS` and `auth_pass PASSWORD`"),
            None => problem,
        });
    }
    let password = password.as_ref().filter(|_| *pass)?;
    if let Some(strict) = strict {
        cx.report(
            Diagnostic::warning("no-authentication", "strict mode drops the authentication of adverts")
                .at(password.span, "not used, as in keepalived")
                .at(strict, "because of this")
                .help("remove one of the two, on all nodes"),
        );
        return None;
    }
    if password.value.len() > 8 {
        let message = format!("the password has {} bytes and VRRPv2 carries eight", password.value.len());
        cx.report(
            Diagnostic::warning("password-truncated", message)
                .at(password.span, "the rest is cut off, as keepalived does")
                .help("shorten it to eight bytes, so that it says what is sent"),
        );
    }
    Some(Password::new(&password.value))
}

fn addresses(cx: &mut Cx<'_>, draft: &Draft, link: &LinkName) -> Vec<Address> {
    let mut addresses: Vec<Address> = Vec::new();
    for vip in &draft.addresses {
        let link = vip.link.clone().unwrap_or_else(|| link.clone());
        let address = Address {
            label: vip.label.clone(),
            scope: vip.scope,
            broadcast: vip.broadcast,
            ..Address::new(link, vip.net.value)
        };
        if addresses.iter().any(|other| other.net.addr() == address.net.addr()) {
            let message = format!("{} is written twice", address.net.addr());
            cx.report(Diagnostic::warning("duplicate-address", message).at(vip.net.span, "this one is ignored"));
        } else {
            addresses.push(address);
        }
    }
    // The count field of an advert is one byte (RFC 3768, 5.3.5).
    if let (true, Some(vip)) = (addresses.len() > 255, draft.addresses.get(255)) {
        let message = format!("{} addresses, and an advert carries 255", addresses.len());
        cx.report(Diagnostic::error("too-many-addresses", message).at(vip.net.span, "one too many"));
    }
    if draft.addresses.is_empty() && !draft.no_addresses {
        let message = format!("vrrp_instance `{}` moves no address", draft.name.value);
        cx.report(
            Diagnostic::warning("no-addresses", message)
                .at(draft.name.span, "")
                .help("add a `virtual_ipaddress { }`, or `no_virtual_ipaddress` if that is meant"),
        );
    }
    addresses
}

fn tracks(cx: &mut Cx<'_>, draft: &Draft, weights: &BTreeMap<String, (i32, bool)>, priority: u8) -> Vec<Tracked> {
    let mut tracks: Vec<Tracked> = Vec::new();
    for track in &draft.scripts {
        let Track { name, weight, below_comment } = track;
        let Some(default) = weights.get(&name.value) else {
            cx.report(undefined(name, weights, *below_comment));
            continue;
        };
        let (weight, reverse) = weight.unwrap_or(*default);
        if tracks.iter().any(|other| other.name == name.value) {
            let message = format!("`{}` is tracked twice", name.value);
            cx.report(Diagnostic::warning("duplicate-track", message).at(name.span, "this one is ignored"));
        } else if priority == 255 && weight != 0 {
            cx.report(
                Diagnostic::warning("owner-weight", "priority 255 does not change, so a weight has no effect")
                    .at(name.span, "not tracked, as keepalived does")
                    .help("use a priority below 255, or weight 0 so that a failure is a fault"),
            );
        } else {
            tracks.push(Tracked { kind: Tracker::Script, name: name.value.clone(), weight, reverse });
        }
    }
    tracks
}

fn undefined(name: &Spanned<String>, scripts: &BTreeMap<String, (i32, bool)>, below_comment: bool) -> Diagnostic {
    let near = suggest::nearest(&name.value, scripts.keys().map(String::as_str));
    if below_comment && near.is_none() && !name.value.is_ascii() {
        return Diagnostic::warning("wrapped-comment", "this line is probably the rest of the comment above")
            .at(name.span, "ignored")
            .help("a comment ends with its line: put a `#` in front of this one, or join the two");
    }
    let problem = Diagnostic::error("undefined-script", format!("no vrrp_script is named `{}`", name.value))
        .at(name.span, "keepalived would run without it");
    match near {
        Some(near) => problem.help(format!("did you mean `{near}`?")),
        None if below_comment => problem.help("if this is the rest of the comment above, put a `#` in front of it"),
        None => problem.help(format!("define it: `vrrp_script {} {{ … }}`", name.value)),
    }
}
