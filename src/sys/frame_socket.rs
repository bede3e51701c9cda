//! Sends whole Ethernet frames, and hears the answers on all links of a namespace, whatever the kernel thinks of them:
//! of an address that is its own, or of a connection that it knows nothing of, it would tell nobody.

use super::raw;
use crate::net::Mac;
use crate::wire::{arp, ndisc};
use socket2::{Domain, Protocol, SockFilter, Socket, Type};
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

/// So many ports, from a multiple of that, are heard.
pub const PORTS: u16 = 64;
/// As ETH_P_ALL (linux/if_ether.h).
const EVERY_PROTOCOL: u16 = 3;
/// PACKET_IGNORE_OUTGOING (linux/if_packet.h).
const IGNORE_OUTGOING: libc::c_int = 23;

#[derive(Debug)]
pub struct FrameSocket {
    socket: Socket,
}

impl FrameSocket {
    /// Hears ARP, ICMP and ICMPv6, and what has one of the [`PORTS`] ports from `first` on. Needs CAP_NET_RAW.
    pub fn open(first: u16) -> io::Result<Self> {
        // Protocol 0 until the filter stands: nothing unfiltered is ever queued.
        let socket = Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(0)))?;
        socket.attach_filter(&filter(first))?;
        ignore_outgoing(&socket)?;
        socket.bind(&raw::link_address(0, EVERY_PROTOCOL, [0; 6]))?;
        Ok(Self { socket })
    }

    /// Sends a frame on the link with that interface index. On a link without a carrier it is lost, as on a bad wire.
    pub fn send(&self, link: u32, frame: &[u8]) -> io::Result<()> {
        let short = || io::Error::new(io::ErrorKind::InvalidInput, "no Ethernet header");
        let (to, rest) = frame.split_first_chunk::<6>().ok_or_else(short)?;
        let [_, _, _, _, _, _, kind1, kind0] = *rest.first_chunk().ok_or_else(short)?;
        let index = i32::try_from(link).map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e))?;
        let address = raw::link_address(index, u16::from_be_bytes([kind1, kind0]), Mac(*to).0);
        match self.socket.send_to(frame, &address) {
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENETDOWN | libc::ENOBUFS)) => Ok(()),
            other => other.map(drop),
        }
    }

    /// Gives every frame to `is_enough`, until that says yes or the time is over.
    pub fn listen(
        &mut self,
        limit: Duration,
        mut is_enough: impl FnMut(&Self, &[u8]) -> io::Result<bool>,
    ) -> io::Result<()> {
        let end = Instant::now() + limit;
        let mut frame = [0; 2048];
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            self.socket.set_read_timeout(Some(left))?;
            match self.socket.read(&mut frame) {
                Ok(length) => {
                    if is_enough(self, frame.get(..length).unwrap_or_default())? {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                // A link that goes down is told once; the others are heard on.
                Err(error)
                    if error.kind() == io::ErrorKind::Interrupted || error.raw_os_error() == Some(libc::ENETDOWN) => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// What leaves this machine is no answer.
#[expect(unsafe_code, reason = "neither socket2 nor nix knows the option")]
fn ignore_outgoing(socket: &Socket) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the value is an int that outlives the call, and its length is given.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            IGNORE_OUTGOING,
            (&raw const on).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// ARP, ICMP, and TCP and UDP with either port in the block; without extension headers, which no answer has.
fn filter(first: u16) -> [SockFilter; 26] {
    let block = u32::from(!(PORTS - 1));
    let first = u32::from(first) & block;
    let plain = |parts: u32, value: u32| SockFilter::new(parts as u16, 0, 0, value);
    // How many instructions are skipped if it is so, and if not.
    let equal = |value: u32, yes: u8, no: u8| SockFilter::new(JUMP_IF_EQUAL, yes, no, value);
    [
        plain(libc::BPF_LD | libc::BPF_H | libc::BPF_ABS, 12),
        equal(u32::from(arp::ETHERTYPE), 23, 0),
        // IPv4.
        equal(0x0800, 0, 10),
        plain(libc::BPF_LD | libc::BPF_B | libc::BPF_ABS, 23),
        equal(1, 20, 0),
        equal(6, 1, 0),
        equal(17, 0, 17),
        plain(libc::BPF_LDX | libc::BPF_B | libc::BPF_MSH, 14),
        plain(libc::BPF_LD | libc::BPF_H | libc::BPF_IND, 14),
        plain(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K, block),
        equal(first, 14, 0),
        plain(libc::BPF_LD | libc::BPF_H | libc::BPF_IND, 16),
        plain(libc::BPF_JMP | libc::BPF_JA, 9),
        // IPv6.
        equal(u32::from(ndisc::ETHERTYPE), 0, 10),
        plain(libc::BPF_LD | libc::BPF_B | libc::BPF_ABS, 20),
        equal(58, 9, 0),
        equal(6, 1, 0),
        equal(17, 0, 6),
        plain(libc::BPF_LD | libc::BPF_H | libc::BPF_ABS, 54),
        plain(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K, block),
        equal(first, 4, 0),
        plain(libc::BPF_LD | libc::BPF_H | libc::BPF_ABS, 56),
        // The other port.
        plain(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K, block),
        equal(first, 1, 0),
        // Refuse, take.
        plain(libc::BPF_RET | libc::BPF_K, 0),
        plain(libc::BPF_RET | libc::BPF_K, 2048),
    ]
}

// Classic BPF (bpf(4)).
const JUMP_IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
