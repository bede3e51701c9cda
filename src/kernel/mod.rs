//! What the kernel holds, as data: links, addresses, routes and rules, the firewall's table, and the IPVS table.
//!
//! Pure: nothing here touches the kernel. `sys` reads it into these types and carries out a [`Change`];
//! `engine` says what should be there. Start with [`state`], then [`plan`].

mod change;
mod firewall;
mod ipvs;
mod plan;
mod route;
mod rule;
mod state;
mod virtual_link;

pub use change::{Change, Routing, RoutingNews};
pub use firewall::{Firewall, FirewallTable};
pub use ipvs::{
    Checksum, Counters, Destination, DestinationKey, Forwarding, ObservedDestination, ObservedService, ObservedTable,
    Persistence, Protocol, Scheduler, SchedulerFlags, Service, ServiceKey, SyncDaemon, SyncRole, Table, Timeouts,
    Tunnel, UnknownWord,
};
pub use plan::{plan_daemons, plan_table};
pub use route::{
    Encap, Hop, MAIN_TABLE, Metric, Metrics, OUR_PROTOCOL, Place, Realms, Route, RouteKey, RouteKind, TunnelOptions,
};
pub use rule::{Rule, RuleAction, RuleKey};
pub use state::{Address, AddressFlags, Link, Scope};
pub use virtual_link::{IpvlanMode, VirtualLink, VirtualLinkKind};
