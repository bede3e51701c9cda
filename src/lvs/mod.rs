//! Virtual services: from specs, verdicts and the operator's intent to the table that should exist; and the
//! schedulers, which the embedded balancer and the simulator share.

pub mod scheduler;
mod spec;

pub use spec::{RealSpec, ServiceSpec};
