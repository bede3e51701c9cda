//! The journal of operator intent, on a thread of its own: a disk may take its time, or never answer.

use crate::engine::{Engine, Input, Orders};
use crate::sys::state_file;
use crate::time::{Duration, Instant};
use anyhow::Context;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use tokio::sync::mpsc::UnboundedSender;

/// A start waits no longer than this for what was asked before it.
const PATIENCE: Duration = Duration::from_millis(500);
/// Larger files are no journal.
const LARGEST: u64 = 16 * 1024 * 1024;
/// Of a file name.
const LONGEST_NAME: usize = 200;

/// What was in the file: none if there is none.
type Contents = Result<Option<Vec<u8>>, String>;

/// One journal to be written; an empty text removes it.
pub(super) struct Order {
    pub(super) revision: u64,
    pub(super) text: String,
}

/// Starts the thread, and gives the engine what the journal says. An engine that goes on where another was is not kept
/// waiting: it knows already.
pub(super) fn start(
    engine: &mut Engine,
    now: Instant,
    path: PathBuf,
    goes_on: bool,
    results: &UnboundedSender<Input>,
) -> anyhow::Result<Sender<Order>> {
    engine.keep_journal(path.display().to_string());
    let (orders, received) = channel();
    // Without a place of its own: what is not taken goes back to the sender.
    let (contents_in, contents) = sync_channel(0);
    let to_engine = results.clone();
    std::thread::Builder::new()
        .name("intents".into())
        .spawn(move || serve(&path, &received, &contents_in, &to_engine))
        .context("start the thread for the journal of operator intent")?;
    if !goes_on {
        match contents.recv_timeout(PATIENCE) {
            Ok(read) => {
                // Before its first link and its first table: nothing can follow from it yet.
                let mut effects = Vec::new();
                engine.recall(now, read, &mut effects);
                anyhow::ensure!(effects.is_empty(), "orders of before led to {effects:?}");
            }
            Err(RecvTimeoutError::Timeout) => {
                tracing::error!("the journal of operator intent has not been read within {PATIENCE:?}: it follows");
            }
            Err(RecvTimeoutError::Disconnected) => anyhow::bail!("the thread for the journal has ended"),
        }
    }
    Ok(orders)
}

fn serve(path: &Path, orders: &Receiver<Order>, contents: &SyncSender<Contents>, results: &UnboundedSender<Input>) {
    // Whoever does not wait for it any more takes it as news.
    if let Err(late) = contents.send(read(path)) {
        let _ = results.send(Input::IntentsRead(late.0));
    }
    while let Ok(first) = orders.recv() {
        // Of several that wait the last says it all.
        let Order { revision, text } = std::iter::once(first)
            .chain(orders.try_iter())
            .last()
            .unwrap_or_else(|| Order { revision: 0, text: String::new() });
        let written = if text.is_empty() { state_file::remove(path) } else { state_file::write(path, &text) };
        let result = written.map_err(|error| format!("{}: {error}", path.display()));
        if results.send(Input::IntentsKept { revision, result }).is_err() {
            return;
        }
    }
}

fn read(path: &Path) -> Contents {
    let failed = |error: std::io::Error| error.to_string();
    let bytes = state_file::read_bytes(path, LARGEST).map_err(failed)?;
    if bytes.as_ref().is_some_and(|bytes| !Orders::is_whole(bytes)) {
        // What it holds may be more than can be read now.
        state_file::copy(path, ".damaged").map_err(failed)?;
    }
    Ok(bytes)
}

/// The journal of the engine with that name that runs that file: two engines of one machine never share one.
pub(super) fn path(directory: &Path, name: &str, configuration: &Path) -> PathBuf {
    let safe = |c: char| if c.is_alphanumeric() || "._".contains(c) { c } else { '-' };
    let escape = |text: &str| text.trim_start_matches('/').chars().map(safe).collect::<String>();
    let mut file = format!("{}@{}", escape(name), escape(&configuration.display().to_string()));
    // The end of a long path tells more.
    while file.len() > LONGEST_NAME {
        file.remove(0);
    }
    directory.join(format!("{}.intent", file.trim_start_matches('.')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_is_named_after_the_engine_and_its_file() {
        let at = |name: &str, file: &str| path(Path::new("/state"), name, Path::new(file)).display().to_string();
        assert_eq!(at("lvs1", "/etc/keepalived/keepalived.conf"), "/state/lvs1@etc-keepalived-keepalived.conf.intent");
        assert_eq!(at("../x", "/a b"), "/state/-x@a-b.intent");
        assert!(at("n", &"/ä".repeat(300)).len() < 255);
    }
}
