//! Notify scripts: those of one instance or group one after the other, those of different ones side by side.

use super::workers::outcome;
use crate::engine::{Input, Notice};
use crate::sys::process;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// A script that takes longer is stopped, so that the next state is told.
const LIMIT: Duration = Duration::from_secs(60);

/// Where notices go, and how many are not done yet.
pub(super) struct Notifier {
    notices: UnboundedSender<Notice>,
    open: Arc<AtomicUsize>,
}

impl Notifier {
    /// Starts the thread; each script's end comes back as an input.
    pub(super) fn start(results: UnboundedSender<Input>) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (notices, received) = unbounded_channel();
        let open = Arc::new(AtomicUsize::new(0));
        let counted = open.clone();
        let work = move || runtime.block_on(sort(received, results, counted));
        std::thread::Builder::new().name("notify".into()).spawn(work)?;
        Ok(Self { notices, open })
    }

    pub(super) fn tell(&self, notice: Notice) {
        self.open.fetch_add(1, Ordering::Relaxed);
        if self.notices.send(notice).is_err() {
            self.open.fetch_sub(1, Ordering::Relaxed);
            tracing::error!("the thread for notify scripts has ended: restart vipdeck");
        }
    }

    /// Whether every script has ended.
    pub(super) fn is_idle(&self) -> bool {
        self.open.load(Ordering::Relaxed) == 0
    }
}

/// A queue for each instance and group.
async fn sort(mut received: UnboundedReceiver<Notice>, results: UnboundedSender<Input>, open: Arc<AtomicUsize>) {
    let mut queues: BTreeMap<(&'static str, String), UnboundedSender<Notice>> = BTreeMap::new();
    while let Some(notice) = received.recv().await {
        let queue = queues.entry((notice.kind, notice.name.clone())).or_insert_with(|| {
            let (queue, waiting) = unbounded_channel();
            tokio::spawn(run_in_order(waiting, results.clone(), open.clone()));
            queue
        });
        // The task ends only with its queue.
        let _ = queue.send(notice);
    }
}

async fn run_in_order(mut waiting: UnboundedReceiver<Notice>, results: UnboundedSender<Input>, open: Arc<AtomicUsize>) {
    while let Some(notice) = waiting.recv().await {
        let script = process::Script {
            argv: notice.command.argv.clone(),
            user: notice.command.user.as_ref().map(|u| u.user.clone()),
            group: notice.command.user.as_ref().and_then(|u| u.group.clone()),
            timeout: LIMIT,
            leaves_children: true,
        };
        let ended = process::run_script(&script).await;
        // The engine has ended: nobody wants to know.
        let _ = results.send(Input::Notified { notice, outcome: outcome(&ended) });
        open.fetch_sub(1, Ordering::Relaxed);
    }
}
