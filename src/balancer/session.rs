//! One connection: choose a real server, connect, relay until both sides are done.

use super::descriptors::Permit;
use super::listener::KEEPALIVE;
use super::proxy;
use super::relay::{End, Flow};
use super::shared::Shared;
use super::table::Choice;
use crate::kernel::{DestinationKey, ServiceKey};
use crate::sys::tcp_info::{self, Segments};
use crate::time::Duration;
use socket2::SockRef;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::time::timeout;

/// A client that was accepted.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) client: std::net::TcpStream,
    pub(super) from: SocketAddr,
    pub(super) key: ServiceKey,
    /// What it asked for.
    pub(super) address: SocketAddr,
    pub(super) permit: Permit,
}

/// Serves a client from the moment it was accepted to the end of the connection, on this thread.
pub(super) async fn run(arrival: Arrival, worker: usize, shared: Arc<Shared>) {
    let _leaving = Leaving(worker, shared.clone());
    let Arrival { client, from, key, address, permit: _permit } = arrival;
    let Ok(client) = TcpStream::from_std(client) else { return };
    let mut client = Ended::early(client);
    let Some((server, choice)) = reach(key, address, from, &shared).await else { return };
    let mut server = Ended::early(server);
    choice.place.established();
    let header = shared.options.proxy.get(&key).map(|version| proxy::header(*version, from, address));
    let up = header.map_or_else(Flow::default, Flow::beginning_with);
    let mut relay = Relay { up, down: Flow::default(), ended: [None; 2], counted: Segments::default(), second: 0 };
    let complete = {
        let mut cut = pin!(choice.place.load.cut.notified());
        // From here on; not only from the first time it is asked.
        cut.as_mut().enable();
        let mut halves = Halves::of(&mut client.stream, &mut server.stream);
        poll_fn(|cx| match cut.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(false),
            Poll::Pending => relay.poll(cx, &mut halves, &choice, &shared),
        })
        .await
    };
    relay.count_packets(&client.stream, &choice);
    (client.complete, server.complete) = (complete, complete);
}

/// Connects to the server that the scheduler names; if it does not answer, to another.
async fn reach(
    key: ServiceKey,
    address: SocketAddr,
    client: SocketAddr,
    shared: &Shared,
) -> Option<(TcpStream, Choice)> {
    let mut failed: Vec<DestinationKey> = Vec::new();
    for _ in 0..TRIES {
        let now = shared.clock.now();
        let choice = shared.live().choose(&key, client, now, &failed)?;
        if let Ok(Ok(server)) = timeout(CONNECT, TcpStream::connect(choice.target(address))).await {
            // A socket that refuses one of them works without it.
            let _ = server.set_nodelay(true);
            let _ = SockRef::from(&server).set_tcp_keepalive(&KEEPALIVE);
            return Some((server, choice));
        }
        failed.push(choice.real);
    }
    None
}

/// Both directions of one connection.
struct Relay {
    up: Flow,
    down: Flow,
    ended: [Option<End>; 2],
    counted: Segments,
    /// When segments were counted last.
    second: u32,
}

struct Halves<'a> {
    client: (ReadHalf<'a>, WriteHalf<'a>),
    server: (ReadHalf<'a>, WriteHalf<'a>),
}

impl<'a> Halves<'a> {
    fn of(client: &'a mut TcpStream, server: &'a mut TcpStream) -> Self {
        Self { client: client.split(), server: server.split() }
    }
}

impl Relay {
    /// True: both directions ended with an end of stream that was passed on.
    fn poll(&mut self, cx: &mut Context<'_>, halves: &mut Halves<'_>, choice: &Choice, shared: &Shared) -> Poll<bool> {
        let Halves { client, server } = halves;
        let place = &choice.place;
        let second = shared.seconds.load(Relaxed);
        if second != self.second {
            self.second = second;
            self.count_packets(client.0.as_ref(), choice);
        }
        let [up, down] = &mut self.ended;
        if up.is_none() {
            match self.up.poll(cx, &mut client.0, &mut server.1, &shared.descriptors, |bytes| place.count_in(bytes)) {
                Poll::Ready(Ok(end)) => *up = Some(end),
                Poll::Ready(Err(_)) => return Poll::Ready(false),
                Poll::Pending => {}
            }
        }
        if down.is_none() {
            match self.down.poll(cx, &mut server.0, &mut client.1, &shared.descriptors, |bytes| place.count_out(bytes))
            {
                Poll::Ready(Ok(end)) => *down = Some(end),
                Poll::Ready(Err(_)) => return Poll::Ready(false),
                Poll::Pending => {}
            }
        }
        match (*up, *down) {
            (Some(up), Some(down)) => Poll::Ready(up == End::Passed && down == End::Passed),
            (None, None) => Poll::Pending,
            _ => {
                place.closing();
                Poll::Pending
            }
        }
    }

    fn count_packets(&mut self, client: &TcpStream, choice: &Choice) {
        let Ok(Segments { received, sent }) = tcp_info::segments(client.as_fd()) else { return };
        let new = |now: u32, before: u32| u64::from(now.wrapping_sub(before));
        choice.place.count_packets(new(received, self.counted.received), new(sent, self.counted.sent));
        self.counted = Segments { received, sent };
    }
}

/// A socket that ends with RST unless its connection was complete: a broken one must not look like one that is.
struct Ended {
    stream: TcpStream,
    complete: bool,
}

impl Ended {
    const fn early(stream: TcpStream) -> Self {
        Self { stream, complete: false }
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        if !self.complete {
            let _ = self.stream.set_zero_linger();
        }
    }
}

/// Tells the threads when a session is over, however it ends.
struct Leaving(usize, Arc<Shared>);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.1.workers.ended(self.0);
    }
}

/// How long a real server may take to accept.
const CONNECT: Duration = Duration::from_secs(3);

/// Servers that are tried.
const TRIES: usize = 3;
