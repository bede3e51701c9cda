//! The engine's state as the console sees it.

use super::core::Engine;
use super::router::Router;
use super::scripts::Script;
use super::settings::default_settings;
use crate::health::{Check, Record};
use crate::kernel::{Address, ObservedTable};
use crate::lvs;
use crate::net::LinkName;
use crate::status::{
    API, Admin, Asked, AtDeadline, CheckResult, CheckStatus, DataplaneKind, Drain, Health, Heard, Instance, LinkState,
    Node, Order, Presence, Quorum, Real, Reason, Reasons, Rising, SCHEMA, Script as ScriptStatus, Service,
    ServiceGroup, Setting, Snapshot, Sorry, Term, Track, Verdict, Vip,
};
use crate::time::{Duration, Instant};
use crate::vrrp::{self, State};
use std::collections::BTreeSet;
use std::net::IpAddr;

impl Engine {
    /// Everything that may be shown, at `now`.
    pub fn snapshot(&mut self, now: Instant) -> Snapshot {
        self.revision += 1;
        let defaults = default_settings();
        Snapshot {
            schema: SCHEMA,
            api: API,
            revision: self.revision,
            at: now,
            wall_us: self.log.wall_zero_us() + now.as_micros(),
            node: self.node(now),
            instances: self.routers.iter().map(|r| self.instance(r, &defaults)).collect(),
            defaults,
            services: self.services.iter().map(|s| self.service(now, s)).collect(),
            scripts: self.scripts.iter().map(script).collect(),
            files: self.trackers.files.iter().map(super::trackers::File::status).collect(),
            processes: self.trackers.processes.iter().map(|p| p.status(self.trackers.scanned.as_deref())).collect(),
            statics: self.statics(),
            bfd: self.bfd_snapshot(),
            wire: self.wire(now),
            findings: self
                .intent_finding(now)
                .into_iter()
                .chain(self.audit_finding(now))
                .chain(self.expired_findings(now))
                .chain(self.findings.at(now))
                .collect(),
            alarms: Vec::new(),
            acknowledged: self.acknowledged.clone(),
            intents: self.intents_view(),
            actions: self.actions_view(),
            locks: self.locks_at(now),
            configuration: Some(self.config_summary()),
            counters: self.counters,
            last_event: self.log.last_seq(),
            unread: Vec::new(),
        }
    }

    fn node(&self, now: Instant) -> Node {
        let mut dataplane = self.dataplane.clone();
        if self.services.is_empty() {
            dataplane.kind = DataplaneKind::None;
            dataplane.note = None;
        }
        Node {
            name: self.name.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: self.guard.unwrap_or(self.pid),
            engine_pid: self.pid,
            guarded: self.guard.is_some(),
            restarts: self.lives,
            started_at: self.started_at,
            uptime: now.since(Instant::ZERO),
            dataplane,
            config: self.config_path.clone(),
            links: self.shown_links().into_iter().map(|name| self.link_state(name)).collect(),
            stopping: self.stopping,
        }
    }

    /// Those that routers use, and those they track.
    fn shown_links(&self) -> BTreeSet<LinkName> {
        let tracks = self.routers.iter().flat_map(|r| &r.machine.spec().tracks);
        let tracked = tracks.filter(|t| t.kind == vrrp::Tracker::Interface).filter_map(|t| LinkName::new(&t.name).ok());
        self.interfaces().into_iter().chain(tracked).collect()
    }

    fn link_state(&self, name: LinkName) -> LinkState {
        let link = self.links.get(name.as_str());
        let flap = self.seen.flaps.get(name.as_str());
        LinkState {
            up: link.map(|l| flap.map_or(l.up, |flap| flap.up)),
            counts_at: flap.map(|flap| flap.counts_at),
            reasons: self.causes.links.get(name.as_str()).cloned().unwrap_or_default(),
            name,
            mac: link.and_then(|l| l.mac),
            addresses: link.map(|l| l.addresses.keys().copied().collect()).unwrap_or_default(),
        }
    }

    fn instance(&self, router: &Router, defaults: &[Setting]) -> Instance {
        let machine = &router.machine;
        let spec = machine.spec();
        let priority = machine.effective_priority();
        let heard = |(from, s): (&IpAddr, &super::router::Speaker)| Heard {
            address: *from,
            priority: s.priority,
            at: s.at,
            interval: s.interval,
        };
        let master = machine.master().map(|m| Heard {
            address: m.from,
            priority: m.priority,
            at: m.at,
            interval: router.speakers.get(&m.from).map_or(spec.interval, |s| s.interval),
        });
        let (next_advert_at, announce_at, master_down_at) = timers(machine.state());
        Instance {
            name: spec.name.clone(),
            vrid: spec.vrid.get(),
            interface: spec.link.clone(),
            version: spec.version.number(),
            group: router.group.and_then(|g| self.groups.get(g)).map(|g| g.spec.name.clone()),
            state: machine.state().role().into(),
            since: machine.since(),
            hold: self.hold(router),
            yielding: matches!(machine.state(), State::Yielding { .. }),
            base_priority: spec.priority,
            effective_priority: priority,
            terms: machine.terms().into_iter().map(|t| Term { label: t.label, value: t.value, note: t.note }).collect(),
            tracks: spec.tracks.iter().map(track).collect(),
            preempt: spec.preempt,
            source: machine.conditions().source,
            advert_interval: spec.interval,
            skew: machine.skew(),
            master_down: machine.master_down(),
            master,
            heard: router.speakers.iter().map(heard).collect(),
            next_advert_at,
            master_down_at,
            announce_at,
            virtual_links: self.virtual_link_status(spec),
            firewall: self.firewall_status(spec),
            vips: spec.addresses.iter().map(|a| self.vip(a, router.wants_addresses())).collect(),
            moves: self.moves(spec, router.wants_addresses()),
            faults: machine.conditions().faults.iter().chain(&machine.conditions().waiting).cloned().collect(),
            transitions: router.transitions.iter().cloned().collect(),
            transitions_total: router.transitions_total,
            became_master: router.became_master,
            released_master: router.released_master,
            adverts_sent: router.adverts_sent,
            adverts_heard: router.adverts_heard,
            adverts_refused: router.adverts_refused,
            announcements_sent: router.announcements_sent,
            packets: router.packets,
            settings: self.settings(spec, defaults),
            takeover: router.takeover,
            election: Some(Box::new(super::election::election(router))),
        }
    }

    fn vip(&self, address: &Address, wanted: bool) -> Vip {
        let present = match self.links.get(address.link.as_str()) {
            None => Presence::Unknown,
            Some(link) if link.addresses.contains_key(&address.listed()) => Presence::Yes,
            Some(_) => Presence::No,
        };
        Vip { net: address.net, link: address.link.clone(), label: address.label.clone(), present, wanted }
    }

    /// The router that has a service's address, or one of its addresses.
    fn router_of(&self, service: &lvs::Service) -> Option<&Router> {
        self.routers.iter().find(|r| r.machine.spec().addresses.iter().any(|a| is_its(service, a)))
    }

    /// Whether this node has a service's address at present; none: it is not one of ours.
    pub(super) fn serves(&self, service: &lvs::Service) -> Option<bool> {
        let here = |r: &Router| r.machine.spec().addresses.iter().any(|a| is_its(service, a) && self.holds(a));
        self.router_of(service).map(here)
    }

    fn service(&self, now: Instant, service: &lvs::Service) -> Service {
        let router = self.router_of(service);
        let present = |table: &ObservedTable| service.spec.entries().iter().all(|key| table.services.contains_key(key));
        let waits = self.is_suspended(service.spec.key);
        Service {
            id: service.spec.key,
            scheduler: service.spec.scheduler,
            forwarding: service.spec.forwarding,
            persistence: service.spec.persistence.as_ref().map(|p| p.timeout),
            present: self.table.observed.as_ref().map(present),
            serving: self.serves(service),
            instance: router.map(|r| r.machine.spec().name.clone()),
            group: service
                .spec
                .group
                .as_ref()
                .map(|g| ServiceGroup { name: g.name.clone(), entries: g.entries.clone() }),
            quorum: service.quorum().map(|q| Quorum {
                up: q.up,
                since: q.since,
                needed: service.spec.quorum,
                hysteresis: service.spec.hysteresis,
                weight: service.live_weight(),
            }),
            quorum_reasons: self.causes.quorums.get(&service.spec.key).cloned().unwrap_or_default(),
            sorry: service.spec.sorry.as_ref().map(|s| Sorry {
                id: s.key_in(&service.spec.key),
                forwarding: s.forwarding,
                serving: service.is_sorry(),
            }),
            reals: service.reals.iter().map(|r| self.real_view(now, service, r, waits)).collect(),
        }
    }

    fn real_view(&self, now: Instant, service: &lvs::Service, real: &lvs::Real, waits: bool) -> Real {
        let order = self.out_order(service.spec.key, real.spec.key);
        let drain = real.intent.drain.as_ref().map(|d| Drain {
            deadline_at: order.and_then(|o| self.deadline_of(o)),
            drained_before: order.map_or(Duration::ZERO, |o| self.drained_before(now, o)),
            ..drain(d, order)
        });
        let admin = match &real.intent.drain {
            None => Admin::Ready,
            Some(d) if d.maint => Admin::Maint,
            Some(d) if d.drained_at.is_some() => Admin::Drained,
            Some(_) => Admin::Drain,
        };
        let seen = real.observed;
        Real {
            id: real.spec.key,
            forwarding: real.spec.forwarding,
            weight_configured: real.spec.weight,
            weight_asked: real.intent.weight,
            weight_effective: service.desired_weight(real),
            weight_kernel: seen.map(|o| o.weight),
            health: health(real),
            checks: real.checks.iter().map(|c| check_status(c, waits)).collect(),
            admin,
            drain,
            active: seen.map(|o| o.active),
            inactive: seen.map(|o| o.inactive),
            sticky: seen.map(|o| o.persistent),
            rising: real.intent.rising.map(|r| Rising {
                step: r.step(),
                steps: lvs::STEPS,
                over: r.over,
                left: r.over.saturating_sub(now.since(r.since) + r.before),
            }),
            rate: real.rate(),
            rates: real.rates().collect(),
            connections_total: seen.map(|o| o.counters.connections),
            bytes_in: seen.map(|o| o.counters.bytes_in),
            bytes_out: seen.map(|o| o.counters.bytes_out),
            packets_in: seen.map(|o| o.counters.packets_in),
            packets_out: seen.map(|o| o.counters.packets_out),
            counted_at: real.observed_at,
        }
    }
}

fn drain(drain: &lvs::Drain, order: Option<&Order>) -> Drain {
    let (then, overdue) = match order.map(|o| &o.asked) {
        Some(Asked::Drain { then, overdue, .. }) => (*then, *overdue),
        _ => (AtDeadline::default(), false),
    };
    Drain {
        since: drain.since,
        before: drain.before,
        by: order.map(|o| o.by.clone()).unwrap_or_default(),
        reason: order.and_then(|o| o.reason.clone()),
        active_at_start: drain.active_at_start,
        drained_at: drain.drained_at,
        drained_before: Duration::ZERO,
        deadline_at: None,
        then,
        overdue,
        ignores_persistence: drain.ignores_persistence,
        ending_per_second: drain.falling(),
        empty_in: drain.empty_in(),
    }
}

fn is_its(service: &lvs::Service, address: &Address) -> bool {
    service.spec.entries().iter().any(|key| key.ip() == Some(address.net.addr()))
}

/// Next advert, next announcement, master down.
const fn timers(state: &State) -> (Option<Instant>, Option<Instant>, Option<Instant>) {
    match state {
        State::Master { next_advert_at, announce_at: Some((at, _)), .. } => (Some(*next_advert_at), Some(*at), None),
        State::Master { next_advert_at, announce_at: None, refresh_at } => (Some(*next_advert_at), *refresh_at, None),
        State::Backup { master_down_at, .. } => (None, None, Some(*master_down_at)),
        State::Yielding { until, .. } => (None, None, Some(*until)),
        State::Init | State::Adopting { .. } | State::Fault { .. } | State::Stopped => (None, None, None),
    }
}

fn track(track: &vrrp::Track) -> Track {
    let kind = track.kind.to_string().to_lowercase();
    Track { kind, name: track.name.clone(), weight: track.weight, reverse: track.reverse }
}

/// The check that decides: a failing one if there is one, else the first.
fn health(real: &lvs::Real) -> Health {
    let deciding = real.checks.iter().find(|c| c.is_down()).or_else(|| real.checks.first());
    let Some(check) = deciding else {
        return Health {
            verdict: Verdict::NoCheck,
            since: Instant::ZERO,
            method: None,
            last: None,
            failing: 0,
            retry: 0,
            next_at: None,
            reasons: Reasons::default(),
        };
    };
    Health {
        verdict: verdict(check),
        since: check.since(),
        method: Some(check.spec().method.name().to_owned()),
        last: last_result(check),
        failing: check.failing(),
        retry: check.spec().retry,
        next_at: check.deadline(),
        reasons: turned(check),
    }
}

/// The result that turned a check's verdict.
fn turned(check: &Check) -> Reasons {
    let (method, since) = (check.spec().method.name(), check.since());
    match (check.turned(), check.good()) {
        (Some(record), _) if !record.found.good && check.spec().retry > 0 && record.attempt > 1 => [
            Reason::follows(record.at, format!("{} failures in a row turn it", record.attempt)),
            Reason::input(record.at, "check", format!("{method}: {}", record.found.text())),
        ]
        .into(),
        (Some(record), _) => [Reason::input(record.at, "check", format!("{method}: {}", record.found.text()))].into(),
        (None, Some(_)) => [Reason::input(since, "start", "found by the engine before this one")].into(),
        (None, None) => {
            [Reason::input(since, "start", "not checked yet; until then it counts as the file says")].into()
        }
    }
}

fn last_result(check: &Check) -> Option<CheckResult> {
    let result = |record: &Record| CheckResult {
        at: record.at,
        good: record.found.good,
        detail: record.found.text(),
        took: record.found.took,
    };
    check.last().map(result)
}

const fn verdict(check: &Check) -> Verdict {
    match check.good() {
        None if check.is_down() => Verdict::Down,
        None => Verdict::Unchecked,
        Some(true) => Verdict::Up,
        Some(false) => Verdict::Down,
    }
}

fn check_status(check: &Check, waits: bool) -> CheckStatus {
    let spec = check.spec();
    CheckStatus {
        method: spec.method.name().to_owned(),
        target: spec.method.target(),
        verdict: verdict(check),
        alpha: spec.alpha,
        since: check.since(),
        failing: check.failing(),
        retry: spec.retry,
        running: check.is_running(),
        suspended: waits && spec.ha_suspend,
        next_at: check.deadline(),
        last: check.last().cloned(),
        history: check.history().clone(),
    }
}

fn script(script: &Script) -> ScriptStatus {
    let (streak, needed) = script.verdict.progress();
    let result = |(at, o): &(Instant, crate::health::Outcome)| CheckResult {
        at: *at,
        good: o.good,
        detail: o.detail.clone(),
        took: o.took,
    };
    ScriptStatus {
        name: script.spec.name.clone(),
        command: script.spec.argv.join(" "),
        good: script.verdict.good(),
        since: script.since,
        streak,
        needed,
        last: script.last.as_ref().map(result),
        next_at: (script.spec.interval > Duration::ZERO).then(|| script.next_at()),
        running: script.running,
        reasons: script.reasons.clone(),
    }
}
