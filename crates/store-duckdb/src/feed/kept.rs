//! Rows that lie far apart, kept in memory once they were read.
//!
//! Texts are packed 2,048 rows at a time, so a page whose rows lie scattered (a rare type, one person) has a whole pack
//! opened for each of them: the rarer the filter, the dearer the row. But the rarer it is, the fewer rows it has, and a
//! stored activity never changes. So these are kept, and who asks for them again (a poller with a filter does so every
//! time) has them from here. Narrow columns still say which rows the page has; this only spares the opening.

use std::{
    collections::HashMap,
    mem::take,
    sync::{Arc, Mutex, PoisonError},
};

use auditlake_store::FeedRow;

/// Texts that are kept, in bytes: some 150,000 activities.
const MOST_BYTES: usize = 128 << 20;
/// What a row takes beside its texts.
const OVERHEAD: usize = 160;

/// A row as the narrow columns show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) rowid: i64,
    pub(super) time: i64,
    pub(super) id_hash: u32,
}

/// The rows that were read lately. The older half goes at once when the younger half has filled up.
#[derive(Default)]
pub(crate) struct Kept {
    halves: Mutex<Halves>,
}

#[derive(Default)]
struct Halves {
    young: HashMap<i64, Entry>,
    old: HashMap<i64, Entry>,
    /// Of the young half.
    bytes: usize,
}

#[derive(Clone)]
struct Entry {
    spot: Spot,
    row: Arc<FeedRow>,
}

impl Kept {
    /// Each of these rows that is kept.
    pub(super) fn get(&self, spots: &[Spot]) -> Vec<Option<Arc<FeedRow>>> {
        let mut halves = self.halves.lock().unwrap_or_else(PoisonError::into_inner);
        spots.iter().map(|spot| halves.get(spot)).collect()
    }

    pub(super) fn put(&self, spot: Spot, row: Arc<FeedRow>) {
        self.halves.lock().unwrap_or_else(PoisonError::into_inner).put(Entry { spot, row });
    }
}

impl Halves {
    fn get(&mut self, spot: &Spot) -> Option<Arc<FeedRow>> {
        // The engine may number rows anew where some were removed: what else is known of the row must agree.
        let is_it = |entry: &&Entry| entry.spot == *spot;
        if let Some(entry) = self.young.get(&spot.rowid).filter(is_it) {
            return Some(entry.row.clone());
        }
        let entry = self.old.get(&spot.rowid).filter(is_it)?.clone();
        let row = entry.row.clone();
        self.put(entry);
        Some(row)
    }

    fn put(&mut self, entry: Entry) {
        self.bytes += entry.row.raw.len() + entry.row.position.id.len() + OVERHEAD;
        if self.bytes > MOST_BYTES / 2 {
            self.old = take(&mut self.young);
            self.bytes = 0;
        }
        self.young.insert(entry.spot.rowid, entry);
    }
}

#[cfg(test)]
mod tests {
    use auditlake_store::Position;

    use super::*;

    fn row(length: usize) -> Arc<FeedRow> {
        let position = Position { time: jiff::Timestamp::UNIX_EPOCH, id: "activity_1".into() };
        Arc::new(FeedRow { position, raw: "x".repeat(length) })
    }

    #[test]
    fn another_row_under_the_same_number_is_not_taken_for_it() {
        let kept = Kept::default();
        let spot = Spot { rowid: 7, time: 1, id_hash: 2 };
        kept.put(spot, row(3));
        let strangers = [Spot { id_hash: 3, ..spot }, Spot { time: 2, ..spot }, Spot { rowid: 8, ..spot }];
        assert_eq!(kept.get(&strangers), vec![None, None, None]);
        assert_eq!(kept.get(&[spot]), vec![Some(row(3))]);
    }

    #[test]
    fn memory_is_bounded_and_what_is_asked_for_stays() {
        let kept = Kept::default();
        let spot = |rowid| Spot { rowid, time: 0, id_hash: 0 };
        for rowid in 0..1_000 {
            kept.put(spot(rowid), row(1 << 20));
            assert!(kept.get(&[spot(0)])[0].is_some(), "asked for all the time, yet gone after {rowid}");
        }
        let halves = kept.halves.lock().unwrap();
        assert!(halves.young.len() + halves.old.len() <= MOST_BYTES >> 20);
    }
}
