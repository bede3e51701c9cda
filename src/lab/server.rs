//! The lab's web server: answers every request with its name.

use crate::cli;
use crate::settings::Settings;
use anyhow::Context;
use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::routing::get;
use futures_util::stream;
use std::convert::Infallible;
use std::io::Write;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::sleep;

pub fn run(args: &cli::LabServer, _settings: &Settings, _out: &mut dyn Write) -> anyhow::Result<u8> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(args.listen).await.with_context(|| format!("listen on {}", args.listen))?;
        serve(listener, args.name.clone()).await
    })?;
    Ok(0)
}

/// Answers until it is dropped: `/slow/SECONDS` a piece ten times a second for so long, anything else at once.
pub async fn serve(listener: TcpListener, name: String) -> anyhow::Result<()> {
    let line = format!("{name}\n");
    let slow = line.clone();
    let app = Router::new()
        .route("/slow/{seconds}", get(move |Path(seconds): Path<u16>| async move { slowly(slow, seconds) }))
        .fallback(move || async move { line });
    axum::serve(listener, app).await.with_context(|| format!("web server {name}"))
}

fn slowly(line: String, seconds: u16) -> Body {
    let pieces = u32::from(seconds) * 10;
    Body::from_stream(stream::unfold(0, move |sent| {
        let line = line.clone();
        async move {
            if sent >= pieces {
                return None;
            }
            sleep(Duration::from_millis(100)).await;
            Some((Ok::<_, Infallible>(line), sent + 1))
        }
    }))
}
