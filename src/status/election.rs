//! What decides elections and stands nowhere else in an instance's report: with it, any console can run the same
//! machine on.

use crate::time::{Duration, Instant};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// The effective values of the protocol, and where the machine stands. Instants are on the node's clock.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Election {
    pub ipv6: bool,
    /// `state MASTER` in the file.
    pub wishes_master: bool,
    pub preempt_delay: Duration,
    /// Adverts missed until the master is down.
    pub down_adverts: u32,
    /// Unicast peers; empty: multicast.
    pub peers: Vec<IpAddr>,
    pub lower_prio_no_advert: bool,
    pub higher_prio_send_advert: bool,
    pub owner_ignore_adverts: bool,
    /// Before this nothing is heard and nothing taken over.
    pub not_before: Instant,
    /// What the master-down time is counted in.
    pub master_interval: Duration,
    /// When the silence that may end in a takeover began.
    pub quiet_since: Instant,
    /// Who gave up since then.
    pub resigned: Option<IpAddr>,
    /// A lower master is put up with until then.
    pub preempt_at: Option<Instant>,
    /// Silence has made it ready to be master, and other members of its sync group are not.
    pub ready: bool,
    /// Lately master: the addresses stay until then, or until a successor has announced them.
    pub release_at: Option<Instant>,
    /// Yielding, since then.
    pub yields_since: Option<Instant>,
    /// Yielding, and a successor was heard.
    pub succeeded: bool,
    /// Yielding, and the addresses go even if nobody takes them.
    pub releases: bool,
    /// Fenced, and no silence makes it master.
    pub barred: bool,
    /// Preemption is paused.
    pub paused: bool,
    /// It gave in to another owner of the same addresses.
    pub gave_in: bool,
    /// Another owner is heard; if it still is then, this one gives in.
    pub gives_in_at: Option<Instant>,
    /// Its engine goes on after a restart, and it does not know yet whether it may.
    pub adopting: bool,
    /// Out of the protocol for good.
    pub stopped: bool,
    /// What its own link and trackers say, without those of its sync group.
    pub own_faults: Vec<String>,
    pub waiting: Vec<String>,
    pub own_waiting: Vec<String>,
}
