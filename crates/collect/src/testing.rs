//! A store in memory, simple enough to be right by reading it: first seen wins, a commit happens whole or not at all.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard},
};

use async_trait::async_trait;
use auditlake_store::{Commit, Committed, Counts, LedgerEntry, LedgerRow, Result, StoreError, Writer};
use serde_json::Value;
use tokio::sync::watch;

/// What is stored.
#[derive(Debug, Default)]
pub(crate) struct Stored {
    /// The raw logs' rests by activity id.
    pub(crate) rows: BTreeMap<String, String>,
    pub(crate) checkpoints: BTreeMap<String, BTreeMap<String, Value>>,
    pub(crate) ledger: Vec<LedgerRow>,
    /// The number of rows of each commit.
    pub(crate) commits: Vec<usize>,
}

/// See the module.
pub(crate) struct MemoryStore {
    stored: Mutex<Stored>,
    seq: watch::Sender<u64>,
    fails: Mutex<u32>,
}

impl MemoryStore {
    pub(crate) fn new() -> Self {
        MemoryStore { stored: Mutex::default(), seq: watch::Sender::new(0), fails: Mutex::new(0) }
    }

    pub(crate) fn stored(&self) -> MutexGuard<'_, Stored> {
        self.stored.lock().unwrap()
    }

    pub(crate) fn ids(&self) -> Vec<String> {
        self.stored().rows.keys().cloned().collect()
    }

    /// The next so many commits find the disk full.
    pub(crate) fn fail(&self, times: u32) {
        *self.fails.lock().unwrap() = times;
    }

    fn apply(&self, commit: Commit) -> Committed {
        let mut stored = self.stored();
        let seq = stored.commits.len() as u64 + 1;
        let mut batches = Vec::new();
        for batch in &commit.batches {
            let mut counts = Counts::default();
            let rests = batch.rows().column_by_name("raw_rest").unwrap().clone();
            let rests = rests.as_any().downcast_ref::<arrow::array::StringArray>().unwrap();
            for (id, rest) in batch.ids().iter().zip(rests) {
                match stored.rows.entry(id.unwrap().to_owned()) {
                    std::collections::btree_map::Entry::Occupied(_) => counts.known += 1,
                    std::collections::btree_map::Entry::Vacant(slot) => {
                        slot.insert(rest.unwrap().to_owned());
                        counts.new += 1;
                    }
                }
            }
            batches.push(counts);
        }
        stored.commits.push(commit.batches.iter().map(auditlake_store::Batch::len).sum());
        let checkpoints = stored.checkpoints.entry(commit.source.id.clone()).or_default();
        for (name, value) in commit.checkpoints {
            match value {
                Some(value) => checkpoints.insert(name, value),
                None => checkpoints.remove(&name),
            };
        }
        for (place, entry) in commit.ledger.into_iter().enumerate() {
            let counts = entry.batch.map_or(Counts::default(), |batch| batches[batch]);
            let (source, new, known, late) = (commit.source.id.clone(), counts.new, counts.known, counts.late);
            let entry_number = Some(place as u32);
            let LedgerEntry { at, kind, detail, .. } = entry;
            stored.ledger.push(LedgerRow { seq, entry: entry_number, source, at, kind, new, known, late, detail });
        }
        Committed { seq, batches, lateness: Default::default() }
    }
}

#[async_trait]
impl Writer for MemoryStore {
    async fn commit(&self, commit: Commit) -> Result<Committed> {
        // Somewhere to be killed before it happens, and once it has happened but nobody has heard of it.
        tokio::task::yield_now().await;
        {
            let mut fails = self.fails.lock().unwrap();
            if *fails > 0 {
                *fails -= 1;
                return Err(StoreError::DiskFull("a test".to_owned()));
            }
        }
        let committed = self.apply(commit);
        self.seq.send_replace(committed.seq);
        tokio::task::yield_now().await;
        Ok(committed)
    }

    async fn checkpoints(&self, source: &str) -> Result<BTreeMap<String, Value>> {
        Ok(self.stored().checkpoints.get(source).cloned().unwrap_or_default())
    }

    fn commits(&self) -> watch::Receiver<u64> {
        self.seq.subscribe()
    }
}
