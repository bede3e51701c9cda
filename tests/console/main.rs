//! Keys in, screen out: fixture snapshots, a fixed clock, key strings, stored pictures.
#![expect(clippy::unwrap_used, clippy::panic, reason = "test code")]

mod crawl;
mod fixture;
mod pictures;
mod questions;
mod truth;
