//! Misfortunes on demand: a simulator decides what goes wrong with a request, the server makes it so.
//!
//! A server without [`Faults`] has none of this. Faults of the data (late, duplicate, blanked, …) are not here: the
//! [`crate::Source`] makes those.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures::stream;
use http::{HeaderValue, Response, header};
use jiff::Timestamp;

use crate::ApiError;

/// Something that decides what goes wrong.
pub trait Faults: Send + Sync + 'static {
    /// Asked once for each request with a good key and budget, before it is answered.
    fn plan(&self, request: &FaultRequest<'_>) -> Plan;

    /// The clock that `date` and rate-limit headers show.
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// What a decision may rest on.
#[derive(Debug, Clone, Copy)]
pub struct FaultRequest<'a> {
    /// Who asks.
    pub key_id: &'a str,
    /// The query string as it stood in the URL.
    pub query: &'a str,
}

/// What happens to a request. The default is: nothing.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Plan {
    /// Wait so long before anything else.
    pub delay: Duration,
    /// Then go wrong like this.
    pub fault: Option<Fault>,
}

/// A way to go wrong.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// Answer this error, with its `retry-after` and `x-should-retry` if it has them.
    Error(ApiError),
    /// Answer this status with no body, as a gateway does.
    Bare(u16),
    /// Answer as if the key had been revoked.
    Revoked,
    /// Send the page's body up to this share of it (0 to 1), then end the connection.
    Cut {
        /// How much is sent.
        share: f64,
        /// Whether `content-length` announces all of it; chunked otherwise.
        declared: bool,
    },
    /// A complete answer, status 200, whose body is no JSON.
    InvalidJson,
    /// End the connection before the first byte of an answer.
    Drop,
}

/// The body of a page, spoilt as `fault` says; faults that need no page leave it as it is.
pub(super) fn spoil(fault: Option<&Fault>, body: Bytes) -> Response<Body> {
    match fault {
        Some(Fault::Cut { share, declared }) => {
            let length = body.len();
            let kept = (length as f64 * share.clamp(0.0, 1.0)) as usize;
            let mut response = Response::new(broken_off(body.slice(..kept.min(length.saturating_sub(1)))));
            if *declared {
                response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
            }
            response
        }
        Some(Fault::InvalidJson) => Response::new(Body::from(body.slice(..body.len() / 2))),
        Some(Fault::Drop) => Response::new(Body::from_stream(stream::once(async { Err::<Bytes, _>(BrokenOff) }))),
        _ => Response::new(Body::from(body)),
    }
}

/// A body that ends with an error, upon which the connection is closed.
fn broken_off(start: Bytes) -> Body {
    let end = async {
        // What was sent before must be on its way, or the connection closes without it.
        tokio::time::sleep(Duration::from_millis(20)).await;
        Err(BrokenOff)
    };
    Body::from_stream(stream::StreamExt::chain(stream::iter([Ok(start)]), stream::once(end)))
}

#[derive(Debug, thiserror::Error)]
#[error("the body is broken off on purpose")]
struct BrokenOff;
