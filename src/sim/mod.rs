//! The same engine on a virtual LAN and a virtual clock: any number of nodes, web servers and a client, with delay,
//! loss, reordering, duplication, cuts, pauses, crashes and restarts. The same seed gives the same run.
//!
//! Part of the product (`vipdeck demo`) and of its tests. Start with [`World`].

mod client;
mod host;
mod lan;
mod scenario;
mod stage;
mod world;

pub use client::Client;
pub use host::{Host, Incarnation};
pub use lan::Lan;
pub use scenario::{SCENARIOS, ScenarioError, files, scenario};
pub use stage::{Pace, act, stage};
pub use world::{Server, World};
