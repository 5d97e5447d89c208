//! What goes into one transaction, and what came of it.

use jiff::Timestamp;
use serde_json::Value;

use crate::Batch;

/// Where records come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceInfo {
    /// The configured id, column `sourceID`.
    pub id: String,
    /// The deployment's workspace, column `workspaceID`.
    pub workspace: String,
    /// The retention in days, column `sourceTTL`.
    pub ttl_days: u32,
}

impl SourceInfo {
    /// Six years, as upstream keeps.
    pub const DEFAULT_TTL_DAYS: u32 = 2_190;

    /// A source of the default workspace, kept six years.
    pub fn new(id: impl Into<String>) -> Self {
        SourceInfo { id: id.into(), workspace: "default".to_owned(), ttl_days: Self::DEFAULT_TTL_DAYS }
    }
}

/// One transaction.
#[derive(Debug)]
pub struct Commit {
    /// Where the rows come from.
    pub source: SourceInfo,
    /// When they were received, column `receivedAt`.
    pub received_at: Timestamp,
    /// The rows, in the order in which they are to be stored.
    pub batches: Vec<Batch>,
    /// Checkpoints of the source by name, to be set, or removed by `None`.
    pub checkpoints: Vec<(String, Option<Value>)>,
    /// Entries for the ledger.
    pub ledger: Vec<LedgerEntry>,
}

impl Commit {
    /// A commit of nothing yet, received now.
    pub fn new(source: SourceInfo) -> Self {
        Commit {
            source,
            received_at: Timestamp::now(),
            batches: Vec::new(),
            checkpoints: Vec::new(),
            ledger: Vec::new(),
        }
    }
}

/// The provenance of some rows: a request, or a piece of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct LedgerEntry {
    /// When it happened.
    pub at: Timestamp,
    /// What happened: `page`, `import`, `error`, …
    pub kind: String,
    /// The batch of the commit that came of it; the store adds how many of its rows were new.
    pub batch: Option<usize>,
    /// Endpoint, parameters, cursors, request id, hash, … as JSON.
    pub detail: Value,
}

/// How many rows of a batch were new, and how many were in the store already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Stored.
    pub new: u64,
    /// Dropped, as their activity id is stored already (or stood twice in the commit).
    pub known: u64,
}

/// What came of a commit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Committed {
    /// The sequence number of the commit.
    pub seq: u64,
    /// What came of each batch.
    pub batches: Vec<Counts>,
}

impl Committed {
    /// The counts of all batches together.
    pub fn total(&self) -> Counts {
        self.batches.iter().fold(Counts::default(), |sum, counts| Counts {
            new: sum.new + counts.new,
            known: sum.known + counts.known,
        })
    }
}

/// Which ledger entries to give.
#[derive(Debug, Clone, Default)]
pub struct LedgerQuery {
    /// Only of this source.
    pub source: Option<String>,
    /// Only at or after this time.
    pub since: Option<Timestamp>,
    /// At most so many; all if `None`.
    pub limit: Option<u64>,
}

/// An entry of the ledger as stored.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct LedgerRow {
    /// The sequence number of the commit that it belongs to.
    pub seq: u64,
    /// The source.
    pub source: String,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub kind: String,
    /// Rows stored.
    pub new: u64,
    /// Rows that were there already.
    pub known: u64,
    /// The rest, as JSON.
    pub detail: Value,
}
