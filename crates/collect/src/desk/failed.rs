//! Failed requests on their way into the ledger: each with an entry of its own, up to so many; of more, how many there were.

use std::collections::BTreeMap;

use auditlake_store::LedgerEntry;
use jiff::Timestamp;
use serde_json::json;

/// So many wait for a commit, each by itself.
const HELD: usize = 1_024;

/// See the module.
#[derive(Debug, Clone, Default)]
pub(super) struct Failed {
    entries: Vec<LedgerEntry>,
    /// By kind: how many more, and when the first and the last was.
    more: BTreeMap<String, (u64, Timestamp, Timestamp)>,
}

impl Failed {
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn push(&mut self, entry: LedgerEntry) {
        if self.entries.len() < HELD {
            self.entries.push(entry);
            return;
        }
        let label = entry.detail["error"].as_str().unwrap_or("unknown").to_owned();
        self.count(label, (1, entry.at, entry.at));
    }

    fn count(&mut self, label: String, (count, first, last): (u64, Timestamp, Timestamp)) {
        let more = self.more.entry(label).or_insert((0, first, last));
        *more = (more.0 + count, more.1.min(first), more.2.max(last));
    }

    /// Everything for the ledger.
    pub(super) fn entries(&self) -> Vec<LedgerEntry> {
        let more = self.more.iter().map(|(label, (count, first, last))| {
            let message = format!("{count} more requests failed so while nothing could be stored");
            let detail = json!({ "error": label, "message": message, "count": count, "since": first });
            LedgerEntry { at: *last, kind: "error".to_owned(), batch: None, detail }
        });
        self.entries.iter().cloned().chain(more).collect()
    }

    /// Those that could not be stored, back in front.
    pub(super) fn give_back(&mut self, earlier: Failed) {
        let later = std::mem::replace(self, earlier);
        later.entries.into_iter().for_each(|entry| self.push(entry));
        later.more.into_iter().for_each(|(label, more)| self.count(label, more));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_counted() {
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        let entry = |second: i64| {
            let detail = json!({ "error": if second % 2 == 0 { "connect" } else { "timeout" } });
            LedgerEntry { at: at(second), kind: "error".to_owned(), batch: None, detail }
        };
        let mut failed = Failed::default();
        (0..1_030).for_each(|second| failed.push(entry(second)));
        let earlier = std::mem::take(&mut failed);
        failed.push(entry(1_031));
        failed.give_back(earlier);
        let entries = failed.entries();
        assert_eq!(entries.len(), HELD + 2);
        let told = |place: usize| (entries[place].at, entries[place].detail["count"].as_u64().unwrap());
        assert_eq!((told(HELD), told(HELD + 1)), ((at(1_028), 3), (at(1_031), 4)));
        assert_eq!(entries[HELD + 1].detail["since"], json!(at(1_025)));
    }
}
