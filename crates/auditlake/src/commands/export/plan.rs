//! The windows of an export: stretches of event time with some thousand records each, which together are all of it.
//!
//! They are counted before anything is read, without the filter, which only makes them smaller. What is committed later is
//! left out by the sequence number, so that the count stays right.

use std::collections::{BTreeMap, VecDeque};

use anyhow::{Context, Result};
use arrow::{
    array::AsArray,
    compute::cast,
    datatypes::{DataType, Int64Type},
};
use auditlake_store::{SqlQuery, Window};
use jiff::Timestamp;

use crate::{engine::Dialect, lake::Lake};

/// So many records are sorted, and held in memory, at a time.
const WANTED: i64 = 16_384;
/// A slot with more is cut again.
const TOO_MANY: i64 = 4 * WANTED;
/// Into so many.
const CUT: i64 = 64;

/// What is read in which order.
pub struct Plan {
    /// The oldest first. The first and the last are open where the whole is.
    pub windows: Vec<Window>,
    /// The last commit that counts.
    pub seq: u64,
}

impl Plan {
    pub async fn of(lake: &Lake, dialect: Dialect, since: Option<Timestamp>, until: Option<Timestamp>) -> Result<Plan> {
        let bounds = bounds(dialect, since.map(Timestamp::as_microsecond), until.map(Timestamp::as_microsecond));
        let text = format!(
            "SELECT CAST((SELECT max(seq) FROM activities) AS BIGINT), count(*), min({micros}), max({micros}) \
             FROM activities WHERE {bounds}",
            micros = dialect.micros("eventTime")
        );
        let found = numbers(lake, text).await?;
        let number = |at: usize| found.first().and_then(|row| row.get(at).copied().flatten());
        let seq = number(0).and_then(|seq| u64::try_from(seq).ok()).unwrap_or(0);
        let (Some(count @ 1..), Some(first), Some(last)) = (number(1), number(2), number(3)) else {
            return Ok(Plan { windows: vec![Window { since, until }], seq });
        };
        let slots = (count / WANTED + 1) * 4;
        let cuts = cuts(lake, dialect, first, last + 1, (last - first) / slots + 1).await?;
        let starts = cuts.iter().map(|cut| Timestamp::from_microsecond(*cut)).collect::<Result<Vec<_>, _>>()?;
        let from = std::iter::once(since).chain(starts.iter().copied().map(Some));
        let to = starts.iter().copied().map(Some).chain(std::iter::once(until));
        Ok(Plan { windows: from.zip(to).map(|(since, until)| Window { since, until }).collect(), seq })
    }
}

/// The moments between `first` and `end` at which the windows are parted.
async fn cuts(lake: &Lake, dialect: Dialect, first: i64, end: i64, width: i64) -> Result<Vec<i64>> {
    let mut counts: BTreeMap<i64, i64> = BTreeMap::new();
    let mut open = VecDeque::from([(first, end, width)]);
    while let Some((first, end, width)) = open.pop_front() {
        let text = format!(
            "SELECT {first} + {} * {width} AS start, count(*) FROM activities WHERE {} GROUP BY 1 ORDER BY 1",
            dialect.quotient(&format!("({} - {first})", dialect.micros("eventTime")), width),
            bounds(dialect, Some(first), Some(end))
        );
        for row in numbers(lake, text).await? {
            let (Some(start), Some(count)) = (row[0], row[1]) else { continue };
            if count > TOO_MANY && width > 1 {
                open.push_back((start, end.min(start + width), width / CUT + 1));
            } else {
                counts.insert(start, count);
            }
        }
    }
    let (mut cuts, mut sum) = (Vec::new(), 0);
    for (start, count) in counts {
        if sum > 0 && sum + count > WANTED {
            cuts.push(start);
            sum = 0;
        }
        sum += count;
    }
    Ok(cuts)
}

fn bounds(dialect: Dialect, since: Option<i64>, until: Option<i64>) -> String {
    let since = since.map(|time| format!(" AND eventTime >= {}", dialect.moment(time)));
    let until = until.map(|time| format!(" AND eventTime < {}", dialect.moment(time)));
    format!("true{}{}", since.unwrap_or_default(), until.unwrap_or_default())
}

/// The rows of an answer that holds whole numbers only.
async fn numbers(lake: &Lake, text: String) -> Result<Vec<Vec<Option<i64>>>> {
    let query = SqlQuery { text, params: BTreeMap::new(), timeout: None, max_rows: None };
    let mut rows = Vec::new();
    for batch in lake.sql(query).await.context("cannot count what there is to export")?.collect().await? {
        let columns =
            batch.columns().iter().map(|column| cast(column, &DataType::Int64)).collect::<Result<Vec<_>, _>>()?;
        let columns: Vec<_> = columns.iter().map(|column| column.as_primitive::<Int64Type>()).collect();
        rows.extend((0..batch.num_rows()).map(|at| {
            let value = |column: &&arrow::array::Int64Array| column.iter().nth(at).flatten();
            columns.iter().map(value).collect()
        }));
    }
    Ok(rows)
}
