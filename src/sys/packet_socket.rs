//! The packet socket that announces addresses on any link.

use super::raw;
use crate::net::Mac;
use crate::wire::{arp, ndisc};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Sends Ethernet frames and receives nothing. One serves all links of a namespace.
#[derive(Debug)]
pub struct PacketSocket {
    socket: Socket,
}

impl PacketSocket {
    /// Needs CAP_NET_RAW.
    pub fn open() -> io::Result<Self> {
        // Protocol 0: it is not hooked into reception, so nothing piles up in it.
        let socket = Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(0)))?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket })
    }

    /// Tells all stations on the link with interface index `index` that `address` is at `mac` (gratuitous ARP).
    pub fn announce(&self, index: u32, mac: Mac, address: Ipv4Addr) -> io::Result<()> {
        self.send(index, arp::ETHERTYPE, Mac::BROADCAST, &arp::announcement(mac, address))
    }

    /// The same for IPv6 (unsolicited neighbour advertisement).
    pub fn advertise(&self, index: u32, mac: Mac, address: Ipv6Addr) -> io::Result<()> {
        self.send(index, ndisc::ETHERTYPE, ndisc::ALL_NODES_MAC, &ndisc::advertisement(mac, address))
    }

    /// Asks all stations on the link who has `address`, in a way that tells them nothing (RFC 5227, 2.1.1).
    pub fn probe(&self, index: u32, mac: Mac, address: Ipv4Addr) -> io::Result<()> {
        self.send(index, arp::ETHERTYPE, Mac::BROADCAST, &arp::probe(mac, address))
    }

    /// The same for IPv6, asked by `source` (neighbour solicitation).
    pub fn solicit(&self, index: u32, mac: Mac, source: Ipv6Addr, address: Ipv6Addr) -> io::Result<()> {
        let frame = ndisc::solicitation(mac, source, address);
        self.send(index, ndisc::ETHERTYPE, ndisc::solicited_mac(address), &frame)
    }

    /// Announces several addresses, in their order; those that could not be, by their place, with the reason.
    pub fn announce_all(&self, announcements: &[(u32, Mac, IpAddr)]) -> Vec<(usize, io::Error)> {
        let frames: Vec<_> = announcements.iter().map(|(index, mac, address)| frame(*index, *mac, *address)).collect();
        let packets: Vec<_> = frames.iter().map(|(to, frame)| (to.clone(), frame.as_slice())).collect();
        raw::send_many(&self.socket, &packets)
    }

    /// Sends a whole Ethernet frame, at once or not at all.
    pub fn send(&self, index: u32, ethertype: u16, destination: Mac, frame: &[u8]) -> io::Result<()> {
        let index = i32::try_from(index).map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e))?;
        let to = raw::link_address(index, ethertype, destination.0);
        let sent = self.socket.send_to(frame, &to)?;
        if sent == frame.len() {
            Ok(())
        } else {
            Err(io::Error::new(io::ErrorKind::WriteZero, "the kernel took a part of the frame"))
        }
    }
}

/// Where an announcement goes, and what it is. No link has an index beyond the kernel's own type.
fn frame(index: u32, mac: Mac, address: IpAddr) -> (SockAddr, Vec<u8>) {
    let index = i32::try_from(index).unwrap_or_default();
    match address {
        IpAddr::V4(address) => {
            let to = raw::link_address(index, arp::ETHERTYPE, Mac::BROADCAST.0);
            (to, arp::announcement(mac, address).to_vec())
        }
        IpAddr::V6(address) => {
            let to = raw::link_address(index, ndisc::ETHERTYPE, ndisc::ALL_NODES_MAC.0);
            (to, ndisc::advertisement(mac, address))
        }
    }
}
