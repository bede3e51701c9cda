//! Composition: inputs in, ordered effects out. Owns every virtual router, service, script and belief of one node, and
//! no handle to anything outside.
//!
//! Start with [`input`](Input) and [`Effect`], then `core`. `addresses` and `routing` say what the kernel should hold,
//! `services` what the table should hold; all are functions of the state, so that every way into and out of MASTER is one case.

#![warn(clippy::wildcard_enum_match_arm, clippy::indexing_slicing)]

mod acknowledge;
mod actions;
mod addresses;
mod admission;
mod announcing;
mod authentic;
mod bfd;
mod checks;
mod commands;
mod conditions;
mod configuration;
mod core;
mod effect;
mod election;
mod extra_garp;
mod firewall;
mod groups;
mod holds;
mod input;
mod intents;
mod keeper;
mod keeping;
mod lease;
mod legacy;
mod link_delays;
mod locks;
mod log;
mod mail;
mod neighbours;
mod network;
mod notify;
mod orders;
mod origin;
mod quorum;
mod random;
mod real_commands;
mod reload;
mod rivals;
mod router;
mod routing;
mod scripts;
mod services;
mod settings;
mod snapshot;
mod spread;
mod table;
mod trackers;
mod virtual_links;

pub use self::core::{Engine, Setup};
pub use effect::{Advert, CheckId, Effect, Letter, Notice, Topic};
pub use input::{Carrier, Input, Packet};
pub use keeping::Keep;
pub use legacy::{Legacy, NodeRecord, RouterRecord};
pub use orders::Orders;
pub use random::Random;
pub use trackers::{Counted, FileReading};
