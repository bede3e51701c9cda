//! One virtual router (RFC 3768, RFC 9568): what the configuration says about it, and its state machine.
//!
//! Pure: it is told what happened and when, and answers with what should happen. It knows no socket, no clock, no
//! other instance and no configuration language. Start with [`spec`], then [`instance`].

mod spec;

pub use spec::{BadVrid, Garp, Password, ScriptTrack, Spec, Vrid};
