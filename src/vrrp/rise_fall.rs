//! Rise and fall: how many results in a row turn a verdict (keepalived.conf(5), vrrp_script).

/// Counts from 0 to rise + fall − 1; good from `rise` up. The first result counts full strength.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RiseFall {
    rise: u32,
    fall: u32,
    count: Option<u32>,
}

impl RiseFall {
    /// `rise` and `fall` below 1 count as 1.
    pub const fn new(rise: u32, fall: u32) -> Self {
        let rise = if rise == 0 { 1 } else { rise };
        let fall = if fall == 0 { 1 } else { fall };
        Self { rise, fall, count: None }
    }

    /// The same verdict under other rules.
    #[must_use]
    pub fn with(self, rise: u32, fall: u32) -> Self {
        let mut other = Self::new(rise, fall);
        if let Some(good) = self.good() {
            other.record(good);
        }
        other
    }

    /// The verdict; none before the first result.
    pub fn good(&self) -> Option<bool> {
        self.count.map(|count| count >= self.rise)
    }

    /// Takes a result and says whether the verdict changed.
    pub fn record(&mut self, good: bool) -> bool {
        let before = self.good();
        let top = self.rise.saturating_add(self.fall) - 1;
        self.count = Some(match (self.count, good) {
            (None, true) => top,
            (Some(count), true) if count + 1 >= self.rise => top,
            (Some(count), true) => count + 1,
            (Some(count), false) if count > self.rise => count - 1,
            (None | Some(_), false) => 0,
        });
        self.good() != before
    }

    /// Results in a row against the present verdict, and how many turn it.
    pub fn progress(&self) -> (u32, u32) {
        match self.count {
            None => (0, 1),
            Some(count) if count >= self.rise => (self.rise + self.fall - 1 - count, self.fall),
            Some(count) => (count, self.rise),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_result_decides() {
        let mut script = RiseFall::new(3, 3);
        assert_eq!(script.good(), None);
        assert!(script.record(false));
        assert_eq!(script.good(), Some(false));
        let mut script = RiseFall::new(3, 3);
        script.record(true);
        assert_eq!(script.good(), Some(true));
    }

    #[test]
    fn it_takes_fall_failures_in_a_row_and_rise_successes_in_a_row() {
        let mut script = RiseFall::new(2, 3);
        script.record(true);
        assert!(!script.record(false));
        assert_eq!(script.progress(), (1, 3));
        assert!(!script.record(false));
        assert!(script.record(false));
        assert_eq!(script.good(), Some(false));
        assert!(!script.record(true));
        assert_eq!(script.progress(), (1, 2));
        assert!(!script.record(false));
        assert!(!script.record(true));
        assert!(script.record(true));
        assert_eq!(script.good(), Some(true));
    }

    #[test]
    fn a_success_between_failures_starts_the_count_again() {
        let mut script = RiseFall::new(1, 2);
        script.record(true);
        for _ in 0..5 {
            assert!(!script.record(false));
            assert!(!script.record(true));
        }
        assert_eq!(script.good(), Some(true));
    }

    #[test]
    fn zero_counts_as_one() {
        let mut script = RiseFall::new(0, 0);
        script.record(true);
        assert!(script.record(false));
        assert!(script.record(true));
    }
}
