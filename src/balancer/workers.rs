//! The balancer's threads. A session belongs to one of them for its life.

use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread::JoinHandle;
use tokio::runtime::{Builder, Handle};
use tokio::sync::watch;
use tokio::task::JoinHandle as Task;

/// Handles to the threads; they end when the guard that [`start`] returned is dropped.
#[derive(Debug)]
pub(super) struct Workers {
    all: Vec<Worker>,
    next: AtomicUsize,
}

#[derive(Debug)]
struct Worker {
    runtime: Handle,
    sessions: AtomicUsize,
}

/// Ends and joins the threads when dropped, and all that runs on them.
#[derive(Debug)]
pub(super) struct Running {
    stop: Option<watch::Sender<()>>,
    threads: Vec<JoinHandle<()>>,
}

/// Starts `count` threads (0: one for each processor, at most eight) in the network namespace of the calling one.
pub(super) fn start(count: usize) -> io::Result<(Workers, Running)> {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let count = if count == 0 { processors.min(MOST) } else { count };
    let (stop, stopped) = watch::channel(());
    let mut running = Running { stop: Some(stop), threads: Vec::new() };
    let mut all = Vec::new();
    for _ in 0..count {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        all.push(Worker { runtime: runtime.handle().clone(), sessions: AtomicUsize::new(0) });
        let mut stopped = stopped.clone();
        let work = move || runtime.block_on(async move { while stopped.changed().await.is_ok() {} });
        running.threads.push(std::thread::Builder::new().name("balancer".into()).spawn(work)?);
    }
    Ok((Workers { all, next: AtomicUsize::new(0) }, running))
}

impl Workers {
    /// Listeners are dealt out in turn, and told where they are.
    pub(super) fn spawn_listener<F>(&self, listener: impl FnOnce(usize) -> F) -> Option<Task<()>>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let turn = self.next.fetch_add(1, Relaxed).checked_rem(self.all.len())?;
        Some(self.all.get(turn)?.runtime.spawn(listener(turn)))
    }

    /// The thread with the fewest sessions gets one more, `home` if there are several; its number goes to
    /// [`Workers::ended`].
    pub(super) fn claim(&self, home: usize) -> usize {
        let load = |(place, worker): &(usize, &Worker)| (worker.sessions.load(Relaxed), *place != home);
        let place = self.all.iter().enumerate().min_by_key(load).map_or(0, |(place, _)| place);
        if let Some(worker) = self.all.get(place) {
            worker.sessions.fetch_add(1, Relaxed);
        }
        place
    }

    pub(super) fn spawn_on(&self, place: usize, session: impl Future<Output = ()> + Send + 'static) {
        if let Some(worker) = self.all.get(place) {
            // Dropping the handle lets the session go on by itself.
            drop(worker.runtime.spawn(session));
        }
    }

    pub(super) fn ended(&self, place: usize) {
        if let Some(worker) = self.all.get(place) {
            worker.sessions.fetch_sub(1, Relaxed);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop = None;
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// More threads than this gain little: the sessions' work is the kernel's.
const MOST: usize = 8;
