//! Sync groups: instances that are master together (keepalived.conf(5), vrrp_sync_group).

use super::notify::Notify;
use serde::{Deserialize, Serialize};

/// One `vrrp_sync_group`. Trackers of the group stand in its members already.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupSpec {
    pub name: String,
    /// Instances by name, at least one.
    pub members: Vec<String>,
    pub notify: Notify,
}
