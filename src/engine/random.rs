//! Seeded randomness (SplitMix64): the same seed gives the same run for ever, which a library does not promise.

#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub const fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 up to, not including, 1.
    pub fn fraction(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// From 0 up to, not including, `below`; 0 if `below` is 0.
    pub fn below(&mut self, below: u64) -> u64 {
        (self.fraction() * below as f64) as u64
    }

    /// True once in `1/p` times.
    pub fn chance(&mut self, p: f64) -> bool {
        self.fraction() < p
    }
}
