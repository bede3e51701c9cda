//! A new configuration for a running engine: what is the same goes on untouched, what left is handed over, what is new
//! starts.
//!
//! Virtual routers are matched as keepalived matches them, by VRID, family, link, peering and virtual link, not by name.
//! Scripts are matched by name, command and user, tracked files and processes by name and what they are, services and real servers by address, checks by what they do.

use super::actions::NOBODY;
use super::core::Engine;
use super::effect::Effect;
use super::router::Router;
use super::scripts::Script;
use crate::conf::{Config, Static};
use crate::lvs;
use crate::status::{ActionState, Actor, Ask, Command, Reply, Severity, Subject};
use crate::time::Instant;
use crate::vrrp::{self, Instance, Peering, Spec};
use std::collections::BTreeSet;

impl Engine {
    /// Asks for the configuration to be read; the rest follows when it is there.
    pub(super) fn read_configuration(&mut self, now: Instant, id: u64, ask: Ask, effects: &mut Vec<Effect>) {
        if self.stopping {
            let reason = "the engine is stopping".to_owned();
            effects.push(Effect::Reply { id, reply: Reply::Rejected { reason } });
            return;
        }
        let text = format!("{} asks to {}", ask.actor, ask.command);
        self.log.add(now, Subject::Node, Severity::Info, "reload", text, ask.reason.clone());
        effects.push(Effect::ReadConfiguration { id, ask });
    }

    /// The configuration has been read, or cannot be used; then everything stays as it is.
    pub(super) fn configured(
        &mut self,
        now: Instant,
        id: u64,
        ask: &Ask,
        read: Result<Config, String>,
        effects: &mut Vec<Effect>,
    ) {
        let refusal = match &read {
            Ok(config) => self.cannot_change(config),
            Err(errors) => Some(errors.clone()),
        };
        let reply = match (read, refusal) {
            (Ok(config), None) => {
                let changes = self.changes(&config);
                let text = summary(&changes);
                if matches!(ask.command, Command::Reload { dry_run: true }) {
                    Reply::accepted(format!("this would change: {text}"))
                } else {
                    self.begin();
                    self.reload(now, config, &ask.actor, &changes, effects);
                    return self.reloaded(now, id, ask, text, effects);
                }
            }
            (_, refusal) => {
                let reason = format!("nothing is changed: {}", refusal.unwrap_or_default());
                let first = reason.lines().next().unwrap_or_default().to_owned();
                if let (NOBODY, Command::Undo { id: Some(id) }) = (id, &ask.command) {
                    self.reverted(now, *id, ask, Err(reason.clone()));
                    self.keep_orders(effects);
                }
                if matches!(ask.command, Command::Reload { dry_run: false }) {
                    self.findings.raise(now, "reload-refused", Severity::Warning, "node", first.clone());
                    let text = format!("reload refused: {first}");
                    self.log.add(now, Subject::Node, Severity::Warning, "reload", text, Some(reason.clone()));
                }
                Reply::Rejected { reason }
            }
        };
        effects.push(Effect::Reply { id, reply });
    }

    /// A configuration is in force: a reload, or one that is taken back.
    fn reloaded(&mut self, now: Instant, id: u64, ask: &Ask, text: String, effects: &mut Vec<Effect>) {
        let Command::Undo { id: Some(undone) } = ask.command else {
            self.free_own(ask);
            let answer = self.finish(now, ask, text);
            return self.accept(now, id, answer, effects);
        };
        let text = format!("the configuration of before is in force, and the file is left as it is: {text}");
        if id == NOBODY {
            self.reverted(now, undone, ask, Ok(text));
            self.keep_orders(effects);
            return;
        }
        self.settle_undone(undone, ActionState::Undone);
        let text = format!("{text}; the next reload, or a start, reads the file again");
        let answer = self.finish(now, ask, text);
        self.accept(now, id, answer, effects);
    }

    /// What only a restart can change.
    fn cannot_change(&self, config: &Config) -> Option<String> {
        let (before, after) = (&self.globals, &config.globals);
        let differs = |what: &str| Some(format!("{what} takes a restart to change"));
        if before.net_namespace != after.net_namespace {
            return differs("net_namespace");
        }
        if before.instance_name != after.instance_name {
            return differs("instance");
        }
        if before.lvs.namespace != after.lvs.namespace {
            return differs("net_namespace_ipvs");
        }
        None
    }

    /// What a configuration would change, a line each; what is not named is not touched.
    pub(super) fn changes(&self, config: &Config) -> Vec<String> {
        let mut lines = Vec::new();
        let mut matched = BTreeSet::new();
        for spec in &config.instances {
            let Some(index) = self.same_router(spec) else {
                lines.push(format!("{}: new, starts as BACKUP", spec.name));
                continue;
            };
            matched.insert(index);
            let Some(router) = self.routers.get(index) else { continue };
            let fields = differences(router.machine.spec(), spec);
            if !fields.is_empty() {
                let consequence = consequence(&router.machine, spec);
                lines.push(format!("{}: {}{consequence}", router.machine.spec().name, fields.join(", ")));
            }
        }
        for (index, router) in self.routers.iter().enumerate() {
            if !matched.contains(&index) && !router.retiring {
                let holds = router.machine.state().wants_addresses();
                let how = if holds { "hands its addresses over" } else { "leaves" };
                lines.push(format!("{}: removed, {how}", router.machine.spec().name));
            }
        }
        let groups = |specs: &mut dyn Iterator<Item = (&str, &[String])>| {
            specs.map(|(name, members)| format!("{name} ({})", members.join(", "))).collect::<Vec<_>>()
        };
        let before = groups(&mut self.groups.iter().map(|g| (g.spec.name.as_str(), g.spec.members.as_slice())));
        let after = groups(&mut config.groups.iter().map(|g| (g.name.as_str(), g.members.as_slice())));
        if before != after {
            lines.push(format!("sync groups: {} → {}", or_none(&before), or_none(&after)));
        }
        self.static_changes(config, &mut lines);
        lines.extend(self.notify_changes(&config.globals));
        self.script_changes(config, &mut lines);
        self.bfds.changes(&config.bfds, &mut lines);
        self.trackers.changes(config, &mut lines);
        if self.globals.link_delays != config.globals.link_delays {
            lines.push("interface_up_down_delays: changed".to_owned());
        }
        self.service_changes(config, &mut lines);
        lines
    }

    fn static_changes(&self, config: &Config, lines: &mut Vec<String>) {
        let (before, after) = (&self.routing.statics, &config.statics);
        let changed = |text: String| (!text.is_empty()).then_some(text);
        lines.extend(changed(static_lists("static address", &before.addresses, &after.addresses)));
        lines.extend(changed(static_lists("static route", &before.routes, &after.routes)));
        lines.extend(changed(static_lists("static rule", &before.rules, &after.rules)));
        if self.routing.track_groups != config.track_groups {
            lines.push("track groups: changed".to_owned());
        }
    }

    fn script_changes(&self, config: &Config, lines: &mut Vec<String>) {
        for spec in &config.scripts {
            match self.scripts.iter().find(|s| s.spec.name == spec.name) {
                None => lines.push(format!("script {}: new", spec.name)),
                Some(script) if script.spec != *spec => {
                    let kept = if script.is_same(spec) { "its result is kept" } else { "it runs anew" };
                    lines.push(format!("script {}: changed, {kept}", spec.name));
                }
                Some(_) => {}
            }
        }
        let gone = self.scripts.iter().filter(|s| !config.scripts.iter().any(|c| c.name == s.spec.name));
        lines.extend(gone.map(|s| format!("script {}: removed", s.spec.name)));
    }

    fn service_changes(&self, config: &Config, lines: &mut Vec<String>) {
        for spec in &config.services {
            match self.services.iter().find(|s| s.spec.key == spec.key) {
                None => lines.push(format!("virtual service {}: new", spec.key)),
                Some(service) if service.spec != *spec => {
                    lines.push(format!("virtual service {}: changed", spec.key));
                }
                Some(_) => {}
            }
        }
        let gone = self.services.iter().filter(|s| !config.services.iter().any(|c| c.key == s.spec.key));
        lines.extend(gone.map(|s| format!("virtual service {}: removed", s.spec.key)));
    }

    /// The running router that is the one a spec describes.
    fn same_router(&self, spec: &Spec) -> Option<usize> {
        let wanted = identity(spec);
        self.routers.iter().position(|r| !r.retiring && identity(r.machine.spec()) == wanted)
    }

    fn reload(&mut self, now: Instant, config: Config, by: &Actor, changes: &[String], effects: &mut Vec<Effect>) {
        effects.push(Effect::KeepConfiguration(Box::new(config.clone())));
        let text = format!("configuration reloaded by {by}: {}", summary(changes));
        self.log.add(now, Subject::Node, Severity::Notice, "reload", text, Some(changes.join("\n")));
        self.reload_scripts(now, &config);
        self.bfds.reload(&config.bfds);
        self.trackers.reload(now, &config);
        self.reload_services(now, &config);
        self.lay_over(now);
        let Config { router_id, globals, instances, groups, statics, track_groups, origins, about, .. } = config;
        self.origins = origins;
        self.papers.loaded(now, about);
        self.routing.statics = statics;
        self.routing.track_groups = track_groups;
        if let Some(name) = router_id {
            self.name = name;
        }
        self.log_unknown_vrids = globals.log_unknown_vrids;
        self.told.clear();
        self.table.left_daemons |= self.globals.lvs.sync.is_some();
        self.globals = globals;
        let outputs = self.reload_routers(now, instances);
        self.index_routers();
        self.index_addresses();
        self.index_routing();
        self.index_links();
        self.form_groups(groups);
        self.set_lease(now);
        effects.push(Effect::Relisten);
        for (index, outputs) in outputs {
            self.carry_out(now, index, outputs, effects);
        }
        for index in 0..self.routers.len() {
            if self.routers.get(index).is_some_and(|r| r.retiring) {
                self.drive(now, index, vrrp::Input::Stop, effects);
            } else {
                self.update_conditions(now, index, effects);
                self.schedule_extra(now, index);
            }
        }
        self.index_checks(now);
        self.tell_checks(now, effects);
        self.settle_routing_around(now, effects);
        let _ = self.settle_quorums(now, effects);
        self.settle_table(effects);
        self.drop_retired();
        self.tell_states_again(effects);
    }

    /// Puts the routers of the new configuration in its order; those that left come last until they have handed over.
    fn reload_routers(&mut self, now: Instant, specs: Vec<Spec>) -> Vec<(usize, Vec<vrrp::Output>)> {
        let mut outputs = Vec::new();
        let places: Vec<_> = specs.iter().map(|spec| self.same_router(spec)).collect();
        let mut before: Vec<_> = std::mem::take(&mut self.routers).into_iter().map(Some).collect();
        for (spec, place) in specs.into_iter().zip(places) {
            let kept = place.and_then(|place| before.get_mut(place)).and_then(Option::take);
            let router = match kept {
                Some(mut router) => {
                    let out = router.machine.reconfigure(now, spec);
                    if !out.is_empty() {
                        outputs.push((self.routers.len(), out));
                    }
                    router
                }
                None => self.held_from_before(now, Instance::new(spec, now)),
            };
            self.routers.push(router);
        }
        for mut router in before.into_iter().flatten() {
            router.retiring = true;
            self.routers.push(router);
        }
        outputs
    }

    /// Routers that left the configuration are forgotten once they are out of the protocol.
    pub(super) fn drop_retired(&mut self) {
        let gone = |r: &Router| r.retiring && *r.machine.state() == vrrp::State::Stopped;
        if !self.retiring || self.stopping || !self.routers.iter().any(gone) {
            return;
        }
        self.routers.retain(|r| !gone(r));
        self.index_routers();
        self.index_addresses();
        self.index_routing();
        self.index_links();
        let groups = self.groups.iter().map(|g| g.spec.clone()).collect();
        self.form_groups(groups);
    }

    fn reload_scripts(&mut self, now: Instant, config: &Config) {
        let mut before = std::mem::take(&mut self.scripts);
        for spec in &config.scripts {
            let same = before.iter().position(|s| s.spec.name == spec.name && s.is_same(spec));
            self.scripts.push(match same {
                Some(place) => before.swap_remove(place).with(spec.clone()),
                None => Script::new(spec.clone(), now),
            });
        }
    }

    fn reload_services(&mut self, now: Instant, config: &Config) {
        let mut before = std::mem::take(&mut self.services);
        for spec in &config.services {
            let fresh = lvs::Service::new(spec.clone(), now, || self.random.fraction());
            let place = before.iter().position(|s| s.spec.key == spec.key);
            self.services.push(match place {
                Some(place) => {
                    let old = before.swap_remove(place);
                    self.left_services.extend(old.spec.entries());
                    fresh.keeping(old)
                }
                None => fresh,
            });
        }
        self.left_services.extend(before.iter().flat_map(|s| s.spec.entries()));
    }
}

/// What makes two specs the same virtual router.
fn identity(spec: &Spec) -> impl PartialEq {
    let peering = match &spec.peering {
        Peering::Multicast(group) => (Some(*group), Vec::new()),
        Peering::Unicast(unicast) => (None, unicast.peers.iter().map(|p| p.address).collect()),
    };
    let virtual_link = spec.virtual_link.as_ref().map(|v| v.link.name.clone());
    (spec.vrid, spec.family, spec.version, spec.link.clone(), peering, virtual_link)
}

/// The fields that differ, with both values; secrets without.
fn differences(before: &Spec, after: &Spec) -> Vec<String> {
    let fields = |spec: &Spec| match serde_json::to_value(spec) {
        Ok(serde_json::Value::Object(fields)) => fields,
        _ => serde_json::Map::new(),
    };
    let (old, new) = (fields(before), fields(after));
    let mut found = Vec::new();
    for (name, value) in &new {
        if old.get(name) == Some(value) {
            continue;
        }
        found.push(match name.as_str() {
            "addresses" => lists("address", &before.addresses, &after.addresses),
            "excluded" => lists("excluded address", &before.excluded, &after.excluded),
            "routes" => lists("route", &before.routes, &after.routes),
            "rules" => lists("rule", &before.rules, &after.rules),
            "priority" => format!("priority {} → {}", before.priority, after.priority),
            "interval" => {
                format!("advert_int {} → {}", before.interval.as_secs_f64(), after.interval.as_secs_f64())
            }
            "name" => format!("name {} → {}", before.name, after.name),
            "auth" => "authentication changed (nodes that do not accept it yet become MASTER, too)".to_owned(),
            other => format!("{other} changed"),
        });
    }
    found
}

fn lists<T: PartialEq + ToString>(what: &str, before: &[T], after: &[T]) -> String {
    let gone = before.iter().filter(|b| !after.contains(b)).map(|b| format!("{what} {} removed", b.to_string()));
    let new = after.iter().filter(|a| !before.contains(a)).map(|a| format!("{what} {} added", a.to_string()));
    let text = gone.chain(new).collect::<Vec<_>>().join(", ");
    if text.is_empty() { format!("{what}: another order") } else { text }
}

fn static_lists<T: PartialEq + std::fmt::Display>(what: &str, before: &[Static<T>], after: &[Static<T>]) -> String {
    let texts = |all: &[Static<T>]| all.iter().map(|s| s.object.to_string()).collect::<Vec<_>>();
    if before == after { String::new() } else { lists(what, &texts(before), &texts(after)) }
}

/// Whether the state of a router may follow from another priority.
fn consequence(machine: &Instance, after: &Spec) -> &'static str {
    let before = machine.spec().priority;
    let is_master = matches!(machine.state(), vrrp::State::Master { .. });
    match (is_master, after.priority.cmp(&before)) {
        (true, std::cmp::Ordering::Less) => " (may lose MASTER to a higher priority)",
        (false, std::cmp::Ordering::Greater) => " (may become MASTER)",
        _ => "",
    }
}

fn summary(changes: &[String]) -> String {
    if changes.is_empty() { "nothing differs".to_owned() } else { changes.join("; ") }
}

fn or_none(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join("; ") }
}
