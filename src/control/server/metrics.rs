//! `GET /metrics` on the control socket, and on a loopback port for what scrapes over TCP: on a thread of its own, few
//! connections at a time, one answer each.

use super::Server;
use super::routes::Problem;
use crate::control::board::Board;
use crate::metrics;
use crate::status::Snapshot;
use crate::sys::clock::wall_us;
use crate::time::Duration;
use anyhow::{Context, ensure};
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

/// At a time; whoever comes beyond that is let go at once.
const CONNECTIONS: usize = 8;
/// From connecting to the end of the answer.
const WHOLE: Duration = Duration::from_secs(10);
const HEADER: Duration = Duration::from_secs(3);

/// What is known now, as text.
pub(super) async fn answer(board: &Board) -> Result<impl IntoResponse + use<>, Problem> {
    let snapshot = board.fresh().await.ok_or_else(Problem::starting)?;
    Ok(([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], metrics::render(&snapshot, age(&snapshot))))
}

fn age(snapshot: &Snapshot) -> Duration {
    Duration::from_micros(wall_us().saturating_sub(snapshot.wall_us))
}

/// Serves the metrics of `board` at a loopback address, from a thread made here.
pub fn serve(board: Arc<Board>, at: SocketAddr) -> anyhow::Result<Server> {
    ensure!(at.ip().is_loopback(), "metrics: {at} is not a loopback address");
    let listener = std::net::TcpListener::bind(at).with_context(|| format!("metrics: listen at {at}"))?;
    listener.set_nonblocking(true).context("metrics: the listening socket")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("metrics: its runtime")?;
    let (stop, mut stopped) = watch::channel(false);
    let thread = std::thread::Builder::new()
        .name("metrics".into())
        .spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = stopped.wait_for(|stop| *stop) => {}
                    () = accept(listener, board) => {}
                }
            });
            runtime.shutdown_background();
        })
        .context("metrics: start a thread")?;
    Ok(Server { stop, thread: Some(thread) })
}

async fn accept(listener: std::net::TcpListener, board: Arc<Board>) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!("metrics: {error}; nobody can scrape"),
    };
    let router = Router::new()
        .route("/metrics", get(async |State(board): State<Arc<Board>>| answer(&board).await))
        .fallback(async || Problem::new(StatusCode::NOT_FOUND, "there is nothing here but GET /metrics"))
        .with_state(board);
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let Ok(place) = places.clone().try_acquire_owned() else { continue };
                let router = router.clone();
                tokio::spawn(async move {
                    let _ = timeout(WHOLE, once(stream, router)).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!("metrics: accept: {error}");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
}

async fn once(stream: TcpStream, router: Router) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER)
        .keep_alive(false)
        .max_buf_size(16 * 1024)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    if let Err(error) = connection.await {
        tracing::debug!("metrics: a client: {error}");
    }
}
