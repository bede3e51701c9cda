//! What the neighbours of a link are told, and what is found out about them: announcements of addresses, counted and
//! timed in captures, and second owners. Needs root, iproute2 and nftables; keepalived where it is the rival.

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
#[path = "../common/ear.rs"]
mod ear;
#[path = "../common/engine.rs"]
mod engine;
#[path = "../kernel/namespaces.rs"]
#[expect(dead_code, reason = "shared with other tests")]
mod namespaces;
#[path = "../common/programs.rs"]
mod programs;
mod rivals;
mod schedule;

use crate::engine::{PROGRAM, status};
use crate::namespaces::wait_for;
use crate::programs::Running;
use std::path::{Path, PathBuf};

/// An engine in a namespace, with its control socket.
struct Node {
    _running: Running,
    socket: PathBuf,
}

impl Node {
    /// Starts it with this text as its configuration, and variables as its settings.
    fn start(namespace: &str, directory: &Path, name: &str, text: &str, settings: &[&str]) -> Self {
        let path = |kind: &str| directory.join(format!("{name}.{kind}"));
        let (config, socket) = (path("conf"), path("sock"));
        std::fs::write(&config, text).unwrap();
        let (config, at) = (config.display().to_string(), socket.display().to_string());
        let argv = [&["env"], settings, &[PROGRAM, "run", "--headless", "-f", &config, "--control", &at]].concat();
        let running = Running::start(namespace, directory, name, &argv);
        wait_for("the engine answers", 10, || status(&socket).is_some());
        Self { _running: running, socket }
    }
}
