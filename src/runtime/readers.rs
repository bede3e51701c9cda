//! Programs that read the FIFOs (`notify_fifo_script` and its like): started beside the engine, started again when they
//! end by themselves.

use crate::engine::Input;
use crate::status::Severity;
use crate::sys::fifo::is_fifo;
use crate::sys::process::{Keeps, Script, run_script_until};
use crate::vrrp::Command;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

/// From the end of the pipe to SIGTERM: enough to read what is left in it.
const LAST_LINES: Duration = Duration::from_millis(300);
/// The pipe is made by another thread.
const PIPE: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(20);
/// A program that ends is started again after this, and twice as long each time it does so soon.
const AGAIN: Duration = Duration::from_secs(1);
const AGAIN_AT_MOST: Duration = Duration::from_secs(60);

/// A program, and the pipe whose path is its last argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reader {
    pub(super) command: Command,
    pub(super) path: PathBuf,
}

/// Those that run. A program is told to end when its sender is dropped.
pub(super) struct Readers {
    running: Vec<(Reader, watch::Sender<()>)>,
    results: UnboundedSender<Input>,
    open: Arc<AtomicUsize>,
}

impl Readers {
    /// `open` counts the programs that are not gone yet.
    pub(super) const fn new(results: UnboundedSender<Input>, open: Arc<AtomicUsize>) -> Self {
        Self { running: Vec::new(), results, open }
    }

    /// From now on these. Call it within a runtime.
    pub(super) fn need(&mut self, wanted: Vec<Reader>) {
        self.running.retain(|(reader, _)| wanted.contains(reader));
        for reader in wanted {
            if self.running.iter().any(|(known, _)| *known == reader) {
                continue;
            }
            let (keep, kept) = watch::channel(());
            self.open.fetch_add(1, Ordering::Relaxed);
            let (results, open) = (self.results.clone(), self.open.clone());
            self.running.push((reader.clone(), keep));
            tokio::spawn(async move {
                keep_running(&reader, kept, &results).await;
                open.fetch_sub(1, Ordering::Relaxed);
            });
        }
    }
}

async fn keep_running(reader: &Reader, kept: watch::Receiver<()>, results: &UnboundedSender<Input>) {
    let _ = timeout(PIPE, async {
        while !is_fifo(&reader.path) {
            sleep(LOOK).await;
        }
    })
    .await;
    let mut pause = AGAIN;
    loop {
        let started = Instant::now();
        let ended = run_script_until(&script(reader), until_dropped(kept.clone(), LAST_LINES)).await;
        if kept.has_changed().is_err() {
            return;
        }
        if started.elapsed() > AGAIN_AT_MOST {
            pause = AGAIN;
        }
        let (path, detail) = (reader.path.display(), ended.detail());
        let text = format!("what reads {path} has ended ({detail}): it is started again in {} s", pause.as_secs());
        let mut cause = reader.command.argv.join(" ");
        if let Some(line) = ended.output.lines().rfind(|line| !line.trim().is_empty()) {
            cause = format!("{cause}, which said: {line}");
        }
        // The engine has ended: nobody wants to know.
        let _ = results.send(Input::Report { severity: Severity::Warning, kind: "notify", text, cause: Some(cause) });
        let dropped = until_dropped(kept.clone(), Duration::ZERO);
        if timeout(pause, dropped).await.is_ok() {
            return;
        }
        pause = (pause * 2).min(AGAIN_AT_MOST);
    }
}

async fn until_dropped(mut kept: watch::Receiver<()>, and: Duration) {
    // Nothing is ever sent.
    while kept.changed().await.is_ok() {}
    sleep(and).await;
}

fn script(reader: &Reader) -> Script {
    let mut argv = reader.command.argv.clone();
    argv.push(reader.path.display().to_string());
    Script {
        argv,
        user: reader.command.user.as_ref().map(|u| u.user.clone()),
        group: reader.command.user.as_ref().and_then(|u| u.group.clone()),
        timeout: Duration::MAX,
        leaves_children: false,
        keeps: Keeps::Last,
    }
}
