//! One virtual router (RFC 3768, RFC 9568): what the configuration says about it, and its state machine.
//!
//! Pure: it is told what happened and when, and answers with what should happen. It knows no socket, no clock, no
//! other instance and no configuration language. Start with [`spec`], then [`state`], then [`instance`].

#![warn(clippy::wildcard_enum_match_arm, clippy::indexing_slicing)]

mod adopting;
mod auth;
mod backup;
mod cause;
mod group;
mod instance;
mod master;
mod moment;
mod notify;
mod reconfigure;
mod rise_fall;
mod spec;
mod state;
#[cfg(test)]
mod tests;
mod weigh;
mod yielding;

pub use adopting::Was;
pub use auth::{AntiReplay, Auth, Hmac, HmacKey, HmacMode, Password};
pub use cause::{Cause, Note};
pub use group::{GroupSpec, all_ready, follows, has_yielded, with_others};
pub use instance::{Grouping, Heard, Input, Instance, Order, Output, Refusal};
pub use moment::Moment;
pub use notify::{Command, Notify, RunAs};
pub use rise_fall::RiseFall;
pub use spec::{
    BadVrid, ChecksumStyle, GROUP_V4, GROUP_V6, Garp, OldUnicast, OwnLink, Peer, Peering, Spec, Track, Tracker,
    Unicast, Version, Vrid,
};
pub use state::{Conditions, Hold, Role, State, Term};
pub use weigh::{weigh, weigh_number};
