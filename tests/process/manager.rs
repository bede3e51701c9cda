//! What a service manager is told (sd_notify(3)).

use crate::Bench;
use crate::namespaces::wait_for;
use crate::programs::signal;
use nix::sys::signal::Signal;
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

/// Everything told within a time.
fn told(socket: &UnixDatagram, within: Duration) -> Vec<String> {
    let end = Instant::now() + within;
    let mut all = Vec::new();
    let mut bytes = [0; 512];
    while Instant::now() < end {
        if let Ok(length) = socket.recv(&mut bytes) {
            all.extend(String::from_utf8_lossy(&bytes[..length]).lines().map(str::to_owned));
        }
    }
    all
}

// parity: 92
#[test]
fn the_service_manager_is_told_of_start_reload_and_stop_and_that_the_loop_turns() {
    for unguarded in [false, true] {
        let Some(mut bench) = Bench::new("") else { return };
        bench.unguarded = unguarded;
        let path = bench.path("manager");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let address = format!("NOTIFY_SOCKET={}", path.display());
        bench.start(&[&address, "WATCHDOG_USEC=400000"]);
        let pid = bench.engine_pid();
        let begin = told(&socket, Duration::from_secs(1));
        assert_eq!(begin.iter().filter(|t| *t == "READY=1").count(), 1, "{begin:?}");
        assert!(begin.iter().any(|t| t.starts_with("STATUS=MASTER of ")), "{begin:?}");
        let pings = |all: &[String]| all.iter().filter(|t| *t == "WATCHDOG=1").count();
        // Every 0.2 s; a loaded machine may miss some, and some may have come before.
        assert!((3..=16).contains(&pings(&begin)), "{begin:?}");
        if unguarded {
            // Whoever hangs gives no sign of life.
            signal(pid, Signal::SIGSTOP);
            told(&socket, Duration::from_millis(300));
            assert_eq!(pings(&told(&socket, Duration::from_secs(1))), 0);
            signal(pid, Signal::SIGCONT);
            assert!(pings(&told(&socket, Duration::from_secs(1))) > 0);
        }
        signal(pid, Signal::SIGHUP);
        wait_for("the reload", 5, || bench.said("configuration reloaded"));
        let reload = told(&socket, Duration::from_millis(300));
        let reload: Vec<_> = reload.into_iter().filter(|t| t != "WATCHDOG=1" && !t.starts_with("STATUS=")).collect();
        assert_eq!(reload[0], "RELOADING=1", "{reload:?}");
        assert!(reload[1].starts_with("MONOTONIC_USEC="), "{reload:?}");
        assert_eq!(reload[2..], ["READY=1"]);
        assert!(bench.engine.take().unwrap().stop().success());
        let end = told(&socket, Duration::from_millis(100));
        assert!(end.contains(&"STOPPING=1".to_owned()), "{end:?}");
    }
}
