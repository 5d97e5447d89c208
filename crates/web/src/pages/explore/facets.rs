//! `/explore/facets`: what was found, counted by one thing after the other. A click keeps only one value, with Alt it
//! leaves that value out.

use std::sync::Arc;

use askama::Template;
use auditlake_store::{Facets, Result, StoreError, Window, filter::Filter};
use axum::{
    extract::{Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use jiff::Timestamp;

use super::{
    super::{
        dimension::{DIMENSIONS, Dimension, FACETS, LONGEST},
        render, text,
    },
    Asked,
};
use crate::{ApiError, Site, ask::Ask, scope::Params, text::Count as _};

/// So many values of each.
const VALUES: u64 = 8;

#[derive(Template)]
#[template(path = "explore/facets.html")]
struct Page {
    facets: Vec<Facet>,
}

struct Facet {
    dimension: &'static Dimension,
    values: Vec<Value>,
}

struct Value {
    text: String,
    hint: String,
    count: u64,
    percent: f64,
    only: String,
    without: String,
    is_asked: bool,
}

pub async fn facets(State(site): State<Arc<Site>>, Query(params): Query<Params>) -> Response {
    match load(site.ask().lasting(), params).await {
        Ok(facets) => render(StatusCode::OK, &Page { facets }),
        Err(error) => ApiError::from(error).into_response(),
    }
}

/// Asks what the page asks.
pub async fn warm(site: &Site) -> Result<()> {
    load(site.ask().lasting(), Params::default()).await.map(drop)
}

async fn load(ask: Ask<'_>, params: Params) -> Result<Vec<Facet>> {
    let asked = Asked::of(ask, params).await?;
    if asked.wrong.is_some() {
        return Ok(Vec::new());
    }
    let dimensions = available(ask, &DIMENSIONS[..FACETS]).await?;
    let columns = dimensions.iter().map(|dimension| dimension.column.to_owned()).collect();
    let facets = Facets { columns, filter: asked.filter.clone(), window: asked.scope.window, limit: VALUES };
    let lists = ask.facets(&facets).await?;
    let facet = |(dimension, list): (&'static Dimension, &Vec<(String, u64)>)| {
        let most = list.iter().map(|(_, count)| *count).max().unwrap_or(1).max(1);
        let value = |(value, count): &(String, u64)| Value::new(&asked, dimension, value, *count, most);
        let values = list.iter().filter(|(value, _)| !value.is_empty()).map(value).collect();
        Facet { dimension, values }
    };
    let facets = dimensions.into_iter().zip(lists.iter()).map(facet);
    Ok(facets.filter(|facet| !facet.values.is_empty()).collect())
}

/// Those that the store can count by.
pub async fn available(ask: Ask<'_>, list: &'static [Dimension]) -> Result<Vec<&'static Dimension>> {
    let mut found = Vec::new();
    for dimension in list {
        // The first moment of 1970: nothing is read, only the column's name is looked at.
        let window = Window { since: Some(Timestamp::UNIX_EPOCH), until: Some(Timestamp::UNIX_EPOCH) };
        let columns = vec![dimension.column.to_owned()];
        match ask.facets(&Facets { columns, filter: Filter::All, window, limit: 1 }).await {
            Ok(_) => found.push(dimension),
            Err(StoreError::Statement(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

impl Value {
    fn new(asked: &Asked, dimension: &Dimension, value: &str, count: u64, most: u64) -> Value {
        // A value that fits no address narrows nothing down.
        let filter = if value.len() > LONGEST { Filter::All } else { dimension.filter(value) };
        Value {
            text: dimension.label(value).to_owned(),
            hint: dimension.hint(value),
            count,
            percent: 100.0 * count as f64 / most as f64,
            only: asked.narrowed(&filter, false),
            without: if filter == Filter::All { asked.url("/explore") } else { asked.narrowed(&filter, true) },
            is_asked: filter != Filter::All && asked.text.contains(&filter.to_string()),
        }
    }
}
