//! The engine: what it owns, and the one door in.

use super::addresses::Managed;
use super::announcing::Announcing;
use super::bfd::Bfds;
use super::checks::Checks;
use super::configuration::Papers;
use super::effect::Effect;
use super::firewall::Firewalling;
use super::groups::Group;
use super::input::Input;
use super::intents::Overlay;
use super::keeping::Keep;
use super::legacy::Legacy;
use super::link_delays::Seen;
use super::log::Log;
use super::neighbours::Neighbours;
use super::origin::{Causes, Origin};
use super::random::Random;
use super::rivals::Rivals;
use super::router::Router;
use super::routing::RoutingState;
use super::scripts::Script;
use super::table::TableState;
use super::trackers::Trackers;
use super::virtual_links::Made;
use crate::cluster::Findings;
use crate::conf::{Config, Globals, Origins, TableNamespace};
use crate::kernel::{Address, Change, Link, ServiceKey, Timeouts};
use crate::lvs;
use crate::net::{Family, IpNet, LinkName};
use crate::status::{Counters, Dataplane, Event, Lock, Severity, Subject};
use crate::time::{Duration, Instant, earliest};
use crate::vrrp;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Routers that act at one deadline before their adverts are sent.
const AT_ONCE: usize = 32;
/// Fewer of those that may take over: there is more to do for each.
const TAKEOVERS: usize = 4;

/// What an engine is made from.
#[derive(Clone, Debug)]
pub struct Setup {
    pub config: Config,
    /// The node's name where the configuration gives no `router_id`.
    pub host: String,
    /// The file the configuration came from.
    pub config_path: String,
    pub pid: u32,
    /// The process that starts this engine again if it dies; none: there is none.
    pub guard: Option<u32>,
    /// Places first checks within their warm-up.
    pub seed: u64,
    /// The wall clock at instant zero, microseconds since 1970.
    pub wall_zero_us: u64,
    pub dataplane: Dataplane,
    /// How long the machine was up at instant zero (`vrrp_delay_after_boot`).
    pub uptime: Duration,
    /// Seconds that addresses stay without this engine, 0: for ever; none: as the master-down time suggests.
    pub lease: Option<u32>,
    /// Whether links are asked for second owners of addresses.
    pub probe_addresses: bool,
    /// What the engine before this one left; none: there was none.
    pub legacy: Option<Legacy>,
}

/// One node's engine. Deterministic: the same inputs at the same instants give the same effects.
#[derive(Clone, Debug)]
pub struct Engine {
    pub(super) name: String,
    pub(super) config_path: String,
    pub(super) pid: u32,
    pub(super) guard: Option<u32>,
    pub(super) dataplane: Dataplane,
    pub(super) links: BTreeMap<String, Link>,
    pub(super) seen: Seen,
    pub(super) routers: Vec<Router>,
    pub(super) groups: Vec<Group>,
    pub(super) by_vrid: BTreeMap<(Family, u8), Vec<usize>>,
    /// When something is due, and of which router.
    pub(super) timers: BTreeSet<(Instant, usize)>,
    /// Where within its interval each router advertises; empty: wherever it began.
    pub(super) beats: Vec<Duration>,
    /// A router has left the configuration and is still there.
    pub(super) retiring: bool,
    pub(super) log_unknown_vrids: bool,
    /// Refused adverts that are no router's and have been told: the cause, the link, the VRID and the sender.
    pub(super) told: BTreeSet<(&'static str, LinkName, u8, IpAddr)>,
    /// When this engine last woke late, and by how much.
    pub(super) slept: Option<(Instant, Duration)>,
    pub(super) globals: Globals,
    /// Where the keywords of instances are written.
    pub(super) origins: Origins,
    pub(super) papers: Papers,
    pub(super) random: Random,
    /// What the settings say of the lease of addresses: seconds, 0 for none; none: by the configuration.
    pub(super) lease_setting: Option<u32>,
    pub(super) lease: Option<u32>,
    pub(super) renew_at: Option<Instant>,
    /// Services that a reload removed from the configuration: the table must not keep them.
    pub(super) left_services: BTreeSet<ServiceKey>,
    /// Every address that the configuration names: nothing else is ever touched.
    pub(super) managed: BTreeMap<(LinkName, IpNet), Managed>,
    pub(super) managed_ips: BTreeSet<IpAddr>,
    /// Address changes that failed, and when they are tried again.
    pub(super) retry_address: BTreeMap<Address, Instant>,
    /// Address changes that are under way.
    pub(super) pending: BTreeSet<Address>,
    /// The links that routers make for themselves.
    pub(super) virtual_links: BTreeMap<LinkName, Made>,
    pub(super) firewall: Firewalling,
    /// Something has happened that virtual links or the firewall depend on.
    pub(super) unsettled: bool,
    /// When a router announces addresses beside its own link, and which.
    pub(super) extra_garp: BTreeSet<(Instant, usize)>,
    /// By link: what our own changes left, until news of the link show it.
    pub(super) unconfirmed: BTreeMap<String, BTreeMap<IpNet, (bool, Instant)>>,
    pub(super) announcing: Announcing,
    pub(super) neighbours: Neighbours,
    pub(super) rivals: Rivals,
    /// Routes, rules and static objects.
    pub(super) routing: RoutingState,
    pub(super) scripts: Vec<Script>,
    pub(super) bfds: Bfds,
    pub(super) trackers: Trackers,
    pub(super) services: Vec<lvs::Service>,
    pub(super) checks: Checks,
    /// What operators asked for.
    pub(super) overlay: Overlay,
    /// What somebody is about to act on.
    pub(super) locks: Vec<Lock>,
    pub(super) table: TableState,
    pub(super) findings: Findings,
    pub(super) acknowledged: Vec<crate::status::Acknowledged>,
    pub(super) counters: Counters,
    pub(super) log: Log,
    pub(super) causes: Causes,
    pub(super) stopping: bool,
    pub(super) keep: Keep,
    pub(super) exited: bool,
    pub(super) revision: u64,
    /// How many engines went before this one, and when this one started.
    pub(super) lives: u32,
    pub(super) started_at: Instant,
    /// Routers whose records have changed since they were taken.
    pub(super) unkept: BTreeSet<usize>,
    pub(super) node_unkept: bool,
}

impl Engine {
    #[expect(clippy::too_many_lines, reason = "one line for each field")]
    pub fn new(setup: Setup) -> Self {
        let Setup {
            config,
            host,
            config_path,
            pid,
            guard,
            seed,
            wall_zero_us,
            dataplane,
            uptime,
            lease,
            probe_addresses,
            legacy,
        } = setup;
        let name = config.router_id.clone().unwrap_or(host);
        let start = legacy.as_ref().map_or(Instant::ZERO, |legacy| legacy.now);
        let mut random = Random::new(seed);
        let mut log = Log::new(name.clone(), wall_zero_us);
        log.add(start, Subject::Node, Severity::Notice, "start", format!("engine started from {config_path}"), None);
        let globals = &config.globals;
        let about = config.about.clone();
        let trackers = Trackers::new(&config, start);
        let routers = if let Some(legacy) = &legacy {
            legacy.routers(config.instances, start)
        } else {
            let not_before = start + globals.startup_delay.max(globals.delay_after_boot.saturating_sub(uptime));
            let router = |s| Router::new(vrrp::Instance::new(s, start).not_before(not_before));
            config.instances.into_iter().map(router).collect()
        };
        let services = config.services.into_iter().map(|s| lvs::Service::new(s, start, || random.fraction())).collect();
        let mut engine = Self {
            groups: Vec::new(),
            by_vrid: BTreeMap::new(),
            timers: BTreeSet::new(),
            beats: Vec::new(),
            retiring: false,
            log_unknown_vrids: config.globals.log_unknown_vrids,
            told: BTreeSet::new(),
            slept: None,
            globals: config.globals,
            origins: config.origins,
            papers: Papers::default(),
            random,
            lease_setting: lease,
            lease: None,
            renew_at: None,
            left_services: BTreeSet::new(),
            name,
            config_path,
            pid,
            guard,
            dataplane,
            links: BTreeMap::new(),
            seen: Seen::default(),
            routers,
            managed: BTreeMap::new(),
            managed_ips: BTreeSet::new(),
            retry_address: BTreeMap::new(),
            pending: BTreeSet::new(),
            virtual_links: BTreeMap::new(),
            firewall: Firewalling::default(),
            unsettled: false,
            extra_garp: BTreeSet::new(),
            unconfirmed: BTreeMap::new(),
            announcing: Announcing::default(),
            neighbours: Neighbours::default(),
            rivals: Rivals::new(probe_addresses, seed),
            trackers,
            routing: RoutingState::new(config.statics, config.track_groups),
            scripts: config.scripts.into_iter().map(|s| Script::new(s, start)).collect(),
            bfds: Bfds::new(config.bfds),
            services,
            checks: Checks::default(),
            overlay: Overlay::default(),
            locks: Vec::new(),
            table: TableState::default(),
            findings: Findings::default(),
            acknowledged: Vec::new(),
            counters: Counters::default(),
            log,
            causes: Causes::default(),
            stopping: false,
            keep: Keep::default(),
            exited: false,
            revision: 0,
            lives: legacy.as_ref().map_or(0, |legacy| legacy.lives),
            started_at: start,
            unkept: BTreeSet::new(),
            node_unkept: true,
        };
        engine.papers.loaded(start, about);
        if let Some(legacy) = &legacy {
            engine.inherit(legacy);
        }
        engine.index_routers();
        engine.index_addresses();
        engine.index_routing();
        engine.index_links();
        engine.index_checks(start);
        engine.form_groups(config.groups);
        engine.set_lease(start);
        engine
    }

    /// `router_id`, or the host's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Takes one input; the effects are to be performed in their order.
    #[must_use]
    pub fn handle(&mut self, now: Instant, input: Input) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.log.set_origin(Origin::of(&input));
        let moves_addresses = matches!(input, Input::Link(_) | Input::LinkGone(_) | Input::LinksRead);
        match input {
            Input::Link(link) => self.link_changed(now, link, &mut effects),
            Input::LinksRead => self.links_are_read(now, &mut effects),
            Input::Routing(news) => self.routing_news(now, news, &mut effects),
            Input::LinkGone(name) => self.link_gone(now, &name, &mut effects),
            Input::Packet(packet) => self.packet_arrived(now, &packet, &mut effects),
            Input::Announced { link, address, mac } => self.announced(now, &link, address, mac, &mut effects),
            Input::Claimed { link, address, mac } => self.claimed(now, &link, address, mac),
            Input::Applied { change, result } => self.change_applied(now, &change, result, &mut effects),
            Input::SendFailed { link, error } => self.send_failed(now, &link, &error),
            Input::Table(observed) => self.table_read(now, observed, &mut effects),
            Input::TableDone(failures) => self.table_done(now, failures),
            Input::IntentsRead(read) => self.recall(now, read, &mut effects),
            Input::IntentsKept { revision, result } => self.intents_kept(now, revision, result, &mut effects),
            Input::Checked { id, found } => self.checked(now, id, found, &mut effects),
            Input::ScriptDone { name, outcome } => self.script_done(now, &name, outcome, &mut effects),
            Input::Bfd(news) => self.bfd_news(now, news, &mut effects),
            Input::FileRead { name, reading } => self.file_read(now, &name, reading, &mut effects),
            Input::ProcessesCounted { counts, by } => self.processes_counted(now, counts, by, &mut effects),
            Input::ProcessesWatched { scanned } => self.processes_watched(now, scanned),
            Input::WatchProblem(text) => {
                self.findings.raise(now, "not-watched", Severity::Alarm, "node", text.clone());
                self.log.add(now, Subject::Node, Severity::Alarm, "track", text, None);
            }
            Input::Notified { notice, outcome, output } => self.notified(now, &notice, outcome, &output),
            Input::NotifySkipped { kind, name, count } => self.notify_skipped(now, kind, name, count),
            Input::Report { severity, kind, text, cause } => {
                self.log.add(now, Subject::Node, severity, kind, text, cause);
            }
            Input::Restartable { id, able } => self.restartable(now, id, able, &mut effects),
            Input::DiskSeen(state) => self.disk_seen(now, state),
            Input::AuditKept(result) => self.audit_kept(now, result),
            Input::GuardLost => self.guard_lost(now),
            Input::Command { id, ask } => self.command(now, id, ask, &mut effects),
            Input::Configured { id, ask, read } => {
                self.configured(now, id, &ask, read.map(|config| *config), &mut effects);
            }
            Input::Deadline => self.deadlines(now, &mut effects),
            Input::Late(by) => self.woke_late(now, by, &mut effects),
            Input::Stop => self.stop(now, &mut effects),
        }
        if moves_addresses {
            self.settle_suspended(now);
        }
        self.settle_groups(now, &mut effects);
        self.drop_retired();
        self.settle_plumbing(now, &mut effects);
        self.finish_stopping(now, &mut effects);
        effects
    }

    /// When [`Input::Deadline`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        let routers = self.timers.first().map(|(at, _)| *at);
        let scripts = self.scripts.iter().map(|s| Some(s.next_at())).fold(None, earliest);
        // None is started any more while stopping.
        let checks = self.next_check();
        let addresses = self.retry_address.values().copied().map(Some).fold(None, earliest);
        let trackers = earliest(self.trackers.deadline(), self.flaps_due());
        let routing = self.routing_retry_at();
        let plumbing = earliest(self.plumbing_retry_at(), self.extra_garp.first().map(|(at, _)| *at));
        let neighbours = earliest(self.announcing.deadline(), self.rivals.deadline());
        [
            routers,
            scripts,
            trackers,
            plumbing,
            neighbours,
            checks,
            addresses,
            routing,
            self.table.retry_at,
            self.intents_due(),
            self.renew_at,
            self.bfds.deadline(),
        ]
        .into_iter()
        .fold(None, earliest)
    }

    /// Whether something is due at `now` because nothing was heard: of whoever is not master.
    pub fn silence_is_due(&self, now: Instant) -> bool {
        self.timers.range(..=(now, usize::MAX)).any(|(_, index)| !self.is_master(*index))
    }

    /// Every link that is known.
    pub fn links(&self) -> impl Iterator<Item = &Link> {
        self.links.values()
    }

    /// The network namespace of the table (`net_namespace_ipvs`).
    pub const fn table_namespace(&self) -> &TableNamespace {
        &self.globals.lvs.namespace
    }

    /// How much a snapshot holds, in virtual routers: as many as there are, and one for twenty real servers.
    pub fn extent(&self) -> usize {
        self.routers.len() + self.services.iter().map(|s| s.reals.len()).sum::<usize>() / 20
    }

    /// How many virtual routers there are.
    pub fn size(&self) -> usize {
        self.routers.len()
    }

    /// Whether there is anything for a table.
    pub fn has_services(&self) -> bool {
        let Globals { lvs, .. } = &self.globals;
        !self.services.is_empty() || lvs.sync.is_some() || lvs.timeouts != Timeouts::default() || lvs.flush
    }

    /// The events since the last call, oldest first.
    pub fn take_events(&mut self) -> Vec<Event> {
        self.log.take()
    }

    /// Corrects the wall clock that events and snapshots show.
    pub const fn set_wall_zero(&mut self, wall_zero_us: u64) {
        self.log.set_wall_zero(wall_zero_us);
    }

    /// What serves the virtual services, once that is known.
    pub fn set_dataplane(&mut self, now: Instant, dataplane: Dataplane) {
        let text = format!("virtual services are served by: {}", dataplane.kind);
        let severity = if dataplane.note.is_some() { Severity::Warning } else { Severity::Notice };
        self.log.add(now, Subject::Node, severity, "dataplane", text, dataplane.note.clone());
        self.dataplane = dataplane;
    }

    /// The links that the configuration needs, each once.
    /// Links adverts travel on, carry addresses or are judged by, each once.
    pub fn interfaces(&self) -> Vec<crate::net::LinkName> {
        let adverts = self.routers.iter().map(|r| r.machine.spec().link.clone());
        let carried = self.listens().into_keys().map(|(link, _)| link);
        let addresses = self.managed.keys().map(|(link, _)| link.clone());
        let mut names: Vec<_> = adverts.chain(carried).chain(addresses).collect();
        names.sort();
        names.dedup();
        names
    }

    fn deadlines(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        // Once each: what a router sets anew for this very moment is due in the next turn.
        let due = self.due_together(now);
        for index in due {
            self.drive(now, index, vrrp::Input::Deadline, effects);
            self.keep_beat(index);
        }
        if self.retry_address.values().any(|at| *at <= now) {
            self.retry_address.retain(|_, at| *at > now);
            self.settle_addresses(effects);
        }
        if self.table.retry_at.is_some_and(|at| at <= now) {
            self.table.retry_at = None;
            self.settle_table(effects);
        }
        self.settle_flaps(now, effects);
        self.settle_processes(now, effects);
        self.retry_routing(now, effects);
        self.renew_leases(now, effects);
        self.forget_inherited(now, effects);
        self.announce_extra(now, effects);
        self.announce_due(now, effects);
        self.probe_due(now, effects);
        self.settle_intents(now, effects);
        self.start_scripts(now, effects);
        self.start_checks(now, effects);
    }

    /// Some of the routers that are due at `now`: the rest follows in the next turn, once the adverts of these are sent.
    fn due_together(&self, now: Instant) -> Vec<usize> {
        let due = self.timers.range(..=(now, usize::MAX)).map(|(_, index)| *index);
        let mut takeovers = 0;
        let fits = |index: &usize| {
            takeovers += usize::from(!self.is_master(*index));
            takeovers <= TAKEOVERS
        };
        due.take(AT_ONCE).take_while(fits).collect()
    }

    fn is_master(&self, index: usize) -> bool {
        self.routers.get(index).is_some_and(|r| matches!(r.machine.state(), vrrp::State::Master { .. }))
    }

    fn woke_late(&mut self, now: Instant, by: Duration, effects: &mut Vec<Effect>) {
        self.slept = Some((now, by));
        self.counters.late_wakeups += 1;
        self.counters.worst_lateness = self.counters.worst_lateness.max(by);
        let text = format!("this engine woke {:.3} s late", by.as_secs_f64());
        let cause = "the process was stopped or starved: look at the machine's load, and at nothing on the network";
        self.findings.raise(now, "own-lateness", Severity::Warning, "node", format!("{text}: {cause}"));
        self.log.add(now, Subject::Node, Severity::Warning, "late", text, Some(cause.to_owned()));
        for index in 0..self.routers.len() {
            self.drive(now, index, vrrp::Input::Overslept(by), effects);
        }
    }

    fn send_failed(&mut self, now: Instant, link: &crate::net::LinkName, error: &str) {
        self.counters.send_errors += 1;
        let text = format!("adverts cannot be sent on {link}: {error}");
        if self.findings.raise(now, "send-failed", Severity::Alarm, link.as_str(), text.clone()) {
            self.log.add(now, Subject::Node, Severity::Alarm, "send", text, None);
        }
    }

    fn stop(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        if self.stopping {
            return;
        }
        self.stopping = true;
        self.log.add(now, Subject::Node, Severity::Notice, "stop", "engine stopping", None);
        if self.keep.vrrp {
            self.leave_all_here(now, effects);
        } else {
            for index in 0..self.routers.len() {
                self.drive(now, index, vrrp::Input::Stop, effects);
            }
        }
        self.omega(effects);
        self.settle_table(effects);
    }

    /// Once every router is out of the protocol: rules, routes and addresses, then the table, then the end.
    fn finish_stopping(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        if !self.has_handed_over() || self.exited {
            return;
        }
        self.settle_routing(now, effects);
        self.settle_addresses(effects);
        self.promote_secondaries(effects);
        if !self.routing_is_released() || !self.addresses_are_released() {
            return;
        }
        if !self.release_plumbing(now, effects) {
            return;
        }
        if self.table_is_cleared() {
            self.tell_kept(now);
            self.exited = true;
            effects.push(Effect::Exit);
        } else {
            self.settle_table(effects);
        }
    }

    /// What is still on a link although nothing calls for it: the last thing to remove when the time to stop is over.
    pub fn leftovers(&self) -> Vec<Change> {
        let held = self.managed.values().map(|m| &m.address).filter(|a| self.holds(a) && !self.is_desired(a));
        let addresses = held.cloned().map(Change::RemoveAddress);
        let plumbing = self.leftover_links().chain(self.leftover_firewall());
        self.routing_leftovers().chain(addresses).chain(plumbing).collect()
    }

    fn addresses_are_released(&self) -> bool {
        let is_done = |a: &Address| if self.is_desired(a) { !self.pending.contains(a) } else { !self.holds(a) };
        self.managed.values().all(|m| is_done(&m.address))
    }

    /// Stopping, and no router takes part any more.
    pub(super) fn has_handed_over(&self) -> bool {
        self.stopping && self.routers.iter().all(|r| *r.machine.state() == vrrp::State::Stopped)
    }
}
