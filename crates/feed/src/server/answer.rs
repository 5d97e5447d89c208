//! One request, from its head to its answer.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use axum::{body::Body, extract::State};
use bytes::Bytes;
use futures::FutureExt;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header, request::Parts};
use jiff::{SignedDuration, Timestamp, Unit};

use super::{Access, Fault, FaultRequest, KeyError, KeyIdentity, Plan, SCOPE, Server, budget::Standing, faults::spoil};
use crate::{ApiError, KeyKind, PATH, Page, Query};

const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
const RATE_LIMIT: HeaderName = HeaderName::from_static("anthropic-ratelimit-requests-limit");
const RATE_REMAINING: HeaderName = HeaderName::from_static("anthropic-ratelimit-requests-remaining");
const RATE_RESET: HeaderName = HeaderName::from_static("anthropic-ratelimit-requests-reset");

/// What is found out about a request on its way.
struct Call {
    access: Access,
    standing: Option<Standing>,
    fault: Option<Fault>,
}

/// Answers a request. Never fails and never panics.
pub(super) async fn handle(State(server): State<Arc<Server>>, request: Request<Body>) -> Response<Body> {
    let started = Instant::now();
    let (parts, _body) = request.into_parts();
    let access = Access::begin(&parts, server.is_proxied);
    let mut call = Call { access, standing: None, fault: None };
    let answered = AssertUnwindSafe(server.answer(&parts, &mut call)).catch_unwind().await;
    let page = answered.unwrap_or_else(|_| {
        tracing::error!(request_id = call.access.request_id, "answering a feed request panicked");
        Err(ApiError::internal())
    });
    let mut response = match (page, &call.fault) {
        (_, Some(Fault::Bare(status))) => bare(*status),
        (Ok(page), fault) => {
            call.access.activities = page.data.len();
            json(StatusCode::OK, spoil(fault.as_ref(), page.to_json()))
        }
        (Err(error), fault) => refusal(&error, fault.as_ref()),
    };
    server.add_headers(&call, response.headers_mut());
    call.access.status = response.status().as_u16();
    call.access.elapsed = started.elapsed();
    server.tell(call.access);
    response
}

impl Server {
    async fn answer(&self, parts: &Parts, call: &mut Call) -> Result<Page, ApiError> {
        let key = self.identify(&parts.headers, &mut call.access).await;
        if let Some(error) = misdirected(parts) {
            if let Ok(key) = key {
                self.charge(&key, call)?;
            }
            return Err(error);
        }
        let key = key?;
        self.charge(&key, call)?;
        let query = parts.uri.query().unwrap_or("");
        self.suffer(&FaultRequest { key_id: &key.id, query }, call).await?;
        if !key.scopes.iter().any(|scope| scope == SCOPE) {
            return Err(ApiError::missing_scope(&key.scopes, SCOPE));
        }
        self.source.page(&Query::parse(query, &*self.known)?).await
    }

    /// Whose key was sent, if it is good; a revoked one is known to the access log, too.
    async fn identify(&self, headers: &HeaderMap, access: &mut Access) -> Result<KeyIdentity, ApiError> {
        let key = headers.get("x-api-key").map(|value| value.to_str().unwrap_or("").trim());
        let key = key.ok_or_else(|| ApiError::authentication("x-api-key header is required"))?;
        if key.is_empty() {
            return Err(ApiError::authentication("x-api-key header is empty"));
        }
        let identified = self.keys.identify(key).await;
        access.key_id = match &identified {
            Ok(KeyIdentity { id, .. }) | Err(KeyError::Revoked { id }) => Some(id.clone()),
            Err(KeyError::Unknown | KeyError::Unavailable) => None,
        };
        identified.map_err(|error| match error {
            KeyError::Unknown if KeyKind::of(key) == KeyKind::ClaudeApi => ApiError::authentication(
                "invalid x-api-key: a Claude API key (sk-ant-api03-) cannot read compliance data, use a Compliance Access Key",
            ),
            KeyError::Unknown => ApiError::authentication("invalid x-api-key"),
            KeyError::Revoked { .. } => revoked(),
            KeyError::Unavailable => ApiError::internal(),
        })
    }

    /// Spends a request of the budget.
    fn charge(&self, key: &KeyIdentity, call: &mut Call) -> Result<(), ApiError> {
        let taken = self.budgets.take(key, Instant::now());
        call.standing = Some(taken.unwrap_or_else(|over| over));
        call.access.is_charged = taken.is_ok();
        taken.map(|_| ()).map_err(|over| {
            let message = format!("more than {} requests a minute: wait as long as retry-after says", over.limit);
            ApiError::rate_limited(message, Some(over.next_in))
        })
    }

    /// Lets happen what the faults plan before the page is read; what spoils the page is kept for later.
    async fn suffer(&self, request: &FaultRequest<'_>, call: &mut Call) -> Result<(), ApiError> {
        let Some(faults) = &self.faults else { return Ok(()) };
        let Plan { delay, fault } = faults.plan(request);
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        match fault {
            Some(Fault::Error(error)) => return Err(error),
            Some(Fault::Revoked) => {
                call.standing = None;
                return Err(revoked());
            }
            Some(Fault::Bare(status)) => {
                call.fault = Some(Fault::Bare(status));
                return Err(ApiError::new(status, ""));
            }
            fault => call.fault = fault,
        }
        Ok(())
    }

    /// Tells the owner; a fault of the owner's costs the caller nothing.
    fn tell(&self, access: Access) {
        let Some(log) = &self.log else { return };
        let request_id = access.request_id.clone();
        if catch_unwind(AssertUnwindSafe(|| log.record(access))).is_err() {
            tracing::error!(request_id, "the access log panicked: this request left no trace");
        }
    }

    fn add_headers(&self, call: &Call, headers: &mut HeaderMap) {
        let now = match &self.faults {
            Some(faults) => faults.now(),
            None => Timestamp::now(),
        };
        let mut set = |name: HeaderName, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        };
        set(REQUEST_ID, &call.access.request_id);
        set(header::CACHE_CONTROL, "no-store");
        if self.faults.is_some() {
            set(header::DATE, &httpdate::fmt_http_date(SystemTime::from(now)));
        }
        if let Some(standing) = call.standing {
            set(RATE_LIMIT, &standing.limit.to_string());
            set(RATE_REMAINING, &standing.remaining.to_string());
            set(RATE_RESET, &reset(now, standing.full_in));
        }
    }
}

/// Why a request is none that this feed answers with a page, whoever asks.
fn misdirected(parts: &Parts) -> Option<ApiError> {
    if parts.uri.path() != PATH {
        return Some(ApiError::new(404, format!("unknown path: this feed answers at {PATH}")));
    }
    let is_read = matches!(parts.method, Method::GET | Method::HEAD);
    (!is_read).then(|| ApiError::new(405, "method not allowed: use GET"))
}

fn revoked() -> ApiError {
    ApiError::authentication("invalid x-api-key: this key has been revoked")
}

/// The second in which a budget is whole again, as RFC 3339.
fn reset(now: Timestamp, full_in: Duration) -> String {
    let at = SignedDuration::try_from(full_in).ok().and_then(|wait| now.checked_add(wait).ok()).unwrap_or(now);
    let rounding = jiff::TimestampRound::new().smallest(Unit::Second).mode(jiff::RoundMode::Ceil);
    at.round(rounding).unwrap_or(at).to_string()
}

fn json(status: StatusCode, mut response: Response<Body>) -> Response<Body> {
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn bare(status: u16) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status_code(status);
    response
}

fn status_code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn refusal(error: &ApiError, fault: Option<&Fault>) -> Response<Body> {
    let mut response = json(status_code(error.status), spoil(fault, Bytes::from(error.to_json())));
    let headers = response.headers_mut();
    if let Some(wait) = error.retry_after {
        // Whole seconds, rounded up: coming back a moment early would only fail again.
        headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs_f64().ceil() as u64));
    }
    if let Some(should_retry) = error.should_retry {
        headers.insert(SHOULD_RETRY, HeaderValue::from_static(if should_retry { "true" } else { "false" }));
    }
    if error.status == 405 {
        headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    response
}
