//! Keys in, screen out: fixture snapshots, a fixed clock, key strings, stored pictures.
#![expect(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, clippy::string_slice, reason = "test code")]

mod acting;
mod alarms;
mod asking;
mod cluster;
mod crawl;
mod fixture;
mod papers;
mod pictures;
mod questions;
mod replays;
mod risks;
mod stale;
mod tables;
mod tracks;
mod truth;
mod whys;
