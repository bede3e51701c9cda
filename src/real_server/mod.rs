//! `vipdeck real-server`: this machine as a real server for direct routing and tunnels, and whether others are.
//!
//! A director that changes no packet hands it on with the VIP still in it, so a real server must take the VIP as its
//! own, but must not tell the link that it has it. `plan` says what is to do, from what is and what is remembered
//! (`memory`); `host` looks and does; `show` tells; `permanent` has the files that do it at every start; `verify` asks
//! from a director. Pure but for `host`, `written`, `file::read`, `verify::ask` and `command`.

pub mod command;
mod file;
mod host;
mod memory;
mod permanent;
mod plan;
mod show;
mod verify;
mod vip;
mod written;
