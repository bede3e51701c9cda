//! What the runtime is to do, in the order given.

use crate::conf::ScriptSpec;
use crate::health::Method;
use crate::kernel::{Change, DestinationKey, ServiceKey};
use crate::net::LinkName;
use crate::status::Reply;
use std::net::{IpAddr, Ipv4Addr};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send an advert: the payload of an IPv4 packet to the VRRP group.
    Send {
        link: LinkName,
        source: Ipv4Addr,
        payload: Vec<u8>,
    },
    /// Change an address; the result comes back as an input.
    Apply(Change),
    /// Send one gratuitous ARP.
    Announce {
        link: LinkName,
        address: IpAddr,
    },
    /// Change the table, in order; failures and then the table as it stands come back as inputs.
    Table(Vec<Change>),
    /// Run a health check.
    Check {
        id: CheckId,
        method: Method,
    },
    RunScript(ScriptSpec),
    Reply {
        id: u64,
        reply: Reply,
    },
    /// Everything is released.
    Exit,
}

/// Which check of which real server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckId {
    pub service: ServiceKey,
    pub real: DestinationKey,
    pub index: usize,
}
