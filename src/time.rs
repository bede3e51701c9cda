//! The engine's time: microseconds since it started.
//!
//! Nothing here reads a clock. `sys::clock` stamps what arrives; everything pure takes the stamp as an argument,
//! so the simulator can run the same code on a clock of its own.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::{Add, Sub};
pub use std::time::Duration;

/// A moment on one engine's monotonic clock, in microseconds since that engine started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Instant(u64);

impl Instant {
    /// The moment the engine started.
    pub const ZERO: Self = Self(0);

    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    pub const fn as_micros(self) -> u64 {
        self.0
    }

    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// The time from `earlier` to this moment; zero if `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }

    /// The time from this moment to `later`; zero if it has passed.
    pub const fn until(self, later: Self) -> Duration {
        later.since(self)
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, rhs: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(rhs.as_micros()).unwrap_or(u64::MAX)))
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;

    fn sub(self, rhs: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(rhs.as_micros()).unwrap_or(u64::MAX)))
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "t+{}.{:06}s", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

/// A time that somebody has typed, in whole seconds: `90`, `90s`, `10m`, `2h`. Above zero.
pub fn typed_seconds(text: &str) -> Result<u32, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text.get(digits.len()..).unwrap_or_default() {
        "" | "s" => 1,
        "m" | "min" => 60,
        "h" => 3600,
        other => return Err(format!("`{other}` is no unit of time: s, m or h")),
    };
    let number: u32 = digits.parse().map_err(|e| format!("`{digits}` is not a number of seconds: {e}"))?;
    number.checked_mul(unit).filter(|s| *s > 0).ok_or_else(|| "a time above 0 that is no lifetime".to_owned())
}

/// The earlier of two optional moments.
pub fn earliest(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_typed_with_its_unit() {
        let read = |text| typed_seconds(text).ok();
        assert_eq!(["90", "90s", "10m", "2h"].map(read), [Some(90), Some(90), Some(600), Some(7200)]);
        assert_eq!(["", "s", "0", "-1", "1d", "2000000h", "1 m"].map(read), [None; 7]);
    }

    #[test]
    fn an_instant_prints_seconds_and_microseconds() {
        assert_eq!(Instant::from_micros(3_609_375).to_string(), "t+3.609375s");
    }

    #[test]
    fn time_before_the_start_is_the_start() {
        assert_eq!(Instant::from_micros(5) - Duration::from_secs(1), Instant::ZERO);
        assert_eq!(Instant::from_micros(5).since(Instant::from_micros(9)), Duration::ZERO);
    }

    #[test]
    fn the_earliest_of_none_and_some_is_some() {
        let at = Instant::from_micros(7);
        assert_eq!(earliest(None, Some(at)), Some(at));
        assert_eq!(earliest(Some(at), Some(Instant::ZERO)), Some(Instant::ZERO));
        assert_eq!(earliest(None, None), None);
    }
}
