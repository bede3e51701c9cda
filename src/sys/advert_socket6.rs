//! The raw socket for VRRP adverts over IPv6 on one link.
//!
//! As its IPv4 sibling it hears its own link only and not itself. The kernel writes the IPv6 header; hop limit and
//! destination of what arrives come as ancillary data (ipv6(7)), and the source of what is sent is chosen the same way.

use super::advert_socket::Look;
use super::raw;
use crate::net::LinkName;
use crate::wire::vrrp;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn6, recvmsg, sendmsg, setsockopt, sockopt,
};
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, IoSlice, IoSliceMut, Read};
use std::net::{Ipv6Addr, SocketAddrV6};
use std::os::fd::AsRawFd;
use std::task::{Context, Poll};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// As for IPv4: a stalled engine finds what arrived meanwhile.
const RECEIVE_BUFFER: usize = 4 << 20;
/// Network control (RFC 2474), as IPv4 adverts have it.
const TRAFFIC_CLASS: u32 = 0xc0;

/// Sends and receives adverts on one link. Made and used on a tokio runtime with I/O.
#[derive(Debug)]
pub struct AdvertSocket6 {
    socket: AsyncFd<Socket>,
    index: u32,
}

/// A packet that arrived, without its IPv6 header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received6<'b> {
    pub source: Ipv6Addr,
    pub destination: Ipv6Addr,
    pub hop_limit: u8,
    pub payload: &'b [u8],
}

impl AdvertSocket6 {
    /// Opens the socket on the link `link` with the interface index `index`. Needs CAP_NET_RAW.
    pub fn open(link: &LinkName, index: u32, groups: &[Ipv6Addr]) -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::from(i32::from(vrrp::PROTOCOL))))?;
        socket.set_nonblocking(true)?;
        socket.bind_device(Some(link.as_str().as_bytes()))?;
        raw::raise_receive_buffer(&socket, RECEIVE_BUFFER)?;
        socket.set_multicast_loop_v6(false)?;
        socket.set_multicast_hops_v6(u32::from(vrrp::TTL))?;
        socket.set_unicast_hops_v6(u32::from(vrrp::TTL))?;
        socket.set_multicast_if_v6(index)?;
        socket.set_tclass_v6(TRAFFIC_CLASS)?;
        // On a virtual link adverts leave with the address of the link below it.
        socket.set_freebind_v6(true)?;
        socket.set_recv_hoplimit_v6(true)?;
        setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?;
        // What came before it was bound, from any link, goes.
        let mut scratch = [0; 64];
        while (&socket).read(&mut scratch).is_ok() {}
        for group in groups {
            socket.join_multicast_v6(group, index)?;
        }
        Ok(Self { socket: raw::readable(socket)?, index })
    }

    /// Whether a packet may have arrived; if not, the task is woken when one has.
    pub fn poll_ready(&self, context: &mut Context<'_>) -> Poll<()> {
        self.socket.poll_read_ready(context).map(|_| ())
    }

    /// The next packet that the kernel has already, or none; never waits. `InvalidData`: one packet came without its
    /// ancillary data and is dropped.
    pub fn next<'b>(&self, look: Look, buffer: &'b mut [u8]) -> io::Result<Option<Received6<'b>>> {
        let read = match self.socket.try_io(Interest::READABLE, |socket| read_now(socket, buffer)) {
            // Not told, or nothing is left.
            Err(e) if e.kind() == io::ErrorKind::WouldBlock && look != Look::IfTold => {
                read_now(self.socket.get_ref(), buffer)
            }
            other => other,
        };
        match read {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(e) => Err(e),
            Ok((length, source, destination, hop_limit)) => {
                let payload = buffer.get(..length).unwrap_or_default();
                Ok(Some(Received6 { source, destination, hop_limit, payload }))
            }
        }
    }

    /// Sends `payload` from `source`, at once or not at all.
    pub fn send(&self, source: Ipv6Addr, destination: Ipv6Addr, hop_limit: u8, payload: &[u8]) -> io::Result<()> {
        let link_scope = destination.is_multicast() || destination.is_unicast_link_local();
        let scope = if link_scope { self.index } else { 0 };
        let to = SockaddrIn6::from(SocketAddrV6::new(destination, 0, 0, scope));
        let info =
            libc::in6_pktinfo { ipi6_addr: libc::in6_addr { s6_addr: source.octets() }, ipi6_ifindex: self.index };
        let limit = i32::from(hop_limit);
        let control = [ControlMessage::Ipv6PacketInfo(&info), ControlMessage::Ipv6HopLimit(&limit)];
        let parts = [IoSlice::new(payload)];
        let sent = sendmsg(self.socket.as_raw_fd(), &parts, &control, MsgFlags::empty(), Some(&to))?;
        if sent == payload.len() {
            Ok(())
        } else {
            Err(io::Error::new(io::ErrorKind::WriteZero, "the kernel took a part of the packet"))
        }
    }
}

fn read_now(socket: &Socket, buffer: &mut [u8]) -> io::Result<(usize, Ipv6Addr, Ipv6Addr, u8)> {
    let mut space = nix::cmsg_space!(libc::in6_pktinfo, libc::c_int);
    let mut parts = [IoSliceMut::new(buffer)];
    let message = recvmsg::<SockaddrIn6>(socket.as_raw_fd(), &mut parts, Some(&mut space), MsgFlags::empty())?;
    let source = message.address.map(|a| a.ip());
    let (mut destination, mut hop_limit) = (None, None);
    for control in message.cmsgs()? {
        match control {
            ControlMessageOwned::Ipv6PacketInfo(info) => destination = Some(Ipv6Addr::from(info.ipi6_addr.s6_addr)),
            ControlMessageOwned::Ipv6HopLimit(limit) => hop_limit = u8::try_from(limit).ok(),
            _ => {}
        }
    }
    match (source, destination, hop_limit) {
        (Some(source), Some(destination), Some(limit)) => Ok((message.bytes, source, destination, limit)),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "an advert without its IPv6 ancillary data")),
    }
}
