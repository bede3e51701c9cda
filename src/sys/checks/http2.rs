//! HTTP/2 where the server takes it (`http_protocol 2`).

use super::http::host;
use super::{Problem, Progress, Stage};
use crate::health::response::{BODY, HEAD, KEPT_BODY, Page, Problem as Unusable, Want};
use crate::health::{Http, Url};
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use md5::{Digest, Md5};
use tokio::io::{AsyncRead, AsyncWrite};

pub(super) async fn over<S>(stream: S, http: &Http, url: &Url, want: Want, progress: &Progress) -> Result<Page, Problem>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let failed = |error: hyper::Error| Problem::new(format!("HTTP/2: {}", chain(&error)));
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.max_header_list_size(u32::try_from(HEAD).unwrap_or(u32::MAX));
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(failed)?;
    // Its end is ours: when the sender is dropped, or when this run is over.
    let driver = Driver(tokio::spawn(async move { drop(connection.await) }));
    let request = hyper::Request::get(format!("https://{}{}", host(http, url), url.path))
        .header("user-agent", "KeepAliveClient")
        .body(Empty::<Bytes>::new())
        .map_err(|error| Problem::new(format!("HTTP/2: {error}")))?;
    let response = sender.send_request(request).await.map_err(failed)?;
    progress.reached(Stage::Asked);
    let status = response.status().as_u16();
    let mut page = Page { status, digests: Vec::new(), body: Vec::new(), bytes: 0, missing: 0 };
    let mut md5 = Md5::new();
    let mut body = response.into_body();
    progress.received(status, 0);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(failed)?.into_data() else { continue };
        page.bytes += data.len() as u64;
        if page.bytes > BODY {
            return Err(Problem::new(Unusable::LongBody.to_string()));
        }
        if want.digest {
            md5.update(&data);
        }
        let room = want.keep.min(KEPT_BODY).saturating_sub(page.body.len()).min(data.len());
        page.body.extend_from_slice(data.get(..room).unwrap_or_default());
        progress.received(status, page.bytes);
    }
    if want.digest {
        page.digests.push(md5.finalize().into());
    }
    drop(driver);
    Ok(page)
}

/// The task that carries the connection; it ends with the run.
struct Driver(tokio::task::JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
