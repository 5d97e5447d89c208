//! `/person/{id}`, `/key/{id}`, `/address/{ip}`, `/organization/{id}`, `/resource/{id}`: everything about one of them. The
//! panels stand in `data/entities.json`.

use std::sync::{Arc, LazyLock};

use askama::Template;
use auditlake_store::{
    CountBy, Group, Result, StoreError, Tally, Window,
    alert::AlertLine,
    filter::{Filter, Known, Test},
};
use axum::{
    Router,
    extract::{Path, Query, State, rejection::PathRejection},
    http::StatusCode,
    response::Response,
    routing::get,
};
use futures::{future::try_join_all, try_join};
use jiff::Timestamp;
use serde::Deserialize;

use super::{
    Frame,
    dashboards::{
        Definition,
        panel::{Answer, Drawn, explore},
    },
    dimension::Dimension,
    failed, missing,
    picker::Picker,
    render, text,
};
use crate::{
    Site,
    ask::Ask,
    scope::{Params, Scope, encode},
    text::{Count as _, Moment as _},
};

/// So many addresses are looked at for whoever else was there, and so many are named.
const ADDRESSES: u64 = 12;
const NEIGHBOURS: usize = 10;
/// So many alerts are listed.
const ALERTS: usize = 20;

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
    neighbours: Vec<Neighbour>,
    alerts: Vec<AlertLine>,
}

/// Somebody else at the same addresses.
struct Neighbour {
    value: String,
    count: u64,
    page: Option<String>,
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
        router = router.route(&format!("/{}/{{id}}", entity.name), get(show));
    }
    router
}

async fn page(site: &Site, entity: &'static Entity, id: &str, params: &Params) -> Response {
    let now = Timestamp::now();
    let filter = entity.filter(id);
    let path = format!("/{}/{}", entity.name, encode(id));
    let answer = async {
        let ask = site.ask().lasting();
        let status = ask.status().await?;
        let scope = Scope::of(params, Some("all"), &status, now)
            .or_else(|_| Scope::of(&Params::default(), Some("all"), &status, now))
            .map_err(StoreError::Statement)?;
        let drawn =
            try_join_all(entity.panels.iter().map(|panel| Drawn::load(ask, panel, &entity.panels, &scope, &filter)));
        let (seen, picker, drawn, neighbours, alerts) = try_join!(
            ask.total(filter.clone(), Window::default()),
            Picker::new(ask, &path, params, &scope),
            drawn,
            neighbours(ask, entity, &filter, &scope),
            alerts(site, id),
        )?;
        Ok::<_, StoreError>((scope, seen, picker, drawn, neighbours, alerts))
    };
    match answer.await {
        Ok((_, seen, ..)) if seen.count == 0 => {
            let message = format!("No activity in this log names {}.", text::plain(id, 200));
            missing(site, &message, Some("look for a part of it in the Explorer, with * around it"))
        }
        Ok((scope, seen, picker, drawn, neighbours, alerts)) => {
            let (numbers, panels) = drawn.into_iter().flatten().filter(Drawn::is_filled).partition(Drawn::is_number);
            let frame = Frame::of(site, format!("{} · {}", text::plain(id, 60), entity.title));
            let explore = explore(&scope, &filter.to_string());
            let page =
                Page { frame, entity, id, now, seen, explore, scope, picker, numbers, panels, neighbours, alerts };
            render(StatusCode::OK, &page)
        }
        Err(error) => failed(site, &error),
    }
}

impl Entity {
    fn filter(&self, id: &str) -> Filter {
        let test = |field: &String| Some(Filter::test(Known::by_name(field)?, Test::Equals(id.to_owned())));
        Filter::or(self.fields.iter().filter_map(test))
    }
}

/// Alerts about it, and those whose title names it; the newest first.
async fn alerts(site: &Site, id: &str) -> Result<Vec<AlertLine>> {
    let Some(alerts) = &site.alerts else { return Ok(Vec::new()) };
    let mut lines = alerts.lines().await?;
    lines.retain(|line| line.entity == id || (id.len() > 5 && line.title.contains(id)));
    lines.truncate(ALERTS);
    Ok(lines)
}

/// Who else came from the addresses that were used most.
async fn neighbours(ask: Ask<'_>, entity: &Entity, filter: &Filter, scope: &Scope) -> Result<Vec<Neighbour>> {
    if !matches!(entity.name.as_str(), "person" | "key") {
        return Ok(Vec::new());
    }
    let window = scope.window;
    let by = vec!["srcIP".to_owned()];
    let groups = ask.tally(&Tally { by, width: None, filter: filter.clone(), window, limit: ADDRESSES }).await?;
    let addresses = groups.iter().filter_map(|group| group.values.first()?.clone());
    let at = |ip: String| Filter::test(Known::Ip, Test::Equals(ip));
    let here: Vec<Filter> = addresses.map(at).collect();
    if here.is_empty() {
        return Ok(Vec::new());
    }
    let others = Filter::and([Filter::or(here), Filter::negated(filter.clone())]);
    let limit = NEIGHBOURS as u64 + 1;
    let count = CountBy { column: "actorLabel".to_owned(), filter: others, window, limit };
    let counts = ask.count_by(&count).await?;
    let actor = Dimension::of("actor");
    let named = counts.iter().filter(|(value, _)| !value.is_empty()).take(NEIGHBOURS).cloned();
    let neighbour =
        |(value, count): (String, u64)| Neighbour { page: actor.and_then(|actor| actor.link(&value)), value, count };
    Ok(named.map(neighbour).collect())
}

#[cfg(test)]
mod tests {
    use auditlake_store::filter;

    use super::*;

    #[test]
    fn every_definition_can_be_asked() {
        assert_eq!(ENTITIES.len(), 5);
        for panel in ENTITIES.iter().flat_map(|entity| &entity.panels) {
            assert!(filter::parse(&panel.filter).is_ok(), "{}", panel.title);
            assert!(panel.by.as_deref().is_none_or(|by| Dimension::of(by).is_some()), "{}", panel.title);
        }
    }
}
