//! `/person/{id}`, `/key/{id}`, `/address/{ip}`, `/organization/{id}`, `/resource/{id}`: everything about one of them. The
//! panels stand in `data/entities.json`; `…/numbers` gives their numbers as JSON. Two parts of the page take longer than all others and
//! are asked for by the page: `…/things` with the panels that count things and whatever else takes long, `…/neighbours` with who or what is met together with it.

mod alerts;
mod neighbours;

use std::sync::{Arc, LazyLock};

use askama::Template;
use auditlake_store::{
    Group, StoreError, Window,
    alert::AlertLine,
    filter::{Filter, Known, Test},
};
use axum::{
    Router,
    extract::{Path, Query, State, rejection::PathRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use futures::{future::try_join_all, try_join};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use self::{alerts::LISTED, neighbours::Neighbours};
use super::{
    Frame,
    dashboards::{
        self, Definition,
        asked::explore,
        panel::{Answer, Drawn},
    },
    failed, missing,
    picker::Picker,
    render, text,
};
use crate::{
    ApiError, Site,
    scope::{Params, Scope, encode},
    text::{Count as _, Moment as _},
};

/// So many alerts are shown, the others behind a click.
const SHOWN: usize = 5;
/// Whoever has more activities than this is shown with those of the last 30 days, unless somebody asks for others.
const BUSY: u64 = 20_000;
const BUSY_RANGE: &str = "30d";
/// But not if there are none of late.
const OF_LATE: SignedDuration = SignedDuration::from_hours(24 * 7);

/// A kind of thing that has pages.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entity {
    name: String,
    title: String,
    /// The fields of the filter in which its id may stand.
    fields: Vec<String>,
    panels: Vec<Definition>,
}

static ENTITIES: LazyLock<Vec<Entity>> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "the file is compiled in, and a test reads it")]
    serde_json::from_str(include_str!("../../data/entities.json")).expect("data/entities.json")
});

#[derive(Template)]
#[template(path = "entity.html")]
struct Page<'a> {
    frame: Frame<'a>,
    entity: &'static Entity,
    id: &'a str,
    now: Timestamp,
    seen: Group,
    explore: String,
    scope: Scope,
    picker: Picker,
    numbers: Vec<Drawn>,
    panels: Vec<Drawn>,
    /// Where the panels that come later are told, if its kind has any.
    things: Option<String>,
    lists: Vec<Drawn>,
    /// Where its neighbours are told, if its kind has any.
    neighbours: Option<String>,
    alerts: Vec<AlertLine>,
}

/// The panels that come later.
#[derive(Template)]
#[template(path = "entity/things.html")]
struct Things {
    scope: Scope,
    panels: Vec<Drawn>,
}

pub fn routes() -> Router<Arc<Site>> {
    let mut router = Router::new();
    for entity in ENTITIES.iter() {
        let show = move |State(site): State<Arc<Site>>,
                         id: std::result::Result<Path<String>, PathRejection>,
                         query: Query<Params>| async move {
            match id {
                Ok(Path(id)) => page(&site, entity, &id, &query.0).await,
                Err(_) => missing(&site, "This is no address of a page.", None),
            }
        };
        let tell = async move |State(site): State<Arc<Site>>, Path(id): Path<String>, Query(params): Query<Params>| {
            let params = entity.params(&site, &id, &params).await?;
            let status = site.ask().status().await?;
            let scope = Scope::or_usual(&params, Some("all"), &status, Timestamp::now())?;
            dashboards::told(&site, &entity.panels, &scope, &entity.filter(&id)).await
        };
        let touch = async move |State(site): State<Arc<Site>>, Path(id): Path<String>, Query(params): Query<Params>| {
            touched(&site, entity, &id, &params).await
        };
        let meet = async move |State(site): State<Arc<Site>>, Path(id): Path<String>, Query(params): Query<Params>| {
            met(&site, entity, &id, &params).await
        };
        router = router
            .route(&format!("/{}/{{id}}", entity.name), get(show))
            .route(&format!("/{}/{{id}}/things", entity.name), get(touch))
            .route(&format!("/{}/{{id}}/neighbours", entity.name), get(meet))
            .route(&format!("/{}/{{id}}/numbers", entity.name), get(tell));
    }
    router
}

async fn page(site: &Site, entity: &'static Entity, id: &str, params: &Params) -> Response {
    let now = Timestamp::now();
    let filter = entity.filter(id);
    let path = format!("/{}/{}", entity.name, encode(id));
    let answer = async {
        let ask = site.ask().lasting();
        let params = &entity.params(site, id, params).await?;
        let status = ask.status().await?;
        let scope = Scope::or_usual(params, Some("all"), &status, now)?;
        let panels = entity.panels.iter().filter(|panel| !panel.later);
        let drawn = try_join_all(panels.map(|panel| Drawn::load(ask, panel, &entity.panels, &scope, &filter)));
        let (seen, picker, drawn, alerts) = try_join!(
            ask.total(filter.clone(), Window::default()),
            Picker::new(ask, &path, params, &scope),
            drawn,
            alerts::about(site, id, entity.name == "organization"),
        )?;
        Ok::<_, StoreError>((params.clone(), scope, seen, picker, drawn, alerts))
    };
    match answer.await {
        Ok((_, _, seen, ..)) if seen.count == 0 => {
            let message = format!("No activity in this log names {}.", text::plain(id, 200));
            missing(site, &message, Some("look for a part of it in the Explorer, with * around it"))
        }
        Ok((params, scope, seen, picker, drawn, alerts)) => {
            let drawn = drawn.into_iter().flatten().map(|drawn| drawn.without(id)).filter(Drawn::is_filled);
            let (numbers, panels): (Vec<_>, Vec<_>) = drawn.partition(Drawn::is_number);
            let (lists, panels) = panels.into_iter().partition(Drawn::is_list);
            let frame = Frame::of(site, format!("{} · {}", text::plain(id, 60), entity.title));
            let explore = explore(&scope, &filter.to_string());
            // To find them takes longer than all of the page.
            let neighbours = Neighbours::are_of(entity).then(|| params.url(&format!("{path}/neighbours")));
            let things = entity.panels.iter().any(|panel| panel.later).then(|| params.url(&format!("{path}/things")));
            let page = Page {
                frame,
                entity,
                id,
                now,
                seen,
                explore,
                scope,
                picker,
                numbers,
                panels,
                things,
                lists,
                neighbours,
                alerts,
            };
            render(StatusCode::OK, &page)
        }
        Err(error) => failed(site, &error),
    }
}

/// The part of the page that counts things.
async fn touched(site: &Site, entity: &'static Entity, id: &str, params: &Params) -> Response {
    let answer = async {
        let ask = site.ask().lasting();
        let status = ask.status().await?;
        let scope = Scope::or_usual(params, Some("all"), &status, Timestamp::now())?;
        let (panels, filter) = (entity.panels.iter().filter(|panel| panel.later), entity.filter(id));
        let drawn = try_join_all(panels.map(|panel| Drawn::load(ask, panel, &entity.panels, &scope, &filter))).await?;
        let drawn = drawn.into_iter().flatten().map(|drawn| drawn.without(id)).filter(Drawn::is_filled);
        let panels = drawn.collect();
        Ok::<_, StoreError>(Things { scope, panels })
    };
    match answer.await {
        Ok(things) => render(StatusCode::OK, &things),
        Err(error) => ApiError::from(error).into_response(),
    }
}

/// The part of the page that names neighbours.
async fn met(site: &Site, entity: &'static Entity, id: &str, params: &Params) -> Response {
    let answer = async {
        let ask = site.ask().lasting();
        let status = ask.status().await?;
        let scope = Scope::or_usual(params, Some("all"), &status, Timestamp::now())?;
        Neighbours::load(ask, entity, id, &entity.filter(id), &scope).await
    };
    match answer.await {
        Ok(neighbours) => render(StatusCode::OK, &neighbours),
        Err(error) => ApiError::from(error).into_response(),
    }
}

impl Entity {
    /// The parameters, with the usual stretch of time of whoever is busy where they name none.
    async fn params(&self, site: &Site, id: &str, params: &Params) -> auditlake_store::Result<Params> {
        if ["range", "since", "until"].iter().any(|name| params.get(name).is_some()) {
            return Ok(params.clone());
        }
        let seen = site.ask().lasting().total(self.filter(id), Window::default()).await?;
        let is_of_late = seen.last.is_some_and(|last| Timestamp::now().duration_since(last) < OF_LATE);
        Ok(match seen.count > BUSY && is_of_late {
            true => params.with("range", Some(BUSY_RANGE)),
            false => params.clone(),
        })
    }

    fn filter(&self, id: &str) -> Filter {
        let test = |field: &String| Some(Filter::test(Known::by_name(field)?, Test::Equals(id.to_owned())));
        Filter::or(self.fields.iter().filter_map(test))
    }
}

#[cfg(test)]
mod tests {
    use auditlake_store::filter;

    use super::{super::dimension::Dimension, *};

    #[test]
    fn every_definition_can_be_asked() {
        assert_eq!(ENTITIES.len(), 5);
        for panel in ENTITIES.iter().flat_map(|entity| &entity.panels) {
            assert!(filter::parse(&panel.filter).is_ok(), "{}", panel.title);
            assert!(panel.by.as_deref().is_none_or(|by| Dimension::of(by).is_some()), "{}", panel.title);
        }
    }
}
