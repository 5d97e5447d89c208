//! Asking a feed: one request and its answer ([`Client::page`]), and the same until it succeeds ([`retry`]).
//!
//! The client keeps no position and no budget: the caller knows what to ask next and how often. Every request, failed
//! ones too, ends in an [`Exchange`] that says what was asked and what came back.

mod builder;
mod error;
mod exchange;
pub mod retry;

use std::{fmt, sync::Arc, time::Instant};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue};
use secrecy::SecretString;
use sha2::{Digest, Sha256};

use crate::{ApiError, PATH, Page, Query};
pub use builder::{Builder, DEFAULT_BASE_URL, DEFAULT_MAX_BODY_BYTES, Proxy};
pub use error::{BuildError, Error, ErrorKind};
pub use exchange::{Exchange, RateLimit};
pub use retry::{Attempt, Observer, RetryPolicy};

/// The value of `anthropic-version`.
pub const VERSION: &str = "2023-06-01";
/// Error bodies are small; what is longer is not read to its end.
const MAX_ERROR_BODY_BYTES: usize = 64 << 10;

/// A feed at an address, with a key. Clones share connections.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    /// The same without decompression, for conformance checks that look at the encoding.
    plain: reqwest::Client,
    base_url: Arc<str>,
    key: HeaderValue,
    max_body_bytes: usize,
}

/// A page and the exchange that brought it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The page.
    pub page: Page,
    /// How it came: status, request id, rate limit, size, hash, times.
    pub exchange: Exchange,
}

impl Client {
    /// Begins with the defaults; [`Builder::key`] is needed at least.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The same client with another key, sharing its connections: for rotation without a restart.
    pub fn with_key(&self, key: &SecretString) -> Result<Client, BuildError> {
        Ok(Client { key: builder::key_header(key)?, ..self.clone() })
    }

    /// The address that was configured, without a slash at its end.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Asks once.
    pub async fn page(&self, query: &Query) -> Result<Response, Error> {
        let encoded = query.encode();
        let mut exchange = Exchange::new(&encoded);
        match self.ask(&Ask { query: &encoded, ..Ask::default() }, &mut exchange).await {
            Ok(page) => Ok(Response { page, exchange }),
            Err(kind) => Err(Error { kind, exchange: Box::new(exchange) }),
        }
    }

    async fn ask(&self, ask: &Ask<'_>, exchange: &mut Exchange) -> Result<Page, ErrorKind> {
        let reply = self.send(ask, exchange).await?;
        if reply.status != 200 {
            return Err(ErrorKind::Api(self.api_error(&reply)));
        }
        Page::parse(&reply.body).map_err(ErrorKind::Invalid)
    }

    /// Sends a request and reads whatever comes back, page or not.
    pub(crate) async fn send(&self, ask: &Ask<'_>, exchange: &mut Exchange) -> Result<Reply, ErrorKind> {
        let started = Instant::now();
        let result = self.send_untimed(ask, exchange).await;
        exchange.elapsed = started.elapsed();
        result
    }

    async fn send_untimed(&self, ask: &Ask<'_>, exchange: &mut Exchange) -> Result<Reply, ErrorKind> {
        let mut response = self.request(ask).send().await.map_err(ErrorKind::of_send)?;
        let (status, headers) = (response.status().as_u16(), std::mem::take(response.headers_mut()));
        exchange.note_head(status, &headers);
        if status != 200 {
            let body = read_body(&mut response, MAX_ERROR_BODY_BYTES).await.unwrap_or_default();
            return Ok(Reply { status, headers, body });
        }
        let body = read_body(&mut response, self.max_body_bytes).await?;
        exchange.body_bytes = Some(body.len() as u64);
        exchange.body_sha256 = Some(Sha256::digest(&body).into());
        Ok(Reply { status, headers, body })
    }

    fn request(&self, ask: &Ask<'_>) -> reqwest::RequestBuilder {
        let mark = if ask.query.is_empty() { "" } else { "?" };
        let url = format!("{}{}{mark}{}", self.base_url, ask.path, ask.query);
        let http = if ask.encoding.is_some() { &self.plain } else { &self.http };
        let request = http.get(url).header("accept", "application/json");
        let request = match ask.key {
            KeyChoice::Own => request.header("x-api-key", self.key.clone()),
            KeyChoice::None => request,
            KeyChoice::Other(key) => request.header("x-api-key", key),
        };
        let request = if ask.version { request.header("anthropic-version", VERSION) } else { request };
        match ask.encoding {
            Some(encoding) => request.header("accept-encoding", encoding),
            None => request,
        }
    }

    pub(crate) fn api_error(&self, reply: &Reply) -> ApiError {
        let mut error = ApiError::from_body(reply.status, &reply.body);
        if (300..400).contains(&reply.status) {
            error.message =
                "the address redirects elsewhere, which is not followed: configure the address itself".into();
        }
        // A gateway's error page may repeat the request's headers.
        if let Ok(key) = self.key.to_str() {
            error.message = error.message.replace(key, "[redacted]");
        }
        ApiError {
            request_id: exchange::text(&reply.headers, "request-id").map(str::to_owned),
            retry_after: exchange::retry_after(&reply.headers),
            should_retry: exchange::should_retry(&reply.headers),
            ..error
        }
    }
}

/// What [`Client::send`] sends.
pub(crate) struct Ask<'a> {
    pub path: &'a str,
    pub query: &'a str,
    pub key: KeyChoice<'a>,
    pub version: bool,
    /// An explicit `accept-encoding`: the body is then handed out as it came.
    pub encoding: Option<&'static str>,
}

/// Which key goes along.
#[derive(Clone, Copy)]
pub(crate) enum KeyChoice<'a> {
    Own,
    None,
    Other(&'a str),
}

/// What came back.
pub(crate) struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Default for Ask<'_> {
    fn default() -> Self {
        Ask { path: PATH, query: "", key: KeyChoice::Own, version: true, encoding: None }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("base_url", &self.base_url).finish_non_exhaustive()
    }
}

/// The whole body, as long as it is no longer than `limit` bytes.
async fn read_body(response: &mut reqwest::Response, limit: usize) -> Result<Bytes, ErrorKind> {
    let announced = response.content_length().unwrap_or(0);
    if announced > limit as u64 {
        return Err(ErrorKind::TooLarge { limit });
    }
    let mut body = BytesMut::with_capacity(announced as usize);
    while let Some(chunk) = response.chunk().await.map_err(ErrorKind::of_body)? {
        if body.len() + chunk.len() > limit {
            return Err(ErrorKind::TooLarge { limit });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}
