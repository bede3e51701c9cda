//! Why something is so: a chain from what is seen back to what came from outside.

use crate::time::{Duration, Instant};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::sync::Arc;

/// One link of a chain: what was so, and since when. The last of a chain came from outside the engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    pub at: Instant,
    pub text: String,
    /// What came from outside: `advert`, `silence`, `link`, `script`, `file`, `process`, `bfd`, `check`, `operator`,
    /// `configuration`, `kernel`, `start`, `stop`, `late` and so on; none: it follows from the next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Cow<'static, str>>,
}

/// A chain as it was recorded, what follows first, what came from outside last.
pub type Reasons = Arc<[Reason]>;

impl Reason {
    /// What follows from the next link.
    pub fn follows(at: Instant, text: impl Into<String>) -> Self {
        Self { at, text: text.into(), input: None }
    }

    /// What came from outside.
    pub fn input(at: Instant, kind: &'static str, text: impl Into<String>) -> Self {
        Self { at, text: text.into(), input: Some(Cow::Borrowed(kind)) }
    }
}

/// The last time an instance became MASTER, in parts. Not of one that only went on after a restart of its engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Takeover {
    /// From when it waited: the last advert of the MASTER before, its resignation, or an operator's word.
    pub quiet_since: Instant,
    /// How long it was to wait from there, by its timers; none: it did not wait.
    pub expected: Option<Duration>,
    /// Its timer ran out, or it was told.
    pub noticed_at: Instant,
    pub master_at: Instant,
    /// All its addresses were on their links; none: not yet.
    pub added_at: Option<Instant>,
    /// The first gratuitous ARP or neighbour advertisement left; none: not yet.
    pub announced_at: Option<Instant>,
}

impl Takeover {
    /// Each part that is known: its name, and how long it took from the part before.
    pub fn parts(&self) -> Vec<(&'static str, Duration)> {
        let ends = [
            ("silence noticed", Some(self.noticed_at)),
            ("state change", Some(self.master_at)),
            ("address added", self.added_at),
            ("first announcement", self.announced_at),
        ];
        let mut from = self.quiet_since;
        let mut parts = Vec::new();
        for (name, at) in ends {
            let Some(at) = at else { continue };
            parts.push((name, at.since(from)));
            from = from.max(at);
        }
        parts
    }

    /// From the last advert to the first announcement, as far as it is known.
    pub fn total(&self) -> Duration {
        self.parts().into_iter().map(|(_, took)| took).sum()
    }
}
