//! `GET /api/v1/ledger`: what was fetched when, the newest first.

use std::sync::Arc;

use auditlake_store::LedgerQuery;
use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;

use super::time;
use crate::{
    ApiError, Site,
    answer::{Form, JSON_LINES},
};

/// The question, as it stands in the address.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    source: Option<String>,
    since: Option<String>,
    limit: Option<u64>,
}

/// A JSON array, or JSON lines for who asks for them.
pub async fn ledger(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
    question: Result<Query<Question>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(Question { source, since, limit }) = question?;
    let query = LedgerQuery { source, since: time("since", since.as_deref())?, seq: None, limit };
    let rows = site.engine.ledger(&query).await?;
    if Form::of(&headers) == Form::Arrow {
        return Ok(Json(rows).into_response());
    }
    let lines: Vec<String> = rows.iter().map(serde_json::to_string).collect::<Result<_, _>>().map_err(unwritable)?;
    let text: String = lines.into_iter().map(|line| line + "\n").collect();
    Ok(([(header::CONTENT_TYPE, JSON_LINES)], text).into_response())
}

fn unwritable(error: serde_json::Error) -> ApiError {
    ApiError::new(axum::http::StatusCode::INTERNAL_SERVER_ERROR, "engine", format!("writing the ledger: {error}"))
}
