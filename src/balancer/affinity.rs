//! Persistence: a client comes back to the real server it had.

use crate::kernel::DestinationKey;
use crate::time::{Duration, Instant};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Which client sticks to which real server, and until when.
#[derive(Debug, Default)]
pub(super) struct Affinity {
    clients: BTreeMap<IpAddr, (DestinationKey, Instant)>,
    next_sweep_at: Instant,
}

impl Affinity {
    /// The server this client had, if that is not too long ago.
    pub(super) fn of(&self, client: IpAddr, now: Instant) -> Option<DestinationKey> {
        self.clients.get(&client).filter(|(_, until)| now < *until).map(|(real, _)| *real)
    }

    /// The time counts anew with every connection.
    pub(super) fn remember(&mut self, client: IpAddr, real: DestinationKey, now: Instant, timeout: Duration) {
        self.clients.insert(client, (real, now + timeout));
        if now >= self.next_sweep_at {
            self.clients.retain(|_, (_, until)| now < *until);
            self.next_sweep_at = now + SWEEP;
        }
    }

    pub(super) fn clear(&mut self) {
        self.clients.clear();
    }
}

/// How often clients that stayed away are forgotten.
const SWEEP: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, SocketAddr};

    #[test]
    fn a_client_is_forgotten_after_its_timeout() {
        let client = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 100));
        let other = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 101));
        let real = SocketAddr::from(([192, 0, 2, 31], 80));
        let at = |s: u64| Instant::from_micros(s * 1_000_000);
        let mut affinity = Affinity::default();
        affinity.remember(client, real, at(10), Duration::from_secs(5));
        assert_eq!(affinity.of(client, at(14)), Some(real));
        assert_eq!(affinity.of(client, at(15)), None);
        affinity.remember(other, real, at(20), Duration::from_secs(5));
        assert_eq!(affinity.clients.len(), 1);
    }
}
