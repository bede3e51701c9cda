//! Virtual services: from specs, verdicts and the operator's intent to the table that should exist; and the
//! schedulers, which the embedded balancer and the simulator share.

mod intent;
pub mod scheduler;
mod service;
mod spec;

pub use intent::{Drain, Intent, Reset, Rising, STEPS};
pub use service::{Quorum, QuorumChange, Real, Service, desired_table, holds_quorum};
pub use spec::{Group, RealSpec, ServiceSpec, Sorry};
