//! Real servers: every loopback address answers on a few ports, and each port can be closed.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// So many ports; each real server has one.
pub(crate) const PORTS: usize = 10;
const FIRST: usize = 8000;

pub(crate) fn address(index: usize) -> (Ipv4Addr, u16) {
    let [high, low] = [1 + index / 250, 1 + index % 250].map(|n| u8::try_from(n).unwrap());
    (Ipv4Addr::new(127, 1, high, low), u16::try_from(FIRST + index % PORTS).unwrap())
}

/// All ports of all servers.
pub(crate) struct Servers(Vec<Port>);

struct Port {
    closing: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Servers {
    pub(crate) fn start() -> Self {
        Self((FIRST..FIRST + PORTS).map(Port::open).collect())
    }

    /// A tenth of the servers refuse from now on.
    pub(crate) fn close_one_port(&mut self) {
        self.0.pop();
    }
}

impl Port {
    fn open(port: usize) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, u16::try_from(port).unwrap())).unwrap();
        listener.set_nonblocking(true).unwrap();
        let closing = Arc::new(AtomicBool::new(false));
        let told = closing.clone();
        let serve = move || {
            while !told.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok(accepted) => drop(accepted),
                    // A short queue of those that wait is emptied often enough.
                    Err(_none) => std::thread::sleep(Duration::from_millis(2)),
                }
            }
        };
        Self { closing, thread: Some(std::thread::spawn(serve)) }
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::Relaxed);
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(matches!(ended, Some(Ok(()))));
    }
}
