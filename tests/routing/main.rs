//! Addresses, routes, rules and static objects in a real kernel, next to those of Debian's keepalived. Needs root,
//! iproute2, keepalived and tcpdump.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::explicit_write,
    clippy::disallowed_methods,
    reason = "test code"
)]

mod bench;
#[path = "../common/capture.rs"]
#[expect(dead_code, reason = "shared with other tests")]
mod capture;
#[path = "../common/engine.rs"]
#[expect(dead_code, reason = "shared with other tests")]
mod engine;
mod equal;
mod fixed;
#[path = "../kernel/namespaces.rs"]
#[expect(dead_code, reason = "shared with other tests")]
mod namespaces;
#[path = "../common/programs.rs"]
mod programs;
mod refused;
mod taken;
