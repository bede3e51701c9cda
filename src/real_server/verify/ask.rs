//! Sends what a director would send, and listens. Nothing is left behind: connections that are accepted are reset, and a
//! VIP that a real server claims because it was asked is announced again by its owner at once.

use super::{Answer, Facts, Target};
use crate::kernel::{Link, Protocol};
use crate::net::{IpNet, Mac};
use crate::real_server::vip::{Device, Method};
use crate::sys::frame_socket::{FrameSocket, PORTS};
use crate::sys::netlink::{Netlink, Way};
use crate::wire::reach::{self, Ends, Heard, What};
use crate::wire::{arp, ndisc};
use anyhow::Context;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// Questions are asked so often, that far apart.
const ROUNDS: u32 = 3;
const ROUND: Duration = Duration::from_millis(400);
/// For everybody who has a VIP to say so.
const CLAIMS: Duration = Duration::from_millis(300);
/// For a real server to ask who has an address, and to answer it then.
const ANNOUNCE: Duration = Duration::from_millis(1200);
/// Other addresses of this machine that are tried.
const OTHERS: usize = 4;
/// Free addresses that are looked for.
const CANDIDATES: usize = 4;
/// Questions in flight: one port for each.
const CHUNK: usize = PORTS as usize;

/// What was seen of each target, and what could not be tried. `others` are addresses of this machine to ask from
/// besides; none: some of its other links.
pub(in crate::real_server) async fn ask(
    targets: &[Target],
    others: &[IpAddr],
) -> anyhow::Result<(Vec<(Target, Facts)>, Vec<String>)> {
    let netlink = Netlink::requests_only().context("open a netlink socket")?;
    let links = netlink.links().await?;
    for other in others {
        let own = links.iter().any(|link| link.addresses.keys().any(|net| net.addr() == *other));
        anyhow::ensure!(own, "{other} is no address of this machine: answers to it would not come here");
    }
    let random = RandomState::new().hash_one(std::process::id());
    let first = 32768 + (random as u16 % 440) * PORTS;
    let socket = FrameSocket::open(first).context("open a packet socket (needs root, or CAP_NET_RAW)")?;
    let vips = targets.iter().map(|target| target.vip).collect();
    let mut asker = Asker { socket, links, vips, first, sequence: (random >> 32) as u32, notes: Vec::new() };
    let mut seen = Vec::new();
    for target in targets {
        let way = netlink.way_to(target.real).await;
        seen.push(asker.prepare(*target, way.map_err(|error| error.cause.to_string())));
    }
    asker.find_stations(&mut seen)?;
    asker.find_claims(&mut seen)?;
    for chunk in seen.chunks_mut(CHUNK) {
        asker.ask_services(chunk)?;
    }
    asker.ask_as_stranger(&mut seen)?;
    asker.ask_from_others(&mut seen, others)?;
    Ok((seen.into_iter().map(|one| (one.target, one.facts)).collect(), asker.notes))
}

struct Asker {
    socket: FrameSocket,
    links: Vec<Link>,
    vips: BTreeSet<IpAddr>,
    /// Our ports, and the identifier of our echo requests.
    first: u16,
    sequence: u32,
    notes: Vec<String>,
}

/// A target on its way.
struct One {
    target: Target,
    facts: Facts,
    from: Option<From>,
}

/// Where packets for a target leave this machine.
#[derive(Clone, Copy, Debug)]
struct From {
    link: u32,
    mac: Mac,
    source: IpAddr,
    /// The station that gets the frame.
    next: IpAddr,
}

impl One {
    /// The way, and the hardware address at its end.
    fn path(&self) -> Option<(From, Mac)> {
        self.from.zip(self.facts.mac)
    }

    const fn takes(&self) -> bool {
        self.facts.echo || !matches!(self.facts.answer, Answer::Silent)
    }

    /// The frame with a packet for the VIP or the real server, as the director would send it.
    fn frame(&self, packet: &[u8]) -> Option<Vec<u8>> {
        let (from, mac) = self.path()?;
        match self.target.method {
            Method::Direct => Some(reach::frame(from.mac, mac, packet)),
            Method::Tunnel => {
                let ends = Ends::new(from.source, self.target.real)?;
                Some(reach::frame(from.mac, mac, &reach::wrapped(ends, packet)))
            }
        }
    }
}

impl Asker {
    fn prepare(&self, target: Target, way: Result<Way, String>) -> One {
        let mut one = One { target, facts: Facts::default(), from: None };
        let way = match way {
            Ok(way) => way,
            Err(why) => {
                one.facts.no_way = Some(why);
                return one;
            }
        };
        one.facts.is_here = way.is_local;
        one.facts.gateway = way.gateway;
        one.facts.is_held = self.holder(target.vip).is_some();
        let Some(link) = self.links.iter().find(|link| link.index == way.link) else { return one };
        one.facts.link = Some(link.name.to_string());
        let is_vip = self.vips.contains(&way.source);
        one.facts.leaves_from_vip = is_vip && target.method == Method::Tunnel;
        // A packet from a VIP to a VIP is nobody's.
        let other = || own_address(link, target.real, &self.vips);
        let source = if is_vip { other() } else { Some(way.source) };
        if let (Some(mac), Some(source), false) = (link.mac, source, way.is_local) {
            one.from = Some(From { link: link.index, mac, source, next: way.gateway.unwrap_or(target.real) });
        } else if !way.is_local {
            one.facts.no_way = Some(format!("{} has no hardware address, or no address of that family", link.name));
        }
        one
    }

    /// The link of this machine that tells others of the VIP.
    fn holder(&self, vip: IpAddr) -> Option<&Link> {
        let quiet = |link: &Link| Device::ALL.iter().any(|device| device.name() == link.name.as_str());
        self.links.iter().find(|link| !quiet(link) && link.addresses.keys().any(|net| net.addr() == vip))
    }

    /// The hardware address of each real server, or of the router before it.
    fn find_stations(&mut self, seen: &mut [One]) -> io::Result<()> {
        let mut known: BTreeMap<(u32, IpAddr), Option<(From, Mac)>> =
            seen.iter().filter_map(|one| one.from).map(|from| ((from.link, from.next), None)).collect();
        let ways: BTreeMap<_, _> =
            seen.iter().filter_map(|one| one.from).map(|from| ((from.link, from.next), from)).collect();
        for _ in 0..ROUNDS {
            for from in ways.iter().filter(|(key, _)| known.get(key).is_some_and(Option::is_none)).map(|(_, from)| from)
            {
                let frame = match (from.source, from.next) {
                    (IpAddr::V4(source), IpAddr::V4(next)) => reach::question(from.mac, source, next),
                    (IpAddr::V6(source), IpAddr::V6(next)) => ndisc::solicitation(from.mac, source, next),
                    _ => continue,
                };
                self.socket.send(from.link, &frame)?;
            }
            let known = &mut known;
            self.socket.listen(ROUND, |_, frame| {
                if let Some((mac, address)) = claimed(frame) {
                    for ((_, next), found) in known.iter_mut().filter(|((_, next), _)| *next == address) {
                        if let Some(from) = ways.values().find(|from| from.next == *next) {
                            found.get_or_insert((*from, mac));
                        }
                    }
                }
                Ok(known.values().all(Option::is_some))
            })?;
            if known.values().all(Option::is_some) {
                break;
            }
        }
        for one in seen {
            let found = one.from.and_then(|from| known.get(&(from.link, from.next)).copied().flatten());
            one.facts.mac = found.map(|(_, mac)| mac);
        }
        Ok(())
    }

    /// Who says to have the VIPs.
    fn find_claims(&mut self, seen: &mut [One]) -> io::Result<()> {
        let asked: BTreeMap<_, _> =
            seen.iter().filter_map(|one| one.from.map(|from| ((from.link, one.target.vip), from))).collect();
        let mut claims: BTreeMap<IpAddr, BTreeSet<Mac>> = BTreeMap::new();
        for _ in 0..2 {
            for ((link, vip), from) in &asked {
                let frame = match (from.source, vip) {
                    (IpAddr::V4(_), IpAddr::V4(vip)) => arp::probe(from.mac, *vip).to_vec(),
                    (IpAddr::V6(source), IpAddr::V6(vip)) => ndisc::solicitation(from.mac, source, *vip),
                    _ => continue,
                };
                self.socket.send(*link, &frame)?;
            }
            self.socket.listen(CLAIMS, |_, frame| {
                if let Some((mac, address)) = claimed(frame) {
                    claims.entry(address).or_default().insert(mac);
                }
                Ok(false)
            })?;
        }
        let own: BTreeSet<_> = self.links.iter().filter_map(|link| link.mac).collect();
        for one in seen {
            let all = claims.get(&one.target.vip).into_iter().flatten();
            one.facts.claims = all.filter(|mac| !own.contains(mac)).copied().collect();
        }
        Ok(())
    }

    /// Echo requests to the VIP and, in the same way, to the real server; and the port.
    fn ask_services(&mut self, chunk: &mut [One]) -> io::Result<()> {
        for _ in 0..ROUNDS {
            for (place, one) in chunk.iter().enumerate().filter(|(_, one)| !is_done(one)) {
                for packet in self.questions(place, one) {
                    if let Some((frame, from)) = one.frame(&packet).zip(one.from) {
                        self.socket.send(from.link, &frame)?;
                    }
                }
            }
            let first = self.first;
            self.socket.listen(ROUND, |socket, frame| {
                if let Some(heard) = reach::heard(frame) {
                    note(&heard, chunk, first, socket)?;
                }
                Ok(chunk.iter().all(is_done))
            })?;
            if chunk.iter().all(is_done) {
                break;
            }
        }
        Ok(())
    }

    fn questions(&self, place: usize, one: &One) -> Vec<Vec<u8>> {
        let (Some(from), place) = (one.from, place as u16) else { return Vec::new() };
        let Some(ends) = Ends::new(from.source, one.target.vip) else { return Vec::new() };
        let mut packets = vec![reach::echo(ends, self.first, place * 2)];
        if let Some(control) = Ends::new(from.source, one.target.real) {
            packets.push(reach::echo(control, self.first, place * 2 + 1));
        }
        packets.extend(knock(one.target, ends, self.first + place, self.sequence));
        packets
    }

    /// Makes each real server look for an address that nobody has, to see with what address it asks: only where this
    /// machine has the VIP, and can tell everybody again.
    fn ask_as_stranger(&mut self, seen: &mut [One]) -> io::Result<()> {
        let is_direct = |one: &One| one.target.method == Method::Direct && one.target.vip.is_ipv4() && one.takes();
        if seen.iter().any(|one| is_direct(one) && !one.facts.is_held) {
            self.notes.push(
                "arp_announce is tried only on the director that has the VIP, which can tell everybody at once that it \
                 still does: run this on the MASTER for that"
                    .into(),
            );
        }
        let mut free: BTreeMap<(u32, Ipv4Addr), Vec<Ipv4Addr>> = BTreeMap::new();
        let mut tried: BTreeMap<(IpAddr, IpAddr), Option<bool>> = BTreeMap::new();
        for one in seen.iter_mut().filter(|one| is_direct(one) && one.facts.is_held) {
            let (Some((from, mac)), IpAddr::V4(vip)) = (one.path(), one.target.vip) else { continue };
            let Some(net) = network(&self.links, from.link, one.target.real) else { continue };
            let key = (one.target.vip, one.target.real);
            if let Some(known) = tried.get(&key) {
                one.facts.asks_with_vip = *known;
                continue;
            }
            let link = (from.link, net.network());
            if let std::collections::btree_map::Entry::Vacant(vacant) = free.entry(link) {
                vacant.insert(self.free_addresses(from, net)?);
            }
            // One that it remembers from an earlier time it does not ask for.
            for stranger in free.get(&link).into_iter().flatten() {
                one.facts.asks_with_vip = self.as_stranger(one.target, from, mac, *stranger, vip)?;
                if one.facts.asks_with_vip.is_some() {
                    break;
                }
            }
            tried.insert(key, one.facts.asks_with_vip);
        }
        let unseen: BTreeSet<_> =
            tried.iter().filter(|(_, asked)| asked.is_none()).map(|((_, real), _)| real.to_string()).collect();
        if !unseen.is_empty() {
            let list = unseen.into_iter().collect::<Vec<_>>().join(", ");
            self.notes.push(format!(
                "arp_announce could not be tried on {list}: no address was found that it has to ask for"
            ));
        }
        Ok(())
    }

    /// Addresses of the network that nobody has; others every time.
    fn free_addresses(&mut self, from: From, net: ipnet::Ipv4Net) -> io::Result<Vec<Ipv4Addr>> {
        if net.prefix_len() > 30 {
            return Ok(Vec::new());
        }
        let (low, high) = (u32::from(net.network()) + 1, u32::from(net.broadcast()) - 1);
        let own = |ip: Ipv4Addr| self.vips.contains(&IpAddr::V4(ip)) || self.has(IpAddr::V4(ip));
        let middle = low + self.sequence % (high - low + 1);
        let all = (middle..=high).chain(low..middle).map(Ipv4Addr::from);
        let mut candidates: BTreeSet<_> = all.filter(|ip| !own(*ip)).take(CANDIDATES).collect();
        for _ in 0..2 {
            for candidate in &candidates {
                self.socket.send(from.link, &arp::probe(from.mac, *candidate))?;
            }
            self.socket.listen(CLAIMS, |_, frame| {
                if let Some((_, IpAddr::V4(taken))) = claimed(frame) {
                    candidates.remove(&taken);
                }
                Ok(false)
            })?;
        }
        Ok(candidates.into_iter().collect())
    }

    fn has(&self, address: IpAddr) -> bool {
        self.links.iter().any(|link| link.addresses.keys().any(|net| net.addr() == address))
    }

    /// Whether it asks who has `stranger` in the VIP's name; none: it does not ask.
    fn as_stranger(
        &mut self,
        target: Target,
        from: From,
        mac: Mac,
        stranger: Ipv4Addr,
        vip: Ipv4Addr,
    ) -> io::Result<Option<bool>> {
        let ends = Ends::V4(stranger, vip);
        let mut packets: Vec<_> = knock(target, ends, self.first, self.sequence).into_iter().collect();
        packets.push(reach::echo(ends, self.first, 0));
        for packet in packets {
            self.socket.send(from.link, &reach::frame(from.mac, mac, &packet))?;
        }
        // Whoever has the VIP here tells it from there.
        let holder = self.holder(IpAddr::V4(vip)).and_then(|link| Some((link.index, link.mac?)));
        let (first, mut asks, mut answered) = (self.first, None, false);
        self.socket.listen(ANNOUNCE, |socket, frame| {
            if let Some((asker, sender, wanted)) = reach::asks(frame)
                && (asker, wanted) == (mac, stranger)
            {
                asks = Some(sender == vip);
                if let (true, Some((link, own))) = (sender == vip, holder) {
                    socket.send(link, &arp::announcement(own, vip))?;
                }
                // Answered, it does not ask again.
                socket.send(from.link, &reach::reply(from.mac, stranger, (mac, sender)))?;
            }
            let Some(heard) = reach::heard(frame).filter(|heard| heard.to == IpAddr::V4(stranger)) else {
                return Ok(false);
            };
            // Of the two answers, the one about the port comes last.
            answered |= target.port.is_none() || !matches!(heard.what, What::Echoed { .. });
            if let What::Accepted { ports, acknowledged } = heard.what
                && ports.1 == first
            {
                let packet = reach::reset(ends, (first, ports.0), acknowledged);
                socket.send(from.link, &reach::frame(from.mac, mac, &packet))?;
            }
            Ok(answered)
        })?;
        Ok(asks)
    }

    /// The same questions from other addresses of this machine, over the same link.
    fn ask_from_others(&mut self, seen: &mut [One], given: &[IpAddr]) -> io::Result<()> {
        for chunk in seen.chunks_mut(CHUNK) {
            let sources: Vec<Vec<IpAddr>> = chunk.iter().map(|one| self.others(one, given)).collect();
            let most = sources.iter().map(Vec::len).max().unwrap_or(0);
            for nth in 0..most {
                self.ask_from_other(chunk, &sources, nth)?;
            }
            for one in chunk {
                one.facts.others_were_given = !given.is_empty();
            }
        }
        Ok(())
    }

    /// The addresses to ask a target from: those of its family on other links.
    fn others(&self, one: &One, given: &[IpAddr]) -> Vec<IpAddr> {
        let Some(from) = one.from.filter(|_| one.takes()) else { return Vec::new() };
        let fits = |ip: &IpAddr| {
            let local = matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
            ip.is_ipv4() == one.target.vip.is_ipv4() && !local && !ip.is_loopback() && !self.vips.contains(ip)
        };
        if !given.is_empty() {
            return given.iter().filter(|ip| fits(ip)).copied().collect();
        }
        let quiet = |link: &&Link| Device::ALL.iter().all(|device| device.name() != link.name.as_str());
        let links = self.links.iter().filter(quiet).filter(|link| link.index != from.link && link.up);
        let host = |net: &&IpNet| net.prefix_len() < if net.addr().is_ipv4() { 32 } else { 128 };
        let addresses = links.flat_map(|link| link.addresses.keys().filter(host).map(IpNet::addr));
        addresses.filter(fits).take(OTHERS).collect()
    }

    fn ask_from_other(&mut self, chunk: &mut [One], sources: &[Vec<IpAddr>], nth: usize) -> io::Result<()> {
        let mut waiting: BTreeMap<usize, IpAddr> = BTreeMap::new();
        waiting.extend(sources.iter().enumerate().filter_map(|(place, of)| Some((place, *of.get(nth)?))));
        let asked = waiting.clone();
        for _ in 0..ROUNDS {
            for (place, source) in &waiting {
                let Some(one) = chunk.get(*place) else { continue };
                let Some(ends) = Ends::new(*source, one.target.vip) else { continue };
                let mut packets: Vec<_> = vec![reach::echo(ends, self.first, *place as u16 * 2)];
                packets.extend(knock(one.target, ends, self.first + *place as u16, self.sequence));
                for packet in packets {
                    if let Some((frame, from)) = one.frame(&packet).zip(one.from) {
                        self.socket.send(from.link, &frame)?;
                    }
                }
            }
            let first = self.first;
            self.socket.listen(ROUND, |socket, frame| {
                let Some(heard) = reach::heard(frame) else { return Ok(false) };
                let place = match heard.what {
                    What::Echoed { identifier, sequence } if identifier == first => usize::from(sequence / 2),
                    What::Accepted { ports, .. } | What::Refused { ports } | What::Datagram { ports } => {
                        usize::from(ports.1.wrapping_sub(first))
                    }
                    _ => return Ok(false),
                };
                let Some(one) = chunk.get(place) else { return Ok(false) };
                if heard.from == one.target.vip && asked.get(&place) == Some(&heard.to) {
                    waiting.remove(&place);
                    hang_up(&heard, one, socket)?;
                }
                Ok(waiting.is_empty())
            })?;
            if waiting.is_empty() {
                break;
            }
        }
        for (place, source) in asked {
            if let Some(one) = chunk.get_mut(place) {
                one.facts.others.push((source, !waiting.contains_key(&place)));
            }
        }
        Ok(())
    }
}

/// The packet that a client of the service sends first.
fn knock(target: Target, ends: Ends, own: u16, sequence: u32) -> Option<Vec<u8>> {
    let port = target.port?;
    match port.protocol {
        Protocol::Tcp => Some(reach::syn(ends, (own, port.number), sequence)),
        Protocol::Udp => Some(reach::datagram(ends, (own, port.number))),
        // That the VIP is there is all that is asked.
        Protocol::Sctp => None,
    }
}

/// Nothing more can come that would change what is said of it.
fn is_done(one: &One) -> bool {
    if one.path().is_none() {
        return true;
    }
    let port = match one.target.port {
        None => true,
        Some(port) => one.facts.answer != Answer::Silent || port.protocol != Protocol::Tcp && one.facts.echo,
    };
    let opened = one.target.port.is_some() && one.facts.answer != Answer::Silent;
    one.facts.tunnel.is_some() || port && (one.facts.echo || opened)
}

/// What an answer tells of the target it is about.
fn note(heard: &Heard, chunk: &mut [One], first: u16, socket: &FrameSocket) -> io::Result<()> {
    let by_port = |port: u16| usize::from(port.wrapping_sub(first));
    match heard.what {
        What::Echoed { identifier, sequence } | What::EchoAsked { identifier, sequence } if identifier == first => {
            let Some(one) = chunk.get_mut(usize::from(sequence / 2)) else { return Ok(()) };
            let is_answer = matches!(heard.what, What::Echoed { .. });
            let from_it = one.target.method == Method::Tunnel || one.facts.mac == Some(heard.mac);
            match (is_answer, sequence % 2 == 0) {
                (true, true) if heard.from == one.target.vip => one.facts.echo |= from_it,
                (true, false) if heard.from == one.target.real => one.facts.control = true,
                (false, true) if heard.to == one.target.vip => one.facts.is_forwarded |= from_it,
                _ => {}
            }
        }
        What::Accepted { ports, .. } | What::Refused { ports } | What::Datagram { ports } => {
            let Some(one) = chunk.get_mut(by_port(ports.1)) else { return Ok(()) };
            if heard.from != one.target.vip || one.target.port.is_none_or(|port| port.number != ports.0) {
                return Ok(());
            }
            hang_up(heard, one, socket)?;
            if one.target.method == Method::Direct && one.facts.mac != Some(heard.mac) {
                one.facts.answered_by = Some(heard.mac);
            } else if matches!(heard.what, What::Refused { .. }) {
                one.facts.answer = Answer::Closed;
            } else {
                one.facts.answer = Answer::Open;
            }
        }
        What::Asked { ports } => {
            let Some(one) = chunk.get_mut(by_port(ports.0)) else { return Ok(()) };
            one.facts.is_forwarded |= heard.to == one.target.vip && one.facts.mac == Some(heard.mac);
        }
        What::Undeliverable { reason, of } => undeliverable(reason, of, chunk, first),
        What::Echoed { .. } | What::EchoAsked { .. } => {}
    }
    Ok(())
}

fn undeliverable(reason: reach::Undeliverable, of: reach::Quoted, chunk: &mut [One], first: u16) {
    if of.protocol == reach::TCP || of.protocol == reach::UDP {
        let Some(one) = chunk.get_mut(usize::from(of.ports.0.wrapping_sub(first))) else { return };
        if of.to == one.target.vip && one.facts.answer == Answer::Silent {
            one.facts.answer = match reason {
                // A firewall that refuses TCP in this way; nothing that listens does.
                reach::Undeliverable::Port if of.protocol == reach::UDP => Answer::Closed,
                _ => Answer::Prohibited,
            };
        }
        return;
    }
    // The packet around ours, or else an echo request, whose silence says enough.
    if of.protocol != reach::IPV4 && of.protocol != reach::IPV6 {
        return;
    }
    for one in chunk.iter_mut().filter(|one| one.target.method == Method::Tunnel && one.target.real == of.to) {
        one.facts.tunnel = Some(reason);
    }
}

/// Ends a connection that was accepted: nobody here knows of it.
fn hang_up(heard: &Heard, one: &One, socket: &FrameSocket) -> io::Result<()> {
    let What::Accepted { ports, acknowledged } = heard.what else { return Ok(()) };
    let Some(ends) = Ends::new(heard.to, heard.from) else { return Ok(()) };
    match one.frame(&reach::reset(ends, (ports.1, ports.0), acknowledged)).zip(one.from) {
        Some((frame, from)) => socket.send(from.link, &frame),
        None => Ok(()),
    }
}

/// Who says to be where, in either family.
fn claimed(frame: &[u8]) -> Option<(Mac, IpAddr)> {
    if let Some(claim) = arp::claimed(frame) {
        return Some((claim.mac, claim.address.into()));
    }
    ndisc::claimed(frame).map(|claim| (claim.mac, claim.address.into()))
}

/// An address of the link in the real server's network that is no VIP.
fn own_address(link: &Link, real: IpAddr, vips: &BTreeSet<IpAddr>) -> Option<IpAddr> {
    let mut nets = link.addresses.keys().filter(|net| net.contains(&real)).map(IpNet::addr);
    nets.find(|ip| !vips.contains(ip))
}

/// The network of the link that the real server is in.
fn network(links: &[Link], index: u32, real: IpAddr) -> Option<ipnet::Ipv4Net> {
    let link = links.iter().find(|link| link.index == index)?;
    let nets = link.addresses.keys().filter(|net| net.contains(&real));
    nets.filter_map(|net| if let IpNet::V4(net) = net { Some(*net) } else { None })
        .max_by_key(ipnet::Ipv4Net::prefix_len)
}
