//! A page of a feed, taken in: rows, rejects, and what the ledger says of the request.

use std::collections::HashMap;

use auditlake_store::{Batch, Drift, LedgerEntry};
use feed::Page;
use jiff::Timestamp;

use crate::{ApiRead, Reject, compare::Seen};

/// A page, taken in.
#[derive(Debug)]
pub(crate) struct Haul {
    pub(crate) page: Page,
    /// The feed's clock when it answered, as far as it says.
    pub(crate) date: Option<Timestamp>,
    pub(crate) times: Option<(Timestamp, Timestamp)>,
    /// Requests that it took.
    pub(crate) attempts: u32,
    /// What it shows that was not so when it was first seen.
    pub(crate) drift: Vec<Drift>,
    pub(super) batch: Batch,
    pub(super) rejects: Vec<Reject>,
    pub(super) reads: Vec<ApiRead>,
    pub(super) contents: Vec<u64>,
    pub(super) entry: LedgerEntry,
}

impl Haul {
    pub(crate) fn rows(&self) -> usize {
        self.batch.len()
    }

    /// Id, time and content of each row.
    pub(crate) fn shown(&self) -> Vec<(String, Timestamp, u64)> {
        let rows = self.batch.ids().iter().zip(self.batch.times()).zip(&self.contents);
        let row = |((id, at), content): ((Option<&str>, &i64), &u64)| {
            Some((id?.to_owned(), Timestamp::from_microsecond(*at).ok()?, *content))
        };
        rows.filter_map(row).collect()
    }

    pub(super) fn seen(&self) -> Vec<Seen<'_>> {
        // Rejects have no row, so the bytes are looked up by what the row says of them.
        let by_content: HashMap<u64, &[u8]> = match self.rejects.is_empty() {
            true => Default::default(),
            false => self.page.data.iter().map(|raw| (auditlake_store::content_hash(raw), raw.as_ref())).collect(),
        };
        let raw = |row: usize, content: &u64| match self.rejects.is_empty() {
            true => self.page.data.get(row).map(AsRef::as_ref),
            false => by_content.get(content).copied(),
        };
        let rows = self.batch.ids().iter().zip(&self.contents).enumerate();
        rows.filter_map(|(row, (id, content))| Some(Seen { id: id?, raw: raw(row, content)?, content: *content }))
            .collect()
    }
}
