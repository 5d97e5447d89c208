//! The first rows that pass a filter of the raw log, looked for slice by slice of time.
//!
//! The engine reads the newest row groups first where a page of the newest rows is wanted and every condition is about one
//! column. A question to the raw log needs several columns, and then it reads from the oldest on, all of them. So the time is
//! cut here, from the wanted end on, each slice four times as long as the one before, until there are enough rows: a filter
//! that finds much opens little, one that finds nothing opens each row once, as before.

use auditlake_store::{Order, Select, Window};
use duckdb::{Connection, params_from_iter, types::Value};
use jiff::{SignedDuration, Timestamp};

use crate::{
    filter,
    reader::{condition, moment},
};

/// The first slice.
const FIRST: SignedDuration = SignedDuration::from_hours(24);
/// How many times as long the next one is.
const GROWTH: i32 = 4;
/// Pages of more rows are not looked for here: their row ids would make a long statement.
const MAX_LIMIT: u64 = 2_000;

/// Whether rows are better looked for by slices.
pub(crate) fn are_for(select: &Select) -> bool {
    select.limit.is_some_and(|limit| limit <= MAX_LIMIT)
        && matches!(select.order, Order::Newest | Order::Oldest)
        && filter::opens_raw(&select.filter)
}

/// The row ids of the first `limit` rows in the order of `select`, which `order` says in SQL.
pub(crate) fn find(connection: &Connection, select: &Select, order: &str, limit: u64) -> duckdb::Result<Vec<i64>> {
    let mut found = Vec::new();
    let ends = connection.query_row(
        "SELECT epoch_us(min(event_time)), epoch_us(max(event_time)) FROM activity",
        [],
        |row| Ok((moment(row, 0)?, moment(row, 1)?)),
    )?;
    let (Some(oldest), Some(newest)) = ends else { return Ok(found) };
    let tick = SignedDuration::from_micros(1);
    let begin = select.window.since.map_or(oldest, |since| since.max(oldest));
    let behind = newest.saturating_add(tick).unwrap_or(Timestamp::MAX);
    let end = select.window.until.map_or(behind, |until| until.min(behind));
    for slice in slices(begin, end, select.order == Order::Newest) {
        let mut values: Vec<Value> = Vec::new();
        let condition = condition(&select.filter, slice, select.seqs, &mut values);
        let text = format!(
            "SELECT rowid FROM activity WHERE {condition} ORDER BY {order} LIMIT {}",
            limit - found.len() as u64
        );
        let mut statement = connection.prepare(&text)?;
        for id in statement.query_map(params_from_iter(values), |row| row.get(0))? {
            found.push(id?);
        }
        if found.len() as u64 >= limit {
            break;
        }
    }
    Ok(found)
}

/// What lies between two moments, cut from one of its ends on.
fn slices(begin: Timestamp, end: Timestamp, is_from_end: bool) -> impl Iterator<Item = Window> {
    let (mut begin, mut end, mut width) = (begin, end, FIRST);
    std::iter::from_fn(move || {
        if begin >= end {
            return None;
        }
        let slice = match is_from_end {
            true => {
                let cut = end.saturating_sub(width).unwrap_or(begin).max(begin);
                let slice = Window { since: Some(cut), until: Some(end) };
                end = cut;
                slice
            }
            false => {
                let cut = begin.saturating_add(width).unwrap_or(end).min(end);
                let slice = Window { since: Some(begin), until: Some(cut) };
                begin = cut;
                slice
            }
        };
        width = width.checked_mul(GROWTH).unwrap_or(SignedDuration::MAX);
        Some(slice)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_cover_the_time_once_from_either_end() {
        let (begin, end): (Timestamp, Timestamp) =
            ("2026-01-01T00:00:00Z".parse().unwrap(), "2026-01-30T00:00:00.000001Z".parse().unwrap());
        let mut newest: Vec<Window> = slices(begin, end, true).collect();
        assert_eq!(newest.len(), 4);
        assert_eq!(newest[0].until, Some(end));
        newest.reverse();
        for cut in [newest, slices(begin, end, false).collect()] {
            assert_eq!(cut[0].since, Some(begin));
            assert_eq!(cut[cut.len() - 1].until, Some(end));
            assert!(cut.windows(2).all(|pair| pair[0].until == pair[1].since));
        }
        assert_eq!(slices(end, begin, true).count(), 0);
        assert_eq!(slices(begin, begin, false).count(), 0);
    }
}
