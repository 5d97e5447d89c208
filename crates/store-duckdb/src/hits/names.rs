//! The rows of people, keys, addresses and things that are named, found column by column and put together here.

use std::collections::BTreeSet;

use auditlake_store::{Seqs, Window, filter::Filter};
use duckdb::Connection;

use super::rows_of;
use crate::{
    database::Database,
    filter::{Condition, by_columns},
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
            let Some(rows) = any(connection, database, by_columns(one).unwrap_or_default(), seqs, most)? else {
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

/// The rows that meet any of these conditions.
fn any(
    connection: &Connection,
    database: &Database,
    conditions: Vec<Condition>,
    seqs: Seqs,
    most: i64,
) -> duckdb::Result<Option<BTreeSet<i64>>> {
    let mut found = BTreeSet::new();
    for Condition { test, values: more, shelved } in conditions {
        let stretches = match shelved.is_empty() {
            true => vec![(0, i64::MAX)],
            false => database.shelves.holding(database, &shelved)?,
        };
        for (begin, end) in stretches {
            let mut values = Vec::new();
            let among = condition(&Filter::All, Window::default(), seqs, &mut values);
            values.extend(more.iter().cloned());
            // To name rows where all are meant takes the engine away from its dictionaries.
            let first = if begin > 0 { format!("rowid >= {begin} AND ") } else { String::new() };
            let last = if end < i64::MAX { format!("rowid < {end} AND ") } else { String::new() };
            let text = format!("{first}{last}{among} AND ({test})");
            let Some(rows) = rows_of(connection, &text, values, most)? else { return Ok(None) };
            found.extend(rows);
        }
    }
    Ok(Some(found))
}
