//! What may be asked, and the answers.

use super::{Shared, metrics, papers, streams};
use crate::cluster::{self, Seen, Trust};
use crate::control::access::{Peer, user_name};
use crate::control::feed::Request;
use crate::control::sse;
use crate::status::{API, Actor, Ask, CheckList, Command, Event, Reply, Snapshot};
use crate::sys::clock::wall_us;
use crate::why::{self, Why};
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, FromRequestParts, Query, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::StreamExt;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Bytes;
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// The largest command; a real one has about a hundred bytes.
pub(super) const BODY_BYTES: usize = 16 * 1024;
/// The longest reason, in characters: it goes into logs and onto screens.
const REASON: usize = 500;
/// For the whole body to arrive.
const BODY: Duration = Duration::from_secs(5);
/// For the engine to take a command from the channel.
const TAKE: Duration = Duration::from_secs(2);
/// For the engine to answer it.
const ANSWER: Duration = Duration::from_secs(6);

const EXPECTED: &str = r#"expected one of {"command":"demote|restore|takeover|announce","instance":NAME}, {"command":"demote-all|restore-all|pause|resume"}, {"command":"keep|undo","id":NUMBER}, {"command":"lock|unlock","on":NAME}, {"command":"drain|maint|reset|return|check-now","real":"ADDRESS:PORT"}, {"command":"note","text":TEXT}, {"command":"weight","real":"ADDRESS:PORT","weight":NUMBER}, {"command":"acknowledge","alarm":ID}; a real server also takes "service":"tcp/ADDRESS:PORT", drain "deadline_seconds":NUMBER, "then":"ask|wait|reset|return", "ignore_persistence":true, return "slow_start_seconds":NUMBER, demote and takeover "seen":"MASTER|BACKUP", demote "mode":"yield|fence", "stand_in":NODE, lock "plan":TEXT, "seconds":NUMBER; what holds takes "hold_seconds":NUMBER, "at_expiry":"stay|restore"; what can be undone "keep_seconds":NUMBER; all take "reason":TEXT, "session":TEXT, "force":true"#;

pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/v1", get(index))
        .route("/v1/status", get(status))
        .route("/v1/checks", get(checks))
        .route("/v1/why", get(why))
        .route("/v1/config", get(papers::config))
        .route("/v1/audit", get(papers::audit))
        .route("/v1/events", get(events))
        .route("/v1/stream", get(stream))
        .route("/v1/nodes", get(async |_: Viewer, State(shared): State<Arc<Shared>>| Json(shared.board.nodes())))
        .route("/v1/journal", get(journal))
        .route("/v1/clock", get(clock))
        .route("/v1/commands", post(command))
        .route(
            "/metrics",
            get(async |_: Viewer, State(shared): State<Arc<Shared>>| metrics::answer(&shared.board).await),
        )
        .fallback(|| async {
            Problem::new(StatusCode::NOT_FOUND, "there is nothing here: GET /v1 lists what there is")
        })
        .method_not_allowed_fallback(|| async {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "not this method: GET /v1 lists what there is")
        })
        .layer(map_response(signed))
        .with_state(shared)
}

/// Each answer says which version gives it.
async fn signed(mut response: Response) -> Response {
    const VERSION: HeaderValue = HeaderValue::from_static(concat!("vipdeck/", env!("CARGO_PKG_VERSION")));
    response.headers_mut().insert("server", VERSION);
    response.headers_mut().insert("vipdeck-api", API.into());
    response
}

/// An error as `{"error": "..."}`.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    text: String,
}

impl Problem {
    pub(super) fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, text: text.into() }
    }

    pub(super) fn starting() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "the engine is starting: there is no snapshot yet")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        (self.status, Json(json!({ "error": self.text }))).into_response()
    }
}

/// Proof that the peer may look.
pub(super) struct Viewer {
    /// Also command, and so see secrets.
    pub(super) operates: bool,
}
/// The peer, which may command.
struct Operator(Peer);

fn peer(parts: &Parts) -> Result<Peer, Problem> {
    let missing = || Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the peer is not known");
    parts.extensions.get::<Peer>().cloned().ok_or_else(missing)
}

impl FromRequestParts<Arc<Shared>> for Viewer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Problem> {
        let peer = peer(parts)?;
        match shared.rules.view_refusal(&peer) {
            None => Ok(Self { operates: shared.rules.operate_refusal(&peer).is_none() }),
            Some(text) => Err(Problem::new(StatusCode::FORBIDDEN, text)),
        }
    }
}

impl FromRequestParts<Arc<Shared>> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Problem> {
        let peer = peer(parts)?;
        match shared.rules.operate_refusal(&peer) {
            None => Ok(Self(peer)),
            Some(text) => Err(Problem::new(StatusCode::FORBIDDEN, text)),
        }
    }
}

async fn index(_: Viewer) -> Json<serde_json::Value> {
    Json(json!({
        "name": "vipdeck",
        "version": env!("CARGO_PKG_VERSION"),
        "schema": crate::status::SCHEMA,
        "api": API,
        "routes": [
            { "method": "GET", "path": "/v1", "text": "this index" },
            { "method": "GET", "path": "/v1/status", "text": "the snapshot; 503 while there is none" },
            { "method": "GET", "path": "/v1/checks", "text": "every health check with its last runs" },
            { "method": "GET", "path": "/v1/why?subject=NAME",
              "text": "why an instance, ADDRESS:PORT, tcp/ADDRESS:PORT, a tracker or `node` is as it is: chains of facts with times" },
            { "method": "GET", "path": "/v1/config",
              "text": "the configuration that runs: files, diagnostics, digests, and the file on the disk; secrets only for operators" },
            { "method": "GET", "path": "/v1/audit?after=SEQ&since=MICROSECONDS",
              "text": "the newest entries of the audit log: who asked for what, and what became of it" },
            { "method": "GET", "path": "/v1/events?after=SEQ", "text": "the events after SEQ that are kept, as an array" },
            { "method": "GET", "path": "/v1/events?after=SEQ&follow=true",
              "text": "events as server-sent events, ids are sequence numbers, Last-Event-ID resumes; `gap` when some are lost" },
            { "method": "GET", "path": "/v1/stream?after=SEQ",
              "text": "server-sent events for consoles: `snapshot` (at most ten a second), `event`, `gap`, `configuration`, `audit`; with the header vipdeck-changes, `change` after the first snapshot" },
            { "method": "GET", "path": "/v1/journal?since=MICROSECONDS",
              "text": "what is kept of the last hour, from then on (since 1970): a recording for `vipdeck replay`, gzip of JSON lines" },
            { "method": "GET", "path": "/v1/clock", "text": "this machine's wall clock, microseconds since 1970" },
            { "method": "GET", "path": "/v1/nodes", "text": "the cluster that this engine belongs to, as its settings name it" },
            { "method": "POST", "path": "/v1/commands", "text": EXPECTED },
            { "method": "GET", "path": "/metrics", "text": "for Prometheus, as OpenMetrics" },
        ],
    }))
}

/// For whoever compares clocks: nothing is waited for.
async fn clock(_: Viewer) -> Json<serde_json::Value> {
    Json(json!({ "wall_us": wall_us() }))
}

/// With the alarms that this node can know by itself: they follow from the rest, so the engine does not make them.
async fn status(_: Viewer, State(shared): State<Arc<Shared>>) -> Result<Json<Snapshot>, Problem> {
    let mut snapshot = shared.board.fresh().await.map(Arc::unwrap_or_clone).ok_or_else(Problem::starting)?;
    let own = Seen { name: &snapshot.node.name, snapshot: Some(&snapshot), received: 0, trust: Trust::Fresh };
    snapshot.alarms = cluster::alarms(&[own]);
    Ok(Json(snapshot))
}

/// Every check with its history.
async fn checks(_: Viewer, State(shared): State<Arc<Shared>>) -> Result<Response, Problem> {
    let snapshot = shared.board.fresh().await.ok_or_else(Problem::starting)?;
    Ok(Json(CheckList::of(&snapshot)).into_response())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WhyQuery {
    subject: String,
}

/// Why something is as it is.
async fn why(
    _: Viewer,
    State(shared): State<Arc<Shared>>,
    query: Result<Query<WhyQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(WhyQuery { subject }) = query.map_err(|e| bad_query(&e, "?subject=NAME"))?;
    let snapshot = shared.board.fresh().await.ok_or_else(Problem::starting)?;
    let answers: Vec<Why> = why::find(&snapshot, &subject).iter().filter_map(|s| why::of(&snapshot, s)).collect();
    if answers.is_empty() {
        let printable: String = subject.chars().filter(|c| !c.is_control()).take(100).collect();
        let text = format!("{} has nothing called `{printable}`", snapshot.node.name);
        return Err(Problem::new(StatusCode::NOT_FOUND, text));
    }
    Ok(Json(answers).into_response())
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct EventsQuery {
    after: u64,
    follow: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct StreamQuery {
    after: u64,
}

async fn events(
    _: Viewer,
    State(shared): State<Arc<Shared>>,
    query: Result<Query<EventsQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Query(query) = query.map_err(|e| bad_query(&e, AFTER))?;
    let after = resume(query.after, &headers)?;
    if query.follow {
        return Ok(streams::events(&shared, after).into_response());
    }
    let events = shared.board.events_after(after);
    let plain: Vec<&Event> = events.iter().map(|e| &**e).collect();
    Ok(Json(plain).into_response())
}

async fn stream(
    viewer: Viewer,
    State(shared): State<Arc<Shared>>,
    query: Result<Query<StreamQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Query(query) = query.map_err(|e| bad_query(&e, AFTER))?;
    let takes_changes = headers.get(sse::CHANGES).is_some_and(|v| v == "1");
    let after = resume(query.after, &headers)?;
    Ok(streams::console(&shared, after, takes_changes, viewer.operates).into_response())
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct JournalQuery {
    since: u64,
}

/// The pieces are shared with the journal: nothing of an hour is copied to answer.
async fn journal(
    _: Viewer,
    State(shared): State<Arc<Shared>>,
    query: Result<Query<JournalQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(query) = query.map_err(|e| bad_query(&e, "since takes microseconds since 1970"))?;
    let none = || Problem::new(StatusCode::NOT_FOUND, "this engine keeps no journal: journal.seconds is 0");
    let name = shared.board.latest().map_or_else(String::new, |s| s.node.name.clone());
    let journal = shared.board.journal().cloned().ok_or_else(none)?;
    let packing = tokio::task::spawn_blocking(move || journal.since(query.since, &name));
    let failed = |e| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, format!("the journal cannot be read: {e}"));
    let pieces = packing.await.map_err(failed)?;
    let body =
        futures_util::stream::iter(pieces).map(|piece| Ok::<_, std::convert::Infallible>(Bytes::from_owner(piece)));
    Ok(([(header::CONTENT_TYPE, "application/gzip")], Body::from_stream(body)).into_response())
}

const AFTER: &str = "after takes a number, follow true or false";

pub(super) fn bad_query(rejection: &QueryRejection, expected: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, format!("{}: {expected}", rejection.body_text()))
}

/// Where to go on: what the client has seen last, or what it asks for.
fn resume(after: u64, headers: &HeaderMap) -> Result<u64, Problem> {
    let Some(seen) = headers.get("last-event-id") else { return Ok(after) };
    seen.to_str()
        .ok()
        .and_then(|s| s.parse().ok())
        .ok_or_else(|| Problem::new(StatusCode::BAD_REQUEST, "Last-Event-ID is not a sequence number"))
}

async fn command(
    Operator(peer): Operator,
    State(shared): State<Arc<Shared>>,
    Extension(_): Extension<Peer>,
    body: Body,
) -> Result<Response, Problem> {
    let mut ask = parsed(&read(body).await?)?;
    let user = tokio::task::spawn_blocking(move || user_name(peer.uid));
    let user = timeout(TAKE, user).await.ok().and_then(Result::ok).unwrap_or_else(|| format!("uid {}", peer.uid));
    ask.actor = Actor { user, from: "local socket".into() };
    let reply = answer(&shared, ask).await?;
    let status = match reply {
        Reply::Accepted { .. } => StatusCode::OK,
        Reply::Rejected { .. } => StatusCode::CONFLICT,
    };
    Ok((status, Json(reply)).into_response())
}

async fn read(body: Body) -> Result<Vec<u8>, Problem> {
    let too_large = || Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("a command has at most {BODY_BYTES} bytes"));
    match timeout(BODY, Limited::new(body, BODY_BYTES).collect()).await {
        Ok(Ok(whole)) => Ok(whole.to_bytes().to_vec()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(error)) => Err(Problem::new(StatusCode::BAD_REQUEST, format!("the command did not arrive: {error}"))),
        Err(_) => Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "the command did not arrive in time")),
    }
}

/// The command in a request's body, or what was expected.
fn parsed(body: &[u8]) -> Result<Ask, Problem> {
    let bad = |text: String| Problem::new(StatusCode::BAD_REQUEST, text);
    let ask: Ask = serde_json::from_slice(body).map_err(|e| bad(format!("not a command: {e}; {EXPECTED}")))?;
    let note = match &ask.command {
        Command::Note { text } => text.as_deref(),
        _ => None,
    };
    let (on, plan) = match &ask.command {
        Command::Lock { on, plan, .. } => (Some(on.as_str()), plan.as_deref()),
        Command::Unlock { on } => (Some(on.as_str()), None),
        _ => (None, None),
    };
    let (session, alarm) = (ask.session.as_deref(), ask.command.alarm());
    let texts = [ask.reason.as_deref(), ask.command.instance(), alarm, session, on, plan, note];
    if texts.into_iter().flatten().any(|t| t.chars().any(char::is_control)) {
        return Err(bad("control characters are not allowed: texts go to logs and screens".into()));
    }
    if texts.into_iter().flatten().any(|t| t.chars().count() > REASON) {
        return Err(bad(format!("a reason has at most {REASON} characters, and so has any other text")));
    }
    Ok(ask)
}

/// The engine's answer.
async fn answer(shared: &Shared, ask: Ask) -> Result<Reply, Problem> {
    let unavailable = |text| Problem::new(StatusCode::SERVICE_UNAVAILABLE, text);
    let (reply, replied) = oneshot::channel();
    match timeout(TAKE, shared.requests.send(Request { ask, reply })).await {
        Ok(Ok(())) => {}
        Ok(Err(_)) => return Err(unavailable("the engine is stopping: nothing was done")),
        Err(_) => return Err(unavailable("the engine is busy and takes no command: nothing was done")),
    }
    match timeout(ANSWER, replied).await {
        Ok(Ok(reply)) => Ok(reply),
        Ok(Err(_)) => Err(unavailable("the engine stopped before it answered: whether it was done is not known")),
        Err(_) => Err(Problem::new(
            StatusCode::GATEWAY_TIMEOUT,
            "the engine has not answered: whether it was done is not known, ask for the status",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::DemoteMode;

    #[test]
    fn a_command_is_read_with_reason_and_actor() {
        let ask = parsed(br#"{"command":"demote","instance":"VI_1","reason":"patch","actor":{"user":"x","from":"y"}}"#);
        let ask = ask.unwrap();
        assert_eq!(ask.command, Command::Demote { instance: "VI_1".into(), seen: None, mode: DemoteMode::Yield });
        assert_eq!(ask.reason.as_deref(), Some("patch"));
        for command in [
            r#"{"command":"weight","real":"192.0.2.1:80","service":"tcp/192.0.2.9:80","weight":3}"#,
            r#"{"command":"drain","real":"[2001:db8::1]:80"}"#,
            r#"{"command":"takeover","instance":"VI_1","seen":"BACKUP"}"#,
            r#"{"command":"demote","instance":"VI_1","mode":"fence","hold_seconds":60,"at_expiry":"restore"}"#,
            r#"{"command":"demote-all","keep_seconds":60,"force":true,"session":"lb-a:1"}"#,
            r#"{"command":"undo"}"#,
            r#"{"command":"lock","on":"VI_1","plan":"demote VI_1","seconds":30}"#,
        ] {
            assert!(parsed(command.as_bytes()).is_ok(), "{command}");
        }
    }

    #[test]
    fn what_is_no_command_is_told_what_one_is() {
        for bad in [
            "",
            "null",
            "[]",
            "{",
            r#"{"command":"explode"}"#,
            r#"{"command":"demote"}"#,
            r#"{"command":"demote","instance":"a","instanse":"b"}"#,
            r#"{"command":"weight","real":"192.0.2.1:80","weight":-1}"#,
            r#"{"command":"drain","real":"web1"}"#,
            r#"{"command":"demote","instance":"\u001b[2J"}"#,
            r#"{"command":"lock","on":"VI_1","plan":"\u001b[2J"}"#,
            r#"{"command":"demote","instance":"a","mode":"drop"}"#,
            r#"{"command":"keep"}"#,
        ] {
            let problem = parsed(bad.as_bytes()).unwrap_err();
            assert_eq!(problem.status, StatusCode::BAD_REQUEST, "{bad}");
            assert!(problem.text.contains("expected one of") || problem.text.contains("control char"), "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes: Vec<u8>) {
            let _ = parsed(&bytes);
        }
    }
}
