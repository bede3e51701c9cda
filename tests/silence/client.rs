//! The client: an echo request each millisecond, and everything that its link hears.

use crate::capture::wall;
use crate::ear;
use crate::namespaces::inside;
use crate::stage::VIP;
use socket2::{Domain, Protocol, Socket, Type};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;
use vipdeck::wire::checksum::checksum;
use vipdeck::wire::vrrp::{Ends, TTL};
use vipdeck::wire::{ipv4, vrrp};

const PAUSE: Duration = Duration::from_millis(1);
/// An answer that takes longer is none.
pub(crate) const ANSWER: Duration = Duration::from_millis(250);

/// What was sent and heard. Instants are on the wall clock, since 1970.
#[derive(Default)]
struct Seen {
    /// By number: when it was asked.
    asked: Vec<Duration>,
    /// By number: when the answer came, and from which hardware address.
    answered: BTreeMap<u32, (Duration, [u8; 6])>,
    /// Adverts: when, from whom, with what priority.
    adverts: Vec<(Duration, Ipv4Addr, u8)>,
}

pub(crate) struct Client {
    seen: Arc<Mutex<Seen>>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

/// What a client noticed of a span of time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Silence {
    pub(crate) asked: usize,
    pub(crate) lost: usize,
    /// Between two answered requests with lost ones between them.
    pub(crate) longest: Duration,
}

impl Client {
    pub(crate) fn start(namespace: &str) -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let stop = Arc::new(AtomicBool::new(false));
        let hearing = ear::open(namespace);
        let asking = inside(namespace, || {
            let asking = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4)).unwrap();
            asking.set_recv_buffer_size(0).unwrap();
            asking.set_nonblocking(true).unwrap();
            asking
        });
        let ask = {
            let (seen, stop) = (seen.clone(), stop.clone());
            std::thread::spawn(move || ask(&asking, &seen, &stop))
        };
        let hear = {
            let (seen, stop) = (seen.clone(), stop.clone());
            std::thread::spawn(move || {
                hurry();
                ear::listen(&hearing, &stop, |frame, at| note(frame, at, &seen));
            })
        };
        Self { seen, stop, threads: vec![ask, hear] }
    }

    /// Of the requests sent from `from` on; those of the last moment may still be answered.
    pub(crate) fn silence(&self, from: Duration) -> Silence {
        let seen = self.seen.lock().unwrap();
        let to = wall() - ANSWER;
        let in_time = |number: usize, at: Duration| {
            seen.answered.get(&(number as u32)).is_some_and(|(when, _)| *when < at + ANSWER)
        };
        let window = || seen.asked.iter().enumerate().filter(|(_, at)| (from..to).contains(*at));
        let lost = window().filter(|(n, at)| !in_time(*n, **at)).count();
        let mut longest = Duration::ZERO;
        let mut last: Option<(usize, Duration)> = None;
        for (number, at) in window().filter(|(n, at)| in_time(*n, **at)) {
            match last {
                Some((before, when)) if number > before + 1 => longest = longest.max(*at - when),
                _ => {}
            }
            last = Some((number, *at));
        }
        if last.is_none_or(|(_, at)| to.saturating_sub(at) > 2 * ANSWER) {
            // Nobody answers at the end.
            longest = longest.max(to.saturating_sub(last.map_or(from, |(_, at)| at)));
        }
        Silence { asked: window().count(), lost, longest }
    }

    /// When the first answer came to a request sent after `from`, from another hardware address than `not`.
    pub(crate) fn first_answer(&self, from: Duration, not: [u8; 6]) -> Option<Duration> {
        let seen = self.seen.lock().unwrap();
        let asked_after = |number: &u32| seen.asked.get(*number as usize).is_some_and(|at| *at >= from);
        let after = seen.answered.iter().filter(|(number, (_, mac))| asked_after(number) && *mac != not);
        after.map(|(_, (at, _))| *at).min()
    }

    /// The adverts of one sender since then, without farewells.
    pub(crate) fn adverts(&self, source: Ipv4Addr, from: Duration) -> Vec<Duration> {
        let seen = self.seen.lock().unwrap();
        let of = seen.adverts.iter().filter(|(at, who, priority)| *at >= from && *who == source && *priority > 0);
        of.map(|(at, ..)| *at).collect()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        for thread in self.threads.drain(..) {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking(), "the client failed");
        }
    }
}

fn ask(socket: &Socket, seen: &Mutex<Seen>, stop: &AtomicBool) {
    hurry();
    let to = SocketAddrV4::new(VIP, 0).into();
    let mut next = std::time::Instant::now();
    for number in 0_u32.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let request = request(number);
        let at = wall();
        seen.lock().unwrap().asked.push(at);
        // What cannot be sent is not answered, and counted so.
        let _ = socket.send_to(&request, &to);
        // A client that was late does not make up for it.
        next = (next + PAUSE).max(std::time::Instant::now());
        std::thread::sleep(next.saturating_duration_since(std::time::Instant::now()));
    }
}

/// An echo request (RFC 792): type 8, our mark as identifier, the number as data.
fn request(number: u32) -> [u8; 12] {
    let mut request = [0; 12];
    request[0] = 8;
    request[4..6].copy_from_slice(&MARK);
    request[8..].copy_from_slice(&number.to_be_bytes());
    let sum = checksum(&request);
    request[2..4].copy_from_slice(&sum.to_be_bytes());
    request
}

const MARK: [u8; 2] = [0x56, 0x44];

fn note(frame: &[u8], at: Duration, seen: &Mutex<Seen>) {
    if frame.len() < 14 || frame[12..14] != [8, 0] {
        return;
    }
    let Ok((header, payload)) = ipv4::decode(&frame[14..]) else { return };
    let mac = frame[6..12].try_into().unwrap();
    if header.protocol == 1 && payload.len() >= 12 && payload[0] == 0 && payload[4..6] == MARK {
        let number = u32::from_be_bytes(payload[8..12].try_into().unwrap());
        seen.lock().unwrap().answered.entry(number).or_insert((at, mac));
    } else if header.protocol == vrrp::PROTOCOL && header.ttl == TTL {
        let ends = Ends::new(header.source.into(), header.destination.into());
        if let Ok(advert) = vrrp::decode(payload, ends) {
            seen.lock().unwrap().adverts.push((at, header.source, advert.priority));
        }
    }
}

/// The measuring threads come first where the machine lets them: their lateness is not the programs'.
fn hurry() {
    let _ = std::process::Command::new("chrt")
        .args(["-f", "-p", "60", &nix::unistd::gettid().to_string()])
        .stderr(std::process::Stdio::null())
        .status();
}
