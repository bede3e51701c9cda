//! Bytes from one socket to another, one direction.

use super::descriptors::{Descriptors, Permit};
use crate::sys::pipe::Pipe;
use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::tcp::{ReadHalf, WriteHalf};

/// What is under way in one direction. Nothing is read while something is unwritten: that is the backpressure.
///
/// Small pieces are copied through a buffer that all sessions of a thread share, so an idle connection holds none; a
/// stream of large ones goes through a pipe and is not copied (splice(2)).
#[derive(Debug, Default)]
pub(super) struct Flow {
    /// Read, and not yet written.
    held: Vec<u8>,
    written: usize,
    /// Of what is held, this is ours, and not counted.
    uncounted: usize,
    pipe: Option<(Pipe, Permit)>,
    piped: usize,
    /// Large pieces in a row, or small ones while a pipe is there.
    streak: u8,
}

/// How a direction came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// An end of stream that was passed on.
    Passed,
    /// The writer takes nothing more: what that side said before it closed still has to arrive.
    Refused,
}

impl Flow {
    /// Begins with these bytes, which are not counted.
    pub(super) fn beginning_with(header: Vec<u8>) -> Self {
        let mut flow = Self::default();
        (flow.uncounted, flow.held) = (header.len(), header);
        flow
    }

    /// Moves what can be moved. An error is the reader's, and ends the connection.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut ReadHalf<'_>,
        to: &mut WriteHalf<'_>,
        descriptors: &Arc<Descriptors>,
        mut count: impl FnMut(usize),
    ) -> Poll<io::Result<End>> {
        loop {
            if ready!(self.poll_rest(cx, to, &mut count)).is_err() {
                return Poll::Ready(Ok(End::Refused));
            }
            let bytes = match &self.pipe {
                Some((pipe, _)) => {
                    let bytes = ready!(poll_fill(pipe, cx, from))?;
                    self.piped = bytes;
                    bytes
                }
                None => match ready!(self.poll_copy(cx, from, to, &mut count))? {
                    Some(bytes) => bytes,
                    None => return Poll::Ready(Ok(End::Refused)),
                },
            };
            if bytes == 0 {
                let passed = ready!(Pin::new(to).poll_shutdown(cx)).is_ok();
                return Poll::Ready(Ok(if passed { End::Passed } else { End::Refused }));
            }
            self.choose_way(bytes, descriptors);
        }
    }

    /// Writes what is held or in the pipe, all of it.
    fn poll_rest(
        &mut self,
        cx: &mut Context<'_>,
        to: &mut WriteHalf<'_>,
        count: &mut impl FnMut(usize),
    ) -> Poll<io::Result<()>> {
        while let Some(rest) = self.held.get(self.written..).filter(|rest| !rest.is_empty()) {
            let bytes = ready!(Pin::new(&mut *to).poll_write(cx, rest))?;
            self.written += bytes;
            let ours = bytes.min(self.uncounted);
            self.uncounted -= ours;
            count(bytes - ours);
            if self.written == self.held.len() {
                (self.held, self.written) = (Vec::new(), 0);
            }
        }
        while let Some((pipe, _)) = self.pipe.as_ref().filter(|_| self.piped > 0) {
            let socket = to.as_ref();
            ready!(socket.poll_write_ready(cx))?;
            match socket.try_io(Interest::WRITABLE, || pipe.drain(socket, self.piped)) {
                Ok(bytes) => {
                    self.piped = self.piped.saturating_sub(bytes);
                    count(bytes);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Reads one piece and writes it at once; what the writer does not take is held. None: it takes nothing more.
    fn poll_copy(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut ReadHalf<'_>,
        to: &mut WriteHalf<'_>,
        count: &mut impl FnMut(usize),
    ) -> Poll<io::Result<Option<usize>>> {
        BUFFER.with_borrow_mut(|buffer| {
            let mut buffer = ReadBuf::new(buffer);
            ready!(Pin::new(from).poll_read(cx, &mut buffer))?;
            let piece = buffer.filled();
            if piece.is_empty() {
                return Poll::Ready(Ok(Some(0)));
            }
            let written = match Pin::new(to).poll_write(cx, piece) {
                Poll::Ready(Ok(written)) => written,
                Poll::Ready(Err(_)) => return Poll::Ready(Ok(None)),
                Poll::Pending => 0,
            };
            count(written);
            if let Some(rest) = piece.get(written..).filter(|rest| !rest.is_empty()) {
                self.held = rest.to_vec();
            }
            Poll::Ready(Ok(Some(piece.len())))
        })
    }

    /// After a piece of so many bytes: through a pipe from now on, or copied again.
    fn choose_way(&mut self, bytes: usize, descriptors: &Arc<Descriptors>) {
        let changes = if self.pipe.is_some() { bytes < SMALL } else { bytes >= LARGE };
        self.streak = if changes { self.streak.saturating_add(1) } else { 0 };
        if self.streak < STREAK || self.piped > 0 {
            return;
        }
        self.streak = 0;
        match self.pipe.take() {
            Some((pipe, permit)) => keep(pipe, permit),
            None => self.pipe = spare().or_else(|| Some((Pipe::new().ok()?, descriptors.take_if_plenty(2)?))),
        }
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        // One that still holds bytes is closed.
        if let Some((pipe, permit)) = self.pipe.take().filter(|_| self.piped == 0) {
            keep(pipe, permit);
        }
    }
}

fn poll_fill(pipe: &Pipe, cx: &mut Context<'_>, from: &ReadHalf<'_>) -> Poll<io::Result<usize>> {
    let socket = from.as_ref();
    loop {
        ready!(socket.poll_read_ready(cx))?;
        match socket.try_io(Interest::READABLE, || pipe.fill(socket)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            result => return Poll::Ready(result),
        }
    }
}

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; PIECE]);
    /// Empty pipes of this thread, for the next stream.
    static PIPES: RefCell<Vec<(Pipe, Permit)>> = const { RefCell::new(Vec::new()) };
}

fn spare() -> Option<(Pipe, Permit)> {
    PIPES.with_borrow_mut(Vec::pop)
}

fn keep(pipe: Pipe, permit: Permit) {
    PIPES.with_borrow_mut(|pipes| {
        if pipes.len() < SPARE {
            pipes.push((pipe, permit));
        }
    });
}

const PIECE: usize = 64 * 1024;

/// A piece worth a pipe, and one that is not. Between the two nothing changes.
const LARGE: usize = 16 * 1024;
const SMALL: usize = 4 * 1024;

/// So many in a row.
const STREAK: u8 = 3;

/// Pipes a thread keeps.
const SPARE: usize = 32;
