//! Accepting connections for whichever thread will serve them: they are registered with no runtime yet.

use super::raw;
use socket2::Socket;
use std::io;
use std::net::{SocketAddr, TcpStream};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A listening socket that does not block, on the current tokio runtime.
#[derive(Debug)]
pub struct Acceptor {
    socket: AsyncFd<Socket>,
}

impl Acceptor {
    pub fn new(socket: Socket) -> io::Result<Self> {
        Ok(Self { socket: raw::readable(socket)? })
    }

    /// The next connection, which does not block either.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (client, from) = self.socket.async_io(Interest::READABLE, Socket::accept).await?;
        let client = TcpStream::from(client);
        client.set_nonblocking(true)?;
        let from = from.as_socket().ok_or(io::ErrorKind::InvalidData)?;
        Ok((client, from))
    }
}
