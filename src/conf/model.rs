//! What a configuration means: specs of the domain modules, complete and resolved.

use super::about::About;
use super::origins::Origins;
use crate::bfd;
use crate::kernel::{Address, Route, Rule, SyncDaemon, Timeouts};
use crate::lvs::ServiceSpec;
use crate::net::LinkName;
use crate::time::Duration;
use crate::vrrp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// One node's configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// `router_id`; none: the host's name.
    pub router_id: Option<String>,
    pub globals: Globals,
    pub instances: Vec<vrrp::Spec>,
    pub groups: Vec<vrrp::GroupSpec>,
    /// The scripts, files, … that instances track.
    pub scripts: Vec<ScriptSpec>,
    pub files: Vec<FileSpec>,
    pub processes: Vec<ProcessSpec>,
    pub bfds: Vec<bfd::Spec>,
    pub statics: Statics,
    pub track_groups: Vec<TrackGroup>,
    pub services: Vec<ServiceSpec>,
    /// Where the keywords of instances are written.
    pub origins: Origins,
    /// What it is in few bytes; empty unless it is for an engine: see [`Read::about`](super::Read::about).
    #[serde(default)]
    pub about: About,
}

impl Config {
    /// What the control socket is called: this node's name, `net_namespace` and `instance`, so that several engines of
    /// one machine have several.
    pub fn socket_name(&self, host: &str) -> String {
        let name = self.router_id.as_deref().unwrap_or(host);
        let Globals { net_namespace, instance_name, .. } = &self.globals;
        let parts = [Some(name), net_namespace.as_deref(), instance_name.as_deref()];
        parts.into_iter().flatten().collect::<Vec<_>>().join("-")
    }
}

/// What `global_defs` and the blocks beside it say about the whole engine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Globals {
    /// Adverts are ignored, and nothing is taken over, for so long after the start (`vrrp_startup_delay`).
    pub startup_delay: Duration,
    /// The same, counted from the boot of the machine.
    pub delay_after_boot: Duration,
    pub dynamic_interfaces: DynamicInterfaces,
    pub log_unknown_vrids: bool,
    /// The least time between two gratuitous ARPs of a link, and between two unsolicited NAs; zero: none.
    pub garp_interval: Duration,
    pub gna_interval: Duration,
    /// The link of static addresses that name none (`default_interface`); none: eth0.
    pub default_interface: Option<LinkName>,
    /// Links that share such limits.
    pub garp_groups: Vec<GarpGroup>,
    /// How long a link must be down, and up, to count.
    pub link_delays: BTreeMap<LinkName, LinkDelay>,
    pub notify: GlobalNotify,
    pub script_security: bool,
    pub firewall: FirewallSpec,
    pub process: ProcessOptions,
    /// `net_namespace`.
    pub net_namespace: Option<String>,
    /// `instance`: names this engine beside others of the machine.
    pub instance_name: Option<String>,
    pub disable_local_igmp: bool,
    pub dumps: DumpSpec,
    pub lvs: LvsOptions,
}

/// The load balancer as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LvsOptions {
    pub sync: Option<SyncSpec>,
    /// `lvs_timeouts`.
    pub timeouts: Timeouts,
    /// At the start the table loses what is not of this configuration (`lvs_flush`).
    pub flush: bool,
    /// At the end the table loses everything (`lvs_flush_on_stop`).
    pub flush_on_stop: bool,
    /// `net_namespace_ipvs`: the table of this network namespace, or of the one the program was started in.
    pub namespace: TableNamespace,
}

/// Whose table it is (`net_namespace_ipvs`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum TableNamespace {
    /// That of the network namespace the engine works in.
    #[default]
    Same,
    /// That of the one the program was started in.
    Start,
    Named(String),
}

/// `lvs_sync_daemon`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncSpec {
    pub daemon: SyncDaemon,
    /// It tells while this instance is MASTER, and learns in every other state; none: it does both.
    pub instance: Option<String>,
}

/// Where the dumps go that signals ask for, and in which form.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DumpSpec {
    /// None: keepalived.data in the directory for temporary files.
    pub data: Option<PathBuf>,
    pub stats: Option<PathBuf>,
    pub json: Option<PathBuf>,
    /// The names have the namespace and the engine's name in them (`data_use_instance`).
    pub by_instance: bool,
    /// `json_version 2`: the tracked processes beside the instances.
    pub json_v2: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum DynamicInterfaces {
    /// An interface that is not there is an error of the file; one that goes away is a fault.
    #[default]
    No,
    Yes,
    /// Also when an interface comes back as another kind.
    AllowIfChanges,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GarpGroup {
    pub garp_interval: Duration,
    pub gna_interval: Duration,
    pub links: Vec<LinkName>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkDelay {
    pub down: Duration,
    pub up: Duration,
}

/// FIFOs and scripts of the whole engine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GlobalNotify {
    /// `notify_fifo`, `vrrp_notify_fifo`, `lvs_notify_fifo`.
    pub fifos: Vec<FifoSpec>,
    /// All states are told again after a reload (`fifo_write_vrrp_states_on_reload`).
    pub states_on_reload: bool,
    pub startup: Option<(vrrp::Command, Duration)>,
    pub shutdown: Option<(vrrp::Command, Duration)>,
    pub mail: Option<MailSpec>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FifoSpec {
    pub kind: FifoKind,
    pub path: PathBuf,
    pub owner: Option<vrrp::RunAs>,
    /// Started beside the engine, with the path as its last argument.
    pub script: Option<vrrp::Command>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FifoKind {
    All,
    Vrrp,
    Lvs,
}

/// Mail alerts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailSpec {
    pub to: Vec<String>,
    pub from: Option<String>,
    pub server: String,
    pub port: u16,
    pub helo: Option<String>,
    pub timeout: Duration,
    pub no_email_faults: bool,
}

/// The nftables table that keeps packets from addresses that are not to accept them, and virtual links quiet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirewallSpec {
    pub table: String,
    pub priority: i32,
    pub counters: bool,
}

impl Default for FirewallSpec {
    fn default() -> Self {
        Self { table: "keepalived".into(), priority: -1, counters: false }
    }
}

/// How the program runs (`global_defs`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessOptions {
    /// `vrrp_*`: the engine's thread.
    pub engine: ThreadOptions,
    /// `checker_*`: checks, tracked scripts and the load balancer's table.
    pub checker: ThreadOptions,
    /// `bfd_*`.
    pub bfd: ThreadOptions,
    /// No page of this process is swapped out (`vrrp_no_swap` and its like).
    pub lock_memory: bool,
    /// `max_auto_priority`: raised step by step up to this real-time priority when the engine wakes late.
    pub auto_realtime: Option<u8>,
    /// The lateness that does it; none: a second.
    pub auto_realtime_after: Option<Duration>,
    /// File mode creation mask.
    pub umask: Option<u32>,
    /// Scripts have all groups of their user.
    pub supplementary_groups: bool,
}

/// How one thread is scheduled, and what it is called.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreadOptions {
    /// −20 to 19.
    pub nice: Option<i8>,
    /// SCHED_RR, 1 to 99.
    pub realtime: Option<u8>,
    /// Microseconds of processor time without a pause that real time may take.
    pub rlimit_rttime: Option<u64>,
    /// Empty: all.
    pub cpus: Vec<u32>,
    /// At most 15 bytes.
    pub name: Option<String>,
}

/// Objects that stand while the engine runs, whatever the states.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statics {
    pub addresses: Vec<Static<Address>>,
    pub routes: Vec<Static<Route>>,
    pub rules: Vec<Static<Rule>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Static<T> {
    pub object: T,
    /// The instances of this group are in FAULT while it is not there.
    pub track_group: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackGroup {
    pub name: String,
    /// Instances by name.
    pub members: Vec<String>,
}

/// One `vrrp_script`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptSpec {
    pub name: String,
    /// Program and arguments; no shell is involved.
    pub argv: Vec<String>,
    pub interval: Duration,
    pub timeout: Duration,
    /// The weight of a `track_script` entry that has none.
    pub weight: i32,
    pub reverse: bool,
    /// Good results in a row until it counts as good; the first result counts at once.
    pub rise: u32,
    /// Bad results in a row until it counts as bad.
    pub fall: u32,
    /// `user`, or `script_user`; none: the engine's own.
    pub user: Option<vrrp::RunAs>,
    /// Bad until the first result (`init_fail`).
    pub init_fail: bool,
}

/// One `track_file`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSpec {
    pub name: String,
    pub path: PathBuf,
    /// The factor of a `track_file` entry that has none.
    pub weight: i32,
    pub reverse: bool,
    /// Written at the start; the flag: also over what is there.
    pub init: Option<(i64, bool)>,
}

/// One `vrrp_track_process`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessSpec {
    pub name: String,
    /// The program's name (at most 15 bytes count without `full_command`) and its arguments.
    pub program: String,
    pub arguments: Vec<String>,
    pub arguments_match: ArgumentsMatch,
    /// The program is compared with argv[0], not with the name the kernel keeps.
    pub full_command: bool,
    pub weight: i32,
    pub reverse: bool,
    pub quorum: u32,
    pub quorum_max: Option<u32>,
    pub fork_delay: Duration,
    pub terminate_delay: Duration,
}

/// How a process's arguments are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ArgumentsMatch {
    /// Not at all.
    #[default]
    Any,
    /// All of them, equal.
    Exact,
    /// Equal, but the last one may be the beginning of the process's, and more may follow (`initial`).
    Initial,
    /// The first ones equal, more may follow (`partial`).
    Partial,
}
