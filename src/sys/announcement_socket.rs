//! Hears gratuitous ARP, or unsolicited neighbour advertisements, on one link: a packet socket with a filter in the
//! kernel, so that ordinary traffic wakes nobody.

use super::raw;
use crate::net::Family;
use crate::net::Mac;
use crate::wire::{arp, ndisc};
use socket2::{Domain, Protocol, SockFilter, Socket, Type};
use std::io::{self, Read};
use std::net::IpAddr;
use std::task::{Context, Poll};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

#[derive(Debug)]
pub struct AnnouncementSocket {
    socket: AsyncFd<Socket>,
    family: Family,
}

impl AnnouncementSocket {
    /// Opens the socket on the link with the interface index `index`. Needs CAP_NET_RAW and a tokio runtime with I/O.
    pub fn open(index: u32, family: Family) -> io::Result<Self> {
        // Protocol 0 until the filter stands: nothing unfiltered is ever queued.
        let socket = Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(0)))?;
        socket.set_nonblocking(true)?;
        let ethertype = match family {
            Family::V4 => {
                socket.attach_filter(&sender_is_target())?;
                arp::ETHERTYPE
            }
            Family::V6 => {
                socket.attach_filter(&neighbour_advertisement())?;
                ndisc::ETHERTYPE
            }
        };
        let index = i32::try_from(index).map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e))?;
        socket.bind(&raw::link_address(index, ethertype, [0; 6]))?;
        Ok(Self { socket: raw::readable(socket)?, family })
    }

    /// Whether something may have arrived; if not, the task is woken when it has.
    pub fn poll_ready(&self, context: &mut Context<'_>) -> Poll<()> {
        self.socket.poll_read_ready(context).map(|_| ())
    }

    /// The next announcement that has arrived already, or none; never waits.
    pub fn try_recv(&self) -> io::Result<Option<(Mac, IpAddr)>> {
        let mut frame = [0; 128];
        loop {
            match self.socket.try_io(Interest::READABLE, |mut socket| socket.read(&mut frame)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
                Ok(length) => {
                    let frame = frame.get(..length).unwrap_or_default();
                    let announced = match self.family {
                        Family::V4 => arp::announced(frame).map(|(mac, address)| (mac, address.into())),
                        Family::V6 => ndisc::announced(frame).map(|(mac, address)| (mac, address.into())),
                    };
                    if announced.is_some() {
                        return Ok(announced);
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

/// Accepts a frame that is a neighbour advertisement without extension headers.
fn neighbour_advertisement() -> [SockFilter; 6] {
    let code = |parts: u32| parts as u16;
    let load_byte = code(libc::BPF_LD | libc::BPF_B | libc::BPF_ABS);
    let jump_if_equal = code(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K);
    let accept = code(libc::BPF_RET | libc::BPF_K);
    [
        SockFilter::new(load_byte, 0, 0, 20),
        SockFilter::new(jump_if_equal, 0, 3, 58),
        SockFilter::new(load_byte, 0, 0, 54),
        SockFilter::new(jump_if_equal, 0, 1, 136),
        SockFilter::new(accept, 0, 0, 128),
        SockFilter::new(accept, 0, 0, 0),
    ]
}
