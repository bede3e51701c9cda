//! Sockets of checks: source, link and mark as the configuration says.

use super::Problem;
use crate::health::Connection;
use nix::net::if_::if_nametoindex;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use tokio::net::{TcpSocket, TcpStream, UdpSocket};

/// Connects over TCP. The connection is given up with a reset, as keepalived does: a port that is bound is free again
/// at once, and thousands of checks leave nothing waiting.
pub(super) async fn connect(to: &Connection) -> Result<TcpStream, Problem> {
    let socket = prepared(to, Type::STREAM, Protocol::TCP)?;
    socket.set_linger(Some(Duration::ZERO))?;
    socket.set_tcp_nodelay(true)?;
    let target = scoped(to)?;
    Ok(TcpSocket::from_std_stream(socket.into()).connect(target).await?)
}

/// A UDP socket that talks to the target alone, so that ICMP errors come back to it.
pub(super) async fn connect_udp(to: &Connection) -> Result<UdpSocket, Problem> {
    let socket = UdpSocket::from_std(prepared(to, Type::DGRAM, Protocol::UDP)?.into())?;
    socket.connect(scoped(to)?).await?;
    Ok(socket)
}

pub(super) fn prepared(to: &Connection, kind: Type, protocol: Protocol) -> Result<Socket, Problem> {
    let socket = Socket::new(Domain::for_address(to.target), kind, Some(protocol))
        .map_err(|error| Problem::io("make a socket", &error))?;
    socket.set_nonblocking(true)?;
    dress(&socket, to)?;
    Ok(socket)
}

/// Mark, link and source.
pub(super) fn dress(socket: &Socket, to: &Connection) -> Result<(), Problem> {
    if to.mark != 0 {
        socket.set_mark(to.mark).map_err(|error| Problem::io("set its mark", &error))?;
    }
    if let Some(link) = &to.link {
        socket
            .bind_device(Some(link.as_str().as_bytes()))
            .map_err(|error| Problem::io(&format!("bind it to {link}"), &error))?;
    }
    if to.source.is_some() || to.source_port.is_some() {
        socket.set_reuse_address(true)?;
        let any = if to.target.is_ipv6() { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
        let source = to.source.unwrap_or(any);
        let from = with_scope(SocketAddr::new(source, to.source_port.unwrap_or(0)), to)?;
        socket.bind(&from.into()).map_err(|error| Problem::io(&format!("connect from {source}"), &error))?;
    }
    Ok(())
}

/// The target, on its link if it is a link-local address.
pub(super) fn scoped(to: &Connection) -> io::Result<SocketAddr> {
    with_scope(to.target, to)
}

fn with_scope(address: SocketAddr, to: &Connection) -> io::Result<SocketAddr> {
    match (address, &to.link) {
        (SocketAddr::V6(mut v6), Some(link)) if is_link_local(address.ip()) => {
            v6.set_scope_id(if_nametoindex(link.as_str())?);
            Ok(v6.into())
        }
        _ => Ok(address),
    }
}

fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local())
}
