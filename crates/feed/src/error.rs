//! What a feed answers instead of a page.

use std::time::Duration;

/// The `error.type` of an error body. Clients match on this, never on the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErrorType {
    /// 400
    InvalidRequest,
    /// 401
    Authentication,
    /// 403
    Permission,
    /// 404
    NotFound,
    /// 429
    RateLimit,
    /// 500
    Api,
    /// 503, 529
    Overloaded,
    /// Anything else, as it stood in the body.
    Other(String),
}

/// An error in the feed's own terms: what a server sends and a client receives.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{status} {}: {message}", kind.as_str())]
pub struct ApiError {
    /// The HTTP status.
    pub status: u16,
    /// The `error.type`.
    pub kind: ErrorType,
    /// The `error.message`.
    pub message: String,
    /// `request-id` of the response, if known.
    pub request_id: Option<String>,
    /// `retry-after`, if sent.
    pub retry_after: Option<Duration>,
    /// `x-should-retry`, if sent.
    pub should_retry: Option<bool>,
}

impl ErrorType {
    /// The wire value.
    pub fn as_str(&self) -> &str {
        match self {
            ErrorType::InvalidRequest => "invalid_request_error",
            ErrorType::Authentication => "authentication_error",
            ErrorType::Permission => "permission_error",
            ErrorType::NotFound => "not_found_error",
            ErrorType::RateLimit => "rate_limit_error",
            ErrorType::Api => "api_error",
            ErrorType::Overloaded => "overloaded_error",
            ErrorType::Other(text) => text,
        }
    }
}
