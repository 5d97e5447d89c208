//! A deployment on its way from or to another store. Each stretch of commits is one transaction with the note of how far the move
//! has come; the note stands in a table that is there only while a move is under way.

use std::{borrow::Cow, sync::Arc};

use activity::{Activity, Record};
use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch, StringArray},
    datatypes::{Field, Schema, SchemaRef},
};
use async_trait::async_trait;
use auditlake_store::{
    DriftQuery, DriftRow, LedgerRow, Result, Rows, StoreError,
    alert::Alert,
    lookup::Lookup,
    moving::{
        MOVED, Movable, MovedCheckpoint, MovedCommit, MovedDelivery, MovedSubscriber, Part, Stretch, item, moved,
        moved_alert, moved_delivery, read_items,
    },
    outbox::Delivery,
    raw::{MARK_RESOURCES, join, split},
    schema::RESOURCE_SEPARATOR,
};
use duckdb::{Connection, params};
use futures::StreamExt;
use jiff::Timestamp;
use serde_json::Value;

use crate::{
    DuckStore, alerts,
    bulk::{Bulk, quoted},
    drift, lookups, outbox,
    reader::{ledger_row, moment},
    schema, stream, writer,
};

const TABLE: &str = "copy_progress";
/// A statement holds so many texts.
const AT_ONCE: usize = 200;

#[async_trait]
impl Movable for DuckStore {
    async fn commits_after(&self, after: u64, limit: u64) -> Result<Vec<MovedCommit>> {
        self.read("reading commits", move |connection, _| {
            let mut statement = connection.prepare(&format!(
                "SELECT seq, epoch_us(committed_at), source_id, new_rows, known_rows FROM commits WHERE seq > {after} \
                 ORDER BY seq LIMIT {limit}"
            ))?;
            let rows = statement.query_map([], |row| {
                Ok(MovedCommit {
                    seq: row.get(0)?,
                    at: moment(row, 1)?.unwrap_or_default(),
                    source: row.get(2)?,
                    new: row.get(3)?,
                    known: row.get(4)?,
                })
            })?;
            rows.collect()
        })
        .await
    }

    async fn ledger_between(&self, after: u64, until: u64) -> Result<Vec<LedgerRow>> {
        self.read("reading the ledger", move |connection, _| {
            let mut statement = connection.prepare(&format!(
                "SELECT seq, source_id, epoch_us(happened_at), kind, new_rows, known_rows, detail, entry, coalesce(late_rows, 0) \
                 FROM ledger WHERE seq > {after} AND seq <= {until} ORDER BY seq, entry, happened_at, rowid"
            ))?;
            let rows = statement.query_map([], ledger_row)?;
            rows.collect()
        })
        .await
    }

    async fn rows_between(&self, after: u64, until: u64) -> Result<Rows> {
        let columns: Vec<String> = MOVED
            .fields()
            .iter()
            .map(|field| match field.name().as_str() {
                "target" => format!("{} AS target", schema::target()),
                "raw_log" => format!("{} AS raw_log", schema::raw_log()),
                name @ ("late" | "own_read") => format!("coalesce({name}, false) AS {name}"),
                name => name.to_owned(),
            })
            .collect();
        let text = format!("SELECT {} FROM activity WHERE seq > {after} AND seq <= {until}", columns.join(", "));
        let rows = stream::run(self, stream::Query::own(text, Vec::new())).await?;
        let batches = rows.batches.map(|batch| batch.and_then(|batch| moved(&batch)));
        Ok(Rows { schema: MOVED.clone(), batches: Box::pin(batches) })
    }

    async fn items(&self, part: Part, skip: u64, limit: u64) -> Result<Vec<Value>> {
        self.read("reading what is moved", move |connection, _| items(connection, part, skip, limit)).await
    }

    async fn progress(&self) -> Result<Option<Value>> {
        let text = self
            .read("looking for a move", |connection, _| {
                let count = format!("SELECT count(*) FROM duckdb_tables() WHERE table_name = '{TABLE}'");
                let count: i64 = connection.query_row(&count, [], |row| row.get(0))?;
                match count {
                    0 => Ok(None),
                    _ => connection.query_row(&format!("SELECT max(value) FROM {TABLE}"), [], |row| row.get(0)),
                }
            })
            .await?;
        Ok(text.map(|text: String| serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }

    async fn set_progress(&self, progress: Option<Value>) -> Result<()> {
        let text = move |bulk: &Bulk| match &progress {
            Some(progress) => note(bulk, progress),
            None => format!("DROP TABLE IF EXISTS {}", bulk.table(TABLE)),
        };
        self.change("noting a move", text).await
    }

    async fn drop_after(&self, _seq: u64) -> Result<()> {
        // A stretch is one transaction: nothing of one that was broken off is there.
        Ok(())
    }

    async fn take(&self, stretch: Stretch, progress: Value) -> Result<()> {
        let rows = stretch.rows.iter().map(stored).collect::<Result<Vec<_>>>()?;
        let last = stretch.commits.last().map(|commit| commit.seq);
        self.blocking(move |inner| {
            inner.with_writer("storing what is moved", |state| {
                let bulk = &state.connections()?.bulk;
                let statements =
                    [commits(bulk, &stretch.commits), ledger(bulk, &stretch.ledger), note(bulk, &progress)];
                let statements = statements.join(";");
                bulk.with_staged(&rows, || {
                    writer::transaction_of(bulk, || {
                        if !rows.is_empty() {
                            bulk.insert_staged("activity")?;
                        }
                        bulk.execute(&statements)
                    })
                })?;
                state.read_seq()
            })?;
            if let Some(last) = last {
                inner.commits.send_replace(last);
            }
            Ok(())
        })
        .await
    }

    async fn clear(&self, part: Part) -> Result<()> {
        let tables: &[&str] = match part {
            Part::Checkpoints => &["checkpoint_state"],
            Part::Drift => &["drift_state"],
            Part::Alerts => &["alert", "alert_change"],
            Part::Subscribers => &["subscriber"],
            Part::Deliveries => &["delivery"],
            Part::Handled => &["delivery_progress"],
            Part::Lookups => &["lookup"],
        };
        let text = |bulk: &Bulk| {
            tables.iter().map(|table| format!("DELETE FROM {}", bulk.table(table))).collect::<Vec<_>>().join(";")
        };
        self.change("making room for what is moved", text).await
    }

    async fn take_items(&self, part: Part, items: Vec<Value>) -> Result<()> {
        let make = statements(part, items)?;
        self.change("storing what is moved", move |bulk| make(bulk)).await
    }
}

impl DuckStore {
    /// Runs statements in one transaction.
    async fn change(&self, doing: &'static str, text: impl FnOnce(&Bulk) -> String + Send + 'static) -> Result<()> {
        self.blocking(move |inner| {
            inner.with_writer(doing, |state| {
                let bulk = &state.connections()?.bulk;
                let text = text(bulk);
                writer::transaction_of(bulk, || bulk.execute(&text))
            })
        })
        .await
    }
}

fn note(bulk: &Bulk, progress: &Value) -> String {
    let table = bulk.table(TABLE);
    let value = quoted(&progress.to_string());
    format!(
        "CREATE TABLE IF NOT EXISTS {table} (value VARCHAR NOT NULL); DELETE FROM {table}; INSERT INTO {table} VALUES ({value})"
    )
}

fn inserts(table: &str, rows: &[String]) -> String {
    let texts = rows.chunks(AT_ONCE).map(|rows| format!("INSERT INTO {table} VALUES {}", rows.join(", ")));
    texts.collect::<Vec<_>>().join(";")
}

fn time(at: Timestamp) -> String {
    format!("make_timestamp({})", at.as_microsecond())
}

fn maybe(at: Option<Timestamp>) -> String {
    at.map_or("NULL".to_owned(), time)
}

fn commits(bulk: &Bulk, commits: &[MovedCommit]) -> String {
    let row = |one: &MovedCommit| {
        format!("({}, {}, {}, {}, {})", one.seq, time(one.at), quoted(&one.source), one.new, one.known)
    };
    inserts(&bulk.table("commits"), &commits.iter().map(row).collect::<Vec<_>>())
}

fn ledger(bulk: &Bulk, entries: &[LedgerRow]) -> String {
    let row = |one: &LedgerRow| {
        format!(
            "({}, {}, {}, {}, {}, {}, {}, {}, {})",
            one.seq,
            quoted(&one.source),
            time(one.at),
            quoted(&one.kind),
            one.new,
            one.known,
            quoted(&one.detail.to_string()),
            one.entry.map_or("NULL".to_owned(), |entry| entry.to_string()),
            one.late
        )
    };
    let columns = "seq, source_id, happened_at, kind, new_rows, known_rows, detail, entry, late_rows";
    inserts(&format!("{} ({columns})", bulk.table("ledger")), &entries.iter().map(row).collect::<Vec<_>>())
}

fn items(connection: &Connection, part: Part, skip: u64, limit: u64) -> duckdb::Result<Vec<Value>> {
    let page = format!("LIMIT {limit} OFFSET {skip}");
    match part {
        Part::Checkpoints => {
            let mut statement = connection.prepare(&format!(
                "SELECT source_id, name, value, seq FROM checkpoint_state ORDER BY source_id, name {page}"
            ))?;
            let rows = statement.query_map([], |row| {
                let (source, name, value, seq) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
                Ok(item(&MovedCheckpoint { source, name, value, seq }))
            })?;
            rows.collect()
        }
        Part::Drift => {
            // There are few of them: see `DriftKind`.
            let all = drift::read(connection, &DriftQuery::default())?;
            let few = all.iter().skip(usize::try_from(skip).unwrap_or(usize::MAX));
            Ok(few.take(usize::try_from(limit).unwrap_or(usize::MAX)).map(item).collect())
        }
        Part::Alerts => {
            let alerts = alerts::read(connection, "true", &format!("ORDER BY id {page}"), Vec::new())?;
            Ok(alerts.into_iter().map(moved_alert).collect())
        }
        Part::Subscribers => {
            let mut statement = connection
                .prepare(&format!("SELECT name, max(seq) FROM subscriber GROUP BY name ORDER BY name {page}"))?;
            let rows =
                statement.query_map([], |row| Ok(item(&MovedSubscriber { name: row.get(0)?, seq: row.get(1)? })))?;
            rows.collect()
        }
        Part::Deliveries => {
            let mut statement = connection.prepare(&format!("SELECT number FROM delivery ORDER BY number {page}"))?;
            let numbers: Vec<u64> = statement.query_map([], |row| row.get(0))?.collect::<duckdb::Result<_>>()?;
            let (Some(first), Some(last)) = (numbers.first(), numbers.last()) else { return Ok(Vec::new()) };
            let condition = format!("number BETWEEN {first} AND {last} ORDER BY number");
            let found = outbox::list(connection, &condition, Vec::new())?;
            Ok(numbers.into_iter().zip(found).map(|(number, one)| moved_delivery(number, one)).collect())
        }
        Part::Handled => {
            let handled: Option<u64> =
                connection.query_row("SELECT max(handled) FROM delivery_progress", params![], |row| row.get(0))?;
            Ok(handled.filter(|_| skip == 0).map(Value::from).into_iter().collect())
        }
        Part::Lookups => lookups::read(
            connection,
            &format!("true ORDER BY happened_at, who, what, detail, link, address NULLS FIRST {page}"),
            Vec::new(),
        )
        .map(|all| all.iter().map(item).collect()),
    }
}

type Make = Box<dyn FnOnce(&Bulk) -> String + Send>;

/// The statements that store items.
fn statements(part: Part, items: Vec<Value>) -> Result<Make> {
    Ok(match part {
        Part::Checkpoints => {
            let items: Vec<MovedCheckpoint> = read_items(items)?;
            Box::new(move |bulk| {
                let row = |one: &MovedCheckpoint| {
                    format!("({}, {}, {}, {})", quoted(&one.source), quoted(&one.name), quoted(&one.value), one.seq)
                };
                inserts(&bulk.table("checkpoint_state"), &items.iter().map(row).collect::<Vec<_>>())
            })
        }
        Part::Drift => {
            let items: Vec<DriftRow> = read_items(items)?;
            Box::new(move |bulk| {
                let rows: Vec<String> = items.iter().map(drift_row).collect();
                inserts(&bulk.table("drift_state"), &rows)
            })
        }
        Part::Alerts => {
            let items: Vec<Alert> = read_items(items)?;
            Box::new(move |bulk| items.iter().flat_map(|one| alerts::write(bulk, one)).collect::<Vec<_>>().join(";"))
        }
        Part::Subscribers => {
            let items: Vec<MovedSubscriber> = read_items(items)?;
            Box::new(move |bulk| {
                let row = |one: &MovedSubscriber| format!("({}, {})", quoted(&one.name), one.seq);
                inserts(&bulk.table("subscriber"), &items.iter().map(row).collect::<Vec<_>>())
            })
        }
        Part::Deliveries => {
            let items: Vec<MovedDelivery> = read_items(items)?;
            Box::new(move |bulk| {
                let rows: Vec<String> = items.iter().map(|one| delivery_row(one.number, &one.delivery)).collect();
                inserts(&bulk.table("delivery"), &rows)
            })
        }
        Part::Handled => {
            let items: Vec<u64> = read_items(items)?;
            Box::new(move |bulk| {
                let rows: Vec<String> = items.iter().map(|number| format!("({number})")).collect();
                inserts(&bulk.table("delivery_progress"), &rows)
            })
        }
        Part::Lookups => {
            let items: Vec<Lookup> = read_items(items)?;
            Box::new(move |bulk| inserts(&bulk.table("lookup"), &items.iter().map(lookups::row).collect::<Vec<_>>()))
        }
    })
}

fn drift_row(one: &DriftRow) -> String {
    let texts = [&one.source, one.kind.as_str(), &one.event_name, &one.name, &one.value].map(quoted).join(", ");
    let (first, last) = (time(one.first_seen), time(one.last_seen));
    format!("({texts}, {first}, {last}, {}::UBIGINT, {})", one.count, quoted(&one.example))
}

fn delivery_row(number: u64, one: &Delivery) -> String {
    let texts = [&one.id, &one.destination, &one.alert, &one.event, &one.severity, &one.alert_state]
        .map(|text| quoted(text))
        .join(", ");
    format!(
        "({number}, {texts}, {}::UBIGINT, {}, {}, {}, {}, {}, {}, {}, {})",
        one.count,
        quoted(one.state.name()),
        one.attempts,
        time(one.queued_at),
        time(one.since),
        time(one.next_at),
        maybe(one.settled_at),
        one.error.as_deref().map_or("NULL".to_owned(), quoted),
        quoted(&one.notice.to_string())
    )
}

/// Rows as the table holds them: what stands in two columns once.
fn stored(batch: &RecordBatch) -> Result<RecordBatch> {
    let at = |name: &str| MOVED.index_of(name).unwrap_or_default();
    let text = |name: &str| batch.column(at(name)).as_string::<i32>();
    let (raws, resources, targets) = (text("raw_log"), text("resource_ids"), text("target"));
    let mut rests = Vec::with_capacity(batch.num_rows());
    let mut marked = Vec::with_capacity(batch.num_rows());
    for row in 0..batch.num_rows() {
        let list: Vec<&str> = match resources.is_valid(row) {
            true => resources.value(row).split(RESOURCE_SEPARATOR).collect(),
            false => Vec::new(),
        };
        rests.push(rest(raws.value(row), &list));
        let target = targets.is_valid(row).then(|| targets.value(row));
        let place = target.and_then(|target| list.iter().position(|resource| *resource == target));
        marked.push(match place.and_then(|place| MARK_RESOURCES.get(place)) {
            Some(mark) => Some(mark.to_string()),
            None => target.map(str::to_owned),
        });
    }
    let mut columns: Vec<ArrayRef> = batch.columns().to_vec();
    columns[at("raw_log")] = Arc::new(StringArray::from_iter_values(rests));
    columns[at("target")] = Arc::new(marked.into_iter().collect::<StringArray>());
    RecordBatch::try_new(staged(), columns)
        .map_err(|error| StoreError::Engine { doing: "laying out rows", message: error.to_string() })
}

/// As the writer stages rows: one form for all, see `bulk`.
fn staged() -> SchemaRef {
    let name = |field: &Arc<Field>| match field.name().as_str() {
        "raw_log" => Field::new("raw_rest", field.data_type().clone(), field.is_nullable()),
        _ => field.as_ref().clone(),
    };
    Arc::new(Schema::new(MOVED.fields().iter().map(name).collect::<Vec<_>>()))
}

/// The raw log without what stands in other columns; all of it where that would not come back byte for byte.
fn rest<'r>(raw: &'r str, resources: &[&str]) -> Cow<'r, str> {
    let Ok(activity) = Activity::parse_str(raw) else { return Cow::Borrowed(raw) };
    let record = Record::of(&activity);
    let mut rest = String::with_capacity(raw.len());
    let is_same = record.resources.len() == resources.len()
        && record.resources.iter().zip(resources).all(|(found, stored)| found == stored);
    split(&activity, if is_same { &record.resources } else { &[] }, &mut rest);
    match join(&rest, &activity.id, activity.created_at, resources) == raw {
        true => Cow::Owned(rest),
        false => Cow::Borrowed(raw),
    }
}
