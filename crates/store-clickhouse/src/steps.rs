//! Pages in steps: what a page shows lies close to one end of its window, more often than not.
//!
//! The server reads all parts of a table side by side when their rows are wanted in order, so that the first hundred rows of a year
//! cost a piece of each part of that year, with a filter many. A page is asked for in a stretch at its end of the window
//! first, then in a longer one, then in all of the window. How long a stretch is follows from how many rows there are.

use std::{
    sync::PoisonError,
    time::{Duration, Instant},
};

use auditlake_store::{Order, Result, Select, Seqs, Window};
use jiff::Timestamp;

use crate::{Inner, filter};

/// So many rows for each one that is wanted.
const STEPS: [u64; 2] = [400, 8_000];
/// A step that is not so many times shorter than the window is not worth it.
const WORTH: u64 = 8;
/// Longer answers are no pages.
const MAX_PAGE: u64 = 2_000;
/// What is known of the table is asked for anew after so long.
const FRESH: Duration = Duration::from_secs(60);

/// What the table holds, roughly.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extent {
    rows: u64,
    /// In microseconds.
    oldest: i64,
    /// In microseconds.
    newest: i64,
}

impl Inner {
    /// The stretches that a page is looked for in before its whole window, shortest first.
    pub(crate) async fn steps(&self, select: &Select) -> Result<Vec<Window>> {
        let Some(limit) = select.limit.filter(|limit| (1..=MAX_PAGE).contains(limit)) else { return Ok(Vec::new()) };
        if select.order == Order::Arrival || select.seqs != Seqs::default() || filter::names_one(&select.filter) {
            return Ok(Vec::new());
        }
        let extent = self.extent().await?;
        Ok(extent.map(|extent| steps(&extent, select, limit)).unwrap_or_default())
    }

    async fn extent(&self) -> Result<Option<Extent>> {
        let known = *self.extent.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, extent)) = known
            && at.elapsed() < FRESH
        {
            return Ok(extent);
        }
        // The server knows this of each part, and reads no row. Whether all of them are seen does not matter.
        let text = "SELECT count(), toUnixTimestamp64Micro(min(event_time)), toUnixTimestamp64Micro(max(event_time)) FROM activity";
        let table = self.server.rows("reading how much there is", text).await?;
        let extent = table.first().and_then(|row| {
            let (oldest, newest) = (row.time(1)?.as_microsecond(), row.time(2)?.as_microsecond());
            row.number(0).filter(|rows| *rows > 0).map(|rows| Extent { rows, oldest, newest })
        });
        *self.extent.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), extent));
        Ok(extent)
    }
}

fn steps(extent: &Extent, select: &Select, limit: u64) -> Vec<Window> {
    let Window { since, until } = select.window;
    let begin = since.map_or(extent.oldest, |since| since.as_microsecond().max(extent.oldest));
    let end = until.map_or(extent.newest.saturating_add(1), |until| until.as_microsecond().min(extent.newest));
    let (all, window) = (extent.newest.saturating_sub(extent.oldest).max(1), end.saturating_sub(begin));
    let mut steps = Vec::new();
    for factor in STEPS {
        let rows = u128::from(limit) * u128::from(factor);
        // All of them lie as close to each other as the average.
        let micros = i64::try_from(u128::from(all.unsigned_abs()) * rows / u128::from(extent.rows)).unwrap_or(i64::MAX);
        if micros.saturating_mul(WORTH as i64) > window {
            break;
        }
        let edge = |micros: i64| Timestamp::from_microsecond(micros).ok();
        steps.push(match select.order {
            Order::Oldest => Window { since, until: edge(begin.saturating_add(micros)).or(until) },
            _ => Window { since: edge(end.saturating_sub(micros)).or(since), until },
        });
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stretches(extent: &Extent, select: &Select) -> Vec<(Option<i64>, Option<i64>)> {
        let second = |time: Option<Timestamp>| time.map(|time| time.as_second());
        let limit = select.limit.unwrap();
        steps(extent, select, limit).into_iter().map(|step| (second(step.since), second(step.until))).collect()
    }

    #[test]
    fn begins_at_the_end_that_is_shown() {
        // A row a second.
        let extent = Extent { rows: 10_000_000, oldest: 0, newest: 10_000_000_000_000 };
        let mut select = Select { limit: Some(100), ..Select::default() };
        assert_eq!(stretches(&extent, &select), [(Some(9_960_000), None), (Some(9_200_000), None)]);
        select.order = Order::Oldest;
        assert_eq!(stretches(&extent, &select), [(None, Some(40_000)), (None, Some(800_000))]);
        select.window.since = Timestamp::from_second(9_000_000).ok();
        assert_eq!(stretches(&extent, &select), [(Some(9_000_000), Some(9_040_000))], "a longer step is not worth it");
        select.order = Order::Newest;
        select.window = Window { since: None, until: Timestamp::from_second(5_000_000).ok() };
        assert_eq!(stretches(&extent, &select)[0], (Some(4_960_000), Some(5_000_000)));
        // Behind all rows, and before them: there is nothing to save.
        select.window = Window { since: Timestamp::from_second(11_000_000).ok(), until: None };
        assert_eq!(stretches(&extent, &select), []);
        select.window = Window { since: None, until: Timestamp::from_second(-5).ok() };
        assert_eq!(stretches(&extent, &select), []);
    }

    #[test]
    fn takes_any_extent() {
        let select = Select { limit: Some(100), ..Select::default() };
        for (rows, oldest, newest) in [(1, 0, 0), (u64::MAX, i64::MIN, i64::MAX), (20_000, 5, 6)] {
            let _ = steps(&Extent { rows, oldest, newest }, &select, 100);
        }
        assert_eq!(stretches(&Extent { rows: 50_000, oldest: 0, newest: 1_000_000_000 }, &select), []);
    }
}
