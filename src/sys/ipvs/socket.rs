//! The conversation with the kernel: one request, its answer, never waiting for ever.

use super::codec::{self, Attributes, Malformed, Read};
use super::error::IpvsError;
use super::message::Command;
use nix::errno::Errno;
use socket2::{Domain, Protocol, Type};
use std::io::{self, Read as _};
use std::time::Duration;

/// The kernel answers at once; this is for the case that it does not.
const TIMEOUT: Duration = Duration::from_secs(5);
/// More than the kernel puts into one datagram of a dump (32 KiB).
const BUFFER: usize = 1 << 16;

/// Changes sent with one system call: their answers, each with the change in it, fit into the socket's default buffer.
const TOGETHER: usize = 64;

/// Message types and flags (netlink(7)).
const ERROR: u16 = 2;
const DONE: u16 = 3;
const OVERRUN: u16 = 4;
const REQUEST: u16 = 1;
const ACK: u16 = 4;
const DUMP: u16 = 0x300;

/// The generic netlink controller, which knows the other families' numbers.
const CONTROLLER: u16 = 0x10;
const GET_FAMILY: u8 = 3;
const FAMILY_ID: u16 = 1;
const FAMILY_NAME: u16 = 2;
const GENERIC_HEADER: usize = 4;
const IPVS_VERSION: u8 = 1;

#[derive(Debug)]
pub(super) struct Socket {
    channel: socket2::Socket,
    /// The family's number, given out when the module was loaded.
    family: u16,
    sequence: u32,
    buffer: Vec<u8>,
}

/// Why a request came to nothing.
#[derive(Debug)]
pub(super) enum Failure {
    /// The kernel refused.
    Errno(Errno),
    Io(io::Error),
    Malformed(Malformed),
}

impl Failure {
    pub(super) fn during(self, what: &str) -> IpvsError {
        let io = |cause| IpvsError::Io { what: what.to_owned(), cause };
        match self {
            Self::Errno(errno) => io(errno.into()),
            Self::Io(cause) => io(cause),
            Self::Malformed(why) => IpvsError::Malformed(why),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Malformed> for Failure {
    fn from(why: Malformed) -> Self {
        Self::Malformed(why)
    }
}

impl Socket {
    pub(super) fn open() -> Result<Self, IpvsError> {
        let open = || {
            let generic = Protocol::from(libc::NETLINK_GENERIC);
            let socket = socket2::Socket::new(Domain::from(libc::AF_NETLINK), Type::RAW, Some(generic))?;
            socket.set_read_timeout(Some(TIMEOUT))?;
            socket.set_write_timeout(Some(TIMEOUT))?;
            Ok(socket)
        };
        let socket = open().map_err(|cause| IpvsError::Io { what: "open a generic netlink socket".into(), cause })?;
        let mut socket = Self { channel: socket, family: 0, sequence: 0, buffer: vec![0; BUFFER] };
        socket.resolve()?;
        Ok(socket)
    }

    /// Asks for the family's number; it changes when the module is loaded again.
    pub(super) fn resolve(&mut self) -> Result<(), IpvsError> {
        let mut name = Attributes::default();
        name.put(FAMILY_NAME, b"IPVS\0");
        let answers = match self.exchange(CONTROLLER, GET_FAMILY, 1, REQUEST | ACK, name.as_bytes()) {
            Err(Failure::Errno(Errno::ENOENT)) => return Err(IpvsError::NoModule),
            other => other.map_err(|e| e.during("ask the kernel for IPVS"))?,
        };
        let answer = answers.first().map(Vec::as_slice).unwrap_or_default();
        self.family = Read::parse(answer).and_then(|read| read.u16(FAMILY_ID)).map_err(IpvsError::Malformed)?;
        Ok(())
    }

    /// One change.
    pub(super) fn request(&mut self, command: Command, attributes: &Attributes) -> Result<(), Failure> {
        self.exchange(self.family, command as u8, IPVS_VERSION, REQUEST | ACK, attributes.as_bytes()).map(drop)
    }

    /// Several changes in their order, with one system call for as many as fit; the answer to each. Only what keeps the
    /// conversation from going on is a failure.
    pub(super) fn request_all(&mut self, changes: &[(Command, Attributes)]) -> Result<Vec<Option<Errno>>, Failure> {
        let mut answers = Vec::with_capacity(changes.len());
        for some in changes.chunks(TOGETHER) {
            let first = self.sequence.wrapping_add(1);
            let mut datagram = Vec::new();
            for (command, attributes) in some {
                self.sequence = self.sequence.wrapping_add(1);
                let payload = [&[*command as u8, IPVS_VERSION, 0, 0], attributes.as_bytes()].concat();
                datagram.extend(codec::message(self.family, REQUEST | ACK, self.sequence, &payload));
            }
            self.channel.send(&datagram)?;
            let mut some_answers = vec![None; some.len()];
            let mut missing = some.len();
            while missing > 0 {
                let length = receive(&self.channel, &mut self.buffer)?;
                let datagram = self.buffer.get(..length).unwrap_or_default();
                for message in codec::messages(datagram)?.into_iter().filter(|message| message.kind == ERROR) {
                    let place = message.sequence.wrapping_sub(first) as usize;
                    if let Some(answer @ None) = some_answers.get_mut(place) {
                        *answer = Some(errno_of(message.payload));
                        missing -= 1;
                    }
                }
            }
            answers.extend(some_answers.into_iter().flatten());
        }
        Ok(answers)
    }

    /// What there is one of.
    pub(super) fn ask(&mut self, command: Command) -> Result<Vec<Vec<u8>>, Failure> {
        self.exchange(self.family, command as u8, IPVS_VERSION, REQUEST | ACK, &[])
    }

    /// All entries, each as its attributes.
    pub(super) fn dump(&mut self, command: Command, attributes: &[u8]) -> Result<Vec<Vec<u8>>, Failure> {
        self.exchange(self.family, command as u8, IPVS_VERSION, REQUEST | DUMP, attributes)
    }

    /// Sends a request and gathers the attributes of all its answers.
    fn exchange(
        &mut self,
        family: u16,
        command: u8,
        version: u8,
        flags: u16,
        attributes: &[u8],
    ) -> Result<Vec<Vec<u8>>, Failure> {
        self.sequence = self.sequence.wrapping_add(1);
        let payload = [&[command, version, 0, 0], attributes].concat();
        self.channel.send(&codec::message(family, flags, self.sequence, &payload))?;
        let mut answers = Vec::new();
        loop {
            let length = receive(&self.channel, &mut self.buffer)?;
            let datagram = self.buffer.get(..length).unwrap_or_default();
            if take(datagram, self.sequence, family, &mut answers)? == Progress::Complete {
                return Ok(answers);
            }
        }
    }
}

fn receive(mut socket: &socket2::Socket, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match socket.read(buffer) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "the kernel did not answer"));
            }
            other => return other,
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Progress {
    More,
    Complete,
}

/// Takes the answers to request `sequence` out of a datagram; what belongs to an earlier one is stepped over.
fn take(datagram: &[u8], sequence: u32, family: u16, answers: &mut Vec<Vec<u8>>) -> Result<Progress, Failure> {
    for message in codec::messages(datagram)? {
        if message.sequence != sequence {
            continue;
        }
        match message.kind {
            // An acknowledgement is an error of zero. A dump's end carries its error in the same place.
            ERROR | DONE => {
                return errno_of(message.payload).map_or(Ok(Progress::Complete), |e| Err(Failure::Errno(e)));
            }
            OVERRUN => return Err(Failure::Errno(Errno::ENOBUFS)),
            kind if kind == family => {
                let attributes = message.payload.get(GENERIC_HEADER..).ok_or(Malformed::Message)?;
                answers.push(attributes.to_vec());
            }
            _ => {}
        }
    }
    Ok(Progress::More)
}

/// None: it was done.
fn errno_of(payload: &[u8]) -> Option<Errno> {
    let code = payload.first_chunk::<4>().map_or(0, |code| i32::from_ne_bytes(*code));
    let errno = code.checked_neg().unwrap_or(0);
    (errno != 0).then(|| Errno::from_raw(errno))
}

/// The attributes of the answers in one datagram; what the kernel refuses has none.
pub(super) fn answers(datagram: &[u8], sequence: u32, family: u16) -> Result<Vec<Vec<u8>>, Malformed> {
    let mut answers = Vec::new();
    match take(datagram, sequence, family, &mut answers) {
        Err(Failure::Malformed(why)) => Err(why),
        Ok(_) | Err(Failure::Errno(_) | Failure::Io(_)) => Ok(answers),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn error(sequence: u32, code: i32) -> Vec<u8> {
        codec::message(ERROR, 0, sequence, &[code.to_ne_bytes().as_slice(), &[0; 16]].concat())
    }

    #[test]
    fn an_acknowledgement_completes_and_an_error_refuses() {
        let mut answers = Vec::new();
        assert!(matches!(take(&error(5, 0), 5, 30, &mut answers), Ok(Progress::Complete)));
        let refused = take(&error(5, -libc::ESRCH), 5, 30, &mut answers);
        assert!(matches!(refused, Err(Failure::Errno(Errno::ESRCH))));
        assert!(matches!(take(&error(5, i32::MIN), 5, 30, &mut answers), Ok(Progress::Complete)));
    }

    #[test]
    fn a_late_answer_to_an_earlier_request_is_stepped_over() {
        let mut answers = Vec::new();
        assert!(matches!(take(&error(4, -libc::ESRCH), 5, 30, &mut answers), Ok(Progress::More)));
        let mut datagram = codec::message(30, 2, 4, &[4, 1, 0, 0, 9, 9, 9, 9]);
        datagram.extend(codec::message(30, 2, 5, &[4, 1, 0, 0, 1, 2, 3, 4]));
        datagram.extend(codec::message(DONE, 2, 5, &[0; 4]));
        assert!(matches!(take(&datagram, 5, 30, &mut answers), Ok(Progress::Complete)));
        assert_eq!(answers, [[1, 2, 3, 4]]);
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(datagram in prop::collection::vec(any::<u8>(), 0..120)) {
            let _ = take(&datagram, 5, 30, &mut Vec::new());
        }

        #[test]
        fn no_message_makes_it_panic(kind in 0..40u16, payload in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = take(&codec::message(kind, 2, 5, &payload), 5, 30, &mut Vec::new());
        }
    }
}
