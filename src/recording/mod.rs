//! Recordings: what consoles were fed and what engines published, packed, bounded and read back.
//!
//! A recording is a row of gzip members (RFC 1952), so that `zcat FILE | jq` reads it: lines of JSON, each with both
//! clocks. The first line says what it is; every other member opens with the whole state, and its lines are events
//! and what changed in the snapshots since the line before. Start with [`Writer`] and [`Recording`].

mod line;
mod pack;
mod patch;
mod read;
mod writer;

pub use line::{FORMAT, Fed, Header, Link, Moment};
pub use read::{Damage, Entry, Feeds, Opened, Part, Played, Recording, Unreadable};
pub use writer::{Limits, Piece, Writer, head};
