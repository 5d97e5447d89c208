//! What the Overview shows, asked of the store.

use auditlake_store::{
    Bucket, Columns, Engine, Histogram, Result, Select, Status, Window,
    filter::{Filter, Known, Test},
};
use futures::{TryFutureExt, try_join};
use jiff::Timestamp;

use super::{
    super::{chart::Chart, line::Line},
    bars::{BarList, Subject},
    range::Range,
    text,
};
use crate::answer::collect_json;

/// So many of the newest activities are listed.
const NEWEST: u64 = 25;

/// What the page shows.
pub struct View {
    pub range: Range,
    /// Whether somebody chose the range.
    pub chosen: bool,
    pub now: Timestamp,
    pub status: Status,
    pub total: u64,
    pub failed: u64,
    pub chart: Chart,
    pub outcomes: BarList,
    pub lists: [BarList; 3],
    pub newest: Vec<Line>,
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
        let bars = |subject| BarList::load(engine, subject, window);
        let (all, failed, outcomes, categories, types, people, newest) = try_join!(
            engine.histogram(&all),
            engine.histogram(&failed),
            bars(Subject::Outcomes),
            bars(Subject::Categories),
            bars(Subject::Types),
            bars(Subject::People),
            newest(engine),
        )?;
        Ok(View {
            range,
            chosen: chosen.is_some(),
            now,
            status,
            total: sum(&all),
            failed: sum(&failed),
            chart: Chart::new(&all, &failed, since, until, width),
            outcomes,
            lists: [categories, types, people],
            newest,
        })
    }

    /// Whether nothing that is kept is left out.
    pub fn is_all(&self) -> bool {
        self.range == Range::All || self.total == self.status.activities
    }

    /// How much of everything failed.
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
