//! One health check: what the configuration says, and its machine of retries and delays.
//!
//! Pure: results go in, verdicts and the next start time come out. `sys::probe` does the talking.

#![warn(clippy::wildcard_enum_match_arm, clippy::indexing_slicing)]

mod check;
mod spec;

pub use check::Check;
pub use spec::{Method, Outcome, Spec};
