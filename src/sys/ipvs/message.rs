//! IPVS objects in generic netlink attributes (linux/ip_vs.h, verified on Linux 6.1 against ipvsadm). Pure.

use super::codec::{Attributes, Malformed, Read};
use crate::kernel::{
    Change, Checksum, Counters, Destination, DestinationKey, Forwarding, ObservedDestination, ObservedService,
    Persistence, Protocol, SchedulerFlags, Service, ServiceKey, Tunnel,
};
use crate::net::Family;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// `IPVS_CMD_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Command {
    NewService = 1,
    SetService = 2,
    DelService = 3,
    GetService = 4,
    NewDestination = 5,
    SetDestination = 6,
    DelDestination = 7,
    GetDestination = 8,
    NewDaemon = 9,
    DelDaemon = 10,
    GetDaemon = 11,
    SetConfig = 12,
    GetConfig = 13,
}

/// `IPVS_CMD_ATTR_*`.
mod top {
    pub(super) const SERVICE: u16 = 1;
    pub(super) const DESTINATION: u16 = 2;
}

/// `IPVS_SVC_ATTR_*`.
mod service {
    pub(super) const FAMILY: u16 = 1;
    pub(super) const PROTOCOL: u16 = 2;
    pub(super) const ADDRESS: u16 = 3;
    pub(super) const PORT: u16 = 4;
    pub(super) const FWMARK: u16 = 5;
    pub(super) const SCHEDULER: u16 = 6;
    pub(super) const FLAGS: u16 = 7;
    pub(super) const TIMEOUT: u16 = 8;
    pub(super) const NETMASK: u16 = 9;
    pub(super) const STATS: u16 = 10;
    pub(super) const ENGINE: u16 = 11;
    pub(super) const STATS64: u16 = 12;
}

/// `IPVS_DEST_ATTR_*`.
mod destination {
    pub(super) const ADDRESS: u16 = 1;
    pub(super) const PORT: u16 = 2;
    pub(super) const FORWARDING: u16 = 3;
    pub(super) const WEIGHT: u16 = 4;
    pub(super) const UPPER: u16 = 5;
    pub(super) const LOWER: u16 = 6;
    pub(super) const ACTIVE: u16 = 7;
    pub(super) const INACTIVE: u16 = 8;
    pub(super) const PERSISTENT: u16 = 9;
    pub(super) const STATS: u16 = 10;
    pub(super) const FAMILY: u16 = 11;
    pub(super) const STATS64: u16 = 12;
    pub(super) const TUNNEL: u16 = 13;
    pub(super) const TUNNEL_PORT: u16 = 14;
    pub(super) const TUNNEL_FLAGS: u16 = 15;
}

/// `IP_VS_SVC_F_*`: those that we decide on.
mod flag {
    pub(super) const PERSISTENT: u32 = 1;
    pub(super) const ONE_PACKET: u32 = 4;
    pub(super) const FIRST: u32 = 8;
    pub(super) const SECOND: u32 = 0x10;
    pub(super) const THIRD: u32 = 0x20;
    pub(super) const ALL: u32 = PERSISTENT | ONE_PACKET | FIRST | SECOND | THIRD;
}

/// `IP_VS_CONN_F_FWD_MASK` and three of its values.
const FORWARDING_BITS: u32 = 7;
const MASQUERADE: u32 = 0;
const TUNNEL: u32 = 2;
const DIRECT_ROUTE: u32 = 3;

/// `IP_VS_CONN_F_TUNNEL_TYPE_*` and the flags of their checksums.
const IPIP: u8 = 0;
const GUE: u8 = 1;
const GRE: u8 = 2;

/// The command and attributes of a step; none for one that is not of the table.
pub(super) fn request(change: &Change) -> Option<(Command, Attributes)> {
    let with = |key: &ServiceKey, service: Option<&Service>| {
        let mut attributes = Attributes::default();
        let entry = service.map_or_else(|| named(key), |service| described(key, service));
        attributes.put_nested(top::SERVICE, &entry);
        attributes
    };
    let and = |key: &ServiceKey, to: &DestinationKey, how: Option<&Destination>| {
        let mut attributes = with(key, None);
        attributes.put_nested(top::DESTINATION, &destination_entry(to, how));
        attributes
    };
    Some(match change {
        Change::AddService(key, service) => (Command::NewService, with(key, Some(service))),
        Change::EditService(key, service) => (Command::SetService, with(key, Some(service))),
        Change::RemoveService(key) => (Command::DelService, with(key, None)),
        Change::AddDestination(key, to, how) => (Command::NewDestination, and(key, to, Some(how))),
        Change::EditDestination(key, to, how) => (Command::SetDestination, and(key, to, Some(how))),
        Change::RemoveDestination(key, to) => (Command::DelDestination, and(key, to, None)),
        _ => return super::whole::request(change),
    })
}

/// What names a service, as the request for its real servers needs it.
pub(super) fn service_named(key: &ServiceKey) -> Vec<u8> {
    let mut attributes = Attributes::default();
    attributes.put_nested(top::SERVICE, &named(key));
    attributes.as_bytes().to_vec()
}

fn named(key: &ServiceKey) -> Attributes {
    let mut entry = Attributes::default();
    entry.put_u16(service::FAMILY, family_number(key.family()));
    match key {
        ServiceKey::Address { protocol, address } => entry
            .put_u16(service::PROTOCOL, protocol.number())
            .put(service::ADDRESS, &sixteen(address.ip()))
            .put(service::PORT, &address.port().to_be_bytes()),
        ServiceKey::Mark { mark, .. } => entry.put_u32(service::FWMARK, *mark),
    };
    entry
}

fn described(key: &ServiceKey, how: &Service) -> Attributes {
    let mut entry = named(key);
    let SchedulerFlags { first, second, third } = how.flags;
    let flags = [
        (how.persistence.is_some(), flag::PERSISTENT),
        (how.one_packet, flag::ONE_PACKET),
        (first, flag::FIRST),
        (second, flag::SECOND),
        (third, flag::THIRD),
    ];
    let flags = flags.into_iter().filter(|(on, _)| *on).fold(0, |all, (_, flag)| all | flag);
    // The mask says which flags we decide on.
    let flags_and_mask = [flags.to_ne_bytes(), flag::ALL.to_ne_bytes()].concat();
    let persistence = how.persistence.as_ref();
    entry
        .put(service::SCHEDULER, &text(how.scheduler.name()))
        .put(service::FLAGS, &flags_and_mask)
        .put_u32(service::TIMEOUT, persistence.map_or(0, |p| p.timeout));
    let bits = key.family().bits();
    let granularity = persistence.map_or(bits, |p| p.granularity.min(bits));
    // An IPv4 mask in network order, but an IPv6 prefix length in host order.
    match key.family() {
        Family::V4 => entry.put(service::NETMASK, &mask(granularity)),
        Family::V6 => entry.put_u32(service::NETMASK, granularity.into()),
    };
    // Without it the kernel takes the engine away.
    if let Some(engine) = persistence.and_then(|p| p.engine.as_deref()) {
        entry.put(service::ENGINE, &text(engine));
    }
    entry
}

fn destination_entry(to: &DestinationKey, how: Option<&Destination>) -> Attributes {
    let mut entry = Attributes::default();
    entry
        .put(destination::ADDRESS, &sixteen(to.ip()))
        .put(destination::PORT, &to.port().to_be_bytes())
        .put_u16(destination::FAMILY, family(to.ip()));
    let Some(how) = how else { return entry };
    let forwarding = match how.forwarding {
        Forwarding::Nat => MASQUERADE,
        Forwarding::Dr => DIRECT_ROUTE,
        Forwarding::Tun(_) => TUNNEL,
    };
    entry
        .put_u32(destination::FORWARDING, forwarding)
        .put_u32(destination::WEIGHT, how.weight)
        .put_u32(destination::UPPER, how.upper)
        .put_u32(destination::LOWER, how.lower);
    if let Forwarding::Tun(tunnel) = how.forwarding {
        let (kind, port, checksum) = match tunnel {
            Tunnel::Ipip => (IPIP, 0, Checksum::No),
            Tunnel::Gue { port, checksum } => (GUE, port, checksum),
            Tunnel::Gre { checksum } => (GRE, 0, checksum),
        };
        let flags: u16 = match checksum {
            Checksum::No => 0,
            Checksum::Yes => 1,
            Checksum::Remote => 2,
        };
        entry
            .put(destination::TUNNEL, &[kind])
            .put(destination::TUNNEL_PORT, &port.to_be_bytes())
            .put_u16(destination::TUNNEL_FLAGS, flags);
    }
    entry
}

/// A string as the kernel wants it.
fn text(word: &str) -> Vec<u8> {
    [word.as_bytes(), &[0]].concat()
}

fn word(bytes: &[u8]) -> String {
    let word = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(word).into_owned()
}

/// The IPv4 mask of a prefix length, in network order.
fn mask(length: u8) -> [u8; 4] {
    let ones = u32::MAX.checked_shl(32 - u32::from(length.min(32))).unwrap_or(0);
    Ipv4Addr::from_bits(ones).octets()
}

/// The service in an answer; none for one of a protocol that we never write.
pub(super) fn read_service(attributes: &[u8]) -> Result<Option<(ServiceKey, ObservedService)>, Malformed> {
    let entry = Read::parse(attributes)?.nested(top::SERVICE)?;
    let Some(key) = read_key(&entry)? else { return Ok(None) };
    let [f0, f1, f2, f3, ..]: [u8; 8] = entry.array(service::FLAGS)?;
    let flags = u32::from_ne_bytes([f0, f1, f2, f3]);
    let has = |flag: u32| flags & flag != 0;
    let observed = ObservedService {
        scheduler: word(entry.bytes(service::SCHEDULER)?),
        flags: SchedulerFlags { first: has(flag::FIRST), second: has(flag::SECOND), third: has(flag::THIRD) },
        one_packet: has(flag::ONE_PACKET),
        persistence: if has(flag::PERSISTENT) { Some(read_persistence(&entry, &key)?) } else { None },
        counters: counters(&entry, service::STATS64, service::STATS)?,
        destinations: BTreeMap::new(),
    };
    Ok(Some((key, observed)))
}

fn read_key(entry: &Read<'_>) -> Result<Option<ServiceKey>, Malformed> {
    if entry.find(service::FWMARK).is_some() {
        let family = match i32::from(entry.u16(service::FAMILY)?) {
            libc::AF_INET => Family::V4,
            libc::AF_INET6 => Family::V6,
            _ => return Err(Malformed::Value(service::FAMILY)),
        };
        return Ok(Some(ServiceKey::mark(entry.u32(service::FWMARK)?, family)));
    }
    let Some(protocol) = Protocol::from_number(entry.u16(service::PROTOCOL)?) else { return Ok(None) };
    let ip = address(entry.u16(service::FAMILY)?, entry, service::ADDRESS)?;
    let port = u16::from_be_bytes(entry.array(service::PORT)?);
    Ok(Some(ServiceKey::new(protocol, SocketAddr::new(ip, port))))
}

fn read_persistence(entry: &Read<'_>, key: &ServiceKey) -> Result<Persistence, Malformed> {
    let granularity = match key.family() {
        Family::V4 => u32::from_be_bytes(entry.array(service::NETMASK)?).leading_ones(),
        Family::V6 => entry.u32(service::NETMASK)?,
    };
    Ok(Persistence {
        timeout: entry.u32(service::TIMEOUT)?,
        granularity: u8::try_from(granularity).ok().ok_or(Malformed::Value(service::NETMASK))?,
        engine: entry.find(service::ENGINE).map(word).filter(|engine| !engine.is_empty()),
    })
}

/// The real server in an answer. Kernels before 3.18 leave its address family out: it is that of the service, `of`.
pub(super) fn read_destination(
    attributes: &[u8],
    of: Family,
) -> Result<(DestinationKey, ObservedDestination), Malformed> {
    let entry = Read::parse(attributes)?.nested(top::DESTINATION)?;
    let family = match entry.find(destination::FAMILY) {
        Some(_) => entry.u16(destination::FAMILY)?,
        None => family_number(of),
    };
    let ip = address(family, &entry, destination::ADDRESS)?;
    let port = u16::from_be_bytes(entry.array(destination::PORT)?);
    let forwarding = match entry.u32(destination::FORWARDING)? & FORWARDING_BITS {
        MASQUERADE => Some(Forwarding::Nat),
        DIRECT_ROUTE => Some(Forwarding::Dr),
        TUNNEL => read_tunnel(&entry)?.map(Forwarding::Tun),
        _ => None,
    };
    let observed = ObservedDestination {
        forwarding,
        // Signed in the kernel, never negative in the table.
        weight: u32::try_from(entry.u32(destination::WEIGHT)?.cast_signed()).unwrap_or(0),
        upper: or_zero(&entry, destination::UPPER)?,
        lower: or_zero(&entry, destination::LOWER)?,
        active: entry.u32(destination::ACTIVE)?,
        inactive: entry.u32(destination::INACTIVE)?,
        persistent: or_zero(&entry, destination::PERSISTENT)?,
        counters: counters(&entry, destination::STATS64, destination::STATS)?,
    };
    Ok((SocketAddr::new(ip, port), observed))
}

fn or_zero(entry: &Read<'_>, kind: u16) -> Result<u32, Malformed> {
    entry.find(kind).map_or(Ok(0), |_| entry.u32(kind))
}

/// Kernels before 5.3 know IPIP only and tell nothing. None: a kind that we never write.
fn read_tunnel(entry: &Read<'_>) -> Result<Option<Tunnel>, Malformed> {
    if entry.find(destination::TUNNEL).is_none() {
        return Ok(Some(Tunnel::Ipip));
    }
    let [kind] = entry.array(destination::TUNNEL)?;
    let checksum = match entry.u16(destination::TUNNEL_FLAGS)? {
        0 => Checksum::No,
        1 => Checksum::Yes,
        2 => Checksum::Remote,
        _ => return Ok(None),
    };
    let port = u16::from_be_bytes(entry.array(destination::TUNNEL_PORT)?);
    Ok(match kind {
        IPIP => Some(Tunnel::Ipip),
        GUE => Some(Tunnel::Gue { port, checksum }),
        GRE => Some(Tunnel::Gre { checksum }),
        _ => None,
    })
}

/// From the 64-bit statistics where the kernel has them (4.1), else from those whose counts wrap at 32 bits.
fn counters(entry: &Read<'_>, stats64: u16, stats: u16) -> Result<Counters, Malformed> {
    if entry.find(stats64).is_some() {
        let stats = entry.nested(stats64)?;
        return Ok(Counters {
            connections: stats.u64(1)?,
            packets_in: stats.u64(2)?,
            packets_out: stats.u64(3)?,
            bytes_in: stats.u64(4)?,
            bytes_out: stats.u64(5)?,
        });
    }
    let stats = entry.nested(stats)?;
    Ok(Counters {
        connections: stats.u32(1)?.into(),
        packets_in: stats.u32(2)?.into(),
        packets_out: stats.u32(3)?.into(),
        bytes_in: stats.u64(4)?,
        bytes_out: stats.u64(5)?,
    })
}

const fn family(ip: IpAddr) -> u16 {
    family_number(Family::of(ip))
}

const fn family_number(family: Family) -> u16 {
    match family {
        Family::V4 => libc::AF_INET as u16,
        Family::V6 => libc::AF_INET6 as u16,
    }
}

/// Addresses of both families take sixteen bytes.
fn sixteen(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        }
        IpAddr::V6(ip) => ip.octets(),
    }
}

fn address(family: u16, entry: &Read<'_>, kind: u16) -> Result<IpAddr, Malformed> {
    let bytes: [u8; 16] = entry.array(kind)?;
    let [a, b, c, d, ..] = bytes;
    match i32::from(family) {
        libc::AF_INET => Ok(IpAddr::from([a, b, c, d])),
        libc::AF_INET6 => Ok(IpAddr::from(bytes)),
        _ => Err(Malformed::Value(kind)),
    }
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
