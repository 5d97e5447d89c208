//! `GET /api/v1/drift`: what differs from the catalogue and from what was first seen, what was seen last first.

use std::sync::Arc;

use auditlake_store::{DriftQuery, DriftRow};
use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
};
use serde::Deserialize;

use super::time;
use crate::{ApiError, Site};

/// The question, as it stands in the address.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    source: Option<String>,
    since: Option<String>,
    limit: Option<u64>,
}

/// A JSON array.
pub async fn drift(
    State(site): State<Arc<Site>>,
    question: Result<Query<Question>, QueryRejection>,
) -> Result<Json<Vec<DriftRow>>, ApiError> {
    let Query(Question { source, since, limit }) = question?;
    let query = DriftQuery { source, since: time("since", since.as_deref())?, limit };
    Ok(Json(site.engine.drift(&query).await?))
}
