//! A virtual service over UDP: each client has a session with its real server until both have been silent for a while.

use super::descriptors::Permit;
use super::listener;
use super::shared::Shared;
use super::table::Choice;
use crate::kernel::{DestinationKey, ServiceKey};
use crate::time::{Duration, Instant};
use socket2::{SockRef, Socket};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use tokio::net::UdpSocket;
use tokio::task::yield_now;
use tokio::time::{sleep, timeout};

/// Takes datagrams for as long as the service is in the table; its sessions end with it.
pub(super) async fn serve(key: ServiceKey, address: SocketAddr, bound: Option<Socket>, shared: Arc<Shared>) {
    let socket = std::net::UdpSocket::from(listener::ready(key, address, bound, &shared).await);
    let socket = match UdpSocket::from_std(socket) {
        Ok(socket) => Arc::new(socket),
        Err(error) => {
            return shared.live().set_problem(&key, Some(format!("listen on {address}: {error}; restart vipdeck")));
        }
    };
    let (sessions, starved) = (Arc::new(Mutex::default()), Arc::new(AtomicBool::new(false)));
    let service = Service { key, address, socket: Arc::downgrade(&socket), sessions, shared, starved };
    let _end = EndOfAll(service.sessions.clone());
    loop {
        if socket.readable().await.is_err() {
            sleep(PAUSE).await;
        }
        for _ in 0..BATCH {
            if !service.take_one(&socket) {
                break;
            }
        }
        // Answers have their turn.
        yield_now().await;
    }
}

#[derive(Clone)]
struct Service {
    key: ServiceKey,
    address: SocketAddr,
    /// Held by the listening task alone: when that ends, the address is free.
    socket: Weak<UdpSocket>,
    sessions: Arc<Mutex<Sessions>>,
    shared: Arc<Shared>,
    starved: Arc<AtomicBool>,
}

/// By client; with one-packet scheduling by client and server, since each datagram may go to another.
type Sessions = BTreeMap<(SocketAddr, Option<DestinationKey>), Arc<Session>>;

struct Session {
    name: (SocketAddr, Option<DestinationKey>),
    socket: UdpSocket,
    choice: Choice,
    /// When the last datagram went either way, microseconds.
    heard: AtomicU64,
    _permit: Permit,
}

/// Those of a service that left the table: their tasks find themselves without entry.
struct EndOfAll(Arc<Mutex<Sessions>>);

impl Drop for EndOfAll {
    fn drop(&mut self) {
        let gone = std::mem::take(&mut *lock(&self.0));
        for session in gone.values() {
            session.choice.place.load.cut.notify_waiters();
        }
    }
}

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; LARGEST]);
}

impl Service {
    /// One datagram from a client. False: there is none at present.
    fn take_one(&self, socket: &UdpSocket) -> bool {
        BUFFER.with_borrow_mut(|buffer| match socket.try_recv_from(buffer) {
            Ok((length, client)) => {
                self.forward(client, buffer.get(..length).unwrap_or_default());
                true
            }
            Err(_) => false,
        })
    }

    /// To the client's server; if that one refused what it got before, to another.
    fn forward(&self, client: SocketAddr, datagram: &[u8]) {
        let mut failed = Vec::new();
        for _ in 0..TRIES {
            let Some(session) = self.session(client, &failed) else { return };
            // Not by tokio: a socket just made would have to be waited for.
            match SockRef::from(&session.socket).send(datagram) {
                Ok(bytes) => {
                    session.heard.store(self.now().as_micros(), Relaxed);
                    session.choice.place.count_in(bytes);
                    return session.choice.place.count_packets(1, 0);
                }
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    failed.push(session.choice.real);
                    self.forget(&session);
                }
                // It does not fit, or there is no room: datagrams may be lost.
                Err(_) => return,
            }
        }
    }

    fn session(&self, client: SocketAddr, failed: &[DestinationKey]) -> Option<Arc<Session>> {
        if self.shared.live().is_one_packet(&self.key) {
            let choice = self.choose(client, failed)?;
            let there = lock(&self.sessions).get(&(client, Some(choice.real))).cloned();
            choice.place.count_connection();
            return there.or_else(|| self.begin((client, Some(choice.real)), choice));
        }
        let there = lock(&self.sessions).get(&(client, None)).cloned();
        if let Some(session) = there {
            // A server that left the table takes nothing more: its clients go elsewhere.
            if !session.choice.place.load.parted.load(Relaxed) {
                return Some(session);
            }
            self.forget(&session);
        }
        let choice = self.choose(client, failed)?;
        choice.place.count_connection();
        self.begin((client, None), choice)
    }

    fn choose(&self, client: SocketAddr, failed: &[DestinationKey]) -> Option<Choice> {
        let now = self.now();
        self.shared.live().choose(&self.key, client, now, failed)
    }

    fn begin(&self, name: (SocketAddr, Option<DestinationKey>), choice: Choice) -> Option<Arc<Session>> {
        let permit = self.shared.descriptors.take(1);
        if permit.is_none() != self.starved.swap(permit.is_none(), Relaxed) {
            let problem = permit.is_none().then(|| self.shared.descriptors.exhausted());
            self.shared.live().set_problem(&self.key, problem);
        }
        let socket = connect(choice.target(self.address)).ok()?;
        let heard = self.now().as_micros().into();
        let session = Arc::new(Session { name, socket, choice, heard, _permit: permit? });
        lock(&self.sessions).insert(name, session.clone());
        tokio::spawn(answers(self.clone(), session.clone()));
        Some(session)
    }

    fn forget(&self, session: &Arc<Session>) {
        let mut sessions = lock(&self.sessions);
        if sessions.get(&session.name).is_some_and(|there| Arc::ptr_eq(there, session)) {
            sessions.remove(&session.name);
        }
    }

    fn now(&self) -> Instant {
        self.shared.clock.now()
    }
}

/// What the server says goes to the client, until nobody has said anything for a while.
async fn answers(service: Service, session: Arc<Session>) {
    loop {
        let heard = Instant::from_micros(session.heard.load(Relaxed));
        let left = (heard + service.shared.live().udp_timeout()).since(service.now());
        if left.is_zero() || !lock(&service.sessions).get(&session.name).is_some_and(|s| Arc::ptr_eq(s, &session)) {
            break;
        }
        let ready = tokio::select! {
            ready = timeout(left, session.socket.readable()) => ready,
            () = session.choice.place.load.cut.notified() => break,
        };
        match ready {
            // It may have been heard meanwhile.
            Err(_) => continue,
            Ok(Err(_)) => break,
            Ok(Ok(())) => {}
        }
        for _ in 0..BATCH {
            match pass_back(&service, &session) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // It refuses: the client's next datagram is scheduled anew.
                Err(_) => return service.forget(&session),
            }
        }
    }
    service.forget(&session);
}

fn pass_back(service: &Service, session: &Session) -> io::Result<()> {
    BUFFER.with_borrow_mut(|buffer| {
        let length = session.socket.try_recv(buffer)?;
        session.heard.store(service.now().as_micros(), Relaxed);
        let Some(socket) = service.socket.upgrade() else { return Err(io::ErrorKind::NotConnected.into()) };
        // It may be lost where there is no room, as datagrams are.
        let answer = buffer.get(..length).unwrap_or_default();
        if SockRef::from(&*socket).send_to(answer, &session.name.0.into()).is_ok() {
            session.choice.place.count_out(length);
            session.choice.place.count_packets(0, 1);
        }
        Ok(())
    })
}

/// A socket of its own for each session: so answers are told apart, and a refusal is heard of.
fn connect(real: SocketAddr) -> io::Result<UdpSocket> {
    let any: SocketAddr = match real {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = std::net::UdpSocket::bind(any)?;
    socket.connect(real)?;
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket)
}

fn lock(sessions: &Mutex<Sessions>) -> MutexGuard<'_, Sessions> {
    sessions.lock().unwrap_or_else(PoisonError::into_inner)
}

const PAUSE: Duration = Duration::from_millis(50);

/// Datagrams in a row, before others have their turn.
const BATCH: usize = 64;

const TRIES: usize = 3;

/// The largest datagram.
const LARGEST: usize = 65_535;
