//! The pages of the ledger, one after the other: which touch the span, and whether each cursor comes from a page before.

use std::collections::HashSet;

use feed::{Cursor, Query};
use jiff::Timestamp;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::statement::{Requests, hex};

/// Takes the pages of one source in the order of the ledger.
pub struct Chain {
    from: Timestamp,
    to: Timestamp,
    /// The cursors that pages gave, as hashes: there are as many as pages.
    given: HashSet<u64>,
    requests: Requests,
    hash: Sha256,
}

impl Chain {
    pub fn new(from: Timestamp, to: Timestamp) -> Self {
        Chain { from, to, given: HashSet::new(), requests: Requests::default(), hash: Sha256::new() }
    }

    /// A page of the ledger.
    pub fn page(&mut self, at: Timestamp, detail: &Value) {
        let text = |name: &str| detail[name].as_str().unwrap_or_default();
        let query = Query::parse(text("query"), |_| true).unwrap_or_default();
        let cursor = match &query.cursor {
            Some(Cursor::After(cursor) | Cursor::Before(cursor)) => {
                Some(auditlake_store::content_hash(cursor.as_bytes()))
            }
            None => None,
        };
        let is_known = cursor.is_none_or(|cursor| self.given.contains(&cursor));
        for name in ["first_id", "last_id"] {
            if let Some(id) = detail[name].as_str() {
                self.given.insert(auditlake_store::content_hash(id.as_bytes()));
            }
        }
        let window = query.created_at;
        let is_apart = window.gte.is_some_and(|gte| gte >= self.to) || window.lt.is_some_and(|lt| lt <= self.from);
        // What says nothing of time was asked for to see what is newest.
        if is_apart || (window.gte.is_none() && window.lt.is_none()) {
            return;
        }
        let requests = &mut self.requests;
        requests.pages += 1;
        requests.records += detail["rows"].as_u64().unwrap_or(0);
        requests.rejected += detail["rejected"].as_u64().unwrap_or(0);
        requests.first = Some(requests.first.map_or(at, |first| first.min(at)));
        requests.last = requests.last.max(Some(at));
        match (cursor, is_known) {
            (None, _) => requests.begun += 1,
            (Some(_), true) => requests.continued += 1,
            (Some(_), false) => requests.broken.push(text("request_id").to_owned()),
        }
        self.hash.update(format!("{} {}\n", text("request_id"), text("sha256")));
    }

    /// What came of all of them.
    pub fn finish(self) -> Requests {
        Requests { sha256: hex(&self.hash.finalize()), ..self.requests }
    }
}
