//! One step from what is to what should be.

use super::firewall::Firewall;
use super::ipvs::{Destination, DestinationKey, Service, ServiceKey, SyncDaemon, SyncRole, Timeouts};
use super::route::Route;
use super::rule::Rule;
use super::state::Address;
use super::virtual_link::VirtualLink;
use crate::net::LinkName;
use serde::{Deserialize, Serialize};
use std::fmt;

/// One nameable step. Its text is what the log and the event list show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    AddAddress(Address),
    /// The kernel takes it away again after so many seconds, unless it is renewed.
    LeaseAddress(Address, u32),
    RenewAddress(Address, u32),
    /// Takes the lease off an address: it stays until it is removed.
    KeepAddress(Address),
    RemoveAddress(Address),
    Routing(Routing),
    /// Makes it, or takes over the one of an earlier life, and brings it up.
    AddLink(VirtualLink),
    RemoveLink(VirtualLink),
    /// The table as a whole, in place of what there is of it.
    SetFirewall(Firewall),
    RemoveFirewall(Firewall),
    /// The service without its destinations.
    AddService(ServiceKey, Service),
    EditService(ServiceKey, Service),
    RemoveService(ServiceKey),
    AddDestination(ServiceKey, DestinationKey, Destination),
    EditDestination(ServiceKey, DestinationKey, Destination),
    RemoveDestination(ServiceKey, DestinationKey),
    /// Ends the connections of a destination that is in the table; it stays, with weight 0.
    ResetConnections(ServiceKey, DestinationKey),
    /// Clients that stick to a destination of weight 0 are sent elsewhere, in the whole table.
    ExpireTemplates(bool),
    /// The kernel's thread that tells other directors of connections, or learns of theirs.
    StartDaemon(SyncRole, SyncDaemon),
    StopDaemon(SyncRole),
    SetTimeouts(Timeouts),
}

impl Change {
    /// Of links over others, or of the firewall: what may take a while.
    pub const fn is_plumbing(&self) -> bool {
        matches!(self, Self::AddLink(_) | Self::RemoveLink(_) | Self::SetFirewall(_) | Self::RemoveFirewall(_))
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddAddress(a) | Self::LeaseAddress(a, _) => write!(f, "add {} to {}", a.net, a.link),
            Self::RenewAddress(a, seconds) => write!(f, "renew {} on {} for {seconds} s", a.net, a.link),
            Self::KeepAddress(a) => write!(f, "keep {} on {} without a lease", a.net, a.link),
            Self::RemoveAddress(a) => write!(f, "remove {} from {}", a.net, a.link),
            Self::Routing(routing) => routing.fmt(f),
            Self::AddLink(link) => write!(f, "make {link}"),
            Self::RemoveLink(link) => write!(f, "remove {link}"),
            Self::SetFirewall(firewall) => write!(f, "set {firewall}"),
            Self::RemoveFirewall(firewall) => write!(f, "remove nftables table inet {}", firewall.table.name),
            Self::AddService(key, s) => write!(f, "add virtual service {key} {}", s.scheduler),
            Self::EditService(key, s) => write!(f, "set virtual service {key} to {}", s.scheduler),
            Self::RemoveService(key) => write!(f, "remove virtual service {key}"),
            Self::AddDestination(key, to, d) => {
                write!(f, "add real server {to} to {key}, {} weight {}", d.forwarding, d.weight)
            }
            Self::EditDestination(key, to, d) => {
                write!(f, "set real server {to} of {key} to {} weight {}", d.forwarding, d.weight)
            }
            Self::RemoveDestination(key, to) => write!(f, "remove real server {to} from {key}"),
            Self::ResetConnections(key, to) => write!(f, "reset the connections of real server {to} of {key}"),
            Self::ExpireTemplates(true) => write!(f, "let clients leave real servers of weight 0"),
            Self::ExpireTemplates(false) => write!(f, "keep clients on real servers of weight 0"),
            Self::StartDaemon(role, how) => {
                write!(f, "start the {role} sync daemon on {}, id {}", how.link, how.id)
            }
            Self::StopDaemon(role) => write!(f, "stop the {role} sync daemon"),
            Self::SetTimeouts(Timeouts { tcp, tcp_fin, udp }) => {
                write!(f, "set the IPVS timeouts to tcp {tcp} tcpfin {tcp_fin} udp {udp}")
            }
        }
    }
}

/// One step with routes, rules, or what bears on them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Routing {
    AddRoute(Box<Route>),
    RemoveRoute(Box<Route>),
    AddRule(Box<Rule>),
    RemoveRule(Box<Rule>),
    /// The sysctl of that name, for one link.
    PromoteSecondaries(LinkName, bool),
}

/// What is there of routes and rules that bear our mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoutingNews {
    /// All of them; they replace what was known.
    All {
        routes: Vec<Route>,
        rules: Vec<Rule>,
    },
    /// One came (true) or went.
    Route(Box<Route>, bool),
    Rule(Box<Rule>, bool),
}

impl fmt::Display for Routing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddRoute(route) => write!(f, "add route {route}"),
            Self::RemoveRoute(route) => write!(f, "remove route {route}"),
            Self::AddRule(rule) => write!(f, "add rule {rule}"),
            Self::RemoveRule(rule) => write!(f, "remove rule {rule}"),
            Self::PromoteSecondaries(link, on) => {
                write!(f, "set promote_secondaries of {link} to {}", u8::from(*on))
            }
        }
    }
}
