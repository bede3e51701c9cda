//! One connection: choose a real server, connect, relay until both sides are done.

use super::handle::Shared;
use super::table::Place;
use crate::kernel::{DestinationKey, ServiceKey};
use crate::time::Duration;
use socket2::{SockRef, TcpKeepalive};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::time::timeout;

/// Serves `client` from the moment it was accepted to the end of the connection.
pub(super) async fn run(mut client: TcpStream, from: SocketAddr, key: ServiceKey, shared: Arc<Shared>) {
    let Some((mut server, place)) = reach(key, from.ip(), &shared).await else {
        return reset(&client);
    };
    // A peer that vanished is noticed after two minutes; a socket that refuses the option works without it.
    for stream in [&client, &server] {
        let _ = stream.set_nodelay(true);
        let _ = SockRef::from(stream).set_tcp_keepalive(&KEEPALIVE);
    }
    let is_whole = tokio::select! {
        ended = relay(&mut client, &mut server, &place) => matches!(ended, Ok(true)),
        () = place.cut() => false,
    };
    if !is_whole {
        reset(&client);
        reset(&server);
    }
}

/// Connects to the server that the scheduler names; if it does not answer, once to another.
async fn reach(key: ServiceKey, client: IpAddr, shared: &Shared) -> Option<(TcpStream, Place)> {
    let mut failed: Option<DestinationKey> = None;
    for _ in 0..2 {
        let now = shared.clock.now();
        let choice = shared.live().choose(&key, client, now, failed)?;
        if let Ok(Ok(server)) = timeout(CONNECT, TcpStream::connect(choice.real)).await {
            choice.place.established();
            return Some((server, choice.place));
        }
        failed = Some(choice.real);
    }
    None
}

/// Both directions at once. True if both ended with an end of stream that was passed on; an error if one broke.
async fn relay(client: &mut TcpStream, server: &mut TcpStream, place: &Place) -> io::Result<bool> {
    let (client_reads, client_writes) = client.split();
    let (server_reads, server_writes) = server.split();
    let up = pump(client_reads, server_writes, place, |bytes| place.count_in(bytes));
    let down = pump(server_reads, client_writes, place, |bytes| place.count_out(bytes));
    let (up, down) = tokio::try_join!(up, down)?;
    Ok(up && down)
}

/// One direction, to its end of stream, which is passed on. A broken reader ends the connection. A writer that takes
/// nothing more (false) ends only this direction: what that side said before it closed still has to arrive.
///
/// Nothing is read while the last piece is unwritten: that is the backpressure. A buffer lives only while it is full,
/// so thousands of idle connections hold none.
async fn pump(from: ReadHalf<'_>, mut to: WriteHalf<'_>, place: &Place, count: impl Fn(usize)) -> io::Result<bool> {
    loop {
        from.readable().await?;
        let mut piece = Vec::with_capacity(PIECE);
        match from.try_read_buf(&mut piece) {
            Ok(0) => break,
            Ok(bytes) => {
                if to.write_all(&piece).await.is_err() {
                    place.closing();
                    return Ok(false);
                }
                count(bytes);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    place.closing();
    Ok(to.shutdown().await.is_ok())
}

/// The connection is to end with RST: a broken one must not look like one that is complete. The socket itself is
/// closed when it is dropped.
fn reset(stream: &TcpStream) {
    let _ = stream.set_zero_linger();
}

/// How long a real server may take to accept.
const CONNECT: Duration = Duration::from_secs(3);

const PIECE: usize = 16 * 1024;

const KEEPALIVE: TcpKeepalive =
    TcpKeepalive::new().with_time(Duration::from_secs(60)).with_interval(Duration::from_secs(15)).with_retries(4);
