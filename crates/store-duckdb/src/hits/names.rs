//! The rows of people, keys, addresses and things that are named, found column by column and put together here.

use std::collections::BTreeSet;

use auditlake_store::{Seqs, Window, filter::Filter};
use duckdb::{Connection, types::Value};

use super::rows_of;
use crate::{
    database::Database,
    filter::{Among, Condition, by_columns},
    reader::condition,
};

/// Whether a filter is a choice of names, or several that all have to pass, without other names.
pub(crate) fn are_in(filter: &Filter) -> bool {
    let is_name = |filter: &Filter| by_columns(filter).is_some();
    match filter {
        Filter::And(list) => {
            let is_known = |one: &Filter| is_name(one) || matches!(one, Filter::Not(inner) if is_name(inner));
            list.iter().any(is_name) && list.iter().all(is_known)
        }
        one => is_name(one),
    }
}

/// Whether a filter is a choice of names that stand in one column.
pub(super) fn are_in_one(filter: &Filter) -> bool {
    by_columns(filter)
        .is_some_and(|conditions| matches!(conditions.as_slice(), [Condition { among: Among::Keys(_), .. }]))
}

/// The rows of such a filter, in their order; `None` if there are more than so many of any name.
pub(super) fn rows(
    connection: &Connection,
    database: &Database,
    filter: &Filter,
    seqs: Seqs,
    most: i64,
) -> duckdb::Result<Option<Vec<i64>>> {
    let members = match filter {
        Filter::And(list) => list.as_slice(),
        one => std::slice::from_ref(one),
    };
    let mut found: Option<BTreeSet<i64>> = None;
    // First what passes, then what does not.
    for is_left_out in [false, true] {
        for member in members {
            let one = match member {
                Filter::Not(inner) if is_left_out => inner,
                Filter::Not(_) => continue,
                _ if is_left_out => continue,
                one => one,
            };
            let Some(rows) = any(connection, places(database, one, seqs)?.unwrap_or_default(), most)? else {
                return Ok(None);
            };
            found = Some(match found {
                None => rows,
                Some(found) if is_left_out => &found - &rows,
                Some(found) => &found & &rows,
            });
        }
    }
    Ok(Some(found.unwrap_or_default().into_iter().collect()))
}

/// The rows that stand in any of these places.
fn any(connection: &Connection, places: Vec<Place>, most: i64) -> duckdb::Result<Option<BTreeSet<i64>>> {
    let mut found = BTreeSet::new();
    for place in places {
        place.lay_out(connection)?;
        let Some(rows) = rows_of(connection, &place.condition, place.values, most)? else { return Ok(None) };
        found.extend(rows);
    }
    Ok(Some(found))
}

/// A condition that finds some rows soon.
#[derive(Default)]
pub(super) struct Place {
    pub condition: String,
    pub values: Vec<Value>,
    /// The rows among which the condition looks, if they are known ([`Place::lay_out`]).
    pub rows: Option<Vec<i64>>,
}

impl Place {
    /// Makes the known rows a table for the condition.
    pub(super) fn lay_out(&self, connection: &Connection) -> duckdb::Result<()> {
        self.rows.as_ref().map_or(Ok(()), |rows| lay_out(connection, rows))
    }
}

/// Makes rows a table that conditions can look at.
pub(super) fn lay_out(connection: &Connection, rows: &[i64]) -> duckdb::Result<()> {
    connection.execute_batch("CREATE OR REPLACE TEMP TABLE hit_row (r BIGINT NOT NULL)")?;
    let mut appender = connection.appender_to_catalog_and_db("hit_row", "temp", "main")?;
    rows.iter().try_for_each(|rowid| appender.append_row([rowid]))?;
    appender.flush()
}

/// Among the rows that are laid out.
const LAID_OUT: &str = "rowid IN (SELECT r FROM temp.hit_row)";

/// The places of the rows of a choice of names; `None` if the filter is none.
pub(super) fn places(database: &Database, filter: &Filter, seqs: Seqs) -> duckdb::Result<Option<Vec<Place>>> {
    let (Some(conditions), seq) = (by_columns(filter), seqs.until.unwrap_or(u64::MAX)) else { return Ok(None) };
    let mut places = Vec::new();
    for Condition { test, values: more, among } in conditions {
        let mut put = |stretch: String, is_tested: bool, rows: Option<Vec<i64>>| {
            let mut values = Vec::new();
            let among = condition(&Filter::All, Window::default(), seqs, &mut values);
            let tested = if is_tested { format!(" AND ({test})") } else { String::new() };
            values.extend(more.iter().filter(|_| is_tested).cloned());
            places.push(Place { condition: format!("{stretch}{among}{tested}"), values, rows });
        };
        match among {
            Among::Keys(keys) => {
                let stretches = database.shelves.holding(database, seq, &keys)?;
                stretches.into_iter().for_each(|(begin, end)| put(between(begin, end), true, None));
            }
            Among::Thing(name, do_all) => {
                let found = database.shelves.naming(database, seq, &name)?;
                found.stretches.into_iter().for_each(|(begin, end)| put(between(begin, end), true, None));
                if !found.rows.is_empty() {
                    put(format!("{LAID_OUT} AND "), !do_all, Some(found.rows));
                }
            }
            Among::Others(names) => match database.shelves.with_other(database, seq, &names)? {
                Some(rows) if rows.is_empty() => {}
                // A list of constants would be tested in each row.
                Some(rows) => put(format!("{LAID_OUT} AND "), true, Some(rows)),
                None => put(String::new(), true, None),
            },
        }
    }
    Ok(Some(places))
}

/// To name rows where all are meant takes the engine away from its dictionaries.
fn between(begin: i64, end: i64) -> String {
    let first = if begin > 0 { format!("rowid >= {begin} AND ") } else { String::new() };
    let last = if end < i64::MAX { format!("rowid < {end} AND ") } else { String::new() };
    first + &last
}
