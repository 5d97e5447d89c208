//! Where the rows of a rare filter lie, by filter, as of a commit.
//!
//! To find them, all rows have to be looked at, in narrow columns and yet. So whoever asks for a filter whose rows lie
//! scattered, or for a filter the first time and not for a stretch of time alone, has its whole list made, which the next
//! page finds its rows in, from wherever it begins; what was committed since is added first. Filters that leave many rows
//! have no list: their pages are near at hand.
//!
//! Rows never leave the store. Whatever removes some has to drop these lists and [`super::Kept`].

use std::{
    collections::HashMap,
    mem::take,
    sync::{Arc, Mutex, PoisonError},
};

use auditlake_store::FeedQuery;

use super::{Reading, kept::Spot, reach::spots};
use crate::{Inner, database::Database};

/// The longest list.
const MOST: usize = 300_000;
/// As many entries are kept in all lists of the younger half, and as many in the older one: 36 MB each.
const MOST_OF_ALL: usize = 1_500_000;
/// What a list takes beside its entries, in entries.
const OVERHEAD: usize = 100;
/// More rows than this that share one time are left to the engine.
const TIES: usize = 1_000;

/// Shares of so many filters are remembered.
const MOST_SHARES: usize = 10_000;
/// No filter is taken to be rarer.
const LEAST_SHARE: f64 = 1e-7;

/// What a query asks of a row but for its time.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Filter {
    types: Vec<String>,
    exclude_types: Vec<String>,
    actor_ids: Vec<String>,
    organizations: Vec<String>,
    exclude_sources: Vec<String>,
}

/// The lists that were asked for lately. The older half goes at once when the younger half has filled up.
#[derive(Default)]
pub(crate) struct Lists {
    halves: Mutex<Halves>,
    /// Of all rows, those of a filter, where it was last read.
    shares: Mutex<HashMap<Filter, f64>>,
}

#[derive(Default)]
struct Halves {
    young: HashMap<Filter, Arc<Mutex<List>>>,
    old: HashMap<Filter, Arc<Mutex<List>>>,
    entries: usize,
}

/// The rows of a filter.
#[derive(Default)]
struct List {
    seq: u64,
    /// By time; `None` if there are too many.
    spots: Option<Vec<Spot>>,
}

impl Filter {
    pub(super) fn of(query: &FeedQuery) -> Option<Filter> {
        let lists = [&query.types, &query.exclude_types, &query.actor_ids, &query.organizations];
        lists.iter().any(|list| !list.is_empty()).then(|| Filter {
            types: query.types.clone(),
            exclude_types: query.exclude_types.clone(),
            actor_ids: query.actor_ids.clone(),
            organizations: query.organizations.clone(),
            exclude_sources: query.exclude_sources.clone(),
        })
    }
}

impl Lists {
    /// The rows of a page, and some more that share its first or last time; `None` if there is no list of the filter.
    pub(super) fn find(
        &self,
        database: &Database,
        inner: &Inner,
        reading: &Reading,
    ) -> duckdb::Result<Option<Vec<Spot>>> {
        let Some(list) = reading.filter.as_ref().and_then(|filter| self.halves().get(filter)) else {
            return Ok(None);
        };
        let mut list = list.lock().unwrap_or_else(PoisonError::into_inner);
        list.catch_up(database, inner, reading)?;
        Ok(list.spots.as_ref().and_then(|all| cut(all, reading)))
    }

    /// Makes the list of a filter, if nobody has tried.
    pub(super) fn make(&self, database: &Database, inner: &Inner, reading: &Reading) -> duckdb::Result<()> {
        let Some(filter) = reading.filter.as_ref().filter(|filter| self.halves().get(filter).is_none()) else {
            return Ok(());
        };
        let mut list = List { seq: 0, spots: Some(Vec::new()) };
        list.catch_up(database, inner, reading)?;
        let entries = list.spots.as_ref().map_or(0, Vec::len) + OVERHEAD;
        self.halves().put(filter.clone(), Arc::new(Mutex::new(list)), entries);
        Ok(())
    }

    /// Whether nobody has tried to make the list of a filter.
    pub(super) fn is_new(&self, filter: &Filter) -> bool {
        self.halves().get(filter).is_none()
    }

    /// Which part of all rows is a filter's: all, until it is known better.
    pub(super) fn share(&self, filter: &Filter) -> f64 {
        *self.shares.lock().unwrap_or_else(PoisonError::into_inner).get(filter).unwrap_or(&1.0)
    }

    pub(super) fn tell_share(&self, filter: &Filter, share: f64) {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        if shares.len() >= MOST_SHARES {
            shares.clear();
        }
        shares.insert(filter.clone(), share.clamp(LEAST_SHARE, 1.0));
    }

    fn halves(&self) -> std::sync::MutexGuard<'_, Halves> {
        self.halves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Halves {
    fn get(&mut self, filter: &Filter) -> Option<Arc<Mutex<List>>> {
        if let Some(list) = self.young.get(filter) {
            return Some(list.clone());
        }
        let list = self.old.remove(filter)?;
        let entries = list.lock().unwrap_or_else(PoisonError::into_inner).spots.as_ref().map_or(0, Vec::len);
        self.put(filter.clone(), list.clone(), entries + OVERHEAD);
        Some(list)
    }

    fn put(&mut self, filter: Filter, list: Arc<Mutex<List>>, entries: usize) {
        self.entries += entries;
        if self.entries > MOST_OF_ALL {
            self.old = take(&mut self.young);
            self.entries = entries;
        }
        self.young.insert(filter, list);
    }
}

impl List {
    /// Adds what was committed since.
    fn catch_up(&mut self, database: &Database, inner: &Inner, reading: &Reading) -> duckdb::Result<()> {
        let seq = *inner.commits.borrow();
        let Some(all) = &mut self.spots else { return Ok(()) };
        if self.seq == seq {
            return Ok(());
        }
        let since = format!("seq > {} AND seq <= {seq}{}", self.seq, reading.test);
        let left = MOST + 1 - all.len();
        let more = spots(database, &since, reading.test_values(), left)?;
        if more.len() == left {
            self.spots = None;
            return Ok(());
        }
        all.extend(more);
        // Almost sorted already: rows are mostly stored as they happen.
        all.sort_by_key(|spot| spot.time);
        self.seq = seq;
        Ok(())
    }
}

/// The rows of a page among all of its filter.
fn cut(all: &[Spot], reading: &Reading) -> Option<Vec<Spot>> {
    let first = all.partition_point(|spot| spot.time < reading.oldest);
    let last = all.partition_point(|spot| spot.time <= reading.newest).max(first);
    let inside = &all[first..last];
    // Those that share the cursor's time may lie before it, and count for nothing.
    let ties = reading.cursor_time.map_or(0, |time| inside.iter().filter(|spot| spot.time == time).count());
    let count = (reading.wanted as usize + ties).min(inside.len());
    let page = match reading.is_ascending {
        true => {
            let end = inside[..count].last().map(|spot| spot.time);
            &inside[..end.map_or(0, |end| inside.partition_point(|spot| spot.time <= end))]
        }
        false => {
            let end = inside[inside.len() - count..].first().map(|spot| spot.time);
            &inside[end.map_or(inside.len(), |end| inside.partition_point(|spot| spot.time < end))..]
        }
    };
    (page.len() <= reading.wanted as usize + 2 * TIES).then(|| page.to_vec())
}
