//! What goes into one transaction, and what came of it.

use jiff::Timestamp;
use serde_json::Value;

use crate::{Batch, Drift, Span};

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
    /// What of event time had been read to its end before: a row from there that is new is late.
    pub read_before: Vec<Span>,
    /// Drift beside what the batches tell by themselves ([`Batch::drift`]).
    pub drift: Vec<Drift>,
    /// Activities stored earlier that turn out to be our own requests: they get the tag, and nothing else changes.
    pub own_reads: Vec<String>,
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
            read_before: Vec::new(),
            drift: Vec::new(),
            own_reads: Vec::new(),
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
    /// Of the new ones, those that lie in [`Commit::read_before`].
    pub late: u64,
}

/// How long after they happened late activities came in.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Lateness {
    /// How many there were.
    pub count: u64,
    /// The longest, in seconds.
    pub max_seconds: u64,
    /// All of them together, in seconds.
    pub sum_seconds: u64,
    /// How many were at most so late as each of [`Lateness::BOUNDS`]; each counts in the first that it fits.
    pub buckets: [u64; 8],
}

impl Lateness {
    /// A minute, 5, 15, an hour, 6, a day, a week, anything.
    pub const BOUNDS: [u64; 8] = [60, 300, 900, 3_600, 21_600, 86_400, 604_800, u64::MAX];

    /// Counts an activity that came so many seconds after it happened.
    pub fn add(&mut self, seconds: u64) {
        self.count += 1;
        self.max_seconds = self.max_seconds.max(seconds);
        self.sum_seconds = self.sum_seconds.saturating_add(seconds);
        let at = Self::BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(7);
        self.buckets[at] += 1;
    }

    /// Counts all that `other` counted.
    pub fn merge(&mut self, other: &Lateness) {
        self.count += other.count;
        self.max_seconds = self.max_seconds.max(other.max_seconds);
        self.sum_seconds = self.sum_seconds.saturating_add(other.sum_seconds);
        self.buckets.iter_mut().zip(other.buckets).for_each(|(mine, more)| *mine += more);
    }

    /// A bound in seconds that half of them kept, no larger than the longest; `None` if there were none.
    pub fn median_seconds(&self) -> Option<u64> {
        let mut seen = 0;
        let within = self.buckets.iter().zip(Self::BOUNDS).find(|(count, _)| {
            seen += **count;
            seen * 2 >= self.count
        });
        within.filter(|_| self.count > 0).map(|(_, bound)| bound.min(self.max_seconds))
    }
}

/// What came of a commit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Committed {
    /// The sequence number of the commit.
    pub seq: u64,
    /// What came of each batch.
    pub batches: Vec<Counts>,
    /// How late the late rows are.
    pub lateness: Lateness,
}

impl Committed {
    /// The counts of all batches together.
    pub fn total(&self) -> Counts {
        self.batches.iter().fold(Counts::default(), |sum, counts| Counts {
            new: sum.new + counts.new,
            known: sum.known + counts.known,
            late: sum.late + counts.late,
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
    /// Only of this commit.
    pub seq: Option<u64>,
    /// At most so many; all if `None`.
    pub limit: Option<u64>,
}

/// An entry of the ledger as stored.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct LedgerRow {
    /// The sequence number of the commit that it belongs to.
    pub seq: u64,
    /// Its place in that commit, counted from 0. Rows of the commit that came with it have the same number in their column
    /// `entry`. `None` in what a version before 2 of the schema wrote.
    #[serde(default)]
    pub entry: Option<u32>,
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
    /// Of the rows stored, those that came late.
    #[serde(default)]
    pub late: u64,
    /// The rest, as JSON.
    pub detail: Value,
}
