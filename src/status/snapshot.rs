//! Everything one node can say about itself at one instant.

use super::action::{Action, AtExpiry, DemoteMode, Lock};
use super::alarm::{Acknowledged, Alarm};
use super::checks::CheckStatus;
use super::command::Actor;
use super::config::ConfigSummary;
use super::election::Election;
use super::event::Severity;
use super::intent::{AtDeadline, Intents, Rising};
use super::reason::{Reasons, Takeover};
use super::setting::Setting;
use super::skew::{self, Word};
use super::wire::Wire;
use crate::kernel::{DestinationKey, Forwarding, Scheduler, ServiceKey};
use crate::net::{IpNet, LinkName, Mac};
use crate::time::{Duration, Instant};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

/// The version of this shape; it grows when a field changes its meaning.
pub const SCHEMA: u32 = 1;

/// How many one-second samples of a real server's connection rate are kept.
pub const RATE_SAMPLES: usize = 60;

/// Numbered, immutable, self-contained. Instants are on the clock of the node that made it; `at` and `wall_us` are the
/// same moment on both clocks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    pub schema: u32,
    /// The engine's [`API`](super::API).
    #[serde(default = "skew::FIRST")]
    pub api: u32,
    /// Grows with every snapshot of one engine's life.
    pub revision: u64,
    pub at: Instant,
    /// Microseconds since 1970, UTC.
    pub wall_us: u64,
    pub node: Node,
    pub instances: Vec<Instance>,
    /// What holds for instances that say nothing else.
    #[serde(default)]
    pub defaults: Vec<Setting>,
    pub services: Vec<Service>,
    pub scripts: Vec<Script>,
    #[serde(default)]
    pub files: Vec<TrackedFile>,
    #[serde(default)]
    pub processes: Vec<TrackedProcess>,
    /// Addresses, routes and rules that stand while the engine runs.
    #[serde(default)]
    pub statics: Vec<Kept>,
    #[serde(default)]
    pub bfd: Bfd,
    /// Everyone heard on the wire.
    #[serde(default)]
    pub wire: Wire,
    pub findings: Vec<Finding>,
    /// What this node can know by itself to be wrong, the worst first: worked out for `GET /v1/status`, empty elsewhere.
    #[serde(default)]
    pub alarms: Vec<Alarm>,
    /// Alarms of any node that somebody has told this one to have seen, the latest last.
    #[serde(default)]
    pub acknowledged: Vec<Acknowledged>,
    /// What operators asked for and nobody has lifted.
    #[serde(default)]
    pub intents: Intents,
    /// Of the configuration that runs; none: the engine is older than this field.
    #[serde(default)]
    pub configuration: Option<ConfigSummary>,
    /// What operators did, the oldest first; the last thirty-two.
    #[serde(default)]
    pub actions: Vec<Action>,
    /// What somebody is about to act on.
    #[serde(default)]
    pub locks: Vec<Lock>,
    pub counters: Counters,
    /// The sequence number of the newest event.
    pub last_event: u64,
    /// What the reader of another version has left out of it, with the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<String>,
}

impl Snapshot {
    /// The same without instances and services.
    #[must_use]
    pub fn head(&self) -> Self {
        Self {
            node: self.node.clone(),
            instances: Vec::new(),
            defaults: self.defaults.clone(),
            services: Vec::new(),
            scripts: self.scripts.clone(),
            files: self.files.clone(),
            processes: self.processes.clone(),
            statics: self.statics.clone(),
            bfd: self.bfd.clone(),
            findings: self.findings.clone(),
            alarms: self.alarms.clone(),
            acknowledged: self.acknowledged.clone(),
            intents: self.intents.clone(),
            wire: self.wire.clone(),
            configuration: self.configuration.clone(),
            actions: self.actions.clone(),
            locks: self.locks.clone(),
            unread: self.unread.clone(),
            ..*self
        }
    }

    /// How long before this snapshot `then` was.
    pub const fn age(&self, then: Instant) -> Duration {
        self.at.since(then)
    }

    /// `then` on the wall clock, microseconds since 1970.
    pub const fn wall_of(&self, then: Instant) -> u64 {
        self.wall_us.saturating_sub(self.at.as_micros()).saturating_add(then.as_micros())
    }

    /// Every value that an instance runs by, in the order of the defaults.
    pub fn settings<'s>(&'s self, instance: &'s Instance) -> impl Iterator<Item = &'s Setting> {
        let own = |name: &str| instance.settings.iter().find(|setting| setting.name == name);
        self.defaults.iter().map(move |default| own(&default.name).unwrap_or(default))
    }

    pub fn instance(&self, name: &str) -> Option<&Instance> {
        self.instances.iter().find(|i| i.name == name)
    }

    pub fn service(&self, id: &ServiceKey) -> Option<&Service> {
        self.services.iter().find(|s| s.id == *id)
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// `router_id`, or the host's name.
    pub name: String,
    pub version: String,
    /// The process to signal: the guard's, or the engine's if it has none.
    pub pid: u32,
    #[serde(default)]
    pub engine_pid: u32,
    /// Whether a guard starts the engine again if it dies.
    #[serde(default)]
    pub guarded: bool,
    /// How many engines went before this one, under the same guard.
    #[serde(default)]
    pub restarts: u32,
    /// When this engine started; the uptime is the guard's.
    #[serde(default)]
    pub started_at: Instant,
    pub uptime: Duration,
    pub dataplane: Dataplane,
    /// The file the configuration came from.
    pub config: String,
    pub links: Vec<LinkState>,
    /// The engine is on its way out.
    pub stopping: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dataplane {
    pub kind: DataplaneKind,
    /// Why it is not `ipvs`, and what to do about it.
    pub note: Option<String>,
}

/// What serves the virtual services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DataplaneKind {
    /// The kernel's IPVS.
    Ipvs,
    /// The embedded user-space balancer.
    Balancer,
    /// No virtual service is configured.
    None,
    #[serde(untagged)]
    Newer(Word),
}

impl fmt::Display for DataplaneKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ipvs => "ipvs",
            Self::Balancer => "balancer",
            Self::None => "none",
            Self::Newer(word) => return word.fmt(f),
        })
    }
}

/// A link that an instance uses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkState {
    pub name: LinkName,
    /// None: the link is not there.
    pub up: Option<bool>,
    /// When that counts, if it does not yet (`interface_up_down_delays`).
    #[serde(default)]
    pub counts_at: Option<Instant>,
    /// Why it is up or down: the kernel's last word of that.
    #[serde(default)]
    pub reasons: Reasons,
    pub mac: Option<Mac>,
    pub addresses: Vec<IpNet>,
}

/// What an instance is (RFC 3768, 6.4; FAULT is keepalived's).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Role {
    Init,
    Backup,
    Master,
    Fault,
    #[serde(untagged)]
    Newer(Word),
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Init => "INIT",
            Self::Backup => "BACKUP",
            Self::Master => "MASTER",
            Self::Fault => "FAULT",
            Self::Newer(word) => return word.fmt(f),
        })
    }
}

/// One `vrrp_instance` on this node.
/// Adverts of one instance that were not as they should be, by reason (keepalived's statistics of packet and
/// authentication errors), and resignations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PacketErrors {
    pub length: u64,
    pub checksum: u64,
    pub ttl: u64,
    pub version: u64,
    pub invalid_type: u64,
    /// Another interval: refused in VRRPv2, learned in VRRPv3.
    pub interval: u64,
    /// Another list of addresses; such adverts count all the same.
    pub address_list: u64,
    /// An authentication type that there is not.
    pub invalid_auth_type: u64,
    /// Another type than ours.
    pub auth_type: u64,
    /// A wrong password; with AH also another key, a wrong index or an old sequence number.
    pub auth_failure: u64,
    /// With `auth_hmac`: not signed.
    pub auth_ext_missing: u64,
    pub auth_ext_malformed: u64,
    pub auth_ext_unknown_key: u64,
    pub auth_ext_invalid_hmac: u64,
    /// Outside the time window.
    pub auth_ext_stale: u64,
    pub auth_ext_replay: u64,
    /// Unicast where multicast is spoken or the other way round, or no peer.
    pub peer: u64,
    pub priority_zero_received: u64,
    pub priority_zero_sent: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Instance {
    pub name: String,
    pub vrid: u8,
    pub interface: LinkName,
    /// The VRRP version on the wire.
    pub version: u8,
    /// The sync group whose members change state together.
    #[serde(default)]
    pub group: Option<String>,
    pub state: Role,
    /// When it took this state.
    pub since: Instant,
    /// Asked to step down or to take over, until restored.
    pub hold: Option<Hold>,
    /// Demoted and still answering for the addresses until a successor is heard.
    pub yielding: bool,
    pub base_priority: u8,
    /// What goes into the adverts, 1 to 255.
    pub effective_priority: u8,
    /// What the effective priority is made of, the base first.
    pub terms: Vec<Term>,
    /// What it tracks beside its own link: kind and name.
    #[serde(default)]
    pub tracks: Vec<Track>,
    pub preempt: bool,
    /// The address adverts leave from; none while the link has none.
    pub source: Option<IpAddr>,
    pub advert_interval: Duration,
    /// (256 − effective priority) / 256 s.
    pub skew: Duration,
    /// Silence of the master until this node acts: adverts missed × interval + skew.
    pub master_down: Duration,
    /// The last advert heard from another router for this VRID.
    pub master: Option<Heard>,
    /// Everyone heard for this VRID, by address, each with its last advert.
    pub heard: Vec<Heard>,
    /// While MASTER.
    pub next_advert_at: Option<Instant>,
    /// While BACKUP: when this node takes over if nothing is heard.
    pub master_down_at: Option<Instant>,
    /// While MASTER: the next set of gratuitous ARP.
    pub announce_at: Option<Instant>,
    pub vips: Vec<Vip>,
    /// What moves with them and stands in no advert: further addresses, routes, rules.
    #[serde(default)]
    pub moves: Vec<Kept>,
    /// Links that the instance made for itself (`use_vmac`, `use_ipvlan`), its own first.
    #[serde(default)]
    pub virtual_links: Vec<VirtualLinkStatus>,
    /// Packets to the addresses are to be dropped (`no_accept`); none: they are accepted.
    #[serde(default)]
    pub firewall: Option<FirewallStatus>,
    /// Why it is in FAULT.
    pub faults: Vec<String>,
    /// The newest last; the oldest are dropped.
    pub transitions: Vec<Transition>,
    pub transitions_total: u64,
    /// How often it became MASTER, and left it, since the start or since the statistics were cleared.
    #[serde(default)]
    pub became_master: u64,
    #[serde(default)]
    pub released_master: u64,
    pub adverts_sent: u64,
    pub adverts_heard: u64,
    /// Adverts for this VRID that were dropped: wrong password, interval, checksum and so on.
    pub adverts_refused: u64,
    pub announcements_sent: u64,
    #[serde(default)]
    pub packets: PacketErrors,
    /// What it runs by, as far as it is written or is not as [`Snapshot::defaults`] says.
    #[serde(default)]
    pub settings: Vec<Setting>,
    /// The last time it became MASTER, in parts.
    #[serde(default)]
    pub takeover: Option<Takeover>,
    /// What a forecast needs beside the rest; none: an older engine.
    #[serde(default)]
    pub election: Option<Box<Election>>,
}

impl Instance {
    /// Whether every address is on its link, as far as the kernel has told.
    pub fn holds_all(&self) -> bool {
        !self.vips.is_empty() && self.vips.iter().all(|v| v.present == Presence::Yes)
    }
}

/// A link over another one that an instance made for itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VirtualLinkStatus {
    pub name: LinkName,
    /// The link below.
    pub base: LinkName,
    /// The virtual router's hardware address; none: that of the link below (ipvlan).
    pub mac: Option<Mac>,
    /// None: the link is not there.
    pub up: Option<bool>,
    /// Why it could not be made.
    pub error: Option<String>,
}

/// Whether packets to an instance's addresses are dropped as they should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirewallStatus {
    /// The nftables table, of family inet.
    pub table: String,
    pub in_force: bool,
    /// Why it could not be set.
    pub error: Option<String>,
}

impl fmt::Display for VirtualLinkStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} over {}", self.name, self.base)?;
        if let Some(mac) = self.mac {
            write!(f, ", {mac}")?;
        }
        match (&self.error, self.up) {
            (Some(error), _) => write!(f, ", could not be made: {error}"),
            (None, Some(true)) => f.write_str(", up"),
            (None, Some(false)) => f.write_str(", down"),
            (None, None) => f.write_str(", not there"),
        }
    }
}

impl fmt::Display for FirewallStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.in_force, &self.error) {
            (true, _) => write!(f, "packets to the VIPs are dropped (nftables, inet {})", self.table),
            (false, Some(error)) => write!(f, "packets to the VIPs should be dropped and are ACCEPTED: {error}"),
            (false, None) => write!(f, "the table inet {} is not in force yet", self.table),
        }
    }
}

/// Something an instance tracks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Track {
    /// `script`, `interface`, `file`, `process`, `bfd`.
    pub kind: String,
    pub name: String,
    /// 0: a failure is a fault. Of a file: the factor.
    pub weight: i32,
    pub reverse: bool,
}

/// One term of the effective priority.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Term {
    /// "base", "script chk_web", "demoted".
    pub label: String,
    pub value: i32,
    /// What the label stands at: "failing, exit status 1".
    pub note: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    pub kind: HoldKind,
    pub since: Instant,
    pub by: Actor,
    pub reason: Option<String>,
    /// Of a demotion.
    #[serde(default)]
    pub mode: DemoteMode,
    /// When its time is over; none: it holds until it is lifted.
    #[serde(default)]
    pub expires_at: Option<Instant>,
    /// What happens then.
    #[serde(default)]
    pub at_expiry: AtExpiry,
    /// Its time is over, and it goes on until somebody decides.
    #[serde(default)]
    pub expired: bool,
}

impl Hold {
    /// Without an end; of a demotion, one that takes over again if everybody else falls silent.
    pub fn new(kind: HoldKind, since: Instant, by: Actor, reason: Option<String>) -> Self {
        let (mode, at_expiry) = (DemoteMode::default(), AtExpiry::default());
        Self { kind, since, by, reason, mode, expires_at: None, at_expiry, expired: false }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HoldKind {
    /// Priority 1 until restored.
    Demoted,
    /// Priority 254 until restored.
    Takeover,
    #[serde(untagged)]
    Newer(Word),
}

/// One router heard on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heard {
    pub address: IpAddr,
    pub priority: u8,
    /// When its last advert arrived.
    pub at: Instant,
    pub interval: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vip {
    pub net: IpNet,
    pub link: LinkName,
    pub label: Option<String>,
    pub present: Presence,
    /// Whether this node's state says that it should be there.
    pub wanted: bool,
}

/// An object of the kernel that is kept as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    pub kind: KeptKind,
    /// As ip(8) prints it.
    pub text: String,
    pub present: Presence,
    /// Whether this node's state says that it should be there.
    pub wanted: bool,
    /// Why it is not as it should be.
    pub problem: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeptKind {
    Address,
    Route,
    Rule,
}

impl fmt::Display for KeptKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Address => "address",
            Self::Route => "route",
            Self::Rule => "rule",
        })
    }
}

/// Whether the kernel has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Presence {
    Yes,
    No,
    /// The kernel has not told yet, or its link is not there.
    #[serde(other)]
    Unknown,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transition {
    pub at: Instant,
    pub from: Role,
    pub to: Role,
    /// A sentence: "no advert for 3.609 s; the last was from 192.0.2.11, priority 150".
    pub cause: String,
    /// What it follows from, link by link, what came from outside last. Only of the newest ones: the events have all.
    #[serde(default)]
    pub reasons: Reasons,
}

/// One virtual service on this node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Service {
    /// `tcp/192.0.2.10:80`.
    pub id: ServiceKey,
    pub scheduler: Scheduler,
    pub forwarding: Forwarding,
    /// Seconds.
    pub persistence: Option<u32>,
    /// Whether the table has it; none: the table has not been read yet.
    pub present: Option<bool>,
    /// Whether this node holds the address now, and so receives its traffic; none: not an address of ours.
    pub serving: Option<bool>,
    /// The instance that holds the address.
    pub instance: Option<String>,
    /// The `virtual_server_group`, if it is one.
    #[serde(default)]
    pub group: Option<ServiceGroup>,
    /// None: not judged yet.
    #[serde(default)]
    pub quorum: Option<Quorum>,
    /// Why the quorum was judged so, what came from outside last.
    #[serde(default)]
    pub quorum_reasons: Reasons,
    #[serde(default)]
    pub sorry: Option<Sorry>,
    pub reals: Vec<Real>,
}

/// The entries of the table that are one virtual server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceGroup {
    pub name: String,
    pub entries: Vec<ServiceKey>,
}

/// Whether the servers that are up weigh enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quorum {
    pub up: bool,
    pub since: Instant,
    /// In the file: regained at `needed` + `hysteresis`, lost below `needed` − `hysteresis`.
    pub needed: u32,
    pub hysteresis: u32,
    /// Of all servers that are up.
    pub weight: u64,
}

/// What serves while the quorum is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sorry {
    pub id: DestinationKey,
    pub forwarding: Forwarding,
    /// It serves now, as far as it was asked for.
    pub serving: bool,
}

/// One real server of one virtual service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Real {
    pub id: DestinationKey,
    pub forwarding: Forwarding,
    /// In the file.
    pub weight_configured: u32,
    /// Asked for by an operator.
    pub weight_asked: Option<u32>,
    /// What the table should hold; none: it should not be in the table.
    pub weight_effective: Option<u32>,
    /// What was read back; none: not in the table, or the table has not been read.
    pub weight_kernel: Option<u32>,
    pub health: Health,
    #[serde(default)]
    pub checks: Vec<CheckStatus>,
    pub admin: Admin,
    pub drain: Option<Drain>,
    /// Established connections; none: not known.
    pub active: Option<u32>,
    /// Connections in other states; none: not known.
    pub inactive: Option<u32>,
    /// Clients that stick to it (persistence); none: not known.
    #[serde(default)]
    pub sticky: Option<u32>,
    /// Its weight grows after its return.
    #[serde(default)]
    pub rising: Option<Rising>,
    /// New connections a second, over the last second; none: not known yet.
    pub rate: Option<f64>,
    /// New connections in each of the last seconds, the newest last, at most [`RATE_SAMPLES`].
    pub rates: Vec<u32>,
    pub connections_total: Option<u64>,
    pub bytes_in: Option<u64>,
    pub bytes_out: Option<u64>,
    pub packets_in: Option<u64>,
    pub packets_out: Option<u64>,
    /// When the counters were read.
    pub counted_at: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Up,
    Down,
    /// Not checked yet; counted as up (keepalived's default).
    Unchecked,
    /// No check is configured; counted as up.
    NoCheck,
    #[serde(untagged)]
    Newer(Word),
}

/// Health, separate from what an operator asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    pub verdict: Verdict,
    pub since: Instant,
    /// "TCP_CHECK"; none: no check.
    pub method: Option<String>,
    pub last: Option<CheckResult>,
    /// Failures in a row that have not changed the verdict yet, of `retry` + 1.
    pub failing: u32,
    pub retry: u32,
    pub next_at: Option<Instant>,
    /// The result that turned the verdict, and what it follows from.
    #[serde(default)]
    pub reasons: Reasons,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckResult {
    pub at: Instant,
    pub good: bool,
    /// "connected", "connection refused", "no answer in 3 s".
    pub detail: String,
    pub took: Duration,
}

/// What an operator asked of a real server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Admin {
    Ready,
    /// Weight 0: no new connections, open ones go on.
    Drain,
    /// Drained: no connection is left.
    Drained,
    /// Out of the table for maintenance; its connections were reset.
    Maint,
    #[serde(untagged)]
    Newer(Word),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Drain {
    pub since: Instant,
    /// How long it had been going on when `since` was, of one that an engine before began.
    #[serde(default)]
    pub before: Duration,
    pub by: Actor,
    pub reason: Option<String>,
    /// Connections when it began; none: not known.
    pub active_at_start: Option<u32>,
    /// When the last connection ended.
    pub drained_at: Option<Instant>,
    /// How much earlier that was, if an engine before saw it.
    #[serde(default)]
    pub drained_before: Duration,
    /// When `then` happens if connections are left.
    #[serde(default)]
    pub deadline_at: Option<Instant>,
    #[serde(default)]
    pub then: AtDeadline,
    /// The deadline has passed.
    #[serde(default)]
    pub overdue: bool,
    /// Clients that stick to it are sent elsewhere.
    #[serde(default)]
    pub ignores_persistence: bool,
    /// Connections that end in a second, over the last minute; none: none has ended, or it is not known.
    #[serde(default)]
    pub ending_per_second: Option<f64>,
    /// Until it is empty, if they go on ending like that.
    #[serde(default)]
    pub empty_in: Option<Duration>,
}

impl Drain {
    /// How long it has been going on at `at`.
    pub fn age(&self, at: Instant) -> Duration {
        at.since(self.since) + self.before
    }
}

/// One `vrrp_script`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Script {
    pub name: String,
    pub command: String,
    /// None: no result yet.
    pub good: Option<bool>,
    pub since: Instant,
    /// Results in a row against the present verdict, and how many turn it.
    pub streak: u32,
    pub needed: u32,
    pub last: Option<CheckResult>,
    pub next_at: Option<Instant>,
    pub running: bool,
    /// The result that turned the verdict.
    #[serde(default)]
    pub reasons: Reasons,
}

/// The BFD sessions, and what was refused of all that came to their ports.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bfd {
    pub sessions: Vec<BfdSession>,
    /// Packets that were not used since the start, by reason: `hop-limit`, `stranger`, `version` and so on.
    pub refused: BTreeMap<String, u64>,
}

/// One `bfd_instance`. Intervals are those in use, agreed with the neighbour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BfdSession {
    pub name: String,
    /// The instances that track it, by name.
    pub tracked_by: Vec<String>,
    pub neighbor: IpAddr,
    pub multihop: bool,
    pub passive: bool,
    /// When the rest was so; none: the session has not begun.
    pub at: Option<Instant>,
    pub state: BfdState,
    /// What those that track it take the path for: up, or the neighbour has been taken administratively down since
    /// (RFC 5882, 3.2).
    pub good: bool,
    /// When it took this state.
    pub since: Instant,
    /// Why it is in this state, for people.
    pub cause: String,
    /// RFC 5880, 4.1, for people.
    pub diagnostic: String,
    /// What the neighbour says of itself; none: it is not heard.
    pub remote_state: Option<BfdState>,
    pub remote_diagnostic: Option<String>,
    /// Our number of the session, and the neighbour's; 0: not known.
    pub discriminator: u32,
    pub remote_discriminator: u32,
    /// From one of our packets to the next, at most.
    pub tx_interval: Duration,
    /// From one of the neighbour's packets to the next, at most.
    pub rx_interval: Option<Duration>,
    /// Silence of the neighbour until the session is down.
    pub detection: Option<Duration>,
    /// The last packet of the neighbour before `at`.
    pub heard_at: Option<Instant>,
    pub sent: u64,
    pub received: u64,
    /// How often it came up, and left Up.
    pub ups: u64,
    pub downs: u64,
}

/// RFC 5880, 6.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BfdState {
    AdminDown,
    Down,
    Init,
    Up,
}

impl fmt::Display for BfdState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::AdminDown => "AdminDown",
            Self::Down => "Down",
            Self::Init => "Init",
            Self::Up => "Up",
        })
    }
}

/// One `track_file`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackedFile {
    pub name: String,
    pub path: String,
    /// None: not read yet.
    pub value: Option<i64>,
    /// When the value changed last.
    pub since: Instant,
    /// When it was read last: at the start and after each change.
    pub read_at: Option<Instant>,
    /// Why the value is not simply what the file holds.
    pub note: Option<String>,
    /// Why it is read every second, where the kernel does not tell of changes.
    pub polled: Option<String>,
}

/// One `vrrp_track_process`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackedProcess {
    pub name: String,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// How many run; none: not counted yet.
    pub count: Option<u32>,
    /// When they were counted last: at the start, after each change, or every second.
    pub counted_at: Option<Instant>,
    pub quorum: u32,
    pub quorum_max: Option<u32>,
    /// Whether they count as enough; none: not counted yet.
    pub good: Option<bool>,
    pub since: Instant,
    /// When the other verdict counts, while its delay runs.
    pub changes_at: Option<Instant>,
    /// The count that turned the verdict.
    #[serde(default)]
    pub reasons: Reasons,
    /// Why they are looked for every second, where the kernel does not tell of them.
    pub polled: Option<String>,
}

/// A judgement with its evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Stable, for scripts: `wrong-password`, `two-masters`, `own-lateness`.
    pub kind: String,
    pub severity: Severity,
    /// The instance or service.
    pub subject: String,
    /// A sentence: what, where, since when, what to do.
    pub text: String,
    pub since: Instant,
    /// When it was last seen to hold.
    pub last: Instant,
    pub count: u64,
}

/// What went wrong outside any one instance, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Packets that were no valid VRRP.
    pub malformed: u64,
    /// Valid adverts for a VRID that is not ours.
    pub unknown_vrid: u64,
    /// Packets that could not be sent.
    pub send_errors: u64,
    /// Kernel changes that failed.
    pub change_errors: u64,
    /// How often somebody else changed what is ours in the load balancer's table.
    #[serde(default)]
    pub table_drifts: u64,
    /// Wake-ups more than 50 ms late.
    pub late_wakeups: u64,
    /// The worst lateness of a wake-up.
    pub worst_lateness: Duration,
}
