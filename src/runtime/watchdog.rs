//! Signs of life for systemd's watchdog (sd_notify(3), WATCHDOG=1), given by the engine's loop alone: a loop that hangs
//! gives none, and the service is started again.

use crate::sys::manager;
use crate::time::{Duration, Instant};

/// When the next sign is due; nothing without `WatchdogSec=`.
#[derive(Debug)]
pub(super) struct Watchdog {
    /// Half of what systemd waits.
    every: Option<Duration>,
    next: Instant,
}

impl Watchdog {
    pub(super) fn of_environment() -> Self {
        let every = manager::watchdog().map(|limit| limit / 2);
        Self { every, next: Instant::ZERO }
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.every.map(|_| self.next)
    }

    /// The loop has turned.
    pub(super) fn turned(&mut self, now: Instant) {
        let Some(every) = self.every.filter(|_| now >= self.next) else { return };
        self.next = now + every;
        // A manager that is not there hears nothing.
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Watchdog]);
    }
}
