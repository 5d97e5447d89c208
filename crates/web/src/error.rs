//! What the API says when something goes wrong: `{"error":{"type","message","hint"}}`.

use auditlake_store::{StoreError, filter::FilterError};
use axum::{
    Json,
    extract::rejection::{JsonRejection, PathRejection, QueryRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;

/// An error as the API answers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    status: StatusCode,
    body: Body,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Body {
    #[serde(rename = "type")]
    kind: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    /// Where in the given text, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    length: Option<usize>,
}

#[derive(Serialize)]
struct Envelope {
    error: Body,
}

impl ApiError {
    /// An error of this type, in words.
    pub fn new(status: StatusCode, kind: &'static str, message: impl Into<String>) -> ApiError {
        ApiError { status, body: Body { kind, message: message.into(), hint: None, at: None, length: None } }
    }

    /// The request is wrong.
    pub fn invalid(message: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::BAD_REQUEST, "invalid_request", message)
    }

    /// The same with what to do about it.
    pub fn hint(mut self, hint: impl Into<String>) -> ApiError {
        self.body.hint = Some(hint.into());
        self
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        if self.status.is_server_error() {
            tracing::error!(kind = self.body.kind, "{}", self.body.message);
        }
        (self.status, Json(Envelope { error: self.body })).into_response()
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> ApiError {
        let (status, kind) = match &error {
            StoreError::Statement(_) => (StatusCode::BAD_REQUEST, "statement"),
            StoreError::Limit { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "limit"),
            StoreError::DiskFull(_) => (StatusCode::INSUFFICIENT_STORAGE, "disk_full"),
            StoreError::Locked(_) => (StatusCode::SERVICE_UNAVAILABLE, "locked"),
            StoreError::TooNew { .. } => (StatusCode::INTERNAL_SERVER_ERROR, "too_new"),
            StoreError::Server { .. } => (StatusCode::SERVICE_UNAVAILABLE, "server"),
            StoreError::Engine { .. } => (StatusCode::INTERNAL_SERVER_ERROR, "engine"),
        };
        let hint = error.hint().map(str::to_owned);
        let mut this = ApiError::new(status, kind, error.to_string());
        this.body.hint = hint;
        this
    }
}

impl From<FilterError> for ApiError {
    fn from(error: FilterError) -> ApiError {
        let mut this = ApiError::new(StatusCode::BAD_REQUEST, "filter", error.message).hint(error.hint);
        (this.body.at, this.body.length) = (Some(error.at), Some(error.length));
        this
    }
}

impl From<QueryRejection> for ApiError {
    fn from(error: QueryRejection) -> ApiError {
        ApiError::invalid(error.body_text())
    }
}

impl From<PathRejection> for ApiError {
    fn from(error: PathRejection) -> ApiError {
        ApiError::invalid(error.body_text())
    }
}

impl From<JsonRejection> for ApiError {
    fn from(error: JsonRejection) -> ApiError {
        ApiError::new(error.status(), "invalid_request", error.body_text())
    }
}
