//! One request, on a connection of its own.

use anyhow::{Context, anyhow, ensure};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::handshake;
use hyper::{Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// The name that answers.
pub(super) async fn name(target: SocketAddr) -> anyhow::Result<String> {
    Ok(get(target, "/").await?.trim().to_owned())
}

/// A download of three seconds; an error if it does not arrive whole.
pub(super) async fn download(target: SocketAddr) -> anyhow::Result<()> {
    let lines = get(target, "/slow/3").await?.lines().count();
    ensure!(lines == 30, "{lines} of 30 lines");
    Ok(())
}

async fn get(target: SocketAddr, path: &str) -> anyhow::Result<String> {
    let stream = TcpStream::connect(target).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
    // Ends with this function, also when that is given up.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let request = Request::get(path)
        .header(header::HOST, target.to_string())
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())?;
    text(sender.send_request(request).await?).await
}

async fn text(response: Response<Incoming>) -> anyhow::Result<String> {
    ensure!(response.status() == StatusCode::OK, "status {}", response.status());
    let body = Limited::new(response.into_body(), LONGEST).collect().await.map_err(|e| anyhow!(e))?;
    String::from_utf8(body.to_bytes().into()).context("the answer is no text")
}

const LONGEST: usize = 64 * 1024;
