//! Links, addresses and routes of this network namespace, over rtnetlink.
//!
//! Two connections: a connection that both asks and listens would swallow the notifications about its own changes,
//! because they carry its sequence numbers. [`Netlink`] asks, [`Monitor`] listens.

mod batch;
mod error;
mod monitor;
mod requests;
mod routes;
mod routing_monitor;
mod rules;
mod tunnels;
mod view;
mod virtual_links;
mod way;

pub use batch::Batches;
pub use error::NetlinkError;
pub use monitor::Monitor;
pub use requests::{HostRoute, Netlink};
pub use routing_monitor::RoutingMonitor;
pub use view::LinkEvent;
pub use way::Way;

use std::io;

/// The protocol number that marks what is ours, the one keepalived uses (`RTPROT_KEEPALIVED`). Kernels before 5.18
/// keep none for addresses and ignore it.
pub const PROTOCOL_TAG: u8 = crate::kernel::OUR_PROTOCOL;

impl Netlink {
    /// Opens both connections in this thread's network namespace and runs them on the current tokio runtime,
    /// which needs I/O and time.
    pub fn open() -> io::Result<(Self, Monitor)> {
        let netlink = Self::requests_only()?;
        let monitor = Monitor::start(netlink.clone())?;
        Ok((netlink, monitor))
    }
}
