//! Pages of the Activity Feed: how far the page reaches first, the raw logs of just those rows after.
//!
//! [`reach`] says why: a page costs what its own rows cost, however many others there are. [`kept`] and [`lists`]
//! say what is done for rows that lie far apart.

mod density;
mod kept;
mod lists;
mod reach;

use std::sync::Arc;

use arrow::{
    array::{Array, AsArray},
    datatypes::{Int64Type, UInt32Type},
};
use async_trait::async_trait;
use auditlake_store::{
    Direction, FeedPage, FeedQuery, FeedReader, FeedRow, Position, Result, id_hash, raw::join,
    schema::RESOURCE_SEPARATOR,
};
use duckdb::{Connection, params, params_from_iter, types::Value};
use jiff::Timestamp;

use crate::{DuckStore, Inner, reader::moment};
use kept::Spot;
use lists::Filter;
use reach::{Found, Reach};

pub(crate) use kept::Kept;
pub(crate) use lists::Lists;
pub(crate) use reach::Extents;

#[async_trait]
impl FeedReader for DuckStore {
    async fn feed_page(&self, query: &FeedQuery) -> Result<FeedPage> {
        let query = query.clone();
        self.read("reading a page of the feed", move |connection, inner| page(connection, inner, &query)).await
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
    values: Vec<Value>,
    /// The same without the cursor, which stands first: what the filter alone asks.
    test: String,
    filter: Option<Filter>,
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

fn page(connection: &Connection, inner: &Inner, query: &FeedQuery) -> duckdb::Result<FeedPage> {
    // A page before a cursor is read away from it, and turned round.
    let is_back = matches!(query.cursor, Some((_, Direction::Before)));
    let reading = Reading::new(query, query.ascending != is_back);
    if reading.is_open() && reading.filter.as_ref().is_some_and(|filter| inner.lists.is_new(filter)) {
        inner.lists.make(connection, inner, &reading)?;
    }
    let mut rows = if let Some(spots) = inner.lists.find(connection, inner, &reading)? {
        reading.scattered(connection, &inner.kept, &spots)?
    } else {
        match reach::find(connection, inner, &reading)? {
            None => return Ok(FeedPage::default()),
            Some(Found::Reach(reach)) => reading.rows(connection, &reach)?,
            Some(Found::Spots(spots)) => {
                inner.lists.make(connection, inner, &reading)?;
                reading.scattered(connection, &inner.kept, &spots)?
            }
        }
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
    fn test_values(&self) -> &[Value] {
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
    fn rows(&self, connection: &Connection, reach: &Reach) -> duckdb::Result<Vec<FeedRow>> {
        let mut rows = Vec::with_capacity(self.wanted as usize);
        self.read(connection, reach, |_, row| rows.push(row))?;
        Ok(rows)
    }

    /// These rows: those that are kept, and the others from where they lie.
    fn scattered(&self, connection: &Connection, kept: &Kept, spots: &[Spot]) -> duckdb::Result<Vec<FeedRow>> {
        let mut rows = Vec::with_capacity(spots.len());
        let (mut oldest, mut newest) = (i64::MAX, i64::MIN);
        let found = kept.get(spots);
        for (spot, row) in spots.iter().zip(&found) {
            match row {
                Some(row) => rows.push(FeedRow::clone(row)),
                None => (oldest, newest) = (oldest.min(spot.time), newest.max(spot.time)),
            }
        }
        if rows.len() < spots.len() {
            // The times in which any is missing hold others that are not.
            rows.retain(|row| !(oldest..=newest).contains(&row.position.time.as_microsecond()));
            self.read(connection, &Reach { oldest, newest, is_narrow: true }, |spot, row| {
                kept.put(spot, Arc::new(row.clone()));
                rows.push(row);
            })?;
        }
        Ok(rows)
    }

    /// Each row in a stretch.
    fn read(&self, connection: &Connection, reach: &Reach, mut take: impl FnMut(Spot, FeedRow)) -> duckdb::Result<()> {
        let (condition, way, wanted) = (self.within(reach), self.way(), self.wanted);
        // The engine's sorting drags the raw logs along, so it is asked for only where it leaves much out.
        let order = match reach.is_narrow {
            true => String::new(),
            false => format!("ORDER BY event_time {way}, event_id {way} LIMIT {wanted}"),
        };
        let mut statement = connection.prepare(&format!(
            "SELECT rowid, epoch_us(event_time), id_hash, event_id, resource_ids, raw_rest FROM activity \
             WHERE {condition} {order}"
        ))?;
        for batch in statement.query_arrow(params_from_iter(&self.values))? {
            let numbers = |at: usize| batch.column(at).as_primitive::<Int64Type>();
            let text = |at: usize| batch.column(at).as_string::<i32>();
            let (rowids, times, hashes) = (numbers(0), numbers(1), batch.column(2).as_primitive::<UInt32Type>());
            let (ids, resources, rests) = (text(3), text(4), text(5));
            for at in 0..batch.num_rows() {
                let spot = Spot { rowid: rowids.value(at), time: times.value(at), id_hash: hashes.value(at) };
                let time = Timestamp::from_microsecond(spot.time).unwrap_or_default();
                let resources: Vec<&str> = match resources.is_valid(at) {
                    true => resources.value(at).split(RESOURCE_SEPARATOR).collect(),
                    false => Vec::new(),
                };
                let raw = join(rests.value(at), ids.value(at), time, &resources);
                take(spot, FeedRow { position: Position { time, id: ids.value(at).to_owned() }, raw });
            }
        }
        Ok(())
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

/// What the cursor asks of a row, to stand behind another condition.
fn beyond(query: &FeedQuery, is_ascending: bool, values: &mut Vec<Value>) -> String {
    let Some((position, _)) = &query.cursor else { return String::new() };
    // Times beyond the cursor's are out of reach already; this parts those who share it.
    let far = if is_ascending { ">" } else { "<" };
    let time = position.time.as_microsecond();
    values.push(Value::Text(position.id.clone()));
    format!(" AND (event_time {far} make_timestamp({time}) OR event_id {far} ?)")
}

/// What the filter asks of a row, to stand behind another condition.
fn test(query: &FeedQuery, values: &mut Vec<Value>) -> String {
    let mut all = String::new();
    let mut among = |test: &str, list: &[String], values: &mut Vec<Value>| {
        if !list.is_empty() {
            let marks = vec!["?"; list.len()].join(",");
            all.push_str(" AND ");
            all.push_str(&test.replace("??", &marks));
            for _ in 0..test.matches("??").count() {
                values.extend(list.iter().cloned().map(Value::Text));
            }
        }
    };
    among("event_name IN (??)", &query.types, values);
    among("event_name NOT IN (??)", &query.exclude_types, values);
    among("actor_user_id IN (??)", &query.actor_ids, values);
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
