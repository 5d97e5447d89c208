//! `POST /api/v1/enrich`: looking up again what is stored, as the store is this process's own.

use std::sync::Arc;

use anyhow::Result;
use auditlake_store::{Enriched, Enriching, LateEnrichment, Window, filter::parse_time};
use axum::{
    Json, Router,
    extract::{Query, State},
    http::StatusCode,
    routing::post,
};
use enrich::Enricher;
use jiff::Timestamp;
use serde::Deserialize;
use web::ApiError;

use crate::{commands::NOTHING_TO_ASK, engine::Store};

#[derive(Deserialize)]
struct Question {
    since: Option<String>,
    until: Option<String>,
}

#[derive(Clone)]
struct Desk {
    store: Store,
    enricher: Arc<Enricher>,
}

pub fn routes(store: &Store, enricher: &Arc<Enricher>) -> Router {
    let desk = Desk { store: store.clone(), enricher: enricher.clone() };
    Router::new().route("/api/v1/enrich", post(enrich)).with_state(desk)
}

async fn enrich(State(desk): State<Desk>, Query(question): Query<Question>) -> Result<Json<Enriched>, ApiError> {
    let time = |name: &str, text: Option<String>| match text {
        None => Ok(None),
        Some(text) => parse_time(&text, Timestamp::now()).map(Some).ok_or_else(|| {
            ApiError::invalid(format!("`{name}` is not a time")).hint("write RFC 3339, a date or an age")
        }),
    };
    let window = Window { since: time("since", question.since)?, until: time("until", question.until)? };
    let enricher = desk.enricher.clone();
    let refreshed = tokio::task::spawn_blocking(move || {
        enricher.refresh();
        enricher
    });
    let failed = |error: String| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "enrich", error);
    let enricher = refreshed.await.map_err(|error| failed(error.to_string()))?;
    if enricher.is_idle() {
        return Err(ApiError::invalid("there is nothing to ask").hint(NOTHING_TO_ASK));
    }
    let with = Arc::new(move |record: &activity::Record| enricher.of(record));
    let done = desk.store.enrich(LateEnrichment { window, with }).await.map_err(|error| failed(error.to_string()))?;
    desk.store.checkpoint().await.map_err(|error| failed(error.to_string()))?;
    Ok(Json(done))
}
