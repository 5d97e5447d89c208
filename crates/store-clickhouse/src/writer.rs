//! Commits: rows first, each with the number of its commit, then the ledger, then one insert into `state` that says that it is done and
//! holds its checkpoints. Readers see numbers up to the last one that is done.
//!
//! The server has no transactions, but an insert of one block is there as a whole or not at all, and an insert that is sent again
//! with the same token changes nothing. A commit that ends anywhere before its last insert is seen by nobody. Its number is given
//! up before the next commit begins, whoever makes it, and what it left behind is deleted.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use arrow::{
    array::{
        Array, ArrayRef, AsArray, BooleanArray, ListBuilder, MapArray, RecordBatch, StringArray, StringBuilder,
        StructArray, TimestampMicrosecondArray, UInt32Array, UInt64Array,
    },
    datatypes::{DataType, Field, Fields, Schema, TimeUnit},
};
use async_trait::async_trait;
use auditlake_store::{
    Batch, Commit, Committed, Counts, Lateness, LedgerEntry, Result, StoreError, Writer, id_hash,
    raw::{MARK_RESOURCES, join},
    schema::{COLUMNS, RESOURCE_SEPARATOR},
};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::{
    ClickStore, Duty, Inner,
    client::Server,
    drift,
    state::{self, Entry, Seen},
    turn::{WriterState, next_number},
};

/// So many ids are looked for in one question.
const IDS_AT_ONCE: usize = 20_000;

#[async_trait]
impl Writer for ClickStore {
    async fn commit(&self, commit: Commit) -> Result<Committed> {
        // A task of its own: whoever waits may go away, and a commit is not left in its middle for that.
        let inner = self.inner.clone();
        let done = tokio::spawn(async move {
            let mut writer = inner.writer.lock().await;
            writer.ready(&inner).await?;
            // Whoever collects a source elsewhere by now goes by what it has read itself.
            inner.duties.confirm(&Duty::of_source(&commit.source.id))?;
            let done = writer.commit(&inner, commit).await;
            if let Err(error) = writer.pass_on(&inner).await {
                tracing::debug!(%error, "the right to write was not passed on");
            }
            done
        });
        done.await
            .unwrap_or_else(|error| Err(StoreError::Engine { doing: "storing activities", message: error.to_string() }))
    }

    async fn checkpoints(&self, source: &str) -> Result<BTreeMap<String, Value>> {
        let prefix = checkpoint_key(source, "");
        let all = state::read(&self.inner.server, &self.inner.seen(), "checkpoint", None).await?;
        // What stands there was written by `commit`; a value that is no JSON any more counts as a text.
        Ok(all
            .into_iter()
            .filter_map(|(key, text)| {
                let name = key.strip_prefix(&prefix)?.to_owned();
                Some((name, serde_json::from_str(&text).unwrap_or(Value::String(text))))
            })
            .collect())
    }

    fn commits(&self) -> watch::Receiver<u64> {
        self.inner.commits.subscribe()
    }
}

/// What stands for the place in its commit of an entry that has none: a version before 2 of the other engine's schema wrote such.
pub(crate) const NO_ENTRY: u32 = u32::MAX;

/// Source ids have no zero byte.
pub(crate) fn checkpoint_key(source: &str, name: &str) -> String {
    format!("{}\u{1}{name}", source.replace('\u{1}', " "))
}

impl WriterState {
    /// Writes entries that belong to no commit, all at once.
    pub(crate) async fn write(&mut self, server: &Server, doing: &'static str, entries: &[Entry]) -> Result<()> {
        if entries.is_empty() {
            return Ok(());
        }
        let version = self.next_version();
        let rows = state::rows(entries, version)?;
        server.insert(doing, "state", &rows, &format!("state-{version}-{}", uuid::Uuid::new_v4())).await
    }

    async fn commit(&mut self, inner: &Inner, commit: Commit) -> Result<Committed> {
        let server = &inner.server;
        let seen = inner.seen();
        let number = next_number(&seen);
        let Commit { source, received_at, batches, checkpoints, ledger, read_before, mut drift, own_reads } = commit;
        let known = known_ids(server, &seen, &batches).await?;
        let mut ids = HashSet::new();
        let mut counts = Vec::with_capacity(batches.len());
        let mut rows = Vec::with_capacity(batches.len());
        let mut lateness = Lateness::default();
        for (place, batch) in batches.into_iter().enumerate() {
            let all = batch.len();
            let batch = batch.without(&known, &mut ids);
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
                rows.push(stored(&batch, number, &source, received_at, entry, late)?);
            }
        }
        let mut entries = drift::entries(server, &seen, &source.id, drift).await?;
        let total = Committed { seq: number, batches: counts, lateness };
        let sum = total.total();
        let note = json!({"at": received_at.as_microsecond(), "new": sum.new, "known": sum.known});
        entries.push(Entry::new("commit", source.id.clone(), note));
        entries.extend(checkpoints.iter().map(|(name, value)| {
            let key = checkpoint_key(&source.id, name);
            match value {
                Some(value) => Entry::new("checkpoint", key, value),
                None => Entry::gone("checkpoint", key),
            }
        }));
        entries.extend(own_reads.iter().map(|id| Entry::new("own_read", id.clone(), id_hash(id))));
        entries.iter_mut().for_each(|entry| entry.seq = number);
        let ledger = ledger_rows(number, &source.id, &ledger, &total.batches)?;

        // From here on something of this number may be there. Tokens name the right, too: what two processes write under one number, as
        // one of them does not know yet that its right is gone, is never taken for the same.
        self.open = Some(number);
        let doing = "storing activities";
        let name = format!("{}-{number}", self.number());
        for (place, rows) in rows.iter().enumerate() {
            server.insert(doing, "activity", rows, &format!("rows-{name}-{place}")).await?;
        }
        if let Some(ledger) = ledger {
            server.insert(doing, "ledger_entry", &ledger, &format!("ledger-{name}")).await?;
        }
        self.keep(inner).await?;
        let last = state::rows(&entries, self.next_version())?;
        server.insert(doing, "state", &last, &format!("commit-{name}")).await?;
        self.still_counts(inner).await?;
        self.open = None;
        inner.set_seen(Seen { seq: number, aborted: seen.aborted.clone() });
        Ok(total)
    }

    /// If the last step took so long that the right may have run out, whoever has it now gave this commit up.
    async fn still_counts(&mut self, inner: &Inner) -> Result<()> {
        let Some(lease) = self.lease.as_ref().filter(|lease| lease.is_overdue()) else { return Ok(()) };
        let confirmed = lease.confirm(&inner.server).await;
        if matches!(confirmed, Err(StoreError::Locked(_))) {
            self.lease = None;
        }
        confirmed
    }
}

/// Which of the batches' ids are stored already.
async fn known_ids(server: &Server, seen: &Seen, batches: &[Batch]) -> Result<HashSet<String>> {
    let mut hashes: Vec<u32> = batches.iter().flat_map(|batch| batch.id_hashes()).copied().collect();
    hashes.sort_unstable();
    hashes.dedup();
    let mut known = HashSet::new();
    for hashes in hashes.chunks(IDS_AT_ONCE) {
        let list: Vec<String> = hashes.iter().map(u32::to_string).collect();
        let text =
            format!("SELECT event_id FROM activity WHERE id_hash IN ({}) AND {}", list.join(","), seen.visible());
        let table = server.rows("looking for known activities", &text).await?;
        known.extend(table.rows().map(|row| row.string(0)));
    }
    Ok(known)
}

/// All entries of a commit's ledger, if there are any.
fn ledger_rows(number: u64, source: &str, entries: &[LedgerEntry], counts: &[Counts]) -> Result<Option<RecordBatch>> {
    if entries.is_empty() {
        return Ok(None);
    }
    let count = |get: fn(&Counts) -> u64| -> ArrayRef {
        let of = |entry: &LedgerEntry| entry.batch.and_then(|batch| counts.get(batch)).map_or(0, get);
        Arc::new(UInt64Array::from_iter_values(entries.iter().map(of)))
    };
    let times = entries.iter().map(|entry| entry.at.as_microsecond());
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("seq", Arc::new(UInt64Array::from_value(number, entries.len()))),
        ("source_id", Arc::new(StringArray::from_iter_values(std::iter::repeat_n(source, entries.len())))),
        ("happened_at", Arc::new(TimestampMicrosecondArray::from_iter_values(times))),
        ("kind", Arc::new(StringArray::from_iter_values(entries.iter().map(|entry| &entry.kind)))),
        ("new_rows", count(|counts| counts.new)),
        ("known_rows", count(|counts| counts.known)),
        ("detail", Arc::new(StringArray::from_iter_values(entries.iter().map(|entry| entry.detail.to_string())))),
        ("entry", Arc::new(UInt32Array::from_iter_values((0..).take(entries.len())))),
        ("late_rows", count(|counts| counts.late)),
    ];
    state::batch(columns).map(Some)
}

/// A batch in the columns of table `activity`: what the batch leaves out as it stands elsewhere is put in again.
fn stored(
    batch: &Batch,
    number: u64,
    source: &auditlake_store::SourceInfo,
    received_at: Timestamp,
    entry: Option<usize>,
    late: Option<BooleanArray>,
) -> Result<RecordBatch> {
    let rows = batch.len();
    let text = |value: &str| Arc::new(StringArray::from_iter_values(std::iter::repeat_n(value, rows))) as ArrayRef;
    let mut columns: Vec<(Field, ArrayRef)> = vec![
        (Field::new("seq", DataType::UInt64, false), Arc::new(UInt64Array::from_value(number, rows))),
        (
            Field::new("received_at", DataType::Timestamp(TimeUnit::Microsecond, None), false),
            Arc::new(TimestampMicrosecondArray::from_value(received_at.as_microsecond(), rows)),
        ),
        (Field::new("workspace_id", DataType::Utf8, false), text(&source.workspace)),
        (Field::new("source_id", DataType::Utf8, false), text(&source.id)),
        (Field::new("source_ttl", DataType::UInt32, false), Arc::new(UInt32Array::from_value(source.ttl_days, rows))),
    ];
    let found = batch.rows();
    let column = |name: &str| found.column_by_name(name).cloned();
    let resources = column("resource_ids");
    for (field, values) in COLUMNS.fields().iter().zip(found.columns()) {
        columns.push(match field.name().as_str() {
            "actor_other" => present_map(values),
            "resource_ids" => lists(values),
            "target" => (field.as_ref().clone(), targets(values, resources.as_ref())),
            "raw_rest" => (Field::new("raw_log", DataType::Utf8, false), raw_logs(batch, values, resources.as_ref())),
            _ => (field.as_ref().clone(), values.clone()),
        });
    }
    let entry = entry.and_then(|entry| u32::try_from(entry).ok());
    let entry = UInt32Array::from_iter(std::iter::repeat_n(entry, rows));
    columns.push((Field::new("entry", DataType::UInt32, true), Arc::new(entry)));
    let tag = |tags: Option<BooleanArray>| -> ArrayRef {
        let value = |at: usize| tags.as_ref().is_some_and(|tags| tags.is_valid(at) && tags.value(at));
        Arc::new((0..rows).map(|at| Some(value(at))).collect::<BooleanArray>())
    };
    columns.push((Field::new("late", DataType::Boolean, false), tag(late)));
    columns.push((Field::new("own_read", DataType::Boolean, false), tag(batch.own_reads())));
    let (fields, columns): (Vec<Field>, Vec<ArrayRef>) = columns.into_iter().unzip();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
        .map_err(|error| StoreError::Engine { doing: "laying out rows", message: error.to_string() })
}

/// A map for each row, empty where there was none.
pub(crate) fn present_map(values: &ArrayRef) -> (Field, ArrayRef) {
    let map = values.as_map();
    let fields: Fields =
        vec![Field::new("key", DataType::Utf8, false), Field::new("value", DataType::Utf8, false)].into();
    let entries = Arc::new(Field::new("entries", DataType::Struct(fields.clone()), false));
    let columns = map.entries().columns().to_vec();
    let made =
        MapArray::new(entries.clone(), map.offsets().clone(), StructArray::new(fields, columns, None), None, false);
    (Field::new("actor_other", DataType::Map(entries, false), false), Arc::new(made))
}

fn split(texts: &ArrayRef, at: usize) -> Vec<&str> {
    let texts = texts.as_string::<i32>();
    match texts.is_valid(at) {
        true => texts.value(at).split(RESOURCE_SEPARATOR).collect(),
        false => Vec::new(),
    }
}

pub(crate) fn lists(values: &ArrayRef) -> (Field, ArrayRef) {
    let item = Arc::new(Field::new("item", DataType::Utf8, false));
    let mut list = ListBuilder::new(StringBuilder::new()).with_field(item.clone());
    for at in 0..values.len() {
        split(values, at).into_iter().for_each(|text| list.values().append_value(text));
        list.append(true);
    }
    (Field::new("resources", DataType::List(item), false), Arc::new(list.finish()))
}

/// The targets themselves, where a mark stands for a resource.
fn targets(values: &ArrayRef, resources: Option<&ArrayRef>) -> ArrayRef {
    let texts = values.as_string::<i32>();
    let of = |at: usize| {
        let text = texts.is_valid(at).then(|| texts.value(at))?;
        let place = MARK_RESOURCES.into_iter().position(|mark| text.chars().eq([mark]));
        match place.zip(resources) {
            Some((place, resources)) => split(resources, at).get(place).copied(),
            None => Some(text),
        }
    };
    Arc::new((0..texts.len()).map(of).collect::<StringArray>())
}

fn raw_logs(batch: &Batch, rests: &ArrayRef, resources: Option<&ArrayRef>) -> ArrayRef {
    let (rests, ids, times) = (rests.as_string::<i32>(), batch.ids(), batch.times());
    let of = |at: usize| {
        let resources = resources.map(|resources| split(resources, at)).unwrap_or_default();
        let time = Timestamp::from_microsecond(times[at]).unwrap_or_default();
        join(rests.value(at), ids.value(at), time, &resources)
    };
    Arc::new(StringArray::from_iter_values((0..rests.len()).map(of)))
}
