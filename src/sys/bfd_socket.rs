//! UDP sockets for BFD (RFC 5881, 4 and 5; RFC 5883, 5): one to hear all sessions of a family, one to send for each.

use crate::net::Family;
use crate::wire::bfd::{PORT, PORT_MULTIHOP};
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt};
use nix::sys::time::TimeSpec;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

/// Network control (RFC 2474).
const TRAFFIC_CLASS: u32 = 0xc0;
/// Source ports (RFC 5881, 4).
const FIRST_PORT: u16 = 49152;
const PORTS: u16 = 16384;

/// Hears the packets of all sessions of one family and kind.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
}

/// A packet that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received<'b> {
    pub source: IpAddr,
    pub destination: IpAddr,
    /// TTL or hop limit.
    pub hop_limit: u8,
    pub payload: &'b [u8],
}

impl Listener {
    pub fn open(family: Family, multihop: bool) -> io::Result<Self> {
        let socket = socket(family)?;
        let any = match family {
            Family::V4 => {
                setsockopt(&socket, sockopt::Ipv4RecvTtl, &true)?;
                setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?;
                IpAddr::V4(Ipv4Addr::UNSPECIFIED)
            }
            Family::V6 => {
                socket.set_recv_hoplimit_v6(true)?;
                setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?;
                IpAddr::V6(Ipv6Addr::UNSPECIFIED)
            }
        };
        let port = if multihop { PORT_MULTIHOP } else { PORT };
        socket.bind(&SockAddr::from(SocketAddr::new(any, port)))?;
        Ok(Self { socket })
    }

    /// The next packet that the kernel has already, or none; never waits. `InvalidData`: one packet came without its
    /// ancillary data and is dropped.
    pub fn try_recv<'b>(&self, buffer: &'b mut [u8]) -> io::Result<Option<Received<'b>>> {
        let mut space = nix::cmsg_space!(libc::in6_pktinfo, libc::in_pktinfo, libc::c_int);
        let mut parts = [IoSliceMut::new(buffer)];
        let read = recvmsg::<SockaddrStorage>(self.socket.as_raw_fd(), &mut parts, Some(&mut space), MsgFlags::empty());
        let message = match read {
            Err(nix::Error::EAGAIN | nix::Error::EINTR) => return Ok(None),
            other => other?,
        };
        let (mut destination, mut hop_limit) = (None, None);
        for control in message.cmsgs()? {
            match control {
                ControlMessageOwned::Ipv4PacketInfo(info) => {
                    destination = Some(IpAddr::from(info.ipi_addr.s_addr.to_ne_bytes()));
                }
                ControlMessageOwned::Ipv6PacketInfo(info) => destination = Some(IpAddr::from(info.ipi6_addr.s6_addr)),
                ControlMessageOwned::Ipv4Ttl(limit) | ControlMessageOwned::Ipv6HopLimit(limit) => {
                    hop_limit = u8::try_from(limit).ok();
                }
                _ => {}
            }
        }
        let (source, length) = (message.address.as_ref().and_then(address), message.bytes);
        match (source, destination, hop_limit) {
            (Some(source), Some(destination), Some(hop_limit)) => {
                let payload = buffer.get(..length).unwrap_or_default();
                Ok(Some(Received { source, destination, hop_limit, payload }))
            }
            _ => Err(io::Error::new(io::ErrorKind::InvalidData, "a BFD packet without its ancillary data")),
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Sends the packets of one session, all from one port.
#[derive(Debug)]
pub struct Sender {
    socket: Socket,
    family: Family,
    hop_limit: u8,
}

impl Sender {
    /// From `source`, or as the kernel routes. The port is the first free one of RFC 5881's after `start`, which may be
    /// any number.
    pub fn open(family: Family, source: Option<IpAddr>, hop_limit: u8, start: u32) -> io::Result<Self> {
        let socket = socket(family)?;
        let any = match family {
            Family::V4 => {
                socket.set_tos_v4(TRAFFIC_CLASS)?;
                IpAddr::V4(Ipv4Addr::UNSPECIFIED)
            }
            Family::V6 => {
                socket.set_tclass_v6(TRAFFIC_CLASS)?;
                IpAddr::V6(Ipv6Addr::UNSPECIFIED)
            }
        };
        let start = (start % u32::from(PORTS)) as u16;
        for step in 0..PORTS {
            let port = FIRST_PORT + (start + step) % PORTS;
            match socket.bind(&SockAddr::from(SocketAddr::new(source.unwrap_or(any), port))) {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                bound => {
                    bound?;
                    let mut sender = Self { socket, family, hop_limit: 0 };
                    sender.set_hop_limit(hop_limit)?;
                    return Ok(sender);
                }
            }
        }
        Err(io::Error::new(io::ErrorKind::AddrInUse, "every port from 49152 to 65535 is in use"))
    }

    /// TTL or hop limit of what is sent from now on.
    pub fn set_hop_limit(&mut self, hop_limit: u8) -> io::Result<()> {
        if self.hop_limit != hop_limit {
            match self.family {
                Family::V4 => self.socket.set_ttl_v4(u32::from(hop_limit))?,
                Family::V6 => self.socket.set_unicast_hops_v6(u32::from(hop_limit))?,
            }
            self.hop_limit = hop_limit;
        }
        Ok(())
    }

    /// At once or not at all.
    pub fn send(&self, destination: SocketAddr, packet: &[u8]) -> io::Result<()> {
        self.socket.send_to(packet, &SockAddr::from(destination)).map(|_| ())
    }
}

fn socket(family: Family) -> io::Result<Socket> {
    let domain = match family {
        Family::V4 => Domain::IPV4,
        Family::V6 => Domain::IPV6,
    };
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    if family == Family::V6 {
        socket.set_only_v6(true)?;
    }
    Ok(socket)
}

fn address(storage: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = storage.as_sockaddr_in().map(|a| IpAddr::V4(a.ip()));
    v4.or_else(|| storage.as_sockaddr_in6().map(|a| IpAddr::V6(a.ip())))
}

/// Waits until one of them can be read or `timeout` is over, to the kernel's own precision and not to a millisecond.
pub fn wait(readable: &[BorrowedFd<'_>], timeout: Duration) -> io::Result<()> {
    let mut list: Vec<_> = readable.iter().map(|fd| PollFd::new(*fd, PollFlags::POLLIN)).collect();
    match ppoll(&mut list, Some(TimeSpec::from_duration(timeout)), None) {
        Ok(_) | Err(nix::Error::EINTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
