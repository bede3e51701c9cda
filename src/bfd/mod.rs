//! BFD, asynchronous mode (RFC 5880), over one hop (RFC 5881) or several (RFC 5883).
//!
//! Values in, values out: packets and moments go in; packets to send and news of sessions come out. No clock, no socket.
//! [`Session`] is the protocol between two systems, [`Sessions`] tells which packet belongs to which of them, and
//! [`News`] is what others learn of it. Start with [`Session::handle`].

#![warn(clippy::wildcard_enum_match_arm, clippy::indexing_slicing)]

mod news;
mod random;
mod session;
mod sessions;
mod spec;
#[cfg(test)]
mod tests;

pub use news::{Cause, Change, News, Refusal, Refused, Status};
pub use session::{Input, Output, Session};
pub use sessions::{Arrival, Departure, Sessions, Step};
pub use spec::Spec;
