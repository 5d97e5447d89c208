//! Answering for a feed: a router over any [`Source`], with keys, scopes, budgets and the documented errors.
//!
//! A request goes: key, budget, scope, query, source; each step may end it with an [`crate::ApiError`]. What asks for
//! another path is refused whoever asks, and costs a good key a request all the same. Whatever happens, a panic in the
//! source too, ends in an answer with a `request-id` and in a word to the [`AccessLog`]. What rows are and where keys are
//! kept is behind traits.

mod access;
mod answer;
mod budget;
pub mod faults;
mod keys;

use std::{future::Future, net::SocketAddr, sync::Arc, time::Instant};

use axum::{Router, routing::any, serve::ListenerExt};
use tokio::net::TcpListener;
use tower_http::{CompressionLevel, compression::CompressionLayer};

use crate::{PATH, Source};
pub use access::{Access, AccessLog};
pub use budget::REQUESTS_PER_MINUTE;
pub use faults::{Fault, FaultRequest, Faults, Plan};
pub use keys::{KeyError, KeyIdentity, Keys, OneKey, SCOPE, same_secret};

/// A feed to be served: a source and who may read it.
#[derive(Clone)]
pub struct Server {
    source: Arc<dyn Source>,
    keys: Arc<dyn Keys>,
    known: Arc<dyn Fn(&str) -> bool + Send + Sync>,
    log: Option<Arc<dyn AccessLog>>,
    faults: Option<Arc<dyn Faults>>,
    budgets: Arc<budget::Budgets>,
    is_proxied: bool,
}

impl Server {
    /// A server with the contract's budget, to which every activity type is known.
    pub fn new(source: Arc<dyn Source>, keys: Arc<dyn Keys>) -> Server {
        Server {
            source,
            keys,
            known: Arc::new(|_| true),
            log: None,
            faults: None,
            budgets: Arc::new(budget::Budgets::new(REQUESTS_PER_MINUTE, Instant::now())),
            is_proxied: false,
        }
    }

    /// Which activity types exist; a filter on any other is a 400.
    pub fn known_types(self, known: impl Fn(&str) -> bool + Send + Sync + 'static) -> Server {
        Server { known: Arc::new(known), ..self }
    }

    /// The budget that all keys share; [`REQUESTS_PER_MINUTE`] if not given.
    pub fn requests_per_minute(self, requests: u32) -> Server {
        Server { budgets: Arc::new(budget::Budgets::new(requests, Instant::now())), ..self }
    }

    /// Who hears of every request.
    pub fn access_log(self, log: Arc<dyn AccessLog>) -> Server {
        Server { log: Some(log), ..self }
    }

    /// Whether a reverse proxy stands before it, whose `X-Forwarded-For` is believed when it says who asks.
    pub fn behind_proxy(self, is_proxied: bool) -> Server {
        Server { is_proxied, ..self }
    }

    /// Who decides what goes wrong.
    pub fn faults(self, faults: Arc<dyn Faults>) -> Server {
        Server { faults: Some(faults), ..self }
    }

    /// The routes under `/v1`, to be merged with others. All of them, so that a program that asks for what this feed does
    /// not have is told so in the feed's words and not in those of whatever is served beside it.
    pub fn router(self) -> Router {
        let paths = [PATH, "/v1", "/v1/", "/v1/{*rest}"];
        self.finish(paths.into_iter().fold(Router::new(), |routes, path| routes.route(path, any(answer::handle))))
    }

    /// The routes for a listener of their own: every other path is a 404 of the feed's.
    pub fn standalone(self) -> Router {
        self.finish(Router::new().fallback(answer::handle))
    }

    fn finish(self, routes: Router<Arc<Server>>) -> Router {
        // Pages are large and mostly repeat themselves: the fastest level takes off nine tenths already.
        let compression = CompressionLayer::new().gzip(true).quality(CompressionLevel::Fastest);
        routes.with_state(Arc::new(self)).layer(compression)
    }

    /// Serves on `listener` until `stop` is ready, then lets requests under way finish.
    pub async fn serve(
        self,
        listener: TcpListener,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> std::io::Result<()> {
        let listener = listener.tap_io(|connection| {
            if let Err(error) = connection.set_nodelay(true) {
                tracing::debug!(%error, "cannot switch off Nagle's algorithm");
            }
        });
        let service = self.standalone().into_make_service_with_connect_info::<SocketAddr>();
        axum::serve(listener, service).with_graceful_shutdown(stop).await
    }
}
