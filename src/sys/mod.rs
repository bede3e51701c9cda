//! The only module that touches the host: sockets, netlink, IPVS, processes, files, the clock.
//!
//! It offers verbs (receive an advert, apply a change, run a probe) and knows nothing of the engine.

#![expect(clippy::disallowed_methods, reason = "the only module that touches the host")]

pub mod child;
pub mod clock;
pub mod files;
pub mod limits;
pub mod netns;
pub mod probe;
pub mod process;
pub mod wiring;
