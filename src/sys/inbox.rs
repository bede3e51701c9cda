//! Orders for a thread that waits for the kernel: a queue beside which a descriptor becomes readable.

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::time::Duration;

/// Where orders are given; dropping it ends the receiver.
#[derive(Debug)]
pub struct Outbox<T> {
    orders: Sender<T>,
    bell: UnixStream,
}

/// Where they arrive.
#[derive(Debug)]
pub struct Inbox<T> {
    orders: Receiver<T>,
    bell: UnixStream,
}

/// What is in an inbox.
#[derive(Debug)]
pub enum Taken<T> {
    Order(T),
    Nothing,
    /// Nobody will give orders any more.
    Closed,
}

/// Makes both ends.
pub fn inbox<T>() -> io::Result<(Outbox<T>, Inbox<T>)> {
    let (bell, heard) = UnixStream::pair()?;
    bell.set_nonblocking(true)?;
    heard.set_nonblocking(true)?;
    let (orders, received) = channel();
    Ok((Outbox { orders, bell }, Inbox { orders: received, bell: heard }))
}

impl<T> Outbox<T> {
    /// Never waits; false if the receiver has ended.
    pub fn give(&self, order: T) -> bool {
        let given = self.orders.send(order).is_ok();
        // A full bell has been rung already.
        let _ = (&self.bell).write(&[1]);
        given
    }
}

impl<T> Inbox<T> {
    pub fn take(&self) -> Taken<T> {
        let mut rung = [0; 64];
        while matches!((&self.bell).read(&mut rung), Ok(n) if n > 0) {}
        match self.orders.try_recv() {
            Ok(order) => Taken::Order(order),
            Err(TryRecvError::Empty) => Taken::Nothing,
            Err(TryRecvError::Disconnected) => Taken::Closed,
        }
    }

    /// Waits for an order, for `other` to become readable, or for the time to pass; true if `other` is readable.
    pub fn wait(&self, other: Option<BorrowedFd<'_>>, timeout: Option<Duration>) -> io::Result<bool> {
        let mut waited: Vec<_> = other.into_iter().map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
        waited.push(PollFd::new(self.bell.as_fd(), PollFlags::POLLIN));
        let timeout = timeout.map_or(PollTimeout::NONE, |t| {
            let millis = u16::try_from(t.as_micros().div_ceil(1000)).unwrap_or(u16::MAX);
            PollTimeout::from(millis)
        });
        match poll(&mut waited, timeout) {
            Ok(_) => {}
            Err(Errno::EINTR) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        let ready = |fd: &PollFd<'_>| fd.revents().is_some_and(|events| !events.is_empty());
        Ok(other.is_some() && waited.first().is_some_and(ready))
    }
}
