//! What belongs to the table as a whole: the daemons that copy connections between directors, and the timeouts.

use crate::net::LinkName;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;

/// What a synchronisation daemon does with connections (ipvsadm(8), --start-daemon).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SyncRole {
    /// Tells of its connections.
    Master,
    /// Learns those of others.
    Backup,
}

impl fmt::Display for SyncRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Master => "master",
            Self::Backup => "backup",
        })
    }
}

/// How a synchronisation daemon speaks. None: the kernel's default.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SyncDaemon {
    pub link: LinkName,
    /// Who is meant, among several directors on one link: 0 to 255.
    pub id: u8,
    /// The most bytes of one message, headers aside.
    pub max_length: Option<u16>,
    pub group: Option<IpAddr>,
    pub port: Option<u16>,
    pub ttl: Option<u8>,
}

/// How long IPVS keeps a connection without packets (ipvsadm(8), --set), seconds; 0: as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeouts {
    pub tcp: u32,
    pub tcp_fin: u32,
    pub udp: u32,
}
