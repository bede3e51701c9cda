//! The kernel's process events connector: forks, new programs and ends as they happen (`CONFIG_PROC_EVENTS`).
//!
//! It answers in the machine's first network namespace alone, and to the first process namespace alone. So the socket
//! may belong to another namespace than everything else here.

use super::netns;
use nix::sched::{CloneFlags, setns};
use nix::sys::socket::{NetlinkAddr, bind};
use socket2::{Domain, Protocol, Socket, Type};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::{Duration, Instant};

/// What happened to a process; threads are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessEvent {
    Fork {
        parent: u32,
        child: u32,
    },
    /// It became another program, or took another name.
    Exec(u32),
    End(u32),
}

/// What was read from the connector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    Events(Vec<ProcessEvent>),
    /// More happened than there was room for: look at all processes anew.
    Lost,
}

#[derive(Debug)]
pub struct ProcessEvents {
    socket: Socket,
    buffer: Vec<u8>,
}

/// Room for some ten thousand events.
const RECEIVE_BUFFER: usize = 1 << 21;
/// The kernel confirms at once, or not at all.
const CONFIRMED: Duration = Duration::from_millis(300);
/// linux/connector.h and linux/cn_proc.h.
const CN_IDX_PROC: u32 = 1;
const CN_VAL_PROC: u32 = 1;
const LISTEN: u32 = 1;
const NONE: u32 = 0;
const FORK: u32 = 1;
const EXEC: u32 = 2;
const COMM: u32 = 0x200;
const EXIT: u32 = 0x8000_0000;
/// The netlink header, the connector's header, and a process event's.
const HEADERS: (usize, usize, usize) = (16, 20, 16);
const NLMSG_DONE: u16 = 3;

impl ProcessEvents {
    /// Asks for events, in this thread's network namespace or one from which the kernel answers. The error says what that
    /// took and did not have. The thread may be in another network namespace afterwards: call it on one that has no other
    /// business with the network.
    pub fn open() -> Result<Self, String> {
        let mut why = match Self::here() {
            Ok(events) => return Ok(events),
            Err(error) if error.raw_os_error() == Some(libc::ECONNREFUSED) => {
                "the kernel tells of them in the first network namespace alone".to_owned()
            }
            Err(error) => return Err(format!("ask the kernel to tell of processes: {error}")),
        };
        let started_in = netns::started_in().map(|file| ("the namespace this process was started in", file));
        let first = File::open("/proc/1/ns/net").map(|file| ("the namespace of process 1", file));
        let candidates = started_in.into_iter().map(Ok).chain([first]);
        for candidate in candidates {
            let opened = candidate.map_err(|e| format!("look up that of process 1: {e}")).and_then(|(what, file)| {
                setns(file, CloneFlags::CLONE_NEWNET).map_err(|e| format!("enter {what}: {e}"))?;
                Self::here().map_err(|e| format!("from {what}: {e}"))
            });
            match opened {
                Ok(events) => return Ok(events),
                Err(error) => why = format!("{why}; {error}"),
            }
        }
        Err(why)
    }

    fn here() -> io::Result<Self> {
        let connector = Protocol::from(libc::NETLINK_CONNECTOR);
        let socket = Socket::new(Domain::from(libc::AF_NETLINK), Type::DGRAM, Some(connector))?;
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, CN_IDX_PROC))?;
        socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
        socket.set_nonblocking(true)?;
        let mut events = Self { socket, buffer: vec![0; 1 << 16] };
        let number = std::process::id();
        events.socket.send(&request(number))?;
        events.confirmed(number)?;
        Ok(events)
    }

    /// A kernel that does not listen to us (another process namespace, no privilege) says nothing, or an error.
    fn confirmed(&mut self, number: u32) -> io::Result<()> {
        let end = Instant::now() + CONFIRMED;
        while Instant::now() < end {
            match self.next() {
                Ok(Some(message)) => match message.answer.filter(|(to, _)| *to == number.wrapping_add(1)) {
                    Some((_, 0)) => return Ok(()),
                    Some((_, error)) => return Err(io::Error::from_raw_os_error(i32::try_from(error).unwrap_or(0))),
                    None => {}
                },
                Ok(None) => std::thread::sleep(Duration::from_millis(2)),
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::other("no confirmation: this may be a container, or a kernel without CONFIG_PROC_EVENTS"))
    }

    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Everything that has happened since; never waits.
    pub fn receive(&mut self) -> io::Result<Received> {
        let mut events = Vec::new();
        loop {
            match self.next() {
                Ok(Some(message)) => events.extend(message.event),
                Ok(None) => return Ok(Received::Events(events)),
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => return Ok(Received::Lost),
                Err(error) => return Err(error),
            }
        }
    }

    fn next(&mut self) -> io::Result<Option<Message>> {
        match (&self.socket).read(&mut self.buffer) {
            Ok(length) => Ok(Some(message(self.buffer.get(..length).unwrap_or_default()))),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// One datagram.
#[derive(Default)]
struct Message {
    event: Option<ProcessEvent>,
    /// The answer to a request: one more than its acknowledgement number, and an error number.
    answer: Option<(u32, u32)>,
}

/// Not the sequence number comes back, but the acknowledgement number, one greater.
fn request(number: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let operation = LISTEN.to_ne_bytes();
    let length = HEADERS.0 + HEADERS.1 + operation.len();
    bytes.extend((length as u32).to_ne_bytes());
    bytes.extend(NLMSG_DONE.to_ne_bytes());
    bytes.extend(0_u16.to_ne_bytes());
    bytes.extend(number.to_ne_bytes());
    bytes.extend(std::process::id().to_ne_bytes());
    for word in [CN_IDX_PROC, CN_VAL_PROC, number, number] {
        bytes.extend(word.to_ne_bytes());
    }
    bytes.extend((operation.len() as u16).to_ne_bytes());
    bytes.extend(0_u16.to_ne_bytes());
    bytes.extend(operation);
    bytes
}

/// What is short or of another kind is nothing.
fn message(bytes: &[u8]) -> Message {
    let word = |offset: usize| -> Option<u32> {
        Some(u32::from_ne_bytes(bytes.get(offset..offset.checked_add(4)?)?.try_into().ok()?))
    };
    let read = || -> Option<Message> {
        let connector = HEADERS.0;
        if (word(connector)?, word(connector + 4)?) != (CN_IDX_PROC, CN_VAL_PROC) {
            return None;
        }
        let (what, data) = (word(connector + HEADERS.1)?, connector + HEADERS.1 + HEADERS.2);
        let of_process = |event: fn(u32) -> ProcessEvent| -> Option<ProcessEvent> {
            let (thread, process) = (word(data)?, word(data + 4)?);
            (thread == process).then(|| event(process))
        };
        let mut message = Message::default();
        match what {
            NONE => message.answer = Some((word(connector + 12)?, word(data)?)),
            FORK => {
                let (parent, thread, child) = (word(data + 4)?, word(data + 8)?, word(data + 12)?);
                message.event = (thread == child).then_some(ProcessEvent::Fork { parent, child });
            }
            EXEC | COMM => message.event = of_process(ProcessEvent::Exec),
            EXIT => message.event = of_process(ProcessEvent::End),
            _ => {}
        }
        Some(message)
    };
    read().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn datagram(what: u32, data: &[u32]) -> Vec<u8> {
        let mut bytes = vec![0; HEADERS.0];
        for value in [CN_IDX_PROC, CN_VAL_PROC, 7, 8] {
            bytes.extend(value.to_ne_bytes());
        }
        bytes.extend([0; 4]);
        bytes.extend(what.to_ne_bytes());
        bytes.extend([0; 12]);
        for value in data {
            bytes.extend(value.to_ne_bytes());
        }
        bytes
    }

    #[test]
    fn processes_are_told_from_threads() {
        let event = |what, data: &[u32]| message(&datagram(what, data)).event;
        assert_eq!(event(FORK, &[10, 9, 11, 11]), Some(ProcessEvent::Fork { parent: 9, child: 11 }));
        assert_eq!(event(FORK, &[10, 10, 12, 10]), None);
        assert_eq!(event(EXEC, &[11, 11]), Some(ProcessEvent::Exec(11)));
        assert_eq!(event(COMM, &[12, 11, 0, 0, 0, 0]), None);
        assert_eq!(event(EXIT, &[11, 11, 0, 0]), Some(ProcessEvent::End(11)));
        assert_eq!(message(&datagram(NONE, &[1])).answer, Some((8, 1)));
        for length in 0..60 {
            let whole = datagram(FORK, &[1, 1, 2, 2]);
            let _ = message(whole.get(..length).unwrap_or(&whole));
        }
    }

    #[test]
    fn the_kernel_tells_of_a_child_where_it_tells_at_all() {
        let Ok(mut events) = ProcessEvents::open() else { return };
        let mut child = std::process::Command::new("/bin/true").spawn().unwrap();
        let pid = child.id();
        child.wait().unwrap();
        let end = Instant::now() + Duration::from_secs(5);
        let mut seen = Vec::new();
        while Instant::now() < end && !seen.contains(&ProcessEvent::End(pid)) {
            if let Received::Events(more) = events.receive().unwrap() {
                seen.extend(more);
            }
        }
        assert!(seen.contains(&ProcessEvent::Exec(pid)) && seen.contains(&ProcessEvent::End(pid)), "{seen:?}");
    }
}
