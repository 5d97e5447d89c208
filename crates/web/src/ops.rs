//! What machines that watch over the service ask: `/healthz`, `/readyz`, `/metrics`.
//!
//! None needs the token, as none tells anything of an activity; all go through the guard like every other route. What the
//! sources are at is the binary's to know: it comes in as a [`Watch`].

use std::{sync::Arc, time::Duration};

use auditlake_store::Status;
use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Serialize;
use tokio::time::timeout;

use crate::{ApiError, Site, Who};

/// The store has to answer within this time.
const PATIENCE: Duration = Duration::from_secs(5);
/// The form of Prometheus' text.
const FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What the binary tells of the service besides its store.
pub trait Watch: Send + Sync + 'static {
    /// What keeps the service from doing its work until a person acts; empty if nothing does.
    fn obstacles(&self) -> Vec<Obstacle>;

    /// All metrics in Prometheus' text format. `None` if the store does not answer.
    fn metrics(&self, store: Option<&Status>) -> String;
}

/// Something that waits for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Obstacle {
    /// What it is with: `store`, or a source's name.
    pub of: String,
    /// What is wrong.
    pub reason: String,
    /// What to do.
    pub hint: String,
}

pub(crate) fn routes() -> Router<Arc<Site>> {
    Router::new().route("/healthz", get(health)).route("/readyz", get(ready)).route("/metrics", get(metrics))
}

/// Whether the store answers in time.
async fn health(State(site): State<Arc<Site>>) -> Response {
    let (code, text) = match ask(&site).await {
        Ok(_) => (StatusCode::OK, "ok"),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, reason),
    };
    (code, Json(serde_json::json!({ "status": text }))).into_response()
}

/// Whether everything works that a person would have to mend otherwise.
async fn ready(State(site): State<Arc<Site>>) -> Response {
    let mut obstacles = site.watch.as_ref().map(|watch| watch.obstacles()).unwrap_or_default();
    if let Err(reason) = ask(&site).await {
        let hint = "look at the service's log".to_owned();
        obstacles.insert(0, Obstacle { of: "store".to_owned(), reason: reason.to_owned(), hint });
    }
    let is_ready = obstacles.is_empty();
    if !Who::current().is_known() {
        // Whoever has not logged in learns that something is wrong, not what.
        obstacles.clear();
    }
    let (code, text) = match is_ready {
        true => (StatusCode::OK, "ready"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "not ready"),
    };
    (code, Json(serde_json::json!({ "status": text, "reasons": obstacles }))).into_response()
}

async fn metrics(State(site): State<Arc<Site>>) -> Response {
    let Some(watch) = &site.watch else {
        return ApiError::new(StatusCode::NOT_FOUND, "not_found", "this service keeps no metrics").into_response();
    };
    let status = ask(&site).await.ok();
    ([(header::CONTENT_TYPE, FORMAT)], watch.metrics(status.as_ref())).into_response()
}

async fn ask(site: &Site) -> Result<Status, &'static str> {
    match timeout(PATIENCE, site.engine.status()).await {
        Ok(Ok(status)) => Ok(status),
        Ok(Err(_)) => Err("the store fails"),
        Err(_) => Err("the store does not answer"),
    }
}
