//! What a service manager asks of this process by its environment (sd_watchdog_enabled(3)), and what it is told
//! (sd_notify(3)).

pub use sd_notify::NotifyState;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// Tells the manager. The engine's thread does, too, so nobody waits for a manager that does not read: what it has no
/// place for is lost. Without a manager there is nobody to tell.
pub fn tell(states: &[NotifyState<'_>]) {
    let Ok(address) = std::env::var("NOTIFY_SOCKET") else { return };
    let address = match address.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(address),
    };
    let text = states.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    let _ = address.and_then(|address| {
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        socket.send_to_addr(text.as_bytes(), &address)
    });
}

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
