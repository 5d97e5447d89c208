//! Whether two stores hold the same: both are read from end to end, and of everything that they hold there is a count and a sum of
//! SHA-256 hashes, which is the same in whichever order it is read.
//!
//! A server deletes activities at the end of their retention, whenever it comes to it. Where one takes part, those that are there or will be
//! within a day are only counted, on both sides, in a line of their own.

use anyhow::Result;
use arrow::{
    array::{Array, AsArray, RecordBatch},
    datatypes::{DataType, Int64Type, TimestampMicrosecondType, UInt32Type, UInt64Type},
};
use auditlake_store::moving::{Movable, Part};
use futures::TryStreamExt;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{COMMITS, ITEMS};
use crate::engine::Store;

/// The name of the line of what a server deletes by itself.
pub const EXPIRED: &str = "expired";

/// Some things, in any order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sum {
    /// How many.
    pub count: u64,
    /// Their hashes, added.
    sum: [u64; 4],
}

impl Sum {
    fn add(&mut self, hash: &[u8]) {
        self.count += 1;
        for (sum, word) in self.sum.iter_mut().zip(hash.chunks_exact(8)) {
            let word = word.iter().fold(0_u64, |word, byte| (word << 8) | u64::from(*byte));
            *sum = sum.wrapping_add(word);
        }
    }

    fn text(self) -> String {
        self.sum.iter().map(|word| format!("{word:016x}")).collect()
    }
}

/// A line of the report.
#[derive(Debug, Serialize)]
pub struct Line {
    pub what: &'static str,
    pub from: u64,
    pub to: u64,
    pub from_hash: String,
    pub to_hash: String,
    pub same: bool,
}

/// Reads both, side by side.
pub async fn compare(from: &Store, to: &Store) -> Result<Vec<Line>> {
    let deletes = |store: &Store| matches!(store, Store::Click(_));
    let cut =
        (deletes(from) || deletes(to)).then(|| (Timestamp::now() + SignedDuration::from_hours(24)).as_microsecond());
    let other = to.clone();
    let other = tokio::spawn(async move { sums(&other, cut).await });
    let mine = sums(from, cut).await;
    let (mine, other) = (mine?, other.await??);
    let line = |(&(what, from), &(_, to)): (&(&'static str, Sum), &(&'static str, Sum))| Line {
        what,
        from: from.count,
        to: to.count,
        from_hash: from.text(),
        to_hash: to.text(),
        same: from == to || what == EXPIRED,
    };
    Ok(mine.iter().zip(&other).map(line).collect())
}

async fn sums(store: &Store, cut: Option<i64>) -> Result<Vec<(&'static str, Sum)>> {
    let mut all = Rows::default();
    let mut batches = store.rows_between(0, u64::MAX).await?.batches;
    while let Some(batch) = batches.try_next().await? {
        // Hashing is work: others get their turn.
        all = tokio::task::spawn_blocking(move || {
            all.add(&batch, cut);
            all
        })
        .await?;
    }
    let Rows { rows, raws, expired } = all;
    let (mut commits, mut ledger) = (Sum::default(), Sum::default());
    let mut seq = 0;
    loop {
        let some = store.commits_after(seq, COMMITS).await?;
        let Some(last) = some.last().map(|commit| commit.seq) else { break };
        for commit in some {
            commits.add(&hash_of(&commit)?);
        }
        for entry in store.ledger_between(seq, last).await? {
            ledger.add(&hash_of(&entry)?);
        }
        seq = last;
    }
    let mut all = vec![("activities", rows), ("raw logs", raws), ("commits", commits), ("ledger", ledger)];
    all.extend(cut.map(|_| (EXPIRED, expired)));
    for part in Part::ALL {
        let mut sum = Sum::default();
        loop {
            let items = store.items(part, sum.count, ITEMS).await?;
            if items.is_empty() {
                break;
            }
            for item in items {
                sum.add(&hash_of(&item)?);
            }
        }
        all.push((part.name(), sum));
    }
    Ok(all)
}

fn hash_of(value: &impl Serialize) -> Result<[u8; 32]> {
    Ok(Sha256::digest(serde_json::to_vec(value)?).into())
}

/// Activities.
#[derive(Default)]
struct Rows {
    rows: Sum,
    raws: Sum,
    /// Those that a server deletes by itself: how many there are.
    expired: Sum,
}

impl Rows {
    /// Each row's columns one after the other, told apart by their lengths; its raw log also for itself.
    fn add(&mut self, batch: &RecordBatch, cut: Option<i64>) {
        let schema = batch.schema();
        let raw = schema.index_of("raw_log").unwrap_or_default();
        let mut bytes = Vec::new();
        for at in 0..batch.num_rows() {
            if cut.is_some_and(|cut| end(batch, at).is_some_and(|end| end < cut)) {
                self.expired.count += 1;
                continue;
            }
            bytes.clear();
            for (place, column) in batch.columns().iter().enumerate() {
                if place == raw {
                    let hash = Sha256::digest(column.as_string::<i32>().value(at));
                    self.raws.add(&hash);
                    bytes.extend_from_slice(&hash);
                } else {
                    write(column, at, &mut bytes);
                }
            }
            self.rows.add(&Sha256::digest(&bytes));
        }
    }
}

/// When the retention of a row ends, in microseconds since 1970.
fn end(batch: &RecordBatch, at: usize) -> Option<i64> {
    let time = batch.column_by_name("event_time")?.as_primitive_opt::<TimestampMicrosecondType>()?.value(at);
    let days = batch.column_by_name("source_ttl")?.as_primitive_opt::<UInt32Type>()?.value(at);
    Some(time.saturating_add(i64::from(days.min(100_000)) * 86_400_000_000))
}

fn text(text: &str, bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(&(text.len() as u64).to_le_bytes());
    bytes.extend_from_slice(text.as_bytes());
}

fn write(column: &dyn Array, at: usize, bytes: &mut Vec<u8>) {
    if column.is_null(at) {
        return bytes.push(0);
    }
    bytes.push(1);
    match column.data_type() {
        DataType::Utf8 => text(column.as_string::<i32>().value(at), bytes),
        DataType::Boolean => bytes.push(u8::from(column.as_boolean().value(at))),
        DataType::UInt32 => bytes.extend_from_slice(&column.as_primitive::<UInt32Type>().value(at).to_le_bytes()),
        DataType::UInt64 => bytes.extend_from_slice(&column.as_primitive::<UInt64Type>().value(at).to_le_bytes()),
        DataType::Timestamp(_, _) => {
            let micros = column.as_primitive::<TimestampMicrosecondType>().value(at);
            bytes.extend_from_slice(&micros.to_le_bytes());
        }
        DataType::Int64 => bytes.extend_from_slice(&column.as_primitive::<Int64Type>().value(at).to_le_bytes()),
        DataType::Map(_, _) => {
            let entries = column.as_map().value(at);
            let (keys, values) = (entries.column(0).as_string::<i32>(), entries.column(1).as_string::<i32>());
            let mut pairs: Vec<(&str, Option<&str>)> =
                (0..entries.len()).map(|at| (keys.value(at), values.is_valid(at).then(|| values.value(at)))).collect();
            pairs.sort_unstable();
            bytes.extend_from_slice(&(pairs.len() as u64).to_le_bytes());
            for (key, value) in pairs {
                text(key, bytes);
                bytes.push(u8::from(value.is_some()));
                text(value.unwrap_or_default(), bytes);
            }
        }
        // There are no other columns.
        other => bytes.extend_from_slice(other.to_string().as_bytes()),
    }
}
