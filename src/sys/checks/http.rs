//! `HTTP_GET` and `SSL_GET`.

use super::tls::Clients;
use super::{Problem, Progress, Shared, Stage, socket};
use crate::health::response::{Page, Response, Want};
use crate::health::{Found, Http, Pattern, Protocol, Regex, Url};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

/// Patterns once compiled; a pattern that leaves the configuration stays until the engine ends.
#[derive(Default)]
pub(super) struct Patterns(Mutex<BTreeMap<(String, String), Pattern>>);

impl Patterns {
    fn get(&self, regex: &Regex) -> Result<Pattern, Problem> {
        let range = format!("{} {} {:?}", regex.options.join(" "), regex.min_offset, regex.max_offset);
        let key = (regex.pattern.clone(), range);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pattern) = known.get(&key) {
            return Ok(pattern.clone());
        }
        let pattern = regex.compile().map_err(|why| Problem::new(format!("its pattern cannot be used: {why}")))?;
        known.insert(key, pattern.clone());
        Ok(pattern)
    }
}

pub(super) async fn get(
    http: &Http,
    step: usize,
    clients: &Clients,
    patterns: &Patterns,
    progress: &Progress,
) -> Result<Found, Problem> {
    let url = http.urls.get(step).or_else(|| http.urls.first()).ok_or_else(|| Problem::new("no URL to ask for"))?;
    let pattern = url.regex.as_ref().map(|regex| patterns.get(regex)).transpose()?;
    let page = fetch(http, url, url.wants(), clients, progress).await?;
    let mut found = match pattern {
        // A pattern may take a while: not on a thread that other checks wait for.
        Some(pattern) => {
            let url = url.clone();
            let judged = tokio::task::spawn_blocking(move || url.judge(&page, Some(&pattern)));
            judged.await.map_err(|error| Problem::new(format!("the pattern could not be looked for: {error}")))?
        }
        None => url.judge(&page, None),
    };
    if http.urls.len() > 1 {
        found.detail = format!("{}: {}", url.path, found.detail).into();
    }
    Ok(found)
}

async fn fetch(http: &Http, url: &Url, want: Want, clients: &Clients, progress: &Progress) -> Result<Page, Problem> {
    let stream = socket::connect(&http.to).await?;
    progress.reached(Stage::Connected);
    let Some(tls) = &http.tls else {
        return over(stream, http, url, want, progress).await;
    };
    let secured = clients.secure(tls, url, http, stream).await?;
    progress.reached(Stage::Secured);
    if secured.get_ref().1.alpn_protocol() == Some(b"h2") {
        return super::http2::over(secured, http, url, want, progress).await;
    }
    over(secured, http, url, want, progress).await
}

/// Asks for the page on a connection, and reads it.
async fn over<S>(mut stream: S, http: &Http, url: &Url, want: Want, progress: &Progress) -> Result<Page, Problem>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let request = request(http, url);
    stream.write_all(request.as_bytes()).await.map_err(|error| Problem::io("ask for the page", &error))?;
    stream.flush().await.map_err(|error| Problem::io("ask for the page", &error))?;
    progress.reached(Stage::Asked);
    let mut response = Response::new(want);
    let mut buffer = vec![0; 16 * 1024];
    let unusable = |problem: crate::health::response::Problem| Problem::new(problem.to_string());
    loop {
        let count = match stream.read(&mut buffer).await {
            Ok(count) => count,
            // A TLS connection that ends without saying so ends all the same.
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => 0,
            Err(error) => {
                let problem = Problem::io("read the page", &error);
                return Err(problem);
            }
        };
        if count == 0 {
            return response.end().map_err(unusable);
        }
        let is_complete = response.feed(buffer.get(..count).unwrap_or_default()).map_err(unusable)?;
        progress.received(response.status(), response.bytes());
        if is_complete {
            return response.end().map_err(unusable);
        }
    }
}

/// As keepalived writes it.
fn request(http: &Http, url: &Url) -> String {
    let version = if matches!(http.protocol, Protocol::V11 | Protocol::V2) { "1.1" } else { "1.0" };
    let close = if http.protocol == Protocol::V10 { "" } else { "Connection: close\r\n" };
    let host = host(http, url);
    format!("GET {} HTTP/{version}\r\nUser-Agent: KeepAliveClient\r\n{close}Host: {host}\r\n\r\n", url.path)
}

/// The `Host` header.
pub(super) fn host(http: &Http, url: &Url) -> String {
    url.host.clone().unwrap_or_else(|| http.to.target.to_string())
}

/// The digest of a page, as `digest` of a checker wants it, with its status and size.
pub async fn genhash(http: &Http, shared: &Shared) -> Result<Page, String> {
    let progress = Progress::default();
    let url = http.urls.first().ok_or("no URL to ask for")?;
    let want = Want { digest: true, keep: 0 };
    let page = fetch(http, url, want, &shared.0.tls, &progress);
    match timeout(http.to.timeout, page).await {
        Ok(Ok(page)) => Ok(page),
        Ok(Err(problem)) => Err(problem.text.into_owned()),
        Err(_elapsed) => {
            let method = crate::health::Method::Http(std::sync::Arc::new(http.clone()));
            Err(progress.out_of_time(&method, http.to.timeout).detail.into_owned())
        }
    }
}
