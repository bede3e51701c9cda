//! What the runtime is to do, in the order given.

use super::input::Carrier;
use crate::conf::{Config, ScriptSpec};
use crate::health::Method;
use crate::kernel::{Change, DestinationKey, ServiceKey};
use crate::net::LinkName;
use crate::status::{Ask, Reply};
use crate::vrrp::Command;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send an advert.
    Send(Advert),
    /// Change an address; the result comes back as an input.
    Apply(Change),
    /// Send one gratuitous ARP or unsolicited neighbour advertisement.
    Announce {
        link: LinkName,
        address: IpAddr,
    },
    /// Ask a link who has an address that is ours (ARP probe, neighbour solicitation); over IPv6 from `source`.
    Probe {
        link: LinkName,
        address: IpAddr,
        source: Option<Ipv6Addr>,
    },
    /// Change the table, in order; failures and then the table as it stands come back as inputs.
    Table(Vec<Change>),
    /// Write the journal of operator intent, whole, or remove it if there is none: an empty text.
    KeepIntents {
        revision: u64,
        text: String,
    },
    /// Run a health check; what it found comes back as an input.
    Check {
        id: CheckId,
        method: Method,
        /// Which of its URLs.
        step: usize,
    },
    RunScript(ScriptSpec),
    /// Run a notify script; those of one instance or group in order, and never two at once.
    Notify(Notice),
    /// Write a line, its end included, to every FIFO for lines of this kind: [`Engine::fifos`](super::Engine::fifos).
    Tell(Topic, String),
    /// Send mail: [`Engine::mail`](super::Engine::mail) says by which relay.
    Mail(Letter),
    /// Read the configuration anew, or to undo a reload the one that was in force before; it comes back as an input.
    ReadConfiguration {
        id: u64,
        ask: Ask,
    },
    /// This configuration is in force from now on: the one before is kept for whoever takes it back.
    KeepConfiguration(Box<Config>),
    /// Find out whether the program, as its file is now, would take the configuration; the answer comes back as an input.
    PrepareRestart {
        id: u64,
    },
    /// End without releasing anything, to be started again.
    Restart,
    /// Other links or groups may have to be listened on, [`Engine::listens`](super::Engine::listens), and other BFD
    /// sessions be held, [`Engine::bfds`](super::Engine::bfds).
    Relisten,
    Reply {
        id: u64,
        reply: Reply,
    },
    /// Everything is released.
    Exit,
}

/// One advert on its way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advert {
    pub link: LinkName,
    pub source: IpAddr,
    /// The group, or one peer.
    pub destination: IpAddr,
    /// TTL or hop limit.
    pub hop_limit: u8,
    pub carrier: Carrier,
    /// What follows the IP header; with AH the whole IPv4 packet, for its header is authenticated, too.
    pub payload: Arc<[u8]>,
}

/// A notify script to be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// `INSTANCE` or `GROUP`, and its name: who is told about.
    pub kind: &'static str,
    pub name: String,
    /// As it is written in the file: `notify_master`.
    pub keyword: &'static str,
    pub command: Command,
    /// Which change of state it tells: a later one of the same instance or group has a larger number.
    pub change: u64,
}

impl Notice {
    /// Whether this one, told later, makes the other not worth telling any more.
    pub fn supersedes(&self, other: &Self) -> bool {
        self.change > other.change && (self.keyword == super::notify::LOWER) == (other.keyword == super::notify::LOWER)
    }
}

/// What a line for FIFOs is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// Instances and groups.
    Vrrp,
    /// Virtual and real servers.
    Lvs,
}

/// Mail, but for what its relay says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    pub subject: String,
    /// Lines without their ends.
    pub body: Vec<String>,
}

/// Which check of which real server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckId {
    pub service: ServiceKey,
    pub real: DestinationKey,
    pub index: usize,
    /// Which run, of all.
    pub run: u64,
}
