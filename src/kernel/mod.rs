//! What the kernel holds, as data: links and addresses, and the IPVS table.
//!
//! Pure: nothing here touches the kernel. `sys` reads it into these types and carries out a [`Change`];
//! `engine` says what should be there. Start with [`state`], then [`plan`].

mod change;
mod ipvs;
mod plan;
mod route;
mod state;

pub use change::Change;
pub use ipvs::{
    Counters, Destination, DestinationKey, Forwarding, ObservedDestination, ObservedService, ObservedTable, Protocol,
    Scheduler, Service, ServiceKey, Table, UnknownWord,
};
pub use plan::plan_table;
pub use route::{Route, Rule};
pub use state::{Address, AddressFlags, Link, Scope};
