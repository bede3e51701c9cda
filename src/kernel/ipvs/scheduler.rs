//! The schedulers of IPVS by name.

use super::key::UnknownWord;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheduler {
    /// Round robin.
    Rr,
    /// Weighted round robin.
    Wrr,
    /// Least connections.
    Lc,
    /// Weighted least connections.
    #[default]
    Wlc,
    /// Locality-based least connections: by destination, for caches.
    Lblc,
    /// The same with several servers for a destination.
    Lblcr,
    /// Source hashing.
    Sh,
    /// Maglev hashing: source hashing that moves few clients when servers come and go.
    Mh,
    /// Destination hashing.
    Dh,
    /// Weighted failover: the greatest weight gets everything.
    Fo,
    /// Weighted overflow: the next greatest weight gets what exceeds the first's weight in connections.
    Ovf,
    /// Shortest expected delay.
    Sed,
    /// Never queue: an idle server first, else the shortest expected delay.
    Nq,
    /// The less loaded of two that a draw picks, by weight. Linux has it from 6.2.
    Twos,
}

impl Scheduler {
    pub const ALL: [Self; 14] = [
        Self::Rr,
        Self::Wrr,
        Self::Lc,
        Self::Wlc,
        Self::Lblc,
        Self::Lblcr,
        Self::Sh,
        Self::Mh,
        Self::Dh,
        Self::Fo,
        Self::Ovf,
        Self::Sed,
        Self::Nq,
        Self::Twos,
    ];

    /// The name IPVS and keepalived use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rr => "rr",
            Self::Wrr => "wrr",
            Self::Lc => "lc",
            Self::Wlc => "wlc",
            Self::Lblc => "lblc",
            Self::Lblcr => "lblcr",
            Self::Sh => "sh",
            Self::Mh => "mh",
            Self::Dh => "dh",
            Self::Fo => "fo",
            Self::Ovf => "ovf",
            Self::Sed => "sed",
            Self::Nq => "nq",
            Self::Twos => "twos",
        }
    }
}

impl FromStr for Scheduler {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|s| s.name() == word).ok_or_else(|| UnknownWord {
            word: word.to_owned(),
            expected: "rr, wrr, lc, wlc, lblc, lblcr, sh, mh, dh, fo, ovf, sed, nq, twos",
        })
    }
}

impl fmt::Display for Scheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The three flags that a scheduler may read as it likes (`flag-1` to `flag-3`). To `sh` and `mh` the first is
/// `sh-fallback` or `mh-fallback`: another server instead of one with weight 0; the second is `sh-port` or `mh-port`:
/// the source port counts, too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct SchedulerFlags {
    pub first: bool,
    pub second: bool,
    pub third: bool,
}

impl SchedulerFlags {
    pub const fn any(self) -> bool {
        self.first || self.second || self.third
    }

    /// As ipvsadm(8) writes them, comma between; empty: none.
    pub fn names(self, scheduler: &str) -> String {
        let names = match scheduler {
            "sh" => ["sh-fallback", "sh-port", "flag-3"],
            "mh" => ["mh-fallback", "mh-port", "flag-3"],
            _ => ["flag-1", "flag-2", "flag-3"],
        };
        let set = [self.first, self.second, self.third];
        names.into_iter().zip(set).filter(|(_, on)| *on).map(|(name, _)| name).collect::<Vec<_>>().join(",")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scheduler_is_found_by_its_name() {
        for scheduler in Scheduler::ALL {
            assert_eq!(scheduler.name().parse(), Ok(scheduler));
        }
        assert!("rrr".parse::<Scheduler>().is_err());
    }

    #[test]
    fn flags_have_the_names_that_the_scheduler_gives_them() {
        let flags = SchedulerFlags { first: true, second: false, third: true };
        assert_eq!(flags.names("sh"), "sh-fallback,flag-3");
        assert_eq!(flags.names("rr"), "flag-1,flag-3");
        assert_eq!(SchedulerFlags::default().names("mh"), "");
    }
}
