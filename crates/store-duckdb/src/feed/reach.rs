//! How far a page reaches: the time of the last row that it can hold, found in narrow columns only.
//!
//! The engine passes over whole row groups outside a stretch of time, and reads an activity's time at a billion rows a
//! second. So the rows of a page are counted off in stretches, beginning where the page begins: as wide as the average
//! density suggests, then wider and wider until there are enough. Compressed texts are read after that, of the page's
//! own rows and no other.

use std::sync::PoisonError;

use arrow::{array::AsArray, datatypes::Int64Type};
use duckdb::{Connection, params_from_iter};

use super::Reading;
use crate::Inner;

/// The stretch of time that a page of `wanted` rows lies in, both ends included, in microseconds.
#[derive(Clone, Copy)]
pub(super) struct Reach {
    pub(super) oldest: i64,
    pub(super) newest: i64,
    /// Whether no more rows lie in it than may be read at once: some more than the page's if many share the last time.
    pub(super) is_narrow: bool,
}

/// A stretch is made this much wider than the rows found so far suggest.
const SLACK: f64 = 1.5;
/// The next stretch is at least and at most so many times as wide as the last one.
const GROWTH: (f64, f64) = (2.0, 8.0);
/// So many times are read as they lie. Of more, the engine picks the first.
const MANY: usize = 200_000;
/// So many rows beside the page's are read and dropped rather than left to the engine to sort.
const SPARE: u64 = 1_000;

/// The reach of a page; `None` if nothing can lie there.
pub(super) fn find(connection: &Connection, inner: &Inner, reading: &Reading) -> duckdb::Result<Option<Reach>> {
    let extent = extent(connection, inner)?;
    let (oldest, newest) = (extent.oldest.max(reading.oldest), extent.newest.min(reading.newest));
    if extent.rows == 0 || oldest > newest {
        return Ok(None);
    }
    let whole = Reach { oldest, newest, is_narrow: true };
    let span = newest - oldest;
    let microseconds_a_row = (extent.newest - extent.oldest) as f64 / extent.rows as f64;
    let mut width = (reading.wanted as f64 * SLACK * microseconds_a_row).max(1_000.0);
    let mut left = reading.wanted;
    // The stretches lie side by side: what lies `done` or nearer to the page's beginning is counted.
    let mut done = -1_i64;
    loop {
        let until = span.min(done.saturating_add((width as i64).max(1)));
        let Times { mut times, is_all } = times(connection, reading, &whole.part(reading, done + 1, until), left)?;
        let found = times.len() as u64;
        if found >= left {
            let nth = (left - 1) as usize;
            let (_, &mut last, beyond) = match reading.is_ascending {
                true => times.select_nth_unstable(nth),
                false => times.select_nth_unstable_by(nth, |one, other| other.cmp(one)),
            };
            let ties = beyond.iter().filter(|&&time| time == last).count() as u64;
            let is_narrow = is_all && ties <= SPARE;
            return Ok(Some(match reading.is_ascending {
                true => Reach { newest: last, is_narrow, ..whole },
                false => Reach { oldest: last, is_narrow, ..whole },
            }));
        }
        if until == span {
            return Ok(Some(whole));
        }
        left -= found;
        done = until;
        width *= (left as f64 / found as f64 * SLACK).clamp(GROWTH.0, GROWTH.1);
    }
}

/// What lies in the store, as of a commit.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Extent {
    seq: u64,
    rows: i64,
    oldest: i64,
    newest: i64,
}

/// The extent as of the last commit. Only what was committed since is looked at.
fn extent(connection: &Connection, inner: &Inner) -> duckdb::Result<Extent> {
    let mut held = inner.extent.lock().unwrap_or_else(PoisonError::into_inner);
    let seq = *inner.commits.borrow();
    if held.seq == seq {
        return Ok(*held);
    }
    let text = format!(
        "SELECT epoch_us(min(event_time)), epoch_us(max(event_time)), count(*) FROM activity WHERE seq > {} AND seq <= {seq}",
        held.seq
    );
    let (oldest, newest, rows): (Option<i64>, Option<i64>, i64) =
        connection.query_row(&text, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    if let (Some(oldest), Some(newest)) = (oldest, newest) {
        let is_first = held.rows == 0;
        held.oldest = if is_first { oldest } else { held.oldest.min(oldest) };
        held.newest = if is_first { newest } else { held.newest.max(newest) };
        held.rows += rows;
    }
    held.seq = seq;
    Ok(*held)
}

impl Reach {
    /// The stretch from one step of the way to another, both included.
    fn part(&self, reading: &Reading, from: i64, until: i64) -> Reach {
        match reading.is_ascending {
            true => Reach { oldest: self.oldest + from, newest: self.oldest + until, ..*self },
            false => Reach { oldest: self.newest - until, newest: self.newest - from, ..*self },
        }
    }
}

/// The times of a stretch's rows.
struct Times {
    times: Vec<i64>,
    /// Whether these are all of them, as they lie; else the first ones in reading order.
    is_all: bool,
}

/// The times in a stretch, or at least the first `least` of them.
fn times(connection: &Connection, reading: &Reading, stretch: &Reach, least: u64) -> duckdb::Result<Times> {
    let read = |behind: &str| -> duckdb::Result<Vec<i64>> {
        let condition = reading.within(stretch);
        let text = format!("SELECT epoch_us(event_time) FROM activity WHERE {condition} {behind}");
        let mut statement = connection.prepare(&text)?;
        let batches = statement.query_arrow(params_from_iter(&reading.values))?;
        Ok(batches.flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values().to_vec()).collect())
    };
    let times = read(&format!("LIMIT {}", MANY + 1))?;
    if times.len() <= MANY {
        return Ok(Times { times, is_all: true });
    }
    Ok(Times { times: read(&format!("ORDER BY event_time {} LIMIT {least}", reading.way()))?, is_all: false })
}
