//! Whom activities are collected from: one question, one answer.
//!
//! [`feed::client::Client`] asks over HTTP; [`InProcess`] asks a [`feed::Source`] in the same process.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use feed::{
    Query, Source,
    client::{Client, Error, ErrorKind, Exchange, RateLimit, Response},
};
use jiff::Timestamp;

/// A feed that can be asked.
#[async_trait]
pub trait Upstream: Send + Sync + 'static {
    /// Asks once for a page.
    async fn page(&self, query: &Query) -> Result<Response, Error>;

    /// Ready when there is another key than that of the last request, so that asking again may help. Never, unless said.
    async fn renewed(&self) {
        std::future::pending().await
    }
}

#[async_trait]
impl Upstream for Client {
    async fn page(&self, query: &Query) -> Result<Response, Error> {
        Client::page(self, query).await
    }
}

/// A source in the same process as an upstream.
#[derive(Debug)]
pub struct InProcess<S> {
    source: S,
    requests: AtomicU64,
}

impl<S: Source> InProcess<S> {
    /// The source as an upstream.
    pub fn new(source: S) -> Self {
        InProcess { source, requests: AtomicU64::new(0) }
    }

    /// The source.
    pub fn source(&self) -> &S {
        &self.source
    }
}

#[async_trait]
impl<S: Source> Upstream for InProcess<S> {
    async fn page(&self, query: &Query) -> Result<Response, Error> {
        let mut exchange = Exchange {
            query: query.encode(),
            sent_at: Timestamp::now(),
            elapsed: Duration::ZERO,
            status: Some(200),
            request_id: Some(format!("local_{}", self.requests.fetch_add(1, Ordering::Relaxed))),
            rate_limit: RateLimit::default(),
            date: None,
            body_bytes: None,
            body_sha256: None,
        };
        match self.source.page(query).await {
            Ok(page) => Ok(Response { page, exchange }),
            Err(error) => {
                exchange.status = Some(error.status);
                Err(Error { kind: ErrorKind::Api(error), exchange: Box::new(exchange) })
            }
        }
    }
}
