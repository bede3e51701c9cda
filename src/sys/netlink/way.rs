//! Which way packets to an address take.

use super::error::NetlinkError;
use super::requests::Netlink;
use netlink_packet_core::NLM_F_ACK;
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteMessage, RouteType};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use std::io;
use std::net::IpAddr;

/// What the kernel would do with a packet (ip-route(8): get).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    /// The index of the link it leaves by.
    pub link: u32,
    /// Where it comes from, if it names no source itself.
    pub source: IpAddr,
    /// The router it goes to; none: the address is on the link.
    pub gateway: Option<IpAddr>,
    /// The address is this machine's own.
    pub is_local: bool,
}

impl Netlink {
    pub async fn way_to(&self, address: IpAddr) -> Result<Way, NetlinkError> {
        let what = format!("look up the route to {address}");
        let mut message = RouteMessage::default();
        let (family, to) = match address {
            IpAddr::V4(ip) => (AddressFamily::Inet, RouteAddress::Inet(ip)),
            IpAddr::V6(ip) => (AddressFamily::Inet6, RouteAddress::Inet6(ip)),
        };
        message.header.address_family = family;
        message.header.destination_prefix_length = if address.is_ipv4() { 32 } else { 128 };
        message.attributes.push(RouteAttribute::Destination(to));
        let answer = self.ask(RouteNetlinkMessage::GetRoute(message), NLM_F_ACK).await;
        let answer = answer.map_err(|cause| NetlinkError::new(what.clone(), cause))?;
        let way = answer.iter().find_map(|message| match message {
            RouteNetlinkMessage::NewRoute(route) => read(route),
            _ => None,
        });
        way.ok_or_else(|| {
            let why = "the kernel names no link or no source";
            NetlinkError::new(what, io::Error::new(io::ErrorKind::InvalidData, why))
        })
    }
}

fn read(route: &RouteMessage) -> Option<Way> {
    let address = |address: &RouteAddress| match address {
        RouteAddress::Inet(ip) => Some(IpAddr::V4(*ip)),
        RouteAddress::Inet6(ip) => Some(IpAddr::V6(*ip)),
        _ => None,
    };
    let (mut link, mut source, mut gateway) = (None, None, None);
    for attribute in &route.attributes {
        match attribute {
            RouteAttribute::Oif(index) => link = Some(*index),
            RouteAttribute::PrefSource(from) => source = address(from),
            RouteAttribute::Gateway(router) => gateway = address(router),
            _ => {}
        }
    }
    Some(Way { link: link?, source: source?, gateway, is_local: route.header.kind == RouteType::Local })
}
