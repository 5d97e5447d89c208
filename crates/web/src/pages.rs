//! Pages: what every one of them has around it, and what stands in for one that is missing or fails.

mod activity;
mod alerts;
mod chart;
mod dashboards;
mod dimension;
mod entity;
mod explore;
mod line;
mod lookups;
mod overview;
mod picker;
mod posture;
mod rules;
mod settings;
mod sources;
mod sql;
mod stack;
mod wholeness;

pub use explore::complete;

use std::sync::Arc;

use askama::Template;
use auditlake_store::StoreError;
use axum::{
    Router,
    extract::State,
    http::{Method, StatusCode, Uri},
    response::{Html, IntoResponse, Response},
};

use crate::{
    ApiError, SimulatedBanner, Site, Who,
    access::gate::{Limits, needed},
    assets::{ASSETS, Assets},
    text,
};

/// Every page.
pub fn routes() -> Router<Arc<Site>> {
    overview::routes()
        .merge(explore::routes())
        .merge(activity::routes())
        .merge(dashboards::routes())
        .merge(entity::routes())
        .merge(posture::routes())
        .merge(alerts::routes())
        .merge(rules::routes())
        .merge(settings::routes())
        .merge(lookups::routes())
        .merge(sources::routes())
        .merge(sql::routes())
}

/// The pages of the menu: where, and under which name.
const MENU: [(&str, &str); 10] = [
    ("/", "Overview"),
    ("/explore", "Explorer"),
    ("/alerts", "Alerts"),
    ("/dashboards", "Dashboards"),
    ("/posture", "Posture"),
    ("/rules", "Rules"),
    ("/sources", "Sources"),
    ("/sql", "SQL"),
    ("/lookups", "Look-ups"),
    ("/settings", "Settings"),
];

/// What stands around the content of a page.
struct Frame<'a> {
    menu: &'static [(&'static str, &'static str)],
    /// The place in the menu, if it has one.
    place: &'static str,
    /// What the browser's tab says.
    title: String,
    simulated: Option<SimulatedBanner>,
    version: &'a str,
    assets: &'static Assets,
    /// Who looks at it.
    who: Who,
    /// Whether addresses and titles are hidden.
    is_masked: bool,
    /// What viewers may not.
    limits: Limits,
    /// Whether the page keeps itself up to date.
    is_live: bool,
}

impl<'a> Frame<'a> {
    fn of(site: &'a Site, title: impl Into<String>) -> Frame<'a> {
        let Site { simulated, ref version, .. } = *site;
        Frame {
            menu: &MENU,
            place: "",
            title: title.into(),
            simulated,
            version,
            assets: &ASSETS,
            who: site.who(),
            is_masked: site.is_masked,
            limits: site.limits(),
            is_live: false,
        }
    }

    /// Marks the page's place in the menu.
    fn at(self, place: &'static str) -> Frame<'a> {
        Frame { place, ..self }
    }

    /// Whether whoever looks at the page may open this one, too.
    fn may(&self, path: &str) -> bool {
        self.who.role >= needed(&Method::GET, path, self.limits)
    }

    fn live(self) -> Frame<'a> {
        Frame { is_live: true, ..self }
    }
}

/// A page in place of one that could not be made.
#[derive(Template)]
#[template(path = "message.html")]
struct Message<'a> {
    frame: Frame<'a>,
    heading: &'a str,
    message: &'a str,
    hint: Option<&'a str>,
}

/// With so few activities every answer is quick.
const FEW: u64 = 200_000;

/// Asks what pages ask without any choice made: the Overview, the Explorer's facets, the posture, every dashboard.
pub async fn warm(site: &Site) -> auditlake_store::Result<()> {
    if site.ask().status().await?.activities < FEW {
        return Ok(());
    }
    overview::warm(site).await?;
    explore::warm(site).await?;
    posture::posture(site, None).await?;
    dashboards::warm(site).await
}

pub fn render(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(html) => (status, Html(html)).into_response(),
        Err(error) => {
            tracing::error!("a page cannot be written: {error}");
            (StatusCode::INTERNAL_SERVER_ERROR, "the page cannot be written").into_response()
        }
    }
}

/// The page that says why the store gave no answer.
fn failed(site: &Site, error: &StoreError) -> Response {
    tracing::error!("a page got no answer from the store: {error}");
    let message = Message {
        frame: Frame::of(site, "No answer"),
        heading: "The store gave no answer",
        message: &error.to_string(),
        hint: Some(error.hint().unwrap_or("load the page again; if it stays so, the service's log says more")),
    };
    render(StatusCode::INTERNAL_SERVER_ERROR, &message)
}

fn missing(site: &Site, message: &str, hint: Option<&str>) -> Response {
    let frame = Frame::of(site, "Not found");
    render(StatusCode::NOT_FOUND, &Message { frame, heading: "Not found", message, hint })
}

/// For somebody who may not ask for this.
pub fn forbidden(site: &Site, message: &str) -> Response {
    let hint = Some("ask an admin of this deployment for another role: `auditlake users role NAME ROLE`");
    let frame = Frame::of(site, "Not for you");
    render(StatusCode::FORBIDDEN, &Message { frame, heading: "Not for you", message, hint })
}

/// For addresses that nobody serves.
pub async fn not_found(State(site): State<Arc<Site>>, uri: Uri) -> Response {
    if uri.path().starts_with("/assets/") {
        return plain_not_found();
    }
    missing(&site, "There is no page at this address.", None)
}

/// For programs.
pub fn plain_not_found() -> Response {
    ApiError::new(StatusCode::NOT_FOUND, "not_found", "there is nothing at this address").into_response()
}
