//! The lab: its namespaces, programs and measurements.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::explicit_write,
    clippy::disallowed_methods,
    reason = "test code"
)]

mod client;
mod cluster;
#[path = "../common/guest.rs"]
mod guest;
mod harness;
mod recorded;
mod stage;
