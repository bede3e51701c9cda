//! One question, one answer, one connection.

use super::link::{self, Behind, Link};
use crate::control::clusters::NodeList;
use crate::control::sse;
use crate::control::target::Target;
use crate::status::{API, Ask, AuditList, CheckList, ConfigReport, Event, Reply, Snapshot};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// From connecting to the end of the answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// For a journal to arrive: an hour may have come over ssh.
const JOURNAL: Duration = Duration::from_secs(120);
/// The largest answer: all events an engine keeps are about two megabytes, its journal as much as the settings say.
const ANSWER_BYTES: usize = 256 * 1024 * 1024;

/// How this program calls itself.
const PROGRAM: &str = concat!("vipdeck/", env!("CARGO_PKG_VERSION"));

/// Why a question has no answer. Each names the engine as the operator did.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    #[error("{label}: {why}")]
    Unreachable { label: String, why: String },
    /// The engine understood and will not: not allowed, not a command, not ready.
    #[error("{label}: {text}")]
    Refused { label: String, status: u16, text: String, version: Option<Version> },
    #[error("{label}: its answer is not understood: {why}")]
    Garbled { label: String, why: String },
    #[error("{label}: no answer within {} s", PATIENCE.as_secs())]
    Silent { label: String },
}

impl Failure {
    pub(super) fn unreachable(target: &Target, why: impl Into<String>) -> Self {
        Self::Unreachable { label: target.label.clone(), why: why.into() }
    }

    pub(super) fn garbled(target: &Target, why: impl ToString) -> Self {
        Self::Garbled { label: target.label.clone(), why: printable(&why.to_string()) }
    }

    /// The same without the engine's name.
    pub fn why(&self) -> String {
        match self {
            Self::Unreachable { why, .. } => why.clone(),
            Self::Refused { text, .. } => text.clone(),
            Self::Garbled { why, .. } => format!("its answer is not understood: {why}"),
            Self::Silent { .. } => format!("no answer within {} s", PATIENCE.as_secs()),
        }
    }
}

/// What an engine reports.
pub async fn status(target: &Target) -> Result<Snapshot, Failure> {
    let bytes = once(target, Method::GET, "/v1/status", Vec::new(), &[StatusCode::OK]).await?;
    let text = std::str::from_utf8(&bytes).map_err(|e| Failure::garbled(target, e))?;
    Snapshot::read(text).map_err(|e| Failure::garbled(target, e))
}

/// Its health checks with their last runs.
pub async fn checks(target: &Target) -> Result<CheckList, Failure> {
    get(target, "/v1/checks").await
}

/// The cluster that it belongs to; an older engine knows of none.
pub async fn nodes(target: &Target) -> Result<NodeList, Failure> {
    match get(target, "/v1/nodes").await {
        Err(Failure::Refused { status: 404, .. }) => Ok(NodeList::default()),
        answer => answer,
    }
}

/// What it tells Prometheus.
pub async fn metrics(target: &Target) -> Result<String, Failure> {
    let bytes = once(target, Method::GET, "/metrics", Vec::new(), &[StatusCode::OK]).await?;
    String::from_utf8(bytes.to_vec()).map_err(|e| Failure::garbled(target, e))
}

/// Its configuration.
pub async fn config(target: &Target) -> Result<ConfigReport, Failure> {
    get(target, "/v1/config").await
}

/// Its audit log from `since` on, microseconds since 1970.
pub async fn audit(target: &Target, since: u64) -> Result<AuditList, Failure> {
    get(target, &format!("/v1/audit?since={since}")).await
}

/// The events after `after` that it still has.
pub async fn events(target: &Target, after: u64) -> Result<Vec<Event>, Failure> {
    get(target, &format!("/v1/events?after={after}")).await
}

/// Its journal from `since` on (microseconds since 1970): a recording.
pub async fn journal(target: &Target, since: u64) -> Result<Vec<u8>, Failure> {
    let asked = async {
        let mut session = Session::open(target).await?;
        let answer = session.send(target, Method::GET, &format!("/v1/journal?since={since}"), Vec::new()).await?;
        if answer.status() == StatusCode::OK {
            whole(target, answer).await.map(Into::into)
        } else {
            Err(refused(target, answer).await)
        }
    };
    timeout(JOURNAL, asked).await.unwrap_or_else(|_| Err(Failure::Silent { label: target.label.clone() }))
}

/// Sends a command. A failure other than [`Failure::Refused`] leaves open whether it was carried out.
pub async fn command(target: &Target, ask: &Ask) -> Result<Reply, Failure> {
    let body = serde_json::to_vec(ask).map_err(|e| Failure::garbled(target, e))?;
    let answer = once(target, Method::POST, "/v1/commands", body, &[StatusCode::OK, StatusCode::CONFLICT]).await;
    match answer {
        Ok(bytes) => decoded(target, &bytes),
        // What it does not understand may be younger than it is.
        Err(Failure::Refused { label, status: 400, text, version: Some(version) }) if version.is_older() => {
            let verb = ask.command.verb();
            let text = format!("this engine is older ({version}) and does not know this {verb}: {text}");
            Err(Failure::Refused { label, status: 400, text, version: Some(version) })
        }
        Err(failure) => Err(failure),
    }
}

async fn get<T: DeserializeOwned>(target: &Target, path: &str) -> Result<T, Failure> {
    decoded(target, &once(target, Method::GET, path, Vec::new(), &[StatusCode::OK]).await?)
}

fn decoded<T: DeserializeOwned>(target: &Target, bytes: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(bytes).map_err(|e| Failure::garbled(target, e))
}

async fn once(
    target: &Target,
    method: Method,
    path: &str,
    body: Vec<u8>,
    good: &[StatusCode],
) -> Result<Bytes, Failure> {
    let asked = async {
        let mut session = Session::open(target).await?;
        let answer = session.send(target, method, path, body).await?;
        if good.contains(&answer.status()) { whole(target, answer).await } else { Err(refused(target, answer).await) }
    };
    timeout(PATIENCE, asked).await.unwrap_or_else(|_| Err(Failure::Silent { label: target.label.clone() }))
}

/// An HTTP connection to an engine.
pub(super) struct Session {
    sender: SendRequest<Full<Bytes>>,
    behind: Behind,
    /// Changes will do where whole snapshots are sent otherwise.
    pub(super) takes_changes: bool,
    /// Drives the connection, and ends with it.
    _driver: JoinSet<()>,
}

impl Session {
    pub(super) async fn open(target: &Target) -> Result<Self, Failure> {
        let (link, behind): (Link, Behind) = link::open(target).await?;
        let (sender, connection) =
            http1::handshake(TokioIo::new(link)).await.map_err(|e| Failure::unreachable(target, e.to_string()))?;
        let mut driver = JoinSet::new();
        driver.spawn(async {
            // What ends it is told to whoever reads the answer.
            let _ = connection.await;
        });
        Ok(Self { sender, behind, takes_changes: false, _driver: driver })
    }

    pub(super) async fn send(
        &mut self,
        target: &Target,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<Response<Incoming>, Failure> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "vipdeck")
            .header("user-agent", PROGRAM)
            .header("vipdeck-api", API)
            .header("content-type", "application/json")
            .header(sse::CHANGES, if self.takes_changes { "1" } else { "0" })
            .body(Full::new(Bytes::from(body)))
            .map_err(|e| Failure::garbled(target, e))?;
        match self.sender.send_request(request).await {
            Ok(answer) => Ok(answer),
            Err(error) => Err(Failure::unreachable(target, self.why(&error).await)),
        }
    }

    /// Why the link failed: in the words of ssh, if it said any.
    pub(super) async fn why(&mut self, error: &hyper::Error) -> String {
        self.behind.last_words().await.unwrap_or_else(|| format!("the link broke: {error}"))
    }
}

pub(super) async fn whole(target: &Target, answer: Response<Incoming>) -> Result<Bytes, Failure> {
    match Limited::new(answer.into_body(), ANSWER_BYTES).collect().await {
        Ok(whole) => Ok(whole.to_bytes()),
        Err(error) => Err(Failure::unreachable(target, format!("the answer broke off: {error}"))),
    }
}

/// What `{"error": "..."}` says.
pub(super) async fn refused(target: &Target, answer: Response<Incoming>) -> Failure {
    #[derive(serde::Deserialize)]
    struct Problem {
        error: String,
    }
    let (status, version) = (answer.status(), Version::of(answer.headers()));
    let body = match whole(target, answer).await {
        Ok(body) => body,
        Err(failure) => return failure,
    };
    let text = serde_json::from_slice::<Problem>(&body).map_or_else(|_| status.to_string(), |p| printable(&p.error));
    Failure::Refused { label: target.label.clone(), status: status.as_u16(), text, version: Some(version) }
}

/// What an engine says of itself with each answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// None: of an engine that does not tell.
    name: Option<String>,
    api: u32,
}

impl Version {
    fn of(headers: &HeaderMap) -> Self {
        let text = |name| headers.get(name)?.to_str().ok().map(printable);
        Self { name: text("server"), api: text("vipdeck-api").and_then(|n| n.parse().ok()).unwrap_or(1) }
    }

    const fn is_older(&self) -> bool {
        self.api < API
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = self.name.as_deref().unwrap_or("an early version");
        write!(f, "{name}, API level {}; this program has {API}", self.api)
    }
}

/// Without what could steer a terminal: the other end may be anybody.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(1000).collect()
}
