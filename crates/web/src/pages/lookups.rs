//! `/lookups`: who looked up what, when.

use std::{collections::BTreeMap, sync::Arc};

use askama::Template;
use auditlake_store::{
    Result, Window,
    lookup::{Lookup, LookupCount, LookupQuery, Lookups},
};
use axum::{
    Router,
    extract::{Query, State},
    http::StatusCode,
    response::Response,
    routing::get,
};
use jiff::{SignedDuration, Timestamp};

use super::{Frame, failed, missing, render, text};
use crate::{
    Site,
    scope::{Params, RANGES},
    text::{Count as _, Moment as _},
};

/// So many are listed at first, and with each "more".
const LISTED: u64 = 100;
const MOST: u64 = 2_000;
/// So many people and pages are counted.
const COUNTED: u64 = 500;

#[derive(Template)]
#[template(path = "lookups.html")]
struct Page<'a> {
    frame: Frame<'a>,
    params: Params,
    range: (&'static str, &'static str),
    lines: Vec<Lookup>,
    more: Option<String>,
    total: u64,
    people: Vec<(String, u64, Timestamp)>,
    pages: Vec<(String, u64, Timestamp)>,
}

pub fn routes() -> Router<Arc<Site>> {
    Router::new().route("/lookups", get(page))
}

async fn page(State(site): State<Arc<Site>>, Query(params): Query<Params>) -> Response {
    let Some(lookups) = site.lookups.clone() else {
        return missing(&site, "This service keeps no record of look-ups.", None);
    };
    match load(&site, &*lookups, params).await {
        Ok(page) => render(StatusCode::OK, &page),
        Err(error) => failed(&site, &error),
    }
}

async fn load<'a>(site: &'a Site, lookups: &dyn Lookups, params: Params) -> Result<Page<'a>> {
    let now = Timestamp::now();
    let asked = params.get("range").unwrap_or("7d");
    let (name, title, seconds) = RANGES.into_iter().find(|(name, ..)| *name == asked).unwrap_or(RANGES[4]);
    let since = (seconds > 0).then(|| now - SignedDuration::from_secs(seconds.cast_signed()));
    let part = |name: &str| params.get(name).map(str::to_owned);
    let limit = params.get("limit").and_then(|limit| limit.parse().ok()).unwrap_or(LISTED).clamp(1, MOST);
    let query = LookupQuery {
        who: part("who"),
        what: part("what"),
        word: part("q"),
        window: Window { since, until: None },
        limit: Some(limit + 1),
    };
    let mut lines = lookups.lookups(&query).await?;
    let more = (lines.len() as u64 > limit && limit < MOST)
        .then(|| params.with("limit", Some(&(limit + LISTED).to_string())).url("/lookups"));
    lines.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let counts = lookups.lookup_counts(&LookupQuery { limit: Some(COUNTED), ..query }).await?;
    let total = counts.iter().map(|count| count.count).sum();
    let people = summed(&counts, |count| &count.who);
    let pages = summed(&counts, |count| &count.what);
    let frame = Frame::of(site, "Look-ups").at("/lookups");
    Ok(Page { frame, params, range: (name, title), lines, more, total, people, pages })
}

/// Counts by one of their parts, the most first.
fn summed(counts: &[LookupCount], part: impl Fn(&LookupCount) -> &String) -> Vec<(String, u64, Timestamp)> {
    let mut sums: BTreeMap<&String, (u64, Timestamp)> = BTreeMap::new();
    for count in counts {
        let sum = sums.entry(part(count)).or_insert((0, count.last));
        *sum = (sum.0 + count.count, sum.1.max(count.last));
    }
    let mut list: Vec<_> = sums.into_iter().map(|(name, (count, last))| (name.clone(), count, last)).collect();
    list.sort_by_key(|(_, count, _)| std::cmp::Reverse(*count));
    list
}

impl Page<'_> {
    fn has(&self, name: &str, value: &str) -> bool {
        self.params.get(name) == Some(value)
    }

    fn url(&self, name: &str, value: &str) -> String {
        let value = (!self.has(name, value)).then_some(value);
        self.params.with("limit", None).with(name, value).url("/lookups")
    }

    fn percent(&self, count: &u64, list: &[(String, u64, Timestamp)]) -> u64 {
        100 * count / list.first().map_or(1, |(_, most, _)| *most).max(1)
    }
}
