//! What this console is fed, recorded as it comes, on a thread of its own.
//!
//! The console hands over what it was fed as it is; the thread makes it into text and packs it. Of its time it takes a
//! small share: where snapshots are large it passes over some, and a recording says so by the times of those it has.

use super::intake::feed;
use super::keymap::Keymap;
use super::model::{Model, Setup};
use super::theme::{self, Depth};
use super::update::Msg;
use crate::privacy::Privacy;
use crate::recording::{Fed, Feeds, Header, Limits, Link, Moment, Recording, Writer};
use crate::status::Mode;
use anyhow::Context;
use ratatui::layout::Size;
use serde_json::Value;
use std::fs::File;
use std::io::{self, Write};
use std::iter::Peekable;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use tokio::sync::mpsc;
use tokio::time::{Duration, Instant};

/// The last hour, as an engine keeps it; what is packed of it takes at most so much.
pub const LIMITS: Limits = Limits { span: 3_600_000_000, bytes: 32 * 1024 * 1024, part: 10_000_000 };
/// Of the thread's time, at most one part in so many goes into snapshots of one node.
const SHARE: u32 = 30;
/// What may wait for the thread.
const WAITING: usize = 4096;

/// What a console knows, and nothing of how it looks: the state that parts of a recording open with is made from it.
pub struct Shadow {
    model: Model,
    pub writer: Writer,
}

impl Shadow {
    pub fn new(header: &Header, limits: Limits) -> anyhow::Result<Self> {
        let model = Model::new(Setup {
            title: header.title.clone(),
            mode: header.mode,
            owns_engine: false,
            view_only: true,
            ascii: false,
            has_stage: header.has_stage,
            labels: header.nodes.clone(),
            themes: theme::all(Depth::None)?,
            theme: "mono".into(),
            keymap: Keymap::load(None).map_err(anyhow::Error::msg)?,
            zone: jiff::tz::TimeZone::UTC,
            size: Size { width: 80, height: 24 },
        });
        let model = model.map_err(anyhow::Error::msg)?;
        Ok(Self { model, writer: Writer::new(limits, header.nodes.len()) })
    }

    /// For a file: nothing is forgotten.
    pub fn unbounded(header: &Header) -> anyhow::Result<Self> {
        Self::new(header, Limits { span: u64::MAX / 2, bytes: usize::MAX, ..LIMITS })
    }

    pub fn take(&mut self, moment: Moment, fed: Fed) {
        let picture = &self.model.live;
        self.writer.push(moment, &fed, || serde_json::to_value(picture).unwrap_or(Value::Null));
        feed(&mut self.model, moment, fed);
    }
}

/// Of a message, what is recorded.
pub fn fed(msg: &Msg) -> Option<Fed> {
    Some(match msg.clone() {
        Msg::Snapshot { node, snapshot } => Fed::Snapshot { node, snapshot },
        Msg::Events { node, events } => Fed::Events { node, events },
        Msg::Link { node, link } => Fed::Link { node, link },
        Msg::Clock { node, offset } => Fed::Clock { node, offset },
        Msg::Stage(stage) => Fed::Stage(stage),
        Msg::Note(note) => Fed::Note(note),
        _ => return None,
    })
}

/// What was fed, as a message; of a note nothing but the recording knows.
pub fn message(fed: Fed) -> Msg {
    match fed {
        Fed::Snapshot { node, snapshot } => Msg::Snapshot { node, snapshot },
        Fed::Events { node, events } => Msg::Events { node, events },
        Fed::Link { node, link } => Msg::Link { node, link },
        Fed::Clock { node, offset } => Msg::Clock { node, offset },
        Fed::Stage(stage) => Msg::Stage(stage),
        Fed::Note(note) => Msg::Note(note),
    }
}

enum Order {
    Fed(Moment, Fed),
    Save(mpsc::Sender<Msg>),
}

/// The console's end of the thread.
pub(super) struct Recorder(SyncSender<Order>);

impl Recorder {
    pub(super) fn start(header: Header) -> anyhow::Result<Self> {
        let shadow = Shadow::new(&header, LIMITS)?;
        let (send, orders) = sync_channel(WAITING);
        let thread = std::thread::Builder::new().name("recorder".into());
        thread.spawn(move || record(shadow, &header, &orders)).context("start the thread that records")?;
        Ok(Self(send))
    }

    /// Hands over what was fed. A thread that has fallen so far behind loses it: the console waits for nobody.
    pub(super) fn note(&self, moment: Moment, fed: Fed) {
        let _ = self.0.try_send(Order::Fed(moment, fed));
    }

    /// Writes what has been seen to a file, and tells `to` of it.
    pub(super) fn save(&self, to: mpsc::Sender<Msg>) -> Result<(), &'static str> {
        self.0.try_send(Order::Save(to)).map_err(|error| match error {
            TrySendError::Full(_) => "the recording has fallen behind: try again",
            TrySendError::Disconnected(_) => "the recording has ended",
        })
    }
}

fn record(mut shadow: Shadow, header: &Header, orders: &Receiver<Order>) {
    let mut rests: Vec<Option<Instant>> = vec![None; header.nodes.len()];
    for order in orders {
        match order {
            Order::Fed(moment, fed) => {
                let node = match &fed {
                    Fed::Snapshot { node, snapshot: Some(_) } => rests.get_mut(*node),
                    _ => None,
                };
                let Some(rest) = node else {
                    shadow.take(moment, fed);
                    continue;
                };
                let began = Instant::now();
                // The first millisecond is not counted: small snapshots are all kept, however often they come.
                if rest.is_none_or(|until| began >= until) {
                    shadow.take(moment, fed);
                    let took = began.elapsed().saturating_sub(Duration::from_millis(1));
                    *rest = Some(Instant::now() + took * SHARE);
                }
            }
            Order::Save(to) => {
                let _ = to.blocking_send(Msg::Saved(saved(&shadow.writer, header)));
            }
        }
    }
}

/// In this directory, else at home, else where temporary files go.
fn saved(writer: &Writer, header: &Header) -> Result<String, String> {
    let Some(until) = writer.last() else { return Err("nothing has been seen yet".into()) };
    let time = super::text::date_time(until.wall, &jiff::tz::TimeZone::system()).replace(' ', "T").replace(':', "-");
    let title: String = header.title.chars().map(|c| if c.is_alphanumeric() || c == '-' { c } else { '_' }).collect();
    let name = format!("vipdeck-{title}-{time}");
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let places = [std::env::current_dir().ok(), home, Some(std::env::temp_dir())];
    let pieces = writer.recording(header, 0);
    let mut failed = String::new();
    for place in places.into_iter().flatten() {
        match in_place(&place, &name, &pieces) {
            Ok(path) => return Ok(format!("saved: vipdeck replay {}", path.display())),
            Err(error) => failed = format!("not saved: {}: {error}", place.display()),
        }
    }
    Err(failed)
}

fn in_place(place: &Path, name: &str, pieces: &[Arc<[u8]>]) -> io::Result<PathBuf> {
    for number in 0..100 {
        let suffix = if number == 0 { String::new() } else { format!("-{number}") };
        let path = place.join(format!("{name}{suffix}.rec"));
        match create(&path, pieces) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            other => return other.map(|()| path),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// A new file for its owner alone; one that is there already is an error.
pub fn create(path: &Path, pieces: &[Arc<[u8]>]) -> io::Result<()> {
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(path)?;
    let written = pieces.iter().try_for_each(|piece| file.write_all(piece)).and_then(|()| file.sync_all());
    written.inspect_err(|_| drop(std::fs::remove_file(path)))
}

/// Journals of several nodes as one recording, by their wall clocks.
pub fn merged(title: &str, journals: &[Recording]) -> anyhow::Result<Vec<Arc<[u8]>>> {
    let nodes = journals.iter().filter_map(|j| j.header.nodes.first().cloned()).collect();
    let header = Header::new(title, Mode::Live, nodes, false);
    let mut shadow = Shadow::unbounded(&header)?;
    let mut tracks: Vec<_> = journals.iter().map(|j| j.feeds().peekable()).collect();
    let zero = journals.iter().map(|j| j.span().0.wall).min().unwrap_or(0);
    let mut last = 0;
    let wall = |track: &mut Peekable<Feeds>| track.peek().map(|e| e.moment.wall);
    loop {
        let next = tracks.iter_mut().enumerate().filter_map(|(n, t)| Some((wall(t)?, n))).min();
        let Some((wall, node)) = next else { break };
        let Some(entry) = tracks.get_mut(node).and_then(Iterator::next) else { break };
        last = wall.saturating_sub(zero).max(last);
        shadow.take(Moment { at: last, wall }, of_node(entry.what, node));
    }
    Ok(shadow.writer.recording(&header, 0))
}

/// The same recording with stand-ins for names and addresses.
pub fn private(recording: &Recording) -> anyhow::Result<Vec<Arc<[u8]>>> {
    let mut privacy = Privacy::default();
    let header = &recording.header;
    let nodes = header.nodes.iter().map(|label| privacy.label(label)).collect();
    let title = privacy.title(&header.title);
    let header = Header { privacy: true, ..Header::new(&title, header.mode, nodes, header.has_stage) };
    let mut shadow = Shadow::unbounded(&header)?;
    for entry in recording.feeds() {
        shadow.take(entry.moment, stand_in(&mut privacy, entry.what)?);
    }
    Ok(shadow.writer.recording(&header, 0))
}

/// What is fed, with stand-ins.
pub fn stand_in(privacy: &mut Privacy, fed: Fed) -> anyhow::Result<Fed> {
    Ok(match fed {
        Fed::Snapshot { node, snapshot } => {
            let snapshot = snapshot.map(|s| privacy.of(&*s).map(Arc::new)).transpose()?;
            Fed::Snapshot { node, snapshot }
        }
        Fed::Events { node, events } => {
            let events = events.iter().map(|e| privacy.of(&**e).map(Arc::new)).collect::<Result<_, _>>()?;
            Fed::Events { node, events }
        }
        Fed::Link { node, link: Link::Lost { since, why } } => {
            Fed::Link { node, link: Link::Lost { since, why: privacy.text(&why) } }
        }
        other @ (Fed::Link { .. } | Fed::Clock { .. }) => other,
        Fed::Stage(stage) => Fed::Stage(privacy.of(&stage)?),
        Fed::Note(note) => Fed::Note(Arc::new(privacy.of(&*note)?)),
    })
}

fn of_node(fed: Fed, node: usize) -> Fed {
    match fed {
        Fed::Snapshot { snapshot, .. } => Fed::Snapshot { node, snapshot },
        Fed::Events { events, .. } => Fed::Events { node, events },
        Fed::Link { link, .. } => Fed::Link { node, link },
        other => other,
    }
}
