//! Connections counted: each has a place in the counts of its real server and of its virtual service.
//!
//! The counts are atomics that outlive their entry in the table, so a connection goes on counting when its real server
//! has left.

use crate::kernel::Counters;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use tokio::sync::Notify;

/// The connections of one real server in one virtual service.
#[derive(Debug, Default)]
pub(super) struct Load {
    pub(super) active: AtomicU32,
    pub(super) inactive: AtomicU32,
    /// As ipvsadm(8) has it; 0: none.
    upper: AtomicU32,
    lower: AtomicU32,
    overloaded: AtomicBool,
    /// It is no longer in the table.
    pub(super) parted: AtomicBool,
    pub(super) traffic: Traffic,
    /// All connections are to end now.
    pub(super) cut: Notify,
}

/// Totals since the entry was made.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    connections: AtomicU64,
    packets_in: AtomicU64,
    packets_out: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
}

impl Load {
    pub(super) fn is_overloaded(&self) -> bool {
        self.overloaded.load(Relaxed)
    }

    pub(super) fn connections(&self) -> u32 {
        self.active.load(Relaxed).saturating_add(self.inactive.load(Relaxed))
    }

    /// A limit that is lifted or raised counts at once; one that sinks, from the next connection on.
    pub(super) fn limit(&self, upper: u32, lower: u32) {
        let before = self.upper.swap(upper, Relaxed);
        self.lower.store(lower, Relaxed);
        if upper == 0 || upper > before {
            self.overloaded.store(false, Relaxed);
        }
    }

    fn one_more(&self) {
        self.inactive.fetch_add(1, Relaxed);
        let upper = self.upper.load(Relaxed);
        if upper > 0 && self.connections() >= upper {
            self.overloaded.store(true, Relaxed);
        }
    }

    fn one_less(&self, count: &AtomicU32) {
        count.fetch_sub(1, Relaxed);
        if !self.is_overloaded() {
            return;
        }
        let (left, upper, lower) = (self.connections(), self.upper.load(Relaxed), self.lower.load(Relaxed));
        let is_enough = match lower {
            0 => u64::from(left) * 4 < u64::from(upper) * 3,
            lower => left < lower,
        };
        if upper == 0 || is_enough {
            self.overloaded.store(false, Relaxed);
        }
    }
}

impl Traffic {
    pub(super) fn counters(&self) -> Counters {
        Counters {
            connections: self.connections.load(Relaxed),
            packets_in: self.packets_in.load(Relaxed),
            packets_out: self.packets_out.load(Relaxed),
            bytes_in: self.bytes_in.load(Relaxed),
            bytes_out: self.bytes_out.load(Relaxed),
        }
    }
}

/// One connection's place in the counts: inactive while it connects, active while both directions are open, inactive
/// again from its first end of stream, gone when dropped. Sessions over UDP are inactive, as in IPVS.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) load: Arc<Load>,
    service: Arc<Traffic>,
    active: AtomicBool,
    /// While this is held, the client is at home at its server.
    _home: Option<Arc<()>>,
}

impl Place {
    pub(super) fn connecting(load: Arc<Load>, service: Arc<Traffic>, home: Option<Arc<()>>) -> Self {
        load.one_more();
        Self { load, service, active: false.into(), _home: home }
    }

    pub(super) fn established(&self) {
        if !self.active.swap(true, Relaxed) {
            self.load.active.fetch_add(1, Relaxed);
            self.load.inactive.fetch_sub(1, Relaxed);
            self.count_connection();
        }
    }

    pub(super) fn closing(&self) {
        if self.active.swap(false, Relaxed) {
            self.load.inactive.fetch_add(1, Relaxed);
            self.load.active.fetch_sub(1, Relaxed);
        }
    }

    pub(super) fn count_connection(&self) {
        self.both(|traffic| &traffic.connections, 1);
    }

    /// From the client.
    pub(super) fn count_in(&self, bytes: usize) {
        self.both(|traffic| &traffic.bytes_in, bytes as u64);
    }

    /// To the client.
    pub(super) fn count_out(&self, bytes: usize) {
        self.both(|traffic| &traffic.bytes_out, bytes as u64);
    }

    pub(super) fn count_packets(&self, received: u64, sent: u64) {
        self.both(|traffic| &traffic.packets_in, received);
        self.both(|traffic| &traffic.packets_out, sent);
    }

    fn both(&self, count: impl Fn(&Traffic) -> &AtomicU64, more: u64) {
        count(&self.load.traffic).fetch_add(more, Relaxed);
        count(&self.service).fetch_add(more, Relaxed);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let count = if *self.active.get_mut() { &self.load.active } else { &self.load.inactive };
        self.load.one_less(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connect(load: &Arc<Load>, count: usize) -> Vec<Place> {
        (0..count).map(|_| Place::connecting(load.clone(), Arc::default(), None)).collect()
    }

    #[test]
    fn the_upper_threshold_closes_and_the_lower_one_opens_again() {
        let load = Arc::new(Load::default());
        load.limit(4, 2);
        let mut places = connect(&load, 3);
        assert!(!load.is_overloaded());
        places.extend(connect(&load, 1));
        assert!(load.is_overloaded());
        places.truncate(2);
        assert!(load.is_overloaded(), "two are not fewer than two");
        places.truncate(1);
        assert!(!load.is_overloaded());
    }

    #[test]
    fn without_a_lower_threshold_three_quarters_are() {
        let load = Arc::new(Load::default());
        load.limit(8, 0);
        let mut places = connect(&load, 8);
        places.truncate(6);
        assert!(load.is_overloaded());
        places.truncate(5);
        assert!(!load.is_overloaded());
        let more = connect(&load, 3);
        assert!(load.is_overloaded());
        load.limit(10, 0);
        assert!(!load.is_overloaded(), "a higher limit counts at once");
        drop(more);
    }
}
