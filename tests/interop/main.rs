//! vipdeck and keepalived, or FRR, as the two nodes of one pair, on a switch of their own. Needs root, and Debian's keepalived,
//! frr, tcpdump, tshark and nftables.

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
mod firewall;
mod frr;
mod kinds;
#[path = "../kernel/namespaces.rs"]
mod namespaces;
mod node;
mod packets;
mod password;
#[path = "../common/programs.rs"]
mod programs;
mod signed;
mod solo;
mod stage;
mod strangers;
mod timing;
mod vmac;
mod watch;

/// Whether this machine lets us; if not, that has been said. The tests mostly wait, and may do so beside one another.
fn able() -> bool {
    programs::has(&["keepalived", "tcpdump", "tshark", "nft"])
}
