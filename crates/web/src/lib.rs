//! The HTTP side of Auditlake: the pages where people look, and the read API that the command line speaks.
//!
//! This room turns requests into questions for the store's port and answers into HTML, JSON or Arrow. It knows no SQL
//! and no engine, opens no file and starts no server: [`router`] gives the binary a router to serve and to merge with
//! others. What it needs comes in a [`Site`]; whatever else is served beside it goes through [`guard`].
//!
//! A new page is one file in `pages` (its data, its handler), one template of the same name and its tests.

mod access;
mod answer;
mod api;
mod ask;
mod assets;
mod csv;
mod error;
pub mod guard;
mod inbox;
mod live;
mod ops;
mod pages;
mod rules;
mod scope;
mod settings;
mod site;
mod text;

use std::sync::Arc;

use axum::{Router, middleware::from_fn_with_state};
use tower_http::compression::CompressionLayer;

pub use access::{
    Access, AccessOptions, KeptSession, KeptSessions, Notebook, Role, Scribe, SessionKeeper, User, Users, Who,
};
pub use answer::json_lines;
pub use error::ApiError;
pub use ops::{Obstacle, Watch};
pub use rules::{RuleBook, RuleInfo, Trial, TrialState, Tried};
pub use settings::{Dialect, KeyReport, SettingsReport, SettingsSection};
pub use site::{SimulatedBanner, Site, SourceReport};
pub use text::number as grouped;

/// Everything that this room serves: the pages, `/assets/…`, `/live`, `/healthz`, `/readyz`, `/metrics` and `/api/v1/…`.
///
/// Requests under other names than the site's are refused, whatever their path.
pub fn router(site: Site) -> Router {
    router_with(site, Router::new())
}

/// The same with what the binary adds to the API, which needs the token or a page of this site as all of it does.
pub fn router_with(site: Site, more: Router) -> Router {
    let hosts = site.hosts.clone();
    let masked = site.masked().map(|(site, mask)| (inside(site), mask));
    let gate = Arc::new(access::gate::Gate::new(&site, masked));
    let more = guard::check_token(more, &site.token);
    // Before any path is matched: what the gate hands on is matched once, by whichever router answers.
    let router =
        Router::new().fallback_service(inside(site).merge(more)).layer(from_fn_with_state(gate, access::gate::pass));
    guard::protect(router, &hosts)
}

/// Asks what the first pages will ask, one question after the other, so that nobody waits for it. Where there is little to
/// count there is nothing to do.
pub async fn warm(site: Site) {
    if let Err(error) = pages::warm(&site).await {
        tracing::debug!("the first pages will take longer: {error}");
    }
}

/// What answers whoever has come in.
fn inside(site: Site) -> Router {
    let site = Arc::new(site);
    let pages = pages::routes().merge(assets::routes()).merge(access::login::routes()).layer(CompressionLayer::new());
    let api = guard::check_token(api::routes(), &site.token);
    let router = Router::new().merge(pages).merge(api).merge(live::routes()).merge(ops::routes());
    router.fallback(pages::not_found).with_state(site)
}
