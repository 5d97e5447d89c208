//! How far a page reaches: the time of the last row that it can hold, found in narrow columns only.
//!
//! The engine passes over whole row groups outside a stretch of time, and reads an activity's time at a billion rows a
//! second. So the rows of a page are counted off in stretches, beginning where the page begins: as wide as the density at
//! that time and the filter's share of all rows suggest, then wider and wider until there are enough. Compressed texts
//! are read after that, of the page's own rows and no other.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use super::{
    Reading,
    density::{Density, HOUR},
    kept::Spot,
};
use crate::{Inner, ask::Kind, database::Database};

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
const PACKS: usize = 48;
/// So many gaps between packs are told to the engine: it looks at each for each row.
const MOST_GAPS: usize = 24;
/// Fewer packs are opened sooner than divided.
const FEW_PACKS: usize = 4;

/// What is found of a page.
pub(super) enum Found {
    /// The stretch that it lies in, and where to part its rows.
    Reach(Reach, Parts),
    /// The same, and its rows, and some more that share the last one's time, in no order: they lie scattered over the store.
    Spots(Reach, Vec<Spot>),
}

/// Conditions that part a page's rows in two, for two cores to read at once; one for a page of few packs.
pub(super) type Parts = Vec<String>;

/// The parts of these rows, so that as many packs are opened for one as for the other.
///
/// With `is_blind`, the engine cannot tell by the filter which packs it can pass over, and is told by row ids.
pub(super) fn parts(spots: &[Spot], is_blind: bool) -> Parts {
    let packs = packs(spots);
    let (lower, upper) = packs.split_at(if packs.len() < FEW_PACKS { 0 } else { packs.len() / 2 });
    [lower, upper].into_iter().filter(|packs| !packs.is_empty()).map(|packs| within(packs, is_blind)).collect()
}

/// The condition of rows in these packs, and with not `is_blind` also of those between them.
fn within(packs: &[i64], is_blind: bool) -> String {
    // The widest gaps are left out.
    let mut gaps: Vec<usize> = (1..packs.len()).filter(|&at| is_blind && packs[at] > packs[at - 1] + 1).collect();
    gaps.sort_unstable_by_key(|&at| packs[at - 1] - packs[at]);
    gaps.truncate(MOST_GAPS);
    gaps.sort_unstable();
    let begins = [0].into_iter().chain(gaps.iter().copied());
    let ends = gaps.iter().copied().chain([packs.len()]);
    let ranges: Vec<String> = begins
        .zip(ends)
        .map(|(begin, end)| {
            let (first, last) = (packs[begin] * PACK, (packs[end - 1] + 1) * PACK);
            format!("rowid >= {first} AND rowid < {last}")
        })
        .collect();
    match &ranges[..] {
        [range] => range.clone(),
        ranges => format!("(({}))", ranges.join(") OR (")),
    }
}

/// The packs that these rows lie in, in order.
fn packs(spots: &[Spot]) -> Vec<i64> {
    let mut packs: Vec<i64> = spots.iter().map(|spot| spot.rowid / PACK).collect();
    packs.sort_unstable();
    packs.dedup();
    packs
}

/// The reach of a page; `None` if nothing can lie there.
pub(super) fn find(database: &Database, inner: &Inner, reading: &Reading) -> duckdb::Result<Option<Found>> {
    let extent = extent(database, inner, &reading.hidden)?;
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
        let Rows { mut times, spots } = rows(database, reading, &stretch, left)?;
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
            return Ok(Some(reach.or_spots(seen, reading.is_blind)));
        }
        if until == span {
            return Ok(Some(whole.or_spots(seen, reading.is_blind)));
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
fn extent(database: &Database, inner: &Inner, hidden: &[String]) -> duckdb::Result<Arc<Extent>> {
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
    let mut hours = Vec::new();
    database.ask(&text, hidden, &[Kind::Long; 4], |chunk| {
        let [_, oldest, newest, rows] = [0, 1, 2, 3].map(|at| chunk.longs(at));
        hours.extend(oldest.iter().zip(newest).zip(rows).map(|((&oldest, &newest), &rows)| (oldest, newest, rows)));
    })?;
    let new = Arc::make_mut(held);
    for (oldest, newest, rows) in hours {
        let is_first = new.rows == 0;
        let rows = rows.unsigned_abs();
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
    fn or_spots(self, seen: Option<Vec<Spot>>, is_blind: bool) -> Found {
        let Some(mut spots) = seen.filter(|_| self.is_narrow) else { return Found::Reach(self, Parts::new()) };
        spots.retain(|spot| (self.oldest..=self.newest).contains(&spot.time));
        if packs(&spots).len() > PACKS {
            Found::Spots(self, spots)
        } else {
            Found::Reach(self, parts(&spots, is_blind))
        }
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
fn rows(database: &Database, reading: &Reading, stretch: &Reach, least: u64) -> duckdb::Result<Rows> {
    let condition = reading.within(stretch);
    let spots = spots(database, &condition, &reading.values, MANY + 1)?;
    if spots.len() <= MANY {
        return Ok(Rows { times: spots.iter().map(|spot| spot.time).collect(), spots: Some(spots) });
    }
    let way = reading.way();
    let text = format!("SELECT event_time FROM activity WHERE {condition} ORDER BY event_time {way} LIMIT {least}");
    let mut times = Vec::new();
    database.ask(&text, &reading.values, &[Kind::Long], |chunk| times.extend_from_slice(chunk.longs(0)))?;
    Ok(Rows { times, spots: None })
}

/// The rows that meet a condition, as they lie, up to so many.
pub(super) fn spots(database: &Database, condition: &str, values: &[String], most: usize) -> duckdb::Result<Vec<Spot>> {
    let text = format!("SELECT rowid, event_time, id_hash FROM activity WHERE {condition} LIMIT {most}");
    let mut spots = Vec::new();
    database.ask(&text, values, &[Kind::Long, Kind::Long, Kind::Int], |chunk| {
        let rows = chunk.longs(0).iter().zip(chunk.longs(1)).zip(chunk.ints(2));
        spots.extend(rows.map(|((&rowid, &time), &id_hash)| Spot { rowid, time, id_hash }));
    })?;
    Ok(spots)
}
