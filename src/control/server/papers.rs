//! The configuration and the audit log, as an engine's peers may see them.

use super::Shared;
use super::routes::{Problem, Viewer, bad_query};
use crate::status::{AuditList, ConfigReport};
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use std::sync::Arc;

/// A report as shared by the board.
pub(super) struct Shown(Arc<ConfigReport>);

impl IntoResponse for Shown {
    fn into_response(self) -> Response {
        Json(&*self.0).into_response()
    }
}

pub(super) async fn config(viewer: Viewer, State(shared): State<Arc<Shared>>) -> Result<Shown, Problem> {
    let none = || Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the engine is starting: its configuration follows");
    shared.board.records().configuration(viewer.operates).map(Shown).ok_or_else(none)
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct AuditQuery {
    after: u64,
    since: u64,
}

pub(super) async fn audit(
    _: Viewer,
    State(shared): State<Arc<Shared>>,
    query: Result<Query<AuditQuery>, QueryRejection>,
) -> Result<Json<AuditList>, Problem> {
    let expected = "after takes a number, since microseconds since 1970";
    let Query(query) = query.map_err(|e| bad_query(&e, expected))?;
    Ok(Json(shared.board.records().audit().list(query.after, query.since)))
}
