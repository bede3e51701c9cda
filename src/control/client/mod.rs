//! The console's side of the control link: one-shot questions, and a [`Feed`](crate::control::Feed) that is kept.

mod ask;
mod clock;
mod keep;
mod life;
mod link;
mod rotation;

pub use ask::{Failure, audit, checks, command, config, events, journal, metrics, nodes, status};
pub use keep::connect;
pub use life::Life;
