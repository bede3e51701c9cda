//! BFD sessions, on a thread of their own: no session delays an advert, and nothing delays a session.
//!
//! The thread waits with a timeout of the kernel's own precision, for sessions may be a few milliseconds fast. As the
//! engine's turn does, it reads what has arrived before it believes a deadline.

use crate::bfd::{Arrival, Departure, News, Sessions, Spec, Step};
use crate::engine::Input;
use crate::net::Family;
use crate::sys::bfd_socket::{Listener, Sender, wait};
use crate::sys::clock::{Clock, wall_us};
use crate::time::{Duration, Instant};
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use tokio::sync::mpsc::UnboundedSender;

/// Packets taken from one socket in one turn: a flood cannot hold deadlines back.
const PACKETS: usize = 128;
/// From one report of all sessions to the next; changes of state are told at once.
const REPORT: Duration = Duration::from_secs(1);
/// A port that was in use is tried again.
const REOPEN: Duration = Duration::from_millis(500);
/// A problem that lasts is told again.
const REMIND: Duration = Duration::from_secs(10);
/// A wake-up later than this is no matter of the clock's precision.
const LATE: Duration = Duration::from_millis(1);
/// At the end, for the last packets.
const LAST_WORDS: std::time::Duration = std::time::Duration::from_millis(50);

enum Order {
    Need(Vec<Spec>),
    /// Tell all neighbours, and say when that is done.
    Stop(SyncSender<()>),
}

/// The thread's handle. There is no thread before there is a session.
pub(super) struct Bfd {
    clock: Clock,
    results: UnboundedSender<Input>,
    specs: Vec<Spec>,
    thread: Option<(std::sync::mpsc::Sender<Order>, UnixStream)>,
}

impl Bfd {
    /// Holds these sessions; what is new of them comes back as inputs.
    pub(super) fn start(clock: Clock, results: UnboundedSender<Input>, specs: &[Spec]) -> Self {
        let mut bfd = Self { clock, results, specs: Vec::new(), thread: None };
        if let Some(problem) = bfd.need(specs) {
            // The engine takes it with its first turn.
            let _ = bfd.results.send(problem);
        }
        bfd
    }

    /// From now on these sessions.
    pub(super) fn need(&mut self, specs: &[Spec]) -> Option<Input> {
        if self.specs == specs {
            return None;
        }
        specs.clone_into(&mut self.specs);
        if self.thread.is_none() {
            match start(self.clock, self.results.clone()) {
                Ok(thread) => self.thread = Some(thread),
                Err(error) => return Some(problem(format!("the thread for BFD does not start: {error}"))),
            }
        }
        let ended = "the thread for BFD has ended: restart vipdeck";
        (!self.give(Order::Need(specs.to_vec()))).then(|| problem(ended.into()))
    }

    /// The neighbours are told that this end goes down on purpose.
    pub(super) fn stop(&mut self) {
        let (done, told) = sync_channel(1);
        if self.thread.is_some() && self.give(Order::Stop(done)) {
            // Whoever is not told in time finds out by himself, in his detection time.
            let _ = told.recv_timeout(LAST_WORDS);
        }
        self.thread = None;
    }

    fn give(&self, order: Order) -> bool {
        let Some((orders, wake)) = &self.thread else { return false };
        let given = orders.send(order).is_ok();
        // A full pipe wakes as well.
        let _ = (&*wake).write(&[1]);
        given
    }
}

fn problem(text: String) -> Input {
    Input::Bfd(News::Problem { session: None, text })
}

fn start(clock: Clock, results: UnboundedSender<Input>) -> io::Result<(std::sync::mpsc::Sender<Order>, UnixStream)> {
    let (wake, woken) = UnixStream::pair()?;
    wake.set_nonblocking(true)?;
    woken.set_nonblocking(true)?;
    let (orders, received) = channel();
    let now = clock.now();
    let desk = Desk {
        clock,
        results,
        orders: received,
        woken,
        sessions: Sessions::new(wall_us() ^ u64::from(std::process::id()) << 32),
        listeners: BTreeMap::new(),
        senders: BTreeMap::new(),
        problems: BTreeMap::new(),
        report_at: now + REPORT,
        reopen_at: None,
    };
    std::thread::Builder::new().name("bfd".into()).spawn(move || desk.run())?;
    Ok((orders, wake))
}

/// What the thread works on.
struct Desk {
    clock: Clock,
    results: UnboundedSender<Input>,
    orders: Receiver<Order>,
    woken: UnixStream,
    sessions: Sessions,
    /// By family and kind; none: it could not be opened.
    listeners: BTreeMap<(Family, bool), Option<Listener>>,
    /// By our discriminator.
    senders: BTreeMap<u32, Sender>,
    /// What was told, and when, by what it concerns.
    problems: BTreeMap<String, (String, Instant)>,
    report_at: Instant,
    reopen_at: Option<Instant>,
}

impl Desk {
    fn run(mut self) {
        let mut more = false;
        loop {
            let due = self.sessions.deadline();
            if !more && !self.wait(due) {
                return;
            }
            let now = self.clock.now();
            if let Some(late) = due.filter(|at| *at < now).map(|at| now.since(at)).filter(|by| *by > LATE) {
                self.sessions.overslept(now, late);
            }
            if self.take_orders() {
                return;
            }
            more = self.read();
            let now = self.clock.now();
            if self.sessions.deadline().is_some_and(|at| at <= now) {
                let steps = self.sessions.expire(now);
                self.perform(now, steps);
            }
            if self.reopen_at.is_some_and(|at| at <= now) {
                self.open(now);
            }
            if self.report_at <= now {
                self.report_at = now + REPORT;
                self.tell(self.sessions.status(now));
            }
        }
    }

    /// False: waiting is not possible, and that has been said.
    fn wait(&mut self, due: Option<Instant>) -> bool {
        let until = [due, self.reopen_at, Some(self.report_at)].into_iter().flatten().min();
        let timeout = self.clock.now().until(until.unwrap_or(self.report_at));
        let listeners = self.listeners.values().flatten().map(AsFd::as_fd);
        let readable: Vec<_> = std::iter::once(self.woken.as_fd()).chain(listeners).collect();
        let Err(error) = wait(&readable, timeout) else { return true };
        self.tell(News::Problem { session: None, text: format!("BFD ends, it cannot wait: {error}: restart vipdeck") });
        false
    }

    /// True: the end.
    fn take_orders(&mut self) -> bool {
        let mut scratch = [0; 64];
        while matches!(self.woken.read(&mut scratch), Ok(1..)) {}
        loop {
            let now = self.clock.now();
            match self.orders.try_recv() {
                Ok(Order::Need(specs)) => {
                    self.listen_for(&specs);
                    self.open(now);
                    let steps = self.sessions.need(now, &specs);
                    self.perform(now, steps);
                }
                Ok(Order::Stop(done)) => {
                    let steps = self.sessions.stop(now);
                    self.perform(now, steps);
                    // Nobody may wait for it any more.
                    let _ = done.send(());
                    return true;
                }
                Err(std::sync::mpsc::TryRecvError::Empty) => return false,
                Err(std::sync::mpsc::TryRecvError::Disconnected) => return true,
            }
        }
    }

    /// The listeners that sessions need; those that none needs are closed.
    fn listen_for(&mut self, specs: &[Spec]) {
        let needed: Vec<_> = specs.iter().map(|s| (Family::of(s.neighbor), s.multihop)).collect();
        self.listeners.retain(|kind, _| needed.contains(kind));
        for kind in needed {
            self.listeners.entry(kind).or_default();
        }
    }

    fn open(&mut self, now: Instant) {
        self.reopen_at = None;
        let closed: Vec<_> = self.listeners.iter().filter(|(_, l)| l.is_none()).map(|(kind, _)| *kind).collect();
        for (family, multihop) in closed {
            let port = if multihop { crate::wire::bfd::PORT_MULTIHOP } else { crate::wire::bfd::PORT };
            let about = format!("UDP port {port} over {family}");
            match Listener::open(family, multihop) {
                Ok(listener) => {
                    self.problems.remove(&about);
                    self.listeners.insert((family, multihop), Some(listener));
                }
                Err(error) => {
                    self.reopen_at = Some(now + REOPEN);
                    let help = "no BFD session over it comes up; another BFD program may run here, such as keepalived \
                                or bfdd: stop it";
                    self.complain(now, None, about, &format!("cannot be opened: {error}: {help}"));
                }
            }
        }
    }

    /// Reads what has arrived; true if there may be more.
    fn read(&mut self) -> bool {
        let mut buffer = [0; 256];
        let mut more = false;
        let Self { listeners, sessions, clock, .. } = self;
        let mut all = Vec::new();
        for ((_, multihop), listener) in listeners.iter() {
            let Some(listener) = listener else { continue };
            for turn in 0..=PACKETS {
                more |= turn == PACKETS;
                match listener.try_recv(&mut buffer) {
                    Ok(Some(packet)) => {
                        let now = clock.now();
                        let arrival = Arrival {
                            source: packet.source,
                            destination: packet.destination,
                            hop_limit: packet.hop_limit,
                            multihop: *multihop,
                            payload: packet.payload,
                        };
                        all.push((now, sessions.receive(now, &arrival)));
                    }
                    Ok(None) => break,
                    // One packet without its ancillary data, or the network's word on an earlier one.
                    Err(_) => {}
                }
            }
        }
        for (now, steps) in all {
            self.perform(now, steps);
        }
        more
    }

    fn perform(&mut self, now: Instant, steps: Vec<Step>) {
        for step in steps {
            match step {
                Step::Send(departure) => self.send(now, &departure),
                Step::Tell(news) => self.tell(news),
                Step::Ended(discriminator) => drop(self.senders.remove(&discriminator)),
            }
        }
    }

    fn send(&mut self, now: Instant, departure: &Departure) {
        let sent = match self.sender(departure) {
            Ok(sender) => sender.send(departure.destination, &departure.payload),
            Err(error) => Err(error),
        };
        let name = self.sessions.name_of(departure.session).unwrap_or_default().to_owned();
        match sent {
            Ok(()) => drop(self.problems.remove(&name)),
            Err(error) => {
                let text = format!("packets to {} cannot be sent: {error}", departure.destination.ip());
                self.complain(now, Some(name.clone()), name, &text);
            }
        }
    }

    fn sender(&mut self, departure: &Departure) -> io::Result<&Sender> {
        let Departure { session, source, destination, hop_limit, .. } = departure;
        let sender = match self.senders.remove(session) {
            Some(mut sender) => {
                sender.set_hop_limit(*hop_limit)?;
                sender
            }
            None => Sender::open(Family::of(destination.ip()), *source, *hop_limit, *session)?,
        };
        Ok(self.senders.entry(*session).or_insert(sender))
    }

    /// Once, and again while it lasts.
    fn complain(&mut self, now: Instant, session: Option<String>, about: String, what: &str) {
        let text = if session.is_some() { what.to_owned() } else { format!("{about} {what}") };
        let told = self.problems.get(&about);
        if told.is_some_and(|(before, at)| *before == text && now.since(*at) < REMIND) {
            return;
        }
        self.problems.insert(about, (text.clone(), now));
        self.tell(News::Problem { session, text });
    }

    fn tell(&self, news: News) {
        // The engine has ended: nobody wants to know.
        let _ = self.results.send(Input::Bfd(news));
    }
}
