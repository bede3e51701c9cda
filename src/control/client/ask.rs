//! One question, one answer, one connection.

use super::link::{self, Behind, Link};
use crate::control::target::Target;
use crate::status::{Ask, CheckList, Event, Reply, Snapshot};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Method, Request, Response, StatusCode};
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

/// Why a question has no answer. Each names the engine as the operator did.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    #[error("{label}: {why}")]
    Unreachable { label: String, why: String },
    /// The engine understood and will not: not allowed, not a command, not ready.
    #[error("{label}: {text}")]
    Refused { label: String, status: u16, text: String },
    #[error("{label}: its answer is not understood: {why}")]
    Garbled { label: String, why: String },
    #[error("{label}: no answer within {} s", PATIENCE.as_secs())]
    Silent { label: String },
}

impl Failure {
    pub(super) fn unreachable(target: &Target, why: impl Into<String>) -> Self {
        Self::Unreachable { label: target.label.clone(), why: why.into() }
    }

    fn garbled(target: &Target, why: impl ToString) -> Self {
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
    get(target, "/v1/status").await
}

/// Its health checks with their last runs.
pub async fn checks(target: &Target) -> Result<CheckList, Failure> {
    get(target, "/v1/checks").await
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
        let status = answer.status();
        let bytes = whole(target, answer).await?;
        if status == StatusCode::OK { Ok(bytes.into()) } else { Err(refusal(target, status, &bytes)) }
    };
    timeout(JOURNAL, asked).await.unwrap_or_else(|_| Err(Failure::Silent { label: target.label.clone() }))
}

/// Sends a command. A failure other than [`Failure::Refused`] leaves open whether it was carried out.
pub async fn command(target: &Target, ask: &Ask) -> Result<Reply, Failure> {
    let body = serde_json::to_vec(ask).map_err(|e| Failure::garbled(target, e))?;
    once(target, Method::POST, "/v1/commands", body, &[StatusCode::OK, StatusCode::CONFLICT]).await
}

async fn get<T: DeserializeOwned>(target: &Target, path: &str) -> Result<T, Failure> {
    once(target, Method::GET, path, Vec::new(), &[StatusCode::OK]).await
}

async fn once<T: DeserializeOwned>(
    target: &Target,
    method: Method,
    path: &str,
    body: Vec<u8>,
    good: &[StatusCode],
) -> Result<T, Failure> {
    let asked = async {
        let mut session = Session::open(target).await?;
        let answer = session.send(target, method, path, body).await?;
        let status = answer.status();
        let bytes = whole(target, answer).await?;
        if good.contains(&status) {
            serde_json::from_slice(&bytes).map_err(|e| Failure::garbled(target, e))
        } else {
            Err(refusal(target, status, &bytes))
        }
    };
    timeout(PATIENCE, asked).await.unwrap_or_else(|_| Err(Failure::Silent { label: target.label.clone() }))
}

/// An HTTP connection to an engine.
pub(super) struct Session {
    sender: SendRequest<Full<Bytes>>,
    behind: Behind,
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
        Ok(Self { sender, behind, _driver: driver })
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
            .header("content-type", "application/json")
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
pub(super) fn refusal(target: &Target, status: StatusCode, body: &[u8]) -> Failure {
    #[derive(serde::Deserialize)]
    struct Problem {
        error: String,
    }
    let text = serde_json::from_slice::<Problem>(body).map_or_else(|_| status.to_string(), |p| printable(&p.error));
    Failure::Refused { label: target.label.clone(), status: status.as_u16(), text }
}

/// Without what could steer a terminal: the other end may be anybody.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(1000).collect()
}
