//! How far one clock is from another.

use serde::{Deserialize, Serialize};

/// A node's wall clock less the asker's, with how wrong that may be; a node that runs ahead has a positive one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockOffset {
    pub offset_us: i64,
    pub error_us: u64,
}

impl ClockOffset {
    /// The same clock.
    pub const NONE: Self = Self { offset_us: 0, error_us: 0 };

    /// How far this node's clock is from another's, both measured by the same asker.
    #[must_use]
    pub const fn from(self, other: Self) -> Self {
        Self {
            offset_us: self.offset_us.saturating_sub(other.offset_us),
            error_us: self.error_us.saturating_add(other.error_us),
        }
    }

    /// A moment of this node's clock on the asker's.
    pub const fn corrected(self, wall_us: u64) -> u64 {
        wall_us.saturating_add_signed(self.offset_us.saturating_neg())
    }
}
