//! What a check is, and what one run of it found.

use crate::time::Duration;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// One check of one real server (keepalived.conf(5), the checkers' common options).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    pub method: Method,
    /// From the end of one check to the start of the next (`delay_loop`).
    pub period: Duration,
    /// Further tries after a failure while up.
    pub retry: u32,
    /// The pause before such a try.
    pub delay_before_retry: Duration,
    /// The first check starts at a random point within this (`warmup`).
    pub warmup: Duration,
    /// Down until it succeeds, instead of up until it fails.
    pub alpha: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Method {
    /// `TCP_CHECK`: a connection to `target` completes within `timeout`.
    Tcp { target: SocketAddr, timeout: Duration },
}

impl Method {
    /// keepalived's word for it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Tcp { .. } => "TCP_CHECK",
        }
    }
}

/// What one run found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    pub good: bool,
    /// What was seen, for people: "connected", "connection refused", "no answer in 3 s".
    pub detail: String,
    pub took: Duration,
}
