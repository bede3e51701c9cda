//! Drafts to specs: defaults, inheritance, and what one line alone cannot tell.

use super::check_instance::instance;
use super::check_trackers::Weights;
use super::diagnostic::Diagnostic;
use super::keywords::instance::Draft;
use super::keywords::{global, group, root, script};
use super::lower::Cx;
use super::model::{Config, FirewallSpec, Globals, LvsOptions, ScriptSpec};
use super::source::{Span, Spanned};
use super::{
    check_bfd, check_checkers, check_entries, check_garp, check_groups, check_links, check_notify, check_routing,
    check_services, check_trackers,
};
use crate::time::Duration;
use crate::vrrp::{Peering, Spec, Tracker};
use std::collections::{BTreeMap, BTreeSet};

/// Puts everything together.
#[expect(clippy::too_many_lines, reason = "one line a part")]
pub(super) fn finish(cx: &mut Cx<'_>, draft: root::Draft) -> Config {
    let root::Draft {
        bfds,
        globals,
        scripts,
        files,
        processes,
        link_delays,
        mut instances,
        groups,
        servers,
        ssl,
        server_groups,
        static_addresses,
        static_routes,
        static_rules,
        track_groups,
        garp_groups,
        net_namespace,
        instance: name,
        ipvs_namespace,
    } = draft;
    duplicate_names(cx, &instances);
    let sync = globals.lvs.sync.clone().or_else(|| check_entries::old_sync(&instances));
    let mut tracked = tracked(&instances, &groups);
    tracked.extend(check_checkers::named(servers.iter().flat_map(|s| &s.reals).flat_map(|r| &r.checks)));
    let mut weights: Weights = scripts.iter().map(|s| ((Tracker::Script, s.name.clone()), s.weight)).collect();
    let file_weight = |weight: Option<(i32, bool)>| weight.unwrap_or(check_trackers::FILE_WEIGHT);
    weights.extend(files.iter().map(|f| ((Tracker::File, f.name.clone()), file_weight(f.weight))));
    weights.extend(processes.iter().map(|p| ((Tracker::Process, p.name.clone()), p.weight)));
    // What a sync group takes for a wish is only what somebody wrote.
    let plain: BTreeSet<String> = files.iter().filter(|f| f.weight.is_none()).map(|f| f.name.clone()).collect();
    weights.extend(bfds.iter().map(|b| ((Tracker::Bfd, b.name.value.clone()), b.weight)));
    cx.checkers = check_checkers::World::new(cx, ssl, &globals, &bfds);
    let bfds = check_bfd::sessions(cx, bfds, &tracked);
    let files = check_trackers::files(cx, files, &tracked);
    cx.checkers.know(&files);
    let processes = check_trackers::processes(cx, processes, &tracked);
    let scripts = scripts.into_iter().filter_map(|s| script_spec(cx, s, &globals, &tracked)).collect();
    let names = check_routing::names(cx, &globals);
    let mut blocks = vec![(static_rules, true)];
    blocks.extend(instances.iter_mut().map(|i| (std::mem::take(&mut i.rules), false)));
    let mut rules = check_routing::rules(cx, &names, &blocks).into_iter();
    let lines = check_routing::StaticLines { addresses: &static_addresses, routes: &static_routes };
    let of_statics = rules.next().unwrap_or_default();
    let statics = check_routing::statics(cx, &names, &lines, of_statics, &globals, &track_groups);
    let mut given = check_links::Given::new(&instances);
    let mut read: Vec<(Span, (Spec, Span))> = Vec::new();
    for (draft, rules) in instances.into_iter().zip(rules) {
        let at = draft.name.span;
        let Some((mut spec, vrid)) = instance(cx, draft, &globals, &weights, &names, &mut given) else { continue };
        spec.rules = rules.into_iter().map(|(rule, _)| rule).collect();
        read.push((at, (spec, vrid)));
    }
    same_vrid(cx, &read);
    check_links::firewall(cx, &read.iter().map(|(at, (spec, _))| (spec, *at)).collect::<Vec<_>>());
    let mut instances: Vec<Spec> = read.into_iter().map(|(_, (spec, _))| spec).collect();
    let groups = check_groups::groups(cx, groups, &mut instances, (&weights, &plain), &globals);
    let link_delays = check_trackers::link_delays(cx, link_delays, &instances);
    let instance_names: Vec<&str> = instances.iter().map(|spec| spec.name.as_str()).collect();
    let track_groups = check_routing::track_groups(cx, track_groups, &instance_names);
    let default = FirewallSpec::default();
    let firewall = FirewallSpec {
        table: globals.table.clone().unwrap_or(default.table),
        priority: globals.table_priority.unwrap_or(default.priority),
        counters: globals.table_counters,
    };
    let alerts = instances.iter().map(|i| &i.notify).chain(groups.iter().map(|g| &g.notify)).any(|n| n.smtp_alert);
    let server_groups = check_entries::Groups::new(cx, server_groups, &servers);
    let services = check_services::services(cx, servers, &server_groups, &globals);
    let notify = check_notify::globals(cx, &globals, alerts);
    let lvs = LvsOptions {
        sync: check_entries::sync(cx, sync.as_ref(), &instances),
        timeouts: globals.lvs.timeouts,
        flush: globals.lvs.flush,
        flush_on_stop: globals.lvs.flush_on_stop,
        namespace: ipvs_namespace,
    };
    Config {
        router_id: globals.router_id,
        globals: Globals {
            startup_delay: globals.startup_delay.unwrap_or_default(),
            delay_after_boot: globals.delay_after_boot.unwrap_or_default(),
            dynamic_interfaces: check_trackers::dynamic_interfaces(cx, globals.dynamic_interfaces.as_ref()),
            default_interface: globals.default_interface,
            link_delays,
            log_unknown_vrids: globals.log_unknown,
            garp_interval: globals.garp_interval.unwrap_or_default(),
            gna_interval: globals.gna_interval.unwrap_or_default(),
            garp_groups: check_garp::garp_groups(cx, garp_groups),
            script_security: globals.script_security,
            firewall,
            notify,
            process: globals.process.options(),
            dumps: globals.dumps,
            net_namespace: net_namespace.map(|n| n.value),
            instance_name: name.map(|n| n.value),
            lvs,
            ..Globals::default()
        },
        instances,
        groups,
        scripts,
        files,
        processes,
        statics,
        track_groups,
        bfds,
        services,
        origins: super::Origins::default(),
        about: super::About::default(),
    }
}

/// What instances and groups track, by kind and name.
fn tracked(instances: &[Draft], groups: &[group::Draft]) -> BTreeSet<(Tracker, String)> {
    let of_instances = instances.iter().map(|i| [&i.scripts, &i.files, &i.processes, &i.bfds]);
    let lists = of_instances.chain(groups.iter().map(|g| [&g.scripts, &g.files, &g.processes, &g.bfds]));
    let kinds = [Tracker::Script, Tracker::File, Tracker::Process, Tracker::Bfd];
    let named = lists.flat_map(|lists| kinds.into_iter().zip(lists));
    named.flat_map(|(kind, list)| list.iter().map(move |track| (kind, track.name.value.clone()))).collect()
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
    let mut first: BTreeMap<_, (&Spec, Span)> = BTreeMap::new();
    for (_, (spec, span)) in instances {
        let peers = match &spec.peering {
            Peering::Multicast(_) => Vec::new(),
            Peering::Unicast(unicast) => unicast.peers.iter().map(|p| p.address).collect(),
        };
        let key = (&spec.link, spec.vrid, spec.family, peers);
        if let Some((other, before)) = first.get(&key) {
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
            first.insert(key, (spec, *span));
        }
    }
}

fn script_spec(
    cx: &mut Cx<'_>,
    draft: script::Draft,
    globals: &global::Draft,
    tracked: &BTreeSet<(Tracker, String)>,
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
    if !tracked.contains(&(Tracker::Script, draft.name.clone())) {
        let message = format!("no instance tracks vrrp_script `{}`; it will not run", draft.name);
        cx.report(
            Diagnostic::note("unused-script", message)
                .at(draft.span, "")
                .help(format!("name it in the `track_script` block of an instance: `{}`", draft.name)),
        );
        return None;
    }
    let user = draft.user.or_else(|| globals.script_user.clone());
    check_notify::program(cx, argv.value.first(), argv.span, user.as_ref(), globals);
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
        init_fail: draft.init_fail,
    })
}
