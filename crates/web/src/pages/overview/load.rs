//! What the Overview shows, asked of the store.

use activity::catalog;
use auditlake_store::{
    Bucket, Columns, CountBy, Engine, Histogram, Result, Select, Status, Window,
    filter::{Filter, Known, Test},
};
use futures::{TryFutureExt, try_join};
use jiff::Timestamp;

use super::{
    super::line::{Line, category_title},
    chart::Chart,
    range::Range,
    text,
};
use crate::answer::collect_json;

/// So many of the newest activities are listed.
const NEWEST: u64 = 25;
/// So many bars has each list of counts.
const BARS: u64 = 9;

/// What the page shows.
pub struct View {
    pub range: Range,
    pub chosen: bool,
    pub now: Timestamp,
    pub status: Status,
    pub total: u64,
    pub failed: u64,
    pub chart: Chart,
    pub lists: Vec<BarList>,
    pub newest: Vec<Line>,
}

/// Counts by the values of a column.
pub struct BarList {
    pub id: &'static str,
    pub title: &'static str,
    pub is_code: bool,
    pub bars: Vec<Bar>,
}

/// A value, and how often it occurs.
pub struct Bar {
    pub label: String,
    pub hint: String,
    pub count: u64,
    /// Of the most frequent value's count.
    pub percent: f64,
    pub share: String,
}

impl View {
    /// Asks everything at once.
    pub async fn load(engine: &dyn Engine, chosen: Option<Range>, now: Timestamp) -> Result<View> {
        let status = engine.status().await?;
        let range = chosen.unwrap_or_else(|| Range::fitting(&status, now));
        let (since, until, width) = range.window(&status, now);
        let window = Window { since: (range != Range::All).then_some(since), until: None };
        let failures = Filter::test(Known::Outcome, Test::Equals("failure".to_owned()));
        let histogram = |filter| Histogram { filter, window, width };
        let (all, failed) = (histogram(Filter::All), histogram(failures));
        let counts = |column: &str| CountBy { column: column.to_owned(), filter: Filter::All, window, limit: BARS };
        let (categories, types, people) = (counts("category"), counts("eventName"), counts("actorEmail"));
        let (all, failed, categories, types, people, newest) = try_join!(
            engine.histogram(&all),
            engine.histogram(&failed),
            engine.count_by(&categories),
            engine.count_by(&types),
            engine.count_by(&people),
            newest(engine),
        )?;
        let (total, failures) = (sum(&all), sum(&failed));
        let lists = vec![
            BarList::new("categories", "Categories", false, categories, total),
            BarList::new("types", "Types", true, types, total),
            BarList::new("people", "Most active people", false, people, total),
        ];
        let chart = Chart::new(&all, &failed, since, until, width);
        Ok(View { range, chosen: chosen.is_some(), now, status, total, failed: failures, chart, lists, newest })
    }
}

impl View {
    /// Whether nothing that is kept is left out.
    pub fn is_all(&self) -> bool {
        self.range == Range::All || self.total == self.status.activities
    }

    pub fn failed_share(&self) -> String {
        text::share(self.failed, self.total)
    }

    /// How long the log goes back.
    pub fn kept(&self) -> String {
        let oldest = self.status.oldest.unwrap_or(self.now);
        text::span(oldest, self.status.newest.unwrap_or(oldest))
    }
}

async fn newest(engine: &dyn Engine) -> Result<Vec<Line>> {
    let select = Select { limit: Some(NEWEST), columns: Columns::Summary, ..Select::default() };
    let rows = engine.select(&select).and_then(collect_json).await?;
    rows.into_iter().map(Line::of).collect()
}

fn sum(buckets: &[Bucket]) -> u64 {
    buckets.iter().map(|bucket| bucket.count).sum()
}

impl BarList {
    fn new(id: &'static str, title: &'static str, is_code: bool, counts: Vec<(String, u64)>, total: u64) -> BarList {
        let most = counts.iter().map(|(_, count)| *count).max().unwrap_or(0).max(1);
        let counts = counts.into_iter().filter(|(value, _)| !value.is_empty());
        let bars = counts.map(|(value, count)| Bar {
            hint: hint(id, &value),
            label: if id == "categories" { category_title(&value).to_owned() } else { value },
            count,
            percent: 100.0 * count as f64 / most as f64,
            share: text::share(count, total),
        });
        BarList { id, title, is_code, bars: bars.collect() }
    }
}

/// What a value means, for somebody who has never seen it.
fn hint(list: &str, value: &str) -> String {
    let known = match list {
        "categories" => catalog::category(value).map(|info| &info.description),
        "types" => catalog::get(value).map(|info| &info.summary),
        _ => None,
    };
    known.map_or_else(|| value.to_owned(), String::clone)
}
