//! Hears what others say of where addresses are, by ARP or by neighbour advertisements, on one link: a packet socket with
//! a filter in the kernel, so that ordinary traffic wakes nobody.

use super::raw;
use crate::net::Family;
use crate::net::Mac;
use crate::wire::{arp, ndisc};
use socket2::{Domain, Protocol, SockFilter, Socket, Type};
use std::collections::BTreeSet;
use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr};
use std::task::{Context, Poll};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// So many addresses make a filter of less than the 4 096 instructions that the kernel takes (bpf(4)).
const FILTERED: usize = 1500;

#[derive(Debug)]
pub struct AnnouncementSocket {
    socket: AsyncFd<Socket>,
    family: Family,
}

/// A station's word about where an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    pub mac: Mac,
    pub address: IpAddr,
    /// Told to all, unasked: gratuitous ARP, an unsolicited neighbour advertisement.
    pub is_announcement: bool,
}

impl AnnouncementSocket {
    /// Opens the socket on the link with the interface index `index`, for what is said of `addresses`; over IPv6, of any.
    /// Needs CAP_NET_RAW and a tokio runtime with I/O.
    pub fn open(index: u32, family: Family, addresses: &BTreeSet<IpAddr>) -> io::Result<Self> {
        // Protocol 0 until the filter stands: nothing unfiltered is ever queued.
        let socket = Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(0)))?;
        socket.set_nonblocking(true)?;
        let ethertype = match family {
            Family::V4 => {
                socket.attach_filter(&arp_filter(addresses))?;
                arp::ETHERTYPE
            }
            Family::V6 => {
                socket.attach_filter(&neighbour_advertisement())?;
                ndisc::ETHERTYPE
            }
        };
        let index = i32::try_from(index).map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e))?;
        socket.bind(&raw::link_address(index, ethertype, [0; 6]))?;
        Ok(Self { socket: raw::readable(socket)?, family })
    }

    /// From now on, what is said of these addresses.
    pub fn watch(&self, addresses: &BTreeSet<IpAddr>) -> io::Result<()> {
        match self.family {
            Family::V4 => self.socket.get_ref().attach_filter(&arp_filter(addresses)),
            Family::V6 => Ok(()),
        }
    }

    /// Whether something may have arrived; if not, the task is woken when it has.
    pub fn poll_ready(&self, context: &mut Context<'_>) -> Poll<()> {
        self.socket.poll_read_ready(context).map(|_| ())
    }

    /// The next claim that has arrived already, or none; never waits.
    pub fn try_recv(&self) -> io::Result<Option<Claim>> {
        let mut frame = [0; 128];
        loop {
            match self.socket.try_io(Interest::READABLE, |mut socket| socket.read(&mut frame)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
                Ok(length) => {
                    let claim = self.claimed(frame.get(..length).unwrap_or_default());
                    if claim.is_some() {
                        return Ok(claim);
                    }
                }
            }
        }
    }

    fn claimed(&self, frame: &[u8]) -> Option<Claim> {
        match self.family {
            Family::V4 => arp::claimed(frame).map(|arp::Claim { mac, address, is_announcement }| Claim {
                mac,
                address: address.into(),
                is_announcement,
            }),
            Family::V6 => ndisc::claimed(frame).map(|ndisc::Claim { mac, address, is_announcement }| Claim {
                mac,
                address: address.into(),
                is_announcement,
            }),
        }
    }
}

/// Accepts a frame whose ARP sender address is one of these. Beyond [`FILTERED`] of them, gratuitous ARP and answers:
/// what others ask for is too much then.
fn arp_filter(addresses: &BTreeSet<IpAddr>) -> Vec<SockFilter> {
    let addresses: Vec<Ipv4Addr> =
        addresses.iter().filter_map(|a| if let IpAddr::V4(a) = a { Some(*a) } else { None }).collect();
    if addresses.len() > FILTERED {
        return announcement_or_answer().into_iter().collect();
    }
    let mut filter = vec![SockFilter::new(LOAD_WORD, 0, 0, SENDER)];
    for address in addresses {
        filter.push(SockFilter::new(JUMP_IF_EQUAL, 0, 1, address.to_bits()));
        filter.push(SockFilter::new(RETURN, 0, 0, WHOLE));
    }
    filter.push(SockFilter::new(RETURN, 0, 0, 0));
    filter
}

fn announcement_or_answer() -> [SockFilter; 8] {
    [
        SockFilter::new(LOAD_HALF, 0, 0, OPERATION),
        SockFilter::new(JUMP_IF_EQUAL, 4, 0, 2),
        SockFilter::new(LOAD_WORD, 0, 0, SENDER),
        SockFilter::new(TO_X, 0, 0, 0),
        SockFilter::new(LOAD_WORD, 0, 0, TARGET),
        SockFilter::new(JUMP_IF_EQUAL_X, 0, 1, 0),
        SockFilter::new(RETURN, 0, 0, WHOLE),
        SockFilter::new(RETURN, 0, 0, 0),
    ]
}

/// Accepts a frame that is a neighbour advertisement without extension headers.
fn neighbour_advertisement() -> [SockFilter; 6] {
    [
        SockFilter::new(LOAD_BYTE, 0, 0, 20),
        SockFilter::new(JUMP_IF_EQUAL, 0, 3, 58),
        SockFilter::new(LOAD_BYTE, 0, 0, 54),
        SockFilter::new(JUMP_IF_EQUAL, 0, 1, 136),
        SockFilter::new(RETURN, 0, 0, WHOLE),
        SockFilter::new(RETURN, 0, 0, 0),
    ]
}

/// Of an ARP frame: where its parts begin (RFC 826).
const OPERATION: u32 = 20;
const SENDER: u32 = 28;
const TARGET: u32 = 38;
/// More than any frame of interest has.
const WHOLE: u32 = 128;

// Classic BPF (bpf(4)).
const LOAD_WORD: u16 = code(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS);
const LOAD_HALF: u16 = code(libc::BPF_LD | libc::BPF_H | libc::BPF_ABS);
const LOAD_BYTE: u16 = code(libc::BPF_LD | libc::BPF_B | libc::BPF_ABS);
const JUMP_IF_EQUAL: u16 = code(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K);
const JUMP_IF_EQUAL_X: u16 = code(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_X);
const TO_X: u16 = code(libc::BPF_MISC | libc::BPF_TAX);
const RETURN: u16 = code(libc::BPF_RET | libc::BPF_K);

const fn code(parts: u32) -> u16 {
    parts as u16
}
