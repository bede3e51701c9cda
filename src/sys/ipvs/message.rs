//! IPVS objects in generic netlink attributes (linux/ip_vs.h, verified on Linux 6.1 against ipvsadm). Pure.

use super::codec::{Attributes, Malformed, Read};
use crate::kernel::{
    Change, Counters, Destination, DestinationKey, Forwarding, ObservedDestination, ObservedService, Protocol, Service,
    ServiceKey,
};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

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
}

/// `IP_VS_SVC_F_PERSISTENT`.
const PERSISTENT: u32 = 1;
/// `IP_VS_CONN_F_FWD_MASK` and two of its values.
const FORWARDING_BITS: u32 = 7;
const MASQUERADE: u32 = 0;
const DIRECT_ROUTE: u32 = 3;

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
        _ => return None,
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
    entry
        .put_u16(service::FAMILY, family(key.address.ip()))
        .put_u16(service::PROTOCOL, key.protocol.number())
        .put(service::ADDRESS, &sixteen(key.address.ip()))
        .put(service::PORT, &key.address.port().to_be_bytes());
    entry
}

fn described(key: &ServiceKey, how: &Service) -> Attributes {
    let mut entry = named(key);
    let mut scheduler = how.scheduler.name().as_bytes().to_vec();
    scheduler.push(0);
    // The mask says which flags we decide on: only this one.
    let flags = if how.persistence.is_some() { PERSISTENT } else { 0 };
    let flags_and_mask = [flags.to_ne_bytes(), PERSISTENT.to_ne_bytes()].concat();
    entry
        .put(service::SCHEDULER, &scheduler)
        .put(service::FLAGS, &flags_and_mask)
        .put_u32(service::TIMEOUT, how.persistence.unwrap_or(0));
    // Persistence by single clients: an IPv4 mask in network order, but an IPv6 prefix length in host order.
    match key.address {
        SocketAddr::V4(_) => entry.put(service::NETMASK, &[0xff; 4]),
        SocketAddr::V6(_) => entry.put_u32(service::NETMASK, 128),
    };
    entry
}

fn destination_entry(to: &DestinationKey, how: Option<&Destination>) -> Attributes {
    let mut entry = Attributes::default();
    entry
        .put(destination::ADDRESS, &sixteen(to.ip()))
        .put(destination::PORT, &to.port().to_be_bytes())
        .put_u16(destination::FAMILY, family(to.ip()));
    if let Some(how) = how {
        let forwarding = match how.forwarding {
            Forwarding::Nat => MASQUERADE,
            Forwarding::Dr => DIRECT_ROUTE,
        };
        entry
            .put_u32(destination::FORWARDING, forwarding)
            .put_u32(destination::WEIGHT, how.weight)
            .put_u32(destination::UPPER, 0)
            .put_u32(destination::LOWER, 0);
    }
    entry
}

/// The service in an answer; none for one of a kind that we never write.
pub(super) fn read_service(attributes: &[u8]) -> Result<Option<(ServiceKey, ObservedService)>, Malformed> {
    let entry = Read::parse(attributes)?.nested(top::SERVICE)?;
    if entry.find(service::FWMARK).is_some() {
        return Ok(None);
    }
    let protocol = match entry.u16(service::PROTOCOL)? {
        6 => Protocol::Tcp,
        17 => Protocol::Udp,
        _ => return Ok(None),
    };
    let ip = address(entry.u16(service::FAMILY)?, &entry, service::ADDRESS)?;
    let port = u16::from_be_bytes(entry.array(service::PORT)?);
    let [f0, f1, f2, f3, ..]: [u8; 8] = entry.array(service::FLAGS)?;
    let persistent = u32::from_ne_bytes([f0, f1, f2, f3]) & PERSISTENT != 0;
    let scheduler = entry.bytes(service::SCHEDULER)?;
    let scheduler = scheduler.split(|byte| *byte == 0).next().unwrap_or_default();
    let observed = ObservedService {
        scheduler: String::from_utf8_lossy(scheduler).into_owned(),
        persistence: if persistent { Some(entry.u32(service::TIMEOUT)?) } else { None },
        counters: counters(&entry, service::STATS64, service::STATS)?,
        destinations: BTreeMap::new(),
    };
    Ok(Some((ServiceKey { protocol, address: SocketAddr::new(ip, port) }, observed)))
}

/// The real server in an answer. Kernels before 3.18 leave its address family out: it is that of the service, `of`.
pub(super) fn read_destination(
    attributes: &[u8],
    of: IpAddr,
) -> Result<(DestinationKey, ObservedDestination), Malformed> {
    let entry = Read::parse(attributes)?.nested(top::DESTINATION)?;
    let family = match entry.find(destination::FAMILY) {
        Some(_) => entry.u16(destination::FAMILY)?,
        None => family(of),
    };
    let ip = address(family, &entry, destination::ADDRESS)?;
    let port = u16::from_be_bytes(entry.array(destination::PORT)?);
    let forwarding = match entry.u32(destination::FORWARDING)? & FORWARDING_BITS {
        MASQUERADE => Some(Forwarding::Nat),
        DIRECT_ROUTE => Some(Forwarding::Dr),
        _ => None,
    };
    let observed = ObservedDestination {
        forwarding,
        // Signed in the kernel, never negative in the table.
        weight: u32::try_from(entry.u32(destination::WEIGHT)?.cast_signed()).unwrap_or(0),
        active: entry.u32(destination::ACTIVE)?,
        inactive: entry.u32(destination::INACTIVE)?,
        persistent: entry.u32(destination::PERSISTENT)?,
        counters: counters(&entry, destination::STATS64, destination::STATS)?,
    };
    Ok((SocketAddr::new(ip, port), observed))
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
    match ip {
        IpAddr::V4(_) => libc::AF_INET as u16,
        IpAddr::V6(_) => libc::AF_INET6 as u16,
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
