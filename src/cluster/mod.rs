//! What can be concluded from what nodes hear and say: an engine's findings, each with its evidence, and the alarms of
//! one node or of all.

mod alarms;
pub mod configuration;
pub mod difference;
mod findings;
mod routers;

pub use alarms::{Seen, Trust, alarms};
pub use findings::{FORGET_AFTER, Findings};
pub use routers::{Router, nets, routers, vips_in_short};
