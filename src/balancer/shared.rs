//! What the balancer's threads and its handle have in common.

use super::descriptors::Descriptors;
use super::proxy::ProxyVersion;
use super::table::Live;
use super::workers::Workers;
use crate::kernel::ServiceKey;
use crate::sys::clock::Clock;
use std::collections::BTreeMap;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What the table does not say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// 0: as many as there are processors, at most eight.
    pub threads: usize,
    /// Virtual services over TCP whose real servers are told who the client is.
    pub proxy: BTreeMap<ServiceKey, ProxyVersion>,
}

#[derive(Debug)]
pub(super) struct Shared {
    live: Mutex<Live>,
    pub(super) clock: Clock,
    /// Seconds that have passed, for what need not be exact.
    pub(super) seconds: AtomicU32,
    pub(super) workers: Workers,
    pub(super) descriptors: Arc<Descriptors>,
    pub(super) options: Options,
}

impl Shared {
    pub(super) fn new(workers: Workers, descriptors: Descriptors, options: Options) -> Self {
        let clock = Clock::start();
        // Any number will do for what is drawn.
        let live = Live::new(crate::sys::clock::wall_us());
        Self {
            live: Mutex::new(live),
            clock,
            seconds: AtomicU32::new(0),
            workers,
            descriptors: Arc::new(descriptors),
            options,
        }
    }

    /// Held for a few instructions, never across an await.
    pub(super) fn live(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
