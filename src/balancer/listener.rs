//! The sockets of one virtual service: bound before its address is on the link, retried until they are.

use super::handle::Shared;
use super::session;
use crate::kernel::ServiceKey;
use crate::time::Duration;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::time::sleep;

/// A listener that may name an address this node does not hold (ip(7), IP_FREEBIND): it answers from the moment the
/// address arrives. Call it inside a runtime.
pub(super) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    match address {
        SocketAddr::V4(_) => socket.set_freebind_v4(true)?,
        SocketAddr::V6(_) => {
            socket.set_freebind_v6(true)?;
            socket.set_only_v6(true)?;
        }
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    // The kernel cuts this to net.core.somaxconn.
    socket.listen(4096)?;
    TcpListener::from_std(socket.into())
}

/// Accepts for as long as the service is in the table. Without a listener it first tries to get one, again and again.
pub(super) async fn serve(key: ServiceKey, address: SocketAddr, bound: Option<TcpListener>, shared: Arc<Shared>) {
    let listener = match bound {
        Some(listener) => listener,
        None => bind_at_last(key, address, &shared).await,
    };
    let mut starved = false;
    loop {
        match listener.accept().await {
            Ok((client, from)) => {
                if std::mem::take(&mut starved) {
                    shared.live().set_problem(&key, None);
                }
                tokio::spawn(session::run(client, from, key, shared.clone()));
            }
            // The client left the queue before its turn.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                // Out of descriptors or memory: those who wait stay in the kernel's queue.
                starved = true;
                shared.live().set_problem(&key, Some(format!("accept on {address}: {error}")));
                sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn bind_at_last(key: ServiceKey, address: SocketAddr, shared: &Shared) -> TcpListener {
    let mut pause = FIRST_PAUSE;
    loop {
        sleep(pause).await;
        match bind(address) {
            Ok(listener) => {
                shared.live().set_problem(&key, None);
                return listener;
            }
            Err(error) => shared.live().set_problem(&key, Some(describe(address, &error))),
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

pub(super) fn describe(address: SocketAddr, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => format!("listen on {address}: another program on this node listens there"),
        _ => format!("listen on {address}: {error}"),
    }
}

const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
