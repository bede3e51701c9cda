//! One run of one health check. It always ends: within the time limit of the check, whatever the server does.

mod datagram;
mod http;
mod http2;
mod misc;
mod ping;
mod smtp;
mod socket;
mod tls;

use crate::health::{Found, Method};
use std::borrow::Cow;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::time::timeout;

pub use http::genhash;
pub use tls::Clients;

/// What the checks of one engine share: TLS settings and compiled patterns.
#[derive(Clone, Default)]
pub struct Shared(Arc<SharedParts>);

#[derive(Default)]
struct SharedParts {
    tls: Clients,
    patterns: http::Patterns,
}

/// Does once what `method` says, with its URL number `step`.
pub async fn run(method: &Method, step: usize, shared: &Shared) -> Found {
    let start = Instant::now();
    let progress = Progress::default();
    let found = match method.connection().map(|to| to.timeout) {
        Some(limit) => {
            let talk = talk(method, step, shared, &progress);
            timeout(limit, talk).await.unwrap_or_else(|_elapsed| progress.out_of_time(method, limit))
        }
        None => talk(method, step, shared, &progress).await,
    };
    Found { took: start.elapsed(), ..found }
}

async fn talk(method: &Method, step: usize, shared: &Shared, progress: &Progress) -> Found {
    let result = match method {
        Method::Tcp(to) => socket::connect(to).await.map(|_connected| Found::good("connected")),
        Method::Http(http) => http::get(http, step, &shared.0.tls, &shared.0.patterns, progress).await,
        Method::Smtp { to, helo } => smtp::greet(to, helo, progress).await,
        Method::Dns(dns) => datagram::ask_dns(dns, progress).await,
        Method::Udp(udp) => datagram::send_udp(udp, progress).await,
        Method::Ping(to) => ping::echo(to, progress).await,
        Method::Misc(misc) => Ok(misc::run(misc).await),
        // The engine is told of those and judges itself.
        Method::Bfd { .. } | Method::File { .. } => Ok(Found::bad("not a check that is run")),
    };
    result.unwrap_or_else(Problem::found)
}

/// Why a run failed before it could judge.
#[derive(Debug)]
struct Problem {
    text: Cow<'static, str>,
    errno: Option<i32>,
}

impl Problem {
    fn new(text: impl Into<Cow<'static, str>>) -> Self {
        Self { text: text.into(), errno: None }
    }

    /// What was being done, and the error.
    fn io(what: &str, error: &io::Error) -> Self {
        Self { text: format!("{what}: {}", reason(error)).into(), errno: error.raw_os_error() }
    }

    fn found(self) -> Found {
        Found { errno: self.errno, ..Found::bad(self.text) }
    }
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        Self { text: reason(&error), errno: error.raw_os_error() }
    }
}

fn reason(error: &io::Error) -> Cow<'static, str> {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".into(),
        // What the kernel says when nobody answers ARP, too.
        io::ErrorKind::HostUnreachable => "no route to host".into(),
        io::ErrorKind::NetworkUnreachable => "network unreachable".into(),
        io::ErrorKind::ConnectionReset => "connection reset".into(),
        io::ErrorKind::AddrInUse => "its source address and port are in use".into(),
        io::ErrorKind::AddrNotAvailable => "its source address is not on this machine".into(),
        _ => error.to_string().into(),
    }
}

/// How far a run has come, for the case that its time is over.
#[derive(Debug, Default)]
struct Progress {
    stage: AtomicU8,
    status: AtomicU64,
    bytes: AtomicU64,
}

#[derive(Clone, Copy)]
enum Stage {
    Connected = 1,
    Secured = 2,
    Asked = 3,
    Answering = 4,
}

impl Progress {
    fn reached(&self, stage: Stage) {
        self.stage.store(stage as u8, Ordering::Relaxed);
    }

    fn received(&self, status: u16, bytes: u64) {
        self.reached(Stage::Answering);
        self.status.store(u64::from(status), Ordering::Relaxed);
        self.bytes.store(bytes, Ordering::Relaxed);
    }

    fn out_of_time(&self, method: &Method, limit: Duration) -> Found {
        let seconds = limit.as_secs_f64();
        let bytes = self.bytes.load(Ordering::Relaxed);
        let status = u16::try_from(self.status.load(Ordering::Relaxed)).ok().filter(|s| *s > 0);
        let is_tls = matches!(method, Method::Http(http) if http.tls.is_some());
        let stage = self.stage.load(Ordering::Relaxed);
        let text = if stage >= Stage::Answering as u8 {
            match status {
                Some(status) => {
                    format!("status {status}, and the page is not complete after {seconds} s, {bytes} bytes")
                }
                None => format!("the answer is not complete after {seconds} s"),
            }
        } else if stage == Stage::Connected as u8 && is_tls {
            format!("connected, and no end of the TLS handshake in {seconds} s")
        } else if stage >= Stage::Connected as u8 {
            format!("connected, and no answer in {seconds} s")
        } else {
            format!("no answer in {seconds} s")
        };
        let answered = stage >= Stage::Answering as u8;
        let errno = (stage == 0).then_some(nix::libc::ETIMEDOUT);
        Found { status, bytes: answered.then_some(bytes), errno, ..Found::bad(text) }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
