//! The IPVS table (ipvsadm(8)), wanted and observed.

mod forwarding;
mod key;
mod scheduler;
mod sync;
mod table;

pub use forwarding::{Checksum, Forwarding, Tunnel};
pub use key::{DestinationKey, Protocol, ServiceKey, UnknownWord};
pub use scheduler::{Scheduler, SchedulerFlags};
pub use sync::{SyncDaemon, SyncRole, Timeouts};
pub use table::{
    Counters, Destination, ObservedDestination, ObservedService, ObservedTable, Persistence, Service, Table,
};
