//! Moving a deployment from one store to another: everything that a store holds, in a form that no engine owns.
//!
//! The record goes by commits ([`Movable::take`]), each stretch of them together with how far the move has come, so that a move
//! that was broken off goes on behind the last stretch. What changes goes by items ([`Movable::take_items`]), a part after the other.
//! What is read from two stores in this form is equal if and only if they hold the same.

use std::sync::{Arc, LazyLock};

use arrow::{
    array::{Array, ArrayRef, AsArray, MapBuilder, RecordBatch, StringBuilder},
    compute::cast,
    datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit},
};
use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{LedgerRow, Result, Rows, StoreError, alert::Alert, outbox::Delivery, schema::COLUMNS};

/// A commit as it stands in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MovedCommit {
    /// Its number.
    pub seq: u64,
    /// When it was made.
    pub at: Timestamp,
    /// The source.
    pub source: String,
    /// Rows stored.
    pub new: u64,
    /// Rows that were there already.
    pub known: u64,
}

/// Some commits, one behind the other, with everything that carries their numbers.
#[derive(Debug)]
pub struct Stretch {
    /// The commits.
    pub commits: Vec<MovedCommit>,
    /// Their ledger.
    pub ledger: Vec<LedgerRow>,
    /// Their rows, in the columns [`MOVED`].
    pub rows: Vec<RecordBatch>,
}

/// What changes, by kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    /// How far each source has come: `{"source", "name", "value", "seq"}`, the value as its text.
    Checkpoints,
    /// [`crate::DriftRow`].
    Drift,
    /// [`Alert`].
    Alerts,
    /// How far each subscriber has come, and the number of the last change to any alert: `{"name", "seq"}`.
    Subscribers,
    /// [`MovedDelivery`].
    Deliveries,
    /// The number of the last change to an alert whose notices are queued: a number, or nothing before the first.
    Handled,
    /// [`crate::lookup::Lookup`].
    Lookups,
}

impl Part {
    /// All of them.
    pub const ALL: [Part; 7] = [
        Part::Checkpoints,
        Part::Drift,
        Part::Alerts,
        Part::Subscribers,
        Part::Deliveries,
        Part::Handled,
        Part::Lookups,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Part::Checkpoints => "checkpoints",
            Part::Drift => "drift",
            Part::Alerts => "alerts",
            Part::Subscribers => "subscribers",
            Part::Deliveries => "deliveries",
            Part::Handled => "handled",
            Part::Lookups => "look-ups",
        }
    }
}

/// A checkpoint as it is moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MovedCheckpoint {
    /// The source.
    pub source: String,
    /// The name.
    pub name: String,
    /// The value, as the text that stands there.
    pub value: String,
    /// The commit that set it.
    pub seq: u64,
}

/// A subscriber's position as it is moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MovedSubscriber {
    /// Its name.
    pub name: String,
    /// How far it has come.
    pub seq: u64,
}

/// A delivery as it is moved: with its place in the order of their coming.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MovedDelivery {
    /// The place.
    pub number: u64,
    /// The delivery. What follows from others ([`Delivery::is_overtaken`]) is not told.
    pub delivery: Delivery,
}

/// A store that can be moved from and to. Whoever moves is the only one that writes.
#[async_trait]
pub trait Movable: Send + Sync + 'static {
    /// Commits behind this number, in their order, at most so many.
    async fn commits_after(&self, after: u64, limit: u64) -> Result<Vec<MovedCommit>>;

    /// The ledger of commits behind the first number, up to and with the second, by number and entry.
    async fn ledger_between(&self, after: u64, until: u64) -> Result<Vec<LedgerRow>>;

    /// The rows of these commits in any order, in the columns [`MOVED`].
    async fn rows_between(&self, after: u64, until: u64) -> Result<Rows>;

    /// Items of a part in an order that stays while nobody writes: at most so many, behind the first so many.
    async fn items(&self, part: Part, skip: u64, limit: u64) -> Result<Vec<Value>>;

    /// What was last noted of a move into this store; `None` where none has begun, or the last one came to its end.
    async fn progress(&self) -> Result<Option<Value>>;

    /// Notes how far a move into this store has come: `None` at its end. Until then nothing else opens it.
    async fn set_progress(&self, progress: Option<Value>) -> Result<()>;

    /// Removes rows and ledger of commits behind this number: what a move that was broken off left.
    async fn drop_after(&self, seq: u64) -> Result<()>;

    /// Takes a stretch, as it is, together with how far the move has come.
    async fn take(&self, stretch: Stretch, progress: Value) -> Result<()>;

    /// Removes everything of a part.
    async fn clear(&self, part: Part) -> Result<()>;

    /// Takes items of a part.
    async fn take_items(&self, part: Part, items: Vec<Value>) -> Result<()>;
}

/// The columns of rows that are moved: those of a commit, then [`COLUMNS`] with the whole raw log and the target itself instead of what
/// is left of them, then what the store says of the row.
pub static MOVED: LazyLock<SchemaRef> = LazyLock::new(|| {
    let mut fields = vec![
        Field::new("seq", DataType::UInt64, false),
        Field::new("received_at", DataType::Timestamp(TimeUnit::Microsecond, None), false),
        Field::new("workspace_id", DataType::Utf8, false),
        Field::new("source_id", DataType::Utf8, false),
        Field::new("source_ttl", DataType::UInt32, false),
    ];
    fields.extend(COLUMNS.fields().iter().map(|field| match field.name().as_str() {
        "raw_rest" => Field::new("raw_log", DataType::Utf8, false),
        _ => field.as_ref().clone(),
    }));
    fields.extend([
        Field::new("entry", DataType::UInt32, true),
        Field::new("late", DataType::Boolean, true),
        Field::new("own_read", DataType::Boolean, true),
    ]);
    Arc::new(Schema::new(fields))
});

/// An engine's answer in literally the types of [`MOVED`].
///
/// # Errors
/// If it has other columns.
pub fn moved(batch: &RecordBatch) -> Result<RecordBatch> {
    let wrong = |error: arrow::error::ArrowError| StoreError::Engine {
        doing: "reading rows to move",
        message: error.to_string(),
    };
    let column = |(column, field): (&ArrayRef, &Arc<Field>)| match field.data_type() {
        DataType::Map(_, _) => maps(column),
        wanted if column.data_type() == wanted => Ok(column.clone()),
        wanted => cast(column, wanted),
    };
    let columns: arrow::error::Result<Vec<ArrayRef>> = batch.columns().iter().zip(MOVED.fields()).map(column).collect();
    RecordBatch::try_new(MOVED.clone(), columns.map_err(wrong)?).map_err(wrong)
}

/// Maps with the names and types of the store's own, absent where they are empty.
fn maps(column: &ArrayRef) -> arrow::error::Result<ArrayRef> {
    let map = column.as_map();
    let mut made = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    let (keys, values) = (cast(map.keys(), &DataType::Utf8)?, cast(map.values(), &DataType::Utf8)?);
    let (keys, values) = (keys.as_string::<i32>(), values.as_string::<i32>());
    for (row, range) in map.offsets().windows(2).enumerate() {
        let (from, to) = (range[0] as usize, range[1] as usize);
        let is_there = map.is_valid(row) && to > from;
        for at in (from..to).filter(|_| is_there) {
            made.keys().append_value(keys.value(at));
            made.values().append_option(values.is_valid(at).then(|| values.value(at)));
        }
        made.append(is_there)?;
    }
    Ok(Arc::new(made.finish()))
}

/// Times to the microsecond, which is what every engine keeps.
fn micros(time: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(time.as_microsecond()).unwrap_or(time)
}

/// An alert as it is moved.
pub fn moved_alert(mut alert: Alert) -> Value {
    alert.raised_at = micros(alert.raised_at);
    alert.changed_at = micros(alert.changed_at);
    for change in &mut alert.history {
        change.at = micros(change.at);
    }
    item(&alert)
}

/// A delivery as it is moved.
pub fn moved_delivery(number: u64, mut delivery: Delivery) -> Value {
    delivery.is_overtaken = false;
    for time in [&mut delivery.queued_at, &mut delivery.since, &mut delivery.next_at] {
        *time = micros(*time);
    }
    delivery.settled_at = delivery.settled_at.map(micros);
    item(&MovedDelivery { number, delivery })
}

/// Something as an item.
pub fn item(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

/// What items say.
///
/// # Errors
/// If one says something else.
pub fn read_items<T: serde::de::DeserializeOwned>(items: Vec<Value>) -> Result<Vec<T>> {
    let read = |value| {
        serde_json::from_value(value)
            .map_err(|error| StoreError::Engine { doing: "taking what is moved", message: error.to_string() })
    };
    items.into_iter().map(read).collect()
}
