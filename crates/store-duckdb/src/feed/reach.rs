//! How far a page reaches: the time of the last row that it can hold, found in narrow columns only.
//!
//! The engine passes over whole row groups outside a stretch of time, and reads an activity's time at a billion rows a
//! second. So the rows of a page are counted off in stretches, beginning where the page begins: as wide as the density at
//! that time and the filter's share of all rows suggest, then wider and wider until there are enough. Compressed texts
//! are read after that, of the page's own rows and no other.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
};

use arrow::{
    array::AsArray,
    datatypes::{Int64Type, UInt32Type},
};
use duckdb::{Connection, params_from_iter, types::Value};

use super::{
    Reading,
    density::{Density, HOUR},
    kept::Spot,
};
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
const SLACK: f64 = 1.3;
/// A filter's share of all rows is taken to be at most so many times smaller in the next stretch than in the last one: no
/// wilder a guess than what the rows found so far allow.
const THINNER: f64 = 8.0;
const THINNER_BY_MANY: f64 = 64.0;
/// So many rows make their share a good guess.
const TELLING: u64 = 30;
/// So many times are read as they lie. Of more, the engine picks the first.
const MANY: usize = 200_000;
/// So many rows beside the page's are read and dropped rather than left to the engine to sort.
const SPARE: u64 = 1_000;
/// The engine packs texts so many rows at a time.
const PACK: i64 = 2_048;
/// Rows that lie in more packs than this are scattered.
const PACKS: usize = 16;

/// What is found of a page.
pub(super) enum Found {
    /// The stretch that it lies in.
    Reach(Reach),
    /// Its rows, and some more that share the last one's time, in no order: they lie scattered over the store.
    Spots(Vec<Spot>),
}

/// The reach of a page; `None` if nothing can lie there.
pub(super) fn find(connection: &Connection, inner: &Inner, reading: &Reading) -> duckdb::Result<Option<Found>> {
    let extent = extent(connection, inner, &reading.hidden)?;
    let (oldest, newest) = (extent.oldest.max(reading.oldest), extent.newest.min(reading.newest));
    if extent.rows == 0 || oldest > newest {
        return Ok(None);
    }
    let whole = Reach { oldest, newest, is_narrow: true };
    let span = newest - oldest;
    // Of all rows that lie in time, the query's: the filter's share as last seen.
    let mut share = reading.filter.as_ref().map_or(1.0, |filter| inner.lists.share(filter));
    let (mut left, mut passed) = (reading.wanted, 0.0);
    // The stretches lie side by side: what lies `done` or nearer to the page's beginning is counted.
    let mut done = -1_i64;
    // The rows of all stretches, as long as these were read whole.
    let mut seen = Some(Vec::new());
    loop {
        let asked = left as f64 * SLACK / share;
        let begin = if reading.is_ascending { oldest + (done + 1) } else { newest - (done + 1) };
        let end = extent.density.reach(begin, reading.is_ascending, asked);
        let until = end.map_or(span, |end| if reading.is_ascending { end - oldest } else { newest - end });
        // At least a millisecond, and no gap of years in steps of one.
        let until = span.min(until.max(done.saturating_add(1_000)));
        let stretch = whole.part(reading, done + 1, until);
        let Rows { mut times, spots } = rows(connection, reading, &stretch, left)?;
        let is_all = spots.is_some();
        seen = seen.zip(spots).map(|(seen, spots)| if seen.is_empty() { spots } else { [seen, spots].concat() });
        let found = times.len() as u64;
        passed += asked;
        if let Some(filter) = reading.filter.as_ref().filter(|_| is_all && until < span) {
            inner.lists.tell_share(filter, (reading.wanted - left + found) as f64 / passed);
        }
        if found >= left {
            let nth = (left - 1) as usize;
            let (_, &mut last, beyond) = match reading.is_ascending {
                true => times.select_nth_unstable(nth),
                false => times.select_nth_unstable_by(nth, |one, other| other.cmp(one)),
            };
            let ties = beyond.iter().filter(|&&time| time == last).count() as u64;
            let is_narrow = is_all && ties <= SPARE;
            let reach = match reading.is_ascending {
                true => Reach { newest: last, is_narrow, ..whole },
                false => Reach { oldest: last, is_narrow, ..whole },
            };
            return Ok(Some(reach.or_spots(seen)));
        }
        if until == span {
            return Ok(Some(whole.or_spots(seen)));
        }
        left -= found;
        done = until;
        let thinner = if found < TELLING { THINNER } else { THINNER_BY_MANY };
        share = (found as f64 / asked).clamp(share / thinner, share);
    }
}

/// What lies in the store, as of a commit.
#[derive(Debug, Clone, Default)]
pub(crate) struct Extent {
    seq: u64,
    rows: u64,
    oldest: i64,
    newest: i64,
    density: Density,
}

/// The extent of what is left without some sources, by these.
pub(crate) type Extents = Mutex<HashMap<Vec<String>, Arc<Extent>>>;

/// The extent as of the last commit. Only what was committed since is looked at.
fn extent(connection: &Connection, inner: &Inner, hidden: &[String]) -> duckdb::Result<Arc<Extent>> {
    let mut extents = inner.extents.lock().unwrap_or_else(PoisonError::into_inner);
    let held = extents.entry(hidden.to_vec()).or_default();
    let seq = *inner.commits.borrow();
    if held.seq == seq {
        return Ok(held.clone());
    }
    let marks = vec!["?"; hidden.len()].join(",");
    let condition = if hidden.is_empty() { String::new() } else { format!("AND source_id NOT IN ({marks})") };
    let text = format!(
        "SELECT (epoch_us(event_time) - epoch_us(event_time) % {HOUR}) // {HOUR}, \
         epoch_us(min(event_time)), epoch_us(max(event_time)), count(*) FROM activity \
         WHERE seq > {} AND seq <= {seq} {condition} GROUP BY 1",
        held.seq
    );
    let mut statement = connection.prepare(&text)?;
    let hours = statement.query_map(params_from_iter(hidden.iter().cloned().map(Value::Text)), |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?, row.get::<_, u64>(3)?))
    })?;
    let hours = hours.collect::<duckdb::Result<Vec<_>>>()?;
    let new = Arc::make_mut(held);
    for (_, oldest, newest, rows) in hours {
        let is_first = new.rows == 0;
        new.oldest = if is_first { oldest } else { new.oldest.min(oldest) };
        new.newest = if is_first { newest } else { new.newest.max(newest) };
        new.rows += rows;
        new.density.add(oldest.div_euclid(HOUR), rows);
    }
    new.seq = seq;
    Ok(held.clone())
}

impl Reach {
    /// The stretch from one step of the way to another, both included.
    fn part(&self, reading: &Reading, from: i64, until: i64) -> Reach {
        match reading.is_ascending {
            true => Reach { oldest: self.oldest + from, newest: self.oldest + until, ..*self },
            false => Reach { oldest: self.newest - until, newest: self.newest - from, ..*self },
        }
    }

    /// The rows themselves, if they are all `seen` and lie scattered.
    fn or_spots(self, seen: Option<Vec<Spot>>) -> Found {
        let Some(mut spots) = seen.filter(|_| self.is_narrow) else { return Found::Reach(self) };
        spots.retain(|spot| (self.oldest..=self.newest).contains(&spot.time));
        let packs: HashSet<i64> = spots.iter().map(|spot| spot.rowid / PACK).collect();
        if packs.len() > PACKS { Found::Spots(spots) } else { Found::Reach(self) }
    }
}

/// Rows of a stretch.
struct Rows {
    /// Of all of them, as they lie, or of the first ones in reading order.
    times: Vec<i64>,
    /// The rows, if these are all.
    spots: Option<Vec<Spot>>,
}

/// The rows in a stretch, or at least the times of the first `least` of them.
fn rows(connection: &Connection, reading: &Reading, stretch: &Reach, least: u64) -> duckdb::Result<Rows> {
    let condition = reading.within(stretch);
    let spots = spots(connection, &condition, &reading.values, MANY + 1)?;
    if spots.len() <= MANY {
        return Ok(Rows { times: spots.iter().map(|spot| spot.time).collect(), spots: Some(spots) });
    }
    let way = reading.way();
    let text =
        format!("SELECT epoch_us(event_time) FROM activity WHERE {condition} ORDER BY event_time {way} LIMIT {least}");
    let mut statement = connection.prepare(&text)?;
    let batches = statement.query_arrow(params_from_iter(&reading.values))?;
    let times = batches.flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values().to_vec()).collect();
    Ok(Rows { times, spots: None })
}

/// The rows that meet a condition, as they lie, up to so many.
pub(super) fn spots(
    connection: &Connection,
    condition: &str,
    values: &[Value],
    most: usize,
) -> duckdb::Result<Vec<Spot>> {
    let text = format!("SELECT rowid, epoch_us(event_time), id_hash FROM activity WHERE {condition} LIMIT {most}");
    let mut statement = connection.prepare(&text)?;
    let mut spots = Vec::new();
    for batch in statement.query_arrow(params_from_iter(values))? {
        let numbers = |at: usize| batch.column(at).as_primitive::<Int64Type>().values();
        let hashes = batch.column(2).as_primitive::<UInt32Type>().values();
        let rows = numbers(0).iter().zip(numbers(1)).zip(hashes);
        spots.extend(rows.map(|((&rowid, &time), &id_hash)| Spot { rowid, time, id_hash }));
    }
    Ok(spots)
}
