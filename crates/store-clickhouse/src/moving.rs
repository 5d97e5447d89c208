//! A deployment on its way from or to another store. Of each stretch the rows come first, then the ledger, and last one insert with its
//! commits and how far the move has come; rows behind that are removed before a move goes on.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, RecordBatch, StringArray, TimestampMicrosecondArray, UInt32Array, UInt64Array},
    compute::concat_batches,
    datatypes::{DataType, Field, Schema},
};
use async_trait::async_trait;
use auditlake_store::{
    DriftQuery, DriftRow, LedgerRow, Result, Rows, Seqs, StoreError, Window,
    alert::Alert,
    lookup::Lookup,
    moving::{
        MOVED, Movable, MovedCheckpoint, MovedCommit, MovedDelivery, MovedSubscriber, Part, Stretch, item, moved,
        moved_alert, moved_delivery, read_items,
    },
    schema::RESOURCE_SEPARATOR,
};
use futures::StreamExt;
use serde_json::{Value, json};

use crate::{
    ClickStore, Inner, alerts,
    client::{Author, Row, Table},
    drift, lookups, outbox,
    reader::ledger_row,
    schema::OWN_READ,
    shape::Shape,
    state::{self, Entry},
    writer::{NO_ENTRY, checkpoint_key, lists, present_map},
};

const DOING: &str = "storing what is moved";
const READING: &str = "reading what is moved";
const PROGRESS: &str = "progress";

#[async_trait]
impl Movable for ClickStore {
    async fn commits_after(&self, after: u64, limit: u64) -> Result<Vec<MovedCommit>> {
        let text = format!(
            "SELECT seq, key, JSONExtractInt(value, 'at'), JSONExtractUInt(value, 'new'), JSONExtractUInt(value, 'known') \
             FROM state WHERE area = 'commit' AND seq > {after}{} ORDER BY seq LIMIT {limit}",
            self.inner.seen().without_aborted()
        );
        let table = self.inner.server.rows("reading commits", &text).await?;
        let commit = |row: Row| MovedCommit {
            seq: row.number(0).unwrap_or_default(),
            source: row.string(1),
            at: row.time(2).unwrap_or_default(),
            new: row.number(3).unwrap_or_default(),
            known: row.number(4).unwrap_or_default(),
        };
        Ok(table.rows().map(commit).collect())
    }

    async fn ledger_between(&self, after: u64, until: u64) -> Result<Vec<LedgerRow>> {
        let text = format!(
            "SELECT {} FROM ledger_entry WHERE {} AND seq > {after} AND seq <= {until} ORDER BY seq, entry, happened_at",
            crate::reader::LEDGER,
            self.inner.seen().visible()
        );
        let table = self.inner.server.rows("reading the ledger", &text).await?;
        Ok(table.rows().map(ledger_row).collect())
    }

    async fn rows_between(&self, after: u64, until: u64) -> Result<Rows> {
        let columns: Vec<String> = MOVED
            .fields()
            .iter()
            .map(|field| match field.name().as_str() {
                "actor_other" => "CAST(actor_other AS Map(String, String))".to_owned(),
                "resource_ids" => format!(
                    "if(empty(resources), NULL, arrayStringConcat(resources, char({})))",
                    RESOURCE_SEPARATOR as u32
                ),
                "own_read" => format!("CAST({OWN_READ} AS Bool)"),
                name => name.to_owned(),
            })
            .collect();
        let condition = self.inner.base(Window::default(), Seqs { after: Some(after), until: Some(until) });
        let text = format!("SELECT {} FROM activity WHERE {condition}", columns.join(", "));
        let rows = self.inner.server.stream(&text, Author::Us, None, Shape::Port).await?;
        let batches = rows.batches.map(|batch| batch.and_then(|batch| moved(&batch)));
        Ok(Rows { schema: MOVED.clone(), batches: Box::pin(batches) })
    }

    async fn items(&self, part: Part, skip: u64, limit: u64) -> Result<Vec<Value>> {
        self.inner.items(part, &format!("LIMIT {limit} OFFSET {skip}"), skip, limit).await
    }

    async fn progress(&self) -> Result<Option<Value>> {
        let found = state::read_where(&self.inner.server, "area = 'copy'").await?;
        Ok(found.get(PROGRESS).map(|text| serde_json::from_str(text).unwrap_or(Value::String(text.clone()))))
    }

    async fn set_progress(&self, progress: Option<Value>) -> Result<()> {
        let mut writer = self.inner.writer.lock().await;
        writer.ready_to_move(&self.inner).await?;
        let entry = match progress {
            Some(progress) => Entry::new("copy", PROGRESS, progress),
            None => Entry::gone("copy", PROGRESS),
        };
        writer.write(&self.inner.server, "noting a move", &[entry]).await
    }

    async fn drop_after(&self, seq: u64) -> Result<()> {
        let inner = &self.inner;
        inner.writer.lock().await.ready_to_move(inner).await?;
        let doing = "removing what a move left";
        for table in ["activity", "ledger_entry"] {
            inner.server.execute(doing, &format!("{} DELETE WHERE seq > {seq}", inner.alter(table))).await?;
        }
        Ok(())
    }

    async fn take(&self, stretch: Stretch, progress: Value) -> Result<()> {
        let inner = &self.inner;
        let mut writer = inner.writer.lock().await;
        writer.ready_to_move(inner).await?;
        let Some(last) = stretch.commits.last().map(|commit| commit.seq) else { return Ok(()) };
        // A token of its own each time: what was removed again must not count as sent twice.
        let token = uuid::Uuid::new_v4();
        let rows = concat_batches(&MOVED, &stretch.rows).map_err(laying_out)?;
        if rows.num_rows() > 0 {
            inner.server.insert(DOING, "activity", &stored(&rows)?, &format!("moved-{token}")).await?;
        }
        if !stretch.ledger.is_empty() {
            inner.server.insert(DOING, "ledger_entry", &ledger(&stretch.ledger)?, &format!("ledger-{token}")).await?;
        }
        let mut entries: Vec<Entry> = stretch.commits.iter().map(commit).collect();
        entries.push(Entry::new("copy", PROGRESS, progress));
        writer.ready_to_move(inner).await?;
        writer.write(&inner.server, DOING, &entries).await?;
        inner.set_seen(state::Seen { seq: last, aborted: inner.seen().aborted.clone() });
        Ok(())
    }

    async fn clear(&self, part: Part) -> Result<()> {
        let inner = &self.inner;
        inner.writer.lock().await.ready_to_move(inner).await?;
        let text = match area(part) {
            Some(area) => format!("{} DELETE WHERE area = '{area}'", inner.alter("state")),
            None => format!("{} DELETE WHERE true", inner.alter("lookup")),
        };
        inner.server.execute("making room for what is moved", &text).await
    }

    async fn take_items(&self, part: Part, items: Vec<Value>) -> Result<()> {
        let inner = &self.inner;
        let mut writer = inner.writer.lock().await;
        writer.ready_to_move(inner).await?;
        match part {
            Part::Lookups => {
                let rows = lookups::rows(&read_items::<Lookup>(items)?)?;
                inner.server.insert(DOING, "lookup", &rows, &format!("moved-{}", uuid::Uuid::new_v4())).await
            }
            _ => writer.write(&inner.server, DOING, &entries(part, items)?).await,
        }
    }
}

/// The area of `state` that holds a part, if it is in one.
fn area(part: Part) -> Option<&'static str> {
    match part {
        Part::Checkpoints => Some("checkpoint"),
        Part::Drift => Some("drift"),
        Part::Alerts => Some("alert"),
        Part::Subscribers => Some("subscriber"),
        Part::Deliveries => Some("delivery"),
        Part::Handled => Some("handled"),
        Part::Lookups => None,
    }
}

impl Inner {
    async fn items(&self, part: Part, page: &str, skip: u64, limit: u64) -> Result<Vec<Value>> {
        match part {
            Part::Drift => {
                // There are few of them: see `DriftKind`.
                let all = drift::read(&self.server, &self.seen(), &DriftQuery::default()).await?;
                if all.len() != state::read(&self.server, &self.seen(), "drift", None).await?.len() {
                    return Err(unreadable(part, "an entry"));
                }
                let few = all.iter().skip(usize::try_from(skip).unwrap_or(usize::MAX));
                Ok(few.take(usize::try_from(limit).unwrap_or(usize::MAX)).map(item).collect())
            }
            Part::Lookups => {
                let order = format!("true ORDER BY happened_at, who, what, detail, link, address {page}");
                Ok(lookups::read(&self.server, &order).await?.iter().map(item).collect())
            }
            _ => {
                let area = area(part).unwrap_or_default();
                let text = format!(
                    "SELECT key, argMax(value, version), argMax(seq, version), argMax(deleted, version) AS gone FROM state \
                     WHERE area = '{area}'{} GROUP BY key HAVING NOT gone ORDER BY key {page}",
                    self.seen().without_aborted()
                );
                let table = self.server.rows(READING, &text).await?;
                items_of(part, &table)
            }
        }
    }
}

/// What stands there was written by this program or an older one. What cannot be read would be lost on the way: that is an error.
fn items_of(part: Part, table: &Table) -> Result<Vec<Value>> {
    let item = |row: Row| {
        let (key, value) = (row.string(0), row.string(1));
        let item = match part {
            Part::Checkpoints => key.split_once('\u{1}').zip(row.number(2)).map(|((source, name), seq)| {
                item(&MovedCheckpoint { source: source.to_owned(), name: name.to_owned(), value, seq })
            }),
            Part::Alerts => serde_json::from_str::<Alert>(&value).ok().map(moved_alert),
            Part::Subscribers => value.parse().ok().map(|seq| item(&MovedSubscriber { name: key.clone(), seq })),
            Part::Deliveries => serde_json::from_str(&value)
                .ok()
                .map(|MovedDelivery { number, delivery }| moved_delivery(number, delivery)),
            Part::Handled => value.parse::<u64>().ok().map(Value::from),
            Part::Drift | Part::Lookups => None,
        };
        item.ok_or_else(|| unreadable(part, &key))
    };
    table.rows().map(item).collect()
}

fn unreadable(part: Part, key: &str) -> StoreError {
    let message = format!("among {} there is one that this program cannot read: {key:?}", part.name());
    StoreError::Engine { doing: READING, message }
}

fn entries(part: Part, items: Vec<Value>) -> Result<Vec<Entry>> {
    Ok(match part {
        Part::Checkpoints => {
            let entry = |one: MovedCheckpoint| Entry {
                seq: one.seq,
                ..Entry::new("checkpoint", checkpoint_key(&one.source, &one.name), one.value)
            };
            read_items(items)?.into_iter().map(entry).collect()
        }
        Part::Drift => read_items::<DriftRow>(items)?.into_iter().map(drift::entry).collect(),
        Part::Alerts => read_items::<Alert>(items)?.iter().map(alerts::entry).collect(),
        Part::Subscribers => {
            let entry = |one: MovedSubscriber| Entry::new("subscriber", one.name, one.seq);
            read_items(items)?.into_iter().map(entry).collect()
        }
        Part::Deliveries => read_items::<MovedDelivery>(items)?.iter().map(outbox::entry).collect(),
        Part::Handled => read_items::<u64>(items)?.into_iter().map(|n| Entry::new("handled", "alerts", n)).collect(),
        Part::Lookups => Vec::new(),
    })
}

fn commit(one: &MovedCommit) -> Entry {
    let note = json!({"at": one.at.as_microsecond(), "new": one.new, "known": one.known});
    Entry { seq: one.seq, ..Entry::new("commit", one.source.clone(), note) }
}

fn laying_out(error: arrow::error::ArrowError) -> StoreError {
    StoreError::Engine { doing: "laying out rows", message: error.to_string() }
}

fn ledger(entries: &[LedgerRow]) -> Result<RecordBatch> {
    fn texts<'e>(entries: &'e [LedgerRow], get: fn(&'e LedgerRow) -> &'e str) -> ArrayRef {
        Arc::new(StringArray::from_iter_values(entries.iter().map(get)))
    }
    let numbers =
        |get: fn(&LedgerRow) -> u64| -> ArrayRef { Arc::new(UInt64Array::from_iter_values(entries.iter().map(get))) };
    let times = entries.iter().map(|entry| entry.at.as_microsecond());
    state::batch(vec![
        ("seq", numbers(|entry| entry.seq)),
        ("source_id", texts(entries, |entry| &entry.source)),
        ("happened_at", Arc::new(TimestampMicrosecondArray::from_iter_values(times))),
        ("kind", texts(entries, |entry| &entry.kind)),
        ("new_rows", numbers(|entry| entry.new)),
        ("known_rows", numbers(|entry| entry.known)),
        ("detail", Arc::new(StringArray::from_iter_values(entries.iter().map(|entry| entry.detail.to_string())))),
        ("entry", Arc::new(UInt32Array::from_iter_values(entries.iter().map(|entry| entry.entry.unwrap_or(NO_ENTRY))))),
        ("late_rows", numbers(|entry| entry.late)),
    ])
}

/// Rows as the table holds them.
fn stored(rows: &RecordBatch) -> Result<RecordBatch> {
    let columns = rows.columns().iter().zip(MOVED.fields()).map(|(values, field)| match field.name().as_str() {
        "actor_other" => present_map(values),
        "resource_ids" => lists(values),
        name @ ("late" | "own_read") => (Field::new(name, DataType::Boolean, false), values.clone()),
        _ => (field.as_ref().clone(), values.clone()),
    });
    let (fields, columns): (Vec<Field>, Vec<ArrayRef>) = columns.unzip();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(laying_out)
}
