//! Routes and rules: those that move with a router's addresses, and those that stand while the engine runs.
//!
//! Like an address, a route is never "added on becoming MASTER": it is wanted as long as a router answers for its
//! addresses, and everything else follows from what the kernel says is there.

use super::core::Engine;
use super::effect::Effect;
use super::keeper::{Entry, Keeper, Object, Owners, Presence, Steps};
use super::router::Router;
use crate::conf::{Static, Statics, TrackGroup};
use crate::kernel::{Address, Change, Route, Routing, RoutingNews, Rule};
use crate::net::LinkName;
use crate::status::{self, Kept, KeptKind, Severity, Subject};
use crate::time::Instant;
use crate::vrrp::{Conditions, Spec};
use std::collections::BTreeSet;
use std::fmt::Display;

/// What the engine keeps of routes, rules and static objects.
#[derive(Clone, Debug, Default)]
pub(super) struct RoutingState {
    pub(super) routes: Keeper<Route>,
    pub(super) rules: Keeper<Rule>,
    pub(super) statics: Statics,
    pub(super) track_groups: Vec<TrackGroup>,
    /// Links whose `promote_secondaries` was asked for.
    pub(super) promoted: BTreeSet<LinkName>,
    /// Those where it is being put back.
    pub(super) demoted: BTreeSet<LinkName>,
}

impl RoutingState {
    pub(super) fn new(statics: Statics, track_groups: Vec<TrackGroup>) -> Self {
        Self { statics, track_groups, ..Self::default() }
    }
}

/// Which of two kinds a step or an event is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Route,
    Rule,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Route => "route",
            Self::Rule => "rule",
        }
    }
}

fn fixed<T: Clone>(of: &Static<T>) -> (T, Owners) {
    let owners = Owners { routers: Vec::new(), fixed: true, track_group: of.track_group.clone() };
    (of.object.clone(), owners)
}

impl Engine {
    /// Finds the routes and rules that are wanted by anybody. Called whenever routers are made anew.
    pub(super) fn index_routing(&mut self) {
        let of = |index: usize| Owners { routers: vec![index], ..Owners::default() };
        let routers = || self.routers.iter().enumerate().map(|(index, r)| (index, r.machine.spec()));
        let routes = routers().flat_map(|(index, spec)| spec.routes.iter().map(move |r| (r.clone(), of(index))));
        let routes: Vec<_> = routes.chain(self.routing.statics.routes.iter().map(fixed)).collect();
        let rules = routers().flat_map(|(index, spec)| spec.rules.iter().map(move |r| (r.clone(), of(index))));
        let rules: Vec<_> = rules.chain(self.routing.statics.rules.iter().map(fixed)).collect();
        self.routing.routes.name(routes.into_iter());
        self.routing.rules.name(rules.into_iter());
    }

    /// Whether news of routes and rules are needed.
    pub fn keeps_routing(&self) -> bool {
        !self.routing.routes.is_empty() || !self.routing.rules.is_empty()
    }

    /// From what is there to what should be, for every route and rule.
    pub(super) fn settle_routing(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let routes = self.steps_of_routes(now, None);
        let rules = self.steps_of_rules(now, None);
        push(routes, rules, effects);
    }

    /// After a reload: what left goes before its addresses, what is new comes after them.
    pub(super) fn settle_routing_around(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let mut steps = Vec::new();
        self.settle_routing(now, &mut steps);
        let adds = |e: &Effect| matches!(e, Effect::Apply(Change::Routing(Routing::AddRoute(_) | Routing::AddRule(_))));
        let (additions, removals): (Vec<_>, Vec<_>) = steps.into_iter().partition(adds);
        effects.extend(removals);
        self.settle_addresses(effects);
        effects.extend(additions);
        self.promote_secondaries(effects);
    }

    /// The same for the routes and rules of one router.
    pub(super) fn settle_routing_of(&mut self, now: Instant, index: usize, effects: &mut Vec<Effect>) {
        let Some(spec) = self.routers.get(index).map(|r| r.machine.spec()) else { return };
        if spec.routes.is_empty() && spec.rules.is_empty() {
            return;
        }
        let routes = spec.routes.iter().map(Route::key).collect();
        let rules = spec.rules.iter().map(Rule::key).collect();
        let routes = self.steps_of_routes(now, Some(routes));
        let rules = self.steps_of_rules(now, Some(rules));
        push(routes, rules, effects);
    }

    fn steps_of_routes(&mut self, now: Instant, keys: Option<Vec<crate::kernel::RouteKey>>) -> Vec<Routing> {
        let (routers, links, released) = (&self.routers, &self.links, self.has_handed_over());
        let desired = |owners: &Owners| is_wanted(routers, released, owners);
        let reachable = |route: &Route| route.links().all(|link| links.contains_key(link.as_str()));
        let steps = self.routing.routes.settle(now, keys, desired, reachable);
        self.note_fights(now, Kind::Route, steps)
    }

    fn steps_of_rules(&mut self, now: Instant, keys: Option<Vec<crate::kernel::RuleKey>>) -> Vec<Routing> {
        let (routers, released) = (&self.routers, self.has_handed_over());
        let desired = |owners: &Owners| is_wanted(routers, released, owners);
        let steps = self.routing.rules.settle(now, keys, desired, |_| true);
        self.note_fights(now, Kind::Rule, steps)
    }

    /// Says what others remove again and again, and gives the steps, removals first.
    fn note_fights<T: Display>(&mut self, now: Instant, kind: Kind, steps: Steps<T>) -> Vec<Routing> {
        for object in steps.fought {
            let text = format!("somebody removes {} {object} again and again: put back once a second", kind.name());
            if self.findings.raise(now, "fight", Severity::Alarm, &object.to_string(), text.clone()) {
                self.log.add(now, Subject::Node, Severity::Alarm, kind.name(), text, None);
            }
        }
        [steps.removals, steps.additions].concat()
    }

    pub(super) fn routing_news(&mut self, now: Instant, news: RoutingNews, effects: &mut Vec<Effect>) {
        let (routers, released) = (&self.routers, self.has_handed_over());
        let desired = |owners: &Owners| is_wanted(routers, released, owners);
        let routing = &mut self.routing;
        match news {
            RoutingNews::All { routes, rules } => {
                let routes = routing.routes.see_all(now, routes, desired);
                let rules = routing.rules.see_all(now, rules, desired);
                self.note_taken_routes(now, &routes);
                self.note_taken_rules(now, &rules);
                self.settle_routing(now, effects);
            }
            RoutingNews::Route(route, present) => {
                let key = route.key();
                let taken = routing.routes.see(now, *route, present, desired);
                self.note_taken_routes(now, &taken);
                let steps = self.steps_of_routes(now, Some(vec![key]));
                push(steps, Vec::new(), effects);
            }
            RoutingNews::Rule(rule, present) => {
                let key = rule.key();
                let taken = routing.rules.see(now, *rule, present, desired);
                self.note_taken_rules(now, &taken);
                let steps = self.steps_of_rules(now, Some(vec![key]));
                push(Vec::new(), steps, effects);
            }
        }
        self.track_groups_changed(now, effects);
    }

    fn note_taken_routes(&mut self, now: Instant, taken: &[Route]) {
        for route in taken {
            let down = route.links().find(|link| self.links.get(link.as_str()).is_none_or(|l| !l.up));
            let text = match down {
                Some(link) => format!("route {route} went with {link}, which is down"),
                None => format!("route {route} was removed by somebody else: putting it back"),
            };
            let subject = self.owner_of(self.routing.routes.entry(route).map(|e| &e.owners));
            self.log.add(now, subject, Severity::Warning, "route", text, None);
        }
    }

    fn note_taken_rules(&mut self, now: Instant, taken: &[Rule]) {
        for rule in taken {
            let text = format!("rule {rule} was removed by somebody else: putting it back");
            let subject = self.owner_of(self.routing.rules.entry(rule).map(|e| &e.owners));
            self.log.add(now, subject, Severity::Warning, "rule", text, None);
        }
    }

    fn owner_of(&self, owners: Option<&Owners>) -> Subject {
        let router = owners.and_then(|o| o.routers.first()).and_then(|index| self.routers.get(*index));
        router.map_or(Subject::Node, |r| Subject::Instance(r.machine.spec().name.clone()))
    }

    /// A step was carried out, or refused.
    pub(super) fn routing_applied(
        &mut self,
        now: Instant,
        step: &Routing,
        result: Result<(), String>,
        effects: &mut Vec<Effect>,
    ) {
        let (kind, object, subject) = match step {
            Routing::AddRoute(route) | Routing::RemoveRoute(route) => {
                let subject = self.owner_of(self.routing.routes.entry(route).map(|e| &e.owners));
                let added = matches!(step, Routing::AddRoute(_));
                self.routing.routes.applied(now, route, added, &result);
                let gone = self
                    .routing
                    .routes
                    .entry(route)
                    .filter(|e| added && result.is_ok() && self.routing.routes.presence_in(e) == Presence::No);
                if gone.is_some() {
                    self.note_taken_routes(now, std::slice::from_ref(route));
                }
                (Kind::Route.name(), route.to_string(), subject)
            }
            Routing::AddRule(rule) | Routing::RemoveRule(rule) => {
                let subject = self.owner_of(self.routing.rules.entry(rule).map(|e| &e.owners));
                let added = matches!(step, Routing::AddRule(_));
                self.routing.rules.applied(now, rule, added, &result);
                let gone = self
                    .routing
                    .rules
                    .entry(rule)
                    .filter(|e| added && result.is_ok() && self.routing.rules.presence_in(e) == Presence::No);
                if gone.is_some() {
                    self.note_taken_rules(now, std::slice::from_ref(rule));
                }
                (Kind::Rule.name(), rule.to_string(), subject)
            }
            Routing::PromoteSecondaries(link, _) => {
                self.routing.demoted.remove(link);
                ("sysctl", link.to_string(), Subject::Node)
            }
        };
        match result {
            Ok(()) => self.log.add(now, subject, Severity::Info, kind, step.to_string(), None),
            Err(error) => {
                self.counters.change_errors += 1;
                if self.findings.raise(now, "change-failed", Severity::Alarm, &object, error.clone()) {
                    self.log.add(now, subject, Severity::Alarm, kind, format!("could not {step}"), Some(error));
                }
            }
        }
        // The state may have moved on while the kernel worked.
        match step {
            Routing::AddRoute(route) | Routing::RemoveRoute(route) => {
                let steps = self.steps_of_routes(now, Some(vec![route.key()]));
                push(steps, Vec::new(), effects);
            }
            Routing::AddRule(rule) | Routing::RemoveRule(rule) => {
                let steps = self.steps_of_rules(now, Some(vec![rule.key()]));
                push(Vec::new(), steps, effects);
            }
            Routing::PromoteSecondaries(..) => {}
        }
        self.track_groups_changed(now, effects);
    }

    /// What failed is tried again.
    pub(super) fn retry_routing(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        if self.routing_retry_at().is_some_and(|at| at <= now) {
            self.routing.routes.retry(Some(now));
            self.routing.rules.retry(Some(now));
            self.settle_routing(now, effects);
        }
    }

    pub(super) fn routing_retry_at(&self) -> Option<Instant> {
        crate::time::earliest(self.routing.routes.retry_at(), self.routing.rules.retry_at())
    }

    /// A link came, or came up: what waited for it, or failed without it, is tried now.
    pub(super) fn link_serves_routing(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        self.promote_secondaries(effects);
        self.routing.routes.retry(None);
        self.settle_routing(now, effects);
    }

    /// Sets the sysctl where an instance asks for it; what asked and no longer does is put back.
    pub(super) fn promote_secondaries(&mut self, effects: &mut Vec<Effect>) {
        let asks = |r: &&Router| r.machine.spec().promote_secondaries && !r.retiring && !self.stopping;
        let asked: BTreeSet<_> = self.routers.iter().filter(asks).map(|r| r.machine.spec().link.clone()).collect();
        let there = |link: &&LinkName| self.links.contains_key(link.as_str());
        let on: Vec<_> = asked.difference(&self.routing.promoted).filter(there).cloned().collect();
        let off: Vec<_> = self.routing.promoted.difference(&asked).cloned().collect();
        for (links, on) in [(on, true), (off, false)] {
            for link in links {
                if on {
                    self.routing.promoted.insert(link.clone());
                } else {
                    self.routing.promoted.remove(&link);
                    self.routing.demoted.insert(link.clone());
                }
                effects.push(Effect::Apply(Change::Routing(Routing::PromoteSecondaries(link, on))));
            }
        }
    }

    /// What moves with the addresses of an instance.
    pub(super) fn moves(&self, spec: &Spec, wanted: bool) -> Vec<Kept> {
        let addresses = spec.excluded.iter().map(|a| self.kept_address(a, wanted));
        let routes = spec.routes.iter().filter_map(|r| self.routing.routes.entry(r));
        let routes = routes.map(|e| kept(KeptKind::Route, &self.routing.routes, e, wanted));
        let rules = spec.rules.iter().filter_map(|r| self.routing.rules.entry(r));
        let rules = rules.map(|e| kept(KeptKind::Rule, &self.routing.rules, e, wanted));
        addresses.chain(routes).chain(rules).collect()
    }

    /// What stands while the engine runs.
    pub(super) fn statics(&self) -> Vec<Kept> {
        let Statics { addresses, routes, rules } = &self.routing.statics;
        let wanted = !self.has_handed_over();
        let addresses = addresses.iter().map(|s| self.kept_address(&s.object, wanted));
        let routes = routes.iter().filter_map(|s| self.routing.routes.entry(&s.object));
        let routes = routes.map(|e| kept(KeptKind::Route, &self.routing.routes, e, wanted));
        let rules = rules.iter().filter_map(|s| self.routing.rules.entry(&s.object));
        let rules = rules.map(|e| kept(KeptKind::Rule, &self.routing.rules, e, wanted));
        addresses.chain(routes).chain(rules).collect()
    }

    fn kept_address(&self, address: &Address, wanted: bool) -> Kept {
        let present = match self.links.get(address.link.as_str()) {
            None => status::Presence::Unknown,
            Some(_) if self.holds(address) => status::Presence::Yes,
            Some(_) => status::Presence::No,
        };
        let problem = self.retry_address.contains_key(address).then(|| "the kernel refused it".to_owned());
        Kept { kind: KeptKind::Address, text: address.to_string(), present, wanted, problem }
    }

    /// Whether everything that was ours is gone.
    pub(super) fn routing_is_released(&self) -> bool {
        let routes = &self.routing.routes;
        let rules = &self.routing.rules;
        let stays = |owners: &Owners| is_wanted(&self.routers, true, owners);
        let is_gone = |presence: Presence, owners: &Owners| presence != Presence::Yes || stays(owners);
        self.routing.promoted.is_empty()
            && self.routing.demoted.is_empty()
            && routes.entries().all(|e| is_gone(routes.presence_in(e), &e.owners) && !e.is_pending())
            && rules.entries().all(|e| is_gone(rules.presence_in(e), &e.owners) && !e.is_pending())
    }

    /// What is there although nothing calls for it.
    pub(super) fn routing_leftovers(&self) -> impl Iterator<Item = Change> {
        let (routes, rules) = (&self.routing.routes, &self.routing.rules);
        let routers = &self.routers;
        let left =
            move |presence: Presence, owners: &Owners| presence == Presence::Yes && !is_wanted(routers, true, owners);
        let there = rules.entries().filter(move |e| left(rules.presence_in(e), &e.owners)).map(|e| e.object.removal());
        let routes = routes.entries().filter(move |e| left(routes.presence_in(e), &e.owners));
        let routes = routes.map(|e| e.object.removal());
        there.chain(routes).map(Change::Routing)
    }

    /// The conditions of every instance that static objects bear on.
    pub(super) fn track_groups_changed(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        if self.routing.track_groups.is_empty() {
            return;
        }
        let named: BTreeSet<_> = self.routing.track_groups.iter().flat_map(|g| g.members.iter().cloned()).collect();
        for index in 0..self.routers.len() {
            if self.routers.get(index).is_some_and(|r| named.contains(&r.machine.spec().name)) {
                self.update_conditions(now, index, effects);
            }
        }
    }

    /// What static objects mean to an instance of their track groups: one that cannot be put in its place, or whose link
    /// is down, is a fault.
    pub(super) fn static_conditions(&self, instance: &str, conditions: &mut Conditions) {
        let groups = self.routing.track_groups.iter().filter(|g| g.members.iter().any(|m| m == instance));
        for group in groups {
            let of_group = |tracked: &Option<String>| tracked.as_ref() == Some(&group.name);
            let mut judge = |what: String, missing: bool, failure: Option<String>| {
                let label = format!("{what} (track_group {})", group.name);
                match failure {
                    Some(why) => conditions.faults.push(format!("{label}: {why}")),
                    None if missing => conditions.waiting.push(format!("{label} is not there yet")),
                    None => {}
                }
            };
            for Static { object, track_group } in &self.routing.statics.addresses {
                if of_group(track_group) {
                    let failed = self.retry_address.contains_key(object).then(|| "it cannot be added".to_owned());
                    let failure = self.out_of_order(&object.link).or(failed);
                    judge(format!("static address {object}"), !self.holds(object), failure);
                }
            }
            let routes = &self.routing.routes;
            for entry in routes.entries().filter(|e| of_group(&e.owners.track_group)) {
                let failure = entry.object.links().find_map(|link| self.out_of_order(link));
                let failure = failure.or_else(|| entry.failure().map(str::to_owned));
                let missing = routes.presence_in(entry) != Presence::Yes;
                judge(format!("static route {}", entry.object), missing, failure);
            }
            let rules = &self.routing.rules;
            for entry in rules.entries().filter(|e| of_group(&e.owners.track_group)) {
                let failure = entry.object.input.as_ref().and_then(|link| self.out_of_order(link));
                let failure = failure.or_else(|| entry.failure().map(str::to_owned));
                let missing = rules.presence_in(entry) != Presence::Yes;
                judge(format!("static rule {}", entry.object), missing, failure);
            }
        }
    }

    /// Why a link cannot carry anything; none while it is not known.
    fn out_of_order(&self, link: &LinkName) -> Option<String> {
        match self.links.get(link.as_str()) {
            Some(known) if known.up => None,
            Some(_) => Some(format!("{link} is down")),
            None if self.seen.told => Some(format!("{link} is not there")),
            None => None,
        }
    }

    /// The links that tracked addresses, routes and rules of an instance need beside its own (keepalived tracks them).
    pub(super) fn conditions_beside(&self, spec: &Spec, conditions: &mut Conditions) {
        for (link, what) in spec.beside() {
            match self.out_of_order(&link) {
                Some(why) => conditions.faults.push(format!("{why}; {what} needs it")),
                None if !self.links.contains_key(link.as_str()) => {
                    conditions.waiting.push(format!("{link} has not been seen yet"));
                }
                None => {}
            }
        }
    }

    /// Every link has been reported: what is not there is not there.
    pub(super) fn links_are_read(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        if std::mem::replace(&mut self.seen.told, true) {
            return;
        }
        for index in 0..self.routers.len() {
            self.update_conditions(now, index, effects);
        }
        self.track_groups_changed(now, effects);
    }
}

fn kept<T: Object>(kind: KeptKind, keeper: &Keeper<T>, entry: &Entry<T>, wanted: bool) -> Kept {
    let present = match keeper.presence_in(entry) {
        Presence::Yes => status::Presence::Yes,
        Presence::No => status::Presence::No,
        Presence::Unknown => status::Presence::Unknown,
    };
    let problem = entry.failure().map(str::to_owned);
    Kept { kind, text: entry.object.to_string(), present, wanted, problem }
}

/// Taking over: routes, then rules. Leaving: rules, then routes.
fn push(routes: Vec<Routing>, rules: Vec<Routing>, effects: &mut Vec<Effect>) {
    let is_removal = |step: &Routing| matches!(step, Routing::RemoveRoute(_) | Routing::RemoveRule(_));
    let (gone_routes, new_routes): (Vec<_>, Vec<_>) = routes.into_iter().partition(is_removal);
    let (gone_rules, new_rules): (Vec<_>, Vec<_>) = rules.into_iter().partition(is_removal);
    let steps = gone_rules.into_iter().chain(gone_routes).chain(new_routes).chain(new_rules);
    effects.extend(steps.map(|step| Effect::Apply(Change::Routing(step))));
}

/// Whether anybody wants it there; static objects stay until every router has handed over.
fn is_wanted(routers: &[Router], released: bool, owners: &Owners) -> bool {
    let answers = |index: &usize| routers.get(*index).is_some_and(Router::wants_addresses);
    (owners.fixed && !released) || owners.routers.iter().any(answers)
}
