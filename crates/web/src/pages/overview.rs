//! `/`: what happened, what needs attention, and whether the log is whole; in ten seconds, and up to date without reloading.
//!
//! The page is made of regions. `/overview/live` gives the same regions alone; `live.js` asks for them at each commit and
//! puts them in the place of the old ones. Numbers, chart and lists are panels as on dashboards: `data/overview.json`.

mod attention;
mod load;
mod places;

use std::sync::{Arc, LazyLock};

use askama::Template;
use auditlake_store::filter::Filter;
use axum::{
    Router,
    extract::{Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use jiff::Timestamp;

use self::load::View;
use super::{
    Frame,
    dashboards::{self, Definition, panel::Answer},
    failed, render, text,
};
use crate::{
    ApiError, Site,
    assets::ASSETS,
    scope::{Params, Scope},
    text::{Count as _, Moment as _},
};

static PANELS: LazyLock<Vec<Definition>> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "the file is compiled in, and a test reads it")]
    serde_json::from_str(include_str!("../../data/overview.json")).expect("data/overview.json")
});

#[derive(Template)]
#[template(path = "overview.html")]
struct Overview<'a> {
    frame: Frame<'a>,
    live: String,
    view: View,
}

#[derive(Template)]
#[template(path = "overview/live.html")]
struct Live {
    view: View,
}

/// Asks what the page asks.
pub async fn warm(site: &Site) -> auditlake_store::Result<()> {
    View::load(site, &Params::default()).await.map(drop)
}

pub fn routes() -> Router<Arc<Site>> {
    Router::new().route("/", get(overview)).route("/overview/live", get(live)).route("/overview/numbers", get(numbers))
}

async fn overview(State(site): State<Arc<Site>>, Query(params): Query<Params>) -> Response {
    match View::load(&site, &params).await {
        Ok(view) => {
            let live = params.url("/overview/live");
            render(StatusCode::OK, &Overview { frame: Frame::of(&site, "Overview").at("/").live(), live, view })
        }
        Err(error) => failed(&site, &error),
    }
}

async fn live(State(site): State<Arc<Site>>, Query(params): Query<Params>) -> Response {
    match View::load(&site, &params).await {
        Ok(view) => render(StatusCode::OK, &Live { view }),
        Err(error) => ApiError::from(error).into_response(),
    }
}

/// The panels' numbers as JSON, as `/dashboards/{name}/numbers` gives them.
async fn numbers(State(site): State<Arc<Site>>, Query(params): Query<Params>) -> Result<Response, ApiError> {
    let status = site.ask().status().await?;
    let scope = Scope::or_usual(&params, None, &status, Timestamp::now())?;
    dashboards::told(&site, &PANELS, &scope, &Filter::All).await
}

#[cfg(test)]
mod tests {
    use auditlake_store::filter;

    use super::{super::dimension::Dimension, *};

    #[test]
    fn every_panel_can_be_asked() {
        for panel in PANELS.iter() {
            assert!(filter::parse(&panel.filter).is_ok(), "{}", panel.title);
            assert!(panel.by.as_deref().is_none_or(|by| Dimension::of(by).is_some()), "{}", panel.title);
        }
    }
}
