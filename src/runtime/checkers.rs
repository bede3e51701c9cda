//! Health checks, on threads of their own: thousands at once, none of which can hold up another or the engine.

use crate::engine::{CheckId, Input};
use crate::health::{Found, Method};
use crate::sys::checks::{self, Shared};
use std::io;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// So many threads: what takes the processor (TLS, digests) in one check leaves the others theirs.
const THREADS: usize = 2;

/// One run to be done.
pub(super) struct Job {
    pub(super) id: CheckId,
    pub(super) method: Method,
    pub(super) step: usize,
}

/// Starts the threads; each job's result comes back as an input.
pub(super) fn start(results: UnboundedSender<Input>) -> io::Result<UnboundedSender<Job>> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(THREADS).thread_name("checker").enable_all().build()?;
    let (jobs, received) = unbounded_channel();
    std::thread::Builder::new().name("checkers".into()).spawn(move || runtime.block_on(work(received, results)))?;
    Ok(jobs)
}

async fn work(mut jobs: UnboundedReceiver<Job>, results: UnboundedSender<Input>) {
    let shared = Shared::default();
    while let Some(Job { id, method, step }) = jobs.recv().await {
        let (shared, results) = (shared.clone(), results.clone());
        let run = tokio::spawn(async move { checks::run(&method, step, &shared).await });
        tokio::spawn(async move {
            // A run that panics is a failure that is told, not a check that never comes back.
            let found = run.await.unwrap_or_else(|error| Found::bad(format!("vipdeck's own error: {error}")));
            // The engine has ended: nobody wants to know.
            let _ = results.send(Input::Checked { id, found });
        });
    }
}
