//! What the kernel has counted of one TCP connection (tcp(7), TCP_INFO).

use nix::libc;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Segments of one connection since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Segments {
    pub received: u32,
    pub sent: u32,
}

/// As far as this socket knows: the handshake is not among them.
#[expect(unsafe_code, reason = "nix has no TCP_INFO")]
pub fn segments(socket: BorrowedFd<'_>) -> io::Result<Segments> {
    let mut length = size_of::<libc::tcp_info>() as libc::socklen_t;
    // SAFETY: a structure of integers, for which all zero is a value; the kernel writes at most `length` bytes of it.
    let info = unsafe {
        let mut info: libc::tcp_info = std::mem::zeroed();
        let place = (&raw mut info).cast();
        match libc::getsockopt(socket.as_raw_fd(), libc::IPPROTO_TCP, libc::TCP_INFO, place, &raw mut length) {
            0 => info,
            _ => return Err(io::Error::last_os_error()),
        }
    };
    Ok(Segments { received: info.tcpi_segs_in, sent: info.tcpi_segs_out })
}
