//! Counts along several lines as SQL over table `activity`: one pass over the rows for each question.

use async_trait::async_trait;
use auditlake_store::{Facets, Group, Insight, Latest, Result, Rows, Seqs, StoreError, Tally};

use crate::{
    ClickStore,
    client::Author,
    reader::{countable, stretch},
    schema::{self, quoted},
    shape::Shape,
};

#[async_trait]
impl Insight for ClickStore {
    async fn tally(&self, tally: &Tally) -> Result<Vec<Group>> {
        let columns: Vec<String> = tally.by.iter().map(|name| groupable(name)).collect::<Result<_>>()?;
        let condition = self.inner.condition(&tally.filter, tally.window, Seqs::default()).await?;
        let text = tally_text(tally, &columns, &condition);
        let table = self.inner.server.rows("counting", &text).await?;
        let (has_time, width) = (tally.width.is_some(), columns.len());
        let group = |row: crate::client::Row| {
            let count = row.number(0).unwrap_or_default();
            // Of nothing there is no first and no last.
            let time = |at| row.time(at).filter(|_| count > 0);
            Group {
                start: if has_time { row.time(3) } else { None },
                values: (0..width).map(|at| row.text(3 + usize::from(has_time) + at).map(str::to_owned)).collect(),
                count,
                first: time(1),
                last: time(2),
            }
        };
        Ok(table.rows().map(group).collect())
    }

    async fn facets(&self, facets: &Facets) -> Result<Vec<Vec<(String, u64)>>> {
        let columns: Vec<String> = facets.columns.iter().map(|name| countable(name)).collect::<Result<_>>()?;
        let mut lists = vec![Vec::new(); columns.len()];
        if columns.is_empty() {
            return Ok(lists);
        }
        let condition = self.inner.condition(&facets.filter, facets.window, Seqs::default()).await?;
        let text = facets_text(&columns, &condition, facets.limit);
        for row in self.inner.server.rows("counting", &text).await?.rows() {
            let place = row.number(0).and_then(|place| usize::try_from(place).ok());
            if let Some(list) = place.and_then(|place| lists.get_mut(place)) {
                list.push((row.string(1), row.number(2).unwrap_or_default()));
            }
        }
        Ok(lists)
    }

    async fn latest(&self, latest: &Latest) -> Result<Rows> {
        let condition = self.inner.condition(&latest.filter, latest.window, Seqs::default()).await?;
        let text = format!(
            "SELECT {} FROM activity WHERE {condition} ORDER BY event_time DESC, event_id DESC \
             LIMIT {} BY event_name, organization_id LIMIT {}",
            schema::raw(),
            latest.each,
            latest.limit
        );
        self.inner.server.stream(&text, Author::Us, None, Shape::Port).await
    }
}

/// The place of a column in the list, a value, and how many rows have it: all columns in one pass over the rows, each by its dictionary.
fn facets_text(columns: &[String], condition: &str, limit: u64) -> String {
    let each = |of: &dyn Fn(usize, &String) -> String| -> String {
        columns.iter().enumerate().map(|(at, column)| of(at, column)).collect::<Vec<_>>().join(", ")
    };
    let (made, names) = (each(&|at, column| format!("{column} AS c{at}")), each(&|at, _| format!("c{at}")));
    let (sets, marks) = (each(&|at, _| format!("(c{at})")), each(&|at, _| format!("grouping(c{at}) AS g{at}")));
    // A column that a row does not count says 1.
    let places = each(&|at, _| format!("g{at} = 0, toUInt64({at})"));
    let values = each(&|at, _| format!("g{at} = 0, CAST(c{at} AS Nullable(String))"));
    format!(
        "SELECT place, value, n FROM (SELECT multiIf({places}, NULL) AS place, multiIf({values}, NULL) AS value, n FROM \
         (SELECT {names}, {marks}, count() AS n FROM (SELECT {made} FROM activity WHERE {condition}) \
         GROUP BY GROUPING SETS ({sets}))) WHERE isNotNull(value) ORDER BY place, n DESC, value LIMIT {limit} BY place"
    )
}

/// Three columns (count, first, last), the stretch if there is one, then those that are counted by.
fn tally_text(tally: &Tally, columns: &[String], condition: &str) -> String {
    let mut inner: Vec<String> = tally.width.map(stretch).into_iter().collect();
    inner.extend(columns.iter().map(|column| format!("CAST({column} AS Nullable(String))")));
    let named: Vec<String> = inner.iter().enumerate().map(|(at, column)| format!("{column} AS c{at}")).collect();
    let names: Vec<String> = (0..inner.len()).map(|at| format!("c{at}")).collect();
    let counts = "count() AS n, toUnixTimestamp64Micro(min(event_time)), toUnixTimestamp64Micro(max(event_time))";
    let (list, names) = (named.join(", "), names.join(", "));
    let order = match (tally.width.is_some(), names.is_empty()) {
        (_, true) => return format!("SELECT {counts} FROM activity WHERE {condition}"),
        (true, _) => format!("c0, n DESC, {names}"),
        (false, _) => format!("n DESC, {names}"),
    };
    format!(
        "SELECT {counts}, {names} FROM (SELECT event_time, {list} FROM activity WHERE {condition}) GROUP BY {names} \
         ORDER BY {order} LIMIT {}",
        tally.limit
    )
}

/// The expression of a column that a tally can be by.
fn groupable(name: &str) -> Result<String> {
    match name {
        // Each id once, even where an activity names it in two places.
        "resource" => Ok("arrayJoin(arrayDistinct(resources))".to_owned()),
        "weekday" => Ok("toDayOfWeek(event_time)".to_owned()),
        "hourOfDay" => Ok("toHour(event_time)".to_owned()),
        _ => match name.strip_prefix("raw.") {
            Some(path) => member(path),
            None => countable(name),
        },
    }
}

/// What stands at a path of the raw log: a text as itself, everything else as JSON. Only plain keys are let through.
fn member(path: &str) -> Result<String> {
    let is_plain = |key: &str| !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !path.split('.').all(is_plain) {
        return Err(StoreError::Statement(format!("there is no counting by raw.{path}")));
    }
    let keys: Vec<String> = path.split('.').map(quoted).collect();
    let keys = keys.join(", ");
    Ok(format!(
        "multiIf(NOT JSONHas(raw_log, {keys}) OR JSONType(raw_log, {keys}) = 'Null', NULL, \
         JSONType(raw_log, {keys}) = 'String', JSONExtractString(raw_log, {keys}), JSONExtractRaw(raw_log, {keys}))"
    ))
}
