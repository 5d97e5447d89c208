//! The read API: what the command line asks while the service runs, and whoever else holds the token.

mod drift;
mod ledger;
mod select;
mod sql;

use std::{convert::Infallible, sync::Arc, time::Duration};

use auditlake_store::{Status, filter::parse_time};
use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::sse::{Event, Sse},
    routing::{get, post},
};
use futures::Stream;
use jiff::Timestamp;

use crate::{ApiError, Site, live};

/// What needs the token.
pub fn routes() -> Router<Arc<Site>> {
    Router::new()
        .route("/api/v1/status", get(status))
        .route("/api/v1/sql", post(sql::sql))
        .route("/api/v1/select", get(select::select))
        .route("/api/v1/ledger", get(ledger::ledger))
        .route("/api/v1/drift", get(drift::drift))
        .route("/api/v1/commits", get(commits))
        .route("/api/{*path}", axum::routing::any(unknown))
}

async fn status(State(site): State<Arc<Site>>) -> Result<Json<Status>, ApiError> {
    Ok(Json(site.engine.status().await?))
}

async fn commits(State(site): State<Arc<Site>>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    live::commits(&site, Duration::ZERO)
}

async fn unknown() -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "not_found", "there is no such endpoint")
        .hint("GET status, select, ledger, drift, commits and POST sql, all below /api/v1/")
}

/// A time as commands take it.
fn time(name: &str, text: Option<&str>) -> Result<Option<Timestamp>, ApiError> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    match parse_time(text, Timestamp::now()) {
        Some(time) => Ok(Some(time)),
        None => {
            Err(ApiError::invalid(format!("`{name}` is not a time: {}", text.chars().take(100).collect::<String>()))
                .hint("write RFC 3339 such as 2026-01-31T12:00:00Z, a date, or an age such as 15m, 24h, 7d, 6y"))
        }
    }
}
