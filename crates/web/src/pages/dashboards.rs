//! `/dashboards` and `/dashboards/{name}`: panels that `data/dashboards.json` defines: a title, a kind, what to count by, a
//! filter. One engine asks and draws them all, and each leads into the Explorer with its filter.

pub mod asked;
pub mod panel;

use std::sync::{Arc, LazyLock};

use askama::Template;
use auditlake_store::filter::Filter;
use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use futures::future::try_join_all;
use jiff::Timestamp;
use serde::Deserialize;

use self::panel::{Answer, Drawn};
use super::{Frame, failed, missing, picker::Picker, render, text};
use crate::{
    ApiError, Site,
    scope::{Params, Scope},
    text::{Count as _, Moment as _},
};

/// A dashboard as it is defined.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dashboard {
    pub name: String,
    pub title: String,
    /// What it is for, in a sentence.
    pub about: String,
    pub panels: Vec<Definition>,
}

/// A panel as it is defined.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    pub title: String,
    pub kind: Kind,
    /// The dimension to count by, or `raw.` and a path.
    pub by: Option<String>,
    #[serde(default)]
    pub filter: String,
    /// What to know when looking at it.
    pub note: Option<String>,
    /// Whether it takes longer than others: the page of a thing shows it later.
    #[serde(default)]
    pub later: bool,
}

/// How a panel looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// How many activities.
    Number,
    /// How many values of `by`.
    Distinct,
    /// Over time, told apart by `by`.
    Time,
    /// The most frequent values of `by`.
    Top,
    /// The newest activities.
    List,
}

/// Every one.
pub static DASHBOARDS: LazyLock<Vec<Dashboard>> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "the file is compiled in, and a test reads it")]
    serde_json::from_str(include_str!("../../data/dashboards.json")).expect("data/dashboards.json")
});

#[derive(Template)]
#[template(path = "dashboards.html")]
struct Index<'a> {
    frame: Frame<'a>,
    boards: &'static [Dashboard],
}

#[derive(Template)]
#[template(path = "dashboard.html")]
struct Page<'a> {
    frame: Frame<'a>,
    board: &'static Dashboard,
    boards: &'static [Dashboard],
    params: Params,
    scope: Scope,
    picker: Picker,
    numbers: Vec<Drawn>,
    panels: Vec<Drawn>,
}

pub fn routes() -> Router<Arc<Site>> {
    Router::new()
        .route("/dashboards", get(index))
        .route("/dashboards/{name}", get(page))
        .route("/dashboards/{name}/numbers", get(numbers))
}

async fn index(State(site): State<Arc<Site>>) -> Response {
    let frame = Frame::of(&site, "Dashboards").at("/dashboards");
    render(StatusCode::OK, &Index { frame, boards: &DASHBOARDS })
}

async fn page(State(site): State<Arc<Site>>, Path(name): Path<String>, Query(params): Query<Params>) -> Response {
    let Some(board) = DASHBOARDS.iter().find(|board| board.name == name) else {
        return missing(&site, "There is no dashboard of this name.", Some("the list of dashboards has all of them"));
    };
    let path = format!("/dashboards/{}", board.name);
    let answer = async {
        let ask = site.ask().lasting();
        let scope = scope(&site, &params).await?;
        let picker = Picker::new(ask, &path, &params, &scope).await?;
        let drawn = board.panels.iter().map(|panel| Drawn::load(ask, panel, &board.panels, &scope, &Filter::All));
        let drawn: Vec<Option<Drawn>> = try_join_all(drawn).await?;
        Ok((scope, picker, drawn))
    };
    match answer.await {
        Ok((scope, picker, drawn)) => {
            let (numbers, panels) = drawn.into_iter().flatten().partition(Drawn::is_number);
            let frame = Frame::of(&site, board.title.as_str()).at("/dashboards");
            render(StatusCode::OK, &Page { frame, board, boards: &DASHBOARDS, params, scope, picker, numbers, panels })
        }
        Err(error) => failed(&site, &error),
    }
}

/// Asks what the pages ask, one panel after the other.
pub async fn warm(site: &Site) -> auditlake_store::Result<()> {
    for board in DASHBOARDS.iter() {
        let scope = scope(site, &Params::default()).await?;
        for panel in &board.panels {
            Drawn::load(site.ask().lasting(), panel, &board.panels, &scope, &Filter::All).await?;
        }
    }
    Ok(())
}

/// The stretch that the address names, or the last 30 days; what is no time counts as not given.
async fn scope(site: &Site, params: &Params) -> auditlake_store::Result<Scope> {
    let status = site.ask().status().await?;
    Scope::or_usual(params, None, &status, Timestamp::now())
}

/// The same numbers as JSON, for programs and for whoever wants to compare them with SQL.
async fn numbers(
    State(site): State<Arc<Site>>,
    Path(name): Path<String>,
    Query(params): Query<Params>,
) -> Result<Response, ApiError> {
    let Some(board) = DASHBOARDS.iter().find(|board| board.name == name) else {
        return Ok(super::plain_not_found());
    };
    let scope = scope(&site, &params).await?;
    told(&site, &board.panels, &scope, &Filter::All).await
}

/// The numbers of panels as JSON.
pub async fn told(
    site: &Site,
    panels: &'static [Definition],
    scope: &Scope,
    base: &Filter,
) -> Result<Response, ApiError> {
    let mut list = Vec::new();
    for definition in panels {
        if let Some(drawn) = Drawn::load(site.ask(), definition, panels, scope, base).await? {
            list.push(drawn.json());
        }
    }
    let (since, until, width) = (scope.window.since, scope.window.until, scope.width.as_secs());
    Ok(Json(serde_json::json!({ "since": since, "until": until, "width_seconds": width, "panels": list }))
        .into_response())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use auditlake_store::filter;

    use super::*;
    use crate::pages::dimension::Dimension;

    #[test]
    fn every_definition_can_be_asked() {
        assert_eq!(DASHBOARDS.len(), 14);
        for board in DASHBOARDS.iter() {
            for panel in &board.panels {
                let place = format!("{}: {}", board.name, panel.title);
                filter::parse(&panel.filter).unwrap_or_else(|error| panic!("{place}: {error}"));
                let needs_by = matches!(panel.kind, Kind::Distinct | Kind::Time | Kind::Top);
                assert_eq!(panel.by.is_some(), needs_by, "{place}");
                if let Some(by) = &panel.by {
                    assert!(by.starts_with("raw.") || Dimension::of(by).is_some(), "{place}: {by}");
                }
                let loads = panel.filter.contains("_viewed");
                assert!(!loads || panel.note.is_some(), "{place}: what an app loads is called so");
                for name in panel.filter.split(|sign: char| !sign.is_ascii_alphanumeric() && sign != '_' && sign != '*')
                {
                    let is_type = name.contains('_') && !name.contains('*') && panel.filter.starts_with("type:(");
                    let known = activity::catalog::get(name).is_some() || Dimension::of(name).is_some();
                    assert!(!is_type || known || name == "read_only" || name == "actor_type", "{place}: {name}");
                }
            }
        }
    }
}
