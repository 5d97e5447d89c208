//! What a feed answers instead of a page: the documented errors, as a server sends and a client receives them.

use std::{borrow::Cow, time::Duration};

use serde::Deserialize;

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

    /// The kind that a wire value names.
    pub fn of(text: &str) -> ErrorType {
        use ErrorType::*;
        [InvalidRequest, Authentication, Permission, NotFound, RateLimit, Api, Overloaded]
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .unwrap_or_else(|| Other(text.to_owned()))
    }

    /// What a status means where the body does not say it, as behind a proxy.
    pub fn of_status(status: u16) -> ErrorType {
        match status {
            400 | 405 => ErrorType::InvalidRequest,
            401 => ErrorType::Authentication,
            403 => ErrorType::Permission,
            404 => ErrorType::NotFound,
            429 => ErrorType::RateLimit,
            500 => ErrorType::Api,
            502..=504 | 529 => ErrorType::Overloaded,
            other => ErrorType::Other(format!("http_{other}")),
        }
    }
}

impl ApiError {
    /// An error of this status with the kind that belongs to it.
    pub fn new(status: u16, message: impl Into<String>) -> ApiError {
        ApiError {
            status,
            kind: ErrorType::of_status(status),
            message: message.into(),
            request_id: None,
            retry_after: None,
            should_retry: None,
        }
    }

    /// 400: the request itself is wrong. `message` names the parameter and the value.
    pub fn invalid(message: impl Into<String>) -> ApiError {
        ApiError::new(400, message)
    }

    /// 400: a cursor that this feed did not give out.
    pub fn unknown_cursor(cursor: &str) -> ApiError {
        let shown: String = cursor.chars().take(120).collect();
        ApiError::invalid(format!("unknown cursor {shown:?}: pass back a first_id or last_id of this feed unchanged"))
    }

    /// 401: the key is missing, unknown or revoked.
    pub fn authentication(message: impl Into<String>) -> ApiError {
        ApiError::new(401, message)
    }

    /// 403: the key is good, but does not carry the scope.
    pub fn missing_scope(got: &[impl AsRef<str>], needed: &str) -> ApiError {
        let got: Vec<&str> = got.iter().map(AsRef::as_ref).collect();
        ApiError::new(403, format!("missing required scopes. Got: [{}] Needed: [{needed}]", got.join(", ")))
    }

    /// 429: the budget is used up for so long.
    pub fn rate_limited(message: impl Into<String>, retry_after: Option<Duration>) -> ApiError {
        ApiError { retry_after, ..ApiError::new(429, message) }
    }

    /// 500: this feed failed. The cause belongs into the log, never into `message`.
    pub fn internal() -> ApiError {
        ApiError::new(500, "internal server error")
    }

    /// Whether the same request may succeed later: 429 and the transient 5xx, unless `x-should-retry` says otherwise.
    pub fn is_retryable(&self) -> bool {
        match self.status {
            429 => true,
            408 | 409 | 500..=599 => self.should_retry.unwrap_or(true),
            _ => false,
        }
    }

    /// The body: `{"error":{"type":…,"message":…}}`.
    pub fn to_json(&self) -> String {
        serde_json::json!({"error": {"type": self.kind.as_str(), "message": self.message}}).to_string()
    }

    /// What an error response says. A body in another form, such as a proxy's page, is quoted from its beginning.
    pub fn from_body(status: u16, body: &[u8]) -> ApiError {
        #[derive(Deserialize)]
        struct Body<'a> {
            #[serde(borrow)]
            error: Inner<'a>,
        }
        #[derive(Deserialize)]
        struct Inner<'a> {
            #[serde(borrow, rename = "type")]
            kind: Cow<'a, str>,
            #[serde(borrow, default)]
            message: Cow<'a, str>,
        }
        match serde_json::from_slice::<Body>(body) {
            Ok(Body { error }) => ApiError { kind: ErrorType::of(&error.kind), ..ApiError::new(status, error.message) },
            Err(_) => ApiError::new(status, excerpt(body)),
        }
    }
}

/// The beginning of a body that is no error of the feed, in one line.
fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(200)]);
    let words: Vec<&str> = text.split_whitespace().collect();
    if words.is_empty() { "the body says nothing".into() } else { words.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_read_back() {
        let error = ApiError::missing_scope(&["read:users", "a\"b"], "read:compliance_activities");
        assert_eq!(ApiError::from_body(403, error.to_json().as_bytes()), error);
        insta::assert_snapshot!(error.to_json(), @r#"{"error":{"type":"permission_error","message":"missing required scopes. Got: [read:users, a\"b] Needed: [read:compliance_activities]"}}"#);
    }

    #[test]
    fn a_strange_body_is_an_error_too() {
        let error = ApiError::from_body(502, b"<html>\n  <h1>Bad Gateway</h1>");
        assert_eq!((error.kind, error.message.as_str()), (ErrorType::Overloaded, "<html> <h1>Bad Gateway</h1>"));
        let error =
            ApiError::from_body(418, br#"{"type":"error","error":{"type":"teapot_error"},"request_id":"req_1"}"#);
        assert_eq!(error.kind, ErrorType::Other("teapot_error".into()));
        assert_eq!(ApiError::from_body(503, &[0xff; 9_000]).status, 503);
    }

    #[test]
    fn knows_what_may_be_asked_again() {
        let retryable = |status, should_retry| ApiError { should_retry, ..ApiError::new(status, "") }.is_retryable();
        assert!([429, 500, 502, 503, 504, 529].iter().all(|status| retryable(*status, None)));
        assert!(![400, 401, 403, 404, 405, 302].iter().any(|status| retryable(*status, None)));
        assert!(!retryable(500, Some(false)) && retryable(500, Some(true)) && retryable(429, Some(false)));
    }
}
