//! What people looked up: who asked what when, kept beside the log that they asked.

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Result, Window};

/// Something that somebody looked up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lookup {
    /// When.
    pub at: Timestamp,
    /// Who: a user's name, `this machine` or `command line`.
    pub who: String,
    /// The address that they asked from, if it is known.
    pub address: Option<String>,
    /// On which page or with which question: `explorer`, `activity`, `person`, `sql`, `export`, …
    pub what: String,
    /// The filter, the statement, the id or the name that they asked for. Hostile, as any text of strangers.
    pub detail: String,
    /// The address of the page, from its path on.
    pub link: String,
}

/// Which look-ups to give, the newest first.
#[derive(Debug, Clone, Default)]
pub struct LookupQuery {
    /// Only by this one.
    pub who: Option<String>,
    /// Only on this page.
    pub what: Option<String>,
    /// Only with this in what was asked for, in upper or lower case.
    pub word: Option<String>,
    /// When they happened.
    pub window: Window,
    /// At most so many; all if `None`.
    pub limit: Option<u64>,
}

/// How often somebody looked at a page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LookupCount {
    /// Who.
    pub who: String,
    /// On which page.
    pub what: String,
    /// How often.
    pub count: u64,
    /// When last.
    pub last: Timestamp,
}

/// Keeps what people looked up.
#[async_trait]
pub trait Lookups: Send + Sync + 'static {
    /// Keeps look-ups, in one transaction.
    async fn note(&self, lookups: Vec<Lookup>) -> Result<()>;

    /// Look-ups.
    async fn lookups(&self, query: &LookupQuery) -> Result<Vec<Lookup>>;

    /// How many there are by each person and page, the most frequent first. `limit` counts for the answer.
    async fn lookup_counts(&self, query: &LookupQuery) -> Result<Vec<LookupCount>>;

    /// Forgets those before a time; answers how many there were.
    async fn forget_lookups(&self, before: Timestamp) -> Result<u64>;
}
