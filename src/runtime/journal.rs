//! Events as log lines, from a thread of their own: writing a log can block for as long as its reader pleases.

use crate::control::Board;
use crate::status::{Event, Severity};
use std::io;
use std::sync::Arc;

pub(super) fn start(board: Arc<Board>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let mut news = board.news();
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
            if runtime.block_on(news.changed()).is_err() {
                return;
            }
        }
    })?;
    Ok(())
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
