//! The embedded user-space balancer: serves an IPVS table where the kernel has no ip_vs.
//!
//! It takes the same [`kernel::Change`](crate::kernel::Change)s as IPVS, uses the same schedulers and reads back the
//! same [`ObservedTable`](crate::kernel::ObservedTable), with connections counted as they are. Differences that
//! remain: it serves TCP only, real servers see this node as their client, and there are no packets to count.
//! Start with [`Balancer`]; [`table`] is what it serves, [`session`] one connection.

mod affinity;
mod handle;
mod listener;
mod session;
mod table;

pub use handle::{Balancer, Refused};
