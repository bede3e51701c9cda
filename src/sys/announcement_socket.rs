//! Hears gratuitous ARP on one link: a packet socket with a filter in the kernel, so that ordinary ARP wakes nobody.

use super::raw;
use crate::net::Mac;
use crate::wire::arp;
use socket2::{Domain, Protocol, SockFilter, Socket, Type};
use std::io::{self, Read};
use std::net::Ipv4Addr;
use std::task::{Context, Poll};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

#[derive(Debug)]
pub struct AnnouncementSocket {
    socket: AsyncFd<Socket>,
}

impl AnnouncementSocket {
    /// Opens the socket on the link with the interface index `index`. Needs CAP_NET_RAW and a tokio runtime with I/O.
    pub fn open(index: u32) -> io::Result<Self> {
        // Protocol 0 until the filter stands: nothing unfiltered is ever queued.
        let socket = Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(0)))?;
        socket.set_nonblocking(true)?;
        socket.attach_filter(&sender_is_target())?;
        let index = i32::try_from(index).map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e))?;
        socket.bind(&raw::link_address(index, arp::ETHERTYPE, [0; 6]))?;
        Ok(Self { socket: raw::readable(socket)? })
    }

    /// Whether something may have arrived; if not, the task is woken when it has.
    pub fn poll_ready(&self, context: &mut Context<'_>) -> Poll<()> {
        self.socket.poll_read_ready(context).map(|_| ())
    }

    /// The next announcement that has arrived already, or none; never waits.
    pub fn try_recv(&self) -> io::Result<Option<(Mac, Ipv4Addr)>> {
        let mut frame = [0; 128];
        loop {
            match self.socket.try_io(Interest::READABLE, |mut socket| socket.read(&mut frame)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
                Ok(length) => {
                    if let Some(announced) = frame.get(..length).and_then(arp::announced) {
                        return Ok(Some(announced));
                    }
                }
            }
        }
    }
}

/// Accepts a frame whose ARP sender and target address are the same (bpf(4), classic).
fn sender_is_target() -> [SockFilter; 6] {
    let code = |parts: u32| parts as u16;
    let load_word = code(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS);
    let jump_if_equal_x = code(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_X);
    let to_x = code(libc::BPF_MISC | libc::BPF_TAX);
    let accept = code(libc::BPF_RET | libc::BPF_K);
    [
        SockFilter::new(load_word, 0, 0, 28),
        SockFilter::new(to_x, 0, 0, 0),
        SockFilter::new(load_word, 0, 0, 38),
        SockFilter::new(jump_if_equal_x, 0, 1, 0),
        SockFilter::new(accept, 0, 0, 128),
        SockFilter::new(accept, 0, 0, 0),
    ]
}
