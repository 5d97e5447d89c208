//! `POST /api/v1/sql`: one statement that reads.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use auditlake_store::SqlQuery;
use axum::{
    Json,
    extract::{State, rejection::JsonRejection},
    http::HeaderMap,
    response::Response,
};
use serde::Deserialize;

use crate::{
    ApiError, Site,
    answer::{Form, respond},
};

/// The body. Without a limit the engine's own holds.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    sql: String,
    /// Values for `$name`.
    #[serde(default)]
    params: BTreeMap<String, String>,
    timeout_ms: Option<u64>,
    max_rows: Option<u64>,
}

pub async fn sql(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
    body: Result<Json<Statement>, JsonRejection>,
) -> Result<Response, ApiError> {
    let Json(statement) = body?;
    let query = SqlQuery {
        text: statement.sql,
        params: statement.params,
        timeout: statement.timeout_ms.map(Duration::from_millis),
        max_rows: statement.max_rows,
    };
    respond(site.engine.sql(query).await?, Form::of(&headers)).await
}
