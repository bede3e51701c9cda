//! The embedded user-space balancer: serves an IPVS table where the kernel has no ip_vs.
//!
//! It takes the same [`kernel::Change`](crate::kernel::Change)s as IPVS, uses the same schedulers, persistence and
//! thresholds, and reads back the same [`ObservedTable`](crate::kernel::ObservedTable). What remains different: real
//! servers see this node as their client (the PROXY protocol tells them who it was); a connection that no server takes
//! is accepted and then reset; marks, SCTP and services on all ports cannot be listened on.
//!
//! What its counts mean: connections are those that a server accepted (IPVS counts each that it scheduled); bytes are
//! what was said, without headers; packets of TCP are the segments that the kernel counts for the client's socket, of
//! UDP the datagrams; inactive are connections being made or half closed (IPVS: also those that ended a while ago).
//!
//! Start with [`Balancer`]; [`table`] is what it serves, [`session`] one connection, [`datagrams`] a service over UDP.
//! Each of its threads ([`workers`]) has sessions of its own, which never wait for one another.

mod affinity;
mod datagrams;
mod descriptors;
mod handle;
mod listener;
mod place;
mod proxy;
mod relay;
mod session;
mod shared;
mod table;
mod workers;

pub use handle::{Balancer, Refused};
pub use proxy::ProxyVersion;
pub use shared::Options;
