//! Sync groups: instances that are master together (keepalived.conf(5), vrrp_sync_group).

use super::instance::Instance;
use super::notify::Notify;
use super::state::{Conditions, Role, State};
use serde::{Deserialize, Serialize};

/// One `vrrp_sync_group`. Trackers of the group stand in its members already.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupSpec {
    pub name: String,
    /// Instances by name, at least one.
    pub members: Vec<String>,
    pub notify: Notify,
}

/// Every member is ready to be master, or is it already: all take over.
pub fn all_ready<'a>(mut members: impl Iterator<Item = &'a Instance>) -> bool {
    members.all(|m| m.is_ready() || matches!(m.state(), State::Master { .. }))
}

/// A member that was `from` has yielded to another router: the others follow. One that yields on an operator's word has
/// not yielded to anybody until a successor is heard.
pub const fn has_yielded(from: Role, member: &Instance) -> bool {
    matches!(from, Role::Master) && matches!(member.state(), State::Backup { .. })
}

/// Whether this member follows one that has yielded.
pub const fn follows(member: &Instance) -> bool {
    matches!(member.state(), State::Master { .. } | State::Yielding { .. })
}

/// A member's own conditions with what keeps another member, by name, from taking part.
pub fn with_others<'a>(
    mut own: Conditions,
    group: &str,
    others: impl Iterator<Item = (&'a str, &'a Conditions)>,
) -> Conditions {
    for (name, other) in others {
        let of_other = |text: &String| format!("sync group {group}: {name}: {text}");
        own.faults.extend(other.faults.iter().map(of_other));
        own.waiting.extend(other.waiting.iter().map(of_other));
    }
    own
}
