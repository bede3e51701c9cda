//! One health check: what the configuration says, and its machine of retries and delays.
//!
//! Pure: results go in, verdicts and the next start time come out. `sys::probe` does the talking.

mod spec;

pub use spec::{Method, Outcome, Spec};
