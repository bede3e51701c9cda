//! Why a state changed, and what else is worth saying, as sentences.

use super::state::Role;
use crate::time::Duration;
use std::fmt;
use std::net::IpAddr;

/// Why the state changed: the answer to "why did it move?", written once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The conditions are good, the router takes part.
    Started,
    /// The engine was started again, and the router goes on where it was.
    Adopted,
    /// Priority 255: the addresses are this router's own.
    Owner,
    /// The master fell silent; who it was and its priority, if any was heard.
    Silence {
        waited: Duration,
        last: Option<(IpAddr, u8)>,
    },
    /// The master said that it gives up (priority 0).
    MasterResigned {
        from: IpAddr,
        waited: Duration,
    },
    /// The master that is heard has a lower priority.
    Preempting {
        from: IpAddr,
        theirs: u8,
        ours: u8,
    },
    HigherPriority {
        from: IpAddr,
        theirs: u8,
        ours: u8,
    },
    /// The same priority from a higher address (RFC 3768, 6.4.3).
    HigherAddress {
        from: IpAddr,
        ours: IpAddr,
        priority: u8,
    },
    Conditions {
        faults: Vec<String>,
    },
    /// Every member of the sync group is ready to be master.
    GroupReady {
        group: String,
    },
    /// Another member of the sync group yielded.
    GroupFollows {
        group: String,
        member: String,
    },
    /// This engine slept, and another became master meanwhile or had the time to.
    Overslept {
        late: Duration,
    },
    /// Another router owns the addresses, too, and insists.
    RivalOwner {
        from: IpAddr,
    },
    Demoted,
    TakenOver,
    /// The demotion was lifted before anybody had taken over.
    Restored,
    /// Demoted or stopping, and nobody else took the addresses in time.
    NobodyTookOver {
        waited: Duration,
    },
    /// Fenced by force, and nobody else took the addresses in time.
    NobodyWanted {
        waited: Duration,
    },
    Stopping,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started => write!(f, "link and trackers are good"),
            Self::Adopted => write!(f, "this engine was started again and goes on with the addresses it held"),
            Self::Owner => write!(f, "priority 255 owns the addresses"),
            Self::Silence { waited, last: Some((from, priority)) } => {
                write!(f, "no advert for {}; the last was from {from}, priority {priority}", Seconds(*waited))
            }
            Self::Silence { waited, last: None } => write!(f, "no advert heard for {}", Seconds(*waited)),
            Self::MasterResigned { from, waited } => {
                write!(f, "{from} gave up (priority 0) {} ago", Seconds(*waited))
            }
            Self::Preempting { from, theirs, ours } => {
                write!(f, "the master {from} has priority {theirs}, ours is {ours}")
            }
            Self::HigherPriority { from, theirs, ours } => {
                write!(f, "priority {theirs} heard from {from}, ours is {ours}")
            }
            Self::HigherAddress { from, ours, priority } => {
                write!(f, "equal priority {priority} heard from {from}, a higher address than our {ours}")
            }
            Self::Conditions { faults } => write!(f, "{}", faults.join("; ")),
            Self::GroupReady { group } => write!(f, "every member of sync group {group} is ready"),
            Self::GroupFollows { group, member } => write!(f, "sync group {group}: {member} yielded"),
            Self::Overslept { late } => {
                write!(f, "this engine slept for {}, long enough for another to take over", Seconds(*late))
            }
            Self::RivalOwner { from } => write!(f, "{from} is priority 255, too, and does not yield: giving in at 254"),
            Self::Demoted => write!(f, "demoted by an operator"),
            Self::TakenOver => write!(f, "taken over by an operator"),
            Self::Restored => write!(f, "restored by an operator before anybody had taken over"),
            Self::NobodyTookOver { waited } => {
                write!(f, "nobody took over within {}: this node keeps the addresses at priority 1", Seconds(*waited))
            }
            Self::NobodyWanted { waited } => {
                write!(
                    f,
                    "nobody took over within {}, and it was fenced by force: the addresses have no owner",
                    Seconds(*waited)
                )
            }
            Self::Stopping => write!(f, "the engine is stopping"),
        }
    }
}

/// Something worth saying that changed no state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// A successor was heard: the addresses stay until it has announced them.
    HandedOver { to: IpAddr, priority: u8, after: Duration },
    /// The successor announced the addresses, or had the time for it.
    Released,
    /// As master, a lower priority was heard: somebody else believes to be master.
    LowerPriority { from: IpAddr, theirs: u8, ours: u8 },
    /// A lower master is heard, and `preempt_delay` begins.
    PreemptDelayed { from: IpAddr, delay: Duration },
    /// This engine slept: its silence, or what it did not hear, proves nothing.
    Overslept { late: Duration },
    /// As owner, another owner was heard that should yield to us.
    RivalOwner { from: IpAddr },
    /// An advert with our own source address.
    OwnAddress { from: IpAddr },
    /// Somebody gave up (priority 0) while this router is not waiting for it.
    ResignationHeard { from: IpAddr },
    /// The hold was lifted.
    Restored { role: Role },
    /// Already master: the takeover only raises the priority.
    Pinned,
    /// The demotion of a router that does not hold the addresses.
    HeldBack,
    /// Nobody is heard, and a fenced router does not take over.
    Barred { waited: Duration },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HandedOver { to, priority, after } => {
                write!(f, "taken over by {to} (priority {priority}) after {}", Seconds(*after))
            }
            Self::Released => write!(f, "addresses released: the new master has announced them"),
            Self::LowerPriority { from, theirs, ours } => write!(
                f,
                "{from} advertises priority {theirs} while we are MASTER at {ours}: answered with an advert and ARP"
            ),
            Self::PreemptDelayed { from, delay } => {
                write!(f, "{from} is master with a lower priority: taking over in {} (preempt_delay)", Seconds(*delay))
            }
            Self::Overslept { late } => {
                write!(f, "this engine slept for {}: what it did not hear meanwhile proves nothing", Seconds(*late))
            }
            Self::RivalOwner { from } => {
                write!(
                    f,
                    "{from} is priority 255, too: two routers cannot own the same addresses; give one of them less"
                )
            }
            Self::OwnAddress { from } => {
                write!(f, "an advert came from our own address {from}: another machine has it, or the network loops")
            }
            Self::ResignationHeard { from } => write!(f, "{from} gave up (priority 0)"),
            Self::Restored { .. } => write!(f, "hold lifted, priority as configured"),
            Self::Pinned => write!(f, "already MASTER, now at priority 254"),
            Self::HeldBack => write!(f, "held at priority 1"),
            Self::Barred { waited } => {
                write!(f, "no advert for {}, and this node is fenced: it does not take over", Seconds(*waited))
            }
        }
    }
}

/// Seconds to the millisecond.
struct Seconds(Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3} s", self.0.as_secs_f64())
    }
}
