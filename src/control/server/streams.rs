//! Live streams as server-sent events. A slow reader misses snapshots, never events that are still kept, and is told
//! of those that are not.

use super::{Shared, Stop};
use crate::control::board::Board;
use crate::control::records::Unseen;
use crate::status::{Change, Event, Snapshot};
use axum::response::sse::{Event as Message, KeepAlive, Sse};
use futures_util::stream::{self, Stream, StreamExt};
use serde::Serialize;
use serde_json::json;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// Between two snapshots of one stream.
const PACE: Duration = Duration::from_millis(100);
/// A stream that has nothing to say says so: a dead link is noticed within three of these.
const KEEP_ALIVE: Duration = Duration::from_secs(1);

type Messages = Vec<Message>;

/// Events only, as they happen.
pub(super) fn events(shared: &Shared, after: u64) -> Sse<impl Stream<Item = Result<Message, Infallible>> + use<>> {
    let reader = Reader::new(shared, after);
    let steps = stream::unfold((reader, true), |(mut reader, first)| async move {
        if !first {
            reader.woken().await?;
        }
        Some((reader.news(), (reader, false)))
    });
    served(steps, shared.stop.clone())
}

/// Everything a console needs: the snapshot first, so that it sees whether the engine is the one it knows, then the
/// events after `after`, each batch followed by the snapshot that counts it.
pub(super) fn console(
    shared: &Shared,
    after: u64,
    takes_changes: bool,
    open: bool,
) -> Sse<impl Stream<Item = Result<Message, Infallible>> + use<>> {
    let unseen = shared.board.records().watch(open);
    let reader = Reader { takes_changes, records: Some((unseen, None)), ..Reader::new(shared, after) };
    let steps = stream::unfold((reader, Step::First), |(mut reader, step)| async move {
        match step {
            Step::First => {
                let snapshot = reader.present().await?;
                Some((vec![reader.told(snapshot)], (reader, Step::Backlog)))
            }
            Step::Backlog => Some((reader.everything(), (reader, Step::Live(Instant::now() + PACE)))),
            Step::Live(not_before) => {
                reader.woken().await?;
                sleep_until(not_before).await;
                Some((reader.everything(), (reader, Step::Live(Instant::now() + PACE))))
            }
        }
    });
    served(steps, shared.stop.clone())
}

enum Step {
    First,
    Backlog,
    Live(Instant),
}

/// Ends when the server stops: a graceful shutdown would wait for the stream for ever.
fn served<S>(steps: S, stop: Stop) -> Sse<impl Stream<Item = Result<Message, Infallible>>>
where
    S: Stream<Item = Messages> + Send + 'static,
{
    let messages = steps.flat_map(stream::iter).map(Ok).take_until(Box::pin(stop.asked()));
    Sse::new(messages).keep_alive(KeepAlive::new().interval(KEEP_ALIVE).text("still here"))
}

/// One reader's place in the history.
struct Reader {
    board: Arc<Board>,
    changes: watch::Receiver<Option<Arc<Snapshot>>>,
    /// The last event it has been sent.
    seen: u64,
    takes_changes: bool,
    /// The last snapshot it has been sent, if it takes changes.
    told: Option<Arc<Snapshot>>,
    /// For consoles, with the last entry of the audit log it has been sent.
    records: Option<(Unseen, Option<u64>)>,
}

impl Reader {
    fn new(shared: &Shared, after: u64) -> Self {
        Self {
            board: shared.board.clone(),
            changes: shared.board.watch(),
            seen: after,
            takes_changes: false,
            told: None,
            records: None,
        }
    }

    /// Waits for a snapshot newer than the last one looked at; none: the engine is gone.
    async fn woken(&mut self) -> Option<()> {
        self.changes.changed().await.ok()
    }

    /// The latest snapshot, as soon as there is one.
    async fn present(&mut self) -> Option<Arc<Snapshot>> {
        self.changes.wait_for(Option::is_some).await.ok()?.clone()
    }

    /// New events, then the latest snapshot.
    fn everything(&mut self) -> Messages {
        let snapshot = self.changes.borrow_and_update().clone();
        let mut messages = self.news();
        // Before the snapshot: that is what wakes readers.
        messages.extend(self.papers());
        messages.extend(snapshot.map(|s| self.told(s)));
        messages
    }

    /// The snapshot, or what changed since the one before.
    fn told(&mut self, snapshot: Arc<Snapshot>) -> Message {
        let told = match &self.told {
            Some(before) => message("change", None, &Change::between(before, &snapshot)),
            None => message("snapshot", None, &*snapshot),
        };
        self.told = self.takes_changes.then_some(snapshot);
        told
    }

    /// The configuration and the audit log, as far as they are new; the first `audit` of a stream has all of it.
    fn papers(&mut self) -> Messages {
        let Some((unseen, sent)) = &mut self.records else { return Vec::new() };
        let report = unseen.configuration().flatten().map(|report| message("configuration", None, &*report));
        let audit = unseen.audit().map(|audit| {
            let list = audit.list(sent.unwrap_or(0), 0);
            *sent = Some(audit.entries.back().map_or(0, |last| last.seq));
            message("audit", None, &list)
        });
        report.into_iter().chain(audit).collect()
    }

    /// The events this reader has not seen, and a gap before them if some are lost.
    fn news(&mut self) -> Messages {
        let mut events = self.board.events_after(self.seen);
        let mut messages = Vec::new();
        if events.is_empty() && self.is_ahead() {
            messages.push(gap(self.seen, None));
            self.seen = 0;
            events = self.board.events_after(0);
        } else if let Some(first) = events.first().filter(|e| e.seq > self.seen + 1) {
            messages.push(gap(self.seen, Some(first)));
        }
        self.seen = events.last().map_or(self.seen, |e| e.seq);
        messages.extend(events.iter().map(|e| message("event", Some(e.seq), &**e)));
        messages
    }

    /// It names an event that this engine has not had: it knew an earlier life of it.
    fn is_ahead(&self) -> bool {
        self.seen > 0
            && self.board.latest().is_some_and(|s| s.last_event < self.seen)
            && self.board.events_after(self.seen - 1).is_empty()
    }
}

fn message(name: &str, id: Option<u64>, value: &impl Serialize) -> Message {
    let message = Message::default().event(name);
    let message = id.into_iter().fold(message, |m, id| m.id(id.to_string()));
    // Numbers and texts only: there is nothing in these types that has no JSON.
    let text = serde_json::to_string(value).unwrap_or_else(|e| json!({ "error": e.to_string() }).to_string());
    message.data(text)
}

fn gap(after: u64, first: Option<&Arc<Event>>) -> Message {
    let value = match first {
        Some(first) => json!({ "after": after, "next": first.seq, "lost": first.seq - after - 1, "restarted": false }),
        None => json!({ "after": after, "next": null, "lost": null, "restarted": true }),
    };
    message("gap", None, &value)
}
