//! Bytes ↔ packets. Every decoder takes any bytes and answers with a packet or a reason; none panics.

#![warn(clippy::wildcard_enum_match_arm, clippy::indexing_slicing)]

pub mod ah;
pub mod arp;
pub mod bfd;
pub mod checksum;
pub mod ipv4;
pub mod ndisc;
pub mod reach;
pub mod signed;
pub mod vrrp;
