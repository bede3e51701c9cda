//! Events as log lines, from a thread of their own: writing a log can block for as long as its reader pleases.

use crate::control::Board;
use crate::status::{Event, Severity};
use crate::time::Duration;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// For the log to have everything, at the end.
const CATCH_UP: Duration = Duration::from_millis(500);
const LOOK: Duration = Duration::from_millis(2);

/// The thread, as far as the engine must know it.
pub(super) struct Journal {
    board: Arc<Board>,
    /// The last event that was given to the log.
    written: Arc<AtomicU64>,
}

impl Journal {
    pub(super) fn start(board: Arc<Board>) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let mut news = board.news();
        let journal = Self { board: board.clone(), written: Arc::default() };
        let written = journal.written.clone();
        std::thread::Builder::new().name("log".into()).spawn(move || {
            let mut last = 0;
            loop {
                for event in board.events_after(last) {
                    if event.seq > last + 1 {
                        tracing::warn!("{} events were lost to the log", event.seq - last - 1);
                    }
                    last = event.seq;
                    write(&event);
                }
                written.store(last, Ordering::Relaxed);
                if runtime.block_on(news.changed()).is_err() {
                    return;
                }
            }
        })?;
        Ok(journal)
    }

    /// Until the log has what was published, but not for ever.
    pub(super) async fn catch_up(&self) {
        let _ = tokio::time::timeout(CATCH_UP, async {
            while !self.board.events_after(self.written.load(Ordering::Relaxed)).is_empty() {
                tokio::time::sleep(LOOK).await;
            }
        })
        .await;
    }
}

fn write(event: &Event) {
    let cause = event.cause.as_ref().map(|c| format!(" ({c})")).unwrap_or_default();
    let line = format!("{} {}: {}{cause}", event.node, event.subject, event.text);
    match event.severity {
        Severity::Info | Severity::Notice => tracing::info!("{line}"),
        Severity::Warning => tracing::warn!("{line}"),
        Severity::Alarm => tracing::error!("{line}"),
    }
}
