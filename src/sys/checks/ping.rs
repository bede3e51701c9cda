//! `PING_CHECK`: one echo request on an ICMP datagram socket, whose replies the kernel tells apart.

use super::{Problem, Progress, Stage, reason, socket};
use crate::health::{Connection, Found};
use crate::sys::raw::readable;
use crate::sys::sysctl;
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, Read};

const PAYLOAD: &[u8] = b"vipdeck PING_CHECK";

pub(super) async fn echo(to: &Connection, progress: &Progress) -> Result<Found, Problem> {
    let opened = open(to).map_err(|error| Problem::io("make a socket for echo requests", &error))?;
    socket::dress(&opened, &Connection { source_port: None, ..to.clone() })?;
    let mut target = socket::scoped(to)?;
    target.set_port(0);
    opened.connect(&target.into())?;
    let socket = readable(opened).map_err(|error| Problem::io("wait for echo replies", &error))?;
    // Type, code, checksum (the kernel's), identifier (the kernel's), sequence number.
    let kind = if to.target.is_ipv6() { 128 } else { 8 };
    let mut request = vec![kind, 0, 0, 0, 0, 0, 0, 1];
    request.extend(PAYLOAD);
    socket.get_ref().send(&request).map_err(|error| Problem::io("send an echo request", &error))?;
    progress.reached(Stage::Asked);
    let reply = if to.target.is_ipv6() { 129 } else { 0 };
    loop {
        let mut guard = socket.readable().await?;
        let received = guard.try_io(|socket| {
            let mut room = [0; 256];
            let count = socket.get_ref().read(&mut room)?;
            Ok((room.first().copied().filter(|_| count > 0), count))
        });
        match received {
            Ok(Ok((Some(kind), count))) if kind == reply => {
                return Ok(Found { bytes: Some(count as u64), ..Found::good("answers") });
            }
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Err(Problem { text: reason(&error), errno: error.raw_os_error() }),
            Err(_would_block) => {}
        }
    }
}

/// Where the kernel does not let this process's group have such sockets, it is asked to, as keepalived does.
fn open(to: &Connection) -> io::Result<Socket> {
    let protocol = if to.target.is_ipv6() { Protocol::ICMPV6 } else { Protocol::ICMPV4 };
    let make = || Socket::new(Domain::for_address(to.target), Type::DGRAM, Some(protocol));
    let socket = match make() {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            widen().map_err(io::Error::other)?;
            make()?
        }
        other => other?,
    };
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn widen() -> Result<(), sysctl::SysctlError> {
    let key = sysctl::Key::new("net/ipv4/ping_group_range");
    let group = nix::unistd::getegid().as_raw();
    let range = sysctl::read(&key)?;
    let mut numbers = range.split_whitespace().filter_map(|n| n.parse::<u32>().ok());
    let (low, high) = (numbers.next().unwrap_or(1), numbers.next().unwrap_or(0));
    let (low, high) = if low > high { (group, group) } else { (low.min(group), high.max(group)) };
    sysctl::write(&key, &format!("{low} {high}"))
}
