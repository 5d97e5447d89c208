//! What people looked up, in its table: added to in one statement, read by scanning.

use async_trait::async_trait;
use auditlake_store::{
    Result,
    lookup::{Lookup, LookupCount, LookupQuery, Lookups},
};
use duckdb::{Connection, params_from_iter, types::Value};
use jiff::Timestamp;

use crate::{DuckStore, bulk::quoted, reader::moment};

#[async_trait]
impl Lookups for DuckStore {
    async fn note(&self, lookups: Vec<Lookup>) -> Result<()> {
        if lookups.is_empty() {
            return Ok(());
        }
        self.blocking(move |inner| {
            inner.with_writer("keeping look-ups", |state| {
                state.execute(|bulk| {
                    let rows: Vec<String> = lookups.iter().map(row).collect();
                    format!("INSERT INTO {} VALUES {}", bulk.table("lookup"), rows.join(", "))
                })
            })
        })
        .await
    }

    async fn lookups(&self, query: &LookupQuery) -> Result<Vec<Lookup>> {
        let (condition, values) = condition(query);
        let limit = query.limit.map(|limit| format!("LIMIT {limit}")).unwrap_or_default();
        let condition = format!("{condition} ORDER BY happened_at DESC {limit}");
        self.read("reading look-ups", move |connection, _| read(connection, &condition, values)).await
    }

    async fn lookup_counts(&self, query: &LookupQuery) -> Result<Vec<LookupCount>> {
        let (condition, values) = condition(query);
        let limit = query.limit.map(|limit| format!("LIMIT {limit}")).unwrap_or_default();
        self.read("counting look-ups", move |connection, _| {
            let mut statement = connection.prepare(&format!(
                "SELECT who, what, count(*)::UBIGINT, epoch_us(max(happened_at)) FROM lookup WHERE {condition} \
                 GROUP BY who, what ORDER BY 3 DESC, who, what {limit}"
            ))?;
            let rows = statement.query_map(params_from_iter(values), |row| {
                Ok(LookupCount {
                    who: row.get(0)?,
                    what: row.get(1)?,
                    count: row.get(2)?,
                    last: moment(row, 3)?.unwrap_or_default(),
                })
            })?;
            rows.collect()
        })
        .await
    }

    async fn forget_lookups(&self, before: Timestamp) -> Result<u64> {
        self.blocking(move |inner| {
            inner.with_writer("forgetting look-ups", |state| {
                let condition = format!("happened_at < make_timestamp({})", before.as_microsecond());
                state.count_and_execute("lookup", &condition, |bulk| {
                    format!("DELETE FROM {} WHERE {condition}", bulk.table("lookup"))
                })
            })
        })
        .await
    }
}

/// The look-ups for which this holds. What follows `WHERE` may order and limit, too.
pub(crate) fn read(connection: &Connection, condition: &str, values: Vec<Value>) -> duckdb::Result<Vec<Lookup>> {
    let mut statement = connection.prepare(&format!(
        "SELECT epoch_us(happened_at), who, address, what, detail, link FROM lookup WHERE {condition}"
    ))?;
    let rows = statement.query_map(params_from_iter(values), |row| {
        Ok(Lookup {
            at: moment(row, 0)?.unwrap_or_default(),
            who: row.get(1)?,
            address: row.get(2)?,
            what: row.get(3)?,
            detail: row.get(4)?,
            link: row.get(5)?,
        })
    })?;
    rows.collect()
}

pub(crate) fn row(lookup: &Lookup) -> String {
    let Lookup { at, who, address, what, detail, link } = lookup;
    let address = address.as_deref().map_or("NULL".to_owned(), quoted);
    format!(
        "(make_timestamp({}), {}, {address}, {}, {}, {})",
        at.as_microsecond(),
        quoted(who),
        quoted(what),
        quoted(detail),
        quoted(link)
    )
}

fn condition(query: &LookupQuery) -> (String, Vec<Value>) {
    let mut conditions = vec!["true".to_owned()];
    let mut values = Vec::new();
    for (test, text) in
        [("who = ?", &query.who), ("what = ?", &query.what), ("contains(lower(detail), lower(?))", &query.word)]
    {
        if let Some(text) = text {
            conditions.push(test.to_owned());
            values.push(Value::Text(text.clone()));
        }
    }
    for (test, time) in [("happened_at >=", query.window.since), ("happened_at <", query.window.until)] {
        if let Some(time) = time {
            conditions.push(format!("{test} make_timestamp(?)"));
            values.push(Value::BigInt(time.as_microsecond()));
        }
    }
    (conditions.join(" AND "), values)
}
