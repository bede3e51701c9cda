//! The sockets of the links that virtual routers use.

use crate::engine::{Advert, Carrier, Engine, Packet};
use crate::kernel::Link;
use crate::net::{Family, LinkName, Mac};
use crate::sys::advert_socket::{AdvertSocket, Look, Received};
use crate::sys::advert_socket6::AdvertSocket6;
use crate::sys::announcement_socket::{AnnouncementSocket, Claim};
use crate::sys::packet_socket::PacketSocket;
use crate::wire::ipv4::{self, Header};
use std::collections::{BTreeMap, BTreeSet};
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
    /// What others may say something about.
    addresses: BTreeSet<IpAddr>,
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
            self.arp = Some(AnnouncementSocket::open(self.index, Family::V4, &self.addresses)?);
        }
        if self.ndisc.is_none() {
            self.ndisc = Some(AnnouncementSocket::open(self.index, Family::V6, &self.addresses)?);
        }
        Ok(())
    }

    /// A socket that does not take the new filter is opened anew.
    fn listen_for(&mut self, addresses: BTreeSet<IpAddr>) {
        if self.addresses != addresses {
            self.arp = self.arp.take().filter(|socket| socket.watch(&addresses).is_ok());
            self.addresses = addresses;
        }
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
        for (link, address) in engine.claimable() {
            needed.entry(link).or_default().addresses.insert(address);
        }
        for name in engine.listens_for_ah() {
            needed.entry(name).or_default().wanted.ah = true;
        }
        for (name, known) in &mut needed {
            let Some(before) = self.needed.remove(name) else { continue };
            let wanted = std::mem::take(&mut known.wanted);
            let addresses = std::mem::take(&mut known.addresses);
            *known = before;
            known.listen_for(addresses);
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
    pub(super) fn adverts(&self, look: Look, packets: &mut Vec<Packet>) -> bool {
        let mut buffer = [0; 2048];
        let mut more = false;
        for (name, known) in &self.needed {
            if let Some(socket) = &known.v4 {
                more |= drain(packets, || {
                    let received = socket.next(look, &mut buffer)?;
                    Ok(received.map(|r| packet(name, r.source.into(), r.destination.into(), r.ttl, r.payload)))
                });
            }
            if let Some(socket) = &known.ah {
                more |= drain(packets, || {
                    let received = socket.next(look, &mut buffer)?;
                    Ok(received.map(|r| whole(name, r)))
                });
            }
            if let Some(socket) = &known.v6 {
                more |= drain(packets, || {
                    let received = socket.next(look, &mut buffer)?;
                    Ok(received.map(|r| packet(name, r.source.into(), r.destination.into(), r.hop_limit, r.payload)))
                });
            }
        }
        more
    }

    /// What others have said of where addresses are; true if there may be more.
    pub(super) fn claims(&self, heard: &mut Vec<(LinkName, Claim)>) -> bool {
        let mut more = false;
        for (name, known) in &self.needed {
            for socket in known.arp.iter().chain(&known.ndisc) {
                more |= drain(heard, || {
                    let claim = socket.try_recv()?;
                    Ok(claim.map(|claim| (name.clone(), claim)))
                });
            }
        }
        more
    }

    /// Sends adverts, those of one socket in their order and together; those that could not be sent, with the reason.
    pub(super) fn send_all<'a>(&mut self, adverts: &[&'a Advert]) -> Vec<(&'a Advert, io::Error)> {
        let mut failed = Vec::new();
        let mut together: BTreeMap<&LinkName, Vec<(&'a Advert, Vec<u8>)>> = BTreeMap::new();
        for advert in adverts.iter().copied() {
            let sent = match self.whole(advert) {
                Some(Ok(packet)) => {
                    together.entry(&advert.link).or_default().push((advert, packet));
                    Ok(())
                }
                Some(Err(error)) => Err(error),
                None => self.send_six(advert),
            };
            failed.extend(sent.err().map(|error| (advert, error)));
        }
        for (link, packets) in together {
            let Some(socket) = self.needed.get(link).and_then(|known| known.v4.as_ref()) else {
                failed.extend(packets.into_iter().map(|(advert, _)| (advert, gone())));
                continue;
            };
            let whole: Vec<_> = packets.iter().map(|(_, packet)| packet).collect();
            let unsent = socket.send_all(&whole).into_iter();
            failed.extend(unsent.filter_map(|(at, error)| Some((packets.get(at)?.0, error))));
        }
        failed
    }

    /// The whole IPv4 packet; none for an advert over IPv6, whose header the kernel writes.
    fn whole(&mut self, advert: &Advert) -> Option<io::Result<Vec<u8>>> {
        let (IpAddr::V4(source), IpAddr::V4(destination)) = (advert.source, advert.destination) else { return None };
        if advert.carrier == Carrier::Ah {
            // It is the whole packet already: its header is authenticated, too.
            return Some(Ok(advert.payload.to_vec()));
        }
        self.identification = self.identification.wrapping_add(1);
        let header = Header::advert(source, destination, advert.hop_limit);
        let header = Header { identification: self.identification, ..header };
        let packet = ipv4::encode(&header, &advert.payload);
        Some(packet.map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e)))
    }

    fn send_six(&self, advert: &Advert) -> io::Result<()> {
        let (source, destination) = match (advert.source, advert.destination) {
            (IpAddr::V6(source), IpAddr::V6(destination)) => (source, destination),
            (source, destination) => {
                return Err(io::Error::other(format!("{source} cannot reach {destination}: another family")));
            }
        };
        let socket = self.needed.get(&advert.link).and_then(|known| known.v6.as_ref()).ok_or_else(gone)?;
        socket.send(source, destination, advert.hop_limit, &advert.payload)
    }

    /// Announces addresses, in their order and together; those that could not be, with the reason.
    pub(super) fn announce_all<'a>(&self, all: &'a [(LinkName, IpAddr)]) -> Vec<(&'a (LinkName, IpAddr), io::Error)> {
        let mut failed = Vec::new();
        let mut frames = Vec::with_capacity(all.len());
        for announcement in all {
            match self.needed.get(&announcement.0) {
                None => failed.push((announcement, gone())),
                // A link without a hardware address has no neighbours to tell.
                Some(known) => frames.extend(known.mac.map(|mac| (announcement, (known.index, mac, announcement.1)))),
            }
        }
        let packets: Vec<_> = frames.iter().map(|(_, packet)| *packet).collect();
        let unsent = self.announcer.announce_all(&packets).into_iter();
        failed.extend(unsent.filter_map(|(at, error)| Some((frames.get(at)?.0, error))));
        failed
    }
}

fn gone() -> io::Error {
    io::Error::other("the link is not there")
}

impl Links {
    /// Asks the link who has an address; `source` asks over IPv6.
    pub(super) fn probe(&self, link: &LinkName, address: IpAddr, source: Option<Ipv6Addr>) -> io::Result<()> {
        let known = self.needed.get(link).ok_or_else(|| io::Error::other("the link is not there"))?;
        let Some(mac) = known.mac else { return Ok(()) };
        match (address, source) {
            (IpAddr::V4(address), _) => self.announcer.probe(known.index, mac, address),
            (IpAddr::V6(address), Some(source)) => self.announcer.solicit(known.index, mac, source, address),
            (IpAddr::V6(_), None) => Ok(()),
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
