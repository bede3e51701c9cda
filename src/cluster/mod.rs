//! What this node can conclude about the others from what it hears: findings, each with its evidence.

pub mod configuration;
pub mod difference;
mod findings;

pub use findings::{FORGET_AFTER, Findings};
