//! What socket2 has no safe word for.

use nix::sys::socket::{setsockopt, sockopt};
use socket2::{SockAddr, SockAddrStorage, Socket};
use std::io;
use std::os::fd::AsRawFd;
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
pub(super) fn readable(socket: Socket) -> io::Result<AsyncFd<Socket>> {
    watched(socket)
}

/// The same for whatever owns its descriptor.
#[expect(unsafe_code, reason = "tokio cannot know that the descriptor stays open")]
pub(super) fn watched<T: AsRawFd>(owner: T) -> io::Result<AsyncFd<T>> {
    // SAFETY: only what owns one descriptor and keeps it open until it is dropped, together with the registration, is
    // given here.
    Ok(unsafe { AsyncFd::register_with_interest(owner, Interest::READABLE) }?)
}

/// The most packets that go through one system call.
pub(super) const BATCH: usize = 16;
/// The longest of them: a whole IPv4 packet with 255 addresses and every kind of trailer.
pub(super) const ROOM: usize = 1536;

/// Takes what has arrived, several packets with one call (recvmmsg(2)), and tells the length of each; an empty list if
/// there is nothing.
#[expect(unsafe_code, reason = "nix's recvmmsg cannot use its headers twice")]
pub(super) fn receive_many<'l>(
    socket: &Socket,
    buffers: &mut [[u8; ROOM]],
    lengths: &'l mut [usize; BATCH],
) -> io::Result<&'l [usize]> {
    let asked = buffers.len().min(BATCH);
    // SAFETY: zeros are an empty vector, and a header without anything.
    let mut vectors: [libc::iovec; BATCH] = unsafe { std::mem::zeroed() };
    // SAFETY: as above.
    let mut headers: [libc::mmsghdr; BATCH] = unsafe { std::mem::zeroed() };
    for ((header, vector), buffer) in headers.iter_mut().zip(&mut vectors).zip(buffers) {
        *vector = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: ROOM };
        header.msg_hdr.msg_iov = vector;
        header.msg_hdr.msg_iovlen = 1;
    }
    let count = loop {
        // SAFETY: each of the first `asked` headers names one buffer, of the length it has, and all of them outlive the
        // call.
        let count = unsafe {
            let none = std::ptr::null_mut();
            libc::recvmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), asked as libc::c_uint, libc::MSG_DONTWAIT, none)
        };
        match usize::try_from(count).map_err(|_negative| io::Error::last_os_error()) {
            Ok(count) => break count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break 0,
            Err(error) => return Err(error),
        }
    };
    for (length, header) in lengths.iter_mut().zip(&headers) {
        *length = header.msg_len as usize;
    }
    Ok(lengths.get(..count).unwrap_or_default())
}

/// Sends packets in their order, several with one call (sendmmsg(2)), each at once or not at all; those that could not
/// be sent, by their place, with the reason.
pub(super) fn send_many(socket: &Socket, packets: &[(SockAddr, &[u8])]) -> Vec<(usize, io::Error)> {
    let mut failed = Vec::new();
    let mut at = 0;
    while let Some(rest) = packets.get(at..).filter(|rest| !rest.is_empty()) {
        match send_some(socket, rest) {
            Ok(lengths) => {
                let whole = rest.iter().zip(&lengths).enumerate().filter(|(_, ((_, p), sent))| p.len() != **sent);
                let cut = |(i, _)| (at + i, io::Error::new(io::ErrorKind::WriteZero, "the kernel took a part of it"));
                failed.extend(whole.map(cut));
                at += lengths.len();
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // The kernel stops at a packet that fails, and tells why when that one comes first.
            Err(error) => {
                failed.push((at, error));
                at += 1;
            }
        }
    }
    failed
}

/// How much of each was sent, of at least one.
#[expect(unsafe_code, reason = "nix's sendmmsg wants its lists in another form and copies them")]
fn send_some(socket: &Socket, packets: &[(SockAddr, &[u8])]) -> io::Result<Vec<usize>> {
    let count = packets.len().min(BATCH);
    // SAFETY: zeros are an empty vector, and a header without anything.
    let mut vectors: [libc::iovec; BATCH] = unsafe { std::mem::zeroed() };
    // SAFETY: as above.
    let mut headers: [libc::mmsghdr; BATCH] = unsafe { std::mem::zeroed() };
    for (((to, packet), vector), header) in packets.iter().zip(&mut vectors).zip(&mut headers) {
        // Neither is written through.
        *vector = libc::iovec { iov_base: packet.as_ptr().cast_mut().cast(), iov_len: packet.len() };
        header.msg_hdr.msg_name = to.as_ptr().cast_mut().cast();
        header.msg_hdr.msg_namelen = to.len();
        header.msg_hdr.msg_iov = vector;
        header.msg_hdr.msg_iovlen = 1;
    }
    // SAFETY: the first `count` headers name an address and a buffer each, of the lengths they have, and all of them
    // outlive the call.
    let sent =
        unsafe { libc::sendmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), count as libc::c_uint, libc::MSG_DONTWAIT) };
    let sent = usize::try_from(sent).map_err(|_negative| io::Error::last_os_error())?;
    Ok(headers.iter().take(sent).map(|h| h.msg_len as usize).collect())
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
