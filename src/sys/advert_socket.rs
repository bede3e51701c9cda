//! The raw socket for VRRP adverts on one link.
//!
//! It hears its groups, and what is sent to the machine alone, on its own link only (bound to the device, `IP_MULTICAST_ALL` off) and not itself
//! (`IP_MULTICAST_LOOP` off), and sends whole IPv4 packets (`IP_HDRINCL`). The membership is held by interface index:
//! a link that was deleted and made again needs a new socket; one that went down and up does not.

use super::raw;
use crate::net::LinkName;
use crate::wire::{ah, ipv4};
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, SockAddr, Socket, Type};
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
        Ok(Self { socket: raw::readable(socket)? })
    }

    /// The next packet. `InvalidData`: one packet was not whole and is dropped; the socket is good. May be cancelled.
    pub async fn recv<'b>(&self, buffer: &'b mut [u8]) -> io::Result<Received<'b>> {
        let length = self.socket.async_io(Interest::READABLE, |socket| read_now(socket, buffer)).await?;
        parse(buffer.get(..length).unwrap_or_default())
    }

    /// The next packet that the kernel has already, or none; never waits, and needs no wake-up before it.
    pub fn try_recv<'b>(&self, buffer: &'b mut [u8]) -> io::Result<Option<Received<'b>>> {
        let read = match read_now(self.socket.get_ref(), buffer) {
            // Once more through tokio, which so learns that there is nothing left to wake up for.
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                self.socket.try_io(Interest::READABLE, |socket| read_now(socket, buffer))
            }
            other => other,
        };
        match read {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(None),
            other => parse(buffer.get(..other?).unwrap_or_default()).map(Some),
        }
    }

    /// Whether a packet may have arrived; if not, the task is woken when one has. Then ask [`AdvertSocket::try_recv`]
    /// until it has none.
    pub fn poll_ready(&self, context: &mut Context<'_>) -> Poll<()> {
        self.socket.poll_read_ready(context).map(|_| ())
    }

    /// Sends a whole IPv4 packet (`wire::ipv4::encode`) to the destination in its header, at once or not at all.
    pub fn send(&self, packet: &[u8]) -> io::Result<()> {
        let (header, _) = ipv4::decode(packet).map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e))?;
        let to = SockAddr::from(SocketAddrV4::new(header.destination, 0));
        let sent = self.socket.get_ref().send_to(packet, &to)?;
        if sent == packet.len() {
            Ok(())
        } else {
            Err(io::Error::new(io::ErrorKind::WriteZero, "the kernel took a part of the packet"))
        }
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
