//! Coverage as the ledger tells it. The checkpoints say what is covered now; the ledger says with which commit each stretch came
//! to be, so that anybody can work out what was covered at any commit, and check a statement of it.

use std::collections::BTreeSet;

use auditlake_store::{Covered, LedgerEntry, Span};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Coverage;

/// Everything as it stands from here on, whatever was told before.
const ANEW: &str = "coverage";
/// Stretches that were read to their ends, once this commit is there: in the detail of its last page, or else an entry.
const READ: &str = "read";
/// A stretch that cannot be read.
const GAP: &str = "gap";
/// The form of these entries.
const VERSION: u32 = 1;

/// What the ledger tells of a source's coverage, up to some commit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    coverage: Coverage,
    organization_ids: Option<BTreeSet<String>>,
}

#[derive(Serialize, Deserialize)]
struct Anew {
    version: u32,
    why: String,
    organization_ids: BTreeSet<String>,
    covered: Vec<Covered>,
    unreadable: Vec<Span>,
}

#[derive(Serialize, Deserialize)]
struct Read {
    /// To the nanosecond, as in the checkpoint.
    at: Timestamp,
    spans: Vec<Span>,
}

impl Account {
    /// Takes the next entry of the ledger, in the order of commits and of the entries of each.
    ///
    /// # Errors
    /// The entry is not in the form that this program writes.
    pub fn take(&mut self, kind: &str, detail: &Value) -> serde_json::Result<()> {
        match kind {
            ANEW => {
                let Anew { organization_ids, covered, unreadable, .. } = Anew::deserialize(detail)?;
                *self =
                    Account { coverage: Coverage { covered, unreadable }, organization_ids: Some(organization_ids) };
            }
            GAP => _ = self.coverage.give_up(Span::deserialize(detail)?),
            READ => self.add(detail)?,
            _ => detail.get(READ).map_or(Ok(()), |read| self.add(read))?,
        }
        Ok(())
    }

    fn add(&mut self, read: &Value) -> serde_json::Result<()> {
        let Read { at, spans } = Read::deserialize(read)?;
        self.coverage.add(&spans, at);
        Ok(())
    }

    /// Whether the ledger tells it from the beginning: an older program told nothing.
    pub fn is_whole(&self) -> bool {
        self.organization_ids.is_some()
    }

    /// What was covered.
    pub fn covered(&self) -> &[Covered] {
        &self.coverage.covered
    }

    /// What could not be read.
    pub fn unreadable(&self) -> &[Span] {
        &self.coverage.unreadable
    }

    /// The organizations whose activities were read; all that the key may read if there are none.
    pub fn organization_ids(&self) -> impl Iterator<Item = &str> {
        self.organization_ids.iter().flatten().map(String::as_str)
    }
}

/// Coverage stands anew from here on, for these organizations.
pub(crate) fn anew(at: Timestamp, why: &str, coverage: &Coverage, organization_ids: &BTreeSet<String>) -> LedgerEntry {
    let Coverage { covered, unreadable } = coverage.clone();
    let (why, organization_ids) = (why.to_owned(), organization_ids.clone());
    entry(at, ANEW, json!(Anew { version: VERSION, why, organization_ids, covered, unreadable }))
}

/// Stretches have been read to their ends, with the last of these pages.
pub(crate) fn read(at: Timestamp, spans: &[Span], entries: &mut Vec<LedgerEntry>) {
    let detail = json!(Read { at, spans: spans.to_vec() });
    match entries.last_mut().filter(|last| last.kind == "page") {
        Some(page) => page.detail[READ] = detail,
        None => entries.push(entry(at, READ, detail)),
    }
}

/// A stretch cannot be read.
pub(crate) fn gap(at: Timestamp, span: Span) -> LedgerEntry {
    entry(at, GAP, json!(span))
}

fn entry(at: Timestamp, kind: &str, detail: Value) -> LedgerEntry {
    LedgerEntry { at, kind: kind.to_owned(), batch: None, detail }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(second: i64) -> Timestamp {
        Timestamp::new(second, 7).unwrap()
    }

    #[test]
    fn the_ledger_tells_what_the_checkpoint_says() {
        let span = |from, to| Span { from: time(from), to: time(to) };
        let (mut coverage, mut account) = (Coverage::default(), Account::default());
        assert!(!account.is_whole());
        let scope = BTreeSet::from(["org_1".to_owned()]);
        let mut entries = vec![anew(time(1), "begun", &coverage, &scope)];
        for at in 0..200 {
            let spans = [span(at * 10, at * 10 + 5), span(at % 7, at % 31)];
            let mut commit = Vec::new();
            if at % 3 == 0 {
                commit.push(gap(time(10_000 + at), span(at * 10 + 6, at * 10 + 7)));
                coverage.give_up(span(at * 10 + 6, at * 10 + 7));
            }
            if at % 2 == 0 {
                commit.push(entry(time(at), "page", json!({ "rows": at })));
            }
            read(time(10_000 + at), &spans, &mut commit);
            entries.extend(commit);
            coverage.add(&spans, time(10_000 + at));
        }
        entries.iter().for_each(|entry| account.take(&entry.kind, &entry.detail).unwrap());
        assert_eq!((account.covered(), account.unreadable()), (&*coverage.covered, &*coverage.unreadable));
        assert_eq!(account.organization_ids().collect::<Vec<_>>(), ["org_1"]);
        let void = anew(time(2), "wider", &Coverage::default(), &BTreeSet::new());
        account.take(&void.kind, &void.detail).unwrap();
        assert!(account.covered().is_empty() && account.is_whole());
        assert!(account.take("read", &json!({})).is_err());
    }
}
