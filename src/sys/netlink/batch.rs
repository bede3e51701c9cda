//! Many changes of addresses with one system call.
//!
//! The kernel takes several messages at once, carries them out one after the other before the call returns, and answers
//! only what failed and what asks for an answer: the last one does, and tells so that nothing is missing.

use super::error::NetlinkError;
use super::requests::{FOR_EVER, added, leased, named, outcome};
use crate::kernel::{Address, Change};
use crate::net::LinkName;
use crate::sys::Outcome;
use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use nix::errno::Errno;
use nix::net::if_::if_nametoindex;
use std::collections::BTreeMap;
use std::io;

/// An answer repeats the message it is about.
const ANSWER: usize = 8192;

/// Changes addresses in the network namespace of the thread that opened it. Waits for the kernel.
#[derive(Debug)]
pub struct Batches {
    socket: Socket,
    sequence: u32,
}

/// One change as the kernel is asked for it.
struct Asked {
    what: String,
    request: Result<(RouteNetlinkMessage, u16), NetlinkError>,
    /// What says that it is so already.
    so_already: &'static [Errno],
}

impl Batches {
    pub fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        Ok(Self { socket, sequence: 0 })
    }

    /// Whether it is a change of an address.
    pub const fn takes(change: &Change) -> bool {
        matches!(
            change,
            Change::AddAddress(_)
                | Change::LeaseAddress(..)
                | Change::RenewAddress(..)
                | Change::KeepAddress(_)
                | Change::RemoveAddress(_)
        )
    }

    /// Carries out changes of addresses, in their order; what became of each.
    pub fn apply(&mut self, changes: &[Change]) -> Vec<Result<Outcome, NetlinkError>> {
        let mut indices = BTreeMap::new();
        let asked: Vec<_> = changes.iter().map(|change| asked(change, &mut indices)).collect();
        let requests: Vec<_> = asked.iter().filter_map(|a| a.request.as_ref().ok()).collect();
        let mut answers = self.ask(&requests).into_iter();
        let result = |asked: Asked| match asked.request {
            Err(error) if asked.so_already.iter().any(|errno| error.errno() == Some(*errno as i32)) => {
                Ok(Outcome::AlreadySo)
            }
            Err(error) => Err(error),
            Ok(_) => {
                let answer = answers.next().unwrap_or_else(|| Err(unanswered()));
                outcome(&asked.what, answer, asked.so_already)
            }
        };
        asked.into_iter().map(result).collect()
    }

    /// An answer to each.
    fn ask(&mut self, requests: &[&(RouteNetlinkMessage, u16)]) -> Vec<io::Result<()>> {
        let first = self.sequence.wrapping_add(1);
        let mut bytes = Vec::new();
        for (place, (request, flags)) in requests.iter().enumerate() {
            self.sequence = self.sequence.wrapping_add(1);
            let mut message = NetlinkMessage::from(request.clone());
            message.header.flags = NLM_F_REQUEST | flags;
            if place + 1 == requests.len() {
                message.header.flags |= NLM_F_ACK;
            }
            message.header.sequence_number = self.sequence;
            message.finalize();
            let start = bytes.len();
            bytes.resize(start + message.buffer_len().next_multiple_of(4), 0);
            if let Some(room) = bytes.get_mut(start..start + message.buffer_len()) {
                message.serialize(room);
            }
        }
        if requests.is_empty() {
            return Vec::new();
        }
        match self.socket.send(&bytes, 0).and_then(|_| self.answers(first, requests.len())) {
            Ok(errors) => (0..requests.len()).map(|place| errors.get(&place).map_or(Ok(()), again)).collect(),
            // What was lost may have failed: whoever asked tries again, and finds it so already if it had not.
            Err(error) => requests.iter().map(|_| again(&error)).collect(),
        }
    }

    /// What failed, by its place, up to the answer to the last.
    fn answers(&mut self, first: u32, count: usize) -> io::Result<BTreeMap<usize, io::Error>> {
        let mut errors = BTreeMap::new();
        let mut buffer = Vec::with_capacity(ANSWER);
        loop {
            buffer.clear();
            self.socket
                .recv(&mut buffer, libc::MSG_DONTWAIT)
                .map_err(|e| if e.kind() == io::ErrorKind::WouldBlock { unanswered() } else { e })?;
            let mut rest = buffer.as_slice();
            while !rest.is_empty() {
                let message = NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest)
                    .map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e.to_string()))?;
                let length = (message.header.length as usize).next_multiple_of(4).max(4);
                rest = rest.get(length..).unwrap_or_default();
                let place = message.header.sequence_number.wrapping_sub(first) as usize;
                // What is older was given up on.
                let NetlinkPayload::Error(answer) = message.payload else { continue };
                if place >= count {
                    continue;
                }
                if answer.code.is_some() {
                    errors.insert(place, answer.to_io());
                }
                if place + 1 == count {
                    return Ok(errors);
                }
            }
        }
    }
}

fn asked(change: &Change, indices: &mut BTreeMap<LinkName, Result<u32, Errno>>) -> Asked {
    let mut index = |address: &Address, what: &str| {
        let known = indices.entry(address.link.clone());
        let index = *known.or_insert_with(|| if_nametoindex(address.link.as_str()));
        index.map_err(|errno| NetlinkError::new(what, errno.into()))
    };
    match change {
        Change::LeaseAddress(address, seconds) | Change::RenewAddress(address, seconds) => {
            let what = change.to_string();
            let message = index(address, &what).map(|index| leased(address, index, *seconds));
            let request = message.map(|m| (RouteNetlinkMessage::NewAddress(m), NLM_F_CREATE | NLM_F_REPLACE));
            Asked { what, request, so_already: &[] }
        }
        Change::KeepAddress(address) => {
            let what = change.to_string();
            let message = index(address, &what).map(|index| leased(address, index, FOR_EVER));
            let request = message.map(|m| (RouteNetlinkMessage::NewAddress(m), NLM_F_CREATE | NLM_F_REPLACE));
            Asked { what, request, so_already: &[] }
        }
        Change::RemoveAddress(address) => {
            let what = format!("remove {} from {}", address.net, address.link);
            let request = index(address, &what).map(|i| (RouteNetlinkMessage::DelAddress(named(address, i)), 0));
            // With a link its addresses went too.
            Asked { what, request, so_already: &[Errno::EADDRNOTAVAIL, Errno::ENODEV] }
        }
        Change::AddAddress(address) => {
            let what = format!("add {} to {}", address.net, address.link);
            let message = index(address, &what).map(|index| added(address, index));
            let request = message.map(|m| (RouteNetlinkMessage::NewAddress(m), NLM_F_CREATE | NLM_F_EXCL));
            Asked { what, request, so_already: &[Errno::EEXIST] }
        }
        other => {
            let cause = io::Error::new(io::ErrorKind::InvalidInput, "this is no change of an address");
            let what = other.to_string();
            Asked { request: Err(NetlinkError::new(what.clone(), cause)), what, so_already: &[] }
        }
    }
}

fn unanswered() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the kernel did not answer")
}

fn again(error: &io::Error) -> io::Result<()> {
    Err(error
        .raw_os_error()
        .map_or_else(|| io::Error::new(error.kind(), error.to_string()), io::Error::from_raw_os_error))
}
