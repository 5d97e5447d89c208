//! What people looked up, in a table of its own: added to in one insert, read by scanning.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray, TimestampMicrosecondArray};
use async_trait::async_trait;
use auditlake_store::{
    Result,
    lookup::{Lookup, LookupCount, LookupQuery, Lookups},
};
use jiff::Timestamp;

use crate::{
    ClickStore,
    client::{Row, Server},
    schema::{moment, quoted},
    state,
};

#[async_trait]
impl Lookups for ClickStore {
    async fn note(&self, lookups: Vec<Lookup>) -> Result<()> {
        if lookups.is_empty() {
            return Ok(());
        }
        let rows: Vec<String> = lookups.iter().map(row).collect();
        let text =
            format!("INSERT INTO lookup (happened_at, who, address, what, detail, link) VALUES {}", rows.join(", "));
        self.inner.server.execute("keeping look-ups", &text).await
    }

    async fn lookups(&self, query: &LookupQuery) -> Result<Vec<Lookup>> {
        let limit = query.limit.map(|limit| format!("LIMIT {limit}")).unwrap_or_default();
        read(&self.inner.server, &format!("{} ORDER BY happened_at DESC {limit}", condition(query))).await
    }

    async fn lookup_counts(&self, query: &LookupQuery) -> Result<Vec<LookupCount>> {
        let limit = query.limit.map(|limit| format!("LIMIT {limit}")).unwrap_or_default();
        let text = format!(
            "SELECT who, what, count() AS n, toUnixTimestamp64Micro(max(happened_at)) FROM lookup WHERE {} \
             GROUP BY who, what ORDER BY n DESC, who, what {limit}",
            condition(query)
        );
        let table = self.inner.server.rows("counting look-ups", &text).await?;
        let count = |row: crate::client::Row| LookupCount {
            who: row.string(0),
            what: row.string(1),
            count: row.number(2).unwrap_or_default(),
            last: row.time(3).unwrap_or_default(),
        };
        Ok(table.rows().map(count).collect())
    }

    async fn forget_lookups(&self, before: Timestamp) -> Result<u64> {
        let inner = &self.inner;
        let doing = "forgetting look-ups";
        let condition = format!("happened_at < {}", moment(before));
        let count = inner.server.rows(doing, &format!("SELECT count() FROM lookup WHERE {condition}")).await?;
        let count = count.first().and_then(|row| row.number(0)).unwrap_or_default();
        if count > 0 {
            inner.server.execute(doing, &format!("{} DELETE WHERE {condition}", inner.alter("lookup"))).await?;
        }
        Ok(count)
    }
}

/// The look-ups for which this holds. What follows `WHERE` may order and limit, too.
pub(crate) async fn read(server: &Server, condition: &str) -> Result<Vec<Lookup>> {
    let text = format!(
        "SELECT toUnixTimestamp64Micro(happened_at), who, address, what, detail, link FROM lookup WHERE {condition}"
    );
    let table = server.rows("reading look-ups", &text).await?;
    let lookup = |row: Row| Lookup {
        at: row.time(0).unwrap_or_default(),
        who: row.string(1),
        address: row.text(2).map(str::to_owned),
        what: row.string(3),
        detail: row.string(4),
        link: row.string(5),
    };
    Ok(table.rows().map(lookup).collect())
}

/// Look-ups as rows of the table.
pub(crate) fn rows(lookups: &[Lookup]) -> Result<RecordBatch> {
    fn texts<'l>(lookups: &'l [Lookup], get: fn(&'l Lookup) -> &'l str) -> ArrayRef {
        Arc::new(StringArray::from_iter_values(lookups.iter().map(get)))
    }
    let times = lookups.iter().map(|lookup| lookup.at.as_microsecond());
    let addresses: StringArray = lookups.iter().map(|lookup| lookup.address.as_deref()).collect();
    state::batch(vec![
        ("happened_at", Arc::new(TimestampMicrosecondArray::from_iter_values(times))),
        ("who", texts(lookups, |lookup| &lookup.who)),
        ("address", Arc::new(addresses)),
        ("what", texts(lookups, |lookup| &lookup.what)),
        ("detail", texts(lookups, |lookup| &lookup.detail)),
        ("link", texts(lookups, |lookup| &lookup.link)),
    ])
}

fn row(lookup: &Lookup) -> String {
    let Lookup { at, who, address, what, detail, link } = lookup;
    let address = address.as_deref().map_or("NULL".to_owned(), quoted);
    format!("({}, {}, {address}, {}, {}, {})", moment(*at), quoted(who), quoted(what), quoted(detail), quoted(link))
}

fn condition(query: &LookupQuery) -> String {
    let mut conditions = vec!["true".to_owned()];
    for (column, text) in [("who", &query.who), ("what", &query.what)] {
        if let Some(text) = text {
            conditions.push(format!("{column} = {}", quoted(text)));
        }
    }
    if let Some(word) = &query.word {
        conditions.push(format!("positionUTF8(lowerUTF8(detail), lowerUTF8({})) > 0", quoted(word)));
    }
    for (sign, time) in [(">=", query.window.since), ("<", query.window.until)] {
        if let Some(time) = time {
            conditions.push(format!("happened_at {sign} {}", moment(time)));
        }
    }
    conditions.join(" AND ")
}
