//! What one node hears of VRRP on its links, whoever sends it.

use super::skew::Word;
use crate::net::{Family, LinkName};
use crate::time::{Duration, Instant};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;

/// Everyone heard, also of virtual routers that are none of ours. Who says nothing is not here: a BACKUP is silent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Wire {
    pub links: Vec<WireLink>,
    /// By link, VRID and sender.
    pub neighbours: Vec<Neighbour>,
    /// Adverts of senders there was no room for.
    pub untold: u64,
}

/// A link on which adverts of one family are listened for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireLink {
    pub link: LinkName,
    pub family: Family,
    /// The multicast groups that are heard; none: only what is sent to this node alone.
    pub groups: Vec<IpAddr>,
    /// The lowest VRID that no instance has here and that nobody was heard with since the engine started.
    pub free_vrid: Option<u8>,
}

/// One sender of adverts for one VRID on one link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Neighbour {
    pub link: LinkName,
    pub vrid: u8,
    pub address: IpAddr,
    /// The VRRP version on the wire.
    pub version: u8,
    /// 0: it resigned.
    pub priority: u8,
    pub interval: Duration,
    pub auth: AuthSeen,
    /// To a group; else to this node alone.
    pub multicast: bool,
    /// The first of those it advertises, and how many they are.
    pub addresses: Vec<IpAddr>,
    pub address_count: u8,
    /// The first advert since the engine started, and the last.
    pub first: Instant,
    pub at: Instant,
    pub adverts: u64,
    /// Adverts that did not come although the next one came before it counted as silent.
    pub lost: u64,
    /// The instance of this node that has the VRID there; none: it is none of ours.
    pub instance: Option<String>,
    /// Whether its last advert counted for that instance.
    pub counts: bool,
    /// Why it does not go together with that instance; none: it does, or there is none.
    pub conflict: Option<String>,
}

/// How a neighbour stands to the node that hears it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Its adverts count for an instance of ours.
    Fits,
    /// Its VRID is none of ours.
    Heard,
    /// Nothing has been heard of it for longer than a BACKUP would wait, or it resigned.
    Silent,
    /// Its VRID is ours, and it does not go together with our instance.
    Collides,
}

impl Neighbour {
    /// So long after its last advert.
    pub fn standing(&self, silence: Duration) -> Standing {
        // The longest skew is a second (RFC 3768, 6.1).
        let patience = self.interval.max(Duration::from_millis(10)) * 3 + Duration::from_secs(1);
        match self.instance {
            _ if silence > patience || self.priority == 0 => Standing::Silent,
            None => Standing::Heard,
            Some(_) if self.conflict.is_some() || !self.counts => Standing::Collides,
            Some(_) => Standing::Fits,
        }
    }

    /// What it shares its VRID with on this node, and what is wrong with that.
    pub fn relation(&self) -> String {
        match (&self.instance, &self.conflict) {
            (None, _) => "no instance has this VRID here".into(),
            (Some(name), None) => name.clone(),
            (Some(name), Some(why)) => format!("{name}: {why}"),
        }
    }

    /// Its addresses as text: all that are known, and how many more there are.
    pub fn vips(&self) -> String {
        let known: Vec<String> = self.addresses.iter().map(ToString::to_string).collect();
        match usize::from(self.address_count).saturating_sub(known.len()) {
            0 => known.join(", "),
            more => format!("{} and {more} more", known.join(", ")),
        }
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Fits => "fits",
            Self::Heard => "heard",
            Self::Silent => "silent",
            Self::Collides => "COLLIDES",
        })
    }
}

/// How an advert is authenticated, as far as it shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthSeen {
    /// Not known: it could not be read.
    #[default]
    Unknown,
    None,
    /// `auth_type PASS`.
    Pass,
    /// `auth_type AH`.
    Ah,
    /// Signed (`auth_hmac`).
    Hmac,
    /// An authentication type that there is not.
    Other,
    #[serde(untagged)]
    Newer(Word),
}

impl fmt::Display for AuthSeen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Unknown => "–",
            Self::None => "none",
            Self::Pass => "PASS",
            Self::Ah => "AH",
            Self::Hmac => "HMAC",
            Self::Other => "unknown type",
            Self::Newer(word) => return word.fmt(f),
        })
    }
}
