//! What a collector asks of what is stored: enough to compare a window that it reads again, and to know its own requests.

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::{Result, Window};

/// A stretch of event time: from the first moment, before the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// The first moment.
    pub from: Timestamp,
    /// The first moment after it.
    pub to: Timestamp,
}

/// A stretch of a feed that was read to its end.
///
/// A source's checkpoint `covered` is a JSON list of these, the oldest first, without overlaps. What lies between two of
/// them, or outside, was not read: a gap. It is written in the transaction that stores the last rows of a stretch, so that
/// everything the feed showed of a covered stretch when it was last read is in the store. Neighbours are merged so that
/// the list stays short; the two times of a merged one hold for all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Covered {
    /// The first moment.
    pub from: Timestamp,
    /// The first moment after it.
    pub to: Timestamp,
    /// When all of it had been read once.
    pub first_read: Timestamp,
    /// All of it was read again, or for the first time, at this time or later.
    pub last_read: Timestamp,
}

impl Covered {
    /// The name of the checkpoint.
    pub const CHECKPOINT: &'static str = "covered";
    /// The name of the checkpoint with the stretches that cannot be read: a JSON list of [`Span`]. They are not covered.
    pub const UNREADABLE: &'static str = "unreadable";
}

/// Spans without overlaps, the oldest first.
pub fn merged(mut spans: Vec<Span>) -> Vec<Span> {
    spans.retain(|span| span.from < span.to);
    spans.sort_by_key(|span| span.from);
    let mut list: Vec<Span> = Vec::new();
    for span in spans {
        match list.last_mut() {
            Some(last) if span.from <= last.to => last.to = last.to.max(span.to),
            _ => list.push(span),
        }
    }
    list
}

/// What tells whether a record read again is the stored one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    /// The activity id.
    pub id: String,
    /// The event time.
    pub time: Timestamp,
    /// The source that it was first seen from.
    pub source: String,
    /// The activity type.
    pub event_name: String,
    /// `organization_id` and `organization_uuid`.
    pub organizations: [Option<String>; 2],
    /// When it was received.
    pub received_at: Timestamp,
    /// [`content_hash`] of its raw log.
    pub content: u64,
}

/// The hash of a raw log: XXH3-64.
pub fn content_hash(raw: &[u8]) -> u64 {
    xxh3_64(raw)
}

/// Answers a collector.
#[async_trait]
pub trait Recall: Send + Sync + 'static {
    /// What is stored of a window, from whichever source, in no order.
    async fn fingerprints(&self, window: Window) -> Result<Vec<Fingerprint>>;

    /// The raw logs of these activities, with their ids, as far as they are stored, in no order.
    async fn raw_logs(&self, ids: &[String]) -> Result<Vec<(String, String)>>;

    /// The request ids of the newest requests of a source, at most so many, and when each was asked for; the newest first.
    async fn requests(&self, source: &str, limit: usize) -> Result<Vec<(String, Timestamp)>>;
}
