//! `/explore`: the log, by filter and time. What is asked stands in the address: `q` the filter, `range` or `since` and
//! `until`, `org`, `cols` the table's columns, `open` the activity beside the table.
//!
//! `/explore/facets` and `/explore/live` give parts of the page alone, `/explore/complete` the filter's completions,
//! `/explore/export.csv` and `.jsonl` what is found, to be saved.

pub mod complete;
mod export;
mod facets;
mod table;

use std::sync::Arc;

use askama::Template;
use auditlake_store::{
    Bucket, Columns, Group, Result, Select, Status, StoreError, Tally, Window,
    filter::{self, Filter, FilterError},
};
use axum::{
    Router,
    extract::{Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use jiff::Timestamp;

use self::table::Table;
use super::{
    Frame,
    activity::{Beside, Panel},
    chart::Chart,
    failed,
    picker::Picker,
    render, text,
};
use crate::{
    ApiError, Site,
    ask::Ask,
    scope::{Params, Scope},
    text::Count as _,
};

/// The table shows so many activities, and as many more each time more are asked for.
const ROWS: u64 = 100;
/// Nobody reads more.
const MOST_ROWS: u64 = 2_000;
/// A chart has fewer bars than this, of four outcomes each.
const MOST_GROUPS: u64 = 20_000;

#[derive(Template)]
#[template(path = "explore.html")]
struct Page<'a> {
    frame: Frame<'a>,
    view: View,
    beside: Option<Beside>,
}

#[derive(Template)]
#[template(path = "explore/live.html")]
struct Live {
    view: View,
}

/// What the page shows beside an open activity.
struct View {
    asked: Asked,
    /// Whether it may be saved.
    may_export: bool,
    picker: Picker,
    found: Option<Found>,
}

struct Found {
    seq: u64,
    total: u64,
    failed: u64,
    chart: Chart,
    table: Table,
    limit: u64,
}

/// A question as the address says it.
struct Asked {
    params: Params,
    /// The filter as it was written.
    text: String,
    filter: Filter,
    scope: Scope,
    wrong: Option<Wrong>,
    status: Arc<Status>,
}

/// What is wrong with a question, and where.
struct Wrong {
    before: String,
    spot: String,
    after: String,
    message: String,
    hint: String,
}

/// Asks what the page asks.
pub async fn warm(site: &Site) -> Result<()> {
    View::load(site, Params::default()).await?;
    facets::warm(site).await
}

pub fn routes() -> Router<Arc<Site>> {
    Router::new()
        .route("/explore", get(page))
        .route("/explore/live", get(live))
        .route("/explore/facets", get(facets::facets))
        .route("/explore/complete", get(complete::complete))
        .route("/explore/export.csv", get(export::csv))
        .route("/explore/export.jsonl", get(export::json_lines))
}

async fn page(State(site): State<Arc<Site>>, Query(params): Query<Params>) -> Response {
    let opened = params.get("open").map(str::to_owned);
    let answer = async {
        let view = View::load(&site, params).await?;
        let panel = match opened {
            Some(id) => Panel::load(&site, &id).await?,
            None => None,
        };
        Ok((view, panel))
    };
    match answer.await {
        Ok((view, panel)) => {
            let status = if view.asked.wrong.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
            let frame = Frame { is_live: view.found.is_some(), ..Frame::of(&site, "Explorer").at("/explore") };
            render(status, &Page { frame, view, beside: panel.map(|panel| Beside { panel }) })
        }
        Err(error) => failed(&site, &error),
    }
}

async fn live(State(site): State<Arc<Site>>, Query(params): Query<Params>) -> Response {
    match View::load(&site, params).await {
        Ok(view) => render(StatusCode::OK, &Live { view }),
        Err(error) => ApiError::from(error).into_response(),
    }
}

impl Asked {
    async fn of(ask: Ask<'_>, params: Params) -> Result<Asked> {
        let (status, now) = (ask.status().await?, Timestamp::now());
        let text = params.get("q").unwrap_or_default().to_owned();
        let fallback = || Scope::of(&Params::default(), None, &status, now);
        let mut wrong = None;
        let scope = match Scope::of(&params, None, &status, now) {
            Ok(scope) => scope,
            Err(message) => {
                wrong = Some(Wrong::of_time(message));
                fallback().map_err(StoreError::Statement)?
            }
        };
        let filter = match filter::parse_at(&text, now) {
            Ok(filter) => filter,
            Err(error) => {
                wrong = Some(Wrong::of_filter(&text, error));
                Filter::All
            }
        };
        let filter = Filter::and([scope.filter(), filter]);
        Ok(Asked { params, text, filter, scope, wrong, status })
    }

    /// The address of this page with another filter added to what is asked.
    fn narrowed(&self, more: &Filter, negate: bool) -> String {
        let more = if negate { Filter::negated(more.clone()) } else { more.clone() };
        let written = filter::parse(&self.text).unwrap_or(Filter::All);
        let text = Filter::and([written, more]).to_string();
        self.params.with("q", Some(&text)).with("open", None).with("rows", None).url("/explore")
    }

    fn url(&self, path: &str) -> String {
        self.params.with("open", None).url(path)
    }

    /// The address of the page with an activity open.
    fn opened(&self, id: &str) -> String {
        self.params.with("open", Some(id)).url("/explore")
    }

    fn limit(&self) -> u64 {
        self.params.get("rows").and_then(|rows| rows.parse().ok()).unwrap_or(ROWS).clamp(1, MOST_ROWS)
    }
}

impl Wrong {
    fn of_time(message: String) -> Wrong {
        let hint = "write RFC 3339 such as 2026-01-31T12:00:00Z, a date, or an age such as 7d".to_owned();
        Wrong { before: String::new(), spot: String::new(), after: String::new(), message, hint }
    }

    fn of_filter(text: &str, error: FilterError) -> Wrong {
        let end = (error.at + error.length).min(text.len());
        let part = |range: std::ops::Range<usize>| text.get(range).unwrap_or_default().to_owned();
        Wrong {
            before: part(0..error.at.min(text.len())),
            spot: part(error.at.min(text.len())..end),
            after: part(end..text.len()),
            message: error.message,
            hint: error.hint,
        }
    }
}

impl View {
    async fn load(site: &Site, params: Params) -> Result<View> {
        let (ask, may_export) = (site.ask(), site.may("/explore/export.csv"));
        let asked = Asked::of(ask, params).await?;
        let picker = Picker::new(ask, "/explore", &asked.params, &asked.scope).await?;
        let found = if asked.wrong.is_none() { Some(Found::load(ask, &asked).await?) } else { None };
        Ok(View { asked, may_export, picker, found })
    }
}

impl Found {
    async fn load(ask: Ask<'_>, asked: &Asked) -> Result<Found> {
        let Scope { window, width, since, until, .. } = asked.scope;
        // One pass counts everything; then the table's rows are looked for only among the newest bars that hold enough.
        let (by, limit) = (vec!["outcome".to_owned()], MOST_GROUPS);
        let tally = Tally { by, width: Some(width), filter: asked.filter.clone(), window, limit };
        let groups = ask.tally(&tally).await?;
        let (all, failed) = buckets(&groups);
        let limit = asked.limit();
        let columns = Columns::Summary;
        let window = Window { since: beginning(&all, limit).max(window.since), ..window };
        let select = Select { filter: asked.filter.clone(), window, limit: Some(limit), columns, ..Select::default() };
        let rows = ask.rows(&select).await?;
        let sum = |buckets: &[Bucket]| buckets.iter().map(|bucket| bucket.count).sum();
        Ok(Found {
            seq: asked.status.seq,
            total: sum(&all),
            failed: sum(&failed),
            chart: Chart::new(&all, &failed, since, until, width),
            table: Table::new(asked, &rows),
            limit,
        })
    }

    /// Whether there are more than the table shows.
    fn has_more(&self) -> bool {
        self.total > self.limit && self.limit < MOST_ROWS
    }

    fn more_url(&self, asked: &Asked) -> String {
        asked.params.with("rows", Some(&(self.limit + 4 * ROWS).to_string())).with("open", None).url("/explore")
    }
}

/// The bars of all, and of those that failed.
fn buckets(groups: &[Group]) -> (Vec<Bucket>, Vec<Bucket>) {
    let (mut all, mut failed): (Vec<Bucket>, Vec<Bucket>) = (Vec::new(), Vec::new());
    for group in groups {
        let bucket = Bucket { start: group.start.unwrap_or_default(), count: group.count };
        match all.last_mut().filter(|last| last.start == bucket.start) {
            Some(last) => last.count += bucket.count,
            None => all.push(bucket),
        }
        if group.values.first().and_then(Option::as_deref) == Some("failure") {
            failed.push(bucket);
        }
    }
    (all, failed)
}

/// Where the newest `limit` begin at the earliest, if there are more.
fn beginning(all: &[Bucket], limit: u64) -> Option<Timestamp> {
    let mut count = 0;
    let enough = all.iter().rev().find(|bucket| {
        count += bucket.count;
        count >= limit
    });
    enough.map(|bucket| bucket.start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_lie_in_the_last_bars() {
        let group = |second, outcome: &str, count| {
            let start = Timestamp::from_second(second).ok();
            Group { start, values: vec![Some(outcome.to_owned())], count, ..Group::default() }
        };
        let groups =
            [group(0, "success", 50), group(60, "success", 7), group(60, "failure", 3), group(120, "unknown", 1)];
        let (all, failed) = buckets(&groups);
        assert_eq!(all.iter().map(|bucket| bucket.count).collect::<Vec<_>>(), [50, 10, 1]);
        assert_eq!(failed.iter().map(|bucket| bucket.count).collect::<Vec<_>>(), [3]);
        let second = |limit| beginning(&all, limit).map(|start| start.as_second());
        assert_eq!([1, 2, 11, 12, 61, 62].map(second), [Some(120), Some(60), Some(60), Some(0), Some(0), None]);
    }
}
