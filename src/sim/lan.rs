//! The virtual wire: who hears whom, how late, and how often not at all.

use crate::engine::Random;
use crate::time::Duration;
use std::collections::BTreeSet;

/// Faults are settings of the wire.
#[derive(Clone, Debug)]
pub struct Lan {
    pub min_delay: Duration,
    /// Frames overtake each other when this is larger than `min_delay`.
    pub max_delay: Duration,
    /// The part of frames that are lost, 0 to 1, for each receiver.
    pub loss: f64,
    /// The part of frames that arrive twice.
    pub duplicates: f64,
    /// Hosts with their link cut: the carrier is there, nothing passes.
    pub cut: BTreeSet<usize>,
}

impl Default for Lan {
    fn default() -> Self {
        Self {
            min_delay: Duration::from_micros(100),
            max_delay: Duration::from_micros(300),
            loss: 0.0,
            duplicates: 0.0,
            cut: BTreeSet::new(),
        }
    }
}

impl Lan {
    /// How long after it was sent a frame arrives; once, twice or never.
    pub fn arrivals(&self, from: usize, to: usize, random: &mut Random) -> Vec<Duration> {
        if self.cut.contains(&from) || self.cut.contains(&to) || random.chance(self.loss) {
            return Vec::new();
        }
        let copies = if random.chance(self.duplicates) { 2 } else { 1 };
        (0..copies).map(|_| self.delay(random)).collect()
    }

    pub fn delay(&self, random: &mut Random) -> Duration {
        self.min_delay + self.max_delay.saturating_sub(self.min_delay).mul_f64(random.fraction())
    }
}
