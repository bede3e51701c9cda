//! The settings and their defaults.

use crate::kernel::ServiceKey;
use crate::sys::audit_file::Limits;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    pub audit: Audit,
    pub balancer: Balancer,
    /// Clusters by name, for `attach NAME` and `--at NAME`.
    pub cluster: BTreeMap<String, Cluster>,
    pub console: Console,
    pub control: Control,
    pub engine: Engine,
    pub journal: Journal,
    pub mail: Mail,
    pub metrics: Metrics,
    pub notify: Notify,
}

/// The log of who asked for what, beside the journal of operator intent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Audit {
    /// Of one file.
    pub kilobytes: u32,
    /// The files in all; the oldest goes when another one is begun.
    pub files: u32,
}

impl Default for Audit {
    fn default() -> Self {
        Self { kilobytes: 1024, files: 8 }
    }
}

impl Audit {
    pub fn limits(self) -> Limits {
        Limits { bytes: u64::from(self.kilobytes.max(4)) * 1024, files: self.files.clamp(1, 1000) }
    }
}

/// The embedded balancer: what keepalived.conf has no words for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Balancer {
    /// It serves even where the kernel has ip_vs.
    pub always: bool,
    /// 0: as many as there are processors, at most eight.
    pub threads: usize,
    /// Virtual services over TCP (`tcp/192.0.2.10:80`) whose real servers are told who the client is, by the PROXY
    /// protocol in its version 1 (text) or 2 (binary).
    pub proxy_v1: Vec<ServiceKey>,
    pub proxy_v2: Vec<ServiceKey>,
}

/// What an engine keeps of its own last hour: events and snapshots, in memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Journal {
    /// How far back it goes; 0: there is none.
    pub seconds: u64,
    /// What it takes at most, packed.
    pub bytes: usize,
    /// Also in files below `engine.state_directory`, so that it outlives the engine.
    pub on_disk: bool,
}

/// How mail is given to the relay that keepalived.conf names (`smtp_server`); keepalived itself knows clear text alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mail {
    pub tls: MailTls,
    /// A PEM file of certificates that are believed beside this machine's own.
    pub ca_file: Option<PathBuf>,
    /// Check the relay's certificate and name.
    pub verify: bool,
    /// Log in as this user, only with TLS.
    pub user: Option<String>,
    /// The password, alone in a file.
    pub password_file: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailTls {
    #[default]
    None,
    StartTls,
    /// From the first byte, port 465.
    Tls,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Notify {
    /// A NUL byte after each line about services in a FIFO, as keepalived 2.4 writes it and 2.2.7 does not.
    pub lvs_fifo_nul: bool,
}

/// The nodes of one cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cluster {
    pub nodes: Vec<NodeWord>,
}

/// Where an engine is: `ssh://HOST`, a socket's path, a name below the directory of the sockets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NodeWord(String);

impl TryFrom<String> for NodeWord {
    type Error = String;

    fn try_from(word: String) -> Result<Self, String> {
        let why = match word.split_once("://") {
            _ if word.is_empty() => "a node cannot be empty",
            _ if word.contains(|c: char| c.is_whitespace() || c.is_control()) => "a node has no blanks",
            Some(("ssh", host)) if host.is_empty() || host.starts_with(['-', '/']) => "names no host",
            None | Some(("ssh", _)) => return Ok(Self(word)),
            Some(_) => "a node is ssh://HOST, a socket's path or a name",
        };
        Err(format!("`{}`: {why}", word.escape_debug()))
    }
}

impl From<NodeWord> for String {
    fn from(word: NodeWord) -> Self {
        word.0
    }
}

impl fmt::Display for NodeWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// What Prometheus asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Metrics {
    /// An address of this machine alone, such as 127.0.0.1:9650; none: only the control socket tells them.
    pub listen: Option<Loopback>,
}

/// A loopback address and a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "SocketAddr", into = "SocketAddr")]
pub struct Loopback(SocketAddr);

impl TryFrom<SocketAddr> for Loopback {
    type Error = String;

    fn try_from(at: SocketAddr) -> Result<Self, String> {
        if at.ip().is_loopback() {
            Ok(Self(at))
        } else {
            Err(format!(
                "{at} is not a loopback address (127.0.0.1:PORT, [::1]:PORT): metrics are for this machine alone"
            ))
        }
    }
}

impl From<Loopback> for SocketAddr {
    fn from(at: Loopback) -> Self {
        at.0
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Engine {
    /// Seconds that addresses stay on their links when no engine renews them any more; 0: for ever, as keepalived leaves
    /// them. None: twice the longest master-down time, at least 4.
    pub lease_seconds: Option<u32>,
    /// Ask the links now and then who else has the addresses this node is master of (ARP probes, neighbour
    /// solicitations), and raise an alarm if somebody does.
    pub probe_addresses: bool,
    /// Where what outlives an engine and its machine is kept: the journal of operator intent.
    pub state_directory: PathBuf,
    /// What is done when somebody else (`ipvsadm`) changes what is ours in the load balancer's table.
    pub table_drift: TableDrift,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TableDrift {
    /// It is told and undone.
    #[default]
    Repair,
    /// It is told and left so, until what was changed is to change anyway.
    Adopt,
}

impl Default for Engine {
    fn default() -> Self {
        Self {
            lease_seconds: None,
            probe_addresses: true,
            state_directory: "/var/lib/vipdeck".into(),
            table_drift: TableDrift::default(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Console {
    /// `dark`, `light`, `mono` or `high`.
    pub theme: String,
    /// ASCII glyphs only.
    pub ascii: bool,
    /// Take the verbs away.
    pub view_only: bool,
    /// The verbs are locked until `A` arms them, for five minutes.
    pub arm: bool,
    /// Stand-ins for names and addresses; takes the verbs away.
    pub privacy: bool,
    pub mouse: bool,
    /// Ring the terminal's bell once for each new alarm.
    pub bell: bool,
    /// Tell new alarms on the desktop, through the terminal.
    pub notice: Notice,
    /// Extra key bindings, in the form of `assets/keys.toml`.
    pub keys: Option<PathBuf>,
}

/// By which sequence a terminal is asked for a notice on the desktop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Notice {
    #[default]
    Off,
    /// iTerm2, kitty, Windows Terminal, `WezTerm`.
    Osc9,
    /// foot, urxvt, Konsole, VTE.
    Osc777,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Control {
    /// Where engines put their sockets, and where `attach` looks for names.
    pub directory: PathBuf,
    /// Members may read; none: only root and the engine's own user.
    pub view_group: Option<String>,
    /// Members may command; none: only root and the engine's own user.
    pub operate_group: Option<String>,
    /// Which of the clusters below this machine's engines belong to; none: the only one.
    pub cluster: Option<String>,
}

impl Default for Console {
    fn default() -> Self {
        Self {
            theme: "dark".into(),
            ascii: false,
            view_only: false,
            arm: false,
            privacy: false,
            mouse: true,
            bell: true,
            notice: Notice::Off,
            keys: None,
        }
    }
}

impl Default for Journal {
    fn default() -> Self {
        Self { seconds: 3600, bytes: 16 * 1024 * 1024, on_disk: false }
    }
}

impl Default for Mail {
    fn default() -> Self {
        Self { tls: MailTls::None, ca_file: None, verify: true, user: None, password_file: None }
    }
}

impl Default for Control {
    fn default() -> Self {
        Self { directory: "/run/vipdeck".into(), view_group: None, operate_group: None, cluster: None }
    }
}
