//! Records side by side: the columnar form in which the store takes them.

use std::{borrow::Cow, collections::HashSet, sync::Arc};

use activity::{Enrichment, Record};
use arrow::{
    array::{
        ArrayRef, BooleanArray, BooleanBuilder, MapBuilder, RecordBatch, StringArray, StringBuilder,
        TimestampMicrosecondArray, TimestampMicrosecondBuilder, UInt32Array, UInt32Builder,
    },
    compute::{concat_batches, filter_record_batch},
};
use xxhash_rust::xxh3::xxh3_64;

use crate::{
    Drift, Lateness, Span,
    drift::Notes,
    raw::MARK_RESOURCES,
    schema::{COLUMNS, RESOURCE_SEPARATOR},
};

/// Rows in the columns of [`COLUMNS`].
#[derive(Debug, Clone)]
pub struct Batch {
    rows: RecordBatch,
    notes: Notes,
    /// Which rows are our own requests, in order.
    own_reads: Vec<u32>,
}

impl Batch {
    /// The columns.
    pub fn rows(&self) -> &RecordBatch {
        &self.rows
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.rows.num_rows()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The hashes of the activity ids, a row each.
    #[expect(clippy::expect_used, reason = "only the builder below makes a batch")]
    pub fn id_hashes(&self) -> &[u32] {
        self.rows.column(0).as_any().downcast_ref::<UInt32Array>().expect("id_hash").values()
    }

    /// The activity ids, a row each.
    #[expect(clippy::expect_used, reason = "only the builder below makes a batch")]
    pub fn ids(&self) -> &StringArray {
        self.rows.column(3).as_any().downcast_ref::<StringArray>().expect("event_id")
    }

    /// The event times in microseconds, a row each.
    #[expect(clippy::expect_used, reason = "only the builder below makes a batch")]
    pub fn times(&self) -> &[i64] {
        self.rows.column(1).as_any().downcast_ref::<TimestampMicrosecondArray>().expect("event_time").values()
    }

    /// What the rows show that the catalogue does not know.
    pub fn drift(&self) -> Vec<Drift> {
        self.notes.drift(self)
    }

    /// Says which rows are our own requests, as places in the batch.
    pub fn tag_own_reads(&mut self, mut rows: Vec<u32>) {
        rows.sort_unstable();
        self.own_reads = rows;
    }

    /// The tag of our own requests, a row each; `None` if no row has it.
    pub fn own_reads(&self) -> Option<BooleanArray> {
        let tag = |row: usize| self.own_reads.binary_search(&(row as u32)).is_ok().then_some(true);
        (!self.own_reads.is_empty()).then(|| (0..self.len()).map(tag).collect())
    }

    /// Which rows lie in one of these spans, and so come late; `None` if none does. Adds how late each is at `received_at`.
    pub fn late(
        &self,
        read_before: &[Span],
        received_at: jiff::Timestamp,
        lateness: &mut Lateness,
    ) -> Option<BooleanArray> {
        if read_before.is_empty() {
            return None;
        }
        let spans: Vec<(i64, i64)> =
            read_before.iter().map(|span| (span.from.as_microsecond(), span.to.as_microsecond())).collect();
        let now = received_at.as_microsecond();
        let mut any = false;
        let mut tag = |time: &i64| {
            let is_late = spans.iter().any(|(from, to)| (from..to).contains(&time));
            if is_late {
                any = true;
                lateness.add(u64::try_from(now.saturating_sub(*time) / 1_000_000).unwrap_or_default());
            }
            is_late.then_some(true)
        };
        let tags: BooleanArray = self.times().iter().map(&mut tag).collect();
        any.then_some(tags)
    }

    /// The rows of all batches in one; `None` if there is no batch.
    pub fn concat(mut batches: Vec<Batch>) -> Option<Batch> {
        if batches.len() < 2 {
            return batches.pop();
        }
        #[expect(clippy::expect_used, reason = "all batches have the columns of the schema")]
        let rows = concat_batches(&COLUMNS, batches.iter().map(Batch::rows)).expect("columns");
        let (mut notes, mut own_reads, mut start) = (Notes::default(), Vec::new(), 0);
        for batch in batches {
            own_reads.extend(batch.own_reads.iter().map(|row| row + start));
            let length = batch.len() as u32;
            notes.append(batch.notes, start);
            start += length;
        }
        Some(Batch { rows, notes, own_reads })
    }

    /// The batch without the rows whose id is in `known`, and without the second of two rows with one id.
    ///
    /// `seen` carries the ids of earlier batches of the same commit.
    pub fn without(self, known: &HashSet<String>, seen: &mut HashSet<String>) -> Batch {
        let keep: Vec<bool> = self
            .ids()
            .iter()
            .map(|id| id.is_some_and(|id| !known.contains(id) && seen.insert(id.to_owned())))
            .collect();
        if keep.iter().all(|&keep| keep) {
            return self;
        }
        let places = places(&keep);
        let own_reads = self.own_reads.iter().filter_map(|row| places[*row as usize]).collect();
        let notes = self.notes.moved(&places);
        #[expect(clippy::expect_used, reason = "the mask has a bit for each row")]
        let rows = filter_record_batch(&self.rows, &BooleanArray::from(keep)).expect("mask");
        Batch { rows, notes, own_reads }
    }
}

/// The place that each row has after those that are not kept are gone.
fn places(keep: &[bool]) -> Vec<Option<u32>> {
    let mut next = 0;
    let place = |&kept: &bool| {
        let place = next;
        next += u32::from(kept);
        kept.then_some(place)
    };
    keep.iter().map(place).collect()
}

/// The hash of an activity id that stands in the column `id_hash`: the low 32 bits of XXH3-64.
pub fn id_hash(id: &str) -> u32 {
    (xxh3_64(id.as_bytes()) & 0xffff_ffff) as u32
}

/// Collects records into a [`Batch`].
pub struct BatchBuilder {
    id_hash: UInt32Builder,
    event_time: TimestampMicrosecondBuilder,
    text: [StringBuilder; TEXTS],
    actor_other: MapBuilder<StringBuilder, StringBuilder>,
    read_only: BooleanBuilder,
    guessed: BooleanBuilder,
    raw_rest: StringBuilder,
    notes: Notes,
    enrichment: [StringBuilder; 3],
    scratch: String,
    bytes: usize,
}

/// The text columns that are filled alike, in the order of [`COLUMNS`].
const TEXTS: usize = 17;

impl Default for BatchBuilder {
    fn default() -> Self {
        Self::with_capacity(1_024)
    }
}

impl BatchBuilder {
    /// A builder with room for so many rows of usual size.
    pub fn with_capacity(rows: usize) -> Self {
        BatchBuilder {
            id_hash: UInt32Builder::with_capacity(rows),
            event_time: TimestampMicrosecondBuilder::with_capacity(rows),
            text: std::array::from_fn(|_| StringBuilder::with_capacity(rows, rows * 24)),
            actor_other: MapBuilder::new(None, StringBuilder::new(), StringBuilder::new()),
            read_only: BooleanBuilder::with_capacity(rows),
            guessed: BooleanBuilder::with_capacity(rows),
            raw_rest: StringBuilder::with_capacity(rows, rows * 560),
            notes: Notes::default(),
            enrichment: std::array::from_fn(|_| StringBuilder::new()),
            scratch: String::new(),
            bytes: 0,
        }
    }

    /// The number of rows so far.
    pub fn len(&self) -> usize {
        self.id_hash.values_slice().len()
    }

    /// Whether there is no row yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The size of the raw logs so far, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds a record of which nothing is known beside itself.
    pub fn push(&mut self, record: &Record) {
        self.push_enriched(record, &Enrichment::default());
    }

    /// Adds a record with what is known of it beside itself.
    pub fn push_enriched(&mut self, record: &Record, enrichment: &Enrichment) {
        let activity = record.activity;
        self.bytes += activity.raw.len();
        self.notes.take(self.len() as u32, activity);
        self.id_hash.append_value(id_hash(&activity.id));
        self.event_time.append_value(activity.created_at.as_microsecond());
        let actor = |name| activity.actor.text(name);
        let resources = joined(&record.resources);
        let mut mark = [0; 4];
        let target = target(record, &mut mark);
        let texts: [Option<&str>; TEXTS] = [
            Some(&activity.kind),
            Some(&activity.id),
            activity.organization_id.as_deref(),
            activity.organization_uuid.as_deref(),
            actor("type"),
            actor("email_address"),
            actor("user_id"),
            actor("ip_address"),
            actor("user_agent"),
            actor("api_key_id"),
            actor("admin_api_key_id"),
            record.ip_class.map(|class| class.as_str()),
            Some(record.category),
            Some(record.outcome),
            Some(record.product),
            target,
            resources.as_deref(),
        ];
        for (column, text) in self.text.iter_mut().zip(texts) {
            column.append_option(text);
        }
        self.push_other(record);
        self.read_only.append_value(record.read_only);
        self.guessed.append_value(record.guessed);
        self.scratch.clear();
        crate::raw::split(activity, &record.resources, &mut self.scratch);
        self.raw_rest.append_value(&self.scratch);
        let Enrichment { place, agent, person } = enrichment;
        for (column, text) in self.enrichment.iter_mut().zip([place, agent, person]) {
            column.append_option(text.as_deref());
        }
    }

    #[expect(clippy::expect_used, reason = "as many keys as values are appended")]
    fn push_other(&mut self, record: &Record) {
        for (name, value) in &record.actor_other {
            self.actor_other.keys().append_value(name);
            self.actor_other.values().append_value(value);
        }
        self.actor_other.append(!record.actor_other.is_empty()).expect("keys and values");
    }

    /// The batch of all records so far; the builder is empty after it.
    #[expect(clippy::expect_used, reason = "the columns are those of the schema, a row for each record")]
    pub fn finish(&mut self) -> Batch {
        let mut text = self.text.each_mut().map(|column| Arc::new(column.finish()) as ArrayRef).into_iter();
        let mut texts = |count: usize| text.by_ref().take(count).collect::<Vec<_>>();
        let mut columns: Vec<ArrayRef> = vec![Arc::new(self.id_hash.finish()), Arc::new(self.event_time.finish())];
        columns.extend(texts(11));
        columns.push(Arc::new(self.actor_other.finish()));
        columns.extend(texts(4));
        columns.push(Arc::new(self.read_only.finish()));
        columns.push(Arc::new(self.guessed.finish()));
        columns.extend(texts(2));
        columns.push(Arc::new(self.raw_rest.finish()));
        columns.extend(self.enrichment.each_mut().map(|column| Arc::new(column.finish()) as ArrayRef));
        self.bytes = 0;
        let rows = RecordBatch::try_new(COLUMNS.clone(), columns).expect("columns of the schema");
        Batch { rows, notes: std::mem::take(&mut self.notes), own_reads: Vec::new() }
    }
}

fn joined<'s>(resources: &'s [Cow<str>]) -> Option<Cow<'s, str>> {
    match resources {
        [] => None,
        [one] => Some(Cow::Borrowed(one)),
        many => Some(Cow::Owned(many.join(RESOURCE_SEPARATOR.encode_utf8(&mut [0; 4])))),
    }
}

/// The target, or the mark of the resource that it is: its bytes are stored once.
fn target<'s>(record: &'s Record, mark: &'s mut [u8; 4]) -> Option<&'s str> {
    let target = record.target.as_deref()?;
    let same = record.resources.iter().position(|resource| resource == target);
    match same.and_then(|at| MARK_RESOURCES.get(at)) {
        Some(sign) => Some(sign.encode_utf8(mark)),
        None => Some(target),
    }
}
