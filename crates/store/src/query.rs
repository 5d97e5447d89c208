//! The questions that an engine answers, and the forms of its answers.

use std::{collections::BTreeMap, pin::Pin, time::Duration};

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use futures::Stream;
use jiff::Timestamp;

use crate::{Result, filter::Filter};

/// A stretch of event time: from `since` on, before `until`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Window {
    /// The first moment.
    pub since: Option<Timestamp>,
    /// The first moment after it.
    pub until: Option<Timestamp>,
}

/// A stretch of sequence numbers: after `after`, up to and with `until`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Seqs {
    /// The last one before.
    pub after: Option<u64>,
    /// The last one.
    pub until: Option<u64>,
}

/// The order of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// By event time and activity id, the newest first.
    #[default]
    Newest,
    /// By event time and activity id, the oldest first.
    Oldest,
    /// As they were committed.
    Arrival,
}

/// The columns of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Columns {
    /// The 46 columns of the unified record.
    #[default]
    Unified,
    /// What a list shows: `seq`, `eventTime`, `eventName`, `category`, `outcome`, `serviceName`, `actor` (a text: e-mail
    /// address, key or whatever names it best), `actorType`, `srcIP`, `target`, `organizationID`, `sourceID`, `eventID`.
    Summary,
    /// `eventTime`, `eventID`, `rawLog`.
    Raw,
    /// What varies, once, under the names of the views, for whoever makes another shape of it: `seq`, `organizationUUID`,
    /// `category`, `outcome`, `guessed`, `ownRead`, `target`; of the 46 those that are no map, list or copy and say nothing of
    /// the place; and as they are stored `actorOther`, `resourceIDs`, `place`, `agent`, `person`.
    Plain,
}

/// Records that pass a filter.
#[derive(Debug, Clone)]
pub struct Select {
    /// Which records.
    pub filter: Filter,
    /// When they happened.
    pub window: Window,
    /// When they were committed.
    pub seqs: Seqs,
    /// In which order.
    pub order: Order,
    /// At most so many; all if `None`.
    pub limit: Option<u64>,
    /// Which columns.
    pub columns: Columns,
}

impl Default for Select {
    fn default() -> Self {
        Select {
            filter: Filter::All,
            window: Window::default(),
            seqs: Seqs::default(),
            order: Order::Newest,
            limit: None,
            columns: Columns::Unified,
        }
    }
}

/// Counts by the values of a column of the unified record, or of those that view `activities` shows beside them.
#[derive(Debug, Clone)]
pub struct CountBy {
    /// The column.
    pub column: String,
    /// Which records.
    pub filter: Filter,
    /// When they happened.
    pub window: Window,
    /// At most so many values.
    pub limit: u64,
}

/// Counts by stretches of time.
#[derive(Debug, Clone)]
pub struct Histogram {
    /// Which records.
    pub filter: Filter,
    /// When they happened.
    pub window: Window,
    /// The length of a stretch; stretches begin at multiples of it since 1970.
    pub width: Duration,
}

/// A stretch of a histogram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    /// Its first moment.
    pub start: Timestamp,
    /// The number of records in it.
    pub count: u64,
}

/// Counts by the values of several columns together, and by stretches of time.
///
/// Beside the columns of [`CountBy`] there are `resource` (each resource that a record touches, for itself), `weekday` (1 is
/// Monday), `hourOfDay`, and `raw.` with a path of keys into the raw log.
#[derive(Debug, Clone)]
pub struct Tally {
    /// The columns; none for one count of everything.
    pub by: Vec<String>,
    /// The length of a stretch, if time is one of the things to count by.
    pub width: Option<Duration>,
    /// Which records.
    pub filter: Filter,
    /// When they happened.
    pub window: Window,
    /// At most so many groups: the largest, or with `width` the oldest.
    pub limit: u64,
}

/// Records that a [`Tally`] counts together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Group {
    /// The first moment of the stretch.
    pub start: Option<Timestamp>,
    /// The columns' values; `None` where a record has none.
    pub values: Vec<Option<String>>,
    /// The number of records.
    pub count: u64,
    /// When the first of them happened.
    pub first: Option<Timestamp>,
    /// When the last of them happened.
    pub last: Option<Timestamp>,
}

/// Counts by the values of several columns, each for itself, in one pass.
#[derive(Debug, Clone)]
pub struct Facets {
    /// The columns, of those of [`CountBy`].
    pub columns: Vec<String>,
    /// Which records.
    pub filter: Filter,
    /// When they happened.
    pub window: Window,
    /// At most so many values of each.
    pub limit: u64,
}

/// The newest records of each type in each organization.
#[derive(Debug, Clone)]
pub struct Latest {
    /// Which records.
    pub filter: Filter,
    /// When they happened.
    pub window: Window,
    /// At most so many of a type in an organization.
    pub each: u64,
    /// At most so many in all.
    pub limit: u64,
}

/// What a store holds.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Status {
    /// The number of activities.
    pub activities: u64,
    /// The sequence number of the last commit.
    pub seq: u64,
    /// The event time of the oldest activity.
    pub oldest: Option<Timestamp>,
    /// The event time of the newest activity.
    pub newest: Option<Timestamp>,
    /// The size on disk, in bytes.
    pub bytes: u64,
    /// By source id.
    pub sources: BTreeMap<String, SourceStatus>,
}

/// What a store holds of one source.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct SourceStatus {
    /// The number of activities.
    pub activities: u64,
    /// The event time of the newest one.
    pub newest: Option<Timestamp>,
    /// When something new was last received.
    pub received: Option<Timestamp>,
}

/// A place in the order of the feed: by event time, ties by activity id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The event time.
    pub time: Timestamp,
    /// The activity id.
    pub id: String,
}

/// On which side of a position a page lies, in result order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Behind it.
    After,
    /// Before it, next to it.
    Before,
}

/// A page as the Activity Feed gives it.
#[derive(Debug, Clone, Default)]
pub struct FeedQuery {
    /// Only these types; all if empty.
    pub types: Vec<String>,
    /// Not these types.
    pub exclude_types: Vec<String>,
    /// Only activities of these actors' user ids; all if empty.
    pub actor_ids: Vec<String>,
    /// Only of these organizations, by id or UUID, and of none; all if empty.
    pub organizations: Vec<String>,
    /// `created_at` at or after.
    pub gte: Option<Timestamp>,
    /// `created_at` after.
    pub gt: Option<Timestamp>,
    /// `created_at` at or before.
    pub lte: Option<Timestamp>,
    /// `created_at` before.
    pub lt: Option<Timestamp>,
    /// Where the page begins.
    pub cursor: Option<(Position, Direction)>,
    /// At most so many.
    pub limit: u32,
    /// Oldest first instead of newest first.
    pub ascending: bool,
    /// Not of these sources.
    pub exclude_sources: Vec<String>,
}

/// A row of a [`FeedPage`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedRow {
    /// Where it stands.
    pub position: Position,
    /// The raw log.
    pub raw: String,
}

/// A page of raw activities.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FeedPage {
    /// In result order.
    pub rows: Vec<FeedRow>,
    /// Whether more follow in the direction of the query.
    pub has_more: bool,
}

/// One statement in the engine's SQL, and what it may take.
#[derive(Debug, Clone)]
pub struct SqlQuery {
    /// The statement.
    pub text: String,
    /// Values for `$name` in it.
    pub params: BTreeMap<String, String>,
    /// The time after which it is cancelled.
    pub timeout: Option<Duration>,
    /// The number of rows after which it is cut off with an error.
    pub max_rows: Option<u64>,
}

/// An answer in columns, as it comes.
pub struct Rows {
    /// The columns.
    pub schema: SchemaRef,
    /// The rows. Dropping it cancels the question.
    pub batches: Pin<Box<dyn Stream<Item = Result<RecordBatch>> + Send>>,
}

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.debug_struct("Rows").field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl Rows {
    /// All rows at once, for answers that are known to be small.
    ///
    /// # Errors
    /// The first error of the stream.
    pub async fn collect(self) -> Result<Vec<RecordBatch>> {
        use futures::TryStreamExt;
        self.batches.try_collect().await
    }
}
