//! The raw socket for VRRP adverts on one link.
//!
//! It hears its groups, and what is sent to the machine alone, on its own link only (bound to the device, `IP_MULTICAST_ALL` off) and not itself
//! (`IP_MULTICAST_LOOP` off), and sends whole IPv4 packets (`IP_HDRINCL`). The membership is held by interface index:
//! a link that was deleted and made again needs a new socket; one that went down and up does not.

use super::raw;
use crate::net::LinkName;
use crate::wire::{ah, ipv4};
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, SockAddr, Socket, Type};
use std::cell::RefCell;
use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::task::{Context, Poll};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Some seconds of a few thousand adverts each: a stalled engine finds what arrived meanwhile.
const RECEIVE_BUFFER: usize = 4 << 20;

/// Sends and receives adverts on one link. Made and used on a tokio runtime with I/O.
#[derive(Debug)]
pub struct AdvertSocket {
    socket: AsyncFd<Socket>,
    /// Taken from the kernel and not yet asked for. Made when something arrives for the first time.
    inbox: RefCell<Option<Box<Inbox>>>,
}

#[derive(Debug)]
struct Inbox {
    buffers: Vec<[u8; raw::ROOM]>,
    lengths: [usize; raw::BATCH],
    next: usize,
    count: usize,
    /// Something was there when the kernel was asked last: more may have followed.
    had_some: bool,
}

impl Inbox {
    fn new() -> Self {
        let buffers = vec![[0; raw::ROOM]; raw::BATCH];
        Self { buffers, lengths: [0; raw::BATCH], next: 0, count: 0, had_some: false }
    }

    /// Copies the next packet out; its length.
    fn take(&mut self, into: &mut [u8]) -> Option<usize> {
        if self.next == self.count {
            return None;
        }
        let (buffer, length) = (self.buffers.get(self.next)?, *self.lengths.get(self.next)?);
        self.next += 1;
        let length = length.min(into.len());
        into.get_mut(..length)?.copy_from_slice(buffer.get(..length)?);
        Some(length)
    }

    /// Only when it is empty; true if there may be more.
    fn fill(&mut self, socket: &Socket) -> io::Result<bool> {
        self.next = 0;
        self.count = 0;
        self.count = raw::receive_many(socket, &mut self.buffers, &mut self.lengths)?.len();
        self.had_some = self.count > 0;
        Ok(self.count == raw::BATCH)
    }
}

/// Whether the kernel is asked although it has told of nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Only where it has told that something is there: what it tells is as old as the last wait.
    IfTold,
    /// Also where something was the last time.
    Again,
    Anyway,
}

/// A packet that arrived, without its IPv4 header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received<'b> {
    pub source: Ipv4Addr,
    pub destination: Ipv4Addr,
    pub ttl: u8,
    pub tos: u8,
    pub payload: &'b [u8],
    /// With its header.
    pub packet: &'b [u8],
}

impl AdvertSocket {
    /// Opens the socket on the link `link` with the interface index `index`, in the multicast groups `groups`. Needs
    /// CAP_NET_RAW.
    pub fn open(link: &LinkName, index: u32, groups: &[Ipv4Addr]) -> io::Result<Self> {
        Self::of_protocol(ipv4::PROTOCOL_VRRP, link, index, groups)
    }

    /// The same for adverts in authentication headers.
    pub fn open_ah(link: &LinkName, index: u32, groups: &[Ipv4Addr]) -> io::Result<Self> {
        Self::of_protocol(ah::PROTOCOL, link, index, groups)
    }

    fn of_protocol(protocol: u8, link: &LinkName, index: u32, groups: &[Ipv4Addr]) -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(i32::from(protocol))))?;
        socket.set_nonblocking(true)?;
        socket.set_multicast_all_v4(false)?;
        socket.bind_device(Some(link.as_str().as_bytes()))?;
        raw::raise_receive_buffer(&socket, RECEIVE_BUFFER)?;
        socket.set_multicast_loop_v4(false)?;
        socket.set_header_included_v4(true)?;
        // A raw socket hears every link from its first moment: what came before it was bound goes.
        let mut scratch = [0; 64];
        while (&socket).read(&mut scratch).is_ok() {}
        for group in groups {
            socket.join_multicast_v4_n(group, &InterfaceIndexOrAddress::Index(index))?;
        }
        Ok(Self { socket: raw::readable(socket)?, inbox: RefCell::default() })
    }

    /// The next packet. `InvalidData`: one packet was not whole and is dropped; the socket is good. May be cancelled.
    pub async fn recv<'b>(&self, buffer: &'b mut [u8]) -> io::Result<Received<'b>> {
        let length = self.socket.async_io(Interest::READABLE, |socket| read_now(socket, buffer)).await?;
        parse(buffer.get(..length).unwrap_or_default())
    }

    /// The next packet that the kernel has already, or none; never waits, and needs no wake-up before it.
    pub fn try_recv<'b>(&self, buffer: &'b mut [u8]) -> io::Result<Option<Received<'b>>> {
        self.next(Look::Anyway, buffer)
    }

    /// The same, with the choice not to ask the kernel where it has told of nothing.
    pub fn next<'b>(&self, look: Look, buffer: &'b mut [u8]) -> io::Result<Option<Received<'b>>> {
        let mut inbox = self.inbox.borrow_mut();
        let mut taken = inbox.as_mut().and_then(|inbox| inbox.take(buffer));
        if taken.is_none() {
            let is_wanted = match look {
                Look::IfTold => false,
                Look::Again => inbox.as_ref().is_some_and(|inbox| inbox.had_some),
                Look::Anyway => true,
            };
            let mut is_told = false;
            let filled = self.socket.try_io(Interest::READABLE, |socket| {
                is_told = true;
                let more = inbox.get_or_insert_with(|| Box::new(Inbox::new())).fill(socket)?;
                // tokio so learns that there is nothing left to wake up for.
                if more { Ok(()) } else { Err(io::ErrorKind::WouldBlock.into()) }
            });
            match filled {
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                Ok(()) | Err(_) => {}
            }
            if !is_told && is_wanted {
                inbox.get_or_insert_with(|| Box::new(Inbox::new())).fill(self.socket.get_ref())?;
            }
            taken = inbox.as_mut().and_then(|inbox| inbox.take(buffer));
        }
        taken.map(|length| parse(buffer.get(..length).unwrap_or_default())).transpose()
    }

    /// Whether a packet may have arrived; if not, the task is woken when one has. Then ask [`AdvertSocket::try_recv`]
    /// until it has none.
    pub fn poll_ready(&self, context: &mut Context<'_>) -> Poll<()> {
        self.socket.poll_read_ready(context).map(|_| ())
    }

    /// Sends a whole IPv4 packet (`wire::ipv4::encode`) to the destination in its header, at once or not at all.
    pub fn send(&self, packet: &[u8]) -> io::Result<()> {
        self.send_all(&[packet]).pop().map_or(Ok(()), |(_, error)| Err(error))
    }

    /// Sends several, in their order; those that could not be sent, by their place, with the reason.
    pub fn send_all(&self, packets: &[impl AsRef<[u8]>]) -> Vec<(usize, io::Error)> {
        let mut failed = Vec::new();
        let mut whole = Vec::with_capacity(packets.len());
        let mut places = Vec::with_capacity(packets.len());
        for (place, packet) in packets.iter().map(AsRef::as_ref).enumerate() {
            match ipv4::decode(packet) {
                Ok((header, _)) => {
                    whole.push((SockAddr::from(SocketAddrV4::new(header.destination, 0)), packet));
                    places.push(place);
                }
                Err(error) => failed.push((place, io::Error::new(io::ErrorKind::InvalidInput, error))),
            }
        }
        let unsent = raw::send_many(self.socket.get_ref(), &whole).into_iter();
        failed.extend(unsent.filter_map(|(at, error)| Some((*places.get(at)?, error))));
        failed
    }
}

fn read_now(mut socket: &Socket, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match socket.read(buffer) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

fn parse(packet: &[u8]) -> io::Result<Received<'_>> {
    let (header, payload) = ipv4::decode(packet).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
    let ipv4::Header { source, destination, ttl, tos, .. } = header;
    Ok(Received { source, destination, ttl, tos, payload, packet })
}
