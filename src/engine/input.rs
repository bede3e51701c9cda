//! Everything that can happen to an engine.

use super::effect::{CheckId, Notice};
use super::trackers::{Counted, FileReading};
use crate::bfd;
use crate::conf::Config;
use crate::health::{Found, Outcome};
use crate::kernel::{Change, Link, ObservedTable, RoutingNews};
use crate::net::{LinkName, Mac};
use crate::status::{Ask, DiskState, Severity};
use crate::time::Duration;
use std::net::IpAddr;

#[derive(Clone, Debug)]
pub enum Input {
    /// A link as it is now, whole.
    Link(Link),
    LinkGone(LinkName),
    /// Every link that is there has been told of: those that have not are not there.
    LinksRead,
    /// What is there of routes and rules that bear our mark.
    Routing(RoutingNews),
    /// An advert.
    Packet(Packet),
    /// A gratuitous ARP or an unsolicited neighbour advertisement.
    Announced {
        link: LinkName,
        address: IpAddr,
        mac: Mac,
    },
    /// A station of the link says that an address is at its hardware address: an answer to a probe, or any ARP.
    Claimed {
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
    /// What was in the journal of operator intent, if that was not known before the start; none: there is none.
    IntentsRead(Result<Option<Vec<u8>>, String>),
    /// What became of [`Effect::KeepIntents`](super::Effect::KeepIntents).
    IntentsKept {
        revision: u64,
        result: Result<(), String>,
    },
    Checked {
        id: CheckId,
        found: Found,
    },
    ScriptDone {
        name: String,
        outcome: Outcome,
    },
    /// What is new of the BFD sessions that [`Engine::bfds`](super::Engine::bfds) asks for.
    Bfd(bfd::News),
    /// A tracked file was read.
    FileRead {
        name: String,
        reading: FileReading,
    },
    /// Tracked processes were counted, by name, and what changed their number.
    ProcessesCounted {
        counts: Vec<(String, u32)>,
        by: Counted,
    },
    /// How tracked processes are found: as the kernel tells of them, or by a look every second for this reason.
    ProcessesWatched {
        scanned: Option<String>,
    },
    /// Files or processes cannot be watched, and why.
    WatchProblem(String),
    /// A notify script has ended.
    Notified {
        notice: Notice,
        outcome: Outcome,
        /// The beginning of what it wrote.
        output: String,
    },
    /// Notify scripts of this instance or group were not run: later states had come before their turn.
    NotifySkipped {
        kind: &'static str,
        name: String,
        count: u64,
    },
    /// Something for the timeline from beside the engine: FIFOs, mail, how the program runs.
    Report {
        severity: Severity,
        /// Of the event.
        kind: &'static str,
        text: String,
        cause: Option<String>,
    },
    /// What [`Effect::PrepareRestart`](super::Effect::PrepareRestart) asked for.
    Restartable {
        id: u64,
        able: Result<(), String>,
    },
    /// The process that would start this engine again has ended.
    GuardLost,
    Command {
        id: u64,
        ask: Ask,
    },
    /// The configuration that [`Effect::ReadConfiguration`](super::Effect::ReadConfiguration) asked for, or why it
    /// cannot be used.
    Configured {
        id: u64,
        ask: Ask,
        read: Result<Box<Config>, String>,
    },
    /// The configuration's file on the disk has been compared with what runs.
    DiskSeen(DiskState),
    /// The audit log was written, or could not be.
    AuditKept(Result<(), String>),
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
    pub source: IpAddr,
    pub destination: IpAddr,
    /// TTL or hop limit.
    pub hop_limit: u8,
    pub carrier: Carrier,
    pub payload: Vec<u8>,
}

/// How an advert is carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// IP protocol 112; the payload is the advert.
    Vrrp,
    /// IP protocol 51 (RFC 2402); the payload is the whole IPv4 packet, for its header is authenticated, too.
    Ah,
}
