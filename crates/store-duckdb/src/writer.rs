//! One transaction: rows that are new, checkpoints, ledger entries, and the next sequence number.
//!
//! A known activity id is found by the 4-byte hash of each id, a column of its own that scans at a billion rows a second:
//! rows with the same hash are candidates, and their ids decide. No index to keep, nothing to load at start.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use arrow::{
    array::{ArrayRef, BooleanArray, RecordBatch, StringArray, TimestampMicrosecondArray, UInt32Array, UInt64Array},
    datatypes::{DataType, Field, Schema, TimeUnit},
};
use async_trait::async_trait;
use auditlake_store::{
    Batch, Commit, Committed, Counts, Lateness, LedgerEntry, Result, StoreError, Writer, id_hash, outbox::NewDelivery,
    schema::COLUMNS,
};
use duckdb::Connection;
use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::{oneshot, watch};

use crate::{
    DuckStore,
    bulk::{Bulk, quoted},
    drift, error,
    order::ordered,
};

/// The writer's connections and what it remembers.
pub(crate) struct WriterState {
    connections: Option<Connections>,
    seq: u64,
    recent: Recent,
}

/// Ids that are stored for certain, as small commits have brought them: who follows a feed reads the same minutes again and again, and
/// need not look for each of their rows in the table.
#[derive(Default)]
struct Recent(HashSet<String>);

impl Recent {
    /// So many are remembered; then it begins anew.
    const MOST: usize = 50_000;

    fn of(batches: &[Batch]) -> impl Iterator<Item = &str> {
        batches.iter().flat_map(|batch| batch.ids().iter().flatten())
    }

    fn extend(&mut self, ids: Vec<String>) {
        if self.0.len() + ids.len() > Self::MOST {
            self.0.clear();
        }
        self.0.extend(ids);
    }
}

/// One connection that looks at what is there, and one that writes. Nobody else writes, so both see the same.
pub(crate) struct Connections {
    pub(crate) reader: Connection,
    pub(crate) bulk: Bulk,
}

/// What follows a feed commits so few rows and is back some seconds later. In between, the write-ahead log is moved into the database if
/// it is long, rather than when it has become so long that who comes next would wait for it.
const SMALL: usize = 2_000;
const LOG_BYTES: u64 = 4 << 20;
/// Up to so many hashes stand in the statement itself; more go into a temporary table.
const INLINE_HASHES: usize = 256;
/// Up to so many candidates are looked up by row id; more are found by scanning the ids.
const INLINE_CANDIDATES: usize = 20_000;

#[async_trait]
impl Writer for DuckStore {
    async fn commit(&self, commit: Commit) -> Result<Committed> {
        let is_small = commit.batches.iter().map(Batch::len).sum::<usize>() <= SMALL;
        let (tell, told) = oneshot::channel();
        let inner = self.inner.clone();
        tokio::task::spawn_blocking(move || {
            let mut tell = Some(tell);
            // Whoever asked may have gone.
            let mut answer = |answer| tell.take().map(|tell| drop(tell.send(answer)));
            let done = inner.with_writer("storing activities", |state| {
                let committed = state.commit(commit)?;
                inner.commits.send_replace(committed.seq);
                answer(Ok(committed));
                if is_small && inner.log_bytes() > LOG_BYTES { state.checkpoint() } else { Ok(()) }
            });
            if let Err(error) = done {
                let message = error.to_string();
                // What was stored stays stored.
                if answer(Err(error)).is_none() {
                    tracing::warn!("the write-ahead log was not moved into the database: {message}");
                }
            }
        });
        told.await.unwrap_or_else(|_| {
            Err(StoreError::Engine { doing: "storing activities", message: "the engine gave no answer".to_owned() })
        })
    }

    async fn checkpoints(&self, source: &str) -> Result<BTreeMap<String, Value>> {
        let source = source.to_owned();
        self.blocking(move |inner| inner.with_writer("reading checkpoints", |state| state.checkpoints(&source))).await
    }

    fn commits(&self) -> watch::Receiver<u64> {
        self.inner.commits.subscribe()
    }
}

/// The sequence number of the last commit, 0 if there is none.
pub(crate) fn last_seq(connection: &Connection) -> Result<u64> {
    connection
        .query_row("SELECT coalesce(max(seq), 0) FROM commits", [], |row| row.get(0))
        .map_err(|error| error::translate("reading the last sequence number", &error))
}

impl WriterState {
    pub(crate) fn new(connections: Connections, seq: u64) -> Self {
        WriterState { connections: Some(connections), seq, recent: Recent::default() }
    }

    /// Lets go of the connection after the engine has given the database up.
    pub(crate) fn break_off(&mut self) {
        self.connections = None;
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.connections.is_none()
    }

    pub(crate) fn read_seq(&mut self) -> duckdb::Result<()> {
        self.seq =
            self.connections()?.reader.query_row("SELECT coalesce(max(seq), 0) FROM commits", [], |row| row.get(0))?;
        Ok(())
    }

    pub(crate) fn checkpoint(&mut self) -> duckdb::Result<()> {
        let Connections { bulk, .. } = self.connections()?;
        bulk.execute(&format!("CHECKPOINT {}", bulk.database()))
    }

    /// The connection that looks, for whoever writes beside commits while nobody commits.
    pub(crate) fn reader(&self) -> duckdb::Result<&Connection> {
        Ok(&self.connections()?.reader)
    }

    pub(crate) fn connections(&self) -> duckdb::Result<&Connections> {
        self.connections.as_ref().ok_or_else(|| duckdb::Error::InvalidPath("the database is closed".into()))
    }

    fn commit(&mut self, commit: Commit) -> duckdb::Result<Committed> {
        let connections = self.connections()?;
        let seq = self.seq + 1;
        let is_small = commit.batches.iter().map(Batch::len).sum::<usize>() <= SMALL;
        let ids: Vec<String> = match is_small {
            true => Recent::of(&commit.batches).map(str::to_owned).collect(),
            false => Vec::new(),
        };
        let (batches, lateness) = apply(connections, seq, commit, &self.recent)?;
        self.seq = seq;
        self.recent.extend(ids);
        Ok(Committed { seq, batches, lateness })
    }

    /// Queues deliveries and remembers how far their maker has come, in one transaction.
    pub(crate) fn enqueue(&mut self, handled: u64, mut new: Vec<NewDelivery>) -> duckdb::Result<u64> {
        let Connections { reader, bulk } = self.connections()?;
        let ids: Vec<String> = new.iter().map(|new| quoted(&new.id)).collect();
        let mut known: HashSet<String> = match ids.is_empty() {
            true => HashSet::new(),
            false => column(reader, &format!("SELECT id FROM delivery WHERE id IN ({})", ids.join(", ")))?
                .into_iter()
                .collect(),
        };
        new.retain(|new| known.insert(new.id.clone()));
        let number: u64 =
            reader.query_row("SELECT coalesce(max(number), 0) + 1 FROM delivery", [], |row| row.get(0))?;
        let progress = bulk.table("delivery_progress");
        let insert = crate::outbox::insert(bulk, number, &new);
        transaction(bulk, &format!("{insert} DELETE FROM {progress}; INSERT INTO {progress} VALUES ({handled})"))?;
        Ok(new.len() as u64)
    }

    /// Runs one statement that writes.
    pub(crate) fn execute(&mut self, statement: impl FnOnce(&Bulk) -> String) -> duckdb::Result<()> {
        let Connections { bulk, .. } = self.connections()?;
        bulk.execute(&statement(bulk))
    }

    /// Counts the rows of a table for which this holds, and runs the statement that changes them. Nobody else writes, so both
    /// mean the same rows.
    pub(crate) fn count_and_execute(
        &mut self,
        table: &str,
        condition: &str,
        statement: impl FnOnce(&Bulk) -> String,
    ) -> duckdb::Result<u64> {
        let Connections { reader, bulk } = self.connections()?;
        let count = format!("SELECT count(*) FROM {table} WHERE {condition}");
        let count: i64 = reader.query_row(&count, [], |row| row.get(0))?;
        bulk.execute(&statement(bulk))?;
        Ok(count.unsigned_abs())
    }

    fn checkpoints(&mut self, source: &str) -> duckdb::Result<BTreeMap<String, Value>> {
        let mut statement =
            self.connections()?.reader.prepare("SELECT name, value FROM checkpoint_state WHERE source_id = ?")?;
        let rows = statement.query_map([source], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
        let pairs: Vec<(String, String)> = rows.collect::<duckdb::Result<_>>()?;
        // What stands there was written by `apply`; a value that is no JSON any more counts as a text.
        Ok(pairs
            .into_iter()
            .map(|(name, text)| (name, serde_json::from_str(&text).unwrap_or(Value::String(text))))
            .collect())
    }
}

/// Stores a commit in one transaction. Answers what came of each batch.
fn apply(
    connections: &Connections,
    seq: u64,
    commit: Commit,
    recent: &Recent,
) -> duckdb::Result<(Vec<Counts>, Lateness)> {
    let Connections { reader, bulk } = connections;
    let Commit { source, received_at, batches, checkpoints, ledger, read_before, mut drift, own_reads } = commit;
    let known = known_ids(reader, &batches, recent)?;
    let mut seen = HashSet::new();
    let mut counts = Vec::with_capacity(batches.len());
    let mut rows = Vec::with_capacity(batches.len());
    let mut lateness = Lateness::default();
    for (place, batch) in batches.into_iter().enumerate() {
        let all = batch.len();
        let batch = batch.without(&known, &mut seen);
        let before = lateness.count;
        let late = batch.late(&read_before, received_at, &mut lateness);
        counts.push(Counts {
            new: batch.len() as u64,
            known: (all - batch.len()) as u64,
            late: lateness.count - before,
        });
        drift.extend(batch.drift());
        if !batch.is_empty() {
            let entry = ledger.iter().position(|entry| entry.batch == Some(place));
            rows.push(stored(&batch, seq, &source, received_at, entry, late));
        }
    }
    let rows = ordered(rows).map_err(|error| duckdb::Error::InvalidColumnName(error.to_string()))?;
    let mut statements = vec![commit_entry(bulk, seq, received_at, &source.id, &counts)];
    statements
        .extend(checkpoints.iter().map(|(name, value)| checkpoint_entry(bulk, seq, &source.id, name, value.as_ref())));
    statements.extend(ledger_entries(bulk, seq, &source.id, &ledger, &counts));
    statements.extend(drift::statement(reader, bulk, &source.id, drift)?);
    statements.extend(own_reads.iter().map(|id| tag_entry(bulk, id)));
    bulk.with_staged(&rows, || {
        transaction_of(bulk, || {
            if !rows.is_empty() {
                bulk.insert_staged("activity")?;
            }
            bulk.execute(&statements.join(";"))
        })
    })?;
    Ok((counts, lateness))
}

/// A row that is stored already gets the tag of our own requests.
fn tag_entry(bulk: &Bulk, id: &str) -> String {
    let table = bulk.table("activity");
    format!("UPDATE {table} SET own_read = true WHERE id_hash = {} AND event_id = {}", id_hash(id), quoted(id))
}

fn transaction(bulk: &Bulk, statements: &str) -> duckdb::Result<()> {
    transaction_of(bulk, || bulk.execute(statements))
}

/// Runs `work` in a transaction.
pub(crate) fn transaction_of(bulk: &Bulk, work: impl FnOnce() -> duckdb::Result<()>) -> duckdb::Result<()> {
    bulk.execute("BEGIN TRANSACTION")?;
    work().and_then(|()| bulk.execute("COMMIT")).inspect_err(|_| {
        // After a failed COMMIT there is nothing left to roll back; the first error is the one that tells.
        let _ = bulk.execute("ROLLBACK");
    })
}

fn commit_entry(bulk: &Bulk, seq: u64, at: Timestamp, source: &str, counts: &[Counts]) -> String {
    let (new, known) = counts.iter().fold((0, 0), |(new, known), one| (new + one.new, known + one.known));
    let at = at.as_microsecond();
    format!(
        "INSERT INTO {} VALUES ({seq}, make_timestamp({at}), {}, {new}, {known})",
        bulk.table("commits"),
        quoted(source)
    )
}

fn checkpoint_entry(bulk: &Bulk, seq: u64, source: &str, name: &str, value: Option<&Value>) -> String {
    let table = bulk.table("checkpoint_state");
    let (source, name) = (quoted(source), quoted(name));
    let mut text = format!("DELETE FROM {table} WHERE source_id = {source} AND name = {name}");
    if let Some(value) = value {
        text.push_str(&format!(
            "; INSERT INTO {table} VALUES ({source}, {name}, {}, {seq})",
            quoted(&value.to_string())
        ));
    }
    text
}

/// One statement for all entries, if there are any.
fn ledger_entries(bulk: &Bulk, seq: u64, source: &str, entries: &[LedgerEntry], counts: &[Counts]) -> Option<String> {
    let values: Vec<String> = entries
        .iter()
        .enumerate()
        .map(|(place, entry)| {
            let count = entry.batch.and_then(|at| counts.get(at)).copied().unwrap_or_default();
            let (at, kind, detail) =
                (entry.at.as_microsecond(), quoted(&entry.kind), quoted(&entry.detail.to_string()));
            format!(
                "({seq}, {}, make_timestamp({at}), {kind}, {}, {}, {detail}, {place}, {})",
                quoted(source),
                count.new,
                count.known,
                count.late
            )
        })
        .collect();
    (!values.is_empty()).then(|| {
        let columns = "seq, source_id, happened_at, kind, new_rows, known_rows, detail, entry, late_rows";
        format!("INSERT INTO {} ({columns}) VALUES {}", bulk.table("ledger"), values.join(", "))
    })
}

/// Which of the batches' ids are in the table already.
fn known_ids(connection: &Connection, batches: &[Batch], recent: &Recent) -> duckdb::Result<HashSet<String>> {
    let mut known: HashSet<String> =
        Recent::of(batches).filter(|id| recent.0.contains(*id)).map(str::to_owned).collect();
    let hashes = batches.iter().flat_map(|batch| batch.ids().iter().zip(batch.id_hashes()));
    let open = hashes.filter(|(id, _)| id.is_none_or(|id| !known.contains(id)));
    let mut hashes: Vec<u32> = open.map(|(_, hash)| *hash).collect();
    hashes.sort_unstable();
    hashes.dedup();
    if hashes.is_empty() {
        return Ok(known);
    }
    let list = if hashes.len() <= INLINE_HASHES {
        comma_list(&hashes)
    } else {
        hash_table(connection, &hashes)?;
        "SELECT h FROM temp.batch_hash".to_owned()
    };
    let candidates: Vec<i64> = column(connection, &format!("SELECT rowid FROM activity WHERE id_hash IN ({list})"))?;
    let statement = match candidates.len() {
        0 => return Ok(known),
        few if few <= INLINE_CANDIDATES => {
            format!("SELECT event_id FROM activity WHERE rowid IN ({})", comma_list(&candidates))
        }
        _ => format!("SELECT event_id FROM activity WHERE id_hash IN ({list})"),
    };
    known.extend(column::<String>(connection, &statement)?);
    Ok(known)
}

fn hash_table(connection: &Connection, hashes: &[u32]) -> duckdb::Result<()> {
    connection.execute_batch("CREATE OR REPLACE TEMP TABLE batch_hash (h UINTEGER NOT NULL)")?;
    let schema = Arc::new(Schema::new(vec![Field::new("h", DataType::UInt32, false)]));
    let values: ArrayRef = Arc::new(UInt32Array::from(hashes.to_vec()));
    let rows = RecordBatch::try_new(schema, vec![values])
        .map_err(|error| duckdb::Error::InvalidColumnName(error.to_string()))?;
    let mut appender = connection.appender_to_catalog_and_db("batch_hash", "temp", "main")?;
    appender.append_record_batch(rows)?;
    appender.flush()
}

fn column<T: duckdb::types::FromSql>(connection: &Connection, statement: &str) -> duckdb::Result<Vec<T>> {
    let mut statement = connection.prepare(statement)?;
    let rows = statement.query_map([], |row| row.get(0))?;
    rows.collect()
}

fn comma_list<T: std::fmt::Display>(values: &[T]) -> String {
    let mut text = String::with_capacity(values.len() * 11);
    for value in values {
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str(&value.to_string());
    }
    text
}

/// A batch in the columns of table `activity`: those of the commit in front and behind.
fn stored(
    batch: &Batch,
    seq: u64,
    source: &auditlake_store::SourceInfo,
    received_at: Timestamp,
    entry: Option<usize>,
    late: Option<BooleanArray>,
) -> RecordBatch {
    let rows = batch.len();
    let text = |value: &str| Arc::new(StringArray::from_iter_values(std::iter::repeat_n(value, rows))) as ArrayRef;
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(UInt64Array::from_value(seq, rows)),
        Arc::new(TimestampMicrosecondArray::from_value(received_at.as_microsecond(), rows)),
        text(&source.workspace),
        text(&source.id),
        Arc::new(UInt32Array::from_value(source.ttl_days, rows)),
    ];
    columns.extend(batch.rows().columns().iter().cloned());
    let entry = entry.and_then(|entry| u32::try_from(entry).ok());
    columns.push(match entry {
        Some(entry) => Arc::new(UInt32Array::from_value(entry, rows)),
        None => Arc::new(UInt32Array::new_null(rows)),
    });
    let tag = |tags: Option<BooleanArray>| Arc::new(tags.unwrap_or_else(|| BooleanArray::new_null(rows)));
    columns.push(tag(late));
    columns.push(tag(batch.own_reads()));
    let mut fields = vec![
        Field::new("seq", DataType::UInt64, false),
        Field::new("received_at", DataType::Timestamp(TimeUnit::Microsecond, None), false),
        Field::new("workspace_id", DataType::Utf8, false),
        Field::new("source_id", DataType::Utf8, false),
        Field::new("source_ttl", DataType::UInt32, false),
    ];
    fields.extend(COLUMNS.fields().iter().map(|field| field.as_ref().clone()));
    fields.extend([
        Field::new("entry", DataType::UInt32, true),
        Field::new("late", DataType::Boolean, true),
        Field::new("own_read", DataType::Boolean, true),
    ]);
    #[expect(clippy::expect_used, reason = "each column was made above with a row for each of the batch")]
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).expect("columns of the table")
}
