//! Answers without a screen: check, status, events, and the verbs over the control link.

pub mod check;
pub mod events;
pub mod status;
pub mod verbs;
