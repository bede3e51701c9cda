//! Answers without a screen: check, explain, status, events, alarms, and the verbs over the control link.

pub mod alarms;
mod asked;
pub mod audit;
pub mod changes;
pub mod check;
mod checks;
pub mod config;
pub mod dump;
mod engines;
pub mod events;
pub mod explain;
pub mod intent;
pub mod keepalived;
mod markdown;
pub mod metrics;
mod outcome;
mod owners;
mod sentence;
pub mod status;
pub mod story;
mod table;
mod text;
pub mod verbs;
pub mod watch;
pub mod what_if;
pub mod why;
mod wire;

/// What the exit status of `status`, `events` and the verbs says. Stable: scripts rely on it.
pub mod exit {
    /// Done, or accepted where it was not to be waited for.
    pub const DONE: u8 = 0;
    /// The engine rejected the command, or does not allow this user to give it.
    pub const REJECTED: u8 = 1;
    /// It could not be asked: no engine, no answer, a mistake on the command line.
    pub const NOT_ASKED: u8 = 2;
    /// It has not come about within the timeout.
    pub const TIMEOUT: u8 = 3;
    /// Something else came about: nobody took over, another operator intervened.
    pub const DIFFERENT: u8 = 4;
}
