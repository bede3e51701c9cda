//! Listens for routes and rules that bear our mark.
//!
//! A machine with the routing table of the Internet tells of thousands of changes a second: a filter in the kernel lets
//! through those of our protocol alone, and what is read is filtered there, too.

use super::requests::Netlink;
use super::{routes, rules};
use crate::kernel::{OUR_PROTOCOL, Route, RoutingNews, Rule};
use crate::net::LinkName;
use futures_util::{Stream, StreamExt};
use netlink_packet_core::{NLM_F_REPLACE, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{LinkFlags, LinkMessage};
use netlink_sys::AsyncSocket;
use nix::net::if_::if_indextoname;
use rtnetlink::MulticastGroup;
use socket2::{SockFilter, SockRef};
use std::io;
use std::pin::Pin;
use std::time::Duration;
use tokio::time::Instant;

const GROUPS: [MulticastGroup; 7] = [
    MulticastGroup::Ipv4Route,
    MulticastGroup::Ipv6Route,
    MulticastGroup::Ipv4Rule,
    MulticastGroup::Ipv6Rule,
    MulticastGroup::Link,
    MulticastGroup::Ipv4Ifaddr,
    MulticastGroup::Ipv6Ifaddr,
];
const RECEIVE_BUFFER: usize = 1 << 20;
/// Between two attempts to listen, or to read.
const RETRY: Duration = Duration::from_secs(1);
/// The kernel removes routes that lost their link or their source address without a word, shortly after it tells of
/// the link or the address.
const SHORTLY: Duration = Duration::from_millis(20);
/// And once more, for what the first look came too early for.
const AGAIN: Duration = Duration::from_secs(1);

type Notifications = Pin<Box<dyn Stream<Item = NetlinkMessage<RouteNetlinkMessage>> + Send>>;

/// Reports the routes and rules of this namespace that bear our mark: first all of them, then what changes.
pub struct RoutingMonitor {
    netlink: Netlink,
    notifications: Notifications,
    known: Vec<Route>,
    /// All is to be read anew then.
    reads: Vec<Instant>,
}

impl RoutingMonitor {
    /// Listens in this thread's network namespace; needs a tokio runtime with I/O and time.
    pub fn open() -> io::Result<Self> {
        let netlink = Netlink::strict()?;
        let notifications = subscribe()?;
        Ok(Self { netlink, notifications, known: Vec::new(), reads: vec![Instant::now()] })
    }

    /// The next news; waits for it.
    pub async fn next(&mut self) -> RoutingNews {
        loop {
            let read_at = self.reads.iter().min().copied();
            let due = async {
                match read_at {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            let message = tokio::select! {
                biased;
                () = due => None,
                message = self.notifications.next() => Some(message),
            };
            match message {
                None => return self.read_all().await,
                Some(None) => {
                    self.notifications = resubscribe().await;
                    self.reads.push(Instant::now());
                }
                Some(Some(message)) => {
                    if let Some(news) = self.notice(message) {
                        return news;
                    }
                }
            }
        }
    }

    async fn read_all(&mut self) -> RoutingNews {
        loop {
            let began = Instant::now();
            match self.netlink.our_routing().await {
                Ok((routes, rules)) => {
                    self.known.clone_from(&routes);
                    self.reads.retain(|at| *at > began);
                    return RoutingNews::All { routes, rules };
                }
                Err(error) => {
                    tracing::warn!("{error}; tried again in 1 s");
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    fn read_in(&mut self, after: Duration) {
        let at = Instant::now() + after;
        // One that is due earlier than asked for, but not by much, serves as well.
        if !self.reads.iter().any(|known| *known >= at && *known < at + after) {
            self.reads.push(at);
        }
    }

    fn notice(&mut self, message: NetlinkMessage<RouteNetlinkMessage>) -> Option<RoutingNews> {
        let replaces = message.header.flags & NLM_F_REPLACE != 0;
        let inner = match message.payload {
            NetlinkPayload::InnerMessage(inner) => inner,
            NetlinkPayload::Overrun(_) => {
                self.read_in(Duration::ZERO);
                return None;
            }
            _ => return None,
        };
        match inner {
            RouteNetlinkMessage::NewRoute(message) => self.route(routes::read(&message)?, true, replaces),
            RouteNetlinkMessage::DelRoute(message) => self.route(routes::read(&message)?, false, false),
            RouteNetlinkMessage::NewRule(message) => rule(&message, true),
            RouteNetlinkMessage::DelRule(message) => rule(&message, false),
            RouteNetlinkMessage::NewLink(link) => {
                let down = !link.header.flags.contains(LinkFlags::Up);
                self.link_changed(&link, down);
                None
            }
            RouteNetlinkMessage::DelLink(link) => {
                self.link_changed(&link, true);
                None
            }
            RouteNetlinkMessage::DelAddress(address) => {
                self.address_gone(&address);
                None
            }
            _ => None,
        }
    }

    /// Several ways of one IPv6 route come and go one by one, and a replacement does not say what it replaces: then all
    /// is read.
    fn route(&mut self, route: Route, present: bool, replaces: bool) -> Option<RoutingNews> {
        let key = route.key();
        let siblings = route.is_ipv6() && self.known.iter().any(|k| k.key() == key && *k != route);
        let unknown = !present && !self.known.contains(&route);
        if replaces || siblings || unknown || (route.is_ipv6() && route.hops.len() > 1) {
            self.read_in(Duration::ZERO);
            return None;
        }
        self.known.retain(|k| *k != route);
        if present {
            self.known.push(route.clone());
        }
        Some(RoutingNews::Route(Box::new(route), present))
    }

    /// IPv4 routes over a link that went down are gone.
    fn link_changed(&mut self, link: &LinkMessage, down: bool) {
        let name = if_indextoname(link.header.index).ok();
        let name = name.and_then(|name| LinkName::new(name.to_str().ok()?).ok());
        let over = |route: &Route| route.links().any(|l| name.as_ref().is_none_or(|name| l == name));
        if down && self.known.iter().any(over) {
            self.read_in(SHORTLY);
            self.read_in(AGAIN);
        }
    }

    /// With the address that a route names as its source, or the last one of its link, the route is gone.
    fn address_gone(&mut self, message: &AddressMessage) {
        let address = message.attributes.iter().find_map(|a| match a {
            AddressAttribute::Local(ip) => Some(*ip),
            _ => None,
        });
        let name = if_indextoname(message.header.index).ok();
        let name = name.and_then(|name| LinkName::new(name.to_str().ok()?).ok());
        let bears = |route: &Route| {
            let source = route.source.is_some() && (address.is_none() || route.source == address);
            source || (!route.is_ipv6() && route.links().any(|l| Some(l) == name.as_ref()))
        };
        if self.known.iter().any(bears) {
            self.read_in(SHORTLY);
            self.read_in(AGAIN);
        }
    }
}

impl std::fmt::Debug for RoutingMonitor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RoutingMonitor").field("known", &self.known).finish_non_exhaustive()
    }
}

fn rule(message: &netlink_packet_route::rule::RuleMessage, present: bool) -> Option<RoutingNews> {
    (rules::protocol(message) == OUR_PROTOCOL)
        .then(|| rules::read(message))
        .flatten()
        .map(|rule: Rule| RoutingNews::Rule(Box::new(rule), present))
}

fn subscribe() -> io::Result<Notifications> {
    let (mut connection, _, messages) = rtnetlink::new_multicast_connection(&GROUPS)?;
    let socket = connection.socket_mut().socket_mut();
    socket.set_rx_buf_sz(RECEIVE_BUFFER as libc::c_int)?;
    SockRef::from(&*socket).attach_filter(&routes_of_ours())?;
    tokio::spawn(connection);
    Ok(messages.map(|(message, _)| message).boxed())
}

async fn resubscribe() -> Notifications {
    loop {
        tracing::warn!("the netlink connection for routes ended and is opened again");
        match subscribe() {
            Ok(notifications) => return notifications,
            Err(error) => tracing::warn!("listen for changes of routes: {error}"),
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// Accepts everything but routes of other protocols (bpf(4), classic; netlink(7): the type stands at 4, and of a route
/// the protocol at 5 behind the header of 16 bytes).
fn routes_of_ours() -> [SockFilter; 7] {
    let code = |parts: u32| parts as u16;
    let load_half = code(libc::BPF_LD | libc::BPF_H | libc::BPF_ABS);
    let load_byte = code(libc::BPF_LD | libc::BPF_B | libc::BPF_ABS);
    let jump_if_equal = code(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K);
    let accept = code(libc::BPF_RET | libc::BPF_K);
    // Loads are in network order, and netlink's numbers in the host's.
    let kind = |number: u16| u32::from(number.to_be());
    [
        SockFilter::new(load_half, 0, 0, 4),
        SockFilter::new(jump_if_equal, 1, 0, kind(libc::RTM_NEWROUTE)),
        SockFilter::new(jump_if_equal, 0, 2, kind(libc::RTM_DELROUTE)),
        SockFilter::new(load_byte, 0, 0, 21),
        SockFilter::new(jump_if_equal, 0, 1, u32::from(OUR_PROTOCOL)),
        SockFilter::new(accept, 0, 0, u32::MAX),
        SockFilter::new(accept, 0, 0, 0),
    ]
}
