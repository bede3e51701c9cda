//! A feed over the link: the stream is kept, and found again when it breaks.

use super::ask::{self, Failure, PATIENCE, Session};
use super::clock;
use super::life::Life;
use super::rotation::Rotation;
use crate::control::board::Board;
use crate::control::feed::{Connection, Feed, Request};
use crate::control::sse;
use crate::control::target::Target;
use crate::status::{AuditList, Change, ConfigReport, Event, Snapshot};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::{Method, StatusCode};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};

/// A server says something each second; silence of three is a dead link.
const SILENCE: Duration = Duration::from_secs(3);
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// Commands on their way; a console asks for one at a time.
const REQUESTS: usize = 16;

/// Keeps a link to `target` on `handle` for as long as the feed lives.
pub fn connect(target: Target, handle: &Handle) -> Feed {
    let board = Arc::new(Board::default());
    let (connection, seen) = watch::channel(Connection::Connecting);
    let (requests, asked) = mpsc::channel(REQUESTS);
    let label = target.label.clone();
    handle.spawn(send(target.clone(), asked));
    handle.spawn(clock::keep(target.clone(), Arc::downgrade(&board)));
    let keeper = Keeper {
        target,
        board: board.clone(),
        connection,
        life: None,
        rotation: Rotation::default(),
        takes_changes: true,
        last: 0,
        heard: Instant::now(),
        has_audit: false,
    };
    handle.spawn(keep(keeper));
    Feed { label, board, connection: seen, requests }
}

/// One command after the other, so that they arrive in the order they were asked.
async fn send(target: Target, mut asked: mpsc::Receiver<Request>) {
    while let Some(Request { ask, reply }) = asked.recv().await {
        match ask::command(&target, &ask).await {
            Ok(answer) => {
                let _ = reply.send(answer);
            }
            // The engine's own words are an answer; anything else leaves open what became of the command.
            Err(Failure::Refused { text, status, .. }) if status < 500 => {
                let _ = reply.send(crate::status::Reply::Rejected { reason: text });
            }
            Err(failure) => tracing::warn!("{}: {failure}", ask.command),
        }
    }
}

/// One link and what is known of the engine behind it.
struct Keeper {
    target: Target,
    board: Arc<Board>,
    connection: watch::Sender<Connection>,
    life: Option<Life>,
    rotation: Rotation,
    takes_changes: bool,
    /// The last event on the board.
    last: u64,
    /// When the engine was last heard.
    heard: Instant,
    /// This stream has told of the audit log.
    has_audit: bool,
}

/// How a stream ended.
enum End {
    Failed(String),
    /// The engine is not the one whose events are on the board: start over.
    Restarted,
}

async fn keep(mut keeper: Keeper) {
    let connection = keeper.connection.clone();
    let mut wait = FIRST_WAIT;
    loop {
        let end = tokio::select! {
            () = connection.closed() => return,
            end = keeper.follow() => end,
        };
        let was_live = *connection.borrow() == Connection::Live;
        match end {
            End::Restarted => continue,
            End::Failed(why) => {
                let since = keeper.heard.into_std();
                connection.send_replace(Connection::Lost { since, why });
            }
        }
        wait = if was_live { FIRST_WAIT } else { (wait * 2).min(LONGEST_WAIT) };
        tokio::select! {
            () = connection.closed() => return,
            () = sleep(wait) => {}
        }
    }
}

impl Keeper {
    /// Reads one stream to its end.
    async fn follow(&mut self) -> End {
        let opened = async {
            let mut session = Session::open(&self.target).await?;
            session.takes_changes = self.takes_changes;
            let path = format!("/v1/stream?after={}", self.last);
            let answer = session.send(&self.target, Method::GET, &path, Vec::new()).await?;
            if answer.status() == StatusCode::OK {
                return Ok((session, answer.into_body()));
            }
            Err(ask::refused(&self.target, answer).await)
        };
        let (mut session, mut body) = match timeout(PATIENCE, opened).await {
            Ok(Ok(open)) => open,
            Ok(Err(failure)) => return End::Failed(failure.why()),
            Err(_) => return End::Failed(format!("no answer within {} s", PATIENCE.as_secs())),
        };
        self.read(&mut session, &mut body).await
    }

    async fn read(&mut self, session: &mut Session, body: &mut Incoming) -> End {
        let mut reader = sse::Reader::default();
        self.has_audit = false;
        let mut is_first = true;
        loop {
            let frame = match timeout(SILENCE, body.frame()).await {
                Ok(Some(Ok(frame))) => frame,
                Ok(Some(Err(error))) => return End::Failed(session.why(&error).await),
                Ok(None) => return End::Failed("the engine ended the link".into()),
                Err(_) => return End::Failed(format!("not a word for {} s", SILENCE.as_secs())),
            };
            self.heard = Instant::now();
            let Some(bytes) = frame.data_ref() else { continue };
            let messages = match reader.feed(bytes) {
                Ok(messages) => messages,
                Err(error) => return End::Failed(error.to_string()),
            };
            for message in messages {
                if let Err(end) = self.take(&message, &mut is_first) {
                    return end;
                }
            }
        }
    }

    fn take(&mut self, message: &sse::Message, is_first: &mut bool) -> Result<(), End> {
        let garbled = |e: serde_json::Error| {
            End::Failed(format!("its {} is not understood: {e}; is it another version?", message.name))
        };
        match message.name.as_str() {
            "snapshot" => {
                let snapshot = self.rotation.whole(Snapshot::read(&message.data).map_err(garbled)?);
                self.show(snapshot, std::mem::take(is_first))
            }
            "change" => {
                let change = serde_json::from_str(&message.data).ok();
                let Some(snapshot) = change.and_then(|change: Change| self.rotation.change(change).ok()) else {
                    // Another version tells it in its own way; its whole snapshots are read all the same.
                    self.takes_changes = false;
                    return Err(End::Restarted);
                };
                self.show(snapshot, false)
            }
            "event" => {
                let event: Event = serde_json::from_str(&message.data).map_err(garbled)?;
                // The board is in the order of the numbers, whatever the other end sends.
                if event.seq > self.last {
                    self.last = event.seq;
                    self.board.record([event]);
                }
                Ok(())
            }
            "configuration" => {
                let report: ConfigReport = serde_json::from_str(&message.data).map_err(garbled)?;
                // It comes as this user may see it.
                self.board.records().set_configuration(report.clone(), report);
                Ok(())
            }
            "audit" => {
                let list: AuditList = serde_json::from_str(&message.data).map_err(garbled)?;
                if std::mem::replace(&mut self.has_audit, true) {
                    self.board.records().add_audit(list.entries);
                } else {
                    self.board.records().begin_audit(list);
                }
                Ok(())
            }
            // A gap shows in the numbers of the events.
            _ => Ok(()),
        }
    }

    /// The first snapshot of a stream tells whether the events on the board are this engine's.
    fn show(&mut self, snapshot: Arc<Snapshot>, is_first: bool) -> Result<(), End> {
        let life = Life::from(&*snapshot);
        let goes_on = self.life.is_none_or(|known| known.goes_on_in(&life));
        if is_first && !goes_on {
            self.board.clear();
            self.life = None;
            if std::mem::take(&mut self.last) > 0 {
                return Err(End::Restarted);
            }
        }
        self.life = Some(life);
        self.board.show(snapshot);
        self.connection.send_if_modified(|c| {
            let changed = *c != Connection::Live;
            *c = Connection::Live;
            changed
        });
        Ok(())
    }
}
