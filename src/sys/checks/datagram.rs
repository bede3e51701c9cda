//! `DNS_CHECK` and `UDP_CHECK`.

use super::{Problem, Progress, Stage, socket};
use crate::health::{Dns, Found, Udp, dns};
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::time::timeout;

/// A longer answer is cut off, which does not matter.
const ROOM: usize = 65_536;

pub(super) async fn ask_dns(spec: &Dns, progress: &Progress) -> Result<Found, Problem> {
    let socket = socket::connect_udp(&spec.to).await?;
    let id = random_id();
    let query = dns::query(id, &spec.name, spec.kind);
    socket.send(&query).await.map_err(|error| Problem::io("send the query", &error))?;
    progress.reached(Stage::Asked);
    let mut buffer = vec![0; 4096];
    loop {
        let count = receive(&socket, &mut buffer).await?;
        let datagram = buffer.get(..count).unwrap_or_default();
        let Some(code) = dns::answer(id, datagram) else { continue };
        let name = dns::code_name(code);
        let found = if code == 0 { Found::good("answers") } else { Found::bad(format!("answers {name} ({code})")) };
        return Ok(Found { status: Some(u16::from(code)), bytes: Some(count as u64), ..found });
    }
}

/// Of the socket's own port, which the kernel draws at random, and the clock.
fn random_id() -> u16 {
    use std::hash::{BuildHasher, Hasher};
    let drawn = std::collections::hash_map::RandomState::new().build_hasher().finish();
    u16::try_from(drawn & 0xffff).unwrap_or(0)
}

pub(super) async fn send_udp(spec: &Udp, progress: &Progress) -> Result<Found, Problem> {
    let socket = socket::connect_udp(&spec.to).await?;
    let payload = spec.payload.clone().unwrap_or_else(|| random_id().to_be_bytes().to_vec());
    socket.send(&payload).await.map_err(|error| Problem::io("send", &error))?;
    progress.reached(Stage::Asked);
    let mut buffer = vec![0; ROOM];
    let Some(reply) = &spec.reply else {
        // Silence is good; a word that the port is closed comes soon, or after ARP has given up. A little before the
        // limit, which would be a failure.
        let patience = spec.to.timeout.saturating_sub(Duration::from_millis(5)).max(spec.to.timeout / 2);
        return match timeout(patience, receive(&socket, &mut buffer)).await {
            Ok(Ok(count)) => Ok(Found { bytes: Some(count as u64), ..Found::good("answers") }),
            Ok(Err(problem)) => Err(problem),
            Err(_silent) => Ok(Found::good("nothing says that it is unreachable")),
        };
    };
    let count = receive(&socket, &mut buffer).await?;
    let found = |found: Found| Found { bytes: Some(count as u64), ..found };
    let length = u16::try_from(count).unwrap_or(u16::MAX);
    if !(reply.min_length..=reply.max_length).contains(&length) {
        let (min, max) = (reply.min_length, reply.max_length);
        return Ok(found(Found::bad(format!("its reply has {count} bytes, not {min} to {max}"))));
    }
    let received = buffer.get(..count).unwrap_or_default();
    let differs = received.iter().zip(&reply.pattern).position(|(is, (wanted, mask))| (is ^ wanted) & mask != 0);
    Ok(found(match differs {
        Some(place) => Found::bad(format!("its reply differs at byte {place}")),
        None => Found::good("replies as expected"),
    }))
}

async fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> Result<usize, Problem> {
    match socket.recv(buffer).await {
        Ok(count) => Ok(count),
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
            Err(Problem { text: "port unreachable".into(), errno: error.raw_os_error() })
        }
        Err(error) => Err(error.into()),
    }
}
