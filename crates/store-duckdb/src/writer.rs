//! One transaction: rows that are new, checkpoints, ledger entries, and the next sequence number.
//!
//! A known activity id is found by the 4-byte hash of each id, a column of its own that scans at a billion rows a second:
//! rows with the same hash are candidates, and their ids decide. No index to keep, nothing to load at start.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use arrow::{
    array::{ArrayRef, RecordBatch, StringArray, TimestampMicrosecondArray, UInt32Array, UInt64Array},
    datatypes::{DataType, Field, Schema, TimeUnit},
};
use async_trait::async_trait;
use auditlake_store::{Batch, Commit, Committed, Counts, LedgerEntry, Result, Writer, schema::COLUMNS};
use duckdb::{Connection, params};
use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::watch;

use crate::{DuckStore, error};

/// The writer's connection and what it remembers.
pub(crate) struct WriterState {
    connection: Option<Connection>,
    seq: u64,
}

/// Up to so many hashes stand in the statement itself; more go into a temporary table.
const INLINE_HASHES: usize = 256;
/// Up to so many candidates are looked up by row id; more are found by scanning the ids.
const INLINE_CANDIDATES: usize = 20_000;

#[async_trait]
impl Writer for DuckStore {
    async fn commit(&self, commit: Commit) -> Result<Committed> {
        self.blocking(move |inner| {
            let committed = inner.with_writer("storing activities", |state| state.commit(commit))?;
            inner.commits.send_replace(committed.seq);
            Ok(committed)
        })
        .await
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
    pub(crate) fn new(connection: Connection, seq: u64) -> Self {
        WriterState { connection: Some(connection), seq }
    }

    /// Lets go of the connection after the engine has given the database up.
    pub(crate) fn break_off(&mut self) {
        self.connection = None;
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.connection.is_none()
    }

    pub(crate) fn read_seq(&mut self) -> duckdb::Result<()> {
        self.seq = self.connection()?.query_row("SELECT coalesce(max(seq), 0) FROM commits", [], |row| row.get(0))?;
        Ok(())
    }

    pub(crate) fn checkpoint(&mut self) -> duckdb::Result<()> {
        self.connection()?.execute_batch("CHECKPOINT")
    }

    fn connection(&self) -> duckdb::Result<&Connection> {
        self.connection.as_ref().ok_or_else(|| duckdb::Error::InvalidPath("the database is closed".into()))
    }

    fn commit(&mut self, commit: Commit) -> duckdb::Result<Committed> {
        let connection = self.connection()?;
        let seq = self.seq + 1;
        connection.execute_batch("BEGIN TRANSACTION")?;
        let done = apply(connection, seq, commit).and_then(|counts| {
            connection.execute_batch("COMMIT")?;
            Ok(counts)
        });
        match done {
            Ok(batches) => {
                self.seq = seq;
                Ok(Committed { seq, batches })
            }
            Err(error) => {
                // After a failed COMMIT there is nothing left to roll back; the first error is the one that tells.
                let _ = connection.execute_batch("ROLLBACK");
                Err(error)
            }
        }
    }

    fn checkpoints(&mut self, source: &str) -> duckdb::Result<BTreeMap<String, Value>> {
        let mut statement = self.connection()?.prepare("SELECT name, value FROM checkpoint_state WHERE source_id = ?")?;
        let rows = statement.query_map([source], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
        let pairs: Vec<(String, String)> = rows.collect::<duckdb::Result<_>>()?;
        // What stands there was written by `apply`; a value that is no JSON any more counts as a text.
        Ok(pairs.into_iter().map(|(name, text)| (name, serde_json::from_str(&text).unwrap_or(Value::String(text)))).collect())
    }
}

/// Everything between BEGIN and COMMIT. Answers what came of each batch.
fn apply(connection: &Connection, seq: u64, commit: Commit) -> duckdb::Result<Vec<Counts>> {
    let Commit { source, received_at, batches, checkpoints, ledger } = commit;
    let known = known_ids(connection, &batches)?;
    let mut seen = HashSet::new();
    let mut counts = Vec::with_capacity(batches.len());
    {
        let mut appender = connection.appender("activity")?;
        for batch in batches {
            let all = batch.len();
            let batch = batch.without(&known, &mut seen);
            counts.push(Counts { new: batch.len() as u64, known: (all - batch.len()) as u64 });
            if !batch.is_empty() {
                appender.append_record_batch(stored(&batch, seq, &source, received_at))?;
            }
        }
        appender.flush()?;
    }
    let total = counts.iter().fold(Counts::default(), |sum, one| Counts { new: sum.new + one.new, known: sum.known + one.known });
    connection.execute(
        "INSERT INTO commits VALUES (?, make_timestamp(?), ?, ?, ?)",
        params![seq, received_at.as_microsecond(), source.id, total.new, total.known],
    )?;
    for (name, value) in checkpoints {
        set_checkpoint(connection, seq, &source.id, &name, value.as_ref())?;
    }
    add_ledger(connection, seq, &source.id, &ledger, &counts)?;
    Ok(counts)
}

fn set_checkpoint(connection: &Connection, seq: u64, source: &str, name: &str, value: Option<&Value>) -> duckdb::Result<()> {
    connection.execute("DELETE FROM checkpoint_state WHERE source_id = ? AND name = ?", params![source, name])?;
    if let Some(value) = value {
        connection.execute("INSERT INTO checkpoint_state VALUES (?, ?, ?, ?)", params![source, name, value.to_string(), seq])?;
    }
    Ok(())
}

fn add_ledger(connection: &Connection, seq: u64, source: &str, entries: &[LedgerEntry], counts: &[Counts]) -> duckdb::Result<()> {
    let mut statement = connection.prepare("INSERT INTO ledger VALUES (?, ?, make_timestamp(?), ?, ?, ?, ?)")?;
    for entry in entries {
        let count = entry.batch.and_then(|at| counts.get(at)).copied().unwrap_or_default();
        let at = entry.at.as_microsecond();
        statement.execute(params![seq, source, at, entry.kind, count.new, count.known, entry.detail.to_string()])?;
    }
    Ok(())
}

/// Which of the batches' ids are in the table already.
fn known_ids(connection: &Connection, batches: &[Batch]) -> duckdb::Result<HashSet<String>> {
    let mut hashes: Vec<u32> = batches.iter().flat_map(|batch| batch.id_hashes()).copied().collect();
    hashes.sort_unstable();
    hashes.dedup();
    if hashes.is_empty() {
        return Ok(HashSet::new());
    }
    let list = if hashes.len() <= INLINE_HASHES {
        comma_list(&hashes)
    } else {
        hash_table(connection, &hashes)?;
        "SELECT h FROM temp.batch_hash".to_owned()
    };
    let candidates: Vec<i64> = column(connection, &format!("SELECT rowid FROM activity WHERE id_hash IN ({list})"))?;
    let statement = match candidates.len() {
        0 => return Ok(HashSet::new()),
        few if few <= INLINE_CANDIDATES => {
            format!("SELECT event_id FROM activity WHERE rowid IN ({})", comma_list(&candidates))
        }
        _ => format!("SELECT event_id FROM activity WHERE id_hash IN ({list})"),
    };
    Ok(column::<String>(connection, &statement)?.into_iter().collect())
}

fn hash_table(connection: &Connection, hashes: &[u32]) -> duckdb::Result<()> {
    connection.execute_batch("CREATE OR REPLACE TEMP TABLE batch_hash (h UINTEGER NOT NULL)")?;
    let schema = Arc::new(Schema::new(vec![Field::new("h", DataType::UInt32, false)]));
    let values: ArrayRef = Arc::new(UInt32Array::from(hashes.to_vec()));
    let rows = RecordBatch::try_new(schema, vec![values]).map_err(|error| duckdb::Error::InvalidColumnName(error.to_string()))?;
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

/// A batch in the columns of table `activity`: those of the commit in front.
fn stored(batch: &Batch, seq: u64, source: &auditlake_store::SourceInfo, received_at: Timestamp) -> RecordBatch {
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
    let mut fields = vec![
        Field::new("seq", DataType::UInt64, false),
        Field::new("received_at", DataType::Timestamp(TimeUnit::Microsecond, None), false),
        Field::new("workspace_id", DataType::Utf8, false),
        Field::new("source_id", DataType::Utf8, false),
        Field::new("source_ttl", DataType::UInt32, false),
    ];
    fields.extend(COLUMNS.fields().iter().map(|field| field.as_ref().clone()));
    #[expect(clippy::expect_used, reason = "each column was made above with a row for each of the batch")]
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).expect("columns of the table")
}
