//! What belongs to the table as a whole, in generic netlink attributes (linux/ip_vs.h): the synchronisation daemons and
//! the timeouts. Pure.

use super::codec::{Attributes, Malformed, Read};
use super::message::Command;
use crate::kernel::{Change, SyncDaemon, SyncRole, Timeouts};
use crate::net::LinkName;
use std::net::IpAddr;

/// `IPVS_CMD_ATTR_*`.
const DAEMON: u16 = 3;
const TIMEOUT_TCP: u16 = 4;
const TIMEOUT_TCP_FIN: u16 = 5;
const TIMEOUT_UDP: u16 = 6;

/// `IPVS_DAEMON_ATTR_*`.
mod daemon {
    pub(super) const STATE: u16 = 1;
    pub(super) const LINK: u16 = 2;
    pub(super) const ID: u16 = 3;
    pub(super) const MAX_LENGTH: u16 = 4;
    pub(super) const GROUP: u16 = 5;
    pub(super) const GROUP6: u16 = 6;
    pub(super) const PORT: u16 = 7;
    pub(super) const TTL: u16 = 8;
}

/// `IP_VS_STATE_*`.
const fn state(role: SyncRole) -> u32 {
    match role {
        SyncRole::Master => 1,
        SyncRole::Backup => 2,
    }
}

/// The command and attributes of a step; none for one that is not of the table as a whole.
pub(super) fn request(change: &Change) -> Option<(Command, Attributes)> {
    let mut attributes = Attributes::default();
    let command = match change {
        Change::StartDaemon(role, how) => {
            attributes.put_nested(DAEMON, &described(*role, how));
            Command::NewDaemon
        }
        Change::StopDaemon(role) => {
            let mut entry = Attributes::default();
            entry.put_u32(daemon::STATE, state(*role));
            attributes.put_nested(DAEMON, &entry);
            Command::DelDaemon
        }
        Change::SetTimeouts(timeouts) => {
            let all = [(TIMEOUT_TCP, timeouts.tcp), (TIMEOUT_TCP_FIN, timeouts.tcp_fin), (TIMEOUT_UDP, timeouts.udp)];
            for (kind, seconds) in all.into_iter().filter(|(_, seconds)| *seconds > 0) {
                attributes.put_u32(kind, seconds);
            }
            Command::SetConfig
        }
        _ => return None,
    };
    Some((command, attributes))
}

fn described(role: SyncRole, how: &SyncDaemon) -> Attributes {
    let mut entry = Attributes::default();
    let link = [how.link.as_str().as_bytes(), &[0]].concat();
    entry.put_u32(daemon::STATE, state(role)).put(daemon::LINK, &link).put_u32(daemon::ID, how.id.into());
    if let Some(length) = how.max_length {
        entry.put_u16(daemon::MAX_LENGTH, length);
    }
    match how.group {
        Some(IpAddr::V4(group)) => {
            entry.put(daemon::GROUP, &group.octets());
        }
        Some(IpAddr::V6(group)) => {
            entry.put(daemon::GROUP6, &group.octets());
        }
        None => {}
    }
    if let Some(port) = how.port {
        entry.put_u16(daemon::PORT, port);
    }
    if let Some(ttl) = how.ttl {
        entry.put(daemon::TTL, &[ttl]);
    }
    entry
}

/// The daemon in an answer; none for one that we never start.
pub(super) fn read_daemon(attributes: &[u8]) -> Result<Option<(SyncRole, SyncDaemon)>, Malformed> {
    let entry = Read::parse(attributes)?.nested(DAEMON)?;
    let role = match entry.u32(daemon::STATE)? {
        1 => SyncRole::Master,
        2 => SyncRole::Backup,
        _ => return Ok(None),
    };
    let link = entry.bytes(daemon::LINK)?;
    let link = String::from_utf8_lossy(link.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned();
    let Ok(link) = LinkName::new(&link) else { return Ok(None) };
    let some = |kind: u16| entry.find(kind).map(|_| kind);
    let group = match (some(daemon::GROUP), some(daemon::GROUP6)) {
        (Some(kind), _) => Some(IpAddr::from(entry.array::<4>(kind)?)),
        (None, Some(kind)) => Some(IpAddr::from(entry.array::<16>(kind)?)),
        (None, None) => None,
    };
    let ttl = some(daemon::TTL).map(|kind| entry.array::<1>(kind)).transpose()?;
    let how = SyncDaemon {
        link,
        id: u8::try_from(entry.u32(daemon::ID)?).ok().ok_or(Malformed::Value(daemon::ID))?,
        max_length: some(daemon::MAX_LENGTH).map(|kind| entry.u16(kind)).transpose()?,
        group,
        port: some(daemon::PORT).map(|kind| entry.u16(kind)).transpose()?,
        ttl: ttl.map(|[ttl]| ttl),
    };
    Ok(Some((role, how)))
}

pub(super) fn read_timeouts(attributes: &[u8]) -> Result<Timeouts, Malformed> {
    let entry = Read::parse(attributes)?;
    Ok(Timeouts { tcp: entry.u32(TIMEOUT_TCP)?, tcp_fin: entry.u32(TIMEOUT_TCP_FIN)?, udp: entry.u32(TIMEOUT_UDP)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn daemon() -> impl Strategy<Value = SyncDaemon> {
        let group = prop_oneof![Just(None), Just(Some("224.0.0.99")), Just(Some("ff02::99"))];
        (any::<u8>(), any::<Option<u16>>(), group, any::<Option<u16>>(), any::<Option<u8>>()).prop_map(
            |(id, max_length, group, port, ttl)| SyncDaemon {
                link: LinkName::new("eth0").unwrap(),
                id,
                max_length,
                group: group.map(|group| group.parse().unwrap()),
                port,
                ttl,
            },
        )
    }

    proptest! {
        #[test]
        fn a_daemon_that_was_written_is_read_back(how in daemon(), master: bool) {
            let role = if master { SyncRole::Master } else { SyncRole::Backup };
            let (command, attributes) = request(&Change::StartDaemon(role, how.clone())).unwrap();
            prop_assert_eq!(command, Command::NewDaemon);
            prop_assert_eq!(read_daemon(attributes.as_bytes()), Ok(Some((role, how))));
        }

        #[test]
        fn reading_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = (read_daemon(&bytes), read_timeouts(&bytes));
        }
    }

    #[test]
    fn timeouts_of_zero_stay_as_they_are() {
        let (command, attributes) = request(&Change::SetTimeouts(Timeouts { tcp: 100, tcp_fin: 0, udp: 30 })).unwrap();
        assert_eq!(command, Command::SetConfig);
        let read = Read::parse(attributes.as_bytes()).unwrap();
        assert_eq!((read.u32(TIMEOUT_TCP), read.u32(TIMEOUT_UDP)), (Ok(100), Ok(30)));
        assert!(read.find(TIMEOUT_TCP_FIN).is_none());
    }
}
