//! One health check: what the configuration says, its machine of retries and delays, and what answers mean.
//!
//! Pure: results go in, verdicts and the next start time come out. `sys::checks` does the talking.

#![warn(clippy::wildcard_enum_match_arm, clippy::indexing_slicing)]

mod check;
pub mod dns;
mod found;
mod http;
mod judge;
mod regex;
pub mod response;
pub mod smtp;
mod spec;

pub use check::{Change, Check, KEPT, Standing};
pub use found::{Found, Record, Weight};
pub use http::{Http, Protocol, Regex, Tls, Url, Verify};
pub use judge::hex;
pub use regex::{BadPattern, Pattern};
pub use spec::{Connection, Dns, DnsType, Method, Misc, Outcome, Reply, Spec, Udp};
