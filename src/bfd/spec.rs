//! What the configuration says about one session.

use crate::time::Duration;
use crate::wire::bfd;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// One `bfd_instance`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    pub name: String,
    pub neighbor: IpAddr,
    /// None: as the kernel routes.
    pub source: Option<IpAddr>,
    pub min_rx: Duration,
    pub min_tx: Duration,
    /// The interval of packets while the session is not Up, at least a second.
    pub idle_tx: Duration,
    /// Packets that may be missed, 1 to 255.
    pub multiplier: u8,
    /// Nothing is sent before the neighbour has been heard.
    pub passive: bool,
    /// TTL or hop limit of what is sent.
    pub hop_limit: u8,
    /// Packets with a lower TTL or hop limit have come from too far.
    pub least_hop_limit: u8,
    pub multihop: bool,
    /// The weight of a `track_bfd` entry that has none.
    pub weight: i32,
    pub reverse: bool,
}

impl Spec {
    /// With keepalived's defaults: 10 ms either way, five packets, and over one hop only.
    pub fn new(name: impl Into<String>, neighbor: IpAddr) -> Self {
        let (min_rx, min_tx) = (Duration::from_millis(10), Duration::from_millis(10));
        Self {
            name: name.into(),
            neighbor,
            source: None,
            min_rx,
            min_tx,
            idle_tx: Duration::from_secs(1),
            multiplier: 5,
            passive: false,
            hop_limit: bfd::TTL,
            least_hop_limit: bfd::TTL,
            multihop: false,
            weight: 0,
            reverse: false,
        }
    }

    /// Whether a spec is of the same session: its state goes on, whatever its intervals and its name.
    pub fn is_same(&self, other: &Self) -> bool {
        (self.neighbor, self.source, self.multihop) == (other.neighbor, other.source, other.multihop)
    }
}
