//! What the adverts cost if nothing is done but send them.

use crate::namespaces::inside;
use crate::stage::{LINKS, Load};
use nix::time::{ClockId, clock_gettime};
use socket2::{Domain, Protocol, Socket, Type};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;
use vipdeck::wire::{ipv4, vrrp};

/// CPU seconds a minute of one call for each advert of the masters.
pub(crate) fn cpu_a_minute(namespace: &str, load: &Load) -> f64 {
    let count = (load.instances as f64 * 60.0 / load.interval.as_secs_f64()) as usize;
    inside(namespace, || {
        let links: Vec<_> = (0..LINKS).map(open).collect();
        let to = SocketAddrV4::new(Ipv4Addr::new(224, 0, 0, 18), 0).into();
        let before = cpu();
        for index in 0..count {
            let (socket, packet) = &links[index % LINKS];
            socket.send_to(packet, &to).unwrap();
        }
        (cpu() - before).as_secs_f64()
    })
}

/// A socket and the packet that goes out of it.
fn open(link: usize) -> (Socket, Vec<u8>) {
    let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(255))).unwrap();
    socket.bind_device(Some(format!("l{link}").as_bytes())).unwrap();
    let header = ipv4::Header::advert(Ipv4Addr::new(10, link as u8, 255, 1), ipv4::VRRP_GROUP, 255);
    // 20 octets: version 2 with one address (RFC 3768, section 5.1). Nobody listens, so its checksum is of no concern.
    let payload = [0x21, 255, 150, 1, 0, 1, 0, 0, 10, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(header.protocol, vrrp::PROTOCOL);
    (socket, ipv4::encode(&header, &payload).unwrap())
}

fn cpu() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap().into()
}
