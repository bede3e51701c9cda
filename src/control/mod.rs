//! The link between engines and consoles: in this process, over a Unix socket, through ssh.
//!
//! Start with [`Board`], what an engine publishes on, and [`Feed`], what a console reads from: the same two types
//! whatever lies between them.

mod access;
mod board;
pub mod client;
mod clusters;
mod feed;
pub mod journal;
mod records;
pub mod relay;
pub mod server;
pub mod sse;
mod target;

pub use access::Access;
pub use board::{Board, EVENTS_KEPT};
pub use clusters::{NodeList, list, meant};
pub use feed::{Connection, Feed, Request, StageFeed, StageRequest};
pub use records::{AUDIT_KEPT, Audit, Records, Unseen};
pub use target::{Target, default_socket, engines, resolve};
