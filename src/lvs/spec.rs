//! What the configuration says about a virtual service.

use crate::health;
use crate::kernel::{DestinationKey, Forwarding, Scheduler, ServiceKey};
use serde::{Deserialize, Serialize};

/// One `virtual_server`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceSpec {
    pub key: ServiceKey,
    pub scheduler: Scheduler,
    /// `lb_kind`: what real servers use unless they say otherwise.
    pub forwarding: Forwarding,
    /// `persistence_timeout`, seconds; none: no persistence.
    pub persistence: Option<u32>,
    pub reals: Vec<RealSpec>,
}

/// One `real_server`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RealSpec {
    pub key: DestinationKey,
    pub forwarding: Forwarding,
    pub weight: u32,
    /// A failed server stays in the table with weight 0 (`inhibit_on_failure`).
    pub inhibit_on_failure: bool,
    /// All must pass; none: always up.
    pub checks: Vec<health::Spec>,
}
