//! Bytes and packets: what goes over the wire, encoded and decoded without ever panicking.

#![warn(clippy::indexing_slicing, clippy::wildcard_enum_match_arm)]

pub mod arp;
pub mod checksum;
pub mod ipv4;
