//! A store in memory, simple enough to be right by reading it: first seen wins, a commit happens whole or not at all. And a
//! log in memory, to be counted.

use std::{
    collections::{BTreeMap, HashSet},
    fmt::{Debug, Write},
    sync::{Arc, Mutex, MutexGuard},
};

use arrow::array::{Array, AsArray, StringArray};
use async_trait::async_trait;
use auditlake_store::{
    Batch, Commit, Committed, Counts, Drift, Fingerprint, Lateness, LedgerEntry, LedgerRow, Recall, Result, StoreError,
    Window, Writer, content_hash, raw, schema::RESOURCE_SEPARATOR,
};
use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::watch;
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
    subscriber::DefaultGuard,
};

use crate::Account;

/// An activity as stored.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) raw: String,
    pub(crate) print: Fingerprint,
    pub(crate) own_read: bool,
    pub(crate) late: bool,
}

/// What is stored.
#[derive(Debug, Default)]
pub(crate) struct Stored {
    /// By activity id.
    pub(crate) rows: BTreeMap<String, Row>,
    pub(crate) checkpoints: BTreeMap<String, BTreeMap<String, Value>>,
    pub(crate) ledger: Vec<LedgerRow>,
    pub(crate) drift: Vec<Drift>,
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

    /// What the ledger tells of a source's coverage.
    pub(crate) fn account(&self, source: &str) -> Account {
        let mut account = Account::default();
        let stored = self.stored();
        let entries = stored.ledger.iter().filter(|row| row.source == source);
        entries.for_each(|row| account.take(&row.kind, &row.detail).unwrap());
        account
    }

    fn apply(&self, commit: Commit) -> Committed {
        let mut stored = self.stored();
        let seq = stored.commits.len() as u64 + 1;
        stored.commits.push(commit.batches.iter().map(Batch::len).sum());
        let known: HashSet<String> = stored.rows.keys().cloned().collect();
        let (mut seen, mut batches, mut lateness) = (HashSet::new(), Vec::new(), Lateness::default());
        for batch in commit.batches {
            let all = batch.len() as u64;
            let batch = batch.without(&known, &mut seen);
            let before = lateness.count;
            let late = batch.late(&commit.read_before, commit.received_at, &mut lateness);
            let own = batch.own_reads();
            let (new, late_rows) = (batch.len() as u64, lateness.count - before);
            batches.push(Counts { new, known: all - new, late: late_rows });
            stored.drift.extend(batch.drift());
            for (at, mut row) in rows(&batch, &commit.source.id, commit.received_at).into_iter().enumerate() {
                row.late = late.as_ref().is_some_and(|late| late.is_valid(at));
                row.own_read = own.as_ref().is_some_and(|own| own.is_valid(at));
                stored.rows.insert(row.print.id.clone(), row);
            }
        }
        stored.drift.extend(commit.drift);
        for id in commit.own_reads {
            if let Some(row) = stored.rows.get_mut(&id) {
                row.own_read = true;
            }
        }
        let checkpoints = stored.checkpoints.entry(commit.source.id.clone()).or_default();
        for (name, value) in commit.checkpoints {
            match value {
                Some(value) => checkpoints.insert(name, value),
                None => checkpoints.remove(&name),
            };
        }
        for (place, entry) in commit.ledger.into_iter().enumerate() {
            let Counts { new, known, late } = entry.batch.map_or(Counts::default(), |batch| batches[batch]);
            let LedgerEntry { at, kind, detail, .. } = entry;
            let (source, entry) = (commit.source.id.clone(), Some(place as u32));
            stored.ledger.push(LedgerRow { seq, entry, source, at, kind, new, known, late, detail });
        }
        Committed { seq, batches, lateness }
    }
}

fn rows(batch: &Batch, source: &str, received_at: Timestamp) -> Vec<Row> {
    let column = |name: &str| -> &StringArray { batch.rows().column_by_name(name).unwrap().as_string::<i32>() };
    let text = |name: &str, at: usize| column(name).is_valid(at).then(|| column(name).value(at).to_owned());
    let row = |at: usize| {
        let (id, time) = (text("event_id", at).unwrap(), Timestamp::from_microsecond(batch.times()[at]).unwrap());
        let resources = text("resource_ids", at).unwrap_or_default();
        let resources: Vec<&str> = resources.split(RESOURCE_SEPARATOR).collect();
        let raw = raw::join(&text("raw_rest", at).unwrap(), &id, time, &resources);
        let print = Fingerprint {
            id,
            time,
            source: source.to_owned(),
            event_name: text("event_name", at).unwrap(),
            organizations: [text("organization_id", at), text("organization_uuid", at)],
            received_at,
            content: content_hash(raw.as_bytes()),
        };
        Row { raw, print, own_read: false, late: false }
    };
    (0..batch.len()).map(row).collect()
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

#[async_trait]
impl Recall for MemoryStore {
    async fn fingerprints(&self, window: Window) -> Result<Vec<Fingerprint>> {
        let inside = |time: Timestamp| {
            window.since.is_none_or(|since| time >= since) && window.until.is_none_or(|until| time < until)
        };
        Ok(self.stored().rows.values().filter(|row| inside(row.print.time)).map(|row| row.print.clone()).collect())
    }

    async fn raw_logs(&self, ids: &[String]) -> Result<Vec<(String, String)>> {
        let stored = self.stored();
        Ok(ids.iter().filter_map(|id| Some((id.clone(), stored.rows.get(id)?.raw.clone()))).collect())
    }

    async fn requests(&self, source: &str, limit: usize) -> Result<Vec<(String, Timestamp)>> {
        let stored = self.stored();
        let own =
            stored.ledger.iter().rev().filter(|row| row.source == source && ["page", "error"].contains(&&*row.kind));
        let ids = own.filter_map(|row| Some((row.detail["request_id"].as_str()?.to_owned(), row.at)));
        Ok(ids.take(limit).collect())
    }
}

/// What this thread has logged since, a line each.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    /// Listens as long as the second is held.
    pub(crate) fn listen() -> (Log, DefaultGuard) {
        let log = Log::default();
        (log.clone(), tracing::subscriber::set_default(log))
    }

    /// So many lines of this level contain this.
    #[track_caller]
    pub(crate) fn says(&self, times: usize, level: &str, text: &str) {
        let lines = self.0.lock().unwrap();
        let found = lines.iter().filter(|line| line.starts_with(level) && line.contains(text)).count();
        assert_eq!(found, times, "{level} {text:?} in {lines:#?}");
    }
}

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            write!(self.0, "{value:?}").unwrap();
        }
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= tracing::Level::INFO
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut message = Message(format!("{} ", event.metadata().level()));
        event.record(&mut message);
        self.0.lock().unwrap().push(message.0);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}
