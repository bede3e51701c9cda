//! The clock: the engine's time and the wall's.

use crate::time::{Duration, Instant};
use nix::time::{ClockId, clock_gettime};

/// Counts from the moment it was made, on CLOCK_MONOTONIC.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: std::time::Instant,
    /// The same moment as the kernel counts it.
    monotonic: Duration,
}

impl Clock {
    pub fn start() -> Self {
        Self::since(std::time::Instant::now())
    }

    /// Counts from `start`, which may be before this process was.
    pub fn since(start: std::time::Instant) -> Self {
        // std does not tell its number; what is read a moment later makes timers late by that moment, never early.
        let elapsed = start.elapsed();
        let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(Duration::ZERO, Duration::from);
        Self { start, monotonic: now.saturating_sub(elapsed) }
    }

    pub fn now(&self) -> Instant {
        self.at(std::time::Instant::now())
    }

    pub fn at(&self, moment: std::time::Instant) -> Instant {
        Instant::ZERO + moment.saturating_duration_since(self.start)
    }

    /// The moment on std's clock.
    pub fn to_std(&self, moment: Instant) -> std::time::Instant {
        self.start + moment.since(Instant::ZERO)
    }

    /// The moment on CLOCK_MONOTONIC, for timers.
    pub fn monotonic(&self, moment: Instant) -> Duration {
        self.monotonic + moment.since(Instant::ZERO)
    }
}

/// For pauses and ages beside the engine.
pub fn now() -> std::time::Instant {
    std::time::Instant::now()
}

/// Microseconds since 1970, UTC.
pub fn wall_us() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// How long the machine has been up, sleep included (CLOCK_BOOTTIME); zero if the kernel does not tell.
pub fn uptime() -> Duration {
    clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::ZERO, Duration::from)
}
