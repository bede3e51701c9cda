//! What a run of a check found, and what of it is remembered.

use crate::time::{Duration, Instant};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// What one run found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    pub good: bool,
    /// What was seen, for people: "connected", "connection refused", "no answer in 3 s".
    pub detail: Cow<'static, str>,
    pub took: Duration,
    /// The kernel's error, errno(3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errno: Option<i32>,
    /// HTTP's or SMTP's status, a response code of DNS, or the exit status of a command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// What was received, without headers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Weight::is_configured")]
    pub weight: Weight,
}

/// What a good check says of its server's weight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Weight {
    /// As in the file.
    #[default]
    Configured,
    /// This one (`misc_dynamic`).
    Is(u32),
    /// So much more, or less (`FILE_CHECK`).
    More(i64),
}

impl Weight {
    pub const fn is_configured(&self) -> bool {
        matches!(self, Self::Configured)
    }

    /// What it adds to the configured weight: several checks of one server add up.
    pub fn more_than(self, configured: u32) -> i64 {
        match self {
            Self::Configured => 0,
            Self::Is(weight) => i64::from(weight) - i64::from(configured),
            Self::More(more) => more,
        }
    }
}

impl Found {
    pub fn good(detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            good: true,
            detail: detail.into(),
            took: Duration::ZERO,
            errno: None,
            status: None,
            bytes: None,
            weight: Weight::Configured,
        }
    }

    pub fn bad(detail: impl Into<Cow<'static, str>>) -> Self {
        Self { good: false, ..Self::good(detail) }
    }

    /// What was seen and how long it took, for people.
    pub fn text(&self) -> String {
        if self.good && !self.took.is_zero() {
            format!("{} in {:.1} ms", self.detail, self.took.as_secs_f64() * 1e3)
        } else {
            self.detail.clone().into_owned()
        }
    }
}

/// One run as it is remembered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// When it ended.
    pub at: Instant,
    #[serde(flatten)]
    pub found: Found,
    /// Which try it was: 1, or more after failures while up.
    pub attempt: u32,
    /// Which URL, from 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub step: u16,
    /// Whether the check counted as good after it; none: it has not decided yet.
    pub verdict: Option<bool>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
const fn is_zero(step: &u16) -> bool {
    *step == 0
}
