//! The sockets of the links that virtual routers use.

use crate::engine::{Advert, Carrier, Engine, Packet};
use crate::kernel::Link;
use crate::net::{Family, LinkName, Mac};
use crate::sys::advert_socket::{AdvertSocket, Received};
use crate::sys::advert_socket6::AdvertSocket6;
use crate::sys::announcement_socket::AnnouncementSocket;
use crate::sys::packet_socket::PacketSocket;
use crate::wire::ipv4::{self, Header};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::task::{Context, Poll};

/// Packets taken from one socket in one turn: a flood cannot hold deadlines back.
const PACKETS: usize = 256;

pub(super) struct Links {
    /// The links that are needed, what for, and what is known of each.
    needed: BTreeMap<LinkName, Known>,
    announcer: PacketSocket,
    identification: u16,
}

/// The groups adverts are heard in; none: none are to be heard over that family.
#[derive(Default, PartialEq, Eq)]
struct Wanted {
    v4: Option<Vec<Ipv4Addr>>,
    v6: Option<Vec<Ipv6Addr>>,
    /// IPv4 adverts in authentication headers, too.
    ah: bool,
}

#[derive(Default)]
struct Known {
    wanted: Wanted,
    index: u32,
    mac: Option<Mac>,
    v4: Option<AdvertSocket>,
    v6: Option<AdvertSocket6>,
    ah: Option<AdvertSocket>,
    arp: Option<AnnouncementSocket>,
    ndisc: Option<AnnouncementSocket>,
}

impl Known {
    fn open(&mut self, name: &LinkName) -> io::Result<()> {
        if let (Some(groups), None) = (&self.wanted.v4, &self.v4) {
            self.v4 = Some(AdvertSocket::open(name, self.index, groups)?);
        }
        if let (Some(groups), true, None) = (&self.wanted.v4, self.wanted.ah, &self.ah) {
            self.ah = Some(AdvertSocket::open_ah(name, self.index, groups)?);
        }
        if let (Some(groups), None) = (&self.wanted.v6, &self.v6) {
            self.v6 = Some(AdvertSocket6::open(name, self.index, groups)?);
        }
        if self.arp.is_none() {
            self.arp = Some(AnnouncementSocket::open(self.index, Family::V4)?);
        }
        if self.ndisc.is_none() {
            self.ndisc = Some(AnnouncementSocket::open(self.index, Family::V6)?);
        }
        Ok(())
    }

    fn close(&mut self) {
        (self.v4, self.v6, self.ah, self.arp, self.ndisc) = (None, None, None, None, None);
    }

    fn is_ready(&self, context: &mut Context<'_>) -> bool {
        // Every one is asked, so that every one will wake us.
        let v4 = self.v4.as_ref().is_some_and(|s| s.poll_ready(context).is_ready());
        let v6 = self.v6.as_ref().is_some_and(|s| s.poll_ready(context).is_ready());
        let ah = self.ah.as_ref().is_some_and(|s| s.poll_ready(context).is_ready());
        let arp = self.arp.as_ref().is_some_and(|s| s.poll_ready(context).is_ready());
        let ndisc = self.ndisc.as_ref().is_some_and(|s| s.poll_ready(context).is_ready());
        v4 | v6 | ah | arp | ndisc
    }
}

impl Links {
    pub(super) fn new(engine: &Engine) -> io::Result<Self> {
        let mut links = Self { needed: BTreeMap::new(), announcer: PacketSocket::open()?, identification: 0 };
        links.need(engine);
        Ok(links)
    }

    /// Takes what the engine needs. Sockets that stay as they are stay open; others are opened by [`Links::reopen`].
    pub(super) fn need(&mut self, engine: &Engine) {
        let mut needed: BTreeMap<LinkName, Known> =
            engine.interfaces().into_iter().map(|name| (name, Known::default())).collect();
        for ((name, family), groups) in engine.listens() {
            let wanted = &mut needed.entry(name).or_default().wanted;
            match family {
                Family::V4 => wanted.v4 = Some(groups.into_iter().filter_map(v4).collect()),
                Family::V6 => wanted.v6 = Some(groups.into_iter().filter_map(v6).collect()),
            }
        }
        for name in engine.listens_for_ah() {
            needed.entry(name).or_default().wanted.ah = true;
        }
        for (name, known) in &mut needed {
            let Some(before) = self.needed.remove(name) else { continue };
            let wanted = std::mem::take(&mut known.wanted);
            *known = before;
            if known.wanted != wanted {
                (known.v4, known.v6, known.ah) = (None, None, None);
            }
            known.wanted = wanted;
        }
        self.needed = needed;
    }

    /// Takes news of a link. A link that came back with another index gets other sockets.
    pub(super) fn update(&mut self, link: &Link) -> io::Result<()> {
        let Some(known) = self.needed.get_mut(&link.name) else { return Ok(()) };
        known.mac = link.mac;
        if known.index != link.index {
            known.close();
            known.index = link.index;
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
            known.close();
            (known.index, known.mac) = (0, None);
        }
    }

    /// Returns when a packet may have arrived on any of them; never, if there is none.
    pub(super) async fn ready(&self) {
        poll_fn(|context| {
            let ready = self.needed.values().filter(|known| known.is_ready(context)).count();
            if ready == 0 { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
    }

    /// The adverts that have arrived; true if there may be more.
    pub(super) fn adverts(&self, packets: &mut Vec<Packet>) -> bool {
        let mut buffer = [0; 2048];
        let mut more = false;
        for (name, known) in &self.needed {
            if let Some(socket) = &known.v4 {
                more |= drain(packets, || {
                    let received = socket.try_recv(&mut buffer)?;
                    Ok(received.map(|r| packet(name, r.source.into(), r.destination.into(), r.ttl, r.payload)))
                });
            }
            if let Some(socket) = &known.ah {
                more |= drain(packets, || {
                    let received = socket.try_recv(&mut buffer)?;
                    Ok(received.map(|r| whole(name, r)))
                });
            }
            if let Some(socket) = &known.v6 {
                more |= drain(packets, || {
                    let received = socket.try_recv(&mut buffer)?;
                    Ok(received.map(|r| packet(name, r.source.into(), r.destination.into(), r.hop_limit, r.payload)))
                });
            }
        }
        more
    }

    /// The announcements of others that have arrived; true if there may be more.
    pub(super) fn announcements(&self, heard: &mut Vec<(LinkName, Mac, IpAddr)>) -> bool {
        let mut more = false;
        for (name, known) in &self.needed {
            for socket in known.arp.iter().chain(&known.ndisc) {
                more |= drain(heard, || {
                    let announced = socket.try_recv()?;
                    Ok(announced.map(|(mac, address)| (name.clone(), mac, address)))
                });
            }
        }
        more
    }

    pub(super) fn send(&mut self, advert: &Advert) -> io::Result<()> {
        let gone = || io::Error::other("the link is not there");
        let known = self.needed.get(&advert.link).ok_or_else(gone)?;
        if advert.carrier == Carrier::Ah {
            return known.v4.as_ref().ok_or_else(gone)?.send(&advert.payload);
        }
        match (advert.source, advert.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                self.identification = self.identification.wrapping_add(1);
                let header = Header::advert(source, destination, advert.hop_limit);
                let header = Header { identification: self.identification, ..header };
                let packet = ipv4::encode(&header, &advert.payload)
                    .map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e))?;
                known.v4.as_ref().ok_or_else(gone)?.send(&packet)
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                let socket = known.v6.as_ref().ok_or_else(gone)?;
                socket.send(source, destination, advert.hop_limit, &advert.payload)
            }
            (source, destination) => {
                Err(io::Error::other(format!("{source} cannot reach {destination}: another family")))
            }
        }
    }

    pub(super) fn announce(&self, link: &LinkName, address: IpAddr) -> io::Result<()> {
        let known = self.needed.get(link).ok_or_else(|| io::Error::other("the link is not there"))?;
        // A link without a hardware address has no neighbours to tell.
        let Some(mac) = known.mac else { return Ok(()) };
        match address {
            IpAddr::V4(address) => self.announcer.announce(known.index, mac, address),
            IpAddr::V6(address) => self.announcer.advertise(known.index, mac, address),
        }
    }
}

/// Takes what a socket has, up to a bound; true if the bound was reached. What is not whole is left out.
fn drain<T>(into: &mut Vec<T>, mut next: impl FnMut() -> io::Result<Option<T>>) -> bool {
    for _ in 0..PACKETS {
        match next() {
            Ok(Some(item)) => into.push(item),
            Ok(None) => return false,
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {}
            // The link is going away; its news come from the monitor.
            Err(_gone) => return false,
        }
    }
    true
}

fn packet(link: &LinkName, source: IpAddr, destination: IpAddr, hop_limit: u8, payload: &[u8]) -> Packet {
    let (link, payload) = (link.clone(), payload.to_vec());
    Packet { link, source, destination, hop_limit, carrier: Carrier::Vrrp, payload }
}

/// What came in an authentication header: its IPv4 header is authenticated, too.
fn whole(link: &LinkName, received: Received<'_>) -> Packet {
    let Received { source, destination, ttl, packet, .. } = received;
    Packet {
        link: link.clone(),
        source: source.into(),
        destination: destination.into(),
        hop_limit: ttl,
        carrier: Carrier::Ah,
        payload: packet.to_vec(),
    }
}

const fn v4(address: IpAddr) -> Option<Ipv4Addr> {
    match address {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    }
}

const fn v6(address: IpAddr) -> Option<Ipv6Addr> {
    match address {
        IpAddr::V6(address) => Some(address),
        IpAddr::V4(_) => None,
    }
}
