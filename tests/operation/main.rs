//! Operation: what an engine shows, dumps and leaves behind, beside keepalived where it is installed. Needs root,
//! keepalived and iproute2.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::explicit_write,
    clippy::disallowed_methods,
    reason = "test code"
)]

#[path = "../common/capture.rs"]
#[expect(dead_code, reason = "shared with other tests")]
mod capture;
mod dumped;
mod dumps;
#[path = "../common/engine.rs"]
#[expect(dead_code, reason = "shared with other tests")]
mod engine;
mod guest;
mod host;
#[path = "../common/guest.rs"]
mod kernel;
mod leaving;
#[path = "../kernel/namespaces.rs"]
#[expect(dead_code, reason = "shared with other tests")]
mod namespaces;
#[path = "../common/programs.rs"]
mod programs;
mod samples;
mod services;
mod settings;
