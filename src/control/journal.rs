//! The journal of an engine: its last hour, read from its [`Board`] on a thread of its own.
//!
//! The engine knows nothing of it. Where snapshots cost it something, the journal asks for one every ten seconds and
//! after events; elsewhere it takes those that are there.

use super::board::Board;
use crate::recording::{Fed, Header, Limits, Moment, Writer};
use crate::settings;
use crate::status::{Mode, Snapshot};
use crate::sys::journal_files::JournalFiles;
use std::io;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};

/// Between two snapshots in which nothing happened.
const PACE: Duration = Duration::from_secs(1);
/// The same where a snapshot is made for whoever asks.
const LARGE_PACE: Duration = Duration::from_secs(10);
/// An event and the snapshot that counts it come together; more than one event often, too.
const TOGETHER: Duration = Duration::from_millis(30);
/// Of its thread's time, at most one part in so many goes into it.
const SHARE: u32 = 50;
const PART: u64 = 60_000_000;
/// The same where each part is a file: a crash loses the last one, of at most four times as much.
const FILE_PART: u64 = 5_000_000;

/// What is kept.
#[derive(Debug)]
pub struct Journal(Mutex<Writer>);

impl Journal {
    /// With parts of so many microseconds.
    pub fn new(settings: &settings::Journal, part: u64) -> Self {
        let limits = Limits { span: settings.seconds.saturating_mul(1_000_000), bytes: settings.bytes, part };
        Self(Mutex::new(Writer::new(limits, 1)))
    }

    fn with<T>(&self, act: impl FnOnce(&mut Writer) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The recording from `since` on (microseconds since 1970), in pieces.
    pub fn since(&self, since: u64, name: &str) -> Vec<Arc<[u8]>> {
        let header = Header::new(name, Mode::Live, vec![name.to_owned()], false);
        self.with(|writer| writer.recording(&header, since))
    }

    /// Bytes in memory.
    pub fn size(&self) -> usize {
        self.with(|writer| writer.size())
    }

    /// Takes a snapshot and the events up to it.
    pub fn take(&self, snapshot: &Arc<Snapshot>, events: Vec<Arc<crate::status::Event>>) {
        let moment = Moment { at: snapshot.at.as_micros(), wall: snapshot.wall_us };
        let none = || serde_json::Value::Null;
        self.with(|writer| {
            if !events.is_empty() {
                writer.push(moment, &Fed::Events { node: 0, events }, none);
            }
            writer.push(moment, &Fed::Snapshot { node: 0, snapshot: Some(snapshot.clone()) }, none);
        });
    }
}

/// Keeps a journal of what is published on `board`, for as long as the board is there.
pub fn keep(board: &Arc<Board>, settings: &settings::Journal, files: Option<JournalFiles>) -> io::Result<()> {
    let part = if files.is_some() { FILE_PART } else { PART };
    let journal = Arc::new(Journal::new(settings, part));
    if settings.seconds == 0 || !board.keep_journal(journal.clone()) {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let board = Arc::downgrade(board);
    let keeper = Keeper { journal, files, seen: 0, revision: None };
    std::thread::Builder::new().name("journal".into()).spawn(move || runtime.block_on(keeper.run(&board)))?;
    Ok(())
}

struct Keeper {
    journal: Arc<Journal>,
    files: Option<JournalFiles>,
    /// The last event taken.
    seen: u64,
    revision: Option<u64>,
}

impl Keeper {
    async fn run(mut self, board: &Weak<Board>) {
        self.recall();
        let Some(mut news) = board.upgrade().map(|b| b.news()) else { return };
        loop {
            let Some(pace) = board.upgrade().map(|b| if b.is_on_request() { LARGE_PACE } else { PACE }) else { return };
            tokio::select! {
                changed = news.changed() => if changed.is_err() { return },
                () = sleep(pace) => {}
            }
            sleep(TOGETHER).await;
            let began = Instant::now();
            let Some(board) = board.upgrade() else { return };
            if let Some(snapshot) = board.fresh().await {
                self.take(&board, &snapshot);
            }
            drop(board);
            sleep_until(Instant::now() + began.elapsed() * SHARE).await;
        }
    }

    fn take(&mut self, board: &Board, snapshot: &Arc<Snapshot>) {
        if self.revision.replace(snapshot.revision) == Some(snapshot.revision) {
            return;
        }
        let mut events = board.events_after(self.seen);
        events.retain(|e| e.seq <= snapshot.last_event);
        self.seen = events.last().map_or(self.seen, |e| e.seq);
        self.journal.take(snapshot, events);
        self.store();
    }

    /// What an engine before this one has left in files.
    fn recall(&self) {
        let Some(files) = &self.files else { return };
        for (from, until, bytes) in files.load() {
            let moment = |(at, wall)| Moment { at, wall };
            self.journal.with(|writer| writer.adopt(moment(from), moment(until), bytes));
        }
    }

    /// Writes closed parts that have no file yet, and removes the files of those that are forgotten.
    fn store(&self) {
        let Some(files) = &self.files else { return };
        let pair = |m: Moment| (m.at, m.wall);
        let parts = self
            .journal
            .with(|writer| writer.pieces().map(|p| (pair(p.from), pair(p.until), p.bytes.clone())).collect::<Vec<_>>());
        files.follow(&parts);
    }
}
