//! The store's port: batches of records in, typed answers out, and the tests that every engine must pass.
//!
//! Nothing here knows an engine. An engine implements [`Writer`], [`Reader`], [`Insight`], [`FeedReader`] and [`Sql`], and passes [`contract`].

pub mod alert;
mod batch;
mod commit;
pub mod contract;
mod drift;
mod enriching;
mod error;
pub mod filter;
pub mod lookup;
pub mod moving;
pub mod outbox;
mod query;
pub mod raw;
mod recall;
pub mod record;
pub mod schema;

use async_trait::async_trait;
use tokio::sync::watch;

pub use batch::{Batch, BatchBuilder, id_hash};
pub use commit::{Commit, Committed, Counts, Lateness, LedgerEntry, LedgerQuery, LedgerRow, SourceInfo};
pub use drift::{Drift, DriftKind, DriftQuery, DriftRow};
pub use enriching::{Enriched, LateEnrichment};
pub use error::{Result, StoreError};
pub use query::{
    Bucket, Columns, CountBy, Direction, Facets, FeedPage, FeedQuery, FeedRow, Group, Histogram, Latest, Order,
    Position, Rows, Select, Seqs, SourceStatus, SqlQuery, Status, Tally, Window,
};
pub use recall::{Covered, Fingerprint, Recall, Span, content_hash, merged};

/// Takes records in, exactly once.
#[async_trait]
pub trait Writer: Send + Sync + 'static {
    /// Commits rows, checkpoints and ledger entries in one transaction and gives it the next sequence number.
    ///
    /// A row whose activity id is in the store already, from whichever source, is dropped: the first-seen record is
    /// never replaced. Either everything is durable when this returns, or nothing has changed.
    async fn commit(&self, commit: Commit) -> Result<Committed>;

    /// The checkpoints of a source by name, as last committed.
    async fn checkpoints(&self, source: &str) -> Result<std::collections::BTreeMap<String, serde_json::Value>>;

    /// The sequence number of the last commit, and every later one. 0 is the empty store.
    fn commits(&self) -> watch::Receiver<u64>;
}

/// Answers typed questions. All times are UTC.
#[async_trait]
pub trait Reader: Send + Sync + 'static {
    /// What the store holds.
    async fn status(&self) -> Result<Status>;

    /// Records that pass a filter.
    async fn select(&self, select: &Select) -> Result<Rows>;

    /// How many records there are by each value of a column, the most frequent first.
    async fn count_by(&self, count: &CountBy) -> Result<Vec<(String, u64)>>;

    /// How many records there are in each stretch of time, the oldest first; stretches without any are left out.
    async fn histogram(&self, histogram: &Histogram) -> Result<Vec<Bucket>>;

    /// What was fetched when, the newest first.
    async fn ledger(&self, query: &LedgerQuery) -> Result<Vec<LedgerRow>>;

    /// What differs from the catalogue and from what was first seen, what was seen last first.
    async fn drift(&self, query: &DriftQuery) -> Result<Vec<DriftRow>>;
}

/// Answers what pages ask beside that: counts along several lines at once. Every answer is bounded.
#[async_trait]
pub trait Insight: Send + Sync + 'static {
    /// How many records there are of each combination, and when they were first and last seen.
    async fn tally(&self, tally: &Tally) -> Result<Vec<Group>>;

    /// For each column, how many records there are by each of its values, the most frequent first.
    async fn facets(&self, facets: &Facets) -> Result<Vec<Vec<(String, u64)>>>;

    /// The newest records of each type in each organization, the newest first, in the columns [`Columns::Raw`].
    async fn latest(&self, latest: &Latest) -> Result<Rows>;
}

/// Answers as the Activity Feed does.
#[async_trait]
pub trait FeedReader: Send + Sync + 'static {
    /// A page of raw activities.
    async fn feed_page(&self, query: &FeedQuery) -> Result<FeedPage>;

    /// Where the activity with this id stands, if it is in the store.
    async fn locate(&self, id: &str) -> Result<Option<Position>>;
}

/// Answers SQL, read-only in fact.
#[async_trait]
pub trait Sql: Send + Sync + 'static {
    /// Runs one statement that reads. Dropping the answer cancels it.
    async fn sql(&self, query: SqlQuery) -> Result<Rows>;
}

/// Changes what enrichment says of stored activities, and nothing else of them.
#[async_trait]
pub trait Enriching: Send + Sync + 'static {
    /// Asks again about stored activities, and stores what was not said before or is said otherwise. What was said stays
    /// where nothing is said now. Piece by piece, each in a transaction: broken off, it may be begun again.
    async fn enrich(&self, late: LateEnrichment) -> Result<Enriched>;
}

/// A whole engine.
pub trait Engine: Writer + Reader + Insight + FeedReader + Sql + Recall {}

impl<T: Writer + Reader + Insight + FeedReader + Sql + Recall> Engine for T {}
