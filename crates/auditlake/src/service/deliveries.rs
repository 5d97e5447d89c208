//! `GET /api/v1/deliveries` and `POST /api/v1/deliveries/retry`: the queue of notices, for the command of that name.

use std::sync::Arc;

use auditlake_store::{
    StoreError,
    outbox::{Delivery, DeliveryLog, DeliveryQuery, Which},
};
use axum::{
    Json, Router,
    extract::{Query, State},
    http::StatusCode,
    routing::{get, post},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use web::ApiError;

/// How many were sent again.
#[derive(Debug, Serialize, Deserialize)]
pub struct Retried {
    pub count: u64,
}

pub fn routes(store: Arc<dyn DeliveryLog>) -> Router {
    Router::new()
        .route("/api/v1/deliveries", get(list))
        .route("/api/v1/deliveries/retry", post(retry))
        .with_state(store)
}

type Log = State<Arc<dyn DeliveryLog>>;

async fn list(State(store): Log, Query(query): Query<DeliveryQuery>) -> Result<Json<Vec<Delivery>>, ApiError> {
    store.deliveries(&query).await.map(Json).map_err(|error| failed(&error))
}

async fn retry(State(store): Log, Json(which): Json<Which>) -> Result<Json<Retried>, ApiError> {
    let count = store.send_again(&which, Timestamp::now()).await.map_err(|error| failed(&error))?;
    Ok(Json(Retried { count }))
}

fn failed(error: &StoreError) -> ApiError {
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "store", error.to_string())
}
