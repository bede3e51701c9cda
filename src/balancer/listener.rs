//! The sockets of one virtual service: bound before its address is on the link, retried until they are.

use super::session::{self, Arrival};
use super::shared::Shared;
use crate::kernel::{Protocol, ServiceKey};
use crate::sys::acceptor::Acceptor;
use crate::time::Duration;
use socket2::{Domain, Socket, TcpKeepalive, Type};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::time::sleep;

/// A socket that may name an address this node does not hold (ip(7), IP_FREEBIND): it answers from the moment the
/// address arrives.
pub(super) fn bind(protocol: Protocol, address: SocketAddr) -> io::Result<Socket> {
    let kind = if protocol == Protocol::Udp { Type::DGRAM } else { Type::STREAM };
    let socket = Socket::new(Domain::for_address(address), kind, None)?;
    match address {
        SocketAddr::V4(_) => socket.set_freebind_v4(true)?,
        SocketAddr::V6(_) => {
            socket.set_freebind_v6(true)?;
            socket.set_only_v6(true)?;
        }
    }
    socket.set_nonblocking(true)?;
    if protocol == Protocol::Udp {
        // The kernel cuts this to net.core.rmem_max; without reuse, so that nobody else gets our datagrams.
        let _ = socket.set_recv_buffer_size(DATAGRAMS);
        socket.bind(&address.into())?;
        return Ok(socket);
    }
    socket.set_reuse_address(true)?;
    // Those that are accepted inherit both.
    let _ = socket.set_tcp_nodelay(true);
    let _ = socket.set_tcp_keepalive(&KEEPALIVE);
    socket.bind(&address.into())?;
    // The kernel cuts this to net.core.somaxconn.
    socket.listen(65_535)?;
    Ok(socket)
}

/// Accepts for as long as the service is in the table. `home` is the thread this runs on.
pub(super) async fn serve(
    key: ServiceKey,
    address: SocketAddr,
    bound: Option<Socket>,
    shared: Arc<Shared>,
    home: usize,
) {
    let listener = ready(key, address, bound, &shared).await;
    let listener = match Acceptor::new(listener) {
        Ok(listener) => listener,
        Err(error) => {
            return shared.live().set_problem(&key, Some(format!("listen on {address}: {error}; restart vipdeck")));
        }
    };
    let mut starved = false;
    loop {
        let Some(permit) = shared.descriptors.take(2) else {
            starved = true;
            pause(&key, shared.descriptors.exhausted(), &shared).await;
            continue;
        };
        if std::mem::take(&mut starved) {
            shared.live().set_problem(&key, None);
        }
        match listener.accept().await {
            Ok((client, from)) => {
                let arrival = Arrival { client, from, key, address, permit };
                let worker = shared.workers.claim(home);
                shared.workers.spawn_on(worker, session::run(arrival, worker, shared.clone()));
            }
            // The client left the queue before its turn.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                // Out of descriptors or memory: those who wait stay in the kernel's queue.
                starved = true;
                pause(&key, format!("accept on {address}: {error}"), &shared).await;
            }
        }
    }
}

async fn pause(key: &ServiceKey, problem: String, shared: &Shared) {
    shared.live().set_problem(key, Some(problem));
    sleep(Duration::from_millis(20)).await;
}

/// The bound socket; without one it is tried again and again.
pub(super) async fn ready(key: ServiceKey, address: SocketAddr, bound: Option<Socket>, shared: &Shared) -> Socket {
    if let Some(socket) = bound {
        return socket;
    }
    let mut pause = FIRST_PAUSE;
    loop {
        sleep(pause).await;
        match bind(key.protocol().unwrap_or(Protocol::Tcp), address) {
            Ok(socket) => {
                shared.live().set_problem(&key, None);
                return socket;
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

/// A peer that vanished is noticed after two minutes.
pub(super) const KEEPALIVE: TcpKeepalive =
    TcpKeepalive::new().with_time(Duration::from_secs(60)).with_interval(Duration::from_secs(15)).with_retries(4);

const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Bytes of datagrams that wait.
const DATAGRAMS: usize = 4 * 1024 * 1024;
