//! What socket2 has no safe word for.

use nix::sys::socket::{setsockopt, sockopt};
use socket2::{SockAddr, SockAddrStorage, Socket};
use std::io;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Asks for a receive buffer of `bytes`: beyond the system's limit where we may, else as far as the limit.
pub(super) fn raise_receive_buffer(socket: &Socket, bytes: usize) -> io::Result<()> {
    // Only with CAP_NET_ADMIN; raw sockets need no more than CAP_NET_RAW.
    match setsockopt(socket, sockopt::RcvBufForce, &bytes) {
        Ok(()) => Ok(()),
        Err(_) => socket.set_recv_buffer_size(bytes),
    }
}

/// Registers the socket with the current tokio runtime, to wait for what arrives.
#[expect(unsafe_code, reason = "tokio cannot know that the descriptor stays open")]
pub(super) fn readable(socket: Socket) -> io::Result<AsyncFd<Socket>> {
    // SAFETY: the socket owns its descriptor and keeps it open until it is dropped, together with the registration.
    Ok(unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE) }?)
}

/// The address of all stations of a link, for a packet socket (packet(7)).
#[expect(unsafe_code, reason = "socket2 has no sockaddr_ll")]
pub(super) fn link_address(index: i32, ethertype: u16, destination: [u8; 6]) -> SockAddr {
    let mut storage = SockAddrStorage::zeroed();
    // SAFETY: sockaddr_ll is one of the address types, and every bit pattern is one of its values.
    let address = unsafe { storage.view_as::<libc::sockaddr_ll>() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = ethertype.to_be();
    address.sll_ifindex = index;
    address.sll_halen = destination.len() as u8;
    for (to, from) in address.sll_addr.iter_mut().zip(destination) {
        *to = from;
    }
    // SAFETY: the storage was zeroed and filled as a sockaddr_ll, whose size this is.
    unsafe { SockAddr::new(storage, size_of::<libc::sockaddr_ll>() as libc::socklen_t) }
}
