//! Why the kernel did not do it.

use std::io;

/// Verb and object, then the cause: "add 10.0.0.9/24 to eth0: Operation not permitted (os error 1)".
#[derive(Debug, thiserror::Error)]
#[error("{what}: {cause}")]
pub struct NetlinkError {
    /// What was asked, such as "add 10.0.0.9/24 to eth0".
    pub what: String,
    pub cause: io::Error,
}

impl NetlinkError {
    pub(super) fn new(what: impl Into<String>, cause: io::Error) -> Self {
        Self { what: what.into(), cause }
    }

    /// The kernel's errno, if it was the kernel that refused.
    pub fn errno(&self) -> Option<i32> {
        self.cause.raw_os_error()
    }
}
