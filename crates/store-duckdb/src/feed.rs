//! Pages of the Activity Feed: the row ids by keyset first, the raw logs of just those rows after.

use std::collections::HashMap;

use async_trait::async_trait;
use auditlake_store::{
    Direction, FeedPage, FeedQuery, FeedReader, FeedRow, Position, Result, id_hash, raw::join,
    schema::RESOURCE_SEPARATOR,
};
use duckdb::{Connection, params, params_from_iter, types::Value};
use jiff::Timestamp;

use crate::{DuckStore, reader::moment};

#[async_trait]
impl FeedReader for DuckStore {
    async fn feed_page(&self, query: &FeedQuery) -> Result<FeedPage> {
        let query = query.clone();
        self.read("reading a page of the feed", move |connection, _| page(connection, &query)).await
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

/// A row before its raw log is fetched.
struct Found {
    row: i64,
    position: Position,
}

fn page(connection: &Connection, query: &FeedQuery) -> duckdb::Result<FeedPage> {
    // A page before a cursor is read away from it, and turned round.
    let is_back = matches!(query.cursor, Some((_, Direction::Before)));
    let is_ascending = query.ascending != is_back;
    let mut found = find(connection, query, is_ascending)?;
    let has_more = found.len() > query.limit as usize;
    found.truncate(query.limit as usize);
    if is_back {
        found.reverse();
    }
    let mut raws = fetch(connection, &found)?;
    let rows = found
        .into_iter()
        .filter_map(|found| raws.remove(&found.row).map(|raw| FeedRow { position: found.position, raw }))
        .collect();
    Ok(FeedPage { rows, has_more })
}

/// The rows of the page and one more, in reading order.
fn find(connection: &Connection, query: &FeedQuery, is_ascending: bool) -> duckdb::Result<Vec<Found>> {
    let mut values = Vec::new();
    let condition = condition(query, is_ascending, &mut values);
    let way = if is_ascending { "ASC" } else { "DESC" };
    let text = format!(
        "SELECT rowid, epoch_us(event_time), event_id FROM activity WHERE {condition} \
         ORDER BY event_time {way}, event_id {way} LIMIT {}",
        u64::from(query.limit) + 1
    );
    let mut statement = connection.prepare(&text)?;
    let rows = statement.query_map(params_from_iter(values), |row| {
        let position = Position { time: moment(row, 1)?.unwrap_or_default(), id: row.get(2)? };
        Ok(Found { row: row.get(0)?, position })
    })?;
    rows.collect()
}

fn condition(query: &FeedQuery, is_ascending: bool, values: &mut Vec<Value>) -> String {
    let mut all = Vec::new();
    let mut time = |test: &str, bound: Option<Timestamp>, values: &mut Vec<Value>| {
        if let Some(bound) = bound {
            all.push(format!("event_time {test} make_timestamp(?)"));
            values.push(Value::BigInt(bound.as_microsecond()));
        }
    };
    time(">=", query.gte, values);
    time(">", query.gt, values);
    time("<=", query.lte, values);
    time("<", query.lt, values);
    if let Some((position, _)) = &query.cursor {
        // The first test lets whole row groups be passed over, the second parts ties; a comparison of pairs does neither.
        let (near, far) = if is_ascending { (">=", ">") } else { ("<=", "<") };
        all.push(format!(
            "event_time {near} make_timestamp(?) AND (event_time {far} make_timestamp(?) OR event_id {far} ?)"
        ));
        let micros = Value::BigInt(position.time.as_microsecond());
        values.extend([micros.clone(), micros, Value::Text(position.id.clone())]);
    }
    let mut among = |test: &str, list: &[String], values: &mut Vec<Value>| {
        if !list.is_empty() {
            let marks = vec!["?"; list.len()].join(",");
            all.push(test.replace("??", &marks));
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
    match all.is_empty() {
        true => "true".to_owned(),
        false => all.join(" AND "),
    }
}

/// The raw logs of these rows.
fn fetch(connection: &Connection, found: &[Found]) -> duckdb::Result<HashMap<i64, String>> {
    if found.is_empty() {
        return Ok(HashMap::new());
    }
    let list: Vec<String> = found.iter().map(|found| found.row.to_string()).collect();
    let text = format!(
        "SELECT rowid, epoch_us(event_time), event_id, resource_ids, raw_rest FROM activity WHERE rowid IN ({})",
        list.join(",")
    );
    let mut statement = connection.prepare(&text)?;
    let mut rows = statement.query([])?;
    let mut raws = HashMap::with_capacity(found.len());
    while let Some(row) = rows.next()? {
        let id: String = row.get(2)?;
        let resources: Option<String> = row.get(3)?;
        let resources: Vec<&str> =
            resources.as_deref().map(|all| all.split(RESOURCE_SEPARATOR).collect()).unwrap_or_default();
        let rest: String = row.get(4)?;
        raws.insert(row.get(0)?, join(&rest, &id, moment(row, 1)?.unwrap_or_default(), &resources));
    }
    Ok(raws)
}
