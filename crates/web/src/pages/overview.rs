//! `/`: what happened, in ten seconds, and up to date without reloading.
//!
//! The page is made of regions. `/overview/live` gives the same regions alone; `live.js` asks for them at each commit and
//! puts them in the place of the old ones.

mod bars;
mod load;
mod range;

use std::sync::Arc;

use askama::Template;
use axum::{
    Router,
    extract::{Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use jiff::Timestamp;
use serde::Deserialize;

use self::{
    load::View,
    range::{RANGES, Range},
};
use super::{Frame, failed, render, text};
use crate::{
    ApiError, Site,
    text::{Count as _, Moment as _},
};

#[derive(Template)]
#[template(path = "overview.html")]
struct Overview<'a> {
    frame: Frame<'a>,
    view: View,
}

#[derive(Template)]
#[template(path = "overview/live.html")]
struct Live {
    view: View,
}

#[derive(Deserialize)]
struct Question {
    range: Option<String>,
}

pub fn routes() -> Router<Arc<Site>> {
    Router::new().route("/", get(overview)).route("/overview/live", get(live))
}

async fn overview(State(site): State<Arc<Site>>, Query(question): Query<Question>) -> Response {
    match View::load(&*site.engine, question.range(), Timestamp::now()).await {
        Ok(view) => render(StatusCode::OK, &Overview { frame: Frame::of(&site, "Overview").at("/").live(), view }),
        Err(error) => failed(&site, &error),
    }
}

async fn live(State(site): State<Arc<Site>>, Query(question): Query<Question>) -> Response {
    match View::load(&*site.engine, question.range(), Timestamp::now()).await {
        Ok(view) => render(StatusCode::OK, &Live { view }),
        Err(error) => ApiError::from(error).into_response(),
    }
}

impl Question {
    fn range(&self) -> Option<Range> {
        RANGES.into_iter().find(|range| Some(range.name()) == self.range.as_deref())
    }
}
