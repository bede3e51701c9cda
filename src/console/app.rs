//! The console's loop: waits for keys, feeds, answers and signals, tells `update`, draws what changed.
//!
//! What is pending is taken in before anything is drawn, and what arrives is drawn at most ten times a second, what is
//! pressed at once.

use super::keymap::{Key, Keymap};
use super::model::{Link, Model, Setup};
use super::replay::{self, Replay};
use super::tape::{self, Recorder};
use super::terminal::{self, Promise, Screen};
use super::theme::{self, Depth};
use super::update::{About, Answer, Effect, Msg, update};
use super::{Left, Start, screens};
use crate::control::{Connection, Feed, Request, StageFeed, StageRequest};
use crate::privacy::Privacy;
use crate::recording::{Fed, Header, Moment, Recording};
use crate::settings;
use crate::status::Mode;
use anyhow::Context;
use crossterm::event::{Event, EventStream, KeyEventKind, MouseEventKind};
use futures_util::StreamExt;
use ratatui::layout::Size;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

/// The shortest time between two pictures of what arrives, and after a key.
const FRAME: Duration = Duration::from_millis(100);
const FRAME_OF_KEY: Duration = Duration::from_millis(10);
/// Pictures that nobody has pressed a key for take a twentieth of the time at most; the slowest come twice a second.
const SHARE: u32 = 20;
const SLOWEST: Duration = Duration::from_millis(500);

/// How many messages may wait for the loop; the feeds wait beyond that, and lose nothing by it.
const WAITING: usize = 64;

pub(super) fn run(mut start: Start) -> anyhow::Result<Left> {
    let mut privacy = start.look.privacy.then(Privacy::default);
    if let Some(privacy) = &mut privacy {
        start.feeds.iter_mut().for_each(|f| f.label = privacy.label(&f.label));
        start.title = privacy.title(&start.title);
    }
    let promise = Promise::read()?;
    let mut model = model_of(&start, promise)?;
    model.needs_arming = start.look.arm;
    model.session = session();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("start the console")?;
    let header =
        Header::new(&model.title, model.mode, start.feeds.iter().map(|f| f.label.clone()).collect(), model.has_stage);
    let recorder = Recorder::start(header)?;
    let left = runtime.block_on(async {
        let mouse = start.look.mouse;
        let mut app = App::new(model, start, Screen::open(mouse)?, Some(recorder));
        app.privacy = privacy;
        let left = app.until_left().await;
        app.screen.close().await;
        left
    });
    if matches!(left, Ok(Left::TerminalGone)) {
        terminal::silence_input();
    }
    left
}

/// What `feeds` say until `end`, as one recording.
pub(super) async fn record(
    title: &str,
    feeds: Vec<Feed>,
    end: impl Future<Output = ()>,
) -> anyhow::Result<Vec<Arc<[u8]>>> {
    let header = Header::new(title, Mode::Live, feeds.iter().map(|f| f.label.clone()).collect(), false);
    let mut shadow = tape::Shadow::unbounded(&header)?;
    let (out, mut incoming) = mpsc::channel(WAITING);
    let zero = Instant::now();
    for (node, feed) in feeds.into_iter().enumerate() {
        tokio::spawn(follow(node, feed, zero, out.clone()));
    }
    tokio::pin!(end);
    loop {
        let msg = tokio::select! {
            () = &mut end => break,
            msg = incoming.recv() => msg,
        };
        let (at, wall) = clocks(zero);
        if let Some(fed) = msg.as_ref().and_then(tape::fed) {
            shadow.take(Moment { at, wall }, fed);
        }
    }
    Ok(shadow.writer.recording(&header, 0))
}

/// The console's clock and the wall's.
fn clocks(zero: Instant) -> (u64, u64) {
    let now = u64::try_from(zero.elapsed().as_micros()).unwrap_or(u64::MAX);
    (now, u64::try_from(jiff::Timestamp::now().as_microsecond()).unwrap_or(0))
}

/// The same screens on a recording: no feed, so that no key can reach an engine.
pub(super) fn replay(recording: Recording, file: String, look: settings::Console) -> anyhow::Result<()> {
    let header = recording.header.clone();
    let start = Start { title: header.title, mode: Mode::Replay, feeds: vec![], stage: None, look, owns_engine: false };
    let mut model = model_of(&start, Promise::read()?)?;
    replay::begin(&mut model, Replay::new(Arc::new(recording), file));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("start the console")?;
    let left = runtime.block_on(async {
        let mouse = start.look.mouse;
        let mut app = App::new(model, start, Screen::open(mouse)?, None);
        let left = app.until_left().await;
        app.screen.close().await;
        left
    });
    if matches!(left, Ok(Left::TerminalGone)) {
        terminal::silence_input();
    }
    left.map(drop)
}

fn model_of(start: &Start, promise: Promise) -> anyhow::Result<Model> {
    let look = &start.look;
    let own = look.keys.as_ref().map(|path| {
        let bytes = std::fs::read(path).with_context(|| format!("read the key table {}", path.display()))?;
        String::from_utf8(bytes).with_context(|| format!("key table {}: not UTF-8", path.display()))
    });
    let keymap = Keymap::load(own.transpose()?.as_deref()).map_err(|e| anyhow::anyhow!("key table: {e}"))?;
    let theme = if promise.depth == Depth::None { "mono".to_owned() } else { look.theme.clone() };
    let (width, height) = crossterm::terminal::size().context("ask the terminal for its size")?;
    Model::new(Setup {
        title: start.title.clone(),
        mode: start.mode,
        owns_engine: start.owns_engine,
        view_only: look.view_only,
        ascii: look.ascii || promise.ascii,
        has_stage: start.stage.is_some(),
        labels: start.feeds.iter().map(|f| f.label.clone()).collect(),
        themes: theme::all(promise.depth)?,
        theme,
        keymap,
        zone: jiff::tz::TimeZone::system(),
        size: Size { width, height },
    })
    .map_err(anyhow::Error::msg)
}

/// What tells this console from others of the same user.
fn session() -> String {
    let host = nix::unistd::gethostname().ok().and_then(|h| h.into_string().ok());
    format!("{}:{}", host.unwrap_or_else(|| "?".into()), std::process::id())
}

struct App {
    model: Model,
    screen: Screen,
    nodes: Vec<mpsc::Sender<Request>>,
    stage: Option<mpsc::Sender<StageRequest>>,
    owns_engine: bool,
    bell: bool,
    notice: settings::Notice,
    /// Somebody has pressed something since the last picture.
    pressed: bool,
    /// The beginning of the console's clock.
    zero: Instant,
    out: mpsc::Sender<Msg>,
    incoming: mpsc::Receiver<Msg>,
    /// None: it is a recording that is shown.
    recorder: Option<Recorder>,
    /// Names and addresses are shown as stand-ins.
    privacy: Option<Privacy>,
}

/// What ended a wait.
enum Woken {
    Input(Option<std::io::Result<Event>>),
    Msg(Option<Msg>),
    Signal(SignalKind),
    Time,
}

/// The pointer moving over the screen changes nothing.
fn is_idle_motion(woken: &Woken) -> bool {
    matches!(woken, Woken::Input(Some(Ok(Event::Mouse(mouse)))) if mouse.kind == MouseEventKind::Moved)
}

impl App {
    fn new(model: Model, start: Start, screen: Screen, recorder: Option<Recorder>) -> Self {
        let (out, incoming) = mpsc::channel(WAITING);
        let zero = Instant::now();
        let mut nodes = Vec::new();
        for (node, feed) in start.feeds.into_iter().enumerate() {
            nodes.push(feed.requests.clone());
            tokio::spawn(follow(node, feed, zero, out.clone()));
        }
        let stage = start.stage.map(|stage| {
            let requests = stage.requests.clone();
            tokio::spawn(follow_stage(stage, out.clone()));
            requests
        });
        let (bell, notice) = (start.look.bell, start.look.notice);
        Self {
            model,
            screen,
            nodes,
            stage,
            owns_engine: start.owns_engine,
            bell,
            notice,
            zero,
            out,
            incoming,
            recorder,
            privacy: None,
            pressed: false,
        }
    }

    async fn until_left(&mut self) -> anyhow::Result<Left> {
        let mut input = EventStream::new();
        let mut signals = Signals::new()?;
        let mut drawn: Option<Instant> = None;
        let mut changed = true;
        let mut took = Duration::ZERO;
        loop {
            let now = Instant::now();
            let own = FRAME.max((took * SHARE).min(SLOWEST));
            let pause = if self.pressed { FRAME_OF_KEY } else { own };
            let due = drawn.map_or(now, |at| at + pause);
            if changed && self.screen.is_idle() && now >= due {
                self.draw()?;
                took = now.elapsed();
                (drawn, changed, self.pressed) = (Some(now), false, false);
            }
            let next = Duration::from_micros(self.model.tick()).max(own);
            let wake = drawn.map_or(now, |at| at + if changed { pause } else { next }).max(now);
            // While the last picture is still going out there is nothing to wake up for.
            let wake = if self.screen.is_idle() { wake } else { now + Duration::from_secs(1) };
            let woken = tokio::select! {
                event = input.next() => Woken::Input(event),
                msg = self.incoming.recv() => Woken::Msg(msg),
                kind = signals.next() => Woken::Signal(kind),
                () = self.screen.written(), if !self.screen.is_idle() => continue,
                () = sleep_until(wake) => Woken::Time,
            };
            changed |= !is_idle_motion(&woken);
            if self.screen.has_failed() || terminal::is_hung_up() {
                return Ok(Left::TerminalGone);
            }
            if let Some(left) = self.take(woken, &mut input).await? {
                return Ok(left);
            }
        }
    }

    /// Takes in what woke the loop and all that waits behind it.
    async fn take(&mut self, woken: Woken, input: &mut EventStream) -> anyhow::Result<Option<Left>> {
        self.pass_time()?;
        let mut event = None;
        match woken {
            Woken::Input(None | Some(Err(_))) => return Ok(Some(Left::TerminalGone)),
            Woken::Input(Some(Ok(first))) => event = Some(first),
            Woken::Msg(Some(msg)) => {
                if let Some(left) = self.tell(msg)? {
                    return Ok(Some(left));
                }
            }
            Woken::Signal(kind) if kind == SignalKind::hangup() => return Ok(Some(Left::TerminalGone)),
            Woken::Signal(kind) if kind == SIGCONT => self.screen.repaint()?,
            Woken::Signal(_) if self.owns_engine => return Ok(Some(Left::StopEngine)),
            Woken::Signal(_) => return Ok(Some(Left::Detached)),
            Woken::Msg(None) | Woken::Time => {}
        }
        while let Ok(msg) = self.incoming.try_recv() {
            if let Some(left) = self.tell(msg)? {
                return Ok(Some(left));
            }
        }
        loop {
            if let Some(msg) = event.take().and_then(message)
                && let Some(left) = self.tell(msg)?
            {
                return Ok(Some(left));
            }
            match waiting(input).await {
                Some(Some(Ok(next))) => event = Some(next),
                Some(None | Some(Err(_))) => return Ok(Some(Left::TerminalGone)),
                None => return Ok(None),
            }
        }
    }

    fn pass_time(&mut self) -> anyhow::Result<()> {
        let (now, wall_us) = clocks(self.zero);
        // Time alone makes nobody leave.
        self.tell(Msg::Tick { now, wall_us }).map(drop)
    }

    fn draw(&mut self) -> anyhow::Result<()> {
        self.pass_time()?;
        if let Ok(size) = self.screen.size() {
            update(&mut self.model, Msg::Resize(size));
        }
        let title = screens::window_title(&self.model);
        let model = &self.model;
        self.screen.draw(title, |frame| screens::draw(model, frame))
    }

    fn moment(&self) -> Moment {
        Moment { at: self.model.now, wall: self.model.wall_us }
    }

    fn record(&self, fed: Option<Fed>) {
        if let (Some(recorder), Some(fed)) = (&self.recorder, fed) {
            recorder.note(self.moment(), fed);
        }
    }

    fn tell(&mut self, msg: Msg) -> anyhow::Result<Option<Left>> {
        let fed = tape::fed(&msg);
        let msg = match (fed, &mut self.privacy) {
            (Some(fed), Some(privacy)) => match tape::stand_in(privacy, fed) {
                Ok(fed) => tape::message(fed),
                Err(error) => Msg::Saved(Err(format!("something is not shown: its stand-ins do not fit: {error}"))),
            },
            _ => msg,
        };
        self.record(tape::fed(&msg));
        self.pressed |= matches!(msg, Msg::Key(_) | Msg::Mouse(_) | Msg::Paste(_) | Msg::Resize(_));
        for effect in update(&mut self.model, msg) {
            match effect {
                Effect::Leave(left) => return Ok(Some(left)),
                Effect::Record(note) => self.record(Some(Fed::Note(note))),
                Effect::Save => {
                    let asked = self.recorder.as_ref().map_or(Ok(()), |r| r.save(self.out.clone()));
                    if let Err(why) = asked {
                        update(&mut self.model, Msg::Saved(Err(format!("not saved: {why}"))));
                    }
                }
                Effect::Copy(text) => self.screen.copy(&text)?,
                Effect::Ring { title, text } => self.screen.ring(self.bell, self.notice, &title, &text)?,
                Effect::Send { node, ask, about } => {
                    let (reply, answer) = oneshot::channel();
                    let request = Request { ask: *ask, reply };
                    let sent = self.nodes.get(node).map(|to| to.try_send(request).map_err(|e| not_sent(&e)));
                    self.await_answer(sent, answer, about);
                }
                Effect::Stage(action) => {
                    let (reply, answer) = oneshot::channel();
                    let request = StageRequest { action, reply };
                    let sent = self.stage.as_ref().map(|to| to.try_send(request).map_err(|e| not_sent(&e)));
                    self.await_answer(sent, answer, About::Stage);
                }
            }
        }
        Ok(None)
    }

    fn await_answer(
        &mut self,
        sent: Option<Result<(), &'static str>>,
        answer: oneshot::Receiver<crate::status::Reply>,
        about: About,
    ) {
        let failed = match sent {
            Some(Ok(())) => None,
            Some(Err(why)) => Some(why),
            None => Some("there is nobody to send it to"),
        };
        let out = self.out.clone();
        tokio::spawn(async move {
            let answer = match failed {
                Some(why) => Answer::NotSent(why),
                None => answer.await.map_or(Answer::LinkLost, Answer::Reply),
            };
            // The loop has ended: nobody is left to be told.
            let _ = out.send(Msg::Reply { about, answer }).await;
        });
    }
}

const fn not_sent<T>(error: &mpsc::error::TrySendError<T>) -> &'static str {
    match error {
        mpsc::error::TrySendError::Full(_) => "earlier commands are still waiting for an answer",
        mpsc::error::TrySendError::Closed(_) => "its link has ended",
    }
}

/// What has been pressed already; none: nothing. Asked with the loop's own waker: crossterm keeps the first it is asked
/// with, and one that wakes nobody would leave the next key lying until something else happens.
async fn waiting(input: &mut EventStream) -> Option<Option<std::io::Result<Event>>> {
    std::future::poll_fn(|cx| match input.poll_next_unpin(cx) {
        Poll::Ready(event) => Poll::Ready(Some(event)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

fn message(event: Event) -> Option<Msg> {
    match event {
        Event::Key(key) if key.kind != KeyEventKind::Release => Some(Msg::Key(Key::from(key))),
        Event::Mouse(mouse) => Some(Msg::Mouse(mouse)),
        Event::Paste(text) => Some(Msg::Paste(text)),
        Event::Resize(width, height) => Some(Msg::Resize(Size { width, height })),
        Event::Key(_) | Event::FocusGained | Event::FocusLost => None,
    }
}

/// Passes on what one node publishes, until the console ends.
async fn follow(node: usize, feed: Feed, zero: Instant, out: mpsc::Sender<Msg>) {
    let mut snapshots = feed.board.watch();
    let mut connection = feed.connection.clone();
    snapshots.mark_changed();
    connection.mark_changed();
    let mut clock = feed.board.clock();
    clock.mark_changed();
    let (mut seq, mut linked) = (0, true);
    // As this user may see it.
    let mut unseen = feed.board.records().watch(true);
    loop {
        let messages = tokio::select! {
            changed = connection.changed(), if linked => {
                linked = changed.is_ok();
                let link = if linked { link(&connection.borrow_and_update(), zero) } else { ended(zero) };
                vec![Msg::Link { node, link }]
            }
            Ok(()) = clock.changed() => vec![Msg::Clock { node, offset: *clock.borrow_and_update() }],
            changed = snapshots.changed() => {
                if changed.is_err() {
                    return;
                }
                let snapshot = snapshots.borrow_and_update().clone();
                // An engine that was started anew counts from the start again.
                if snapshot.as_ref().is_none_or(|s| s.last_event < seq) {
                    seq = 0;
                }
                let events = feed.board.events_after(seq);
                seq = events.last().map_or(seq, |e| e.seq);
                let mut messages = vec![Msg::Events { node, events }, Msg::Snapshot { node, snapshot }];
                messages.extend(unseen.configuration().map(|report| Msg::Configuration { node, report }));
                messages.extend(unseen.audit().map(|audit| Msg::Audit { node, audit }));
                messages
            }
        };
        for msg in messages {
            if out.send(msg).await.is_err() {
                return;
            }
        }
    }
}

fn link(connection: &Connection, zero: Instant) -> Link {
    match connection {
        Connection::Connecting => Link::Connecting,
        Connection::Live => Link::Live,
        Connection::Lost { since, why } => {
            let since = since.saturating_duration_since(zero.into_std());
            Link::Lost { since: u64::try_from(since.as_micros()).unwrap_or(0), why: why.clone() }
        }
    }
}

fn ended(zero: Instant) -> Link {
    let since = u64::try_from(zero.elapsed().as_micros()).unwrap_or(u64::MAX);
    Link::Lost { since, why: "its link has ended".into() }
}

async fn follow_stage(feed: StageFeed, out: mpsc::Sender<Msg>) {
    let mut stage = feed.stage.clone();
    stage.mark_changed();
    while stage.changed().await.is_ok() {
        let now = stage.borrow_and_update().clone();
        if out.send(Msg::Stage(now)).await.is_err() {
            return;
        }
    }
}

const SIGCONT: SignalKind = SignalKind::from_raw(nix::libc::SIGCONT);

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    go_on: Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        let on = |kind| signal(kind).context("wait for signals");
        Ok(Self {
            terminate: on(SignalKind::terminate())?,
            interrupt: on(SignalKind::interrupt())?,
            hangup: on(SignalKind::hangup())?,
            go_on: on(SIGCONT)?,
        })
    }

    async fn next(&mut self) -> SignalKind {
        tokio::select! {
            _ = self.terminate.recv() => SignalKind::terminate(),
            _ = self.interrupt.recv() => SignalKind::interrupt(),
            _ = self.hangup.recv() => SignalKind::hangup(),
            _ = self.go_on.recv() => SIGCONT,
        }
    }
}
