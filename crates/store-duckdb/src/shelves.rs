//! Where in the store a thing may be named: of each stretch of rows, the ids of all resources and targets in a Bloom filter.
//!
//! What is done to a thing happens within a few days, so that its rows lie in one or two of a hundred stretches, while to look for its id
//! means to unpack all ids of all rows. The filters take some 2.5 bytes a row and are made when somebody has time ([`Shelves::make`]);
//! until then, and for the oldest rows if there are more than fit the memory that they may take, everything is looked through.
//!
//! Rows never leave the store, and a row that is stored anew comes to stand at the end.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use auditlake_store::schema::RESOURCE_SEPARATOR;
use fastbloom::BloomFilter;

use crate::{ask::Kind, database::Database};

/// Rows of a shelf: those that the engine keeps and passes over together.
const ROWS: i64 = 122_880;
/// The bits of a shelf's filter: one in a hundred shelves is looked through in vain if each row names two things.
const BITS: usize = 20 * ROWS as usize;
/// So many shelves have one, the newest: 77 MB for 31 million rows.
const MOST: usize = 256;

/// See the module.
#[derive(Default)]
pub(crate) struct Shelves(Mutex<State>);

#[derive(Default)]
struct State {
    /// Whether all rows up to `next` have been read.
    is_made: bool,
    filters: VecDeque<BloomFilter>,
    /// The shelf of the first of them. What lies before has none.
    oldest: i64,
    /// The first row that has not been read.
    next: i64,
}

impl Shelves {
    /// Reads all rows. Whoever asks meanwhile looks through everything.
    pub(crate) fn make(&self, database: &Database) -> duckdb::Result<()> {
        let mut state = State::default();
        state.catch_up(database)?;
        state.is_made = true;
        *self.held() = state;
        Ok(())
    }

    /// The rows, from the first to the one behind the last, that may name any of these, written in small letters.
    pub(crate) fn holding(&self, database: &Database, names: &[String]) -> duckdb::Result<Vec<(i64, i64)>> {
        let mut state = self.held();
        if !state.is_made {
            return Ok(vec![(0, i64::MAX)]);
        }
        state.catch_up(database)?;
        Ok(state.holding(names))
    }

    fn held(&self) -> std::sync::MutexGuard<'_, State> {
        // Whatever was read in part is read again.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn catch_up(&mut self, database: &Database) -> duckdb::Result<()> {
        let mut last = -1;
        database.ask("SELECT coalesce(max(rowid), -1) FROM activity", &[], &[Kind::Long], |chunk| {
            last = chunk.longs(0).last().copied().unwrap_or(-1);
        })?;
        self.leave_room_for(last / ROWS);
        while self.next <= last {
            // To the end of the shelf.
            let end = (self.next / ROWS + 1) * ROWS;
            let text = format!(
                "SELECT rowid, resource_ids, target FROM activity WHERE rowid >= {} AND rowid < {end} \
                 AND (resource_ids IS NOT NULL OR target IS NOT NULL)",
                self.next
            );
            database.ask(&text, &[], &[Kind::Long, Kind::Text, Kind::Text], |chunk| {
                let (rowids, resources, targets) = (chunk.longs(0), chunk.texts(1), chunk.texts(2));
                for (at, rowid) in rowids.iter().enumerate() {
                    let resources = resources.get(at).unwrap_or_default();
                    resources.split(RESOURCE_SEPARATOR).for_each(|name| self.put(*rowid, name));
                    // A mark stands for one of the resources.
                    let is_mark = |name: &&str| name.bytes().all(|byte| byte <= 7);
                    targets.get(at).filter(|name| !is_mark(name)).into_iter().for_each(|name| self.put(*rowid, name));
                }
            })?;
            self.next = end.min(last + 1);
        }
        Ok(())
    }

    fn put(&mut self, rowid: i64, name: &str) {
        let Ok(place) = usize::try_from(rowid / ROWS - self.oldest) else { return };
        if name.is_empty() {
            return;
        }
        while self.filters.len() <= place {
            self.filters.push_back(BloomFilter::with_num_bits(BITS).seed(&0).expected_items(2 * ROWS as usize));
        }
        self.filters[place].insert(name.to_ascii_lowercase().as_bytes());
    }

    /// Drops the filters of the oldest shelves, and reads none of them, if this is to be the last shelf.
    fn leave_room_for(&mut self, last: i64) {
        let oldest = (last + 1 - MOST as i64).max(self.oldest);
        let gone = usize::try_from(oldest - self.oldest).unwrap_or(usize::MAX).min(self.filters.len());
        self.filters.drain(..gone);
        self.oldest = oldest;
        self.next = self.next.max(oldest * ROWS);
    }

    fn holding(&self, names: &[String]) -> Vec<(i64, i64)> {
        let may = |filter: &BloomFilter| names.iter().any(|name| filter.contains(name.as_bytes()));
        let mut found: Vec<(i64, i64)> = Vec::new();
        if self.oldest > 0 {
            found.push((0, self.oldest * ROWS));
        }
        let shelves = (self.oldest..).zip(&self.filters).filter(|(_, filter)| may(filter));
        for (begin, end) in shelves.map(|(shelf, _)| (shelf * ROWS, (shelf + 1) * ROWS)) {
            match found.last_mut() {
                Some((_, last)) if *last == begin => *last = end,
                _ => found.push((begin, end)),
            }
        }
        found
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn finds_every_shelf_of_a_name() {
        let mut state = State::default();
        for shelf in 0..8 {
            for row in 0..5_000 {
                state.put(shelf * ROWS + row, &format!("chat_{}", shelf * 5_000 + row));
            }
        }
        state.put(3 * ROWS, "Chat_AB");
        state.put(4 * ROWS, "chat_ab");
        state.put(7 * ROWS, "chat_ab");
        let shelves = |list: &[(i64, i64)]| list.iter().map(|(from, to)| (from / ROWS, to / ROWS)).collect::<Vec<_>>();
        assert_eq!(shelves(&state.holding(&["chat_ab".to_owned()])), [(3, 5), (7, 8)]);
        assert_eq!(shelves(&state.holding(&["chat_5001".to_owned()])), [(1, 2)]);
        assert_eq!(state.holding(&["nothing".to_owned()]), []);
    }

    #[test]
    fn rows_beyond_the_memory_are_looked_through() {
        let mut state = State::default();
        let most = MOST as i64;
        state.put(0, "early");
        state.put(2 * ROWS, "later");
        state.leave_room_for(most - 1);
        assert_eq!(state.holding(&["early".to_owned()]), [(0, ROWS)]);
        state.leave_room_for(most);
        state.put(most * ROWS, "last");
        assert_eq!((state.filters.len(), state.next), (MOST, ROWS));
        assert_eq!(state.holding(&["nothing".to_owned()]), [(0, ROWS)]);
        assert_eq!(state.holding(&["later".to_owned()]), [(0, ROWS), (2 * ROWS, 3 * ROWS)]);
        assert_eq!(state.holding(&["last".to_owned()]), [(0, ROWS), (most * ROWS, (most + 1) * ROWS)]);
    }
}
