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
    for Place { condition, values } in places {
        let Some(rows) = rows_of(connection, &condition, values, most)? else { return Ok(None) };
        found.extend(rows);
    }
    Ok(Some(found))
}

/// A condition that finds some rows soon.
pub(super) struct Place {
    pub condition: String,
    pub values: Vec<Value>,
}

/// The places of the rows of a choice of names; `None` if the filter is none.
pub(super) fn places(database: &Database, filter: &Filter, seqs: Seqs) -> duckdb::Result<Option<Vec<Place>>> {
    let (Some(conditions), seq) = (by_columns(filter), seqs.until.unwrap_or(u64::MAX)) else { return Ok(None) };
    let mut places = Vec::new();
    for Condition { test, values: more, among } in conditions {
        let stretches: Vec<String> = match among {
            Among::Keys { keys, is_quick } => {
                let stretches = database.shelves.holding(database, seq, &keys, is_quick)?;
                stretches.into_iter().map(|(begin, end)| between(begin, end)).collect()
            }
            Among::Others(names) => match database.shelves.with_other(database, seq, &names)? {
                Some(rows) if rows.is_empty() => Vec::new(),
                // A list of constants would be tested in each row.
                Some(rows) => {
                    let list: Vec<String> = rows.iter().map(i64::to_string).collect();
                    vec![format!("rowid IN (SELECT unnest([{}])) AND ", list.join(", "))]
                }
                None => vec![String::new()],
            },
        };
        for stretch in stretches {
            let mut values = Vec::new();
            let among = condition(&Filter::All, Window::default(), seqs, &mut values);
            values.extend(more.iter().cloned());
            places.push(Place { condition: format!("{stretch}{among} AND ({test})"), values });
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
