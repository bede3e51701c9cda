//! The connection that asks.

use super::PROTOCOL_TAG;
use super::error::NetlinkError;
use super::view::{LinkEvent, View};
use super::{routes, rules};
use crate::kernel::{Address, Change, Link, Route, Routing, Rule};
use crate::net::LinkName;
use crate::sys::Outcome;
use crate::sys::sysctl::Key;
use futures_util::StreamExt;
use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REPLACE, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::address::{
    AddressAttribute, AddressFlags, AddressMessage, AddressProtocol, AddressScope, CacheInfo,
};
use netlink_packet_route::link::{LinkFlags, LinkMessage};
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteMessage, RouteProtocol, RouteScope, RouteType};
use netlink_packet_route::rule::RuleMessage;
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::AsyncSocket;
use nix::errno::Errno;
use nix::net::if_::if_nametoindex;
use std::collections::BTreeSet;
use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(5);
/// A lifetime that does not end (`INFINITY_LIFE_TIME`).
const FOR_EVER: u32 = u32::MAX;

/// Asks the kernel for changes. Cheap to clone. A connection that ended is opened again by the thread that asks next,
/// so ask only from threads of one namespace.
#[derive(Clone, Debug)]
pub struct Netlink {
    handle: Arc<Mutex<rtnetlink::Handle>>,
    /// The kernel filters what it lists, and takes requests at their word (`NETLINK_GET_STRICT_CHK`).
    strict: bool,
    /// Links whose `promote_secondaries` was off before us.
    promoted: Arc<Mutex<BTreeSet<LinkName>>>,
}

/// A route to one IPv4 address over one link, in the main table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostRoute {
    pub to: Ipv4Addr,
    pub link: LinkName,
}

impl Netlink {
    /// Only the connection that asks, for those who do not watch.
    pub fn requests_only() -> io::Result<Self> {
        Ok(Self { handle: Arc::new(Mutex::new(connect(false)?)), strict: false, promoted: Arc::default() })
    }

    /// The same, for reading long lists of which a part matters.
    pub(super) fn strict() -> io::Result<Self> {
        Ok(Self { handle: Arc::new(Mutex::new(connect(true)?)), strict: true, promoted: Arc::default() })
    }

    /// Carries out a change of addresses, routes or rules; one of the load balancer's table is refused.
    pub async fn apply(&self, change: &Change) -> Result<Outcome, NetlinkError> {
        match change {
            Change::AddAddress(address) => self.add(address).await,
            Change::LeaseAddress(address, seconds) | Change::RenewAddress(address, seconds) => {
                self.lease(&change.to_string(), address, *seconds).await
            }
            Change::RemoveAddress(address) => self.remove(address).await,
            Change::Routing(step) => self.route(step).await,
            table => Err(NetlinkError::new(
                table.to_string(),
                io::Error::new(io::ErrorKind::InvalidInput, "this belongs to the load balancer, not to a link"),
            )),
        }
    }

    /// Puts an address on its link. On a link that already has it, nothing changes, not even label or scope.
    pub async fn add(&self, address: &Address) -> Result<Outcome, NetlinkError> {
        let what = format!("add {} to {}", address.net, address.link);
        let index = Self::index(&address.link, &what)?;
        let request = RouteNetlinkMessage::NewAddress(added(address, index));
        let result = self.ask(request, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK).await;
        outcome(&what, result, &[Errno::EEXIST])
    }

    /// Puts an address on its link for so many seconds, or has it stay so much longer.
    async fn lease(&self, what: &str, address: &Address, seconds: u32) -> Result<Outcome, NetlinkError> {
        let index = Self::index(&address.link, what)?;
        let request = RouteNetlinkMessage::NewAddress(leased(address, index, seconds));
        outcome(what, self.ask(request, NLM_F_CREATE | NLM_F_REPLACE | NLM_F_ACK).await, &[])
    }

    /// Takes an address off its link. The kernel may take secondary addresses of the same prefix with it.
    pub async fn remove(&self, address: &Address) -> Result<Outcome, NetlinkError> {
        let what = format!("remove {} from {}", address.net, address.link);
        let index = match Self::index(&address.link, &what) {
            Ok(index) => index,
            // With the link its addresses went too.
            Err(e) if e.errno() == Some(libc::ENODEV) => return Ok(Outcome::AlreadySo),
            Err(e) => return Err(e),
        };
        let request = RouteNetlinkMessage::DelAddress(named(address, index));
        let result = self.ask(request, NLM_F_ACK).await;
        outcome(&what, result, &[Errno::EADDRNOTAVAIL, Errno::ENODEV])
    }

    /// Carries out a step with routes and rules.
    async fn route(&self, step: &Routing) -> Result<Outcome, NetlinkError> {
        let what = step.to_string();
        match step {
            Routing::AddRoute(route) => self.add_route(&what, route).await,
            Routing::RemoveRoute(route) => {
                let message = match routes::message(route, |link| Self::index(link, &what)) {
                    Ok(message) => message,
                    // With the link its routes went too.
                    Err(e) if e.errno() == Some(libc::ENODEV) => return Ok(Outcome::AlreadySo),
                    Err(e) => return Err(e),
                };
                let result = self.ask(RouteNetlinkMessage::DelRoute(message), NLM_F_ACK).await;
                outcome(&what, result, &[Errno::ESRCH, Errno::ENODEV])
            }
            Routing::AddRule(rule) => {
                let request = RouteNetlinkMessage::NewRule(rules::message(rule));
                let result = self.ask(request, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK).await;
                outcome(&what, result, &[Errno::EEXIST])
            }
            Routing::RemoveRule(rule) => {
                let result = self.ask(RouteNetlinkMessage::DelRule(rules::message(rule)), NLM_F_ACK).await;
                outcome(&what, result, &[Errno::ENOENT, Errno::ESRCH])
            }
            Routing::PromoteSecondaries(link, on) => self.promote_secondaries(&what, link, *on),
        }
    }

    /// Turns it on, or off again where it was off before.
    fn promote_secondaries(&self, what: &str, link: &LinkName, on: bool) -> Result<Outcome, NetlinkError> {
        let key = Key::new(format!("net/ipv4/conf/{link}/promote_secondaries"));
        let mut promoted = self.promoted.lock().unwrap_or_else(PoisonError::into_inner);
        if on {
            let before = std::fs::read_to_string(key.path()).map_err(|cause| NetlinkError::new(what, cause))?;
            if before.trim() != "0" {
                return Ok(Outcome::AlreadySo);
            }
            promoted.insert(link.clone());
        } else if !promoted.remove(link) {
            return Ok(Outcome::AlreadySo);
        }
        // With the link its settings went too.
        let written = std::fs::write(key.path(), u8::from(on).to_string());
        outcome(what, written, if on { &[] } else { &[Errno::ENOENT] })
    }

    /// For IPv4 the kernel tells an equal route from one that is merely alike; an IPv6 route that is in the way may be
    /// ours or somebody else's.
    async fn add_route(&self, what: &str, route: &Route) -> Result<Outcome, NetlinkError> {
        let message = routes::message(route, |link| Self::index(link, what))?;
        let result = self.ask(RouteNetlinkMessage::NewRoute(message), routes::addition(route.place)).await;
        let exists = result.as_ref().is_err_and(|e| e.raw_os_error() == Some(libc::EEXIST));
        if !exists {
            return outcome(what, result, &[]);
        }
        let (ours, _) = self.our_routing().await?;
        if ours.iter().any(|seen| route.is(seen)) {
            return Ok(Outcome::AlreadySo);
        }
        outcome(what, result, &[])
    }

    /// Every route and rule that bears our mark.
    pub(super) async fn our_routing(&self) -> Result<(Vec<Route>, Vec<Rule>), NetlinkError> {
        let failed = |what: &'static str| move |cause| NetlinkError::new(what, cause);
        let mut found = (Vec::new(), Vec::new());
        for family in [AddressFamily::Inet, AddressFamily::Inet6] {
            let mut all = RouteMessage::default();
            all.header.address_family = family;
            all.header.protocol = RouteProtocol::from(PROTOCOL_TAG);
            let answer = self.ask(RouteNetlinkMessage::GetRoute(all), NLM_F_DUMP).await;
            let routes = answer.map_err(failed("read the routes"))?;
            let ours = routes.iter().filter_map(|message| match message {
                RouteNetlinkMessage::NewRoute(route) => routes::read(route),
                _ => None,
            });
            found.0.extend(ours.filter(|route| route.protocol == PROTOCOL_TAG));
            let mut all = RuleMessage::default();
            all.header.family = family;
            let answer = self.ask(RouteNetlinkMessage::GetRule(all), NLM_F_DUMP).await;
            let rules = answer.map_err(failed("read the rules"))?;
            let ours = rules.iter().filter_map(|message| match message {
                RouteNetlinkMessage::NewRule(rule) => rules::read(rule),
                _ => None,
            });
            found.1.extend(ours.filter(|rule| rule.protocol == PROTOCOL_TAG));
        }
        Ok(found)
    }

    pub async fn add_host_route(&self, route: &HostRoute) -> Result<Outcome, NetlinkError> {
        let what = format!("add route to {} over {}", route.to, route.link);
        let index = Self::index(&route.link, &what)?;
        let request = RouteNetlinkMessage::NewRoute(route_message(route.to, index));
        let result = self.ask(request, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK).await;
        outcome(&what, result, &[Errno::EEXIST])
    }

    pub async fn remove_host_route(&self, route: &HostRoute) -> Result<Outcome, NetlinkError> {
        let what = format!("remove route to {} over {}", route.to, route.link);
        let index = Self::index(&route.link, &what)?;
        let request = RouteNetlinkMessage::DelRoute(route_message(route.to, index));
        let result = self.ask(request, NLM_F_ACK).await;
        outcome(&what, result, &[Errno::ESRCH])
    }

    /// The addresses that have a host route over `link` in the main table.
    pub async fn host_routes(&self, link: &LinkName) -> Result<Vec<Ipv4Addr>, NetlinkError> {
        let what = format!("read the host routes over {link}");
        let index = Self::index(link, &what)?;
        let mut all = RouteMessage::default();
        all.header.address_family = AddressFamily::Inet;
        let answer = self.ask(RouteNetlinkMessage::GetRoute(all), NLM_F_DUMP).await;
        let answer = answer.map_err(|cause| NetlinkError::new(what, cause))?;
        Ok(answer.iter().filter_map(|message| host_route(message, index)).collect())
    }

    /// All links with their addresses, read once.
    pub async fn links(&self) -> Result<Vec<Link>, NetlinkError> {
        let events = View::default().replace(&self.dump_links().await?, &self.dump_addresses().await?);
        let links = events.into_iter().filter_map(|event| match event {
            LinkEvent::Link(link) => Some(link),
            LinkEvent::Gone(_) | LinkEvent::Resynced => None,
        });
        Ok(links.collect())
    }

    /// Brings a link up (administratively).
    pub async fn set_up(&self, link: &LinkName) -> Result<Outcome, NetlinkError> {
        let what = format!("bring {link} up");
        let mut message = LinkMessage::default();
        message.header.index = Self::index(link, &what)?;
        message.header.flags = LinkFlags::Up;
        message.header.change_mask = LinkFlags::Up;
        outcome(&what, self.ask(RouteNetlinkMessage::SetLink(message), NLM_F_ACK).await, &[])
    }

    /// Takes a link down (administratively).
    pub async fn set_down(&self, link: &LinkName) -> Result<Outcome, NetlinkError> {
        let what = format!("bring {link} down");
        let mut message = LinkMessage::default();
        message.header.index = Self::index(link, &what)?;
        message.header.change_mask = LinkFlags::Up;
        outcome(&what, self.ask(RouteNetlinkMessage::SetLink(message), NLM_F_ACK).await, &[])
    }

    pub(super) async fn dump_links(&self) -> Result<Vec<RouteNetlinkMessage>, NetlinkError> {
        let request = RouteNetlinkMessage::GetLink(LinkMessage::default());
        self.ask(request, NLM_F_DUMP).await.map_err(|cause| NetlinkError::new("read the links", cause))
    }

    pub(super) async fn dump_addresses(&self) -> Result<Vec<RouteNetlinkMessage>, NetlinkError> {
        let request = RouteNetlinkMessage::GetAddress(AddressMessage::default());
        self.ask(request, NLM_F_DUMP).await.map_err(|cause| NetlinkError::new("read the addresses", cause))
    }

    pub(super) fn index(link: &LinkName, what: &str) -> Result<u32, NetlinkError> {
        if_nametoindex(link.as_str()).map_err(|errno| NetlinkError::new(what, errno.into()))
    }

    /// Sends a request and gathers the answer to its end.
    pub(super) async fn ask(&self, request: RouteNetlinkMessage, flags: u16) -> io::Result<Vec<RouteNetlinkMessage>> {
        // The kernel answers at once, unless the answer did not fit into the socket's buffer.
        let asked = async {
            match converse(self.handle(), request.clone(), flags).await {
                // Asking twice is harmless: what the first has done after all is "already so" to the second.
                Err(e) if matches!(e.kind(), io::ErrorKind::NotConnected | io::ErrorKind::UnexpectedEof) => {
                    tracing::warn!("{e}; it is opened again");
                    let fresh = connect(self.strict)?;
                    *self.handle.lock().unwrap_or_else(PoisonError::into_inner) = fresh.clone();
                    converse(fresh, request, flags).await
                }
                other => other,
            }
        };
        match tokio::time::timeout(TIMEOUT, asked).await {
            Ok(answer) => answer,
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the kernel did not answer")),
        }
    }

    fn handle(&self) -> rtnetlink::Handle {
        self.handle.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn connect(strict: bool) -> io::Result<rtnetlink::Handle> {
    let (mut connection, handle, _) = rtnetlink::new_connection()?;
    // Without these an answer that was cut short looks like one that is complete.
    connection.set_forward_ack(true);
    connection.set_forward_done(true);
    if strict {
        // Kernels before 4.20 know no such thing: they list all, and we choose.
        let _ = connection.socket_mut().socket_mut().set_netlink_get_strict_chk(true);
    }
    tokio::spawn(connection);
    Ok(handle)
}

async fn converse(
    mut handle: rtnetlink::Handle,
    request: RouteNetlinkMessage,
    flags: u16,
) -> io::Result<Vec<RouteNetlinkMessage>> {
    let mut message = NetlinkMessage::from(request);
    message.header.flags = NLM_F_REQUEST | flags;
    let closed = |_| io::Error::new(io::ErrorKind::NotConnected, "the netlink connection has ended");
    let mut answers = handle.request(message).map_err(closed)?;
    let mut gathered = Vec::new();
    while let Some(answer) = answers.next().await {
        match answer.payload {
            NetlinkPayload::InnerMessage(inner) => gathered.push(inner),
            NetlinkPayload::Done(_) => return Ok(gathered),
            NetlinkPayload::Error(e) if e.code.is_none() => return Ok(gathered),
            NetlinkPayload::Error(e) => return Err(e.to_io()),
            // A dump that lost messages is no dump.
            NetlinkPayload::Overrun(_) => return Err(io::Error::from_raw_os_error(libc::ENOBUFS)),
            _ => {}
        }
    }
    Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the netlink connection ended before the answer"))
}

pub(super) fn outcome<T>(what: &str, result: io::Result<T>, so_already: &[Errno]) -> Result<Outcome, NetlinkError> {
    match result {
        Ok(_) => Ok(Outcome::Done),
        Err(e) if e.raw_os_error().is_some_and(|code| so_already.contains(&Errno::from_raw(code))) => {
            Ok(Outcome::AlreadySo)
        }
        Err(cause) => Err(NetlinkError::new(what, cause)),
    }
}

/// What names an address: rtnetlink's own helper would also make up a broadcast address.
pub(super) fn named(address: &Address, index: u32) -> AddressMessage {
    let net = address.listed();
    let mut message = AddressMessage::default();
    message.header.family = if net.addr().is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    message.header.prefix_len = net.prefix_len();
    message.header.index = index;
    message.attributes.push(AddressAttribute::Local(net.addr()));
    let other_end = address.peer.map_or(net.addr(), |peer| peer.addr());
    message.attributes.push(AddressAttribute::Address(other_end));
    message
}

pub(super) fn added(address: &Address, index: u32) -> AddressMessage {
    let mut message = named(address, index);
    message.header.scope = AddressScope::from(address.scope.number());
    message.attributes.push(AddressAttribute::Protocol(AddressProtocol::from(PROTOCOL_TAG)));
    if address.net.addr().is_ipv4() {
        message.attributes.extend(address.label.clone().map(AddressAttribute::Label));
        message.attributes.extend(address.broadcast.map(AddressAttribute::Broadcast));
    }
    let flags = flags(address);
    if !flags.is_empty() {
        message.attributes.push(AddressAttribute::Flags(flags));
    }
    if let Some(preferred) = address.preferred {
        let mut times = CacheInfo::default();
        (times.ifa_preferred, times.ifa_valid) = (preferred, FOR_EVER);
        message.attributes.push(AddressAttribute::CacheInfo(times));
    }
    message
}

pub(super) fn leased(address: &Address, index: u32, seconds: u32) -> AddressMessage {
    let mut message = added(address, index);
    message.attributes.retain(|attribute| !matches!(attribute, AddressAttribute::CacheInfo(_)));
    let mut times = CacheInfo::default();
    // What is preferred for ever is so for as long as it is there.
    (times.ifa_preferred, times.ifa_valid) = (address.preferred.unwrap_or(seconds).min(seconds), seconds);
    message.attributes.push(AddressAttribute::CacheInfo(times));
    message
}

fn flags(address: &Address) -> AddressFlags {
    let wanted = address.flags;
    // A virtual address moves while its former owner may still answer for it: no duplicate detection.
    let no_detection = address.net.addr().is_ipv6() && !wanted.dad;
    [
        (no_detection, AddressFlags::Nodad),
        (wanted.home, AddressFlags::Homeaddress),
        (wanted.mngtmpaddr, AddressFlags::Managetempaddr),
        (wanted.noprefixroute, AddressFlags::Noprefixroute),
        (wanted.autojoin, AddressFlags::Mcautojoin),
    ]
    .into_iter()
    .filter_map(|(set, flag)| set.then_some(flag))
    .fold(AddressFlags::empty(), |all, flag| all | flag)
}

fn route_message(to: Ipv4Addr, index: u32) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = AddressFamily::Inet;
    message.header.table = netlink_packet_route::route::RouteHeader::RT_TABLE_MAIN;
    message.header.destination_prefix_length = 32;
    message.header.protocol = RouteProtocol::from(PROTOCOL_TAG);
    message.header.scope = RouteScope::Link;
    message.header.kind = RouteType::Unicast;
    message.attributes.push(RouteAttribute::Destination(RouteAddress::Inet(to)));
    message.attributes.push(RouteAttribute::Oif(index));
    message
}

fn host_route(message: &RouteNetlinkMessage, index: u32) -> Option<Ipv4Addr> {
    let RouteNetlinkMessage::NewRoute(route) = message else { return None };
    let header = &route.header;
    let main = header.table == netlink_packet_route::route::RouteHeader::RT_TABLE_MAIN;
    let over = route.attributes.iter().any(|a| matches!(a, RouteAttribute::Oif(i) if *i == index));
    if !main || !over || header.destination_prefix_length != 32 || header.kind != RouteType::Unicast {
        return None;
    }
    route.attributes.iter().find_map(|a| match a {
        RouteAttribute::Destination(RouteAddress::Inet(to)) => Some(*to),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(net: &str) -> Address {
        Address::new(LinkName::new("eth0").unwrap(), net.parse().unwrap())
    }

    #[test]
    fn an_address_carries_what_was_given_and_nothing_made_up() {
        let plain = added(&address("10.0.0.9/24"), 3);
        assert_eq!((plain.header.prefix_len, plain.header.index), (24, 3));
        assert!(
            !plain.attributes.iter().any(|a| matches!(a, AddressAttribute::Broadcast(_) | AddressAttribute::Label(_)))
        );
        assert!(plain.attributes.contains(&AddressAttribute::Protocol(AddressProtocol::Other(18))));

        let mut full = address("10.0.0.9/24");
        full.label = Some("eth0:vip".into());
        full.broadcast = Some(Ipv4Addr::new(10, 0, 0, 255));
        full.scope = crate::kernel::Scope::Link;
        let full = added(&full, 3);
        assert_eq!(full.header.scope, AddressScope::Link);
        assert!(full.attributes.contains(&AddressAttribute::Label("eth0:vip".into())));
        assert!(full.attributes.contains(&AddressAttribute::Broadcast(Ipv4Addr::new(10, 0, 0, 255))));
    }

    #[test]
    fn an_ipv6_address_skips_duplicate_detection() {
        let message = added(&address("2001:db8::9/64"), 3);
        assert_eq!(message.header.family, AddressFamily::Inet6);
        assert!(message.attributes.contains(&AddressAttribute::Flags(AddressFlags::Nodad)));
        let mut detected = address("2001:db8::9/64");
        detected.flags.dad = true;
        assert!(!added(&detected, 3).attributes.iter().any(|a| matches!(a, AddressAttribute::Flags(_))));
    }

    #[tokio::test]
    async fn a_connection_that_ended_is_opened_again() {
        let (connection, dead, _) = rtnetlink::new_connection().unwrap();
        drop(connection);
        let netlink = Netlink { handle: Arc::new(Mutex::new(dead)), strict: false, promoted: Arc::default() };
        let links = netlink.links().await.unwrap();
        assert!(links.iter().any(|link| link.name.as_str() == "lo"), "{links:?}");
    }

    #[test]
    fn only_the_expected_errno_means_already_so() {
        let refused = |errno: Errno| Err::<(), _>(io::Error::from_raw_os_error(errno as i32));
        let so = outcome("add x", refused(Errno::EEXIST), &[Errno::EEXIST]);
        assert!(matches!(so, Ok(Outcome::AlreadySo)));
        let error = outcome("add 10.0.0.9/24 to eth0", refused(Errno::EPERM), &[Errno::EEXIST]).unwrap_err();
        assert_eq!(error.to_string(), "add 10.0.0.9/24 to eth0: Operation not permitted (os error 1)");
    }
}
