//! One turn: wait for anything, read what has arrived, and only then believe a deadline.
//!
//! A process that was stalled finds both an expired deadline and the adverts that would have prevented it. Reading
//! first tells a slow self from a dead peer; the lateness itself is said, as an event.

use super::audit::Audit;
use super::beside::Beside;
use super::bfd::Bfd;
use super::checkers;
use super::desk::Desk;
use super::dumps::{Dumps, Wanted};
use super::hooks;
use super::intents;
use super::keep::Keeper;
use super::links::Links;
use super::reload::Reader;
use super::watches::Watches;
use crate::conf::ScriptSpec;
use crate::control::{Board, Request};
use crate::engine::{Effect, Engine, Input};
use crate::kernel::Change;
use crate::net::LinkName;
use crate::report::dump::Dump;
use crate::status::Reply;
use crate::sys::advert_socket::Look;
use crate::sys::announcement_socket::Claim;
use crate::sys::clock::{Clock, wall_us};
use crate::sys::manager;
use crate::sys::netlink::{LinkEvent, Monitor};
use crate::sys::timer::Timer;
use crate::time::{Duration, Instant};
use nix::unistd::Pid;
use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// A wake-up later than this is worth saying.
const LATE: Duration = Duration::from_millis(50);
/// A wake-up later than this may have been asleep.
const PROMPT: Duration = Duration::from_millis(1);
/// The last of a master-down time is not slept through: waking takes a third of this, and the first steps after it
/// another. It is spent once for each master that falls silent.
const AWAKE: Duration = Duration::from_micros(300);
/// Adverts are asked for so often in one turn.
const ROUNDS: usize = 4;
/// Results and news taken in one turn, of each kind.
const INPUTS: usize = 1024;
/// Of them so many also while something is due.
const ALWAYS: usize = 16;
/// Snapshots are published at most this often, and at least once a second, so that consoles know the engine lives.
const PUBLISH: Duration = Duration::from_millis(50);
const PUBLISH_AT_LEAST: Duration = Duration::from_secs(1);
/// A snapshot of such an extent is costly: without a reader there is none.
const LARGE: usize = 32;
/// After being asked to stop, the engine leaves within this, whatever happens.
pub(super) const STOP_WITHIN: Duration = Duration::from_secs(3);

/// For the scripts that tell STOP, as keepalived gives them.
const LAST_SCRIPTS: Duration = Duration::from_secs(1);

const LOOK: Duration = Duration::from_millis(5);

/// For the results of the last removals.
const LAST_RESULTS: Duration = Duration::from_millis(500);

/// What the loop works on.
pub(super) struct Turning {
    pub(super) clock: Clock,
    pub(super) timer: Timer,
    pub(super) engine: Engine,
    pub(super) links: Links,
    /// Announcements that are to be made, in their order.
    pub(super) unannounced: VecDeque<(LinkName, IpAddr)>,
    pub(super) addresses: mpsc::UnboundedSender<Change>,
    /// For virtual links and the firewall.
    pub(super) plumbing: mpsc::UnboundedSender<Change>,
    pub(super) monitor: Monitor,
    /// News of routes and rules come in.
    pub(super) hears_routing: bool,
    pub(super) table: Option<std::sync::mpsc::Sender<Vec<Change>>>,
    pub(super) workers: mpsc::UnboundedSender<ScriptSpec>,
    pub(super) checkers: mpsc::UnboundedSender<checkers::Job>,
    pub(super) intents: std::sync::mpsc::Sender<intents::Order>,
    pub(super) results: mpsc::UnboundedReceiver<Input>,
    pub(super) requests: mpsc::Receiver<Request>,
    pub(super) replies: BTreeMap<u64, oneshot::Sender<Reply>>,
    pub(super) bfd: Bfd,
    pub(super) audit: Audit,
    pub(super) desk: Desk,
    pub(super) beside: Beside,
    pub(super) watches: Watches,
    pub(super) reader: Reader,
    pub(super) hangups: mpsc::Receiver<()>,
    pub(super) dumps: Dumps,
    pub(super) board: Arc<Board>,
    pub(super) asked: u64,
    pub(super) published_at: Instant,
    /// How long the last snapshot took.
    pub(super) snapshot_took: Duration,
    pub(super) changed: bool,
    pub(super) stop_at: Option<Instant>,
    pub(super) keeper: Keeper,
    pub(super) guard: Option<Pid>,
    pub(super) adopt_by: Instant,
    /// When to end for the next engine.
    pub(super) restart_at: Option<Instant>,
    pub(super) ended: Option<Ended>,
}

/// How an engine ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// Everything is released.
    Released,
    /// The time for that was over.
    LeftBehind,
    /// With everything held, for the next engine to go on.
    Restart,
    /// The same, because a part has failed.
    Failed,
}

/// What ended the waiting.
enum Woken {
    Packets,
    Link(LinkEvent),
    Result(Input),
    Request(Request),
    HangUp,
    Dump(Wanted),
    /// A console, for the first time.
    Reader,
    Timer,
    Stop,
}

impl Turning {
    /// Until everything is released, the time for that is over, or another engine is to go on.
    pub(super) async fn run(mut self, mut stop: mpsc::Receiver<()>) -> Ended {
        let mut more = false;
        let ended = loop {
            if let Some(ended) = self.ended {
                break ended;
            }
            let deadline = self.engine.deadline();
            let woken = if more || self.is_silence_near(deadline) {
                // Also in a flood: what else runs on this thread tells of signals and links.
                tokio::task::yield_now().await;
                Woken::Packets
            } else {
                self.wait(deadline, &mut stop).await
            };
            let now = self.clock.now();
            let late = deadline.map(|at| now.since(at)).filter(|by| *by > LATE);
            // Whoever slept knows it before it reads what arrived meanwhile.
            if let Some(by) = late {
                self.beside.scheduling.late(by);
                self.step(Input::Late(by));
            }
            // What the kernel told of is as old as the end of the wait: after a sleep it is asked itself.
            let slept = deadline.is_some_and(|at| now.since(at) > PROMPT);
            more = self.read_packets(if slept { Look::Anyway } else { Look::IfTold });
            self.take(woken);
            more |= self.read_rest();
            self.believe_deadlines();
            self.announce_some();
            more |= !self.unannounced.is_empty() || self.is_due();
            let now = self.clock.now();
            self.keeper.keep(now, &mut self.engine);
            self.publish();
            self.dump_if_there_is_time();
            let now = self.clock.now();
            let is_ready = !self.engine.is_adopting() || now >= self.adopt_by;
            self.beside.watchdog.turned(now, is_ready, || self.engine.in_a_sentence());
            if self.restart_at.is_some_and(|at| now >= at) && self.stop_at.is_none() {
                if let Err(error) = self.keeper.planned() {
                    tracing::error!("the next engine will not know that it was asked for: {error}");
                }
                break Ended::Restart;
            }
            if self.stop_at.is_some_and(|at| self.clock.now() >= at) {
                self.remove_leftovers().await;
                return Ended::LeftBehind;
            }
        };
        if ended == Ended::Released {
            self.last_scripts().await;
            self.shutdown_script().await;
        }
        // Also for a next engine: a neighbour that is told AdminDown takes the path for good meanwhile (RFC 5882, 3.2).
        self.bfd.stop();
        self.publish_last().await;
        ended
    }

    /// STOP is told before the engine ends, by scripts and by mail, and nothing of it keeps it for long.
    async fn last_scripts(&mut self) {
        self.beside.mailer.hurry();
        self.wait_until(LAST_SCRIPTS, |s| s.beside.notifier.is_idle() && s.beside.mailer.is_idle()).await;
        if !self.beside.mailer.is_idle() {
            tracing::warn!("mail is lost: its relay did not take it within {LAST_SCRIPTS:?}");
        }
        self.close_fifos().await;
    }

    /// After everything, whether it was released or not.
    async fn shutdown_script(&mut self) {
        if let Some((command, timeout)) = self.engine.shutdown_script().cloned() {
            let said = self.keeper.alive_during(hooks::run("shutdown_script", &command, timeout)).await;
            self.step(said);
        }
    }

    /// Takes what comes in from other threads until something is so, but not for ever.
    async fn wait_until(&mut self, limit: Duration, is_so: impl Fn(&Self) -> bool) {
        let deadline = tokio::time::Instant::now() + limit;
        while !is_so(self) && tokio::time::Instant::now() < deadline {
            self.keeper.wait_with_me();
            // What only counts, without a result, is looked at now and then.
            if let Ok(Some(result)) = tokio::time::timeout(LOOK, self.results.recv()).await {
                self.step(result);
            }
        }
    }

    /// A file system that hangs does not keep the engine. What reads the pipes sees their end, and then ends itself.
    async fn close_fifos(&mut self) {
        let closed = tokio::time::timeout(LAST_RESULTS, self.beside.fifos.close());
        let _ = self.keeper.alive_during(closed).await;
        self.beside.notifier.read(Vec::new());
        self.wait_until(LAST_RESULTS, |s| s.beside.notifier.has_no_readers()).await;
    }

    /// The time to stop is over: whatever the reason, no address is to outlive its engine.
    async fn remove_leftovers(&mut self) {
        for change in self.engine.leftovers() {
            tracing::error!("not released in time: {change}");
            let _ = self.apply(change);
        }
        self.wait_until(LAST_RESULTS, |s| s.engine.leftovers().is_empty()).await;
        self.close_fifos().await;
        self.bfd.stop();
        self.shutdown_script().await;
        self.publish_last().await;
    }

    /// What happened at the end is in the log, too.
    async fn publish_last(&mut self) {
        self.publish_now();
        self.audit.end(self.engine.name());
        let Self { keeper, audit, beside, .. } = self;
        // At once: the next engine may be waited for.
        keeper.alive_during(async { tokio::join!(audit.catch_up(), beside.journal.catch_up()) }).await;
    }

    /// Whether this is the moment before a silent master is believed dead.
    fn is_silence_near(&self, deadline: Option<Instant>) -> bool {
        deadline.is_some_and(|at| self.clock.now() + AWAKE >= at && self.engine.silence_is_due(at))
    }

    async fn wait(&mut self, deadline: Option<Instant>, stop: &mut mpsc::Receiver<()>) -> Woken {
        let publish_after = if self.changed { PUBLISH } else { PUBLISH_AT_LEAST };
        // If it waits for what is due soon, that wakes us.
        let postponed = self.clock.now() >= self.published_at + publish_after;
        let publish_at = Some(self.published_at + if postponed { PUBLISH_AT_LEAST } else { publish_after });
        let own = [publish_at, self.stop_at, self.restart_at, self.keeper.due(), self.beside.watchdog.due()];
        let deadline = deadline.map(|at| if self.engine.silence_is_due(at) { at - AWAKE } else { at });
        let wake_at = own.into_iter().chain([deadline]).flatten().min();
        if let Err(error) = self.timer.wake_by(wake_at.unwrap_or(self.published_at + PUBLISH_AT_LEAST)) {
            // It takes a moment outside all time: nothing would ever be due.
            tracing::error!("the timer cannot be set: {error}");
        }
        // What an engine before this one held can be handed over once its link is known.
        let deaf = self.stop_at.is_some() || (self.engine.is_adopting() && self.clock.now() < self.adopt_by);
        tokio::select! {
            biased;
            () = self.links.ready() => Woken::Packets,
            () = poll_fn(|context| self.timer.poll_expired(context)) => Woken::Timer,
            event = self.monitor.next() => Woken::Link(event),
            Some(result) = self.results.recv() => Woken::Result(result),
            Some(request) = self.requests.recv() => Woken::Request(request),
            Some(()) = self.hangups.recv() => Woken::HangUp,
            Some(wanted) = self.dumps.asked() => Woken::Dump(wanted),
            () = self.board.wanted() => Woken::Reader,
            Some(()) = stop.recv(), if !deaf => Woken::Stop,
        }
    }

    fn take(&mut self, woken: Woken) {
        match woken {
            Woken::Packets | Woken::Timer => {}
            Woken::Reader => self.changed = true,
            Woken::Link(event) => self.link(event),
            Woken::Result(input) => self.step(input),
            Woken::Request(request) => self.request(request),
            Woken::HangUp => self.hang_up(),
            Woken::Dump(wanted) => self.dumps.waiting = Some((wanted, self.clock.now())),
            Woken::Stop => {
                manager::tell(&[manager::NotifyState::Stopping]);
                self.stop_at = Some(self.clock.now() + STOP_WITHIN);
                self.audit.stopped(self.engine.name());
                self.step(Input::Stop);
            }
        }
    }

    /// What is due, once everything that could prevent it has been read: silence is believed only of sockets that were
    /// asked this very moment.
    fn believe_deadlines(&mut self) {
        let now = self.clock.now();
        if self.engine.silence_is_due(now) {
            self.read_packets(Look::Anyway);
        }
        if self.is_due() {
            self.step(Input::Deadline);
        }
    }

    fn is_due(&self) -> bool {
        self.engine.deadline().is_some_and(|at| at <= self.clock.now())
    }

    /// Reads what has arrived; true if there may be more.
    fn read_packets(&mut self, look: Look) -> bool {
        let mut more = false;
        // Who sends several sends them one after the other: the next is there when one has been dealt with.
        for round in 0..ROUNDS {
            let mut packets = Vec::new();
            more = self.links.adverts(if round == 0 { look } else { Look::Again }, &mut packets);
            if packets.is_empty() {
                break;
            }
            for packet in packets {
                self.step(Input::Packet(packet));
            }
        }
        let mut heard = Vec::new();
        more |= self.links.claims(&mut heard);
        for (link, Claim { mac, address, is_announcement }) in heard {
            let said = if is_announcement {
                Input::Announced { link, address, mac }
            } else {
                Input::Claimed { link, address, mac }
            };
            self.step(said);
        }
        more
    }

    /// News and results; true if there may be more, for what is due goes before them.
    fn read_rest(&mut self) -> bool {
        let news: Vec<_> = std::iter::from_fn(|| self.monitor.try_next()).take(INPUTS).collect();
        for event in latest(news) {
            self.link(event);
        }
        for taken in 0..INPUTS {
            if taken >= ALWAYS && self.is_due() {
                return true;
            }
            let Ok(result) = self.results.try_recv() else { break };
            self.step(result);
        }
        for _ in 0..INPUTS {
            let Ok(request) = self.requests.try_recv() else { break };
            self.request(request);
        }
        false
    }

    fn link(&mut self, event: LinkEvent) {
        match event {
            LinkEvent::Link(link) => {
                if let Err(error) = self.links.update(&link) {
                    let error = format!("no socket for adverts: {error}");
                    self.step(Input::SendFailed { link: link.name.clone(), error });
                }
                self.step(Input::Link(link));
            }
            LinkEvent::Gone(name) => {
                self.links.forget(&name);
                self.step(Input::LinkGone(name));
            }
            LinkEvent::Resynced => self.step(Input::LinksRead),
        }
    }

    fn request(&mut self, request: Request) {
        self.asked += 1;
        self.replies.insert(self.asked, request.reply);
        self.audit.asked(self.asked, &request.ask);
        self.step(Input::Command { id: self.asked, ask: request.ask });
    }

    /// One input, and everything that follows from it at once.
    pub(super) fn step(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let now = self.clock.now();
            let effects = self.engine.handle(now, input);
            self.changed = true;
            // The kernel and the thread for addresses take longest, and work beside this one: they begin first.
            let (begun, effects): (Vec<_>, Vec<_>) = effects.into_iter().partition(adds_address);
            inputs.extend(begun.into_iter().filter_map(|effect| self.perform(effect)));
            inputs.extend(self.send(&effects));
            for effect in effects {
                inputs.extend(self.perform(effect));
            }
        }
    }

    fn publish(&mut self) {
        let now = self.clock.now();
        self.audit.give_late(now);
        let since = now.since(self.published_at);
        let is_time = (self.changed && since >= PUBLISH) || since >= PUBLISH_AT_LEAST;
        let is_soon_due = || self.engine.deadline().is_some_and(|at| at < now + self.snapshot_took);
        // A snapshot of a thousand instances takes milliseconds, and waits for a moment with so much time.
        if is_time && (since >= PUBLISH_AT_LEAST || !self.is_watched() || !is_soon_due()) {
            self.publish_now();
        }
    }

    /// What a dump is made from is a snapshot, and waits for its moment as those for consoles do.
    fn dump_if_there_is_time(&mut self) {
        let Some((wanted, since)) = self.dumps.waiting else { return };
        let now = self.clock.now();
        let is_soon_due = self.engine.deadline().is_some_and(|at| at < now + self.snapshot_took * 2);
        if is_soon_due && now.since(since) < PUBLISH_AT_LEAST {
            return;
        }
        self.dumps.waiting = None;
        self.engine.set_wall_zero(wall_us().saturating_sub(now.as_micros()));
        let dump = Dump { config: self.engine.configuration(), snapshot: self.engine.snapshot(now) };
        if wanted == Wanted::StatsClear {
            self.engine.clear_statistics();
        }
        if let Some(said) = self.dumps.write(wanted, dump) {
            self.step(said);
        }
    }

    fn is_watched(&self) -> bool {
        self.engine.extent() < LARGE || self.board.readers() > 0
    }

    fn publish_now(&mut self) {
        for (link, error) in self.links.reopen() {
            self.step(Input::SendFailed { link, error: format!("no socket for adverts: {error}") });
        }
        if self.guard.is_some_and(|guard| nix::unistd::getppid() != guard) {
            self.step(Input::GuardLost);
        }
        let now = self.clock.now();
        self.engine.set_wall_zero(wall_us().saturating_sub(now.as_micros()));
        self.board.set_on_request(self.engine.extent() >= LARGE);
        self.board.record(self.engine.take_events());
        if self.is_watched() {
            self.board.publish(self.engine.snapshot(now));
            self.snapshot_took = self.clock.now().since(now);
        }
        self.published_at = now;
        self.changed = false;
    }
}

fn adds_address(effect: &Effect) -> bool {
    matches!(effect, Effect::Apply(Change::AddAddress(_) | Change::LeaseAddress(..)))
}

/// Of news that each tell the whole state of a link, the last of each run is enough.
fn latest(news: Vec<LinkEvent>) -> Vec<LinkEvent> {
    let mut kept: Vec<LinkEvent> = Vec::new();
    for event in news {
        let place = match &event {
            LinkEvent::Link(link) => kept.iter().rposition(|k| name_of(k) == Some(&link.name)),
            LinkEvent::Gone(_) | LinkEvent::Resynced => None,
        };
        match place.and_then(|place| kept.get_mut(place)) {
            Some(before @ LinkEvent::Link(_)) => *before = event,
            _ => kept.push(event),
        }
    }
    kept
}

const fn name_of(event: &LinkEvent) -> Option<&LinkName> {
    match event {
        LinkEvent::Link(link) => Some(&link.name),
        LinkEvent::Gone(name) => Some(name),
        LinkEvent::Resynced => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Link;

    fn link(name: &str, index: u32) -> LinkEvent {
        let name = LinkName::new(name).unwrap();
        LinkEvent::Link(Link { name, index, up: true, mac: None, mtu: 1500, addresses: BTreeMap::new() })
    }

    #[test]
    fn of_several_states_of_a_link_the_last_is_taken_and_a_deletion_is_not_passed_over() {
        let gone = LinkEvent::Gone(LinkName::new("a").unwrap());
        let news = vec![link("a", 1), link("b", 1), link("a", 2), gone.clone(), link("a", 3), link("a", 4)];
        assert_eq!(latest(news), [link("a", 2), link("b", 1), gone, link("a", 4)]);
    }
}
