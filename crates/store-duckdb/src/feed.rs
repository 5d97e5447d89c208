//! Pages of the Activity Feed: how far the page reaches first, the raw logs of just those rows after.
//!
//! [`reach`] says why: a page costs what its own rows cost, however many others there are. [`kept`] and [`lists`]
//! say what is done for rows that lie far apart.

mod density;
mod kept;
mod lists;
mod reach;

use std::sync::Arc;

use async_trait::async_trait;
use auditlake_store::{
    Direction, FeedPage, FeedQuery, FeedReader, FeedRow, Position, Result, id_hash, raw::join,
    schema::RESOURCE_SEPARATOR,
};
use duckdb::params;
use jiff::Timestamp;

use crate::{
    DuckStore, Inner,
    ask::{Chunk, Kind},
    database::Database,
    error,
    reader::moment,
};
use kept::Spot;
use lists::Filter;
use reach::{Found, Parts, Reach, parts};

pub(crate) use kept::Kept;
pub(crate) use lists::Lists;
pub(crate) use reach::Extents;

#[async_trait]
impl FeedReader for DuckStore {
    async fn feed_page(&self, query: &FeedQuery) -> Result<FeedPage> {
        let query = query.clone();
        self.blocking(move |inner| {
            page(&inner.database(), inner, &query)
                .map_err(|error| error::translate("reading a page of the feed", &error))
        })
        .await
    }

    async fn locate(&self, id: &str) -> Result<Option<Position>> {
        let id = id.to_owned();
        self.read("looking an activity up", move |connection, _| {
            let mut statement =
                connection.prepare("SELECT epoch_us(event_time) FROM activity WHERE id_hash = ? AND event_id = ?")?;
            let mut rows = statement.query(params![id_hash(&id), id])?;
            let Some(row) = rows.next()? else { return Ok(None) };
            Ok(moment(row, 0)?.map(|time| Position { time, id: id.clone() }))
        })
        .await
    }
}

/// A query as it is read: filters as SQL, and the way to go.
struct Reading {
    condition: String,
    values: Vec<String>,
    /// The same without the cursor, which stands first: what the filter alone asks.
    test: String,
    filter: Option<Filter>,
    /// Whether the engine cannot apply the filter while it scans, as it asks about several columns at once.
    is_blind: bool,
    cursor_time: Option<i64>,
    /// Sources that the page leaves out.
    hidden: Vec<String>,
    /// The times that the query leaves, both included, in microseconds.
    oldest: i64,
    newest: i64,
    is_ascending: bool,
    /// As many as the page holds, and one more that tells whether it is the last.
    wanted: u64,
}

fn page(database: &Database, inner: &Inner, query: &FeedQuery) -> duckdb::Result<FeedPage> {
    // A page before a cursor is read away from it, and turned round.
    let is_back = matches!(query.cursor, Some((_, Direction::Before)));
    let reading = Reading::new(query, query.ascending != is_back);
    if reading.is_open() && reading.filter.as_ref().is_some_and(|filter| inner.lists.is_new(filter)) {
        inner.lists.make(database, inner, &reading)?;
    }
    let listed = match inner.lists.find(database, inner, &reading)? {
        Some(spots) => reading.scattered(database, &inner.kept, &spots)?,
        None => None,
    };
    let mut rows = match listed {
        Some(rows) => rows,
        None => match reach::find(database, inner, &reading)? {
            None => return Ok(FeedPage::default()),
            Some(Found::Reach(reach, parts)) => reading.rows(database, &reach, &parts)?,
            Some(Found::Spots(reach, spots)) => {
                inner.lists.make(database, inner, &reading)?;
                match reading.scattered(database, &inner.kept, &spots)? {
                    Some(rows) => rows,
                    None => reading.rows(database, &reach, &Parts::new())?,
                }
            }
        },
    };
    if let Some((position, _)) = &query.cursor {
        // A list has no ids, so it cannot tell those that share the cursor's time.
        rows.retain(|row| if reading.is_ascending { row.position > *position } else { row.position < *position });
    }
    reading.sort(&mut rows);
    let has_more = rows.len() > query.limit as usize;
    rows.truncate(query.limit as usize);
    if is_back {
        rows.reverse();
    }
    Ok(FeedPage { rows, has_more })
}

impl Reading {
    fn new(query: &FeedQuery, is_ascending: bool) -> Reading {
        let micros = |bound: Option<Timestamp>| bound.map(Timestamp::as_microsecond);
        let cursor = query.cursor.as_ref().map(|(position, _)| position.time.as_microsecond());
        let (after, before) = if is_ascending { (cursor, None) } else { (None, cursor) };
        let lowest = [micros(query.gte), micros(query.gt).map(|bound| bound + 1), after];
        let highest = [micros(query.lte), micros(query.lt).map(|bound| bound - 1), before];
        let mut values = Vec::new();
        let (mut condition, test) = (beyond(query, is_ascending, &mut values), test(query, &mut values));
        condition.push_str(&test);
        Reading {
            condition,
            values,
            test,
            filter: Filter::of(query),
            is_blind: !query.organizations.is_empty(),
            cursor_time: cursor,
            hidden: query.exclude_sources.clone(),
            oldest: lowest.into_iter().flatten().max().unwrap_or(i64::MIN),
            newest: highest.into_iter().flatten().min().unwrap_or(i64::MAX),
            is_ascending,
            wanted: u64::from(query.limit) + 1,
        }
    }

    /// Whether it asks for what lies before or after a time, or for everything.
    fn is_open(&self) -> bool {
        self.oldest == i64::MIN || self.newest == i64::MAX
    }

    /// What is bound to the marks in `test`.
    fn test_values(&self) -> &[String] {
        &self.values[usize::from(self.cursor_time.is_some())..]
    }

    fn way(&self) -> &'static str {
        if self.is_ascending { "ASC" } else { "DESC" }
    }

    /// The condition of the query's rows in a stretch of time. Numbers stand in the text itself, so that the engine knows
    /// while it plans what it can pass over.
    fn within(&self, reach: &Reach) -> String {
        let Reach { oldest, newest, .. } = reach;
        format!("event_time >= make_timestamp({oldest}) AND event_time <= make_timestamp({newest}){}", self.condition)
    }

    /// The rows of the page and one more, or some more, in no order.
    fn rows(&self, database: &Database, reach: &Reach, parts: &Parts) -> duckdb::Result<Vec<FeedRow>> {
        let rows = self.read(database, reach, parts)?;
        Ok(rows.into_iter().map(|(_, row)| row).collect())
    }

    /// These rows: those that are kept, and the others from where they lie. `None` if any is not there any more.
    fn scattered(&self, database: &Database, kept: &Kept, spots: &[Spot]) -> duckdb::Result<Option<Vec<FeedRow>>> {
        let mut rows = Vec::with_capacity(spots.len());
        let mut missing = Vec::new();
        let found = kept.get(spots);
        for (spot, row) in spots.iter().zip(&found) {
            match row {
                Some(row) => rows.push(FeedRow::clone(row)),
                None => missing.push(*spot),
            }
        }
        let Some((oldest, newest)) = ends(&missing) else { return Ok(Some(rows)) };
        missing.sort_unstable_by_key(|spot| spot.rowid);
        let reach = Reach { oldest, newest, is_narrow: true };
        let mut read = self.read(database, &reach, &parts(&missing, self.is_blind))?;
        // Between those that are missing lie others that are kept.
        read.retain(|(spot, _)| missing.binary_search_by_key(&spot.rowid, |spot| spot.rowid).is_ok());
        if read.len() < missing.len() {
            return Ok(None);
        }
        for (spot, row) in read {
            kept.put(spot, Arc::new(row.clone()));
            rows.push(row);
        }
        Ok(Some(rows))
    }

    /// Each row in a stretch; its parts at once.
    fn read(&self, database: &Database, reach: &Reach, parts: &Parts) -> duckdb::Result<Vec<(Spot, FeedRow)>> {
        let (Some((first, others)), true) = (parts.split_first(), reach.is_narrow) else {
            return self.read_part(database, reach, "true");
        };
        std::thread::scope(|scope| {
            let others: Vec<_> =
                others.iter().map(|part| scope.spawn(|| self.read_part(database, reach, part))).collect();
            let mut rows = self.read_part(database, reach, first)?;
            for other in others {
                rows.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
            }
            Ok(rows)
        })
    }

    fn read_part(&self, database: &Database, reach: &Reach, part: &str) -> duckdb::Result<Vec<(Spot, FeedRow)>> {
        const KINDS: [Kind; 6] = [Kind::Long, Kind::Long, Kind::Int, Kind::Text, Kind::Text, Kind::Text];
        let (condition, way, wanted) = (self.within(reach), self.way(), self.wanted);
        // The engine's sorting drags the raw logs along, so it is asked for only where it leaves much out.
        let order = match reach.is_narrow {
            true => String::new(),
            false => format!("ORDER BY event_time {way}, event_id {way} LIMIT {wanted}"),
        };
        let question = format!(
            "SELECT rowid, event_time, id_hash, event_id, resource_ids, raw_rest FROM activity \
             WHERE {condition} AND {part} {order}"
        );
        let mut rows = Vec::with_capacity(self.wanted as usize);
        database.ask(&question, &self.values, &KINDS, |chunk| rows.extend(read_rows(chunk)))?;
        Ok(rows)
    }

    /// Puts rows in reading order and leaves the page's, and one more.
    fn sort(&self, rows: &mut Vec<FeedRow>) {
        match self.is_ascending {
            true => rows.sort_unstable_by(|one, other| one.position.cmp(&other.position)),
            false => rows.sort_unstable_by(|one, other| other.position.cmp(&one.position)),
        }
        rows.truncate(self.wanted as usize);
    }
}

fn read_rows(chunk: &Chunk) -> impl Iterator<Item = (Spot, FeedRow)> {
    let (rowids, times, hashes) = (chunk.longs(0), chunk.longs(1), chunk.ints(2));
    let (ids, resources, rests) = (chunk.texts(3), chunk.texts(4), chunk.texts(5));
    (0..chunk.rows()).map(move |at| {
        let spot = Spot { rowid: rowids[at], time: times[at], id_hash: hashes[at] };
        let time = Timestamp::from_microsecond(spot.time).unwrap_or_default();
        let resources: Vec<&str> = match resources.get(at) {
            Some(resources) => resources.split(RESOURCE_SEPARATOR).collect(),
            None => Vec::new(),
        };
        let id = ids.get(at).unwrap_or_default();
        let raw = join(rests.get(at).unwrap_or_default(), id, time, &resources);
        (spot, FeedRow { position: Position { time, id: id.to_owned() }, raw })
    })
}

/// The times of the oldest and the newest.
fn ends(spots: &[Spot]) -> Option<(i64, i64)> {
    let times = || spots.iter().map(|spot| spot.time);
    times().min().zip(times().max())
}

/// What the cursor asks of a row, to stand behind another condition.
fn beyond(query: &FeedQuery, is_ascending: bool, values: &mut Vec<String>) -> String {
    let Some((position, _)) = &query.cursor else { return String::new() };
    // Times beyond the cursor's are out of reach already; this parts those who share it.
    let far = if is_ascending { ">" } else { "<" };
    let time = position.time.as_microsecond();
    values.push(position.id.clone());
    format!(" AND (event_time {far} make_timestamp({time}) OR event_id {far} ?)")
}

/// What the filter asks of a row, to stand behind another condition.
///
/// A list of several values is asked for in an expression over the column: the engine applies that while it scans and opens
/// no pack for rows that it leaves out, but takes a plain list for a hint only.
fn test(query: &FeedQuery, values: &mut Vec<String>) -> String {
    let mut all = String::new();
    let mut among = |test: &str, list: &[String], values: &mut Vec<String>| {
        if !list.is_empty() {
            let marks = vec!["?"; list.len()].join(",");
            all.push_str(" AND ");
            all.push_str(&test.replace("??", &marks));
            for _ in 0..test.matches("??").count() {
                values.extend(list.iter().cloned());
            }
        }
    };
    among("coalesce(event_name, '') IN (??)", &query.types, values);
    among("event_name NOT IN (??)", &query.exclude_types, values);
    among("actor_user_id IS NOT NULL AND coalesce(actor_user_id, '') IN (??)", &query.actor_ids, values);
    among(
        "(organization_id IN (??) OR organization_uuid IN (??) OR (organization_id IS NULL AND organization_uuid IS NULL))",
        &query.organizations,
        values,
    );
    among("source_id NOT IN (??)", &query.exclude_sources, values);
    all
}

#[cfg(test)]
mod tests;
