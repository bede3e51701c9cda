//! Links over other links: macvlan and ipvlan (ip-link(8)).

use super::error::NetlinkError;
use super::requests::{Netlink, outcome};
use crate::kernel::{IpvlanMode, VirtualLink, VirtualLinkKind};
use crate::net::LinkName;
use crate::sys::Outcome;
use netlink_packet_core::{NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    InfoData, InfoIpVlan, InfoKind, InfoMacVlan, IpVlanFlags, IpVlanMode as L2Mode, LinkAttribute, LinkInfo,
    LinkMessage, MacVlanMode,
};
use nix::errno::Errno;
use std::io;

/// What stands under the name of a virtual link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Nothing,
    /// The same, of an earlier life.
    Same,
    /// One that we could have made, with another hardware address or mode.
    Former,
    Foreign,
}

impl Netlink {
    /// Makes a virtual link; it is down then. One of an earlier life is kept if it is the same, and replaced if not;
    /// a link of another kind, or over another link, is refused.
    pub async fn make_link(&self, link: &VirtualLink) -> Result<Outcome, NetlinkError> {
        let what = format!("make {link}");
        let base = Self::index(&link.base, &what)?;
        match self.standing(link, base, &what).await? {
            Standing::Same => return Ok(Outcome::AlreadySo),
            Standing::Nothing => {}
            Standing::Former => drop(self.delete_link(&link.name, &what).await?),
            Standing::Foreign => {
                let why = format!("there is another link named {}; remove it or give this one another name", link.name);
                return Err(NetlinkError::new(what, io::Error::new(io::ErrorKind::AlreadyExists, why)));
            }
        }
        let request = RouteNetlinkMessage::NewLink(message(link, base));
        match self.ask(request, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK).await {
            Err(error) => Err(NetlinkError::new(what, explained(link, error))),
            Ok(_) => Ok(Outcome::Done),
        }
    }

    /// Removes a virtual link, if it is one that we could have made.
    pub async fn remove_link(&self, link: &VirtualLink) -> Result<Outcome, NetlinkError> {
        let what = format!("remove {link}");
        let base = match Self::index(&link.base, &what) {
            Ok(base) => base,
            // With the link below, those over it went.
            Err(e) if e.errno() == Some(libc::ENODEV) => return Ok(Outcome::AlreadySo),
            Err(e) => return Err(e),
        };
        match self.standing(link, base, &what).await? {
            Standing::Same | Standing::Former => self.delete_link(&link.name, &what).await,
            Standing::Nothing | Standing::Foreign => Ok(Outcome::AlreadySo),
        }
    }

    async fn delete_link(&self, name: &LinkName, what: &str) -> Result<Outcome, NetlinkError> {
        let request = RouteNetlinkMessage::DelLink(named(name));
        outcome(what, self.ask(request, NLM_F_ACK).await, &[Errno::ENODEV])
    }

    async fn standing(&self, link: &VirtualLink, base: u32, what: &str) -> Result<Standing, NetlinkError> {
        let found = match self.ask(RouteNetlinkMessage::GetLink(named(&link.name)), NLM_F_ACK).await {
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => return Ok(Standing::Nothing),
            other => other.map_err(|cause| NetlinkError::new(what, cause))?,
        };
        let found = found.iter().find_map(|message| match message {
            RouteNetlinkMessage::NewLink(found) => Some(found),
            _ => None,
        });
        Ok(found.map_or(Standing::Nothing, |found| compare(found, link, base)))
    }
}

fn named(name: &LinkName) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.attributes.push(LinkAttribute::IfName(name.as_str().to_owned()));
    message
}

fn message(link: &VirtualLink, base: u32) -> LinkMessage {
    let mut message = named(&link.name);
    message.attributes.push(LinkAttribute::Link(base));
    message.attributes.extend(link.group.map(LinkAttribute::Group));
    let (kind, data) = match &link.kind {
        VirtualLinkKind::Macvlan(mac) => {
            message.attributes.push(LinkAttribute::Address(mac.0.to_vec()));
            (InfoKind::MacVlan, InfoData::MacVlan(vec![InfoMacVlan::Mode(MacVlanMode::Private)]))
        }
        VirtualLinkKind::Ipvlan { mode, .. } => {
            let data = vec![InfoIpVlan::Mode(L2Mode::L2), InfoIpVlan::Flags(flags(*mode))];
            (InfoKind::IpVlan, InfoData::IpVlan(data))
        }
    };
    message.attributes.push(LinkAttribute::LinkInfo(vec![LinkInfo::Kind(kind), LinkInfo::Data(data)]));
    message
}

fn flags(mode: IpvlanMode) -> IpVlanFlags {
    match mode {
        IpvlanMode::Bridge => IpVlanFlags::empty(),
        IpvlanMode::Private => IpVlanFlags::Private,
        IpvlanMode::Vepa => IpVlanFlags::Vepa,
    }
}

fn compare(found: &LinkMessage, link: &VirtualLink, base: u32) -> Standing {
    let (mut over, mut mac, mut data) = (None, None, None);
    for attribute in &found.attributes {
        match attribute {
            LinkAttribute::Link(index) => over = Some(*index),
            LinkAttribute::Address(bytes) => mac = Some(bytes.as_slice()),
            LinkAttribute::LinkInfo(infos) => {
                data = infos.iter().find_map(|info| match info {
                    LinkInfo::Data(data) => Some(data),
                    _ => None,
                });
            }
            _ => {}
        }
    }
    let same = match (&link.kind, data) {
        (VirtualLinkKind::Macvlan(wanted), Some(InfoData::MacVlan(data))) => {
            let private = data.contains(&InfoMacVlan::Mode(MacVlanMode::Private));
            private.then(|| mac == Some(wanted.0.as_slice()))
        }
        (VirtualLinkKind::Ipvlan { mode, .. }, Some(InfoData::IpVlan(data))) => {
            let l2 = data.contains(&InfoIpVlan::Mode(L2Mode::L2));
            l2.then(|| data.contains(&InfoIpVlan::Flags(flags(*mode))))
        }
        _ => None,
    };
    match same {
        Some(true) if over == Some(base) => Standing::Same,
        Some(false) if over == Some(base) => Standing::Former,
        _ => Standing::Foreign,
    }
}

/// What the kernel's refusal means here.
fn explained(link: &VirtualLink, error: io::Error) -> io::Error {
    let why = match error.raw_os_error() {
        Some(libc::EOPNOTSUPP) => "this kernel has no such links: load the module macvlan or ipvlan",
        Some(libc::EADDRINUSE) => "another link over it has this hardware address already",
        Some(libc::EBUSY) => "a port of a bridge or a bond carries no virtual links",
        Some(libc::EINVAL) => "links of this kind carry no virtual links, or one of the other kind is there",
        _ => return error,
    };
    io::Error::new(error.kind(), format!("{why}: {} ({error})", link.base))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{Family, Mac};

    fn vmac() -> VirtualLink {
        let name = |n| LinkName::new(n).unwrap();
        VirtualLink {
            name: name("vrrp.51"),
            base: name("eth0"),
            kind: VirtualLinkKind::Macvlan(VirtualLink::mac(Family::V4, 51)),
            group: None,
            ipv4: true,
            ipv6: false,
        }
    }

    #[test]
    fn only_the_same_link_is_taken_over_and_only_ours_are_replaced() {
        let ours = message(&vmac(), 7);
        assert_eq!(compare(&ours, &vmac(), 7), Standing::Same);
        assert_eq!(compare(&ours, &vmac(), 8), Standing::Foreign);
        let other = VirtualLink { kind: VirtualLinkKind::Macvlan(Mac([2, 0, 0, 0, 0, 1])), ..vmac() };
        assert_eq!(compare(&message(&other, 7), &vmac(), 7), Standing::Former);
        let mode = IpvlanMode::Bridge;
        let ipvlan = VirtualLink { kind: VirtualLinkKind::Ipvlan { mode, address: None }, ..vmac() };
        assert_eq!(compare(&message(&ipvlan, 7), &vmac(), 7), Standing::Foreign);
        assert_eq!(compare(&message(&ipvlan, 7), &ipvlan, 7), Standing::Same);
        assert_eq!(compare(&named(&vmac().name), &vmac(), 7), Standing::Foreign);
    }
}
