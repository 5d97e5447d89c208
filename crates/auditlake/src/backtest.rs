//! What rules would have found: every alert of a stretch of the past, computed day by day from what is stored.
//!
//! `rules backtest` and the Rules page ask alike, the one of a service or the data directory, the other of the open store.

use std::{collections::BTreeMap, sync::Arc};

use crate::engine::Store;
use anyhow::Result;
use arrow::{
    array::{Array, AsArray},
    datatypes::{Int64Type, TimestampMicrosecondType},
};
use async_trait::async_trait;
use auditlake_store::{Rows, Sql, SqlQuery, alert::Finding};
use detect::{Engine, Pack, observed};
use futures::TryStreamExt;
use jiff::{SignedDuration, Timestamp};

use crate::lake::Lake;

const DAY: i64 = 86_400;

/// Whoever answers SQL.
#[async_trait]
pub trait Asked: Sync {
    async fn rows(&self, query: SqlQuery) -> Result<Rows>;
}

#[async_trait]
impl Asked for Lake {
    async fn rows(&self, query: SqlQuery) -> Result<Rows> {
        self.sql(query).await
    }
}

#[async_trait]
impl Asked for Store {
    async fn rows(&self, query: SqlQuery) -> Result<Rows> {
        Ok(self.sql(query).await?)
    }
}

/// Every alert with evidence at or after `since`. `tell` hears how many days of how many are done.
pub async fn walk(
    asked: &dyn Asked,
    pack: &Arc<Pack>,
    since: Timestamp,
    tell: &(dyn Fn(u64, u64) + Sync),
) -> Result<Vec<Finding>> {
    let Some((oldest, newest)) = extent(asked).await? else { return Ok(Vec::new()) };
    let reach = pack.reach_days();
    let begin = since.as_second().div_euclid(DAY) - reach;
    let (begin, end) = (begin.max(oldest.as_second().div_euclid(DAY)), newest.as_second().div_euclid(DAY));
    let mut engine = Engine::new(pack.clone()).with_room(usize::MAX).with_all_evidence();
    let mut findings: BTreeMap<String, Finding> = BTreeMap::new();
    let types = pack.types();
    for day in begin..=end {
        tell((day - begin).unsigned_abs(), (end - begin + 1).unsigned_abs());
        let mut rows = asked.rows(statement(&types, day)).await?.batches;
        while let Some(rows) = rows.try_next().await? {
            tokio::task::block_in_place(|| observed(&rows, &mut |input| engine.take(input)));
        }
        let update = tokio::task::block_in_place(|| engine.settle());
        for id in update.withdrawn {
            findings.remove(&id);
        }
        findings.extend(update.findings.into_iter().map(|finding| (finding.id.clone(), finding)));
        engine.forget_before(day - reach - 1);
    }
    let mut list: Vec<Finding> = findings.into_values().filter(|finding| finding.last >= since).collect();
    list.sort_by(|one, other| (one.last, &one.id).cmp(&(other.last, &other.id)));
    Ok(list)
}

fn statement(types: &[String], day: i64) -> SqlQuery {
    let time = |day: i64| {
        let time = Timestamp::UNIX_EPOCH.checked_add(SignedDuration::from_secs(day * DAY)).unwrap_or(Timestamp::MAX);
        jiff::fmt::strtime::format("%Y-%m-%d %H:%M:%S", time).unwrap_or_default()
    };
    let names: Vec<String> = types.iter().map(|name| format!("'{}'", name.replace('\'', "''"))).collect();
    let wanted = if names.is_empty() { String::new() } else { format!("AND eventName IN ({})", names.join(",")) };
    let text = format!(
        "SELECT * FROM observed WHERE eventTime >= TIMESTAMP '{}' AND eventTime < TIMESTAMP '{}' {wanted}",
        time(day),
        time(day + 1)
    );
    SqlQuery { text, params: BTreeMap::new(), timeout: None, max_rows: None }
}

async fn extent(asked: &dyn Asked) -> Result<Option<(Timestamp, Timestamp)>> {
    // What both engines understand, and an answer that says of nothing that it is nothing.
    let text = "SELECT CAST(count(*) AS BIGINT) AS n, min(eventTime) AS oldest, max(eventTime) AS newest FROM observed"
        .to_owned();
    let query = SqlQuery { text, params: BTreeMap::new(), timeout: None, max_rows: None };
    let rows = asked.rows(query).await?.collect().await?;
    let Some(rows) = rows.first().filter(|rows| rows.num_rows() > 0) else { return Ok(None) };
    if rows.column(0).as_primitive_opt::<Int64Type>().is_none_or(|count| count.value(0) == 0) {
        return Ok(None);
    }
    let value = |at: usize| {
        let column = rows.column(at).as_primitive_opt::<TimestampMicrosecondType>()?;
        (!column.is_null(0)).then(|| Timestamp::from_microsecond(column.value(0)).ok())?
    };
    Ok(value(1).zip(value(2)))
}
