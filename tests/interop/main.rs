//! vipdeck and keepalived, or FRR, as the two nodes of one pair, on a switch of their own. Needs root, and Debian's keepalived,
//! frr, tcpdump and tshark.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::explicit_write,
    clippy::unchecked_time_subtraction,
    clippy::disallowed_methods,
    reason = "test code"
)]

mod ah;
#[path = "../common/capture.rs"]
#[expect(dead_code, reason = "shared with other tests")]
mod capture;
mod dissect;
mod elections;
#[path = "../common/engine.rs"]
mod engine;
mod failover;
mod frr;
mod kinds;
#[path = "../kernel/namespaces.rs"]
#[expect(dead_code, reason = "shared with other tests")]
mod namespaces;
mod node;
mod packets;
mod password;
#[path = "../common/programs.rs"]
mod programs;
mod signed;
mod stage;
mod timing;
mod watch;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The tests measure time, so they run one after the other. None if this machine does not let us.
fn alone() -> Option<MutexGuard<'static, ()>> {
    static ONE: Mutex<()> = Mutex::new(());
    let guard = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    programs::has(&["keepalived", "tcpdump", "tshark"]).then_some(guard)
}
