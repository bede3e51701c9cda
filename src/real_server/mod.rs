//! `vipdeck real-server`: this machine as a real server for direct routing (VIPs on lo, no ARP for them).
//!
//! A director with direct routing hands packets on with the VIP still in them, so a real server must take the VIP as
//! its own, but must not tell the link that it has it. `plan` says what is to do, from what is and what is remembered
//! (`memory`); `host` looks and does; `show` tells. Pure but for `host` and `command`.

pub mod command;
mod host;
mod memory;
mod plan;
mod show;
