//! Where in the store something may be named: of each stretch of rows, the ids of all resources and targets, and the names and addresses
//! of all actors by the columns in which they stand, in a Bloom filter.
//!
//! What is done to a thing happens within a few days, so that its rows lie in one or two of a hundred stretches, while to look for its id
//! means to unpack all ids of all rows. Who acts has a name that stands in one of five columns, and the others need not be read;
//! of names that stand elsewhere, which few have, the rows are known. So they are of things that many rows of a stretch name, such as a
//! workspace: those are in every stretch.
//! The filters take some 2.5 bytes a row, the known rows up to 5 for each thing that one names, and both are made when somebody has time ([`Shelves::make`]);
//! until then, and for the oldest rows if there are more than fit the memory that they may take, everything is looked through.
//!
//! Rows never leave the store, and a row that is stored anew comes to stand at the end.

use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasher, RandomState},
    sync::{Mutex, PoisonError},
};

use auditlake_store::schema::RESOURCE_SEPARATOR;
use fastbloom::BloomFilter;

use crate::{ask::Kind, database::Database, filter};

/// Rows of a shelf: those that the engine keeps and passes over together.
const ROWS: i64 = 122_880;
/// The bits of a shelf's filter: one in a hundred shelves is looked through in vain if each row names two things.
const BITS: usize = 20 * ROWS as usize;
/// So many shelves have one, the newest: 77 MB for 31 million rows, and what is known of their rows beside that.
const MOST: usize = 256;

/// Where resources stand; all others in the columns of their names.
const RESOURCES: &str = "";
/// The columns that name who acts.
const ACTORS: [&str; 5] = ["actor_email", "actor_user_id", "actor_admin_api_key_id", "actor_api_key_id", "actor_ip"];
/// A shelf that is passed over saves less than a statement costs, times this, where a test is quick.
const NARROW: i64 = 6;

/// Of a thing that at least so many rows of a shelf name, the rows are known.
const THICK: usize = 16;

/// More rows than this are not worth to be named one by one.
const MOST_OTHERS: usize = 200_000;

/// A name as the filters know it, by where it stands.
pub(crate) fn key(place: &str, name: &str) -> String {
    let mut key = format!("{place}{RESOURCE_SEPARATOR}{name}");
    key.make_ascii_lowercase();
    key
}

fn hash(name: &str) -> u32 {
    auditlake_store::id_hash(&name.to_ascii_lowercase())
}

/// See the module.
#[derive(Default)]
pub(crate) struct Shelves(Mutex<State>);

#[derive(Default)]
struct State {
    /// Whether all rows up to `next` have been read.
    is_made: bool,
    shelves: VecDeque<Shelf>,
    /// The shelf of the first of them. What lies before has none.
    oldest: i64,
    /// The first row that has not been read.
    next: i64,
    /// A commit whose rows have been read.
    seq: u64,
    /// The rows of each thing in the shelf that is not read to its end, by the hash of its name.
    open: HashMap<u64, Vec<u32>>,
    /// Nobody who chooses names knows it.
    hasher: RandomState,
}

/// Rows that name a thing, and stretches that may have more of them.
pub(crate) struct Found {
    pub rows: Vec<i64>,
    pub stretches: Vec<(i64, i64)>,
}

/// What is known of the rows of a shelf.
struct Shelf {
    names: BloomFilter,
    /// The hashes of what stands in the actor's members that have no column, of those few rows that have any, with their places.
    others: Vec<(u32, u32)>,
    thick: Thick,
}

/// The rows of the things that many rows name.
#[derive(Default)]
struct Thick {
    /// The hash of each name, in their order, and where its rows end in `places`.
    names: Box<[(u64, u32)]>,
    places: Box<[u32]>,
}

impl Thick {
    fn of(things: HashMap<u64, Vec<u32>>) -> Thick {
        let mut things: Vec<_> = things.into_iter().filter(|(_, rows)| rows.len() >= THICK).collect();
        things.sort_unstable_by_key(|(name, _)| *name);
        let (mut names, mut places) = (Vec::with_capacity(things.len()), Vec::new());
        for (name, rows) in things {
            places.extend(rows);
            names.push((name, places.len() as u32));
        }
        Thick { names: names.into(), places: places.into() }
    }

    fn get(&self, name: u64) -> Option<&[u32]> {
        let at = self.names.binary_search_by_key(&name, |(own, _)| *own).ok()?;
        let begin = at.checked_sub(1).map_or(0, |before| self.names[before].1);
        self.places.get(begin as usize..self.names[at].1 as usize)
    }
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

    /// The rows up to a commit, from the first to the one behind the last, that may have any of these names ([`key`]), in few
    /// stretches.
    pub(crate) fn holding(&self, database: &Database, seq: u64, keys: &[String]) -> duckdb::Result<Vec<(i64, i64)>> {
        let mut state = self.held();
        if !state.is_made {
            return Ok(vec![(0, i64::MAX)]);
        }
        state.reach(database, seq)?;
        Ok(state.holding(keys, NARROW))
    }

    /// Some rows, and among them all in which a member of the actor without a column is one of these names; `None` if they are many
    /// or not known.
    pub(crate) fn with_other(
        &self,
        database: &Database,
        seq: u64,
        names: &[String],
    ) -> duckdb::Result<Option<Vec<i64>>> {
        let mut state = self.held();
        if !state.is_made || state.oldest > 0 {
            return Ok(None);
        }
        state.reach(database, seq)?;
        let hashes: Vec<u32> = names.iter().map(|name| hash(name)).collect();
        let rows = (0..).zip(&state.shelves).flat_map(|(at, shelf)| {
            let rows = shelf.others.iter().filter(|(own, _)| hashes.contains(own));
            rows.map(move |(_, place)| at * ROWS + i64::from(*place))
        });
        let rows: Vec<i64> = rows.take(MOST_OTHERS + 1).collect();
        Ok((rows.len() <= MOST_OTHERS).then_some(rows))
    }

    /// The rows that name a thing, as far as they are known, and where to look for others.
    pub(crate) fn naming(&self, database: &Database, seq: u64, name: &str) -> duckdb::Result<Found> {
        let mut state = self.held();
        if !state.is_made {
            return Ok(Found { rows: Vec::new(), stretches: vec![(0, i64::MAX)] });
        }
        state.reach(database, seq)?;
        Ok(state.naming(name))
    }

    fn held(&self) -> std::sync::MutexGuard<'_, State> {
        // Whatever was read in part is read again.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Reads what is not read of the rows up to a commit.
    fn reach(&mut self, database: &Database, seq: u64) -> duckdb::Result<()> {
        if self.seq < seq {
            self.catch_up(database)?;
            self.seq = seq;
        }
        Ok(())
    }

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
                    resources.split(RESOURCE_SEPARATOR).for_each(|name| self.put_thing(*rowid, name));
                    // A mark stands for one of the resources.
                    let is_mark = |name: &&str| name.bytes().all(|byte| byte <= 7);
                    let target = targets.get(at).filter(|name| !is_mark(name));
                    target.into_iter().for_each(|name| self.put(*rowid, "target", name));
                }
            })?;
            let text = format!(
                "SELECT DISTINCT {} FROM activity WHERE rowid >= {} AND rowid < {end}",
                ACTORS.join(", "),
                self.next
            );
            database.ask(&text, &[], &[Kind::Text; ACTORS.len()], |chunk| {
                for (column, place) in ACTORS.into_iter().enumerate() {
                    let texts = chunk.texts(column);
                    (0..chunk.rows())
                        .filter_map(|row| texts.get(row))
                        .for_each(|name| self.put(self.next, place, name));
                }
            })?;
            let members = filter::ACTOR_OTHERS.map(filter::other_member).join(", ");
            let text = format!(
                "SELECT rowid, concat_ws(chr({}), {members}) FROM activity WHERE rowid >= {} AND rowid < {end} \
                 AND actor_other IS NOT NULL",
                RESOURCE_SEPARATOR as u32, self.next
            );
            database.ask(&text, &[], &[Kind::Long, Kind::Text], |chunk| {
                let (rowids, members) = (chunk.longs(0), chunk.texts(1));
                for (at, rowid) in rowids.iter().enumerate() {
                    // Some text may hold the sign that separates them; nobody looks for such a one.
                    let members = members.get(at).unwrap_or_default().split(RESOURCE_SEPARATOR);
                    members.for_each(|name| self.put_other(*rowid, name));
                }
            })?;
            self.next = end.min(last + 1);
            if self.next == end {
                self.close(end / ROWS - 1);
            }
        }
        Ok(())
    }

    /// Of a shelf that is read to its end, keeps what many rows name.
    fn close(&mut self, shelf: i64) {
        let thick = Thick::of(std::mem::take(&mut self.open));
        if let Some(shelf) = self.shelf(shelf * ROWS) {
            shelf.thick = thick;
        }
    }

    fn hash_of(&self, name: &str) -> u64 {
        self.hasher.hash_one(name.to_ascii_lowercase())
    }

    fn put_thing(&mut self, rowid: i64, name: &str) {
        if name.is_empty() {
            return;
        }
        self.put(rowid, RESOURCES, name);
        let place = (rowid % ROWS) as u32;
        let rows = self.open.entry(self.hash_of(name)).or_default();
        if rows.last() != Some(&place) {
            rows.push(place);
        }
    }

    fn put(&mut self, rowid: i64, place: &str, name: &str) {
        if let Some(shelf) = self.shelf(rowid).filter(|_| !name.is_empty()) {
            shelf.names.insert(key(place, name).as_bytes());
        }
    }

    fn put_other(&mut self, rowid: i64, name: &str) {
        if let Some(shelf) = self.shelf(rowid).filter(|_| !name.is_empty()) {
            shelf.others.push((hash(name), (rowid % ROWS) as u32));
        }
    }

    fn shelf(&mut self, rowid: i64) -> Option<&mut Shelf> {
        let at = usize::try_from(rowid / ROWS - self.oldest).ok()?;
        while self.shelves.len() <= at {
            let names = BloomFilter::with_num_bits(BITS).seed(&0).expected_items(2 * ROWS as usize);
            self.shelves.push_back(Shelf { names, others: Vec::new(), thick: Thick::default() });
        }
        self.shelves.get_mut(at)
    }

    /// Drops the filters of the oldest shelves, and reads none of them, if this is to be the last shelf.
    fn leave_room_for(&mut self, last: i64) {
        let oldest = (last + 1 - MOST as i64).max(self.oldest);
        let gone = usize::try_from(oldest - self.oldest).unwrap_or(usize::MAX).min(self.shelves.len());
        self.shelves.drain(..gone);
        self.oldest = oldest;
        if self.next < oldest * ROWS {
            // The shelf that was being read is gone, and its rows are not those of the next one.
            self.open.clear();
            self.next = oldest * ROWS;
        }
    }

    fn naming(&self, name: &str) -> Found {
        let (hash, key) = (self.hash_of(name), key(RESOURCES, name));
        let mut found = Found { rows: Vec::new(), stretches: Vec::new() };
        if self.oldest > 0 {
            found.stretches.push((0, self.oldest * ROWS));
        }
        let open = self.next / ROWS;
        for (at, shelf) in (self.oldest..).zip(&self.shelves) {
            let begin = at * ROWS;
            let known = match at == open {
                true => Some(self.open.get(&hash).map_or(&[][..], Vec::as_slice)),
                false => shelf.thick.get(hash),
            };
            match known {
                Some(rows) => found.rows.extend(rows.iter().map(|place| begin + i64::from(*place))),
                None if shelf.names.contains(key.as_bytes()) => match found.stretches.last_mut() {
                    Some((_, last)) if *last == begin => *last += ROWS,
                    _ => found.stretches.push((begin, begin + ROWS)),
                },
                None => {}
            }
        }
        found
    }

    /// Stretches with no more than `narrow` shelves between them are one.
    fn holding(&self, keys: &[String], narrow: i64) -> Vec<(i64, i64)> {
        let may = |shelf: &Shelf| keys.iter().any(|key| shelf.names.contains(key.as_bytes()));
        let mut found: Vec<(i64, i64)> = Vec::new();
        if self.oldest > 0 {
            found.push((0, self.oldest * ROWS));
        }
        let shelves = (self.oldest..).zip(&self.shelves).filter(|(_, shelf)| may(shelf));
        for (begin, end) in shelves.map(|(shelf, _)| (shelf * ROWS, (shelf + 1) * ROWS)) {
            match found.last_mut() {
                Some((_, last)) if begin - *last <= narrow * ROWS => *last = end,
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
                state.put(shelf * ROWS + row, RESOURCES, &format!("chat_{}", shelf * 5_000 + row));
            }
        }
        state.put(3 * ROWS, RESOURCES, "Chat_AB");
        state.put(4 * ROWS, RESOURCES, "chat_ab");
        state.put(7 * ROWS, RESOURCES, "chat_ab");
        let shelves = |list: &[(i64, i64)]| list.iter().map(|(from, to)| (from / ROWS, to / ROWS)).collect::<Vec<_>>();
        assert_eq!(shelves(&state.holding(&[key(RESOURCES, "chat_ab")], 0)), [(3, 5), (7, 8)]);
        assert_eq!(shelves(&state.holding(&[key(RESOURCES, "chat_5001")], 0)), [(1, 2)]);
        assert_eq!(state.holding(&[key(RESOURCES, "nothing")], 0), []);
        state.put(ROWS, "actor_email", "Ann@example.com");
        state.put(4 * ROWS, "actor_email", "ann@example.com");
        let ann = |place| [key(place, "ANN@example.com")];
        assert_eq!(shelves(&state.holding(&ann("actor_email"), 0)), [(1, 2), (4, 5)]);
        assert_eq!(shelves(&state.holding(&ann("actor_email"), 2)), [(1, 5)]);
        assert_eq!(state.holding(&ann("actor_user_id"), 9), []);
    }

    #[test]
    fn rows_of_what_many_name_are_known() {
        let mut state = State::default();
        for shelf in 0..3 {
            for row in 0..40 {
                state.put_thing(shelf * ROWS + 2 * row, "Workspace_A");
                state.put_thing(shelf * ROWS + 2 * row, "workspace_a");
            }
            state.put_thing(shelf * ROWS + 7, "chat_1");
            if shelf < 2 {
                state.close(shelf);
                state.next = (shelf + 1) * ROWS;
            }
        }
        let found = state.naming("workspace_A");
        assert_eq!((found.rows.len(), found.rows[41], found.stretches), (120, ROWS + 2, vec![]));
        let found = state.naming("chat_1");
        assert_eq!((found.rows, found.stretches), (vec![2 * ROWS + 7], vec![(0, 2 * ROWS)]));
        let found = state.naming("chat_2");
        assert_eq!((found.rows, found.stretches), (vec![], vec![]));
    }

    #[test]
    fn rows_beyond_the_memory_are_looked_through() {
        let mut state = State::default();
        let most = MOST as i64;
        state.put(0, RESOURCES, "early");
        state.put(2 * ROWS, RESOURCES, "later");
        state.leave_room_for(most - 1);
        assert_eq!(state.holding(&[key(RESOURCES, "early")], 0), [(0, ROWS)]);
        state.put_thing(7, "early");
        state.leave_room_for(most);
        assert!(state.naming("early").rows.is_empty(), "rows of a shelf that is gone");
        state.put(most * ROWS, RESOURCES, "last");
        assert_eq!((state.shelves.len(), state.next), (MOST, ROWS));
        assert_eq!(state.holding(&[key(RESOURCES, "nothing")], 0), [(0, ROWS)]);
        assert_eq!(state.holding(&[key(RESOURCES, "later")], 0), [(0, ROWS), (2 * ROWS, 3 * ROWS)]);
        assert_eq!(state.holding(&[key(RESOURCES, "last")], 0), [(0, ROWS), (most * ROWS, (most + 1) * ROWS)]);
    }
}
