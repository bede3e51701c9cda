//! The audit log, written by a thread of its own in the order in which commands were answered; whoever asked gets the
//! answer once it is in the log, or after a moment if the disk takes longer.

use crate::control::Board;
use crate::engine::Input;
use crate::status::{Actor, Ask, AuditEntry, AuditList, AuditResult, Reply};
use crate::sys::audit_file::{AuditFile, Limits, tail};
use crate::sys::clock::wall_us;
use crate::time::{Duration, Instant};
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

/// A log that cannot be written is tried again.
const RETRY: Duration = Duration::from_secs(5);
/// Entries wait for a disk, but not without end: what comes then is counted.
const WAITING: usize = 10_000;
/// An answer waits no longer for the disk.
const ANSWER: Duration = Duration::from_millis(500);
/// For the log to have everything, at the end.
const CATCH_UP: Duration = Duration::from_millis(500);
const LOOK: Duration = Duration::from_millis(2);

/// What the engine's thread knows of it.
pub(super) struct Audit {
    to: Sender<(AuditEntry, Answer)>,
    /// Commands without an answer yet, and when they came.
    open: BTreeMap<u64, (Ask, u64)>,
    /// Answers that wait for the log, and since when.
    held: VecDeque<(Instant, Answer)>,
    told: u64,
    taken: Arc<AtomicU64>,
    ender: Actor,
}

type Unsent = (oneshot::Sender<Reply>, Reply);

/// An answer on its way to whoever waits for it: given by the thread, or by the engine's.
#[derive(Clone, Default)]
struct Answer(Arc<Mutex<Option<Unsent>>>);

impl Answer {
    fn give(&self) {
        if let Some((asker, reply)) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // An asker that has left wants no answer.
            let _ = asker.send(reply);
        }
    }
}

/// Where the log is.
pub(super) struct Place {
    pub(super) node: String,
    pub(super) path: PathBuf,
    pub(super) limits: Limits,
    /// Who it is that ends this engine, if it is ended.
    pub(super) ender: Actor,
}

impl Audit {
    pub(super) fn start(place: Place, board: Arc<Board>, results: UnboundedSender<Input>) -> io::Result<Self> {
        let (to, entries) = channel();
        let audit = Self {
            to,
            open: BTreeMap::new(),
            held: VecDeque::new(),
            told: 0,
            taken: Arc::default(),
            ender: place.ender.clone(),
        };
        let taken = audit.taken.clone();
        let work = move || Writer::new(place, board, results).serve(&entries, &taken);
        std::thread::Builder::new().name("audit".into()).spawn(work)?;
        Ok(audit)
    }

    pub(super) fn asked(&mut self, id: u64, ask: &Ask) {
        self.open.insert(id, (ask.clone(), wall_us()));
    }

    /// Gives back what was asked.
    pub(super) fn answered(
        &mut self,
        node: &str,
        id: u64,
        reply: Reply,
        asker: Option<oneshot::Sender<Reply>>,
        now: Instant,
    ) -> Option<Ask> {
        let (ask, at) = self.open.remove(&id)?;
        let entry = AuditEntry::new(node, at, &ask, Some(&reply), wall_us().saturating_sub(at));
        let answer = Answer(Arc::new(Mutex::new(asker.map(|asker| (asker, reply)))));
        self.held.push_back((now, answer.clone()));
        self.tell(entry, answer);
        Some(ask)
    }

    /// Gives the answers that have waited long enough.
    pub(super) fn give_late(&mut self, now: Instant) {
        while self.held.front().is_some_and(|(since, _)| now.since(*since) >= ANSWER) {
            self.held.pop_front().into_iter().for_each(|(_, answer)| answer.give());
        }
    }

    /// The engine ends, and not for another one to go on.
    pub(super) fn stopped(&mut self, node: &str) {
        let entry = AuditEntry {
            seq: 0,
            wall_us: wall_us(),
            node: node.to_owned(),
            actor: self.ender.clone(),
            verb: "stop".into(),
            command: "stop".into(),
            reason: None,
            result: AuditResult::Accepted,
            answer: "the engine hands over what it has, and ends".into(),
            took_us: 0,
        };
        self.tell(entry, Answer::default());
    }

    /// What has no answer will have none.
    pub(super) fn end(&mut self, node: &str) {
        for (ask, at) in std::mem::take(&mut self.open).into_values() {
            let entry = AuditEntry::new(node, at, &ask, None, wall_us().saturating_sub(at));
            self.tell(entry, Answer::default());
        }
    }

    fn tell(&mut self, entry: AuditEntry, answer: Answer) {
        self.told += 1;
        if let Err(unsent) = self.to.send((entry, answer)) {
            tracing::error!("the thread for the audit log has ended: restart vipdeck");
            unsent.0.1.give();
        }
    }

    /// Until everything was tried to be written, but not for ever; then every answer is given.
    pub(super) async fn catch_up(&mut self) {
        let _ = tokio::time::timeout(CATCH_UP, async {
            while self.taken.load(Ordering::Acquire) < self.told {
                tokio::time::sleep(LOOK).await;
            }
        })
        .await;
        self.held.drain(..).for_each(|(_, answer)| answer.give());
    }
}

struct Writer {
    file: AuditFile,
    board: Arc<Board>,
    results: UnboundedSender<Input>,
    last_seq: u64,
    waiting: VecDeque<AuditEntry>,
    /// More than can wait.
    dropped: u64,
    /// The last attempt failed.
    fails: bool,
}

impl Writer {
    fn new(place: Place, board: Arc<Board>, results: UnboundedSender<Input>) -> Self {
        let Place { node, path, limits, .. } = place;
        let name = path.display().to_string();
        let (lines, earlier) = tail(&path, limits.files, crate::control::AUDIT_KEPT).unwrap_or_else(|error| {
            tracing::error!("the audit log {name} cannot be read: {error}");
            (Vec::new(), false)
        });
        let entries: Vec<AuditEntry> = lines.iter().filter_map(|line| serde_json::from_str(line).ok()).collect();
        if entries.len() < lines.len() {
            tracing::warn!(
                "{} lines of the audit log {name} are damaged: they stay in the file",
                lines.len() - entries.len()
            );
        }
        let last_seq = entries.iter().map(|e| e.seq).max().unwrap_or(0);
        board.records().begin_audit(AuditList { node, file: Some(name), entries, earlier });
        let (waiting, dropped, fails) = (VecDeque::new(), 0, false);
        Self { file: AuditFile::new(path, limits), board, results, last_seq, waiting, dropped, fails }
    }

    fn serve(mut self, entries: &Receiver<(AuditEntry, Answer)>, taken: &AtomicU64) {
        loop {
            let first = if self.waiting.is_empty() {
                entries.recv().map_err(RecvTimeoutError::from)
            } else {
                entries.recv_timeout(RETRY)
            };
            let first = match first {
                Ok(entry) => Some(entry),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let (news, answers): (Vec<_>, Vec<_>) = first.into_iter().chain(entries.try_iter()).unzip();
            self.take(news);
            answers.iter().for_each(Answer::give);
            taken.fetch_add(answers.len() as u64, Ordering::Release);
        }
    }

    fn take(&mut self, news: Vec<AuditEntry>) {
        let mut shown = Vec::new();
        for mut entry in news {
            self.last_seq += 1;
            entry.seq = self.last_seq;
            shown.push(entry.clone());
            if self.waiting.len() < WAITING {
                self.waiting.push_back(entry);
            } else {
                self.dropped += 1;
            }
        }
        let result = self.write();
        if self.fails != result.is_err() {
            self.fails = result.is_err();
            // An engine that has ended wants nothing.
            let _ = self.results.send(Input::AuditKept(result));
        }
        self.board.records().add_audit(shown);
    }

    /// In their order: what cannot be written keeps back what comes after it.
    fn write(&mut self) -> Result<(), String> {
        while let Some(entry) = self.waiting.front() {
            let line = serde_json::to_string(entry).map_err(|e| e.to_string())?;
            self.file.append(&line).map_err(|error| error.to_string())?;
            self.waiting.pop_front();
        }
        if self.dropped > 0 {
            let lost = serde_json::json!({ "lost": self.dropped, "wall_us": wall_us() });
            self.file.append(&lost.to_string()).map_err(|error| error.to_string())?;
            self.dropped = 0;
        }
        Ok(())
    }
}
