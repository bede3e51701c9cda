//! Links that take packets out of packets (ip-link(8): ipip, ip6tnl).

use super::error::NetlinkError;
use super::requests::{Netlink, outcome};
use crate::net::LinkName;
use crate::sys::Outcome;
use netlink_packet_core::{NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{InfoKind, LinkAttribute, LinkInfo, LinkMessage};
use nix::errno::Errno;
use std::io;

impl Netlink {
    /// Makes a tunnel for packets from anybody; it is down then. To ask for one makes the kernel load the module, which
    /// may bring a link of that name along: that one does as well.
    pub async fn make_tunnel(&self, link: &LinkName, kind: &str) -> Result<Outcome, NetlinkError> {
        let what = format!("make {link}");
        let mut message = named(link);
        message.attributes.push(LinkAttribute::LinkInfo(vec![LinkInfo::Kind(kind_of(kind))]));
        let result = self.ask(RouteNetlinkMessage::NewLink(message), NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK).await;
        match result {
            Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => {
                let why = format!("this kernel has no links of kind {kind} ({error})");
                Err(NetlinkError::new(what, io::Error::new(io::ErrorKind::Unsupported, why)))
            }
            other => outcome(&what, other, &[Errno::EEXIST]),
        }
    }

    /// Removes a tunnel. One that belongs to its module stays as long as that is loaded.
    pub async fn remove_tunnel(&self, link: &LinkName) -> Result<Outcome, NetlinkError> {
        let what = format!("remove {link}");
        outcome(&what, self.ask(RouteNetlinkMessage::DelLink(named(link)), NLM_F_ACK).await, &[Errno::ENODEV])
    }
}

fn named(link: &LinkName) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.attributes.push(LinkAttribute::IfName(link.to_string()));
    message
}

fn kind_of(kind: &str) -> InfoKind {
    match kind {
        "ipip" => InfoKind::IpIp,
        "ip6tnl" => InfoKind::Ip6Tnl,
        other => InfoKind::Other(other.to_owned()),
    }
}
