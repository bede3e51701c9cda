//! What is known of the links, from the kernel's messages. Pure.

use crate::kernel::Link;
use crate::net::{IpNet, LinkName, Mac};
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// What the monitor reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkEvent {
    /// The complete state of one link; it replaces what was known.
    Link(Link),
    /// The link was deleted, renamed, or moved to another namespace.
    Gone(LinkName),
    /// Everything has been reported: after the first read, and after each one that lost notifications made necessary.
    Resynced,
}

/// All links by index.
#[derive(Debug, Default)]
pub(super) struct View {
    links: BTreeMap<u32, Link>,
}

impl View {
    /// What several notifications change: each link as the last of them leaves it, in the order of their first news.
    pub(super) fn notice_all(&mut self, messages: &[RouteNetlinkMessage]) -> Vec<LinkEvent> {
        let mut events = Vec::new();
        let mut touched = Vec::new();
        for message in messages {
            match message {
                RouteNetlinkMessage::NewAddress(address) => self.touch(address, true, &mut touched),
                RouteNetlinkMessage::DelAddress(address) => self.touch(address, false, &mut touched),
                other => {
                    events.extend(self.states(&mut touched));
                    events.extend(self.notice(other));
                }
            }
        }
        events.extend(self.states(&mut touched));
        events
    }

    fn touch(&mut self, message: &AddressMessage, present: bool, touched: &mut Vec<u32>) {
        let index = message.header.index;
        if self.set_address(message, present) && !touched.contains(&index) {
            touched.push(index);
        }
    }

    fn states(&self, touched: &mut Vec<u32>) -> Vec<LinkEvent> {
        touched.drain(..).filter_map(|index| self.links.get(&index).cloned()).map(LinkEvent::Link).collect()
    }

    /// What one notification changes; nothing if it tells nothing new.
    pub(super) fn notice(&mut self, message: &RouteNetlinkMessage) -> Vec<LinkEvent> {
        match message {
            // Bridges and IPv6 also announce links, each with their own attributes; only the plain form is complete,
            // and a port that leaves its bridge is "deleted" in the bridge's form.
            RouteNetlinkMessage::NewLink(link) if link.header.interface_family == AddressFamily::Unspec => {
                self.set_link(link)
            }
            RouteNetlinkMessage::DelLink(link) if link.header.interface_family == AddressFamily::Unspec => {
                self.links.remove(&link.header.index).map(|gone| LinkEvent::Gone(gone.name)).into_iter().collect()
            }
            RouteNetlinkMessage::NewAddress(_) | RouteNetlinkMessage::DelAddress(_) => {
                self.notice_all(std::slice::from_ref(message))
            }
            _ => Vec::new(),
        }
    }

    /// Takes a complete read in place of all that was known: those gone, then every link, then `Resynced`.
    pub(super) fn replace(
        &mut self,
        links: &[RouteNetlinkMessage],
        addresses: &[RouteNetlinkMessage],
    ) -> Vec<LinkEvent> {
        let before = std::mem::take(&mut self.links);
        self.notice_all(links);
        self.notice_all(addresses);
        let still = |name: &LinkName| self.links.values().any(|link| link.name == *name);
        let gone = before.into_values().map(|link| link.name).filter(|name| !still(name)).map(LinkEvent::Gone);
        let mut events: Vec<_> = gone.collect();
        events.extend(self.links.values().cloned().map(LinkEvent::Link));
        events.push(LinkEvent::Resynced);
        events
    }

    fn set_link(&mut self, message: &LinkMessage) -> Vec<LinkEvent> {
        let Some(mut link) = read_link(message) else { return Vec::new() };
        let mut events = Vec::new();
        if let Some(known) = self.links.get(&link.index) {
            link.addresses.clone_from(&known.addresses);
            if *known == link {
                return events;
            }
            if known.name != link.name {
                events.push(LinkEvent::Gone(known.name.clone()));
            }
        }
        events.push(LinkEvent::Link(link.clone()));
        self.links.insert(link.index, link);
        events
    }

    /// True if that changed something.
    fn set_address(&mut self, message: &AddressMessage, present: bool) -> bool {
        let Some((net, protocol)) = read_address(message) else { return false };
        let Some(link) = self.links.get_mut(&message.header.index) else { return false };
        if present {
            link.addresses.insert(net, protocol) != Some(protocol)
        } else {
            link.addresses.remove(&net).is_some()
        }
    }
}

fn read_link(message: &LinkMessage) -> Option<Link> {
    let flags = message.header.flags;
    let mut name = None;
    let mut mac = None;
    let mut mtu = 0;
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(text) => name = LinkName::new(text).ok(),
            LinkAttribute::Address(bytes) => mac = bytes.as_slice().try_into().ok().map(Mac),
            LinkAttribute::Mtu(value) => mtu = *value,
            _ => {}
        }
    }
    Some(Link {
        name: name?,
        index: message.header.index,
        up: flags.contains(LinkFlags::Up) && flags.contains(LinkFlags::Running),
        mac,
        mtu,
        addresses: BTreeMap::new(),
    })
}

/// The address and its tag. With a peer, `Address` is the peer's and `Local` is ours; IPv6 has `Local` only then.
fn read_address(message: &AddressMessage) -> Option<(IpNet, u8)> {
    let mut local: Option<IpAddr> = None;
    let mut address: Option<IpAddr> = None;
    let mut protocol = 0;
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Local(ip) => local = Some(*ip),
            AddressAttribute::Address(ip) => address = Some(*ip),
            AddressAttribute::Protocol(tag) => protocol = u8::from(*tag),
            _ => {}
        }
    }
    let net = IpNet::new(local.or(address)?, message.header.prefix_len).ok()?;
    Some((net, protocol))
}

#[cfg(test)]
#[path = "view_tests.rs"]
mod tests;
