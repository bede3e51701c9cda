//! The engine's side of the control link: HTTP with JSON on a Unix socket, on a thread of its own.
//!
//! It reads the engine's [`Board`] and hands commands to the engine over a bounded channel; nothing a client does, or
//! fails to do, is waited for by the engine. Start with [`serve`]; the routes are in `routes`, the live streams in
//! `streams`.

mod connection;
mod metrics;
mod papers;
mod routes;
mod slots;
mod streams;

pub use metrics::serve as serve_metrics;

use super::access::{Access, Rules};
use super::board::Board;
use super::feed::Request;
use crate::sys::control_socket::{self, SocketFile};
use anyhow::Context;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UnixListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// How long connections may take to end when the server stops.
const STOP: Duration = Duration::from_secs(1);

/// What every connection needs.
#[derive(Debug)]
struct Shared {
    board: Arc<Board>,
    requests: mpsc::Sender<Request>,
    rules: Rules,
    stop: Stop,
}

/// Whether the server is to end.
#[derive(Clone, Debug)]
struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Returns once the server is to end.
    async fn asked(mut self) {
        let _ = self.0.wait_for(|stop| *stop).await;
    }
}

/// A running server. Stopping or dropping it ends all streams, removes the socket and waits for its thread.
#[derive(Debug)]
pub struct Server {
    stop: watch::Sender<bool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Server {
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Serves `board` at the socket `path` and hands commands to `requests`, from a thread made here. When this returns,
/// clients can connect.
pub fn serve(
    board: Arc<Board>,
    requests: mpsc::Sender<Request>,
    path: &Path,
    access: &Access,
) -> anyhow::Result<Server> {
    let rules = Rules::new(access)?;
    let (listener, file) = control_socket::listen(path, &rules.groups())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(4)
        .build()
        .context("control socket: start its runtime")?;
    let (stop, stopped) = watch::channel(false);
    let shared = Shared { board, requests, rules, stop: Stop(stopped) };
    let thread = std::thread::Builder::new()
        .name("control".into())
        .spawn(move || {
            runtime.block_on(run(listener, file, Arc::new(shared)));
            runtime.shutdown_background();
        })
        .context("control socket: start its thread")?;
    Ok(Server { stop, thread: Some(thread) })
}

async fn run(listener: std::os::unix::net::UnixListener, file: SocketFile, shared: Arc<Shared>) {
    let listener = match UnixListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!("control socket {}: {error}; nobody can attach", file.path().display());
            return;
        }
    };
    let mut connections = JoinSet::new();
    accept(&listener, &shared, &mut connections).await;
    drop(listener);
    // Connecting now fails at once, instead of hanging in the backlog of a server that is leaving.
    drop(file);
    let all = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(STOP, all).await;
}

/// Until the server is to stop.
async fn accept(listener: &UnixListener, shared: &Arc<Shared>, connections: &mut JoinSet<()>) {
    let slots = Arc::new(slots::Slots::new(shared.rules.own_uid()));
    let router = routes::router(shared.clone());
    let stop = shared.stop.clone().asked();
    tokio::pin!(stop);
    loop {
        let accepted = tokio::select! {
            () = &mut stop => return,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                if let Some(connection) = connection::admitted(stream, &slots) {
                    connections.spawn(connection.serve(router.clone(), shared.stop.clone()));
                }
            }
            Err(error) => {
                // Out of descriptors, most likely: it passes, or the engine has said so elsewhere.
                tracing::warn!("control socket: accept: {error}");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
}
