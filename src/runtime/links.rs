//! The sockets of the links that virtual routers use.

use crate::engine::Advert;
use crate::kernel::Link;
use crate::net::{LinkName, Mac};
use crate::sys::advert_socket::AdvertSocket;
use crate::sys::announcement_socket::AnnouncementSocket;
use crate::sys::packet_socket::PacketSocket;
use crate::wire::ipv4::{self, Header};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::task::Poll;

pub(super) struct Links {
    /// The links that are needed, and what is known of each.
    needed: BTreeMap<LinkName, Known>,
    announcer: PacketSocket,
    identification: u16,
}

#[derive(Default)]
struct Known {
    index: u32,
    mac: Option<Mac>,
    socket: Option<AdvertSocket>,
    announcements: Option<AnnouncementSocket>,
}

impl Known {
    fn open(&mut self, name: &LinkName) -> io::Result<()> {
        if self.socket.is_none() {
            self.socket = Some(AdvertSocket::open(name, self.index)?);
        }
        if self.announcements.is_none() {
            self.announcements = Some(AnnouncementSocket::open(self.index)?);
        }
        Ok(())
    }
}

impl Links {
    pub(super) fn new(needed: Vec<LinkName>) -> io::Result<Self> {
        let needed = needed.into_iter().map(|name| (name, Known::default())).collect();
        Ok(Self { needed, announcer: PacketSocket::open()?, identification: 0 })
    }

    /// Takes news of a link. A link that came back with another index gets other sockets.
    pub(super) fn update(&mut self, link: &Link) -> io::Result<()> {
        let Some(known) = self.needed.get_mut(&link.name) else { return Ok(()) };
        known.mac = link.mac;
        if known.index != link.index {
            *known = Known { index: link.index, mac: link.mac, ..Known::default() };
        }
        known.open(&link.name)
    }

    /// Tries again what could not be opened; what still cannot, with its reason.
    pub(super) fn reopen(&mut self) -> Vec<(LinkName, io::Error)> {
        let there = self.needed.iter_mut().filter(|(_, known)| known.index != 0);
        there.filter_map(|(name, known)| known.open(name).err().map(|error| (name.clone(), error))).collect()
    }

    pub(super) fn forget(&mut self, name: &LinkName) {
        if let Some(known) = self.needed.get_mut(name) {
            *known = Known::default();
        }
    }

    /// Returns when a packet may have arrived on any of them; never, if there is none.
    pub(super) async fn ready(&self) {
        poll_fn(|context| {
            // Every one is asked, so that every one will wake us.
            let adverts = self.sockets().filter(|(_, s)| s.poll_ready(context).is_ready()).count();
            let announcements = self.announcements().filter(|(_, s)| s.poll_ready(context).is_ready()).count();
            if adverts + announcements == 0 { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
    }

    pub(super) fn sockets(&self) -> impl Iterator<Item = (&LinkName, &AdvertSocket)> {
        self.needed.iter().filter_map(|(name, known)| known.socket.as_ref().map(|socket| (name, socket)))
    }

    pub(super) fn announcements(&self) -> impl Iterator<Item = (&LinkName, &AnnouncementSocket)> {
        self.needed.iter().filter_map(|(name, known)| known.announcements.as_ref().map(|socket| (name, socket)))
    }

    pub(super) fn send(&mut self, advert: &Advert) -> io::Result<()> {
        let IpAddr::V4(source) = advert.source else { return Err(io::Error::other("only IPv4 is sent yet")) };
        self.identification = self.identification.wrapping_add(1);
        let known = self.needed.get(&advert.link).ok_or_else(|| io::Error::other("the link is not there"))?;
        let socket = known.socket.as_ref().ok_or_else(|| io::Error::other("the link is not there"))?;
        let header = Header { identification: self.identification, ..Header::advert(source) };
        let packet =
            ipv4::encode(&header, &advert.payload).map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e))?;
        socket.send(&packet)
    }

    pub(super) fn announce(&self, link: &LinkName, address: Ipv4Addr) -> io::Result<()> {
        let known = self.needed.get(link).ok_or_else(|| io::Error::other("the link is not there"))?;
        // A link without a hardware address has no neighbours to tell.
        known.mac.map_or(Ok(()), |mac| self.announcer.announce(known.index, mac, address))
    }
}
