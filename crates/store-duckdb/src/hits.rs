//! Rows of filters that are slow to decide, kept in memory for who asks about them again.
//!
//! A page about a person, a resource or a word counts a dozen things among the same few rows. Finding them means to put texts
//! together or to look at several columns of every row, so it is done once: the rows, without their raw logs, become a table
//! of the database in memory, and what was committed since is added before each answer. Only few rows are kept so (a filter
//! that leaves many is asked of all rows each time), of a few filters, the longest unused of which go first.
//!
//! Rows are never removed from the store. Whoever changes stored rows calls [`Hits::forget`].

mod names;

#[cfg(test)]
pub(crate) use names::are_in as are_named;

use std::{
    collections::HashMap,
    mem::take,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use auditlake_store::{Seqs, Window, filter::Filter};
use duckdb::{Connection, params_from_iter, types::Value};

use self::names::Place;
use crate::{database::Database, filter, reader::condition};

/// Of a filter that seems to have more rows only their ids are kept: to copy that many takes longer than to look at each again.
const MOST_COPIED: i64 = 20_000;
/// A filter that seems to have more is not kept,
const MOST_ROWS: i64 = 250_000;
/// nor one that has twice as many after all.
const MOST_AFTER_ALL: i64 = 2 * MOST_ROWS;
/// An id takes as much as one in so many copied rows.
const ID_SHARE: i64 = 20;
/// So many filters are remembered, and so many rows of all of them kept.
const MOST_FILTERS: usize = 200;
const MOST_ROWS_OF_ALL: i64 = 300_000;
/// So many rows tell whether there are many.
const SAMPLE: i64 = 50_000;
/// What is not kept of them: the raw logs, the long lists of ids, and what few ask for.
const LEFT_OUT: [&str; 13] = [
    "raw_rest",
    "id_hash",
    "resource_ids",
    "target",
    "received_at",
    "workspace_id",
    "source_ttl",
    "organization_uuid",
    "guessed",
    "entry",
    "late",
    "own_read",
    "person",
];

/// Whether an expression or a condition needs no column but those that are kept.
pub(crate) fn has(text: &str) -> bool {
    !LEFT_OUT.iter().any(|column| text.contains(column))
}

/// The kept rows of an open database.
#[derive(Default)]
pub(crate) struct Hits {
    known: Mutex<HashMap<String, Arc<Hit>>>,
    /// What nobody finds any more, until nobody reads it.
    gone: Mutex<Vec<Arc<Hit>>>,
    clock: AtomicU64,
}

/// The rows of a filter.
pub(crate) struct Hit {
    pub(crate) table: String,
    used: AtomicU64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The last commit whose rows are in it; `None` before it is made.
    seq: Option<u64>,
    rows: i64,
    are_many: bool,
    /// Whether there are ids alone.
    are_ids: bool,
}

/// A filter in two parts: what is slow to decide or names somebody, and the rest; `None` if nothing does.
fn parted(filter: &Filter) -> Option<(Filter, Filter)> {
    let all = match filter {
        Filter::And(list) => list.clone(),
        other => vec![other.clone()],
    };
    let (mut kept, mut rest): (Vec<Filter>, Vec<Filter>) = all.into_iter().partition(filter::is_slow);
    // Names leave few rows, so that what is slow only in that it leaves somebody out is quick among them.
    if kept.iter().all(|one| matches!(one, Filter::Not(inner) if names::are_in(inner))) {
        let (named, others): (Vec<Filter>, Vec<Filter>) = rest.into_iter().partition(names::are_in);
        // But where one column has these names, the engine finds the rows as soon.
        if named.iter().any(names::are_in_one) {
            return None;
        }
        kept.extend(named);
        rest = others;
    }
    (!kept.is_empty()).then(|| (Filter::and(kept), Filter::and(rest)))
}

impl Hits {
    /// The kept rows of the slow part of a filter up to a commit, and the rest of it. But for names, which are found soon, rows are kept
    /// anew only for who asks of all time: a stretch of it is quicker looked at as it is.
    pub(crate) fn of(
        &self,
        connection: &Connection,
        database: &Database,
        seq: u64,
        filter: &Filter,
        window: Window,
    ) -> duckdb::Result<Option<(Arc<Hit>, Filter)>> {
        let Some((slow, rest)) = parted(filter) else { return Ok(None) };
        let key = format!("{slow:?}");
        let hit = {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            match known.get(&key) {
                Some(hit) => hit.clone(),
                None if window.since.is_some() && !names::are_in(&slow) => return Ok(None),
                None => {
                    let hit = Arc::new(Hit::new(self.clock.fetch_add(1, Ordering::Relaxed)));
                    self.make_room(&mut known);
                    known.insert(key, hit.clone());
                    hit
                }
            }
        };
        hit.used.store(self.clock.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
        self.bury(connection);
        let is_kept = hit.catch_up(connection, database, seq, &slow)?;
        Ok(is_kept.then_some((hit, rest)))
    }

    /// Has all of it made anew: stored rows were changed.
    pub(crate) fn forget(&self) {
        let known = take(&mut *self.known.lock().unwrap_or_else(PoisonError::into_inner));
        self.gone.lock().unwrap_or_else(PoisonError::into_inner).extend(known.into_values());
    }

    fn make_room(&self, known: &mut HashMap<String, Arc<Hit>>) {
        let weight = |state: std::sync::MutexGuard<State>| state.rows / if state.are_ids { ID_SHARE } else { 1 };
        let rows = |hit: &Arc<Hit>| hit.state.try_lock().map_or(0, weight);
        let mut sum: i64 = known.values().map(rows).sum();
        while known.len() >= MOST_FILTERS || sum > MOST_ROWS_OF_ALL {
            let oldest =
                known.iter().min_by_key(|(_, hit)| hit.used.load(Ordering::Relaxed)).map(|(key, _)| key.clone());
            let Some(hit) = oldest.and_then(|key| known.remove(&key)) else { return };
            sum -= rows(&hit);
            self.gone.lock().unwrap_or_else(PoisonError::into_inner).push(hit);
        }
    }

    /// Drops what is gone and what nobody reads any more.
    fn bury(&self, connection: &Connection) {
        let mut gone = self.gone.lock().unwrap_or_else(PoisonError::into_inner);
        gone.retain(|hit| {
            if Arc::strong_count(hit) > 1 {
                return true;
            }
            if let Err(error) = connection.execute_batch(&format!("DROP TABLE IF EXISTS {}", hit.table)) {
                tracing::debug!("kept rows were not dropped: {error}");
            }
            false
        });
    }
}

/// How many rows there are in these places, as far as the newest ones tell; nothing where there are few in all.
fn estimate(connection: &Connection, places: &[Place]) -> duckdb::Result<i64> {
    // The engine knows how many there are without a look; the ids of the newest are not lower.
    let all: i64 = connection.query_row("SELECT count(*) FROM activity", [], |row| row.get(0))?;
    if all < 4 * SAMPLE {
        return Ok(0);
    }
    let (mut found, mut known) = (0_i64, 0);
    for Place { condition, values, rows } in places {
        if let Some(rows) = rows {
            known += rows.len() as i64;
            continue;
        }
        let text = format!("SELECT count(*) FROM activity WHERE rowid > {} AND {condition}", all - SAMPLE);
        found += connection.prepare(&text)?.query_row(params_from_iter(values), |row| row.get::<_, i64>(0))?;
    }
    Ok(found.saturating_mul(all / SAMPLE).saturating_add(known))
}

/// The ids of the rows that meet a condition; `None` if there are more than so many.
fn rows_of(
    connection: &Connection,
    condition: &str,
    values: Vec<Value>,
    most: i64,
) -> duckdb::Result<Option<Vec<i64>>> {
    let text = format!("SELECT rowid FROM activity WHERE {condition} LIMIT {}", most + 1);
    let mut statement = connection.prepare(&text)?;
    let rows = statement.query_map(params_from_iter(values), |row| row.get(0))?;
    let rows = rows.collect::<duckdb::Result<Vec<i64>>>()?;
    Ok(i64::try_from(rows.len()).is_ok_and(|count| count <= most).then_some(rows))
}

impl Hit {
    fn new(number: u64) -> Hit {
        let table = format!("staging.main.hits_{number}");
        Hit { table, used: AtomicU64::new(number), state: Mutex::default() }
    }

    /// Whether rows are copied, and not their ids alone.
    pub(crate) fn is_copied(&self) -> bool {
        !self.state.lock().unwrap_or_else(PoisonError::into_inner).are_ids
    }

    /// What stands for the rows in `FROM`, with all of their columns.
    pub(crate) fn whole(&self) -> String {
        format!("(SELECT rowid AS row, * FROM activity WHERE rowid IN (SELECT row FROM {})) AS activity", self.table)
    }

    /// Adds what was committed since. Whether the rows are kept, and not too many.
    fn catch_up(&self, connection: &Connection, database: &Database, seq: u64, slow: &Filter) -> duckdb::Result<bool> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.are_many || state.seq.is_some_and(|known| known >= seq) {
            return Ok(!state.are_many);
        }
        let seqs = Seqs { after: state.seq, until: Some(seq) };
        let are_ids = state.seq.is_some().then_some(state.are_ids);
        match self.add(connection, database, slow, seqs, MOST_AFTER_ALL - state.rows, are_ids) {
            Ok(Some((added, are_ids))) => {
                state.rows += added;
                (state.seq, state.are_ids) = (Some(seq), are_ids);
            }
            other => {
                // Nobody knows which rows it has by now.
                *state = State { are_many: other.is_ok(), ..State::default() };
                connection.execute_batch(&format!("DROP TABLE IF EXISTS {}", self.table))?;
                other?;
            }
        }
        Ok(!state.are_many)
    }

    /// Adds the rows of a filter to what there is, and whether there are ids alone; `None` if there are more than so many.
    fn add(
        &self,
        connection: &Connection,
        database: &Database,
        slow: &Filter,
        seqs: Seqs,
        most: i64,
        are_ids: Option<bool>,
    ) -> duckdb::Result<Option<(i64, bool)>> {
        let known = names::places(database, slow, seqs)?;
        let (found, places) = match known {
            Some(places) => (None, places),
            None if names::are_in(slow) => (Some(names::rows(connection, database, slow, seqs, most)?), Vec::new()),
            None => {
                let mut values = Vec::new();
                let place =
                    Place { condition: condition(slow, Window::default(), seqs, &mut values), values, rows: None };
                if are_ids.is_none() && estimate(connection, std::slice::from_ref(&place))? > MOST_ROWS {
                    return Ok(None);
                }
                (Some(rows_of(connection, &place.condition, place.values, most)?), Vec::new())
            }
        };
        let seems = match &found {
            Some(None) => return Ok(None),
            Some(Some(rows)) => rows.len() as i64,
            None if are_ids.is_none() => estimate(connection, &places)?,
            None => 0,
        };
        if seems > MOST_ROWS {
            return Ok(None);
        }
        let are_ids = are_ids.unwrap_or(seems > MOST_COPIED);
        let columns = if are_ids { "rowid AS row".to_owned() } else { kept_columns() };
        let begin = format!("CREATE TABLE IF NOT EXISTS {} AS SELECT {columns} FROM activity LIMIT 0", self.table);
        connection.execute_batch(&begin)?;
        let added = match found.flatten() {
            Some(rows) => self.add_found(connection, &rows, &columns).map(Some)?,
            None => self.add_places(connection, places, &columns, most)?,
        };
        Ok(added.map(|added| (added, are_ids)))
    }

    /// Adds the rows of some places, each once; `None` if there are more than so many.
    fn add_places(
        &self,
        connection: &Connection,
        places: Vec<Place>,
        columns: &str,
        most: i64,
    ) -> duckdb::Result<Option<i64>> {
        let (table, mut added) = (&self.table, 0);
        for place in places {
            place.lay_out(connection)?;
            let Place { condition, values, .. } = place;
            let others = if added > 0 { format!(" AND rowid NOT IN (SELECT row FROM {table})") } else { String::new() };
            let text = format!("INSERT INTO {table} SELECT {columns} FROM activity WHERE {condition}{others}");
            added += connection.execute(&text, params_from_iter(values))? as i64;
            if added > most {
                return Ok(None);
            }
        }
        Ok(Some(added))
    }

    /// Adds these rows.
    fn add_found(&self, connection: &Connection, rows: &[i64], columns: &str) -> duckdb::Result<i64> {
        names::lay_out(connection, rows)?;
        connection.execute_batch(&format!(
            "INSERT INTO {} SELECT {columns} FROM activity WHERE rowid IN (SELECT r FROM temp.hit_row)",
            self.table
        ))?;
        Ok(rows.len() as i64)
    }
}

fn kept_columns() -> String {
    format!("rowid AS row, * EXCLUDE ({})", LEFT_OUT.join(", "))
}
