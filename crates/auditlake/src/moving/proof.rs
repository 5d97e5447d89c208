//! Whether two stores hold the same: both are read from end to end, and of everything that they hold there is a count and a sum of
//! SHA-256 hashes, which is the same in whichever order it is read.

use anyhow::Result;
use arrow::{
    array::{Array, AsArray, RecordBatch},
    datatypes::{DataType, Int64Type, UInt32Type, UInt64Type},
};
use auditlake_store::moving::{Movable, Part};
use futures::TryStreamExt;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{COMMITS, ITEMS};
use crate::engine::Store;

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
    let other = to.clone();
    let other = tokio::spawn(async move { sums(&other).await });
    let mine = sums(from).await;
    let (mine, other) = (mine?, other.await??);
    let line = |(&(what, from), &(_, to)): (&(&'static str, Sum), &(&'static str, Sum))| Line {
        what,
        from: from.count,
        to: to.count,
        from_hash: from.text(),
        to_hash: to.text(),
        same: from == to,
    };
    Ok(mine.iter().zip(&other).map(line).collect())
}

async fn sums(store: &Store) -> Result<Vec<(&'static str, Sum)>> {
    let (mut rows, mut raws) = (Sum::default(), Sum::default());
    let mut batches = store.rows_between(0, u64::MAX).await?.batches;
    while let Some(batch) = batches.try_next().await? {
        // Hashing is work: others get their turn.
        (rows, raws) = tokio::task::spawn_blocking(move || {
            add_rows(&batch, &mut rows, &mut raws);
            (rows, raws)
        })
        .await?;
    }
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

/// Each row's columns one after the other, told apart by their lengths; its raw log also for itself.
fn add_rows(batch: &RecordBatch, rows: &mut Sum, raws: &mut Sum) {
    let schema = batch.schema();
    let raw = schema.index_of("raw_log").unwrap_or_default();
    let mut bytes = Vec::new();
    for at in 0..batch.num_rows() {
        bytes.clear();
        for (place, column) in batch.columns().iter().enumerate() {
            if place == raw {
                let hash = Sha256::digest(column.as_string::<i32>().value(at));
                raws.add(&hash);
                bytes.extend_from_slice(&hash);
            } else {
                write(column, at, &mut bytes);
            }
        }
        rows.add(&Sha256::digest(&bytes));
    }
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
            let micros = column.as_primitive::<arrow::datatypes::TimestampMicrosecondType>().value(at);
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
