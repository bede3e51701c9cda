//! What a service manager asks of this process by its environment (sd_watchdog_enabled(3)).

use std::time::Duration;

/// How long the manager waits for a sign of life; none: it wants none. It may ask it of this process or of the guard
/// that has started it.
pub fn watchdog() -> Option<Duration> {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    let asked = number("WATCHDOG_PID").is_none_or(|pid| {
        let ours = [nix::unistd::getpid(), nix::unistd::getppid()];
        ours.iter().any(|own| u64::try_from(own.as_raw()) == Ok(pid))
    });
    number("WATCHDOG_USEC").filter(|us| asked && *us > 0).map(Duration::from_micros)
}
