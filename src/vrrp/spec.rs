//! What the configuration says about one virtual router, complete and resolved.

use crate::kernel::Address;
use crate::net::LinkName;
use crate::time::Duration;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::Ipv4Addr;

/// A virtual router identifier, 1 to 255 (RFC 3768, 5.3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Vrid(u8);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a virtual router id is 1 to 255, not {0}")]
pub struct BadVrid(pub u64);

impl Vrid {
    pub const fn new(id: u8) -> Result<Self, BadVrid> {
        if id == 0 { Err(BadVrid(0)) } else { Ok(Self(id)) }
    }

    pub const fn get(self) -> u8 {
        self.0
    }
}

impl fmt::Display for Vrid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The eight bytes of simple text authentication, zero padded (RFC 2338, 5.3.10).
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Password(pub [u8; 8]);

impl Password {
    /// The first eight bytes of `text`.
    pub fn new(text: &str) -> Self {
        let mut bytes = [0; 8];
        for (to, from) in bytes.iter_mut().zip(text.bytes()) {
            *to = from;
        }
        Self(bytes)
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(********)")
    }
}

/// When gratuitous ARP is sent on becoming master (keepalived.conf(5), garp_master_*).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Garp {
    /// The announcements in each set.
    pub repeat: u32,
    /// How long after the first set the second follows; zero: no second set.
    pub delay: Duration,
}

impl Default for Garp {
    fn default() -> Self {
        Self { repeat: 5, delay: Duration::from_secs(5) }
    }
}

/// A tracked script as one instance sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptTrack {
    /// The `vrrp_script` by name.
    pub script: String,
    /// Zero: a failure is a fault. Positive: added while good. Negative: added while bad.
    pub weight: i32,
    pub reverse: bool,
}

/// One `vrrp_instance`. VRRPv2 over IPv4, multicast.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    pub name: String,
    pub link: LinkName,
    pub vrid: Vrid,
    /// 1 to 255; 255 owns the addresses.
    pub priority: u8,
    /// The time between adverts; whole seconds in VRRPv2.
    pub interval: Duration,
    /// `state MASTER`: with priority 255, master at once; else only a wish.
    pub wishes_master: bool,
    pub preempt: bool,
    pub password: Option<Password>,
    /// `mcast_src_ip`; none: the first address of the link.
    pub source: Option<Ipv4Addr>,
    /// The addresses in the adverts, in order, each with the link it goes on.
    pub addresses: Vec<Address>,
    pub garp: Garp,
    pub scripts: Vec<ScriptTrack>,
    /// Adverts missed until the master is down (`down_timer_adverts`).
    pub down_adverts: u32,
}

impl Spec {
    /// Priority 255: the router that owns the addresses (RFC 3768, 5.3.4).
    pub const fn is_owner(&self) -> bool {
        self.priority == 255
    }

    /// (256 − priority) / 256 seconds (RFC 3768, 6.1).
    pub fn skew(&self, priority: u8) -> Duration {
        Duration::from_micros((256 - u64::from(priority)) * 1_000_000 / 256)
    }

    /// How long the master may be silent before this router acts with `priority`.
    pub fn master_down(&self, priority: u8) -> Duration {
        self.interval * self.down_adverts + self.skew(priority)
    }
}
