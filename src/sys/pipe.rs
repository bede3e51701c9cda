//! Pipes that bytes go through from socket to socket without being copied (splice(2)).

use nix::fcntl::{FcntlArg, OFlag, SpliceFFlags, fcntl, splice};
use nix::unistd::pipe2;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

/// An empty pipe, or what is under way.
#[derive(Debug)]
pub struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
}

impl Pipe {
    pub fn new() -> io::Result<Self> {
        let (read, write) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
        // Fewer turns for large transfers; where the kernel grants no more, the usual 64 KiB do.
        let _ = fcntl(&write, FcntlArg::F_SETPIPE_SZ(CAPACITY));
        Ok(Self { read, write })
    }

    /// Takes what the socket has into the pipe, which must be empty; 0: its end of stream.
    pub fn fill(&self, from: impl AsFd) -> io::Result<usize> {
        Ok(splice(from, None, &self.write, None, CAPACITY as usize, FLAGS)?)
    }

    /// Gives up to `bytes` out of the pipe to the socket.
    pub fn drain(&self, to: impl AsFd, bytes: usize) -> io::Result<usize> {
        Ok(splice(&self.read, None, to, None, bytes, FLAGS)?)
    }
}

const CAPACITY: i32 = 256 * 1024;

const FLAGS: SpliceFFlags = SpliceFFlags::SPLICE_F_MOVE.union(SpliceFFlags::SPLICE_F_NONBLOCK);

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    #[test]
    fn bytes_pass_and_the_end_is_told() {
        let (mut client, here) = UnixStream::pair().unwrap();
        let (there, mut server) = UnixStream::pair().unwrap();
        let pipe = Pipe::new().unwrap();
        client.write_all(b"question").unwrap();
        assert_eq!(pipe.fill(&here).unwrap(), 8);
        assert_eq!(pipe.drain(&there, 8).unwrap(), 8);
        let mut got = [0; 8];
        server.read_exact(&mut got).unwrap();
        assert_eq!(&got, b"question");
        here.set_nonblocking(true).unwrap();
        assert_eq!(pipe.fill(&here).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        // Not by closing it: a process that another test starts just now has it open, too, until it runs its program.
        client.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(pipe.fill(&here).unwrap(), 0);
    }
}
