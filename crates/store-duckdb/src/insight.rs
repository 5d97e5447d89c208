//! Counts along several lines as SQL over table `activity`: one pass over the rows for each question.

use async_trait::async_trait;
use auditlake_store::{
    Facets, Group, Insight, Latest, Result, Rows, Seqs, StoreError, Tally, schema::RESOURCE_SEPARATOR,
};
use duckdb::params_from_iter;

use crate::{
    DuckStore,
    cube::{self, Asked, From, Needs},
    filter,
    reader::{condition, countable, moment, needs},
    schema, stream,
};

#[async_trait]
impl Insight for DuckStore {
    async fn tally(&self, tally: &Tally) -> Result<Vec<Group>> {
        let columns: Vec<String> = tally.by.iter().map(|name| groupable(name)).collect::<Result<_>>()?;
        let (tally, width) = (tally.clone(), columns.len());
        let micros = tally.width.map(|width| i64::try_from(width.as_micros()).unwrap_or(i64::MAX).max(1));
        let names: Vec<&str> = tally.by.iter().map(String::as_str).collect();
        let is_covered = cube::covers(&tally.filter, tally.window, micros, &names);
        let needs = needs_of(&tally.by);
        let asked = Asked { is_covered, needs, filter: tally.filter.clone(), window: tally.window };
        self.count("counting", asked, move |connection, _, from| {
            let mut values = Vec::new();
            let condition = condition(&from.filter, tally.window, Seqs::default(), &mut values);
            let mut statement = connection.prepare(&tally_text(&tally, micros, &columns, &condition, &from))?;
            let has_time = micros.is_some();
            let rows = statement.query_map(params_from_iter(values), |row| {
                let start = if has_time { moment(row, 3)? } else { None };
                let by = (0..width).map(|at| row.get(3 + usize::from(has_time) + at)).collect::<duckdb::Result<_>>()?;
                Ok(Group { start, values: by, count: row.get(0)?, first: moment(row, 1)?, last: moment(row, 2)? })
            })?;
            rows.collect()
        })
        .await
    }

    async fn facets(&self, facets: &Facets) -> Result<Vec<Vec<(String, u64)>>> {
        let columns: Vec<String> = facets.columns.iter().map(|name| countable(name)).collect::<Result<_>>()?;
        if columns.is_empty() {
            return Ok(Vec::new());
        }
        let facets = facets.clone();
        let is_covered = |name: &&str| cube::covers(&facets.filter, facets.window, None, &[name]);
        let has_covered = facets.columns.iter().any(|name| is_covered(&name.as_str()));
        let needs = needs_of(&facets.columns);
        let asked = Asked { is_covered: has_covered, needs, filter: facets.filter.clone(), window: facets.window };
        self.count("counting", asked, move |connection, _, from| {
            let filter = from.filter.clone();
            let mut lists = vec![Vec::new(); columns.len()];
            // Each column for itself, as the engine counts a column by its dictionary; but what is slow to find is found once.
            if !filter::is_slow(&filter) {
                for ((list, name), column) in lists.iter_mut().zip(&facets.columns).zip(&columns) {
                    let is_covered = from.is_hit() || cube::covers(&filter, facets.window, None, &[name]);
                    let from = if is_covered { from.clone() } else { From::rows(filter.clone()) };
                    let mut values = Vec::new();
                    let text = count_text(name, column, &from, facets.limit, || {
                        condition(&filter, facets.window, Seqs::default(), &mut values)
                    });
                    let mut statement = connection.prepare(&text)?;
                    let rows = statement.query_map(params_from_iter(values), |row| Ok((row.get(0)?, row.get(1)?)))?;
                    *list = rows.collect::<duckdb::Result<_>>()?;
                }
                return Ok(lists);
            }
            let mut values = Vec::new();
            let condition = condition(&filter, facets.window, Seqs::default(), &mut values);
            let mut statement = connection.prepare(&facets_text(&columns, &condition, facets.limit))?;
            let mut rows = statement.query(params_from_iter(values))?;
            while let Some(row) = rows.next()? {
                let which: usize = row.get(0)?;
                if let Some(list) = lists.get_mut(which) {
                    list.push((row.get(1)?, row.get(2)?));
                }
            }
            Ok(lists)
        })
        .await
    }

    async fn latest(&self, latest: &Latest) -> Result<Rows> {
        let mut values = Vec::new();
        let condition = condition(&latest.filter, latest.window, Seqs::default(), &mut values);
        let (columns, each, limit) = (schema::raw(), latest.each, latest.limit);
        let order = "event_time DESC, event_id DESC";
        let text = format!(
            "SELECT {columns} FROM activity WHERE rowid IN (SELECT rowid FROM (SELECT rowid, event_time, event_id, \
             row_number() OVER (PARTITION BY event_name, organization_id ORDER BY {order}) AS place FROM activity \
             WHERE {condition}) WHERE place <= {each} ORDER BY {order} LIMIT {limit}) ORDER BY {order}"
        );
        stream::run(self, stream::Query::own(text, values)).await
    }
}

fn needs_of(columns: &[String]) -> Needs {
    columns.iter().map(|column| needs(column)).max().unwrap_or(Needs::Plain)
}

/// Three columns (count, first, last), the stretch if there is one, then those that are counted by.
fn tally_text(tally: &Tally, width: Option<i64>, columns: &[String], condition: &str, from: &From) -> String {
    let mut inner: Vec<String> = Vec::new();
    if let Some(width) = width {
        inner.push(format!("CAST(floor(epoch_us(event_time) / {width}) AS BIGINT) * {width}"));
    }
    inner.extend(columns.iter().map(|column| format!("CAST({column} AS VARCHAR)")));
    let named: Vec<String> = inner.iter().enumerate().map(|(at, column)| format!("{column} AS c{at}")).collect();
    let outer: Vec<String> = (0..inner.len()).map(|at| format!("c{at}")).collect();
    let From { table, count, first, last, needs, .. } = from;
    let counts = format!("{count} AS n, epoch_us({first}), epoch_us({last})");
    let (list, names) = (join(&named), join(&outer));
    let order = match (width.is_some(), outer.is_empty()) {
        (_, true) => return format!("SELECT {counts} FROM {table} WHERE {condition}"),
        (true, _) => format!("c0, n DESC, {names}"),
        (false, _) => format!("n DESC, {names}"),
    };
    format!(
        "SELECT {counts}, {names} FROM (SELECT {needs}, {list} FROM {table} WHERE {condition}) GROUP BY {names} \
         ORDER BY {order} LIMIT {limit}",
        limit = tally.limit
    )
}

/// Two columns: the value and the count, the most frequent first. `condition` is asked for as often as it is needed.
pub(crate) fn count_text(
    name: &str,
    column: &str,
    from: &From,
    limit: u64,
    mut condition: impl FnMut() -> String,
) -> String {
    let From { table, count, .. } = from;
    let order = format!("HAVING value IS NOT NULL ORDER BY n DESC, value LIMIT {limit}");
    match name {
        // The engine counts by a bare column several times faster.
        "srcIP" => format!(
            "SELECT actor_ip AS value, count(*) AS n FROM {table} WHERE {} AND {} GROUP BY 1 {order}",
            condition(),
            schema::IS_ADDRESS
        ),
        "actorLabel" => format!(
            "SELECT value, CAST(sum(n) AS BIGINT) AS n FROM (\
             SELECT actor_email AS value, count(*) AS n FROM {table} WHERE {} AND actor_email IS NOT NULL GROUP BY 1 UNION ALL \
             SELECT {column} AS value, count(*) AS n FROM {table} WHERE {} AND actor_email IS NULL GROUP BY 1) GROUP BY 1 {order}",
            condition(),
            condition()
        ),
        _ => format!(
            "SELECT CAST({column} AS VARCHAR) AS value, {count} AS n FROM {table} WHERE {} GROUP BY 1 {order}",
            condition()
        ),
    }
}

/// The column's place, its value, the count.
fn facets_text(columns: &[String], condition: &str, limit: u64) -> String {
    let inner: Vec<String> =
        columns.iter().enumerate().map(|(at, column)| format!("CAST({column} AS VARCHAR) AS c{at}")).collect();
    let names: Vec<String> = (0..columns.len()).map(|at| format!("c{at}")).collect();
    let sets: Vec<String> = names.iter().map(|name| format!("({name})")).collect();
    let places: Vec<String> =
        names.iter().enumerate().map(|(at, name)| format!("WHEN grouping({name}) = 0 THEN {at}")).collect();
    format!(
        "SELECT place, value, n FROM (SELECT CASE {places} END AS place, coalesce({names}, NULL) AS value, count(*) AS n \
         FROM (SELECT {inner} FROM activity WHERE {condition}) GROUP BY GROUPING SETS ({sets})) WHERE value IS NOT NULL \
         QUALIFY row_number() OVER (PARTITION BY place ORDER BY n DESC, value) <= {limit} ORDER BY place, n DESC, value",
        places = places.join(" "),
        names = join(&names),
        inner = join(&inner),
        sets = join(&sets),
    )
}

fn join(list: &[String]) -> String {
    list.join(", ")
}

/// The expression of a column that a tally can be by.
fn groupable(name: &str) -> Result<String> {
    match name {
        // Each id once, even where an activity names it in two places.
        "resource" => {
            Ok(format!("unnest(list_distinct(string_split(resource_ids, chr({}))))", RESOURCE_SEPARATOR as u32))
        }
        "weekday" => Ok("isodow(event_time)".to_owned()),
        "hourOfDay" => Ok("hour(event_time)".to_owned()),
        _ => match name.strip_prefix("raw.") {
            Some(path) => member(path),
            None => countable(name),
        },
    }
}

/// What stands at a path of the raw log. Only keys that need no quoting are let through.
fn member(path: &str) -> Result<String> {
    let is_plain = |key: &str| !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !path.split('.').all(is_plain) {
        return Err(StoreError::Statement(format!("there is no counting by raw.{path}")));
    }
    Ok(format!("json_extract_string({}, '$.{path}')", schema::raw_log()))
}
