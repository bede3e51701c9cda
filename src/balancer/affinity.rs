//! Persistence: a client comes back to the real server it had.

use crate::kernel::DestinationKey;
use crate::time::{Duration, Instant};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

/// Which client sticks to which real server, and until when. A client is an address, or a prefix.
#[derive(Debug, Default)]
pub(super) struct Affinity {
    clients: BTreeMap<IpAddr, Home>,
    next_sweep_at: Instant,
}

#[derive(Debug)]
struct Home {
    real: DestinationKey,
    until: Instant,
    /// Each open connection holds one more.
    connections: Arc<()>,
}

impl Home {
    /// As in IPVS, a client stays while it has connections, however old they are.
    fn holds(&self, now: Instant) -> bool {
        now < self.until || Arc::strong_count(&self.connections) > 1
    }
}

impl Affinity {
    /// The server this client had, if that is not too long ago.
    pub(super) fn of(&self, client: IpAddr, now: Instant) -> Option<DestinationKey> {
        self.clients.get(&client).filter(|home| home.holds(now)).map(|home| home.real)
    }

    /// The time counts anew with every connection, which holds what this returns.
    pub(super) fn remember(
        &mut self,
        client: IpAddr,
        real: DestinationKey,
        now: Instant,
        timeout: Duration,
    ) -> Arc<()> {
        if now >= self.next_sweep_at {
            self.clients.retain(|_, home| home.holds(now));
            self.next_sweep_at = now + SWEEP;
        }
        let fresh = || Home { real, until: now, connections: Arc::default() };
        let home = self.clients.entry(client).or_insert_with(fresh);
        if home.real != real {
            *home = fresh();
        }
        home.until = now + timeout;
        home.connections.clone()
    }

    /// The clients of each server.
    pub(super) fn count(&self, now: Instant) -> BTreeMap<DestinationKey, u32> {
        let mut count = BTreeMap::new();
        for home in self.clients.values().filter(|home| home.holds(now)) {
            *count.entry(home.real).or_default() += 1;
        }
        count
    }

    pub(super) fn clear(&mut self) {
        self.clients.clear();
    }
}

/// The address with only the first `length` bits: what counts as one client (`persistence_granularity`).
pub(super) fn prefix(client: IpAddr, length: u8) -> IpAddr {
    match client {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32_u32.saturating_sub(length.into())).unwrap_or(0);
            Ipv4Addr::from_bits(v4.to_bits() & mask).into()
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128_u32.saturating_sub(length.into())).unwrap_or(0);
            Ipv6Addr::from_bits(v6.to_bits() & mask).into()
        }
    }
}

/// How often clients that stayed away are forgotten.
const SWEEP: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;

    fn client(n: u8) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(192, 0, 2, n))
    }

    fn at(seconds: u64) -> Instant {
        Instant::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn a_client_is_forgotten_after_its_timeout() {
        let real = SocketAddr::from(([192, 0, 2, 31], 80));
        let mut affinity = Affinity::default();
        drop(affinity.remember(client(100), real, at(10), Duration::from_secs(5)));
        assert_eq!(affinity.of(client(100), at(14)), Some(real));
        assert_eq!(affinity.of(client(100), at(15)), None);
        drop(affinity.remember(client(101), real, at(20), Duration::from_secs(5)));
        assert_eq!(affinity.clients.len(), 1);
        assert_eq!(affinity.count(at(24)), [(real, 1)].into());
    }

    #[test]
    fn a_client_with_an_open_connection_is_not_forgotten() {
        let real = SocketAddr::from(([192, 0, 2, 31], 80));
        let mut affinity = Affinity::default();
        let open = affinity.remember(client(100), real, at(10), Duration::from_secs(5));
        assert_eq!(affinity.of(client(100), at(1000)), Some(real));
        drop(open);
        assert_eq!(affinity.of(client(100), at(1000)), None);
    }

    #[test]
    fn a_prefix_is_one_client() {
        assert_eq!(prefix(client(100), 24), client(0));
        assert_eq!(prefix(client(100), 32), client(100));
        assert_eq!(prefix(client(100), 0), IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let v6: IpAddr = "2001:db8:1:2::3".parse().unwrap();
        assert_eq!(prefix(v6, 64), "2001:db8:1:2::".parse::<IpAddr>().unwrap());
        assert_eq!(prefix(v6, 128), v6);
        assert_eq!(prefix(v6, 0), "::".parse::<IpAddr>().unwrap());
    }
}
