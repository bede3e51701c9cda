//! The real effects, in throw-away network namespaces. Needs root.

#![expect(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "test code")]
#![expect(clippy::explicit_write, reason = "the test harness keeps what eprintln! says to itself")]

mod addresses;
mod adverts;
mod namespaces;
mod real_server;
mod real_server_permanent;
mod real_server_verify;
