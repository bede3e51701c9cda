//! Notify scripts: those of one instance or group one after the other, those of different ones side by side. And what
//! reads the FIFOs.

use super::readers::{Reader, Readers};
use super::workers::outcome;
use crate::engine::{Input, Notice};
use crate::sys::process;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// A script that takes longer is stopped, so that the next state is told.
const LIMIT: Duration = Duration::from_secs(60);

/// Scripts of one instance or group that wait for their turn; of more, those of earlier states are skipped.
const WAITING: usize = 16;

enum Task {
    Run(Notice),
    Read(Vec<Reader>),
}

/// Where notices go, and how many are not done yet.
pub(super) struct Notifier {
    tasks: UnboundedSender<Task>,
    open: Arc<AtomicUsize>,
    readers: Arc<AtomicUsize>,
}

impl Notifier {
    /// Starts the thread; each script's end comes back as an input.
    pub(super) fn start(results: UnboundedSender<Input>) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (tasks, received) = unbounded_channel();
        let (open, readers) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (counted, running) = (open.clone(), Readers::new(results.clone(), readers.clone()));
        let work = move || runtime.block_on(sort(received, results, counted, running));
        std::thread::Builder::new().name("notify".into()).spawn(work)?;
        Ok(Self { tasks, open, readers })
    }

    pub(super) fn tell(&self, notice: Notice) {
        self.open.fetch_add(1, Ordering::Relaxed);
        if self.tasks.send(Task::Run(notice)).is_err() {
            self.open.fetch_sub(1, Ordering::Relaxed);
            tracing::error!("the thread for notify scripts has ended: restart vipdeck");
        }
    }

    /// From now on these read FIFOs; those that stay go on.
    pub(super) fn read(&self, readers: Vec<Reader>) {
        if self.tasks.send(Task::Read(readers)).is_err() {
            tracing::error!("the thread for notify scripts has ended: restart vipdeck");
        }
    }

    /// Whether every script has ended.
    pub(super) fn is_idle(&self) -> bool {
        self.open.load(Ordering::Relaxed) == 0
    }

    /// Whether nothing reads a FIFO any more.
    pub(super) fn has_no_readers(&self) -> bool {
        self.readers.load(Ordering::Relaxed) == 0
    }
}

/// What waits for one instance or group, and how much of it was skipped since the last script began.
#[derive(Default)]
struct Queue {
    waiting: std::sync::Mutex<(VecDeque<Notice>, u64)>,
    more: Notify,
}

impl Queue {
    /// The number that was skipped for it.
    fn push(&self, notice: Notice) -> usize {
        let mut waiting = self.waiting.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        waiting.0.push_back(notice);
        let skipped = skip(&mut waiting.0);
        waiting.1 += u64::try_from(skipped).unwrap_or(u64::MAX);
        drop(waiting);
        self.more.notify_one();
        skipped
    }

    /// The next one, and how many were skipped before it.
    async fn next(&self) -> (Notice, u64) {
        loop {
            {
                let mut waiting = self.waiting.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                if let Some(notice) = waiting.0.pop_front() {
                    return (notice, std::mem::take(&mut waiting.1));
                }
            }
            self.more.notified().await;
        }
    }
}

/// Removes the oldest that later ones of their kind have made out of date, until the rest is short enough: never one of
/// the last state, nor the last about a lower priority.
fn skip(waiting: &mut VecDeque<Notice>) -> usize {
    let before = waiting.len();
    while waiting.len() > WAITING {
        let old = waiting.iter().position(|notice| waiting.iter().any(|later| later.supersedes(notice)));
        let Some(old) = old else { break };
        waiting.remove(old);
    }
    before - waiting.len()
}

/// A queue for each instance and group.
async fn sort(
    mut received: UnboundedReceiver<Task>,
    results: UnboundedSender<Input>,
    open: Arc<AtomicUsize>,
    mut readers: Readers,
) {
    let mut queues: BTreeMap<(&'static str, String), Arc<Queue>> = BTreeMap::new();
    while let Some(task) = received.recv().await {
        match task {
            Task::Read(wanted) => readers.need(wanted),
            Task::Run(notice) => {
                let queue = queues.entry((notice.kind, notice.name.clone())).or_insert_with(|| {
                    let queue = Arc::new(Queue::default());
                    tokio::spawn(run_in_order(queue.clone(), results.clone(), open.clone()));
                    queue
                });
                let skipped = queue.push(notice);
                open.fetch_sub(skipped, Ordering::Relaxed);
            }
        }
    }
}

async fn run_in_order(queue: Arc<Queue>, results: UnboundedSender<Input>, open: Arc<AtomicUsize>) {
    loop {
        let (notice, count) = queue.next().await;
        if count > 0 {
            let _ = results.send(Input::NotifySkipped { kind: notice.kind, name: notice.name.clone(), count });
        }
        let script = process::Script {
            argv: notice.command.argv.clone(),
            user: notice.command.user.as_ref().map(|u| u.user.clone()),
            group: notice.command.user.as_ref().and_then(|u| u.group.clone()),
            timeout: LIMIT,
            leaves_children: true,
            keeps: process::Keeps::First,
        };
        let ended = process::run_script(&script).await;
        // The engine has ended: nobody wants to know.
        let _ = results.send(Input::Notified { notice, outcome: outcome(&ended), output: ended.output });
        open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vrrp::Command;

    fn notice(keyword: &'static str, change: u64) -> Notice {
        let command = Command { argv: vec!["/bin/true".into()], user: None };
        Notice { kind: "INSTANCE", name: "VI_1".into(), keyword, command, change }
    }

    #[test]
    fn the_last_state_is_never_skipped_whatever_comes_after_it() {
        let mut waiting = VecDeque::new();
        let mut skipped = 0;
        let mut push = |notice| {
            waiting.push_back(notice);
            skipped += skip(&mut waiting);
        };
        for change in 0..100 {
            push(notice(if change % 2 == 0 { "notify_master" } else { "notify_backup" }, change));
            push(notice("notify", change));
        }
        for change in 200..300 {
            push(notice("notify_master_rx_lower_pri", change));
        }
        let kept: Vec<_> = waiting.iter().map(|n| (n.keyword, n.change)).collect();
        assert_eq!(kept.len(), WAITING);
        assert_eq!(skipped, 300 - WAITING);
        assert!(kept.contains(&("notify_backup", 99)) && kept.contains(&("notify", 99)), "{kept:?}");
        assert_eq!(kept.last(), Some(&("notify_master_rx_lower_pri", 299)));
        assert!(kept.is_sorted_by_key(|(_, change)| *change), "{kept:?}");
    }
}
