//! Everything that can happen to an engine.

use super::effect::CheckId;
use crate::health::Outcome;
use crate::kernel::{Change, Link, ObservedTable};
use crate::net::{LinkName, Mac};
use crate::status::Ask;
use crate::time::Duration;
use std::net::{IpAddr, Ipv4Addr};

#[derive(Clone, Debug)]
pub enum Input {
    /// A link as it is now, whole.
    Link(Link),
    LinkGone(LinkName),
    /// An IPv4 packet of protocol 112.
    Packet(Packet),
    /// A gratuitous ARP.
    Announced {
        link: LinkName,
        address: IpAddr,
        mac: Mac,
    },
    /// An address change was carried out, or refused by the kernel.
    Applied {
        change: Change,
        result: Result<(), String>,
    },
    SendFailed {
        link: LinkName,
        error: String,
    },
    /// The table as read back.
    Table(ObservedTable),
    /// The steps of the last [`Effect::Table`](super::Effect::Table) that failed, each with its reason.
    TableDone(Vec<(Change, String)>),
    Checked {
        id: CheckId,
        outcome: Outcome,
    },
    ScriptDone {
        name: String,
        outcome: Outcome,
    },
    Command {
        id: u64,
        ask: Ask,
    },
    /// Time has passed.
    Deadline,
    /// The runtime woke so much later than it had asked for.
    Late(Duration),
    Stop,
}

/// What arrived on a raw socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    pub link: LinkName,
    pub source: Ipv4Addr,
    pub ttl: u8,
    pub payload: Vec<u8>,
}
