//! The Activity Feed, served on: what the lake holds, for every tool that speaks the contract.
//!
//! The contract itself is `feed::server`'s. Here it is given what it asks for: pages of the lake ([`source`]), which
//! activity types exist ([`types`]), whose key a key is ([`crate::keys`]), and somebody who remembers who read
//! ([`access`]) and where ([`origin`]). Requests need a key of this deployment and nothing else, so that any client may
//! come, under any name.

mod access;
mod origin;
mod source;
mod types;

use std::{net::SocketAddr, sync::Arc};

use auditlake_store::{Engine, SourceInfo};
use axum::Router;
use enrich::Enricher;
use feed::server::Server;

use crate::{config::Config, datadir::DataDir, keys::KeyRing};

use access::ReadLog;
use origin::Origin;
use source::LakeSource;

pub use access::Writing;

/// The source id of what the feed's own readers leave behind. No other source may have it: what it holds is not served.
pub const OWN_SOURCE: &str = "auditlake";

/// The routes below `/v1`, and who writes down that they were asked.
pub fn serve(
    config: &Config,
    data: &DataDir,
    lake: Arc<dyn Engine>,
    address: SocketAddr,
    enricher: Arc<Enricher>,
) -> (Router, Writing) {
    let hidden = if config.feed.serve_own_reads { Vec::new() } else { vec![OWN_SOURCE.to_owned()] };
    let source = LakeSource::new(lake.clone(), hidden);
    let info = SourceInfo { workspace: config.workspace.clone(), ..SourceInfo::new(OWN_SOURCE) };
    let (log, writing) = ReadLog::start(lake, info, Origin::new(&config.server, address), enricher);
    // Whether a type exists is the source's to say: asking the lake takes a moment, and the server's own check has none.
    let server = Server::new(Arc::new(source), Arc::new(KeyRing::new(data)))
        .requests_per_minute(config.feed.requests_per_minute)
        .behind_proxy(config.server.behind_proxy)
        .access_log(Arc::new(log));
    (server.router(), writing)
}

#[cfg(test)]
mod tests;
