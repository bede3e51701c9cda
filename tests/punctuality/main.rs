//! Adverts leave on time, whatever happens to the console and its terminal. Needs root and tcpdump.
//!
//! `vipdeck run` gets a pseudo-terminal; the adverts are captured at the other end of a cable, with the kernel's
//! timestamps. Each phase takes 12 seconds, or 60 with `VIPDECK_LONG=1`.

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

#[path = "../common/capture.rs"]
#[expect(dead_code, reason = "shared with other tests")]
mod capture;
mod console;
#[path = "../common/engine.rs"]
#[expect(dead_code, reason = "shared with other tests")]
mod engine;
mod gaps;
#[path = "../kernel/namespaces.rs"]
#[expect(dead_code, reason = "shared with other tests")]
mod namespaces;
mod phases;
#[path = "../common/programs.rs"]
mod programs;
