//! A web server that can be made to fail in every way.

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// What it does with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Answers with a page.
    Good,
    /// Nothing listens.
    Refuse,
    /// Resets what it has taken.
    Reset,
    /// Takes it and says nothing.
    HalfOpen,
    /// One byte of the answer every 100 ms.
    SlowByte,
    BadStatus,
    OtherPage,
    EndlessHeaders,
    HugeBody,
    NeverEnds,
    Garbage,
}

/// The page of a good server, and its MD5.
pub(crate) const PAGE: &str = "hello";
pub(crate) const DIGEST: &str = "5d41402abc4b2a76b9719d911017c592";

pub(crate) struct Server {
    mode: Arc<Mutex<Mode>>,
    tls: Option<Arc<Mutex<Arc<ServerConfig>>>>,
    taken: Arc<AtomicU64>,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start(namespace: &str, port: u16, tls: Option<Arc<ServerConfig>>) -> Self {
        let (mode, ends) = (Arc::new(Mutex::new(Mode::Good)), Arc::new(AtomicBool::new(false)));
        let tls = tls.map(|config| Arc::new(Mutex::new(config)));
        let taken = Arc::new(AtomicU64::new(0));
        let parts = (mode.clone(), tls.clone(), taken.clone(), ends.clone());
        let namespace = namespace.to_owned();
        let thread = thread::spawn(move || {
            vipdeck::sys::netns::enter(&namespace).unwrap();
            listen(port, parts);
        });
        Self { mode, tls, taken, ends, thread: Some(thread) }
    }

    pub(crate) fn set(&self, mode: Mode) {
        *self.mode.lock().unwrap() = mode;
    }

    pub(crate) fn set_tls(&self, config: Arc<ServerConfig>) {
        *self.tls.as_ref().unwrap().lock().unwrap() = config;
    }

    /// Connections so far.
    pub(crate) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

type Parts = (Arc<Mutex<Mode>>, Option<Arc<Mutex<Arc<ServerConfig>>>>, Arc<AtomicU64>, Arc<AtomicBool>);

fn listen(port: u16, (mode, tls, taken, ends): Parts) {
    let mut listener: Option<TcpListener> = None;
    while !ends.load(Ordering::Relaxed) {
        let now = *mode.lock().unwrap();
        if now == Mode::Refuse {
            listener = None;
        } else if listener.is_none() {
            let fresh = TcpListener::bind(("10.9.0.2", port)).unwrap();
            fresh.set_nonblocking(true).unwrap();
            listener = Some(fresh);
        }
        let Some(Ok((stream, _))) = listener.as_ref().map(TcpListener::accept) else {
            thread::sleep(Duration::from_millis(2));
            continue;
        };
        taken.fetch_add(1, Ordering::Relaxed);
        let config = tls.as_ref().map(|tls| tls.lock().unwrap().clone());
        let ends = ends.clone();
        thread::spawn(move || serve(stream, now, config, &ends));
    }
}

fn serve(stream: TcpStream, mode: Mode, tls: Option<Arc<ServerConfig>>, ends: &AtomicBool) {
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    match (mode, tls) {
        (Mode::Reset, _) => {
            let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
        }
        (Mode::HalfOpen, _) => while_open(stream, ends),
        (Mode::Garbage, _) => {
            let _ = (&stream).write_all(&[0x55; 5000]);
            while_open(stream, ends);
        }
        (mode, Some(config)) => {
            let connection = ServerConnection::new(config).unwrap();
            answer(StreamOwned::new(connection, stream), mode, ends);
        }
        (mode, None) => answer(stream, mode, ends),
    }
}

/// Until the other end closes.
fn while_open(mut stream: TcpStream, ends: &AtomicBool) {
    stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let mut room = [0; 512];
    while !ends.load(Ordering::Relaxed) {
        match stream.read(&mut room) {
            Ok(0) => return,
            Err(error) if !matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {
                return;
            }
            _ => {}
        }
    }
}

fn answer<S: Read + Write>(mut stream: S, mode: Mode, ends: &AtomicBool) {
    let mut room = [0; 2048];
    if !matches!(stream.read(&mut room), Ok(1..)) {
        return;
    }
    let page = format!("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n{PAGE}");
    let mut repeat = |start: &str, piece: &[u8], pause: Duration| {
        let mut open = stream.write_all(start.as_bytes()).is_ok();
        while open && !ends.load(Ordering::Relaxed) {
            open = stream.write_all(piece).is_ok();
            thread::sleep(pause);
        }
    };
    match mode {
        Mode::SlowByte => {
            for byte in page.bytes() {
                if stream.write_all(&[byte]).is_err() || ends.load(Ordering::Relaxed) {
                    return;
                }
                thread::sleep(Duration::from_millis(100));
            }
        }
        Mode::BadStatus => drop(stream.write_all(b"HTTP/1.0 503 Busy\r\n\r\nsorry")),
        Mode::OtherPage => drop(stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nother")),
        Mode::EndlessHeaders => {
            repeat("HTTP/1.0 200 OK\r\n", &b"X-Filler: aaaaaaaaaaaaaaaaaaaaaa\r\n".repeat(100), Duration::ZERO);
        }
        Mode::HugeBody => repeat("HTTP/1.0 200 OK\r\n\r\n", &b"a".repeat(64 * 1024), Duration::ZERO),
        Mode::NeverEnds => repeat("HTTP/1.0 200 OK\r\n\r\n", b"a", Duration::from_millis(20)),
        Mode::Good | Mode::Refuse | Mode::Reset | Mode::HalfOpen | Mode::Garbage => {
            drop(stream.write_all(page.as_bytes()));
        }
    }
    let _ = stream.flush();
}
